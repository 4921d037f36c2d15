use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[allow(non_snake_case)]
struct User {
    #[bucket(key)]
    id: u64,
    user_name: String,
    userName: String,
}

fn main() {}
