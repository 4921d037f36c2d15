use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(unique(team, email))]
struct Member {
    #[bucket(key)]
    id: u64,
    team: u32,
    email: String,
}

fn find(members: &BucketHandle<Member>) -> Option<Record<Member>> {
    members.by_team_and_email("sales", "ann@example.com")
}

fn main() {}
