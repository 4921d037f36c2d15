use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(index(age))]
struct User {
    #[bucket(key)]
    id: u64,
    age: u8,
}

fn main() {}
