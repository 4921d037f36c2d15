//! The same work by several stores in memory, in turns, at growing sizes: `cargo bench --bench peers [part of a name]`. Prints a table in
//! Markdown; `benches/results/peers.md` is one run.
//!
//! Everybody keeps users of six fields, finds them by key, by a unique e-mail address, and by city and role, and makes each change
//! of a record with all of its indexes one atomic step. redb has tables for the indexes; `RwLock` guards maps of std, one for each index, and has
//! no transactions, snapshots or rules: it is what the work costs at the least. SQLite is rusqlite with prepared statements.

mod common;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use common::users::{
    User, filled, sqlite_by_city, sqlite_filled, sqlite_get, sqlite_insert, sqlite_row, user, users,
};
use common::{Random, nanos, show, sizes, wanted};
use noex_store::prelude::*;
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

/// What is done.
trait Peer {
    fn insert(&self, user: &User);
    fn insert_together(&self, users: &[User]);
    fn get(&self, id: &Uuid) -> usize;
    fn by_email(&self, email: &str) -> usize;
    /// How many it found; each is read.
    fn by_city(&self, city: u32) -> usize;
    fn update(&self, id: &Uuid, score: f64);
    fn delete(&self, id: &Uuid);
}

struct Noex(BucketHandle<User>, #[expect(dead_code, reason = "keeps it running")] Store);

impl Peer for Noex {
    fn insert(&self, user: &User) {
        self.0.insert(user.clone()).expect("new");
    }

    fn insert_together(&self, users: &[User]) {
        self.0.insert_many(users.iter().cloned()).expect("new");
    }

    fn get(&self, id: &Uuid) -> usize {
        self.0.get(id).map_or(0, |user| user.name.len())
    }

    fn by_email(&self, email: &str) -> usize {
        self.0.by_email(email).map_or(0, |user| user.name.len())
    }

    fn by_city(&self, city: u32) -> usize {
        self.0.by_city(&city).iter().filter(|user| user.city == city).count()
    }

    fn update(&self, id: &Uuid, score: f64) {
        self.0.update(id, User::patch().score(score)).expect("there");
    }

    fn delete(&self, id: &Uuid) {
        self.0.delete(id).expect("not stopped");
    }
}

struct Sqlite(rusqlite::Connection);

impl Peer for Sqlite {
    fn insert(&self, user: &User) {
        sqlite_insert(&self.0, user);
    }

    fn insert_together(&self, users: &[User]) {
        self.0.execute_batch("BEGIN").expect("begins");
        users.iter().for_each(|user| sqlite_insert(&self.0, user));
        self.0.execute_batch("COMMIT").expect("ends");
    }

    fn get(&self, id: &Uuid) -> usize {
        sqlite_get(&self.0, id).name.len()
    }

    fn by_email(&self, email: &str) -> usize {
        let mut statement = self.0.prepare_cached("SELECT * FROM users WHERE email = ?1").expect("good");
        statement.query_row([email], sqlite_row).map_or(0, |user| user.name.len())
    }

    fn by_city(&self, city: u32) -> usize {
        sqlite_by_city(&self.0, city).len()
    }

    fn update(&self, id: &Uuid, score: f64) {
        let mut statement = self.0.prepare_cached("UPDATE users SET score = ?2 WHERE id = ?1").expect("good");
        statement.execute(rusqlite::params![id.as_bytes(), score]).expect("there");
    }

    fn delete(&self, id: &Uuid) {
        let mut statement = self.0.prepare_cached("DELETE FROM users WHERE id = ?1").expect("good");
        statement.execute([id.as_bytes()]).expect("there");
    }
}

const USERS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("users");
const EMAILS: TableDefinition<'_, &str, u128> = TableDefinition::new("emails");
const CITIES: TableDefinition<'_, (u32, u128), ()> = TableDefinition::new("cities");
const ROLES: TableDefinition<'_, (u8, u128), ()> = TableDefinition::new("roles");

struct Redb(Database);

impl Redb {
    fn new() -> Self {
        Self(Database::builder().create_with_backend(InMemoryBackend::new()).expect("opens"))
    }

    fn put(transaction: &WriteTransaction, user: &User) {
        let id = user.id.as_u128();
        let bytes = postcard::to_stdvec(user).expect("bytes");
        let mut emails = transaction.open_table(EMAILS).expect("there");
        assert!(emails.insert(user.email.as_str(), id).expect("written").is_none(), "unique");
        transaction.open_table(USERS).expect("there").insert(id, bytes.as_slice()).expect("written");
        transaction.open_table(CITIES).expect("there").insert((user.city, id), ()).expect("written");
        transaction.open_table(ROLES).expect("there").insert((user.role, id), ()).expect("written");
    }

    fn write(&self, work: impl FnOnce(&WriteTransaction)) {
        let transaction = self.0.begin_write().expect("begins");
        work(&transaction);
        transaction.commit().expect("ends");
    }
}

fn decoded(bytes: &[u8]) -> User {
    postcard::from_bytes(bytes).expect("a user")
}

impl Peer for Redb {
    fn insert(&self, user: &User) {
        self.write(|transaction| Self::put(transaction, user));
    }

    fn insert_together(&self, users: &[User]) {
        self.write(|transaction| users.iter().for_each(|user| Self::put(transaction, user)));
    }

    fn get(&self, id: &Uuid) -> usize {
        let transaction = self.0.begin_read().expect("begins");
        let table = transaction.open_table(USERS).expect("there");
        table.get(id.as_u128()).expect("read").map_or(0, |bytes| decoded(bytes.value()).name.len())
    }

    fn by_email(&self, email: &str) -> usize {
        let transaction = self.0.begin_read().expect("begins");
        let Some(id) = transaction.open_table(EMAILS).expect("there").get(email).expect("read") else {
            return 0;
        };
        let table = transaction.open_table(USERS).expect("there");
        table.get(id.value()).expect("read").map_or(0, |bytes| decoded(bytes.value()).name.len())
    }

    fn by_city(&self, city: u32) -> usize {
        let transaction = self.0.begin_read().expect("begins");
        let table = transaction.open_table(USERS).expect("there");
        let cities = transaction.open_table(CITIES).expect("there");
        let ids = cities.range((city, 0)..=(city, u128::MAX)).expect("read");
        let user = |id: u128| table.get(id).expect("read").map(|bytes| decoded(bytes.value()));
        ids.filter_map(|entry| user(entry.expect("read").0.value().1))
            .filter(|user| user.city == city)
            .count()
    }

    fn update(&self, id: &Uuid, score: f64) {
        self.write(|transaction| {
            let mut table = transaction.open_table(USERS).expect("there");
            let mut user = decoded(table.get(id.as_u128()).expect("read").expect("there").value());
            user.score = score;
            let bytes = postcard::to_stdvec(&user).expect("bytes");
            table.insert(id.as_u128(), bytes.as_slice()).expect("written");
        });
    }

    fn delete(&self, id: &Uuid) {
        self.write(|transaction| {
            let id = id.as_u128();
            let mut table = transaction.open_table(USERS).expect("there");
            let Some(user) = table.remove(id).expect("read").map(|bytes| decoded(bytes.value())) else {
                return;
            };
            transaction.open_table(EMAILS).expect("there").remove(user.email.as_str()).expect("written");
            transaction.open_table(CITIES).expect("there").remove((user.city, id)).expect("written");
            transaction.open_table(ROLES).expect("there").remove((user.role, id)).expect("written");
        });
    }
}

#[derive(Default)]
struct Maps {
    users: HashMap<Uuid, Arc<User>>,
    emails: HashMap<String, Uuid>,
    cities: BTreeSet<(u32, Uuid)>,
    roles: BTreeSet<(u8, Uuid)>,
}

impl Maps {
    fn put(&mut self, user: &User) {
        assert!(self.emails.insert(user.email.clone(), user.id).is_none(), "unique");
        self.cities.insert((user.city, user.id));
        self.roles.insert((user.role, user.id));
        self.users.insert(user.id, Arc::new(user.clone()));
    }
}

struct Locked(RwLock<Maps>);

impl Locked {
    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Maps> {
        self.0.write().expect("nobody panics")
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Maps> {
        self.0.read().expect("nobody panics")
    }
}

impl Peer for Locked {
    fn insert(&self, user: &User) {
        self.write().put(user);
    }

    fn insert_together(&self, users: &[User]) {
        let mut maps = self.write();
        users.iter().for_each(|user| maps.put(user));
    }

    fn get(&self, id: &Uuid) -> usize {
        let user = self.read().users.get(id).cloned();
        user.map_or(0, |user| user.name.len())
    }

    fn by_email(&self, email: &str) -> usize {
        let maps = self.read();
        let user = maps.emails.get(email).and_then(|id| maps.users.get(id)).cloned();
        user.map_or(0, |user| user.name.len())
    }

    fn by_city(&self, city: u32) -> usize {
        let maps = self.read();
        let ids = maps.cities.range((city, Uuid::nil())..=(city, Uuid::max()));
        let found: Vec<Arc<User>> = ids.filter_map(|(_, id)| maps.users.get(id).cloned()).collect();
        found.iter().filter(|user| user.city == city).count()
    }

    fn update(&self, id: &Uuid, score: f64) {
        if let Some(user) = self.write().users.get_mut(id) {
            *user = Arc::new(User { score, ..User::clone(user) });
        }
    }

    fn delete(&self, id: &Uuid) {
        let mut maps = self.write();
        if let Some(user) = maps.users.remove(id) {
            maps.emails.remove(&user.email);
            maps.cities.remove(&(user.city, *id));
            maps.roles.remove(&(user.role, *id));
        }
    }
}

/// A kind of work: how often a round does it, and what.
type Work = (&'static str, fn(&dyn Peer, &Round<'_>) -> f64);

/// What a round works with.
struct Round<'a> {
    users: &'a [User],
    fresh: Vec<User>,
    asked: Vec<usize>,
    number: usize,
}

fn each(count: usize, mut work: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    (0..count).for_each(&mut work);
    nanos(start.elapsed(), count)
}

/// What changes a peer takes it back, so that each round finds the same.
const WORK: [Work; 7] = [
    ("insert, one a commit", |peer, round| {
        let fresh = &round.fresh;
        let spent = each(fresh.len(), |n| peer.insert(&fresh[n]));
        fresh.iter().for_each(|user| peer.delete(&user.id));
        spent
    }),
    ("insert, 1,000 a commit, each", |peer, round| {
        let fresh = &round.fresh;
        let start = Instant::now();
        peer.insert_together(fresh);
        let spent = nanos(start.elapsed(), fresh.len());
        fresh.iter().for_each(|user| peer.delete(&user.id));
        spent
    }),
    ("get by key", |peer, round| {
        each(5_000, |n| {
            std::hint::black_box(peer.get(&round.users[round.asked[n % round.asked.len()]].id));
        })
    }),
    ("look-up by a unique field", |peer, round| {
        each(5_000, |n| {
            std::hint::black_box(peer.by_email(&round.users[round.asked[n % round.asked.len()]].email));
        })
    }),
    ("look-up of 100 rows by an index", |peer, round| {
        each(100, |n| {
            std::hint::black_box(peer.by_city(round.users[round.asked[n]].city));
        })
    }),
    ("update of one field", |peer, round| {
        each(1_000, |n| peer.update(&round.users[round.asked[n]].id, (round.number * 1_000 + n) as f64))
    }),
    ("delete, one a commit", |peer, round| {
        peer.insert_together(&round.fresh);
        each(round.fresh.len(), |n| peer.delete(&round.fresh[n].id))
    }),
];

const ROUNDS: usize = 9;

fn measure(users: &[User]) {
    let (store, handle) = filled(users);
    let locked = Locked(RwLock::default());
    locked.insert_together(users);
    let redb = Redb::new();
    redb.insert_together(users);
    let peers: [(&str, &dyn Peer); 4] = [
        ("noex-store", &Noex(handle, store)),
        ("SQLite", &Sqlite(sqlite_filled(users))),
        ("redb", &redb),
        ("std maps in a `RwLock`", &locked),
    ];
    println!("\n| {} records | {} |", users.len(), peers.map(|(name, _)| name).join(" | "));
    println!("| --- | {} |", peers.map(|_| "---:").join(" | "));
    for (name, work) in WORK.iter().filter(|(name, _)| wanted(name)) {
        let mut spent = peers.map(|_| Vec::new());
        for number in 0..ROUNDS {
            let mut random = Random::new(number as u64 + 77);
            let fresh = (0..1_000)
                .map(|n| user(&mut random, users.len() + number * 1_000 + n, users.len()))
                .collect();
            let asked = (0..1_000).map(|_| random.below(users.len())).collect();
            let round = Round { users, fresh, asked, number };
            for turn in 0..peers.len() {
                let at = (turn + number) % peers.len();
                spent[at].push(work(peers[at].1, &round));
            }
        }
        let mut line = format!("| {name}");
        let mut ours = 0.0;
        for times in &mut spent {
            times.sort_by(f64::total_cmp);
            let median = times[ROUNDS / 2];
            if ours == 0.0 {
                ours = median;
                let _ =
                    write!(line, " | {} ({} … {})", show(median), show(times[0]), show(times[ROUNDS - 1]));
            } else {
                let _ = write!(line, " | {} ({:.1}×)", show(median), median / ours);
            }
        }
        println!("{line} |");
    }
}

fn main() {
    println!(
        "Medians of {ROUNDS} rounds in turns, of one operation; ours with the least and the most, the others as multiples of ours."
    );
    for size in sizes() {
        measure(&users(size));
    }
}
