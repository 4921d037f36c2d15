//! The records of the benches: six fields, one unique and two plain indexes; and the same as a table of SQLite.

use noex_store::prelude::*;
use rusqlite::{Connection, params};

use super::Random;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
pub struct User {
    #[bucket(key)]
    pub id: Uuid,
    #[bucket(unique)]
    pub email: String,
    pub name: String,
    /// One of two.
    #[bucket(index)]
    pub role: u8,
    /// About a hundred users each.
    #[bucket(index)]
    pub city: u32,
    pub score: f64,
}

pub fn user(random: &mut Random, number: usize, of: usize) -> User {
    let id = Uuid::from_u64_pair(random.next(), random.next());
    User {
        id,
        email: format!("user{number}@example.com"),
        name: format!("User Number {number}"),
        role: (random.next() % 2) as u8,
        city: random.below((of / 100).max(1)) as u32,
        score: random.below(1_000_000) as f64 / 1000.0,
    }
}

pub fn users(count: usize) -> Vec<User> {
    let mut random = Random::new(count as u64);
    (0..count).map(|number| user(&mut random, number, count)).collect()
}

pub fn store() -> (Store, BucketHandle<User>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let store = runtime.block_on(Store::builder().bucket::<User>().start()).expect("a store");
    let handle = store.bucket::<User>().expect("the bucket");
    (store, handle)
}

pub fn filled(users: &[User]) -> (Store, BucketHandle<User>) {
    let (store, handle) = store();
    handle.insert_many(users.iter().cloned()).expect("the users are good");
    (store, handle)
}

/// A database in memory with the same rows and indexes.
pub fn sqlite() -> Connection {
    let connection = Connection::open_in_memory().expect("SQLite opens");
    connection
        .execute_batch(
            "CREATE TABLE users (id BLOB PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
                                 role INTEGER NOT NULL, city INTEGER NOT NULL, score REAL NOT NULL);
             CREATE INDEX by_role ON users (role);
             CREATE INDEX by_city ON users (city);",
        )
        .expect("the table is made");
    connection.set_prepared_statement_cache_capacity(64);
    connection
}

pub fn sqlite_insert(connection: &Connection, user: &User) {
    connection
        .prepare_cached("INSERT INTO users VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        .expect("the statement is good")
        .execute(params![user.id.as_bytes(), user.email, user.name, user.role, user.city, user.score])
        .expect("the row is good");
}

pub fn sqlite_filled(users: &[User]) -> Connection {
    let connection = sqlite();
    connection.execute_batch("BEGIN").expect("a transaction begins");
    users.iter().for_each(|user| sqlite_insert(&connection, user));
    connection.execute_batch("COMMIT").expect("it ends");
    connection
}

pub fn sqlite_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: Uuid::from_bytes(row.get(0)?),
        email: row.get(1)?,
        name: row.get(2)?,
        role: row.get(3)?,
        city: row.get(4)?,
        score: row.get(5)?,
    })
}

pub fn sqlite_get(connection: &Connection, id: &Uuid) -> User {
    connection
        .prepare_cached("SELECT * FROM users WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id.as_bytes()], sqlite_row))
        .expect("the row is there")
}

pub fn sqlite_by_city(connection: &Connection, city: u32) -> Vec<User> {
    let mut statement =
        connection.prepare_cached("SELECT * FROM users WHERE city = ?1").expect("the statement is good");
    let rows = statement.query_map([city], sqlite_row).expect("the query runs");
    rows.map(|row| row.expect("the row is good")).collect()
}
