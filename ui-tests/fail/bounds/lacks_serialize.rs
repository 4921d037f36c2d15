use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    name: String,
}

fn main() {}
