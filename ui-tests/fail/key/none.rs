use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

fn main() {}
