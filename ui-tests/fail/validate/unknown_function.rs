use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(validate = evn)]
    age: u8,
}

#[allow(dead_code)]
fn even(age: &u8) -> Result<(), String> {
    if age % 2 == 0 { Ok(()) } else { Err("odd".into()) }
}

fn main() {}
