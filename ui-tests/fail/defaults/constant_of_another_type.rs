use noex_store::prelude::*;

const START: u32 = 1;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(default = START)]
    level: u8,
}

fn main() {}
