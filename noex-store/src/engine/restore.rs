//! Tables of records that were kept.

use std::num::NonZeroU64;
use std::panic::resume_unwind;
use std::thread;

use super::fill::{MANY, cores, places};
use super::reading::{Misfit, Problems, ReadOne, reader};
use super::stored::StoredSchema;
use super::{HashState, RowId, StoredPart, StoredRef, Table};
use crate::bucket::Bucket;
use crate::bucket::record::{Meta, Record};
use crate::error::Error;
use crate::schema::{Evict, Schema};
use crate::sync::Mutex;

impl<B: Bucket> Table<B> {
    /// A table of what was kept, in the order of insertion; checked as an insert is. O(n log n); the records are read by all
    /// cores. If they are more than the bucket may hold by now, those that would make room are left out.
    ///
    /// # Errors
    /// [`Error::IncompatibleRecords`].
    pub(crate) fn restore(
        hash: HashState,
        now: u64,
        records: Vec<StoredPart>,
        schema: Option<&StoredSchema>,
        counters: &[(String, u64)],
    ) -> Result<Self, Error> {
        let (records, mut problems) = read_all::<B>(records, schema);
        let mut table = Self::new(hash);
        for (at, error) in in_order(table.fill(&records, true)) {
            let key = serde_json::to_string(records[at].key()).unwrap_or_default();
            problems.add(&key, Misfit::of_insert(error));
        }
        problems.into_result(B::NAME)?;
        for record in &records {
            table.advance_counters(record.value());
        }
        for (name, last) in counters {
            table.advance_counter(name_now(B::schema(), name), *last);
        }
        drop(records);
        table.cut_to_size(now);
        Ok(table)
    }

    /// Takes out what is over the bucket's limit, which may have been lowered: what has expired, and then what would make room.
    fn cut_to_size(&mut self, now: u64) {
        let schema = B::schema();
        let before = self.len();
        let Some(max) = schema.max_size.filter(|max| before > *max) else { return };
        self.remove_many(&self.due(now));
        let excess = self.len().saturating_sub(max);
        let leaving = match schema.evict {
            Evict::Lru => self.unused(excess, self.rows().next()),
            _ => self.oldest(excess),
        };
        self.remove_many(&leaving);
        let gone = before - self.len();
        tracing::warn!(
            bucket = B::NAME,
            max_size = max,
            gone,
            "a bucket was kept with more records than it may hold now"
        );
    }
}

/// The name that a field has now.
fn name_now<'n>(schema: &'static Schema, name: &'n str) -> &'n str {
    let renamed = schema.fields.iter().find(|field| field.renamed_from.contains(&name));
    renamed.map_or(name, |field| field.name)
}

fn in_order(mut refused: Vec<(usize, Error)>) -> Vec<(usize, Error)> {
    refused.sort_by_key(|(at, _)| *at);
    refused
}

/// Has parts read, each told with its number and how many records are before it; by all cores, if there are many. Compiled once, and
/// not for each bucket.
fn read_parts(parts: Vec<StoredPart>, read: &(dyn Fn(usize, u64, &StoredPart) + Sync)) {
    let mut count = 0;
    let mut from = Vec::with_capacity(parts.len());
    for part in parts {
        let before = count;
        count += part.len();
        from.push((before as u64, part));
    }
    let source = Mutex::new(from.into_iter().enumerate());
    let work = || {
        loop {
            // A guard in the condition would be held while it is read.
            let next = source.lock().next();
            let Some((number, (before, part))) = next else { return };
            read(number, before, &part);
        }
    };
    if count < MANY {
        return work();
    }
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            // A panic of the record's code goes on to whoever catches it.
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

/// Reads and validates records, whose rows are their numbers.
fn read_all<B: Bucket>(parts: Vec<StoredPart>, schema: Option<&StoredSchema>) -> (Vec<Record<B>>, Problems) {
    let read_one = reader::<B>(schema);
    let mut by_number: Vec<Option<(Vec<Record<B>>, Problems)>> = places(parts.len());
    let done = Mutex::new(Vec::new());
    read_parts(parts, &|number, before, part| {
        let read = read_part(part, before, &read_one);
        done.lock().push((number, read));
    });
    let mut count = 0;
    for (number, read) in done.into_inner() {
        count += read.0.len();
        by_number[number] = Some(read);
    }
    let (mut all, mut problems) = (Vec::with_capacity(count), Problems::default());
    for (mut records, more) in by_number.into_iter().flatten() {
        all.append(&mut records);
        problems.append(more);
    }
    (all, problems)
}

fn read_part<B: Bucket>(part: &StoredPart, before: u64, read_one: &ReadOne<B>) -> (Vec<Record<B>>, Problems) {
    let (mut read, mut problems) = (Vec::with_capacity(part.len()), Problems::default());
    for (stored, row) in part.iter().zip(before..) {
        let StoredRef { key, value, version, created_at, updated_at, expires_at } = stored;
        let value = match read_one(value) {
            Ok(value) => value,
            Err(misfit) => {
                problems.add(key, misfit);
                continue;
            }
        };
        if let Err(error) = crate::bucket::validate(&value) {
            problems.add_all(key, Misfit::of_rules(error));
            continue;
        }
        let expires_at = expires_at.and_then(NonZeroU64::new);
        let row = RowId(row);
        read.push(Record::new(value, Meta { row, version, created_at, updated_at, expires_at }));
    }
    (read, problems)
}
