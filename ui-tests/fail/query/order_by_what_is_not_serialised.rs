use noex_store::prelude::*;

#[derive(Clone, Debug, Default, PartialEq, PartialOrd)]
struct Rank(u8);

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Member {
    #[bucket(key)]
    id: u64,
    #[serde(skip)]
    #[bucket(default)]
    rank: Rank,
}

fn ask(members: &BucketHandle<Member>) {
    let _ = members.order_by(Member::RANK.asc());
}

fn main() {}
