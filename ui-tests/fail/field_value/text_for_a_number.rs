use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    name: String,
    age: Option<u8>,
}

fn ask(users: &BucketHandle<User>) {
    let _ = users.filter(User::AGE.ge("x"));
}

fn main() {}
