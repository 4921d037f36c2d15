use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(max_size = 0)]
struct User {
    #[bucket(key)]
    id: u64,
    name: String,
}

fn main() {}
