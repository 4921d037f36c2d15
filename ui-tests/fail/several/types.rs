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
    #[bucket(index)]
    role: Role,
    #[bucket(unique)]
    total: f64,
    #[bucket(index(each))]
    roles: Vec<Role>,
    #[bucket(max_length = 3)]
    second: Role,
}

fn main() {}
