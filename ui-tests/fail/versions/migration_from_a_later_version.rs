use noex_store::prelude::*;

#[derive(Bucket, Clone, Serialize, Deserialize)]
#[bucket(version = 2)]
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

impl From<UserV1> for User {
    fn from(user: UserV1) -> Self {
        Self { id: user.id }
    }
}

fn main() {}
