use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(min_length = 9, max_length = 3)]
    name: String,
}

fn main() {}
