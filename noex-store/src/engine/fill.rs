//! Filling a table that is empty: each index is built at once, by sorting, instead of entry by entry.

use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use super::keys::Keys;
use super::leaving::Leaving;
use super::table::not_unique;
use super::trie::HashTrie;
use super::{RowId, Table};
use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::error::Error;
use crate::sync::Mutex;

/// So many records are worth threads.
pub(super) const MANY: usize = 4096;

/// A part of the work.
pub(super) type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Does all of them, by all cores.
pub(super) fn spread(tasks: Vec<Task<'_>>) {
    let threads = cores().min(tasks.len());
    let tasks = Mutex::new(VecDeque::from(tasks));
    let work = || {
        loop {
            // A guard in the condition would be held during the task.
            let task = tasks.lock().pop_front();
            match task {
                Some(task) => task(),
                None => return,
            }
        }
    };
    if threads < 2 {
        return work();
    }
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            // A panic of the record's code goes on to whoever catches it.
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

/// The records in the order of a hash index, each by its hash, read from its lowest bit on.
type Order = Vec<(u64, usize)>;

fn in_order(hashes: impl Iterator<Item = (u64, usize)>) -> Order {
    let mut order: Order = hashes.map(|(hash, at)| (hash.reverse_bits(), at)).collect();
    order.sort_unstable();
    order
}

/// The later ones of those that are the same.
fn repeated<'o>(
    order: &'o Order,
    same: impl Fn(usize, usize) -> bool + 'o,
) -> impl Iterator<Item = usize> + 'o {
    order.chunk_by(|a, b| a.0 == b.0).filter(|equal| equal.len() > 1).flat_map(move |equal| {
        let later = equal.iter().enumerate().skip(1);
        let again: Vec<usize> = later
            .filter(|(number, (_, at))| equal[..*number].iter().any(|(_, earlier)| same(*earlier, *at)))
            .map(|(_, (_, at))| *at)
            .collect();
        again
    })
}

impl<B: Bucket> Table<B> {
    /// Puts records into a table that has none; they ascend by row, from the next one on. Those that break a rule over several
    /// records are told by their number, in no order; then the table must be given up. O(n log n), by all cores if it may be `spread`.
    pub(super) fn fill(&mut self, records: &[Record<B>], spread: bool) -> Vec<(usize, Error)> {
        let refused = Mutex::new(Vec::new());
        let (shared, is_spread) = (self.shared().clone(), spread && records.len() >= MANY);
        let (hash, definition) = (&shared.hash, shared.definition);
        let parts = self.parts_to_fill();
        let mut tasks: Vec<Task<'_>> = Vec::new();
        let (keys, refused) = (parts.keys, &refused);
        tasks.push(Box::new(move || {
            let hashes = records.iter().map(|record| hash.hash(record.key()));
            let order = in_order(hashes.zip(0..));
            *keys = Keys::from_sorted(&order, records);
            let again = repeated(&order, |a, b| records[a].key() == records[b].key());
            let error =
                |at: usize| Error::DuplicateKey { bucket: B::NAME, key: format!("{:?}", records[at].key()) };
            refused.lock().extend(again.map(|at| (at, error(at))));
        }));
        for (trie, unique) in parts.uniques.iter_mut().zip(definition.uniques) {
            tasks.push(Box::new(move || {
                let hashes = records.iter().zip(0..);
                let order = in_order(
                    hashes.filter_map(|(record, at)| Some((unique.hash(record.value(), hash)?, at))),
                );
                let rows: Vec<RowId> = records.iter().map(|record| record.meta().row).collect();
                *trie = HashTrie::from_sorted(&order, &mut |at| rows.get(*at).copied());
                let again = repeated(&order, |a, b| unique.same(records[a].value(), records[b].value()));
                refused.lock().extend(again.map(|at| (at, not_unique(*unique, records[at].value()))));
            }));
        }
        for index in parts.indexes {
            tasks.push(Box::new(|| {
                index.build(&mut records.iter().map(|record| (record.value(), record.meta().row)));
            }));
        }
        let (rows, leaving) = (parts.rows, parts.leaving);
        tasks.push(Box::new(move || {
            for record in records {
                rows.advance_to(record.meta().row);
                rows.push(record.clone());
            }
            *leaving = Leaving::of(&definition.schema, records);
        }));
        if is_spread {
            self::spread(tasks)
        } else {
            tasks.into_iter().for_each(|task| task())
        }
        std::mem::take(&mut *refused.lock())
    }
}

/// What [`Table::fill`] fills.
pub(super) struct Parts<'t, B: Bucket> {
    pub(super) rows: &'t mut super::Rows<Record<B>>,
    pub(super) keys: &'t mut Keys<B>,
    pub(super) uniques: &'t mut Vec<HashTrie<RowId>>,
    pub(super) indexes: &'t mut Vec<Box<dyn super::OrderedIndex<B>>>,
    pub(super) leaving: &'t mut Leaving<B::Key>,
}
