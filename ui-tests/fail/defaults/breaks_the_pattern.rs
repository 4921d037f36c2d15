use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(pattern = "^[A-Z]{2}$", default = "cz")]
    country: String,
}

fn main() {}
