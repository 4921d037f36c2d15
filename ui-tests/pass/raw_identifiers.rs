//! Names that are keywords keep their `r#` where Rust needs it, and lose it where people read.

#![deny(warnings)]

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(index(r#match, r#fn))]
struct r#Struct {
    #[bucket(key)]
    r#type: String,
    #[bucket(unique)]
    r#match: u8,
    #[bucket(index)]
    r#fn: u8,
    r#async: Option<u8>,
    #[bucket(default)]
    r#try: u8,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<r#Struct>().start().await?;
    let records = store.bucket::<r#Struct>()?;
    records.insert(r#Struct::draft().r#type("a").r#match(1).r#fn(2).r#async(3))?;
    let record = records.update("a", r#Struct::patch().clear_async().r#try(4).r#fn(5))?;
    assert_eq!((record.r#async, record.r#try), (None, 4));
    assert_eq!(records.by_match(&1).map(|record| record.r#fn), Some(5));
    assert_eq!(records.by_fn(&5).len(), 1);
    assert_eq!(records.by_match_and_fn(&1, 0..9).len(), 1);
    assert_eq!(records.filter(r#Struct::TYPE.eq("a").and(r#Struct::ASYNC.is_none())).count(), 1);
    assert_eq!(r#Struct::schema().name, "struct");
    let names: Vec<&str> = r#Struct::schema().fields.iter().map(|field| field.name).collect();
    assert_eq!(names, ["type", "match", "fn", "async", "try"]);
    Ok(())
}
