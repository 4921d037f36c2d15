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
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    total: f64,
}

fn ask(users: &BucketHandle<User>) {
    let _ = users.filter(Order::TOTAL.gt(1.0));
}

fn main() {}
