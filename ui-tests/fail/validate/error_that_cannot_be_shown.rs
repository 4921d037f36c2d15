use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(validate = even)]
    age: u8,
}

#[derive(Debug)]
struct Odd;

fn even(age: &u8) -> Result<(), Odd> {
    if age % 2 == 0 { Ok(()) } else { Err(Odd) }
}

fn main() {}
