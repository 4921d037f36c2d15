//! The inspector, asked as a browser would: what it tells of a store, whom it tells, and when it ends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use futures_util::FutureExt;
use noex_store::Inspector;
use noex_store::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "people", index(city, age))]
struct Person {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(unique)]
    email: String,
    city: String,
    #[bucket(min = 0, max = 150)]
    age: u8,
}

/// What has no text either.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Nameless;

impl std::fmt::Debug for Nameless {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("a trap")
    }
}

/// A record whose JSON cannot be made.
#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "traps")]
struct Trap {
    #[bucket(key)]
    id: u64,
    #[serde(serialize_with = "panics")]
    value: u8,
}

fn panics<S: serde::Serializer>(_: &u8, _: S) -> Result<S::Ok, S::Error> {
    panic!("a trap")
}

async fn store() -> Result<Store, Error> {
    let store = Store::builder().name("town").bucket::<Person>().bucket::<Trap>().start().await?;
    let person = |number: u8| {
        let city = ["Brno", "Plzeň", "Zlín"][usize::from(number) % 3];
        Person::draft().email(format!("{number}@example.com")).city(city).age(number)
    };
    store.bucket::<Person>()?.insert_many((0..120).map(person))?;
    Ok(store)
}

/// What the server says to a request with this name of its machine: status and body.
async fn ask_as(host: &str, at: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    (status, body.to_owned())
}

async fn ask(inspector: &Inspector, path: &str) -> Value {
    let (status, body) = ask_as("localhost", inspector.address(), path).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

async fn complaint(inspector: &Inspector, path: &str) -> (u16, String) {
    let (status, body) = ask_as("localhost", inspector.address(), path).await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    (status, body["error"].as_str().expect("an error").to_owned())
}

#[tokio::test]
async fn it_tells_what_a_store_holds() -> Result<(), Error> {
    let store = store().await?;
    let inspector = store.inspector().serve().await?;
    assert!(inspector.address().ip().is_loopback());
    assert_eq!(inspector.url(), format!("http://{}", inspector.address()));

    let (status, page) = ask_as("localhost", inspector.address(), "/").await;
    assert_eq!((status, page.starts_with("<!doctype html>")), (200, true));

    let told = ask(&inspector, "/api/store").await;
    assert_eq!(told["stats"]["name"], "town");
    assert_eq!(told["stats"]["records"]["per_bucket"]["people"], 120);
    assert_eq!(told["stats"]["index_entries"]["people"], json!({ "city_and_age": 120 }));
    assert_eq!(told["schemas"][0]["name"], "people");
    assert_eq!(told["schemas"][0]["fields"][1], json!(Person::schema().fields[1]));

    let commits = ask(&inspector, "/api/commits").await;
    let latest = &commits[0];
    assert_eq!(latest["version"], json!(store.snapshot().version()));
    assert_eq!(latest["buckets"]["people"], json!({ "inserted": 120, "updated": 0, "deleted": 0 }));
    assert_eq!((latest["all"].as_u64(), latest["changes"].as_array().map(Vec::len)), (Some(120), Some(20)));
    assert_eq!(
        latest["changes"][0],
        json!({ "bucket": "people", "kind": "inserted", "key": 1, "reason": null })
    );
    assert_eq!(commits[2]["definition"], "`people` was defined");
    Ok(())
}

#[tokio::test]
async fn records_come_page_by_page() -> Result<(), Error> {
    let store = store().await?;
    let inspector = store.inspector().serve().await?;
    let (mut ids, mut from) = (Vec::new(), Some(0));
    while let Some(row) = from {
        let page = ask(&inspector, &format!("/api/buckets/people/records?limit=50&from={row}")).await;
        let records = page["records"].as_array().expect("records");
        assert!(records.len() <= 50);
        ids.extend(records.iter().filter_map(|record| record["value"]["id"].as_u64()));
        from = page["next"].as_u64();
    }
    assert_eq!(ids, (1..=120).collect::<Vec<_>>());
    let page = ask(&inspector, "/api/buckets/people/records?limit=1").await;
    let record = store.bucket::<Person>()?.require(&1)?;
    assert_eq!(page["records"][0]["value"], json!(*record));
    assert_eq!(page["records"][0]["created_at"], json!(record.created_at()));
    Ok(())
}

#[tokio::test]
async fn a_filter_is_what_a_person_types() -> Result<(), Error> {
    let store = store().await?;
    let inspector = store.inspector().serve().await?;
    let (mut found, mut from) = (Vec::new(), Some(0));
    while let Some(row) = from {
        // city = Brno and age >= 60
        let path =
            format!("/api/buckets/people/records?limit=7&from={row}&filter=city+%3D+Brno+and+age+%3E%3D+60");
        let page = ask(&inspector, &path).await;
        let records = page["records"].as_array().expect("records");
        assert!(records.len() <= 7);
        found.extend(records.iter().filter_map(|record| record["value"]["id"].as_u64()));
        from = page["next"].as_u64();
    }
    let people = store.bucket::<Person>()?;
    let expected = people.filter(Person::CITY.eq("Brno").and(Person::AGE.ge(60))).collect();
    assert_eq!(found, expected.iter().map(|person| person.id).collect::<Vec<_>>());

    let (status, reason) = complaint(&inspector, "/api/buckets/people/records?filter=name%3DAnn").await;
    assert_eq!(
        (status, reason.as_str()),
        (400, "bucket `people` has no field `name`; it has id, email, city, age")
    );
    let (status, reason) = complaint(&inspector, "/api/buckets/nothing/records").await;
    assert_eq!((status, reason.as_str()), (404, "there is no bucket `nothing`"));
    Ok(())
}

#[tokio::test]
async fn it_tells_what_answers_depend_on() -> Result<(), Error> {
    let store = store().await?;
    let inspector = store.inspector().serve().await?;
    let of_city = store.define_query("of a city", |ctx: &QueryCtx<'_>, city: &String| {
        Ok(ctx.bucket::<Person>()?.filter(Person::CITY.eq(city.as_str())).count())
    })?;
    let inner = of_city.clone();
    let both = store.define_query("both", move |ctx: &QueryCtx<'_>, (): &()| {
        let known = ctx.bucket::<Person>()?.contains_key(&7_u64);
        Ok((known, *ctx.query(&inner, &"Brno".to_owned())?))
    })?;
    let mut live = both.subscribe(())?;
    let _ = live.next().await;

    let answers = ask(&inspector, "/api/answers").await;
    let of = |query: &str| {
        let mut all = answers.as_array().into_iter().flatten();
        all.find(|answer| answer["query"] == query).cloned().expect("an answer")
    };
    let (outer, inner) = (of("both"), of("of a city"));
    assert_eq!(
        (&outer["subscriptions"], &outer["params"], &outer["asks"]),
        (&json!(1), &json!("()"), &json!(["of a city"]))
    );
    assert_eq!(
        outer["reads"],
        json!([{ "bucket": "people", "keys": 1, "unique_values": 0, "conditions": [] }])
    );
    assert_eq!((&inner["params"], &inner["is_current"]), (&json!("\"Brno\""), &json!(true)));
    assert_eq!(inner["reads"][0]["conditions"], json!(["city = \"Brno\" (which records)"]));
    Ok(())
}

#[tokio::test]
async fn parameters_that_panic_have_no_text() -> Result<(), Error> {
    let store = store().await?;
    let count = store.define_query("count", |ctx: &QueryCtx<'_>, _: &Nameless| {
        Ok(ctx.bucket::<Person>()?.filter(Person::AGE.gt(7)).count())
    })?;
    count.run(&Nameless)?;
    let inspector = store.inspector().serve().await?;
    let answers = ask(&inspector, "/api/answers").await;
    assert_eq!(answers[0]["params"], "(their `Debug` panicked)");
    assert_eq!(answers[0]["reads"][0]["conditions"], json!(["age > 7 (which records)"]));
    Ok(())
}

#[tokio::test]
async fn a_record_that_panics_is_an_error_of_its_page_alone() -> Result<(), Error> {
    let store = store().await?;
    store.bucket::<Trap>()?.insert(Trap { id: 1, value: 1 })?;
    let inspector = store.inspector().serve().await?;
    let (status, reason) = complaint(&inspector, "/api/buckets/traps/records").await;
    assert_eq!(status, 500);
    assert!(reason.contains("traps") && reason.contains("a trap"), "{reason}");
    assert_eq!(ask(&inspector, "/api/buckets/people/records?limit=1").await["records"][0]["value"]["id"], 1);
    // Sizes are estimated by the JSON of some records.
    assert_eq!(ask(&inspector, "/api/store").await["stats"]["records"]["per_bucket"]["traps"], 1);
    Ok(())
}

#[tokio::test]
async fn only_who_asks_for_this_machine_is_answered() -> Result<(), Error> {
    let store = store().await?;
    let inspector = store.inspector().serve().await?;
    for path in ["/", "/api/store", "/api/buckets/people/records"] {
        let (status, body) = ask_as("example.com", inspector.address(), path).await;
        assert_eq!(status, 403, "{path}");
        assert!(!body.contains("people"), "{body}");
    }
    let (status, _) = ask_as("127.0.0.1:80", inspector.address(), "/api/store").await;
    assert_eq!(status, 200);
    // Where others are to be let in, they ask by other names.
    let open = store.inspector().address(IpAddr::from(Ipv4Addr::UNSPECIFIED)).serve().await?;
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, open.address().port()));
    assert_eq!(ask_as("example.com", at, "/api/store").await.0, 200);
    Ok(())
}

#[tokio::test]
async fn it_does_not_keep_the_store_and_ends_when_it_is_dropped() -> Result<(), Error> {
    let store = store().await?;
    let inspector = store.inspector().serve().await?;
    let taken = store.inspector().port(inspector.address().port()).serve().await;
    assert!(matches!(taken, Err(Error::Inspector { address, .. }) if address == inspector.address()));

    drop(store);
    let (status, reason) = complaint(&inspector, "/api/store").await;
    assert_eq!((status, reason.as_str()), (410, "the store is gone"));

    let at = inspector.address();
    drop(inspector);
    // The task is cancelled when the runtime comes to it.
    while TcpStream::connect(at).await.is_ok() {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[test]
fn without_a_runtime_that_can_listen_it_is_an_error() {
    let without_io = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let store = without_io.block_on(store()).expect("starts");
    let nowhere = store.inspector().serve().now_or_never().expect("it does not wait");
    let no_io = without_io.block_on(store.inspector().serve());
    for (refused, why) in [(nowhere, "no reactor"), (no_io, "IO is disabled")] {
        let message = refused.expect_err("refused").to_string();
        assert!(message.contains(why), "{message}");
    }
}
