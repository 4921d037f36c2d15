use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    cell: std::cell::Cell<u8>,
}

fn main() {}
