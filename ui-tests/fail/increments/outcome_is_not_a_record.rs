use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct User {
    #[bucket(key)]
    id: u64,
    logins: u32,
}

fn visit(tx: &Transaction) -> Result<u32, Error> {
    let user: Record<User> = tx.bucket::<User>()?.update(&1, User::patch().add(User::LOGINS, 1))?;
    Ok(user.logins)
}

fn main() {}
