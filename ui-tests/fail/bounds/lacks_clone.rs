use noex_store::prelude::*;

#[derive(Bucket, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    name: String,
}

fn main() {}
