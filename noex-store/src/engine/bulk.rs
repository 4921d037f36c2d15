//! Many records at once: where they are a good part of the table, it is less work to build its indexes anew than to change them
//! entry by entry.

use std::ops::ControlFlow;

use super::{Meta, Record, RowId, Rows, Table};
use crate::bucket::Bucket;
use crate::clock::Moment;
use crate::error::Error;
use crate::schema::Ttl;

/// Below so many changed records the indexes are never built anew. (Few in tests, so that those see it, too.)
const FEWEST_FOR_BUILD: usize = if cfg!(test) { 4 } else { 256 };
/// They are where a half as many records come as there are, or a quarter leaves: an entry that is built costs a quarter to a fifth of
/// one that is added or taken out.
pub(super) const COMING_ONE_OF: usize = 2;
pub(super) const LEAVING_ONE_OF: usize = 4;

impl<B: Bucket> Table<B> {
    /// Adds records, or says which of them breaks a rule; then the table holds a part of them, and must be given up.
    /// Each index takes its entries at once; an empty table, and one of few records beside these, is built as a whole.
    pub(crate) fn insert_many(
        &mut self,
        values: Vec<B>,
        now: Moment,
    ) -> Result<Vec<Record<B>>, (usize, Error)> {
        if self.len() > 0 && !self.is_worth_building(values.len(), COMING_ONE_OF) || self.fork.is_some() {
            let mut records = Vec::with_capacity(values.len());
            for (number, value) in values.into_iter().enumerate() {
                let added = self.insert_unordered(value, Ttl::OfBucket, now);
                records.push(added.map_err(|error| (number, error))?);
            }
            self.extend_indexes(records.iter());
            return Ok(records);
        }
        let expires_at = self.shared.expiry(Ttl::OfBucket, now);
        let records: Vec<_> = (self.rows.next().0..)
            .zip(values)
            .map(|(row, value)| {
                let (row, time) = (RowId(row), now.time);
                let meta = Meta { row, version: 1, created_at: time, updated_at: time, expires_at };
                Record::new(value, meta)
            })
            .collect();
        self.build_with(&records).map(|()| records)
    }

    /// Whether it is less work to build the indexes anew than to change so many of their entries: if those are one of so many of
    /// the table's records or more.
    pub(super) fn is_worth_building(&self, changed: usize, one_of: usize) -> bool {
        changed >= FEWEST_FOR_BUILD && changed.saturating_mul(one_of) >= self.len()
    }

    /// Builds all indexes anew, with records that follow those of the table; or says which of them breaks a rule. O(n log n).
    pub(super) fn build_with(&mut self, new: &[Record<B>]) -> Result<(), (usize, Error)> {
        let before = self.len();
        let refused = match before {
            0 => self.fill(new, false),
            _ => self.build(&self.records_with(new)),
        };
        match refused.into_iter().min_by_key(|(number, _)| *number) {
            // Of two that are the same it is the later one.
            Some((number, error)) => Err((number.saturating_sub(before), error)),
            None => Ok(()),
        }
    }

    fn records_with(&self, new: &[Record<B>]) -> Vec<Record<B>> {
        let mut all = Vec::with_capacity(self.len() + new.len());
        let _ = self.rows.visit(RowId(0), &mut |_, record| {
            all.push(record.clone());
            ControlFlow::Continue(())
        });
        all.extend_from_slice(new);
        all
    }

    /// Makes it a table of these records, which ascend by row; as [`Table::fill`].
    fn build(&mut self, records: &[Record<B>]) -> Vec<(usize, Error)> {
        // What was added in place stays noted: the tables before this one have it still.
        self.clear();
        // They keep their rows.
        self.rows = Rows::starting_at(0);
        // Not by threads: the record's code that runs in this one is known to be in a write.
        self.fill(records, false)
    }

    /// Removes records of this table, each named once. O(removed × log n) for each index, or O(rest × log rest) where that is
    /// less work: then the rest is built anew.
    pub(crate) fn remove_many(&mut self, leaving: &[Record<B>]) {
        if !self.is_worth_building(leaving.len(), LEAVING_ONE_OF) {
            for record in leaving {
                self.remove(record);
            }
            return;
        }
        let mut gone: Vec<RowId> = leaving.iter().map(|record| record.meta().row).collect();
        gone.sort_unstable();
        let mut rest = Vec::with_capacity(self.len().saturating_sub(gone.len()));
        let mut gone = gone.into_iter().peekable();
        let _ = self.rows.visit(RowId(0), &mut |row, record| {
            if gone.next_if_eq(&row).is_none() {
                rest.push(record.clone());
            }
            ControlFlow::Continue(())
        });
        if rest.is_empty() {
            return self.clear();
        }
        let next = self.rows.next();
        let refused = self.build(&rest);
        debug_assert!(refused.is_empty(), "they kept all rules before");
        self.rows.advance_to(next);
    }
}
