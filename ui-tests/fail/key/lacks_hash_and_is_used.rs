use noex_store::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Id(u64);

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: Id,
    name: String,
}

fn ask(users: &BucketHandle<User>) -> Option<Record<User>> {
    let _ = users.insert(User::draft().id(Id(1)).name("Alice"));
    users.get(&Id(1))
}

fn main() {}
