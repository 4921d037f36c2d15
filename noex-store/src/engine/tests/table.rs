//! Every index of a table is exactly what its records say: after random changes, in every version that is alive.

use crate::schema::Ttl;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

use serde::{Deserialize, Serialize};

use super::*;
use crate::clock::Moment;
use crate::engine::tests::Random;
use crate::engine::{Hashing, KeyPoint, KeyRange};

#[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "things", crate = crate, index(kind, size), index(size, label, kind), unique(shelf, label))]
#[allow(clippy::duplicated_attributes, reason = "two indexes may share a field")]
struct Thing {
    #[bucket(key)]
    id: u32,
    #[bucket(unique)]
    code: Option<String>,
    #[bucket(unique)]
    number: u32,
    #[bucket(index)]
    kind: u8,
    #[bucket(index)]
    size: Option<i16>,
    #[bucket(index)]
    label: String,
    #[bucket(index(each))]
    tags: Vec<String>,
    shelf: Option<u8>,
}

const WORDS: [&str; 6] = ["", "a", "ab", "b", "a word of more than twenty-three bytes", "ž"];

impl Thing {
    fn random(id: u32, random: &mut Random) -> Self {
        let word = |random: &mut Random| (*random.pick(&WORDS)).to_owned();
        Self {
            id,
            code: (random.below(3) > 0).then(|| random.below(60).to_string()),
            number: random.below(150) as u32,
            // Few kinds, so that runs of equal keys are long.
            kind: random.below(3) as u8,
            size: (random.below(4) > 0).then(|| random.below(7) as i16 - 3),
            label: word(random),
            tags: (0..random.below(4)).map(|_| word(random)).collect(),
            shelf: (random.below(3) > 0).then(|| random.below(30) as u8),
        }
    }
}

#[derive(Clone)]
struct Version {
    table: Table<Thing>,
    /// By row.
    model: BTreeMap<u64, Thing>,
    /// No row below it is given any more.
    next: u64,
}

/// The hash of a unique field, if it has a value.
type HashOf<'a> = &'a dyn Fn(&Thing) -> Option<u64>;

/// A bound of a range of sizes, and what it means.
type Side = (Bound<KeyPoint<'static>>, fn(Option<i16>) -> bool);

impl Version {
    fn record(&self, random: &mut Random) -> Option<Record<Thing>> {
        let row = *self.model.keys().nth(random.below(self.model.len()))?;
        self.table.rows().get(RowId(row)).cloned()
    }

    /// The error that a value would meet in the place of `own`, or as a new record.
    fn refusal(&self, value: &Thing, own: Option<u64>) -> Option<&'static str> {
        let others = || self.model.iter().filter(|(row, _)| Some(**row) != own).map(|(_, other)| other);
        if own.is_none() && others().any(|other| other.id == value.id) {
            Some("id")
        } else if value.code.is_some() && others().any(|other| other.code == value.code) {
            Some("code")
        } else {
            let together = |other: &Thing| (other.shelf, &other.label) == (value.shelf, &value.label);
            if others().any(|other| other.number == value.number) {
                Some("number")
            } else {
                (value.shelf.is_some() && others().any(together)).then_some("shelf, label")
            }
        }
    }

    fn insert(&mut self, value: Thing, now: u64) {
        let refusal = self.refusal(&value, None);
        match self.table.insert(value.clone(), Ttl::OfBucket, Moment::new(now, 0)) {
            Ok(record) => {
                assert_eq!(refusal, None);
                assert_eq!((record.version(), record.created_at(), record.updated_at()), (1, now, now));
                let row = record.meta().row.0;
                assert!(row >= self.next, "a row is never used twice");
                self.next = row + 1;
                self.model.insert(row, value);
            }
            Err(Error::DuplicateKey { bucket: "things", key }) => {
                assert_eq!((refusal, key), (Some("id"), value.id.to_string()));
            }
            Err(Error::UniqueConstraint { bucket: "things", field, .. }) => assert_eq!(refusal, Some(field)),
            Err(error) => panic!("{error}"),
        }
    }

    fn replace(&mut self, old: &Record<Thing>, value: Thing, now: u64) {
        let row = old.meta().row.0;
        let refusal = self.refusal(&value, Some(row));
        match self.table.replace(old, value.clone(), old.rewritten(now)) {
            Ok(record) => {
                assert_eq!(refusal, None);
                assert_eq!((record.meta().row, record.updated_at()), (old.meta().row, now));
                assert_eq!((record.version(), record.created_at()), (old.version() + 1, old.created_at()));
                self.model.insert(row, value);
            }
            Err(Error::KeyChanged { .. }) => assert_ne!(value.id, old.id),
            Err(Error::UniqueConstraint { bucket: "things", field, .. }) => assert_eq!(refusal, Some(field)),
            Err(error) => panic!("{error}"),
        }
    }

    /// Inserts many at once, or meets the error that the first of them meets which is refused; then the table must be given up.
    fn insert_many(&mut self, values: Vec<Thing>, now: u64) -> Result<(), ()> {
        let (before, first) = (self.model.clone(), self.table.rows().next().0);
        let mut refused = None;
        for (number, value) in values.iter().enumerate() {
            refused = self.refusal(value, None).map(|field| (number, field));
            if refused.is_some() {
                break;
            }
            self.model.insert(first + number as u64, value.clone());
        }
        match self.table.insert_many(values, Moment::new(now, 0)) {
            Ok(records) => {
                assert_eq!(refused, None);
                assert!(first >= self.next, "a row is never used twice");
                assert!((first..).zip(&records).all(|(row, record)| record.meta().row.0 == row));
                self.next = first + records.len() as u64;
                Ok(())
            }
            Err((number, error)) => {
                let field = match &error {
                    Error::DuplicateKey { bucket: "things", .. } => "id",
                    Error::UniqueConstraint { bucket: "things", field, .. } => field,
                    error => panic!("{error}"),
                };
                assert_eq!(refused, Some((number, field)), "{error}");
                self.model = before;
                Err(())
            }
        }
    }

    fn random_many(random: &mut Random) -> Vec<Thing> {
        (0..random.below(40)).map(|_| Thing::random(random.below(400) as u32, random)).collect()
    }

    /// Many random changes of one sort.
    fn change_many(&mut self, random: &mut Random, now: u64) {
        if random.below(3) == 0 {
            let share = 1 + random.below(4);
            let mut leaving: Vec<_> = self.model.keys().copied().collect();
            leaving.retain(|_| random.below(4) < share);
            let record = |row: &u64| self.table.rows().get(RowId(*row)).cloned().expect("it is there");
            let records: Vec<_> = leaving.iter().rev().map(record).collect();
            self.table.remove_many(&records);
            self.model.retain(|row, _| !leaving.contains(row));
            return;
        }
        let before = self.model.clone();
        let mut good = Vec::new();
        for value in Self::random_many(random) {
            if self.refusal(&value, None).is_none() {
                self.model.insert(u64::MAX - good.len() as u64, value.clone());
                good.push(value);
            }
        }
        self.model = before;
        self.insert_many(good, now).expect("all of them are good");
    }

    /// Some records leave as they do from a full bucket.
    fn make_room(&mut self, random: &mut Random) {
        let mut leaving: Vec<_> = (0..1 + random.below(3)).filter_map(|_| self.record(random)).collect();
        leaving.sort_unstable_by_key(|record| record.meta().row);
        leaving.dedup_by_key(|record| record.meta().row);
        self.table.make_room(&leaving, random.below(30));
        for record in leaving {
            self.model.remove(&record.meta().row.0);
        }
    }

    /// One random change.
    fn change(&mut self, random: &mut Random, now: u64) {
        let id = random.below(400) as u32;
        match random.below(30) {
            26 => self.make_room(random),
            14 if random.below(10) == 0 => self.change_many(random, now),
            0..=14 | 27.. => self.insert(Thing::random(id, random), now),
            15..=21 => {
                if let Some(old) = self.record(random) {
                    let id = if random.below(20) == 0 { id } else { old.id };
                    let mut new = Thing::random(id, random);
                    // Some fields stay, so that some indexes have nothing to do.
                    if random.below(2) == 0 {
                        (new.code, new.number) = (old.code.clone(), old.number);
                    }
                    if random.below(2) == 0 {
                        (new.tags, new.size) = (old.tags.clone(), old.size);
                    }
                    self.replace(&old, new, now);
                }
            }
            _ => {
                if let Some(old) = self.record(random) {
                    self.table.remove(&old);
                    self.model.remove(&old.meta().row.0);
                }
            }
        }
    }

    fn check(&self) {
        let table = &self.table;
        let mut rows = BTreeMap::new();
        let _ = table.rows().visit(RowId(0), &mut |row, record| {
            assert_eq!(record.meta().row, row);
            rows.insert(row.0, record.value().clone());
            ControlFlow::Continue(())
        });
        assert_eq!(rows, self.model);
        assert_eq!(table.len(), rows.len());

        let hash = &table.shared().hash;
        let mut keys = BTreeSet::new();
        table.keys.for_each(&mut |hash, record| {
            // What was added in place later is there, and not this version's.
            if record.meta().row >= table.rows().next() {
                return;
            }
            let Some(own) = table.rows().get(record.meta().row) else {
                assert!(table.gone.is_some(), "the record is in the table");
                return;
            };
            assert!(Record::same(own, record), "both hold the same record");
            assert!(keys.insert((hash, record.meta().row.0)));
        });
        let ids: BTreeMap<u32, &Thing> = rows.values().map(|thing| (thing.id, thing)).collect();
        for id in 0..400 {
            assert_eq!(table.get(&id).map(Record::value), ids.get(&id).copied());
        }
        assert_eq!(keys, rows.iter().map(|(row, thing)| (hash.hash(&thing.id), *row)).collect());
        let code = |thing: &Thing| thing.code.as_ref().map(|code| hash.hash(code));
        let number = |thing: &Thing| Some(hash.hash(&thing.number));
        let place = |thing: &Thing| {
            let shelf = hash.hash(&(0_u64, hash.hash(&thing.shelf?)));
            Some(hash.hash(&(shelf, hash.hash(&thing.label))))
        };
        let uniques: [HashOf<'_>; 3] = [&code, &number, &place];
        assert_eq!(table.uniques.len(), uniques.len());
        for (trie, hash) in table.uniques.iter().zip(uniques) {
            let mut entries = BTreeSet::new();
            trie.for_each(&mut |found, row| {
                let is_gone = table.gone.is_some() && table.rows().get(*row).is_none();
                if *row < table.rows().next() && !is_gone {
                    assert!(entries.insert((found, row.0)));
                }
            });
            assert_eq!(entries, rows.iter().filter_map(|(row, thing)| Some((hash(thing)?, *row))).collect());
        }

        let mut checked = 0;
        for (number, schema) in Thing::schema().indexes.iter().enumerate() {
            let index = table.index(number).expect("each schema has its index");
            let names: Vec<&str> =
                schema.fields.iter().map(|field| Thing::schema().fields[usize::from(*field)].name).collect();
            match names.as_slice() {
                ["kind"] => check_index(index, &rows, |thing| vec![thing.kind]),
                ["size"] => check_index(index, &rows, |thing| vec![thing.size]),
                ["label"] => check_index(index, &rows, |thing| vec![thing.label.clone()]),
                ["tags"] => check_index(index, &rows, |thing| thing.tags.clone()),
                ["kind", "size"] => check_index(index, &rows, |thing| vec![(thing.kind, thing.size)]),
                ["size", "label", "kind"] => {
                    check_index(index, &rows, |thing| vec![(thing.size, thing.label.clone(), thing.kind)]);
                }
                names => panic!("an index over {names:?}"),
            }
            checked += 1;
        }
        assert_eq!(checked, 6);
        self.check_ranges(&rows);
    }

    /// Bounds of the compound index, of values that are there and of values that are not.
    fn check_ranges(&self, rows: &BTreeMap<u64, Thing>) {
        let schemas = Thing::schema().indexes;
        let number = schemas.iter().position(|index| index.fields.len() == 2).expect("kind and size");
        let index = self.table.index(number).expect("each schema has its index");
        let value = |size: &'static i16| KeyPoint::Value(size);
        let starts: [Side; 4] = [
            (Bound::Unbounded, |_| true),
            (Bound::Excluded(KeyPoint::Absent), |size| size.is_some()),
            (Bound::Included(value(&-1)), |size| size >= Some(-1)),
            (Bound::Excluded(value(&-1)), |size| size > Some(-1)),
        ];
        let ends: [Side; 4] = [
            (Bound::Unbounded, |_| true),
            (Bound::Included(KeyPoint::Absent), |size| size.is_none()),
            (Bound::Included(value(&2)), |size| size <= Some(2)),
            (Bound::Excluded(value(&2)), |size| size < Some(2)),
        ];
        for kind in 0..4_u8 {
            for (start, after) in starts {
                for (end, before) in ends {
                    let ranks = index.ranks(&[KeyPoint::Value(&kind)], KeyRange { start, end });
                    let mut found = BTreeSet::new();
                    let _ = index.visit(ranks, &mut |row| {
                        assert!(found.insert(row.0));
                        ControlFlow::Continue(())
                    });
                    let passes =
                        |thing: &Thing| thing.kind == kind && after(thing.size) && before(thing.size);
                    let expected = rows.iter().filter(|(_, thing)| passes(thing)).map(|(row, _)| *row);
                    assert_eq!(found, expected.collect());
                }
            }
        }
    }
}

/// An index against the entries that the records have, in both directions, whole and in part.
fn check_index<K: Ord + Clone>(
    index: &dyn OrderedIndex<Thing>,
    rows: &BTreeMap<u64, Thing>,
    keys: impl Fn(&Thing) -> Vec<K>,
) {
    let entries: BTreeSet<(K, u64)> =
        rows.iter().flat_map(|(row, thing)| keys(thing).into_iter().map(|key| (key, *row))).collect();
    let entries: Vec<(K, u64)> = entries.into_iter().collect();
    assert_eq!(index.len(), entries.len());
    assert_eq!(index.ranks(&[], KeyRange::ALL), 0..entries.len());
    for (rank, (_, row)) in entries.iter().enumerate() {
        assert_eq!(index.row_at(rank), Some(RowId(*row)));
    }
    assert_eq!(index.row_at(entries.len()), None);
    let len = entries.len();
    for (ranks, wanted) in
        [(0..len, usize::MAX), (0..len, len / 2), (len / 3..len, 40), (len / 5..len / 2, 7)]
    {
        let part = &entries[ranks.clone()];
        let mut seen = Vec::new();
        let mut take = |row: RowId| {
            seen.push(row.0);
            if seen.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let _ = index.visit(ranks.clone(), &mut take);
        let wanted = wanted.max(1);
        assert!(part.iter().take(wanted).map(|(_, row)| *row).eq(seen.drain(..)));
        let mut take = |row: RowId| {
            seen.push(row.0);
            if seen.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let _ = index.visit_desc(ranks, &mut take);
        let mut backwards = part.to_vec();
        // Ties stay in the order of insertion.
        backwards.sort_by(|(a, _), (b, _)| b.cmp(a));
        assert!(backwards.iter().take(wanted).map(|(_, row)| *row).eq(seen));
    }
}

#[test]
fn indexes_are_what_the_records_say() {
    for (seed, hashing) in [(1, Hashing::Fast), (2, Hashing::HostileInput), (3, Hashing::Fast)] {
        let mut random = Random::new(seed);
        let table = Table::new(HashState::new(hashing));
        let (mut largest, mut refused) = (0, 0);
        let mut versions = vec![Version { table, model: BTreeMap::new(), next: 0 }];
        for step in 0..3000_u64 {
            // Only the latest version is changed; the others are snapshots.
            let mut version = versions.pop().expect("there is a latest version");
            match random.below(30) {
                26 if random.below(20) == 0 => {
                    version.table.clear();
                    version.model.clear();
                }
                25 => {
                    let mut attempt = version.clone();
                    (0..random.below(5)).for_each(|_| attempt.change(&mut random, step));
                    refused +=
                        usize::from(attempt.insert_many(Version::random_many(&mut random), step).is_err());
                    attempt.table.give_up(&version.table);
                }
                27 if versions.len() < 5 => versions.push(version.clone()),
                28 if !versions.is_empty() => drop(versions.swap_remove(random.below(versions.len()))),
                29 => {
                    let mut attempt = version.clone();
                    (0..random.below(12)).for_each(|_| attempt.change(&mut random, step));
                    attempt.table.give_up(&version.table);
                }
                _ => version.change(&mut random, step),
            }
            version.table.keep();
            versions.push(version);
            if step % 100 == 0 {
                largest = versions.iter().map(|version| version.model.len()).fold(largest, usize::max);
                versions.iter().for_each(Version::check);
            }
        }
        versions.iter().for_each(Version::check);
        assert!(largest > 50 && refused > 20, "the run was not idle: {largest}, {refused}");
    }
}

/// A key that owns its text is not kept in the index beside the record.
#[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "names", crate = crate)]
struct Named {
    #[bucket(key)]
    name: String,
    size: u64,
}

#[test]
fn a_key_of_text_finds_its_record_in_every_version() {
    let mut random = Random::new(9);
    let mut table: Table<Named> = Table::new(HashState::new(Hashing::Fast));
    let mut model: BTreeMap<String, u64> = BTreeMap::new();
    let mut snapshots = Vec::new();
    for step in 0..2000_u64 {
        // Most come more than once; some are too long to be inline anywhere.
        let name = format!("{:>1$}", random.below(150), 1 + 30 * random.below(2));
        let old = table.get(name.as_str()).cloned();
        assert_eq!(old.as_ref().map(|old| old.size), model.get(&name).copied());
        match (random.below(8), old) {
            (0..=3, None) => {
                table
                    .insert(Named { name: name.clone(), size: step }, Ttl::OfBucket, Moment::new(step, 0))
                    .expect("the key is free");
                model.insert(name, step);
            }
            (0..=3, Some(old)) => {
                table
                    .replace(&old, Named { name: name.clone(), size: step }, old.rewritten(step))
                    .expect("the key stays");
                model.insert(name, step);
            }
            (4..=5, Some(old)) => {
                table.remove(&old);
                model.remove(&name);
            }
            (6, None) => {
                let mut attempt = table.clone();
                attempt
                    .insert(Named { name: name.clone(), size: 0 }, Ttl::OfBucket, Moment::new(step, 0))
                    .expect("the key is free");
                assert!(attempt.get(&name).is_some());
                attempt.give_up(&table);
                assert!(table.get(&name).is_none());
            }
            _ => {}
        }
        table.keep();
        if step % 200 == 0 {
            snapshots.push((table.clone(), model.clone()));
        }
    }
    for (table, model) in &snapshots {
        assert_eq!(table.len(), model.len());
        for number in 0..150 {
            for name in [format!("{number:>1}"), format!("{number:>31}")] {
                assert_eq!(table.get(&name).map(|named| named.size), model.get(&name).copied());
            }
        }
    }
}

thread_local! {
    /// How many more keys may be hashed or compared by value before one panics; `None` for any number.
    static FUSE: std::cell::Cell<Option<u32>> = const { std::cell::Cell::new(None) };
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Fragile(u64);

impl std::hash::Hash for Fragile {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        FUSE.set(FUSE.get().map(|left| left.checked_sub(1).expect("the fuse is burnt down")));
        self.0.hash(state);
    }
}

#[derive(noex_store_derive::Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "fragile", crate = crate)]
struct Breakable {
    #[bucket(key)]
    id: Fragile,
}

/// A list of all that made room would be dropped by a recursion that no stack has the room for.
#[test]
fn a_panic_among_many_that_make_room_ends_in_a_panic_alone() {
    let mut table: Table<Breakable> = Table::new(HashState::new(Hashing::Fast));
    let values = (0..800_000).map(|id| Breakable { id: Fragile(id) }).collect();
    let records = table.insert_many(values, Moment::new(1, 0)).expect("new keys");
    let mut attempt = table.clone();
    FUSE.set(Some(100));
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        attempt.make_room(&records[..199_000], 256);
    }));
    FUSE.set(None);
    assert!(made.is_err(), "the key's code panicked");
    drop(attempt);
    assert!(records.iter().step_by(1000).all(|record| table.get(record.key()).is_some()));
}
