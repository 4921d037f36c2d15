use noex_store::prelude::*;

#[derive(Bucket, Clone, Serialize, Deserialize)]
#[bucket(version = 0)]
struct User {
    #[bucket(key)]
    id: u64,
}

#[derive(Bucket, Clone, Serialize, Deserialize)]
#[bucket(version = "2")]
struct Other {
    #[bucket(key)]
    id: u64,
}

fn main() {}
