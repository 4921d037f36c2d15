use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(min = 0)]
    total: f64,
}

fn main() {}
