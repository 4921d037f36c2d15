//! The order in which records leave a bucket by themselves: those that expire by their time, and those of a full bucket by their
//! age.

use std::ops::ControlFlow;

use super::RowId;
use super::tree::Tree;
use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::schema::{Evict, Schema};

/// A time that no record reaches.
pub(crate) const NEVER: u64 = u64::MAX;

/// The records of a table that may leave by themselves; cloning it is O(1) and gives an independent snapshot.
///
/// A bucket without a time to live and without a limit keeps nothing here.
pub(crate) struct Leaving<K> {
    /// By the time at which they expire. `None` until there is one that does.
    expiries: Option<Tree<(u64, RowId)>>,
    /// By their creation, those of one millisecond by their key. Only in a bucket whose oldest record makes room.
    ages: Option<Tree<(u64, K, RowId)>>,
}

impl<K: Clone> Clone for Leaving<K> {
    fn clone(&self) -> Self {
        Self { expiries: self.expiries.clone(), ages: self.ages.clone() }
    }
}

impl<K: Ord + Clone> Leaving<K> {
    pub(crate) fn new(schema: &Schema) -> Self {
        let by_age = schema.max_size.is_some() && schema.evict == Evict::Oldest;
        Self { expiries: None, ages: by_age.then(Tree::default) }
    }

    /// The records of a table. O(n log n), by sorting.
    pub(crate) fn of<B: Bucket<Key = K>>(schema: &Schema, records: &[Record<B>]) -> Self {
        let mut expiries: Vec<_> =
            records.iter().filter_map(|record| Some((record.expires_at()?, record.meta().row))).collect();
        expiries.sort_unstable();
        let mut leaving = Self::new(schema);
        leaving.expiries = (!expiries.is_empty()).then(|| Tree::from_sorted(expiries));
        if let Some(by_age) = &mut leaving.ages {
            let age =
                |record: &Record<B>| (record.meta().created_at, record.key().clone(), record.meta().row);
            let mut ages: Vec<_> = records.iter().map(age).collect();
            ages.sort_unstable();
            *by_age = Tree::from_sorted(ages);
        }
        leaving
    }

    /// O(log n) where the record expires or the bucket has a limit.
    pub(crate) fn add<B: Bucket<Key = K>>(&mut self, record: &Record<B>) {
        let meta = record.meta();
        if let Some(at) = record.expires_at() {
            self.expiries.get_or_insert_default().insert((at, meta.row));
        }
        if let Some(ages) = &mut self.ages {
            ages.insert((meta.created_at, record.key().clone(), meta.row));
        }
    }

    pub(crate) fn remove<B: Bucket<Key = K>>(&mut self, record: &Record<B>) {
        let meta = record.meta();
        if let (Some(at), Some(expiries)) = (record.expires_at(), &mut self.expiries) {
            expiries.remove(&(at, meta.row));
        }
        if let Some(ages) = &mut self.ages {
            ages.remove(&(meta.created_at, record.key().clone(), meta.row));
        }
    }

    pub(crate) fn replace<B: Bucket<Key = K>>(&mut self, old: &Record<B>, new: &Record<B>) {
        let times = |record: &Record<B>| (record.expires_at(), record.created_at());
        if times(old) != times(new) {
            self.remove(old);
            self.add(new);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.expiries = None;
        if let Some(ages) = &mut self.ages {
            *ages = Tree::default();
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

    /// The rows of the `n` oldest records. O(log records + n).
    pub(crate) fn oldest(&self, n: usize) -> Vec<RowId> {
        let mut rows = Vec::with_capacity(n);
        if let Some(ages) = &self.ages {
            let _ = ages.visit(0..n.min(ages.len()), &mut |(_, _, row)| {
                rows.push(*row);
                ControlFlow::Continue(())
            });
        }
        rows
    }
}
