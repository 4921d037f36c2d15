use noex_store::prelude::*;

#[derive(Bucket, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(unique)]
    email: String,
}

fn ask(users: &BucketHandle<User>) {
    let _ = users.insert(User::draft().id(1).email("a@b.cz"));
    let _ = users.by_email("a@b.cz");
}

fn main() {}
