use noex_store::prelude::*;

const LEVELS: [u8; 2] = [1, 2];

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(default = LEVELS.len())]
    level: u8,
}

fn main() {}
