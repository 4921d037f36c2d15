//! The smallest bucket.

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Tag {
    #[bucket(key)]
    name: String,
}

fn main() {
    assert_eq!(Tag::schema().name, "tag");
    let _ = Tag::draft().name("x");
}
