use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(unique(team, email), unique(email, team))]
struct Member {
    #[bucket(key)]
    id: u64,
    team: u32,
    email: String,
}

fn main() {}
