use noex_store::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Role {
    Admin,
    Guest,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(index(city, role))]
struct User {
    #[bucket(key)]
    id: u64,
    city: String,
    role: Role,
}

fn main() {}
