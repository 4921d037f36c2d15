use noex_store::prelude::*;

#[derive(Bucket, Clone, Serialize, Deserialize)]
#[bucket(name = "users", rename_from = "users")]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(rename_from = "mail")]
    #[serde(rename = "mail")]
    email: String,
    #[bucket(rename_from = "id")]
    number: u64,
}

fn main() {}
