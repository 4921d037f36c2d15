use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(ttl = "0s")]
struct User {
    #[bucket(key)]
    id: u64,
    name: String,
}

fn main() {}
