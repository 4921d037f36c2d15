use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(index(city, total))]
struct User {
    #[bucket(key)]
    id: u64,
    city: String,
    total: f64,
}

fn main() {}
