//! native_db in memory: structs with a derive, over redb.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use native_db::transaction::{RTransaction, RwTransaction};
use native_db::{Builder, Database, Models, ToKey, native_db};
use native_model::{Model, native_model};
use noex_store::prelude::{Deserialize, Serialize, Uuid};

use crate::common::nanos;
use crate::common::users::User;
use crate::work::{HIGH, Operations, PAGE, RANGE, Round, beside};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[native_model(id = 1, version = 1)]
#[native_db]
struct Row {
    #[primary_key]
    id: u128,
    #[secondary_key(unique)]
    email: String,
    name: String,
    #[secondary_key]
    role: u8,
    #[secondary_key]
    city: u32,
    score: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[native_model(id = 2, version = 1)]
#[native_db]
struct Order {
    #[primary_key]
    id: u64,
    user: u128,
    total: f64,
}

fn row(user: &User) -> Row {
    let User { id, email, name, role, city, score } = user.clone();
    Row { id: id.as_u128(), email, name, role, city, score }
}

/// They live as long as the process, as static models do in programs.
fn models() -> &'static Models {
    static MODELS: LazyLock<Models> = LazyLock::new(|| {
        let mut models = Models::new();
        models.define::<Row>().expect("a good model");
        models.define::<Order>().expect("a good model");
        models
    });
    &MODELS
}

/// Keeps users in a file; then opens it, and counts them.
pub fn reopened(all: &[User], folder: &Path) -> Box<dyn FnMut() -> f64> {
    let (file, count) = (folder.join("users.native"), all.len());
    drop(Native::filled(Builder::new().create(models(), &file).expect("made"), all));
    Box::new(move || {
        let begin = Instant::now();
        let database = Builder::new().open(models(), &file).expect("opens");
        let own = Native { database, middle: 0, orders: 0 };
        assert_eq!(own.groups(), Some(count));
        nanos(begin.elapsed(), 1)
    })
}

pub struct Native {
    database: Database<'static>,
    /// A city in the middle of their order: a place among those of one city cannot be asked for.
    middle: u32,
    orders: u64,
}

impl Native {
    pub fn new(all: &[User]) -> Self {
        Self::filled(Builder::new().create_in_memory(models()).expect("opens"), all)
    }

    fn filled(database: Database<'static>, all: &[User]) -> Self {
        let mut cities: Vec<u32> = all.iter().map(|user| user.city).collect();
        cities.sort_unstable();
        let mut own = Self { database, middle: cities[all.len() / 2], orders: 0 };
        own.insert_together(all);
        own
    }

    fn read(&self) -> RTransaction<'_> {
        self.database.r_transaction().expect("begins")
    }

    fn write(&self, work: impl FnOnce(&RwTransaction<'_>)) {
        let transaction = self.database.rw_transaction().expect("begins");
        work(&transaction);
        transaction.commit().expect("ends");
    }

    fn behind(&self, from: u32, most: usize) -> Vec<Row> {
        let transaction = self.read();
        let cities = transaction.scan().secondary::<Row>(RowKey::city).expect("an index");
        let found = cities.range(from..).expect("read");
        found.take(most).map(|row| row.expect("read")).collect()
    }

    fn each(&self, visit: impl FnMut(Row)) {
        let transaction = self.read();
        let rows = transaction.scan().primary::<Row>().expect("there");
        rows.all().expect("read").map(|row| row.expect("read")).for_each(visit);
    }
}

fn change(transaction: &RwTransaction<'_>, id: &Uuid, score: impl FnOnce(f64) -> f64) {
    let old: Row = transaction.get().primary(id.as_u128()).expect("read").expect("there");
    let new = Row { score: score(old.score), ..old.clone() };
    transaction.update(old, new).expect("written");
}

impl Operations for Native {
    fn name(&self) -> &'static str {
        "native_db"
    }

    fn insert(&mut self, user: &User) {
        self.write(|transaction| transaction.insert(row(user)).expect("new"));
    }

    fn insert_together(&mut self, users: &[User]) {
        self.write(|transaction| users.iter().for_each(|user| transaction.insert(row(user)).expect("new")));
    }

    fn get(&self, id: &Uuid) -> usize {
        let found: Option<Row> = self.read().get().primary(id.as_u128()).expect("read");
        found.map_or(0, |row| row.name.len())
    }

    fn by_email(&self, email: &str) -> Option<usize> {
        let found: Option<Row> = self.read().get().secondary(RowKey::email, email).expect("read");
        Some(found.map_or(0, |row| row.name.len()))
    }

    fn by_city(&self, city: u32) -> Option<usize> {
        let transaction = self.read();
        let cities = transaction.scan().secondary::<Row>(RowKey::city).expect("an index");
        let found = cities.range(city..=city).expect("read").map(|row| row.expect("read"));
        Some(found.filter(|row| row.city == city).count())
    }

    fn range(&self, from: u32) -> Option<usize> {
        Some(self.behind(from, RANGE).iter().filter(|row| row.city >= from).count())
    }

    fn filter(&self) -> Option<usize> {
        let mut found = Vec::new();
        self.each(|row| found.extend((row.score >= HIGH).then_some(row)));
        Some(found.len())
    }

    fn page(&self) -> Option<usize> {
        Some(self.behind(self.middle, PAGE).iter().filter(|row| !row.name.is_empty()).count())
    }

    fn update(&self, id: &Uuid, score: f64) {
        self.write(|transaction| change(transaction, id, |_| score));
    }

    fn delete(&mut self, id: &Uuid) {
        self.write(|transaction| {
            let row: Row = transaction.get().primary(id.as_u128()).expect("read").expect("there");
            transaction.remove(row).expect("there");
        });
    }

    fn transaction(&mut self, id: &Uuid, total: f64) -> Option<()> {
        self.orders += 1;
        let order = Order { id: self.orders, user: id.as_u128(), total };
        self.write(|transaction| {
            change(transaction, id, |score| (score + total) % 900.0);
            transaction.insert(order).expect("new");
        });
        Some(())
    }

    fn groups(&self) -> Option<usize> {
        let mut groups: BTreeMap<u8, (usize, f64)> = BTreeMap::new();
        self.each(|row| {
            let group = groups.entry(row.role).or_default();
            *group = (group.0 + 1, group.1 + row.score);
        });
        Some(groups.values().filter(|(_, sum)| *sum > 0.0).map(|(count, _)| count).sum())
    }

    fn beside(&mut self, round: &Round<'_>, times: usize) -> Option<Vec<f64>> {
        Some(beside(round, times, |id| self.get(id), |id, score| self.update(id, score)))
    }
}
