use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    name: String,
    age: Option<u8>,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Order {
    #[bucket(key)]
    id: u64,
    #[bucket(references = Usr)]
    user_id: u64,
}

fn main() {}
