//! Filling a table that is empty: each index is built at once, by sorting, instead of entry by entry.

use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use super::keys::{self, Keys};
use super::leaving::Leaving;
use super::table::not_unique;
use super::trie::HashTrie;
use super::trie::build::Part;
use super::{Counted, HashState, RowId, Table};
use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::error::Error;
use crate::sync::Mutex;

/// So many records are worth threads.
pub(super) const MANY: usize = 4096;

/// A part of the work.
pub(super) type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

/// How many threads can run at once.
pub(crate) fn cores() -> usize {
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

/// Does all of them, by all cores if so wanted.
fn do_all(tasks: Vec<Task<'_>>, spreads: bool) {
    if spreads {
        return spread(tasks);
    }
    for task in tasks {
        task();
    }
}

// What is not generic over the bucket stands in functions of its own: it is compiled once, and not for each bucket.

/// What a hash index is built of: its entries in as many lists as it has parts, or in one, if they are few.
struct Hashed<V, const BITS: u32> {
    lists: Vec<List<V>>,
}

/// The hashes, reversed, each with the place of its value.
struct List<V> {
    hashes: Vec<(u64, usize)>,
    values: Vec<Option<V>>,
}

/// A part of an index, or the whole of it.
enum Built<V, const BITS: u32> {
    Part(Part<V>),
    Whole(HashTrie<V, BITS>),
}

/// So many places for what is still to come. (`resize_with` is ten times the code.)
pub(super) fn places<T>(count: usize) -> Vec<Option<T>> {
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        places.push(None);
    }
    places
}

fn sort(hashes: &mut [(u64, usize)]) {
    hashes.sort_unstable();
}

/// The places of those that are the `same` as an earlier one.
fn repeated(hashes: &[(u64, usize)], same: &dyn Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut again = Vec::new();
    for alike in hashes.chunk_by(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
        for (number, (_, later)) in alike.iter().enumerate() {
            if alike[..number].iter().any(|(_, earlier)| same(*earlier, *later)) {
                again.push(*later);
            }
        }
    }
    again
}

impl<V: Counted + Send + Sync, const BITS: u32> Hashed<V, BITS> {
    /// Of about so many entries.
    fn new(count: usize) -> Self {
        let parts = if count < MANY { 1 } else { HashTrie::<V, BITS>::PARTS };
        let room = count / parts * 9 / 8;
        let mut lists = Vec::with_capacity(parts);
        for _ in 0..parts {
            lists.push(List { hashes: Vec::with_capacity(room), values: Vec::with_capacity(room) });
        }
        Self { lists }
    }

    fn push(&mut self, hash: u64, value: V) {
        let part = if self.lists.len() == 1 { 0 } else { HashTrie::<V, BITS>::part_of(hash) };
        let List { hashes, values } = &mut self.lists[part];
        hashes.push((hash.reverse_bits(), values.len()));
        values.push(Some(value));
    }

    /// What builds each part, tells `again` of those that are the same as an earlier one, and where it puts the parts.
    fn tasks<'a>(
        self,
        built: &'a mut Vec<Option<Built<V, BITS>>>,
        row: fn(&V) -> RowId,
        same: &'a (dyn Fn(&V, &V) -> bool + Sync),
        again: &'a (dyn Fn(RowId) + Sync),
    ) -> Vec<Task<'a>>
    where
        V: 'a,
    {
        let is_whole = self.lists.len() == 1;
        *built = places(self.lists.len());
        let mut tasks: Vec<Task<'a>> = Vec::with_capacity(built.len());
        let mut built = built.iter_mut();
        for List { mut hashes, mut values } in self.lists {
            let Some(built) = built.next() else { break };
            tasks.push(Box::new(move || {
                sort(&mut hashes);
                let value = |at: usize| values.get(at)?.as_ref();
                let both = |a: usize, b: usize| value(a).zip(value(b)).is_some_and(|(a, b)| same(a, b));
                for at in repeated(&hashes, &both) {
                    if let Some(value) = value(at) {
                        again(row(value));
                    }
                }
                *built = Some(match is_whole {
                    true => Built::Whole(HashTrie::from_sorted(&hashes, &mut values)),
                    false => Built::Part(HashTrie::<V, BITS>::part(&hashes, &mut values)),
                });
            }));
        }
        tasks
    }
}

/// The index of what was built.
fn joined<V: Counted, const BITS: u32>(built: Vec<Option<Built<V, BITS>>>) -> HashTrie<V, BITS> {
    let mut parts = Vec::with_capacity(built.len());
    for built in built {
        match built {
            Some(Built::Whole(trie)) => return trie,
            Some(Built::Part(part)) => parts.push(part),
            None => {}
        }
    }
    HashTrie::of_parts(parts)
}

/// The index of the keys, of which there are two sorts.
enum BuildingKeys<B: Bucket> {
    Inline(Building<(B::Key, Record<B>)>),
    InRecord(Building<Record<B>>),
}

type Building<V> = (Option<Hashed<V, { keys::BITS }>>, Vec<Option<Built<V, { keys::BITS }>>>);

impl<B: Bucket> BuildingKeys<B> {
    fn new(hash: &HashState, records: &[Record<B>]) -> Self {
        match Keys::<B>::default() {
            Keys::Inline(_) => {
                let mut hashed = Hashed::new(records.len());
                for record in records {
                    hashed.push(hash.hash(record.key()), (record.key().clone(), record.clone()));
                }
                Self::Inline((Some(hashed), Vec::new()))
            }
            Keys::InRecord(_) => {
                let mut hashed = Hashed::new(records.len());
                for record in records {
                    hashed.push(hash.hash(record.key()), record.clone());
                }
                Self::InRecord((Some(hashed), Vec::new()))
            }
        }
    }

    fn tasks<'a>(&'a mut self, again: &'a (dyn Fn(RowId) + Sync)) -> Vec<Task<'a>> {
        match self {
            Self::Inline((hashed, built)) => match hashed.take() {
                Some(hashed) => {
                    hashed.tasks(built, |(_, record)| record.meta().row, &|a, b| a.0 == b.0, again)
                }
                None => Vec::new(),
            },
            Self::InRecord((hashed, built)) => match hashed.take() {
                Some(hashed) => {
                    hashed.tasks(built, |record| record.meta().row, &|a, b| a.key() == b.key(), again)
                }
                None => Vec::new(),
            },
        }
    }

    fn finish(self) -> Keys<B> {
        match self {
            Self::Inline((_, built)) => Keys::Inline(joined(built)),
            Self::InRecord((_, built)) => Keys::InRecord(joined(built)),
        }
    }
}

impl<B: Bucket> Table<B> {
    /// Puts records into a table that has none; they ascend by row, from the next one on. Those that break a rule over several
    /// records are told by their number, in no order; then the table must be given up. O(n log n), by all cores if it may be `spread`.
    pub(super) fn fill(&mut self, records: &[Record<B>], may_spread: bool) -> Vec<(usize, Error)> {
        let shared = Arc::clone(self.shared());
        let (hash, definition) = (&shared.hash, shared.definition);
        let spreads = may_spread && records.len() >= MANY;
        let Parts { rows, keys, uniques, indexes, leaving } = self.parts_to_fill();

        // What each index is of, in the order of the records.
        let (mut building, mut hashed_uniques) = (None, places(uniques.len()));
        let mut tasks: Vec<Task<'_>> = vec![Box::new(|| building = Some(BuildingKeys::new(hash, records)))];
        for (hashed, unique) in hashed_uniques.iter_mut().zip(definition.uniques) {
            tasks.push(Box::new(move || {
                let mut entries = Hashed::new(records.len());
                for record in records {
                    if let Some(hash) = unique.hash(record.value(), hash) {
                        entries.push(hash, record.meta().row);
                    }
                }
                *hashed = Some(entries);
            }));
        }
        for index in indexes {
            tasks.push(Box::new(|| {
                index.extend(&mut records.iter().map(|record| (record.value(), record.meta().row)));
            }));
        }
        tasks.push(Box::new(move || {
            for record in records {
                rows.advance_to(record.meta().row);
                rows.push(record.clone());
            }
            *leaving = Leaving::of(&definition.schema, records);
        }));
        do_all(tasks, spreads);

        // And the hash indexes, part by part.
        let refused = Mutex::new(Vec::new());
        let number = |row: RowId| records.partition_point(|record| record.meta().row < row);
        let same_key = |row: RowId| {
            let at = number(row);
            let key = records.get(at).map_or_else(String::new, |record| format!("{:?}", record.key()));
            refused.lock().push((at, Error::DuplicateKey { bucket: B::NAME, key }));
        };
        // What each unique field says of the records of two rows, and of one that is refused.
        let mut rules = Vec::with_capacity(uniques.len());
        for unique in definition.uniques {
            let same = move |a: &RowId, b: &RowId| match (records.get(number(*a)), records.get(number(*b))) {
                (Some(a), Some(b)) => unique.same(a.value(), b.value()),
                _ => false,
            };
            let (refused, number) = (&refused, &number);
            let again = move |row: RowId| {
                let at = number(row);
                if let Some(record) = records.get(at) {
                    refused.lock().push((at, not_unique(*unique, record.value())));
                }
            };
            rules.push((same, again));
        }
        let mut built: Vec<Vec<Option<Built<RowId, 4>>>> = Vec::with_capacity(uniques.len());
        for _ in &*uniques {
            built.push(Vec::new());
        }
        let mut tasks = match &mut building {
            Some(building) => building.tasks(&same_key),
            None => Vec::new(),
        };
        let (mut targets, mut rules) = (built.iter_mut(), rules.iter());
        for hashed in hashed_uniques {
            if let (Some(hashed), Some(built), Some((same, again))) = (hashed, targets.next(), rules.next()) {
                tasks.append(&mut hashed.tasks(built, |row| *row, same, again));
            }
        }
        do_all(tasks, spreads);
        if let Some(building) = building {
            *keys = building.finish();
        }
        for (trie, built) in uniques.iter_mut().zip(built) {
            *trie = joined(built);
        }
        refused.into_inner()
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
