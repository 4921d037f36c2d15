//! Every kind of generated field, in every type that it fills, required and optional, given and left out.

use std::time::SystemTime;

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Made {
    #[bucket(key, generated = "uuid")]
    id: Uuid,
    #[bucket(generated = "uuid")]
    uuid_text: String,
    #[bucket(generated = "uuid")]
    uuid_maybe: Option<Uuid>,
    #[bucket(unique, generated = "cuid")]
    cuid: String,
    #[bucket(generated = "cuid")]
    cuid_maybe: Option<String>,
    #[bucket(index, generated = "autoincrement")]
    number: u64,
    #[bucket(generated = "autoincrement")]
    small: i16,
    #[bucket(generated = "autoincrement")]
    number_maybe: Option<u32>,
    #[bucket(generated = "timestamp")]
    millis: u64,
    #[bucket(generated = "timestamp")]
    signed: i64,
    #[bucket(generated = "timestamp")]
    float: f64,
    #[bucket(generated = "timestamp")]
    time: SystemTime,
    #[bucket(generated = "timestamp")]
    time_maybe: Option<u128>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<Made>().start().await?;
    let bucket = store.bucket::<Made>()?;
    let one = bucket.insert(Made::draft())?;
    assert_eq!((one.id.get_version_num(), one.uuid_text.len(), one.uuid_maybe.is_some()), (7, 36, true));
    assert!(!one.cuid.is_empty() && one.cuid_maybe.is_some());
    assert_eq!((one.number, one.small, one.number_maybe), (1, 1, Some(1)));
    assert_eq!((one.signed, one.time_maybe), (one.millis as i64, Some(u128::from(one.millis))));
    let since = one.time.duration_since(SystemTime::UNIX_EPOCH).map(|at| at.as_millis()).ok();
    assert_eq!(since, Some(u128::from(one.millis)));

    let two = bucket.insert(Made::draft().number(40).id(Uuid::nil()).clear_number_maybe().cuid("own"))?;
    assert_eq!((two.number, two.id, two.cuid.as_str()), (40, Uuid::nil(), "own"));
    let three = bucket.insert(Made::draft())?;
    assert_eq!((three.number, bucket.by_number(&41).len()), (41, 1));
    Ok(())
}
