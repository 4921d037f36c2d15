use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(unique)]
    email: String,
    #[bucket(index)]
    age: u8,
}

fn ask(users: &BucketHandle<User>) {
    let _ = users.by_email(&5);
}

fn main() {}
