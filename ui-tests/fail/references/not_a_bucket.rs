use noex_store::prelude::*;

struct Plain;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Order {
    #[bucket(key)]
    id: u64,
    #[bucket(references = Plain)]
    user_id: u64,
}

fn main() {}
