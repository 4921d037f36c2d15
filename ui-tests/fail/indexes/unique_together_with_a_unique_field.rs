use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(unique(team, email))]
struct Member {
    #[bucket(key)]
    id: u64,
    team: u32,
    #[bucket(unique)]
    email: String,
}

fn main() {}
