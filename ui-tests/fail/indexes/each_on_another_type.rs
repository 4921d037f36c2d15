use noex_store::prelude::*;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tags(Vec<String>);

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(index(each))]
    tags: Tags,
}

fn main() {}
