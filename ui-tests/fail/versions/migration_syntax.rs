use noex_store::prelude::*;

#[derive(Bucket, Clone, Serialize, Deserialize)]
#[bucket(version = 2, migrate)]
struct A {
    #[bucket(key)]
    id: u64,
}

#[derive(Bucket, Clone, Serialize, Deserialize)]
#[bucket(version = 2, migrate(UserV1))]
struct B {
    #[bucket(key)]
    id: u64,
}

#[derive(Bucket, Clone, Serialize, Deserialize)]
#[bucket(version = 2, migrate(from = "UserV1"))]
struct C {
    #[bucket(key)]
    id: u64,
}

fn main() {}
