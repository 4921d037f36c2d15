use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize)]
struct Page {
    #[bucket(key)]
    id: u64,
    title: &'static str,
}

fn main() {}
