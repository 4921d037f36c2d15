use noex_store::prelude::*;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Address {
    city: String,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[serde(flatten)]
    address: Address,
}

fn main() {}
