use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Page<T> {
    #[bucket(key)]
    id: u64,
    content: T,
}

fn main() {}
