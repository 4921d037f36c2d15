use noex_store::prelude::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Money(u64);

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(min = Money(0))]
    total: Money,
}

fn main() {}
