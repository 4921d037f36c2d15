use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(unique)]
struct User {
    #[bucket(key)]
    id: u64,
    email: String,
}

fn main() {}
