//! The order in which records leave a bucket by themselves: those that expire by their time, and those of a full bucket by their
//! age.

use std::mem::needs_drop;
use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::tree::Tree;
use super::{RowId, Rows};
use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::schema::{Evict, Schema};

/// A time that no record reaches.
pub(crate) const NEVER: u64 = u64::MAX;

/// Records that are to make room.
pub(crate) type Leavers<B> = SmallVec<[Record<B>; 1]>;

/// The records of a table that may leave by themselves; cloning it is O(1) and gives an independent snapshot.
///
/// A bucket without a time to live and without a limit keeps nothing here.
pub(crate) struct Leaving<K> {
    /// By the time at which they expire. `None` until there is one that does.
    expiries: Option<Tree<(u64, RowId)>>,
    /// Only in a bucket whose oldest record makes room.
    ages: Option<Ages<K>>,
}

/// The records of a table by their creation, those of one millisecond by their key.
///
/// Rows ascend by their creation, so that only the oldest ones need to be known in order, which those of one millisecond may not
/// have in their rows: an insert does nothing here. And where keys ascend, too, as numbers do that are given one after the other,
/// rows are in order as they are.
struct Ages<K> {
    /// The records of the rows below `next`.
    order: Tree<(u64, K, RowId)>,
    next: RowId,
    /// When the newest record came, and its key, if that owns nothing: a copy costs nothing then.
    newest: (u64, Option<K>),
    /// Whether rows do ascend by their creation. Those of a store that another program wrote may not; all are in `order` then.
    ascend: bool,
    /// Whether those of one millisecond are known to ascend by their key. `order` is empty then.
    keys_ascend: bool,
}

impl<K: Ord + Clone> Ages<K> {
    fn new() -> Self {
        Self { order: Tree::default(), next: RowId(0), newest: (0, None), ascend: true, keys_ascend: true }
    }

    fn entry<B: Bucket<Key = K>>(record: &Record<B>) -> (u64, K, RowId) {
        (record.meta().created_at, record.key().clone(), record.meta().row)
    }

    fn add<B: Bucket<Key = K>>(&mut self, record: &Record<B>) {
        let (created_at, key) = (record.created_at(), record.key());
        let (newest, last) = &self.newest;
        self.ascend &= created_at >= *newest;
        self.keys_ascend &=
            created_at > *newest || (created_at == *newest && last.as_ref().is_some_and(|last| last < key));
        if created_at >= *newest {
            self.newest = (created_at, (!needs_drop::<K>()).then(|| key.clone()));
        }
        if record.meta().row < self.next {
            self.order.insert(Self::entry(record));
        }
    }

    fn remove<B: Bucket<Key = K>>(&mut self, record: &Record<B>) {
        if record.meta().row < self.next {
            self.order.remove(&Self::entry(record));
        }
    }

    fn oldest<B: Bucket<Key = K>>(&mut self, n: usize, rows: &Rows<Record<B>>) -> Leavers<B> {
        let mut oldest = Leavers::with_capacity(n);
        if self.keys_ascend {
            let _ = rows.visit(RowId(0), &mut |_, record| {
                if oldest.len() == n {
                    return ControlFlow::Break(());
                }
                oldest.push(record.clone());
                ControlFlow::Continue(())
            });
            return oldest;
        }
        let Self { order, next, ascend, .. } = self;
        let _ = rows.visit(*next, &mut |row, record| {
            let last = n.checked_sub(1).and_then(|last| order.at(last));
            if *ascend && last.is_some_and(|(created_at, ..)| record.created_at() > *created_at) {
                return ControlFlow::Break(());
            }
            order.insert(Self::entry(record));
            *next = RowId(row.0 + 1);
            ControlFlow::Continue(())
        });
        let _ = order.visit(0..n.min(order.len()), &mut |(_, _, row)| {
            oldest.extend(rows.get(*row).cloned());
            ControlFlow::Continue(())
        });
        oldest
    }
}

impl<K: Clone> Clone for Ages<K> {
    fn clone(&self) -> Self {
        Self { order: self.order.clone(), newest: self.newest.clone(), ..*self }
    }
}

impl<K: Clone> Clone for Leaving<K> {
    fn clone(&self) -> Self {
        Self { expiries: self.expiries.clone(), ages: self.ages.clone() }
    }
}

impl<K: Ord + Clone> Leaving<K> {
    pub(crate) fn new(schema: &Schema) -> Self {
        let by_age = schema.max_size.is_some() && schema.evict == Evict::Oldest;
        Self { expiries: None, ages: by_age.then(Ages::new) }
    }

    /// The records of a table. O(n log n), by sorting.
    pub(crate) fn of<B: Bucket<Key = K>>(schema: &Schema, records: &[Record<B>]) -> Self {
        let mut expiries: Vec<_> =
            records.iter().filter_map(|record| Some((record.expires_at()?, record.meta().row))).collect();
        expiries.sort_unstable();
        let mut leaving = Self::new(schema);
        leaving.expiries = (!expiries.is_empty()).then(|| Tree::from_sorted(expiries));
        if let Some(by_age) = &mut leaving.ages {
            records.iter().for_each(|record| by_age.add(record));
        }
        leaving
    }

    /// O(log n) where the record expires.
    pub(crate) fn add<B: Bucket<Key = K>>(&mut self, record: &Record<B>) {
        self.add_expiry(record);
        if let Some(ages) = &mut self.ages {
            ages.add(record);
        }
    }

    fn add_expiry<B: Bucket<Key = K>>(&mut self, record: &Record<B>) {
        if let Some(at) = record.expires_at() {
            self.expiries.get_or_insert_default().insert((at, record.meta().row));
        }
    }

    pub(crate) fn remove<B: Bucket<Key = K>>(&mut self, record: &Record<B>) {
        self.remove_expiry(record);
        if let Some(ages) = &mut self.ages {
            ages.remove(record);
        }
    }

    fn remove_expiry<B: Bucket<Key = K>>(&mut self, record: &Record<B>) {
        if let (Some(at), Some(expiries)) = (record.expires_at(), &mut self.expiries) {
            expiries.remove(&(at, record.meta().row));
        }
    }

    pub(crate) fn replace<B: Bucket<Key = K>>(&mut self, old: &Record<B>, new: &Record<B>) {
        if old.expires_at() != new.expires_at() {
            self.remove_expiry(old);
            self.add_expiry(new);
        }
        if let Some(ages) = &mut self.ages
            && old.created_at() != new.created_at()
        {
            // One that was created anew in the row of the one before it.
            ages.remove(old);
            (ages.ascend, ages.keys_ascend) = (false, false);
            ages.add(new);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.expiries = None;
        if let Some(ages) = &mut self.ages {
            *ages = Ages::new();
        }
    }

    /// When the next record expires; [`NEVER`] if none does.
    pub(crate) fn soonest(&self) -> u64 {
        self.expiries.as_ref().and_then(|expiries| expiries.at(0)).map_or(NEVER, |(at, _)| *at)
    }

    /// The rows of the records that have expired at a time, in the order in which they did. O(log n + expired).
    pub(crate) fn due(&self, now: u64) -> Vec<RowId> {
        let mut rows = Vec::new();
        if let Some(expiries) = &self.expiries {
            let _ = expiries.visit(0..expiries.len(), &mut |(at, row)| {
                if *at > now {
                    return ControlFlow::Break(());
                }
                rows.push(*row);
                ControlFlow::Continue(())
            });
        }
        rows
    }

    /// The `n` oldest records of a table, which has these rows. O(n × log records) over many calls: each record is put in order
    /// once, if at all.
    pub(crate) fn oldest<B: Bucket<Key = K>>(&mut self, n: usize, rows: &Rows<Record<B>>) -> Leavers<B> {
        self.ages.as_mut().map_or_else(Leavers::new, |ages| ages.oldest(n, rows))
    }
}

#[cfg(test)]
#[path = "tests/leaving.rs"]
mod tests;
