//! The README's first program: `cargo run --example quickstart`.

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
pub struct User {
    #[bucket(key, generated = "uuid")]
    pub id: Uuid,
    #[bucket(min_length = 1, max_length = 200)]
    pub name: String,
    #[bucket(unique, format = "email")]
    pub email: String,
    #[bucket(index, default = Role::User)]
    pub role: Role,
    #[bucket(index, min = 0, max = 150)]
    pub age: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    Admin,
    User,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<User>().start().await?;
    let users = store.bucket::<User>()?;

    // A draft without a required field does not compile; rules are checked, all at once.
    let alice = users.insert(User::draft().name("Alice").email("alice@example.com").age(31))?;
    users.insert(User::draft().name("Bob").email("bob@example.com").role(Role::Admin).age(45))?;
    if let Err(error) = users.insert(User::draft().name("").email("nonsense").age(200)) {
        println!("refused: {error}");
    }

    // A snapshot stays as it is, whatever is written.
    let before = store.snapshot();
    let alice = users.update(&alice.id, User::patch().role(Role::Admin))?;
    println!("{} is {:?} now, version {}", alice.name, alice.role, alice.version());
    println!("admins before: {}", before.bucket::<User>()?.by_role(&Role::Admin).len());
    println!("admins now:    {}", users.by_role(&Role::Admin).len());

    // Typed questions; the planner picks the index.
    let question =
        users.filter(User::AGE.between(18..65).and(User::NAME.starts_with("B"))).order_by(User::AGE.desc());
    for user in question.collect() {
        println!("found: {} <{}>", user.name, user.email);
    }
    println!("{}", question.explain());
    store.stop().await
}
