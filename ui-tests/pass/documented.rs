//! `deny(missing_docs)`: all that is generated has documentation, or cannot be seen.

#![deny(missing_docs, warnings)]
#![deny(rustdoc::all)]

use noex_store::prelude::*;

/// A public bucket with everything that generates something.
#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(index(name, age))]
pub struct Documented {
    /// The key.
    #[bucket(key, generated = "uuid")]
    pub id: Uuid,
    /// A required field.
    #[bucket(unique)]
    pub name: String,
    /// An optional field.
    #[bucket(index)]
    pub age: Option<u8>,
    /// A collection.
    #[bucket(index(each), default)]
    pub tags: Vec<String>,
    /// A field without an index.
    pub size: u64,
}

fn main() {
    assert_eq!(Documented::schema().fields.len(), 5);
}
