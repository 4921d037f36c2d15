use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "a.b", ttl = "soon", nme = "x")]
struct User {
    #[bucket(key)]
    id: Option<u64>,
    #[bucket(min = 150, max = 0)]
    age: u8,
    #[bucket(pattern = "(", uniqe)]
    email: String,
    #[bucket(default = 9, max = 5)]
    stars: u8,
    title: &'static str,
}

fn main() {}
