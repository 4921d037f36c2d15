use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    name: String,
    age: Option<u8>,
}

fn change(users: &BucketHandle<User>) {
    let _ = users.update(&1, User::patch().id(2));
}

fn main() {}
