use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key, generated = "uid")]
    id: Uuid,
    name: String,
}

fn main() {}
