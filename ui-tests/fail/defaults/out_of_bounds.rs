use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(min = 1, max = 5, default = 9)]
    stars: u8,
}

fn main() {}
