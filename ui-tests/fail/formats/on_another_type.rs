use noex_store::prelude::*;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Email(String);

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(format = "email")]
    email: Email,
}

fn main() {}
