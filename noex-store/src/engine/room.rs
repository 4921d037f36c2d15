//! What makes room in a full bucket, and how it leaves.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Leavers, Record, RowId, Table, bulk};
use crate::bucket::Bucket;

/// Records that made room for others and are in the hash indexes still: each of those copies a leaf and the way to it for one that is
/// taken out, and those of many share most of the way. Rows say what is there.
pub(super) struct Gone<B: Bucket> {
    record: Record<B>,
    /// With those below.
    count: usize,
    below: Option<Arc<Self>>,
}

impl<B: Bucket> Table<B> {
    /// The `n` oldest records: by their creation, ties by their key. O(n × log records).
    pub(crate) fn oldest(&mut self, n: usize) -> Leavers<B> {
        self.leaving.oldest(n, &self.rows)
    }

    /// The `n` records that make room for those from `new` on: the first ones from the hand on that nobody has used since it
    /// came by. O(n) over many calls: a record that is passed over has been used since.
    ///
    /// This is SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi, *SIEVE is Simpler than LRU: an Efficient Turn-Key Eviction Algorithm
    /// for Web Caches*, NSDI 2024): a use sets a flag and moves nothing, so that readers share no list.
    pub(crate) fn unused(&self, n: usize, new: RowId) -> Leavers<B> {
        let hand = &self.shared.hand;
        let mut found = Leavers::<B>::with_capacity(n);
        let mut earlier = HashSet::new();
        let (first, mut from) = (RowId(0), RowId(hand.load(Ordering::Relaxed)));
        // The second time around no flag is set but by readers who come by right now; the third time takes whatever is there.
        for round in 0..4 {
            let end = if round == 3 { self.rows.next() } else { new };
            let _ = self.rows.visit(from, &mut |row, record| {
                if row >= end || found.len() == n {
                    return ControlFlow::Break(());
                }
                let is_used = round < 2 && record.take_used();
                if !is_used && !earlier.contains(&row) {
                    found.push(record.clone());
                    hand.store(row.0 + 1, Ordering::Relaxed);
                }
                ControlFlow::Continue(())
            });
            if found.len() == n {
                break;
            }
            earlier.extend(found.iter().map(|record| record.meta().row));
            from = first;
        }
        found
    }

    /// As [`Table::remove_many`], for records of a full bucket. Up to `most` stay in the hash indexes, so that one costs less, and a
    /// look-up that finds one asks the rows whether it is there.
    pub(crate) fn make_room(&mut self, leaving: &[Record<B>], most: usize) {
        if self.is_worth_building(leaving.len(), bulk::LEAVING_ONE_OF) {
            return self.remove_many(leaving);
        }
        for record in leaving {
            record.set_gone();
            self.remove_ordered(record);
            let below = self.gone.take();
            let count = below.as_ref().map_or(0, |below| below.count) + 1;
            self.gone = Some(Arc::new(Gone { record: record.clone(), count, below }));
            // In between, too: a list is dropped by recursion, and must not get long.
            if count > most {
                self.forget_gone();
            }
        }
    }

    /// Takes those that made room out of the hash indexes. O(log n) for each.
    fn forget_gone(&mut self) {
        let mut next = self.gone.take();
        while let Some(gone) = next {
            self.remove_hashed(&gone.record);
            next = gone.below.clone();
        }
    }
}
