use noex_store::prelude::*;

#[derive(Bucket, Clone, Serialize, Deserialize)]
struct UserV1 {
    #[bucket(key)]
    id: u64,
}

#[derive(Bucket, Clone, Serialize, Deserialize)]
#[bucket(name = "users", version = 2, migrate(from = UserV1))]
struct User {
    #[bucket(key)]
    id: u64,
}

fn main() {}
