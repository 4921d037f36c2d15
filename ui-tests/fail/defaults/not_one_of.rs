use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(one_of = ["CZ", "DE"], default = "US")]
    country: String,
}

fn main() {}
