//! What the work costs at the least: maps of std behind one lock, and a concurrent map. No transactions that readers see whole, no snapshots, no
//! rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use noex_store::prelude::Uuid;

use crate::common::users::User;
use crate::work::{HIGH, Operations, PAGE, RANGE, Round, beside};

#[derive(Default)]
struct Maps {
    users: HashMap<Uuid, Arc<User>>,
    emails: HashMap<String, Uuid>,
    cities: BTreeSet<(u32, Uuid)>,
    roles: BTreeSet<(u8, Uuid)>,
    orders: BTreeMap<u64, (Uuid, f64)>,
}

impl Maps {
    fn put(&mut self, user: &User) {
        assert!(self.emails.insert(user.email.clone(), user.id).is_none(), "unique");
        self.cities.insert((user.city, user.id));
        self.roles.insert((user.role, user.id));
        self.users.insert(user.id, Arc::new(user.clone()));
    }

    /// The users of some places in the order of cities.
    fn of<'a>(&self, places: impl Iterator<Item = &'a (u32, Uuid)>) -> Vec<Arc<User>> {
        places.filter_map(|(_, id)| self.users.get(id).cloned()).collect()
    }
}

/// One map for each index, all behind one lock.
pub struct Locked {
    maps: RwLock<Maps>,
    middle: (u32, Uuid),
}

impl Locked {
    pub fn new(all: &[User]) -> Self {
        let mut maps = Maps::default();
        all.iter().for_each(|user| maps.put(user));
        let middle = *maps.cities.iter().nth(all.len() / 2 - 1).expect("there");
        Self { maps: RwLock::new(maps), middle }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.maps.write().expect("nobody panics")
    }

    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().expect("nobody panics")
    }
}

impl Operations for Locked {
    fn name(&self) -> &'static str {
        "std maps in a `RwLock`"
    }

    fn insert(&mut self, user: &User) {
        self.write().put(user);
    }

    fn insert_together(&mut self, users: &[User]) {
        let mut maps = self.write();
        users.iter().for_each(|user| maps.put(user));
    }

    fn get(&self, id: &Uuid) -> usize {
        let user = self.read().users.get(id).cloned();
        user.map_or(0, |user| user.name.len())
    }

    fn by_email(&self, email: &str) -> Option<usize> {
        let maps = self.read();
        let user = maps.emails.get(email).and_then(|id| maps.users.get(id)).cloned();
        Some(user.map_or(0, |user| user.name.len()))
    }

    fn by_city(&self, city: u32) -> Option<usize> {
        let maps = self.read();
        let found = maps.of(maps.cities.range((city, Uuid::nil())..=(city, Uuid::max())));
        Some(found.iter().filter(|user| user.city == city).count())
    }

    fn range(&self, from: u32) -> Option<usize> {
        let maps = self.read();
        let found = maps.of(maps.cities.range((from, Uuid::nil())..).take(RANGE));
        Some(found.iter().filter(|user| user.city >= from).count())
    }

    fn filter(&self) -> Option<usize> {
        let maps = self.read();
        let found: Vec<Arc<User>> = maps.users.values().filter(|user| user.score >= HIGH).cloned().collect();
        Some(found.len())
    }

    fn page(&self) -> Option<usize> {
        let maps = self.read();
        let behind = maps.cities.range((Bound::Excluded(self.middle), Bound::Unbounded));
        Some(maps.of(behind.take(PAGE)).iter().filter(|user| !user.name.is_empty()).count())
    }

    fn update(&self, id: &Uuid, score: f64) {
        if let Some(user) = self.write().users.get_mut(id) {
            *user = Arc::new(User { score, ..User::clone(user) });
        }
    }

    fn delete(&mut self, id: &Uuid) {
        let mut maps = self.write();
        if let Some(user) = maps.users.remove(id) {
            maps.emails.remove(&user.email);
            maps.cities.remove(&(user.city, *id));
            maps.roles.remove(&(user.role, *id));
        }
    }

    fn transaction(&mut self, id: &Uuid, total: f64) -> Option<()> {
        let mut maps = self.write();
        let user = maps.users.get_mut(id)?;
        *user = Arc::new(User { score: (user.score + total) % 900.0, ..User::clone(user) });
        let number = maps.orders.len() as u64;
        maps.orders.insert(number, (*id, total));
        Some(())
    }

    fn groups(&self) -> Option<usize> {
        let maps = self.read();
        let mut groups: BTreeMap<u8, (usize, f64)> = BTreeMap::new();
        for user in maps.users.values() {
            let group = groups.entry(user.role).or_default();
            *group = (group.0 + 1, group.1 + user.score);
        }
        Some(groups.values().filter(|(_, sum)| *sum > 0.0).map(|(count, _)| count).sum())
    }

    fn beside(&mut self, round: &Round<'_>, times: usize) -> Option<Vec<f64>> {
        Some(beside(round, times, |id| self.get(id), |id, score| self.update(id, score)))
    }
}

/// A concurrent map from keys to users, and nothing else.
pub struct Papaya(papaya::HashMap<Uuid, Arc<User>, foldhash::fast::RandomState>);

impl Papaya {
    pub fn new(all: &[User]) -> Self {
        let mut own = Self(papaya::HashMap::default());
        own.insert_together(all);
        own
    }
}

impl Operations for Papaya {
    fn name(&self) -> &'static str {
        "papaya, keys alone"
    }

    fn insert(&mut self, user: &User) {
        self.0.pin().insert(user.id, Arc::new(user.clone()));
    }

    fn insert_together(&mut self, users: &[User]) {
        let map = self.0.pin();
        users.iter().for_each(|user| drop(map.insert(user.id, Arc::new(user.clone())).cloned()));
    }

    fn get(&self, id: &Uuid) -> usize {
        let user = self.0.pin().get(id).cloned();
        user.map_or(0, |user| user.name.len())
    }

    fn update(&self, id: &Uuid, score: f64) {
        self.0.pin().update(*id, |user| Arc::new(User { score, ..User::clone(user) }));
    }

    fn delete(&mut self, id: &Uuid) {
        self.0.pin().remove(id);
    }

    fn beside(&mut self, round: &Round<'_>, times: usize) -> Option<Vec<f64>> {
        Some(beside(round, times, |id| self.get(id), |id, score| self.update(id, score)))
    }
}
