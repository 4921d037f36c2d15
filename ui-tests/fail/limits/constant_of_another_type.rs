use noex_store::prelude::*;

const MAX: u32 = 150;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(max = MAX)]
    age: u8,
}

fn main() {}
