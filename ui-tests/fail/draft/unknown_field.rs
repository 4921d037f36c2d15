use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    name: String,
    age: Option<u8>,
}

fn insert(users: &BucketHandle<User>) {
    let _ = users.insert(User::draft().id(1).nam("Alice"));
}

fn main() {}
