use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    name: String,
    age: Option<u8>,
    logins: u32,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Order {
    #[bucket(key)]
    id: u64,
    total: u32,
}

fn main() {
    let _ = User::patch().add(User::AGE, 1);
}
