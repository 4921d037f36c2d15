use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Page<'a> {
    #[bucket(key)]
    id: u64,
    title: &'a str,
}

fn main() {}
