use noex_store::prelude::*;

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Role {
    Admin,
    Guest,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(default)]
    role: Role,
}

fn main() {}
