use noex_store::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Role {
    Admin,
    Guest,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(index)]
    role: Role,
}

fn main() {}
