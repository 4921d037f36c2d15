use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(pattern = "@")]
struct User {
    #[bucket(key)]
    id: u64,
    email: String,
}

fn main() {}
