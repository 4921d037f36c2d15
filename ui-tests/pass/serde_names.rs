//! Fields are stored under the names that serde gives them.

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[bucket(key)]
    event_id: u64,
    #[serde(rename = "where")]
    place_name: String,
    #[serde(rename(serialize = "kind", deserialize = "type"), alias = "kind")]
    event_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends_at: Option<u64>,
    #[serde(skip)]
    #[bucket(default = 7)]
    cached_size: u32,
    #[serde(with = "text")]
    #[bucket(index)]
    seat_count: u16,
}

mod text {
    use noex_store::prelude::*;

    pub(crate) fn serialize<S: serde::Serializer>(value: &u16, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_string().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all(serialize = "SCREAMING-KEBAB-CASE", deserialize = "SCREAMING-KEBAB-CASE"))]
struct Loud {
    #[bucket(key)]
    the_id: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let stored: Vec<&str> = Event::schema().fields.iter().map(|field| field.name).collect();
    assert_eq!(stored, ["eventId", "where", "kind", "endsAt", "cachedSize", "seatCount"]);
    let rust: Vec<&str> = Event::schema().fields.iter().map(|field| field.rust_name).collect();
    assert_eq!(rust, ["event_id", "place_name", "event_type", "ends_at", "cached_size", "seat_count"]);
    assert_eq!(Event::PLACE_NAME.name(), "where");
    assert_eq!(Loud::schema().fields[0].name, "THE-ID");

    let store = Store::builder().bucket::<Event>().start().await?;
    let events = store.bucket::<Event>()?;
    let event =
        events.insert(Event::draft().event_id(1).place_name("Brno").event_type("talk").seat_count(50))?;
    let json = serde_json::to_value(event.value()).expect("an event can be written");
    let expected = serde_json::json!({ "eventId": 1, "where": "Brno", "kind": "talk", "seatCount": "50" });
    assert_eq!(json, expected);
    let read: Event = serde_json::from_value(json).expect("and read");
    assert_eq!((read.event_type.as_str(), read.seat_count, event.cached_size), ("talk", 50, 7));
    assert_eq!(events.by_seat_count(&50).len(), 1);
    Ok(())
}
