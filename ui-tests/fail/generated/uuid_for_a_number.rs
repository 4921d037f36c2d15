use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key, generated = "uuid")]
    id: u64,
    name: String,
}

fn main() {}
