//! redb in memory: a table of users, and one for each index.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::time::Instant;

use noex_store::prelude::Uuid;
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use crate::common::nanos;
use crate::common::users::User;
use crate::work::{HIGH, Operations, PAGE, RANGE, Round, beside};

const USERS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("users");
const EMAILS: TableDefinition<'_, &str, u128> = TableDefinition::new("emails");
const CITIES: TableDefinition<'_, (u32, u128), ()> = TableDefinition::new("cities");
const ROLES: TableDefinition<'_, (u8, u128), ()> = TableDefinition::new("roles");
const ORDERS: TableDefinition<'_, u64, (u128, f64)> = TableDefinition::new("orders");

pub struct Redb {
    database: Database,
    middle: (u32, u128),
}

impl Redb {
    pub fn new(all: &[User]) -> Self {
        Self::filled(Database::builder().create_with_backend(InMemoryBackend::new()).expect("opens"), all)
    }

    fn filled(database: Database, all: &[User]) -> Self {
        let mut own = Self { database, middle: (0, 0) };
        own.insert_together(all);
        own.write(|transaction| drop(transaction.open_table(ORDERS).expect("made")));
        let transaction = own.database.begin_read().expect("begins");
        let cities = transaction.open_table(CITIES).expect("there");
        let middle = cities.iter().expect("read").nth(all.len() / 2 - 1).expect("there").expect("read");
        own.middle = middle.0.value();
        own
    }

    /// How many users some places in the order of cities are of; each is read.
    fn count(
        &self,
        range: impl RangeBounds<(u32, u128)>,
        most: usize,
        passes: impl Fn(&User) -> bool,
    ) -> usize {
        let transaction = self.database.begin_read().expect("begins");
        let table = transaction.open_table(USERS).expect("there");
        let cities = transaction.open_table(CITIES).expect("there");
        let user = |id: u128| table.get(id).expect("read").map(|bytes| decoded(bytes.value()));
        let ids = cities.range(range).expect("read").take(most);
        ids.filter_map(|entry| user(entry.expect("read").0.value().1)).filter(|user| passes(user)).count()
    }

    /// Calls `visit` with all users.
    fn each(&self, mut visit: impl FnMut(User)) {
        let transaction = self.database.begin_read().expect("begins");
        let table = transaction.open_table(USERS).expect("there");
        for entry in table.iter().expect("read") {
            visit(decoded(entry.expect("read").1.value()));
        }
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
        let transaction = self.database.begin_write().expect("begins");
        work(&transaction);
        transaction.commit().expect("ends");
    }
}

fn decoded(bytes: &[u8]) -> User {
    postcard::from_bytes(bytes).expect("a user")
}

/// Keeps users in a file; then opens it, and counts them.
pub fn reopened(all: &[User], folder: &Path) -> Box<dyn FnMut() -> f64> {
    let (file, count) = (folder.join("users.redb"), all.len());
    drop(Redb::filled(Database::create(&file).expect("made"), all));
    Box::new(move || {
        let begin = Instant::now();
        let own = Redb { database: Database::open(&file).expect("opens"), middle: (0, 0) };
        assert_eq!(own.groups(), Some(count));
        nanos(begin.elapsed(), 1)
    })
}

impl Operations for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn insert(&mut self, user: &User) {
        self.write(|transaction| Self::put(transaction, user));
    }

    fn insert_together(&mut self, users: &[User]) {
        self.write(|transaction| users.iter().for_each(|user| Self::put(transaction, user)));
    }

    fn get(&self, id: &Uuid) -> usize {
        let transaction = self.database.begin_read().expect("begins");
        let table = transaction.open_table(USERS).expect("there");
        table.get(id.as_u128()).expect("read").map_or(0, |bytes| decoded(bytes.value()).name.len())
    }

    fn by_email(&self, email: &str) -> Option<usize> {
        let transaction = self.database.begin_read().expect("begins");
        let id = transaction.open_table(EMAILS).expect("there").get(email).expect("read")?.value();
        let table = transaction.open_table(USERS).expect("there");
        Some(table.get(id).expect("read").map_or(0, |bytes| decoded(bytes.value()).name.len()))
    }

    fn by_city(&self, city: u32) -> Option<usize> {
        Some(self.count((city, 0)..=(city, u128::MAX), usize::MAX, |user| user.city == city))
    }

    fn range(&self, from: u32) -> Option<usize> {
        Some(self.count((from, 0).., RANGE, |user| user.city >= from))
    }

    fn filter(&self) -> Option<usize> {
        let mut found = Vec::new();
        self.each(|user| found.extend((user.score >= HIGH).then_some(user)));
        Some(found.len())
    }

    fn page(&self) -> Option<usize> {
        let behind = (Bound::Excluded(self.middle), Bound::Unbounded);
        Some(self.count(behind, PAGE, |user| !user.name.is_empty()))
    }

    fn update(&self, id: &Uuid, score: f64) {
        self.write(|transaction| change(transaction, id, |_| score));
    }

    fn delete(&mut self, id: &Uuid) {
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

    fn transaction(&mut self, id: &Uuid, total: f64) -> Option<()> {
        self.write(|transaction| {
            change(transaction, id, |score| (score + total) % 900.0);
            let mut orders = transaction.open_table(ORDERS).expect("there");
            let number = orders.last().expect("read").map_or(0, |(number, _)| number.value() + 1);
            orders.insert(number, (id.as_u128(), total)).expect("written");
        });
        Some(())
    }

    fn groups(&self) -> Option<usize> {
        let mut groups: BTreeMap<u8, (usize, f64)> = BTreeMap::new();
        self.each(|user| {
            let group = groups.entry(user.role).or_default();
            *group = (group.0 + 1, group.1 + user.score);
        });
        Some(groups.values().filter(|(_, sum)| *sum > 0.0).map(|(count, _)| count).sum())
    }

    fn beside(&mut self, round: &Round<'_>, times: usize) -> Option<Vec<f64>> {
        Some(beside(round, times, |id| self.get(id), |id, score| self.update(id, score)))
    }
}

fn change(transaction: &WriteTransaction, id: &Uuid, score: impl FnOnce(f64) -> f64) {
    let mut table = transaction.open_table(USERS).expect("there");
    let mut user = decoded(table.get(id.as_u128()).expect("read").expect("there").value());
    user.score = score(user.score);
    let bytes = postcard::to_stdvec(&user).expect("bytes");
    table.insert(id.as_u128(), bytes.as_slice()).expect("written");
}
