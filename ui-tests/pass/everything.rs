//! The buckets of the public API, with every annotation that there is.

use noex_store::prelude::*;
use noex_store::{Constraint, Evict, FieldKind, Format, Generated};

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
    #[bucket(index(each), default)]
    pub tags: Vec<String>,
    #[bucket(pattern = "^[A-Z]{2}$", one_of = ["CZ", "DE", "US"], default = "CZ")]
    pub country: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    Admin,
    User,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "orders", index(user_id, placed_at))]
pub struct Order {
    #[bucket(key, generated = "autoincrement")]
    pub id: u64,
    #[bucket(index, references = User)]
    pub user_id: Uuid,
    #[bucket(min = 0.0)]
    pub total: f64,
    #[bucket(generated = "timestamp")]
    pub placed_at: u64,
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "sessions", ttl = "30m", max_size = 10_000, evict = "oldest", persistent = false)]
pub struct Session {
    #[bucket(key, generated = "uuid")]
    pub token: Uuid,
    #[bucket(index)]
    pub user_id: Uuid,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<User>().bucket::<Order>().bucket::<Session>().start().await?;
    let users = store.bucket::<User>()?;
    let alice = users.insert(User::draft().name("Alice").email("alice@example.com").age(30))?;
    let order = store.bucket::<Order>()?.insert(Order::draft().user_id(alice.id).total(9.5))?;
    let session = store.bucket::<Session>()?.insert(Session::draft().user_id(alice.id))?;
    assert_eq!((alice.role, alice.country.as_str(), order.id), (Role::User, "CZ", 1));
    assert_eq!(store.bucket::<Session>()?.by_user_id(&alice.id)[0].token, session.token);

    let user = User::schema();
    assert_eq!(user.field("country").map(|field| field.default), Some(Some("\"CZ\"")));
    assert_eq!(
        user.field("country").map(|field| field.constraints),
        Some(
            [Constraint::Pattern("^[A-Z]{2}$"), Constraint::OneOf(&["\"CZ\"", "\"DE\"", "\"US\""]),]
                .as_slice()
        )
    );
    let email = user.field("email").expect("it is a field");
    assert!(email.unique && email.required && email.constraints == [Constraint::Format(Format::Email)]);
    assert_eq!(user.field("tags").map(|field| field.kind), Some(FieldKind::Array));
    assert_eq!(user.key().and_then(|key| key.generated), Some(Generated::Uuid));
    let indexes: Vec<&str> = Order::schema().indexes.iter().map(|index| index.name).collect();
    assert_eq!(indexes, ["user_id", "user_id_and_placed_at"]);
    assert_eq!(Order::schema().field("user_id").and_then(|field| field.references), Some("users"));
    let session = Session::schema();
    assert_eq!(session.ttl, Some(std::time::Duration::from_secs(1800)));
    assert_eq!((session.max_size, session.evict, session.persistent), (Some(10_000), Evict::Oldest, false));
    Ok(())
}
