use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(validate = adult)]
struct User {
    #[bucket(key)]
    id: u64,
    age: u8,
}

fn adult(age: &u8) -> Result<(), String> {
    if *age >= 18 { Ok(()) } else { Err("too young".into()) }
}

fn main() {}
