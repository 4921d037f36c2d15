//! Types and macros of the user's own that have the names of the standard library's.

#![allow(unused, reason = "what shadows need not be used")]

use ::noex_store::prelude::{Bucket, Deserialize, Serialize, Store};

struct Option;
struct Vec;
struct String;
struct Result;
struct Box;
struct Record;
struct Reader;
struct Field;
struct Definition;
enum Shadow {
    Some,
    None,
    Ok,
    Err,
}
use Shadow::{Err, None, Ok, Some};
trait Default {}
trait Clone {}
trait Into {}
trait From {}
trait Deref {}
trait FnMut {}
trait Sized {}
mod core {}
mod std {}
mod noex_store {}
macro_rules! vec {
    () => {};
}

#[derive(Bucket, ::core::clone::Clone, ::core::fmt::Debug, Serialize, Deserialize)]
#[bucket(index(kind, size), ttl = "1h", max_size = 9, evict = "lru", validate = good)]
struct Shadowed {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(index, min = 1, max = 9, default = 3)]
    kind: u8,
    #[bucket(unique, one_of = [1, 2, 3])]
    size: ::core::option::Option<u16>,
    #[bucket(index(each), default, max_length = 3)]
    tags: ::std::vec::Vec<::std::string::String>,
    #[bucket(pattern = "^a", format = "email", default = "a@b.cz")]
    text: ::std::string::String,
    #[bucket(generated = "timestamp")]
    at: i64,
    // Names of the generated code's own variables.
    #[bucket(default = 1, validate = positive)]
    it: u8,
    #[bucket(default = 2)]
    report: u8,
    #[bucket(default = 3)]
    fill: u8,
    #[bucket(default = 4)]
    value: u8,
    #[bucket(default = 5)]
    reader: u8,
    rest: u8,
}

const fn positive(value: &u8) -> ::core::result::Result<(), &'static str> {
    if *value > 0 { ::core::result::Result::Ok(()) } else { ::core::result::Result::Err("must be positive") }
}

const fn good(_: &Shadowed) -> ::core::result::Result<(), &'static str> {
    ::core::result::Result::Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let store = Store::builder().bucket::<Shadowed>().start().await.expect("it starts");
    let bucket = store.bucket::<Shadowed>().expect("it is defined");
    let record = bucket.insert(Shadowed::draft().rest(1).size(2).tags(["x"])).expect("it is good");
    assert_eq!((record.id, record.kind, record.it, record.reader), (1, 3, 1, 5));
    assert_eq!(bucket.by_size(&2).expect("it is there").id, 1);
    assert_eq!(bucket.by_kind_and_size(&3, ..).len(), 1);
    assert_eq!(bucket.by_tags("x").len(), 1);
    bucket.update(&1, Shadowed::patch().clear_size().it(9)).expect("it is good");
    assert!(bucket.update(&1, Shadowed::patch().it(0)).is_err());
}
