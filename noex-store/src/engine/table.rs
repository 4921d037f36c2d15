//! One bucket's records and indexes at one version.
//!
//! The layout, from the inside out: records stand in the record table by row id, which is the order of insertion; the
//! primary key has a hash index to the records themselves, so that a get is one descent; each unique field has one to row
//! ids, and the record says whether it is the one; each ordered index is a counted tree of `(key, row)`. All but the first
//! hold no records, so that copying their nodes touches no reference counts of records. The bench `layout` compares this
//! with others.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use super::fill::Parts;
use super::keys::Keys;
use super::leaving::{Leavers, Leaving, NEVER};
use super::trie::HashTrie;
use super::{Change, HashState, OrderedIndex, RowId, Rows};
use crate::bucket::Bucket;
use crate::bucket::convert::UniqueKey;
use crate::bucket::definition::Definition;
use crate::bucket::record::{Meta, Record};
use crate::clock::Moment;
use crate::error::Error;
use crate::schema::Ttl;

pub(super) use rules::{key_changed, not_unique};

/// A bucket's state; cloning it is O(indexes) and gives an independent snapshot.
pub(crate) struct Table<B: Bucket> {
    rows: Rows<Record<B>>,
    keys: Keys<B>,
    uniques: Vec<HashTrie<RowId>>,
    indexes: Vec<Box<dyn OrderedIndex<B>>>,
    leaving: Leaving<B::Key>,
    /// When the next record expires. Invariant: that of `leaving`, in a table that is published.
    soonest: u64,
    shared: Arc<Shared<B>>,
    /// Records that made room for others and are in the hash indexes still.
    gone: Option<Arc<room::Gone<B>>>,
    /// What was inserted into the hash indexes since the clone.
    fresh: FreshList,
    /// Set in a fork: the first row id that was free where it branched off.
    fork: Option<RowId>,
}

pub(crate) type FreshList = SmallVec<[Fresh; 4]>;

/// An entry of a hash index that was added in place.
pub(crate) struct Fresh {
    /// The number of the unique field; `None` for the key.
    unique: Option<usize>,
    hash: u64,
    row: RowId,
}

/// What all versions of a bucket have in common.
pub(crate) struct Shared<B: Bucket> {
    pub(crate) definition: &'static Definition<B>,
    pub(crate) hash: HashState,
    /// The field and the last number given, of each automatic number.
    pub(crate) counters: Vec<(u16, AtomicU64)>,
    /// The row from which on the next record is looked for that makes room.
    hand: AtomicU64,
}

impl<B: Bucket> Shared<B> {
    /// When a record expires that is written now.
    pub(crate) fn expiry(&self, ttl: Ttl, now: Moment) -> Option<NonZeroU64> {
        ttl.expiry(&self.definition.schema, now.clock)
    }
}

impl<B: Bucket> Clone for Table<B> {
    fn clone(&self) -> Self {
        let mut indexes = Vec::with_capacity(self.indexes.len());
        for index in &self.indexes {
            indexes.push(index.boxed_clone());
        }
        Self {
            rows: self.rows.clone(),
            keys: self.keys.clone(),
            uniques: self.uniques.clone(),
            indexes,
            leaving: self.leaving.clone(),
            soonest: self.soonest,
            shared: Arc::clone(&self.shared),
            gone: self.gone.clone(),
            fresh: SmallVec::new(),
            fork: self.fork,
        }
    }
}

impl<B: Bucket> Table<B> {
    pub(crate) fn new(hash: HashState) -> Self {
        let definition = B::definition();
        let counters = definition.counters.iter().map(|counter| (counter.field, AtomicU64::new(0))).collect();
        Self {
            rows: Rows::starting_at(0),
            keys: Keys::default(),
            uniques: definition.uniques.iter().map(|_| HashTrie::default()).collect(),
            indexes: definition.indexes.iter().map(|make| make()).collect(),
            leaving: Leaving::new(&definition.schema),
            soonest: NEVER,
            shared: Arc::new(Shared { definition, hash, counters, hand: AtomicU64::new(0) }),
            gone: None,
            fresh: SmallVec::new(),
            fork: None,
        }
    }

    /// A branch of this version, to be changed while others change the main line, and never to be published. It writes
    /// nothing in place; and since the main line does, it takes an entry of a hash index for its own only if its rows say so.
    pub(crate) fn fork(&self) -> Self {
        Self { rows: self.rows.fork(), fork: Some(self.rows.next()), ..self.clone() }
    }

    /// A table of records of this bucket that ascend by row, each key once. O(n log n).
    pub(crate) fn of<'r>(&self, records: impl Iterator<Item = &'r Record<B>> + Clone) -> Self {
        let mut table = Self { shared: Arc::clone(&self.shared), ..Self::new(self.shared.hash.clone()) };
        for record in records.clone() {
            table.rows.advance_to(record.meta().row);
            table.link_unordered(record.clone());
        }
        table.extend_indexes(records);
        table
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<B>> {
        &self.shared
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn rows(&self) -> &Rows<Record<B>> {
        &self.rows
    }

    pub(super) fn all_indexes(&self) -> impl Iterator<Item = &dyn OrderedIndex<B>> {
        self.indexes.iter().map(AsRef::as_ref)
    }

    pub(super) fn index_entries(&self) -> Vec<(&'static str, usize)> {
        let names = B::schema().indexes.iter().map(|index| index.name);
        names.zip(self.all_indexes().map(OrderedIndex::len)).collect()
    }

    pub(super) fn keys_entry_size(&self) -> usize {
        self.keys.entry_size()
    }

    pub(crate) fn index(&self, number: usize) -> Option<&dyn OrderedIndex<B>> {
        self.indexes.get(number).map(AsRef::as_ref)
    }

    /// The record of a key. Expected O(log n) with thirty-two children a node; no allocation.
    #[inline]
    pub(crate) fn get<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q) -> Option<&Record<B>> {
        self.get_hashed(self.shared.hash.hash(key), key)
    }

    /// As [`Table::get`], for a key whose hash is known.
    #[inline]
    pub(crate) fn get_hashed<Q: UniqueKey<B::Key> + ?Sized>(&self, hash: u64, key: &Q) -> Option<&Record<B>> {
        let end = self.fork.unwrap_or(self.rows.next());
        self.keys.get(hash, key, |record| {
            let row = record.meta().row;
            let is_sure = row < end && (self.gone.is_none() || !record.may_be_gone());
            is_sure || self.rows.get(row).is_some_and(|own| Record::same(own, record))
        })
    }

    /// The record that has a value in a unique field. As [`Table::get`].
    pub(crate) fn by_unique(
        &self,
        unique: usize,
        hash: u64,
        matches: impl Fn(&B) -> bool,
    ) -> Option<&Record<B>> {
        let mut found = None;
        self.uniques.get(unique)?.find(hash, |row| match self.rows.get(*row) {
            Some(record) if matches(record.value()) => {
                found = Some(record);
                true
            }
            _ => false,
        });
        found
    }

    /// Adds a record, or says which rule over several records it breaks; then the table is as before.
    pub(crate) fn insert(&mut self, value: B, ttl: Ttl, now: Moment) -> Result<Record<B>, Error> {
        let record = self.insert_unordered(value, ttl, now)?;
        for index in &mut self.indexes {
            index.insert(record.value(), record.meta().row);
        }
        Ok(record)
    }

    /// Adds the entries of records that ascend by row to the ordered indexes, for each index at once.
    fn extend_indexes<'r>(&mut self, records: impl Iterator<Item = &'r Record<B>> + Clone) {
        for index in &mut self.indexes {
            index.extend(&mut records.clone().map(|record| (record.value(), record.meta().row)));
        }
    }

    /// What is to be filled of an empty table.
    pub(super) fn parts_to_fill(&mut self) -> Parts<'_, B> {
        debug_assert_eq!(self.rows.len(), 0, "it has no records");
        let Self { rows, keys, uniques, indexes, leaving, .. } = self;
        Parts { rows, keys, uniques, indexes, leaving }
    }

    /// Adds a record to all but the ordered indexes.
    fn insert_unordered(&mut self, value: B, ttl: Ttl, now: Moment) -> Result<Record<B>, Error> {
        self.check_new(&value)?;
        let expires_at = self.shared.expiry(ttl, now);
        let (row, time) = (self.rows.next(), now.time);
        let meta = Meta { row, version: 1, created_at: time, updated_at: time, expires_at };
        let record = Record::new(value, meta);
        self.link_unordered(record.clone());
        Ok(record)
    }

    /// Adds a record that has the next row to all but the ordered indexes.
    fn link_unordered(&mut self, record: Record<B>) {
        debug_assert_eq!(record.meta().row, self.rows.next(), "a record is made for its row");
        self.leaving.add(&record);
        let row = self.rows.push(record.clone());
        let key_hash = self.shared.hash.hash(record.value().key());
        let in_place = self.fork.is_none();
        for (number, (unique, trie)) in
            self.shared.definition.uniques.iter().zip(&mut self.uniques).enumerate()
        {
            let Some(hash) = unique.hash(record.value(), &self.shared.hash) else { continue };
            if in_place {
                self.fresh.push(Fresh { unique: Some(number), hash, row });
                trie.insert(hash, row);
            } else {
                trie.insert_copied(hash, row);
            }
        }
        if in_place {
            self.fresh.push(Fresh { unique: None, hash: key_hash, row });
            self.keys.insert(key_hash, record);
        } else {
            self.keys.insert_copied(key_hash, record);
        }
    }

    /// Makes changes that belong together, whatever their order: a value that one record gives up may be another's. With
    /// `check` it says which rule they break; then the table holds a part of them, and must be given up.
    ///
    /// A replaced record keeps its row; the inserted ones ascend from the next row on.
    pub(crate) fn apply(&mut self, changes: &[Change<B>], check: bool) -> Result<(), Error> {
        let mut deleted = SmallVec::<[Record<B>; 4]>::new();
        for change in changes {
            if let Change::Deleted { record, .. } = change {
                deleted.push(record.clone());
            }
        }
        self.remove_many(&deleted);
        for change in changes {
            // Before any check: whether a value is taken is asked of the rows.
            if let Change::Updated { old, new } = change {
                self.rows.replace(old.meta().row, new.clone());
            }
        }
        for change in changes {
            if let Change::Updated { old, new } = change {
                if check {
                    self.check_changed_uniques(old.value(), new.value(), new.meta().row)?;
                }
                self.relink(old, new);
            }
        }
        let inserted = changes.iter().filter_map(|change| match change {
            Change::Inserted(new) => Some(new),
            _ => None,
        });
        let count = inserted.clone().count();
        if self.is_worth_building(count, bulk::COMING_ONE_OF) {
            let inserted: Vec<_> = inserted.cloned().collect();
            return self.build_with(&inserted).map_err(|(_, error)| error);
        }
        for new in inserted.clone() {
            if check {
                self.check_new(new.value())?;
            }
            self.rows.advance_to(new.meta().row);
            self.link_unordered(new.clone());
        }
        self.extend_indexes(inserted);
        Ok(())
    }

    /// Puts another value in the place of a record of this table, or says which rule it breaks; then the table is as before.
    pub(crate) fn replace(&mut self, old: &Record<B>, value: B, meta: Meta) -> Result<Record<B>, Error> {
        if value.key() != old.key() {
            return Err(key_changed(old, &value));
        }
        let row = old.meta().row;
        self.check_changed_uniques(old.value(), &value, row)?;
        let record = Record::new(value, meta);
        self.rows.replace(row, record.clone());
        self.relink(old, &record);
        Ok(record)
    }

    /// Makes all indexes lead to the record that has taken the place of another value in its row.
    fn relink(&mut self, old: &Record<B>, record: &Record<B>) {
        self.leaving.replace(old, record);
        let old = old.value();
        let (row, new) = (record.meta().row, record.value());
        self.keys.replace(self.shared.hash.hash(new.key()), row, record.clone());
        for (unique, trie) in self.shared.definition.uniques.iter().zip(&mut self.uniques) {
            if unique.same(old, new) {
                continue;
            }
            if let Some(hash) = unique.hash(old, &self.shared.hash) {
                trie.remove(hash, |other| *other == row);
            }
            if let Some(hash) = unique.hash(new, &self.shared.hash) {
                // Older snapshots have this row too, with another value.
                trie.insert_copied(hash, row);
            }
        }
        for index in &mut self.indexes {
            if !index.same(old, new) {
                index.remove(old, row);
                index.insert(new, row);
            }
        }
    }

    /// Removes a record of this table.
    pub(crate) fn remove(&mut self, record: &Record<B>) {
        self.remove_ordered(record);
        self.remove_hashed(record);
    }

    /// Removes a record from all but the hash indexes.
    fn remove_ordered(&mut self, record: &Record<B>) {
        let row = record.meta().row;
        self.rows.remove(row);
        self.leaving.remove(record);
        for index in &mut self.indexes {
            index.remove(record.value(), row);
        }
    }

    /// Removes a record from the hash indexes.
    fn remove_hashed(&mut self, record: &Record<B>) {
        let row = record.meta().row;
        let value = record.value();
        self.keys.remove(self.shared.hash.hash(value.key()), row);
        for (unique, trie) in self.shared.definition.uniques.iter().zip(&mut self.uniques) {
            if let Some(hash) = unique.hash(value, &self.shared.hash) {
                trie.remove(hash, |other| *other == row);
            }
        }
    }

    /// Removes all records; row ids go on.
    pub(crate) fn clear(&mut self) {
        self.rows = Rows::starting_at(self.rows.next().0);
        self.keys = Keys::default();
        self.gone = None;
        self.leaving.clear();
        // One for each: clones of one would share its leaf.
        self.uniques.fill_with(HashTrie::default);
        for index in &mut self.indexes {
            *index = index.boxed_empty();
        }
    }

    /// Ends the changes: what was inserted stays. Gives what was added in place.
    pub(crate) fn keep(&mut self) -> FreshList {
        self.soonest = self.leaving.soonest();
        std::mem::take(&mut self.fresh)
    }

    /// When the next record expires, in milliseconds since 1970-01-01 UTC; [`NEVER`] if none does.
    pub(crate) fn soonest(&self) -> u64 {
        self.soonest
    }

    /// The records that have expired at a time, in the order in which they did. O(expired × log n).
    pub(crate) fn due(&self, now: u64) -> Vec<Record<B>> {
        self.records(&self.leaving.due(now))
    }

    /// This version without the records that have expired at a time: to be read, never to be published.
    /// As [`Table::remove_many`].
    pub(crate) fn alive(&self, now: u64) -> Self {
        let mut alive = self.fork();
        alive.remove_many(&self.due(now));
        alive.soonest = alive.leaving.soonest();
        alive
    }

    /// The records of these rows.
    fn records(&self, rows: &[RowId]) -> Vec<Record<B>> {
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(record) = self.rows.get(*row) {
                records.push(record.clone());
            }
        }
        records
    }

    /// Gives the changes up: takes out of `base`, which this was cloned from, what was inserted in place.
    pub(crate) fn give_up(&self, base: &Self) {
        base.take_back(&self.fresh);
    }

    /// Takes out what was inserted in place into versions that were made of this one.
    pub(crate) fn take_back(&self, fresh: &[Fresh]) {
        for Fresh { unique, hash, row } in fresh {
            match unique {
                None => self.keys.take_back(*hash, *row),
                Some(number) => {
                    if let Some(trie) = self.uniques.get(*number) {
                        trie.take_back(*hash, |own| own == row);
                    }
                }
            }
        }
    }

    /// The last number given, of each automatic number.
    pub(crate) fn counters(&self) -> Vec<(&'static str, u64)> {
        let name = |field: u16| B::schema().fields.get(usize::from(field)).map_or("", |field| field.name);
        let counters = self.shared.counters.iter();
        counters.map(|(field, last)| (name(*field), last.load(Ordering::Relaxed))).collect()
    }

    /// Makes the counter of a field go on after a number.
    pub(super) fn advance_counter(&self, field: &str, number: u64) {
        for ((name, _), (_, last)) in self.counters().into_iter().zip(&self.shared.counters) {
            if name == field {
                last.fetch_max(number, Ordering::Relaxed);
            }
        }
    }

    /// Makes the counters go on after the numbers that a written record has.
    pub(crate) fn advance_counters(&self, record: &B) {
        for (counter, (_, last)) in self.shared.definition.counters.iter().zip(&self.shared.counters) {
            if let Some(number) = (counter.read)(record) {
                last.fetch_max(number, Ordering::Relaxed);
            }
        }
    }
}

#[path = "bulk.rs"]
mod bulk;
#[path = "room.rs"]
mod room;
#[path = "rules.rs"]
mod rules;

#[cfg(test)]
#[path = "tests/table.rs"]
mod tests;
