use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    name: String,
    #[serde(rename = "name")]
    nick: String,
}

fn main() {}
