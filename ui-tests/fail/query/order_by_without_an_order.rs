use noex_store::prelude::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Role {
    Admin,
    Guest,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Member {
    #[bucket(key)]
    id: u64,
    role: Role,
}

fn ask(members: &BucketHandle<Member>) {
    let _ = members.order_by(Member::ROLE.asc());
}

fn main() {}
