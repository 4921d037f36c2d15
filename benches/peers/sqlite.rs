//! SQLite in memory, by rusqlite with prepared statements.

use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use noex_store::prelude::Uuid;
use rusqlite::{Connection, params};

use crate::common::nanos;
use crate::common::users::{User, sqlite_by_city, sqlite_filled, sqlite_get, sqlite_insert, sqlite_row};
use crate::work::{HIGH, Operations, PAGE, RANGE, Round, beside};

pub struct Sqlite {
    connection: Connection,
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
        run(&self.connection, sql, params);
    }

    /// The users that a query gives, all read.
    fn users(&self, sql: &str, params: impl rusqlite::Params) -> Vec<User> {
        let mut statement = self.connection.prepare_cached(sql).expect("good");
        let rows = statement.query_map(params, sqlite_row).expect("runs");
        rows.map(|row| row.expect("a user")).collect()
    }
}

fn run(connection: &Connection, sql: &str, params: impl rusqlite::Params) {
    connection.prepare_cached(sql).expect("good").execute(params).expect("done");
}

fn update(connection: &Connection, id: &Uuid, score: f64) {
    run(connection, "UPDATE users SET score = ?2 WHERE id = ?1", params![id.as_bytes(), score]);
}

fn groups(connection: &Connection) -> usize {
    let sql = "SELECT role, count(*), avg(score) FROM users GROUP BY role";
    let mut statement = connection.prepare_cached(sql).expect("good");
    let counts = statement.query_map([], |row| {
        let (_, count, _): (u8, i64, f64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(count as usize)
    });
    counts.expect("runs").map(|count| count.expect("a number")).sum()
}

/// Keeps users in a file; then opens it, and counts them.
pub fn reopened(all: &[User], folder: &Path) -> Box<dyn FnMut() -> f64> {
    let (file, count) = (folder.join("users.sqlite"), all.len());
    let name = file.to_str().expect("plain text");
    sqlite_filled(all).execute("VACUUM INTO ?1", [name]).expect("written");
    Box::new(move || {
        let begin = Instant::now();
        let connection = Connection::open(&file).expect("opens");
        assert_eq!(groups(&connection), count);
        nanos(begin.elapsed(), 1)
    })
}

impl Operations for Sqlite {
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

    fn update(&self, id: &Uuid, score: f64) {
        update(&self.connection, id, score);
    }

    fn delete(&mut self, id: &Uuid) {
        self.run("DELETE FROM users WHERE id = ?1", [id.as_bytes()]);
    }

    fn transaction(&mut self, id: &Uuid, total: f64) -> Option<()> {
        self.run("BEGIN", []);
        let score = (sqlite_get(&self.connection, id).score + total) % 900.0;
        update(&self.connection, id, score);
        self.run("INSERT INTO orders (user, total) VALUES (?1, ?2)", params![id.as_bytes(), total]);
        self.run("COMMIT", []);
        Some(())
    }

    fn groups(&self) -> Option<usize> {
        Some(groups(&self.connection))
    }

    /// By a lock around the one connection: a database in memory has no other.
    fn beside(&mut self, round: &Round<'_>, times: usize) -> Option<Vec<f64>> {
        let shared = Mutex::new(&mut self.connection);
        let connection = || shared.lock().expect("nobody panics");
        Some(beside(
            round,
            times,
            |id| sqlite_get(&connection(), id).name.len(),
            |id, score| update(&connection(), id, score),
        ))
    }
}
