use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(index(rol, age))]
struct User {
    #[bucket(key)]
    id: u64,
    role: u8,
    age: u8,
}

fn main() {}
