//! What was read of a bucket, and the one question that is asked of it: *does this change touch it?*
//!
//! A read is recorded as what would make its answer another one: the hash of a key or of a unique value, also of one that was
//! not there; or a [`Watch`], which knows the condition that records had to pass. What is compared are two versions of a bucket, so
//! that a change which was undone in between is none.

use std::ops::ControlFlow;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::{KeyRange, Root, Shared, Slot, Table};
use crate::bucket::Bucket;
use crate::bucket::definition::unique_name;
use crate::bucket::record::Record;
use crate::error::Error;

/// How a record differs between two versions of a bucket. At least one side is there.
pub(crate) struct Delta<B: Bucket> {
    pub(crate) old: Option<Record<B>>,
    pub(crate) new: Option<Record<B>>,
}

/// What of a record was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    /// Only whether there is one.
    Presence,
    /// All of it.
    Whole,
}

/// A read of the records that pass a condition.
pub(crate) trait Watch<B: Bucket>: Send + Sync {
    /// Whether a change of a record may change what was read; `table` is any version of the bucket. O(conditions).
    fn touched(&self, table: &Table<B>, delta: &Delta<B>) -> bool;
    /// Calls `visit` with the records of a table that pass the condition; by an index, where it has one for it.
    fn find(&self, table: &Table<B>, visit: &mut dyn FnMut(&Record<B>) -> ControlFlow<()>);
    /// The field that the condition is about, if it is one.
    fn field(&self) -> Option<u16>;
    /// The condition, for people.
    fn describe(&self) -> String;
    /// The key or the value of a unique field that every record has which passes the condition, where it names them. The same each
    /// time.
    fn hashes(&self, shared: &Shared<B>) -> Option<Hashes>;
    /// Calls `stand` with an ordered index and ranges of the first part of its key, in which every record has an entry that
    /// passes the condition; `false` if there is none. The same each time.
    fn anchor(&self, stand: &mut dyn FnMut(usize, &[KeyRange<'_>])) -> bool;
}

/// What one of which a record must have.
pub(crate) struct Hashes {
    /// The number of the unique field; `None` for the key.
    pub(crate) unique: Option<usize>,
    pub(crate) hashes: Vec<u64>,
}

/// All that was read of a bucket.
pub(crate) struct ReadSet<B: Bucket> {
    /// Hashes of keys. Two keys of one hash are taken for one, which can only find too much.
    keys: Points<()>,
    /// Numbers of unique fields and hashes of values.
    uniques: Points<usize>,
    watches: Vec<Arc<dyn Watch<B>>>,
}

/// Hashes that were looked up, in no order.
struct Points<K> {
    list: Vec<(K, u64, Seen)>,
    /// The length at which doubles are removed.
    compact_at: usize,
}

/// The record and the field whose change touched what was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Touch {
    /// The key, as its `Debug` text.
    pub(crate) key: String,
    pub(crate) field: Option<&'static str>,
}

impl Touch {
    pub(crate) fn new<B: Bucket>(delta: &Delta<B>, field: Option<&'static str>) -> Self {
        Self { key: delta.key_text(), field }
    }

    /// What an error of a write that ought to be possible is about.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::UniqueConstraint { field, value, .. } => Self { key: value.clone(), field: Some(field) },
            Error::DuplicateKey { key, .. } => Self { key: key.clone(), field: None },
            _ => Self { key: String::new(), field: None },
        }
    }
}

impl<K: Copy + Ord> Points<K> {
    const fn new() -> Self {
        Self { list: Vec::new(), compact_at: 64 }
    }

    #[inline]
    fn push(&mut self, kind: K, hash: u64, seen: Seen) {
        if self.list.len() >= self.compact_at {
            self.compact();
        }
        self.list.push((kind, hash, seen));
    }

    /// Keeps the strongest read of each point. Amortised O(log n) a push: the list must double before it runs again.
    fn compact(&mut self) {
        self.list.sort_unstable_by(|a, b| b.cmp(a));
        self.list.dedup_by_key(|(kind, hash, _)| (*kind, *hash));
        self.compact_at = (self.list.len() * 2).max(64);
    }
}

impl<B: Bucket> Default for ReadSet<B> {
    fn default() -> Self {
        Self { keys: Points::new(), uniques: Points::new(), watches: Vec::new() }
    }
}

impl<B: Bucket> ReadSet<B> {
    /// Records the look-up of a key, whether or not it was there.
    #[inline]
    pub(crate) fn key(&mut self, hash: u64, seen: Seen) {
        self.keys.push((), hash, seen);
    }

    /// Records the look-up of a value in a unique field, whether or not it was there.
    pub(crate) fn unique(&mut self, number: usize, hash: u64, seen: Seen) {
        self.uniques.push(number, hash, seen);
    }

    /// Records a read of the records that pass a condition.
    pub(crate) fn watch(&mut self, watch: Arc<dyn Watch<B>>) {
        self.watches.push(watch);
    }

    /// Hashes of the keys that were looked up; some more than once.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (u64, Seen)> + '_ {
        self.keys.list.iter().map(|((), hash, seen)| (*hash, *seen))
    }

    /// Numbers of unique fields, and hashes of the values that were looked up.
    pub(crate) fn uniques(&self) -> impl Iterator<Item = (usize, u64, Seen)> + '_ {
        self.uniques.list.iter().copied()
    }

    pub(crate) fn watches(&self) -> &[Arc<dyn Watch<B>>] {
        &self.watches
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.list.is_empty() && self.uniques.list.is_empty() && self.watches.is_empty()
    }

    /// The first change between two versions of the bucket that touches what was read. O(reads + changes), times log of
    /// the changes for conditions that an index serves.
    pub(crate) fn touched_between(&self, old: &Table<B>, new: &Table<B>) -> Option<Touch> {
        if self.is_empty() {
            return None;
        }
        let changes = old.delta(new);
        if changes.is_empty() {
            return None;
        }
        let touch = Touch::new::<B>;
        if let Some(at) = self.touched_key(new, &changes) {
            return Some(touch(&changes[at], None));
        }
        if let Some((at, field)) = self.touched_unique(new, &changes) {
            return Some(touch(&changes[at], Some(field)));
        }
        self.touched_watch(new, &changes)
            .map(|(delta, watch)| touch(delta, watch.field().map(field_name::<B>)))
    }

    fn touched_key(&self, table: &Table<B>, changes: &[Delta<B>]) -> Option<usize> {
        if self.keys.list.is_empty() {
            return None;
        }
        let hash = |record: &Record<B>| Some(table.shared().hash.hash(record.key()));
        let changed = Changed::new(changes, &hash);
        self.keys.list.iter().find_map(|(_, hash, seen)| changed.touches(*hash, *seen))
    }

    fn touched_unique(&self, table: &Table<B>, changes: &[Delta<B>]) -> Option<(usize, &'static str)> {
        if self.uniques.list.is_empty() {
            return None;
        }
        table.shared().definition.uniques.iter().enumerate().find_map(|(number, unique)| {
            let hash = |record: &Record<B>| unique.hash(record.value(), &table.shared().hash);
            let changed = Changed::new(changes, &hash);
            let mut own = self.uniques.list.iter().filter(|(other, ..)| *other == number);
            own.find_map(|(_, hash, seen)| changed.touches(*hash, *seen)).map(|at| (at, unique_name(*unique)))
        })
    }

    fn touched_watch<'d>(
        &'d self,
        table: &Table<B>,
        changes: &'d [Delta<B>],
    ) -> Option<(&'d Delta<B>, &'d dyn Watch<B>)> {
        /// Up to so many tests are made one by one: cheaper than to make tables of what changed.
        const FEW: usize = 256;
        if self.watches.len().saturating_mul(changes.len()) <= FEW || self.watches.len() < 4 {
            self.touched_one_by_one(table, changes)
        } else {
            self.touched_by_index(table, changes)
        }
    }

    /// O(watches × changes).
    fn touched_one_by_one<'d>(
        &'d self,
        table: &Table<B>,
        changes: &'d [Delta<B>],
    ) -> Option<(&'d Delta<B>, &'d dyn Watch<B>)> {
        self.watches.iter().find_map(|watch| {
            let delta = changes.iter().find(|delta| watch.touched(table, delta))?;
            Some((delta, watch.as_ref()))
        })
    }

    /// O((watches + changes) × log changes), for watches that an index serves.
    fn touched_by_index<'d>(
        &'d self,
        table: &Table<B>,
        changes: &'d [Delta<B>],
    ) -> Option<(&'d Delta<B>, &'d dyn Watch<B>)> {
        // The condition is asked of the changed records as of any others, by their indexes.
        let by_row: HashMap<u64, &Delta<B>> = changes.iter().map(|delta| (delta.row(), delta)).collect();
        let before = table.of(changes.iter().filter_map(Delta::old));
        let after = table.of(changes.iter().filter_map(Delta::new));
        self.watches.iter().find_map(|watch| {
            let mut touched = None;
            for side in [&before, &after] {
                watch.find(side, &mut |record| match by_row.get(&record.meta().row.0) {
                    Some(delta) if watch.touched(table, delta) => {
                        touched = Some(*delta);
                        ControlFlow::Break(())
                    }
                    _ => ControlFlow::Continue(()),
                });
            }
            touched.map(|delta| (delta, watch.as_ref()))
        })
    }
}

/// The hashes that appeared, vanished, or whose record changed.
struct Changed {
    /// With the number of the change, and whether there was and is a record of this hash.
    by_hash: HashMap<u64, (usize, bool, bool)>,
}

impl Changed {
    fn new<B: Bucket>(changes: &[Delta<B>], hash: &dyn Fn(&Record<B>) -> Option<u64>) -> Self {
        let mut by_hash = HashMap::with_capacity(changes.len());
        for (at, delta) in changes.iter().enumerate() {
            // One record may give up what another takes.
            if let Some(hash) = delta.old().and_then(hash) {
                by_hash.entry(hash).or_insert((at, false, false)).1 = true;
            }
            if let Some(hash) = delta.new().and_then(hash) {
                by_hash.entry(hash).or_insert((at, false, false)).2 = true;
            }
        }
        Self { by_hash }
    }

    fn touches(&self, hash: u64, seen: Seen) -> Option<usize> {
        let (at, was, is) = *self.by_hash.get(&hash)?;
        (seen == Seen::Whole || was != is).then_some(at)
    }
}

impl<B: Bucket> Delta<B> {
    pub(crate) fn old(&self) -> Option<&Record<B>> {
        self.old.as_ref()
    }

    #[expect(
        clippy::new_ret_no_self,
        clippy::wrong_self_convention,
        reason = "`old` and `new` are the field's words"
    )]
    pub(crate) fn new(&self) -> Option<&Record<B>> {
        self.new.as_ref()
    }

    fn row(&self) -> u64 {
        self.new().or(self.old()).map_or(0, |record| record.meta().row.0)
    }

    fn key_text(&self) -> String {
        self.new().or(self.old()).map_or_else(String::new, |record| format!("{:?}", record.key()))
    }
}

impl<B: Bucket> Table<B> {
    /// What differs in a later version of this table, by row. O(changed leaves × log n).
    pub(crate) fn delta(&self, newer: &Self) -> Vec<Delta<B>> {
        let mut changes = Vec::new();
        self.rows().diff(newer.rows(), &mut |_, old, new| {
            let same = matches!((old, new), (Some(old), Some(new)) if Record::same(old, new));
            if !same {
                changes.push(Delta { old: old.cloned(), new: new.cloned() });
            }
        });
        changes
    }
}

/// Two versions of a bucket, if the later one came out of the earlier one: not if it was dropped in between.
pub(crate) fn versions<'r, B: Bucket>(
    slot: Slot,
    old: &'r Root,
    new: &'r Root,
) -> Option<(&'r Table<B>, &'r Table<B>)> {
    let (old, new) = (old.table::<B>(slot)?, new.table::<B>(slot)?);
    Arc::ptr_eq(old.shared(), new.shared()).then_some((old, new))
}

pub(super) fn field_name<B: Bucket>(number: u16) -> &'static str {
    B::schema().fields.get(usize::from(number)).map_or("", |field| field.name)
}

#[cfg(test)]
#[path = "tests/reads.rs"]
pub(super) mod tests;
