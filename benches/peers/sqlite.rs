//! SQLite in memory, by rusqlite with prepared statements.

use noex_store::prelude::Uuid;
use rusqlite::params;

use crate::common::users::{User, sqlite_by_city, sqlite_filled, sqlite_get, sqlite_insert, sqlite_row};
use crate::work::{HIGH, PAGE, Peer, RANGE};

pub struct Sqlite {
    connection: rusqlite::Connection,
    /// A city and a row in the middle of their order.
    middle: (u32, i64),
}

impl Sqlite {
    pub fn new(all: &[User]) -> Self {
        let connection = sqlite_filled(all);
        connection
            .execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, user BLOB NOT NULL, total REAL NOT NULL)")
            .expect("made");
        let middle = "SELECT city, rowid FROM users ORDER BY city, rowid LIMIT 1 OFFSET ?1";
        let middle = connection
            .query_row(middle, [all.len() as i64 / 2 - 1], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("there");
        Self { connection, middle }
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) {
        self.connection.prepare_cached(sql).expect("good").execute(params).expect("done");
    }

    /// The users that a query gives, all read.
    fn users(&self, sql: &str, params: impl rusqlite::Params) -> Vec<User> {
        let mut statement = self.connection.prepare_cached(sql).expect("good");
        let rows = statement.query_map(params, sqlite_row).expect("runs");
        rows.map(|row| row.expect("a user")).collect()
    }
}

impl Peer for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn insert(&mut self, user: &User) {
        sqlite_insert(&self.connection, user);
    }

    fn insert_together(&mut self, users: &[User]) {
        self.run("BEGIN", []);
        users.iter().for_each(|user| sqlite_insert(&self.connection, user));
        self.run("COMMIT", []);
    }

    fn get(&self, id: &Uuid) -> usize {
        sqlite_get(&self.connection, id).name.len()
    }

    fn by_email(&self, email: &str) -> Option<usize> {
        Some(
            self.users("SELECT * FROM users WHERE email = ?1", [email])
                .iter()
                .map(|user| user.name.len())
                .sum(),
        )
    }

    fn by_city(&self, city: u32) -> Option<usize> {
        Some(sqlite_by_city(&self.connection, city).len())
    }

    fn range(&self, from: u32) -> Option<usize> {
        let sql = "SELECT * FROM users WHERE city >= ?1 ORDER BY city LIMIT ?2";
        Some(self.users(sql, params![from, RANGE as i64]).len())
    }

    fn filter(&self) -> Option<usize> {
        Some(self.users("SELECT * FROM users WHERE score >= ?1", [HIGH]).len())
    }

    fn page(&self) -> Option<usize> {
        let sql = "SELECT * FROM users WHERE (city, rowid) > (?1, ?2) ORDER BY city, rowid LIMIT ?3";
        Some(self.users(sql, params![self.middle.0, self.middle.1, PAGE as i64]).len())
    }

    fn update(&mut self, id: &Uuid, score: f64) {
        self.run("UPDATE users SET score = ?2 WHERE id = ?1", params![id.as_bytes(), score]);
    }

    fn delete(&mut self, id: &Uuid) {
        self.run("DELETE FROM users WHERE id = ?1", [id.as_bytes()]);
    }

    fn transaction(&mut self, id: &Uuid, total: f64) -> Option<()> {
        self.run("BEGIN", []);
        let score = (sqlite_get(&self.connection, id).score + total) % 900.0;
        self.run("UPDATE users SET score = ?2 WHERE id = ?1", params![id.as_bytes(), score]);
        self.run("INSERT INTO orders (user, total) VALUES (?1, ?2)", params![id.as_bytes(), total]);
        self.run("COMMIT", []);
        Some(())
    }

    fn groups(&self) -> Option<usize> {
        let sql = "SELECT role, count(*), avg(score) FROM users GROUP BY role";
        let mut statement = self.connection.prepare_cached(sql).expect("good");
        let counts = statement.query_map([], |row| {
            let (_, count, _): (u8, i64, f64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(count as usize)
        });
        Some(counts.expect("runs").map(|count| count.expect("a number")).sum())
    }
}
