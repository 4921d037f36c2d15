use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(primary_key)]
    id: u64,
    name: String,
}

fn main() {}
