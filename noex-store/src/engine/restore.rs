//! Tables of records that were kept.

use std::num::NonZeroU64;

use super::fill::{MANY, Task, cores, spread};
use super::reading::{Misfit, Problems, ReadOne, reader};
use super::stored::{StoredRecord, StoredSchema};
use super::{HashState, RowId, Table};
use crate::bucket::Bucket;
use crate::bucket::record::{Meta, Record};
use crate::error::Error;
use crate::sync::Mutex;

impl<B: Bucket> Table<B> {
    /// A table of what was kept, in the order of insertion; checked as an insert is. O(n log n); the records are read by all
    /// cores.
    ///
    /// # Errors
    /// [`Error::IncompatibleRecords`].
    pub(crate) fn restore(
        hash: HashState,
        records: impl Iterator<Item = StoredRecord> + Send,
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
        records.iter().for_each(|record| table.advance_counters(record.value()));
        for (name, last) in counters {
            let renamed = B::schema().fields.iter().find(|field| field.renamed_from.contains(&name.as_str()));
            table.advance_counter(renamed.map_or(name, |field| field.name), *last);
        }
        Ok(table)
    }
}

fn in_order(mut refused: Vec<(usize, Error)>) -> Vec<(usize, Error)> {
    refused.sort_by_key(|(at, _)| *at);
    refused
}

/// Records that are read by a thread at once.
const CHUNK: usize = 1024;

/// Reads and validates records, whose rows are their numbers; by all cores, if there are many.
fn read_all<B: Bucket>(
    records: impl Iterator<Item = StoredRecord> + Send,
    schema: Option<&StoredSchema>,
) -> (Vec<Record<B>>, Problems) {
    let read_one = reader::<B>(schema);
    let is_large = records.size_hint().1.is_none_or(|most| most >= MANY);
    let (source, done) = (Mutex::new((0_usize, records)), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let (number, chunk) = {
                let mut source = source.lock();
                let chunk: Vec<_> = source.1.by_ref().take(CHUNK).collect();
                source.0 += 1;
                (source.0 - 1, chunk)
            };
            if chunk.is_empty() {
                return;
            }
            let read = read_chunk(chunk, number * CHUNK, &read_one);
            done.lock().push((number, read));
        }
    };
    // One thread takes the small ones.
    let threads = if is_large { cores() } else { 1 };
    spread((0..threads).map(|_| Box::new(work) as Task<'_>).collect());
    let (chunks, done) = (source.into_inner().0, done.into_inner());
    let mut all = Vec::with_capacity(done.iter().map(|(_, (records, _))| records.len()).sum());
    let mut by_number: Vec<Option<(Vec<Record<B>>, Problems)>> = (0..chunks).map(|_| None).collect();
    for (number, read) in done {
        by_number[number] = Some(read);
    }
    let mut problems = Problems::default();
    for (records, more) in by_number.into_iter().flatten() {
        all.extend(records);
        problems.append(more);
    }
    (all, problems)
}

fn read_chunk<B: Bucket>(
    chunk: Vec<StoredRecord>,
    first: usize,
    read_one: &ReadOne<B>,
) -> (Vec<Record<B>>, Problems) {
    let (mut read, mut problems) = (Vec::with_capacity(chunk.len()), Problems::default());
    for (stored, row) in chunk.into_iter().zip(first as u64..) {
        let value = match read_one(&stored) {
            Ok(value) => value,
            Err(misfit) => {
                problems.add(&stored.key, misfit);
                continue;
            }
        };
        if let Err(error) = crate::bucket::validate(&value) {
            Misfit::of_rules(error).into_iter().for_each(|misfit| problems.add(&stored.key, misfit));
            continue;
        }
        let StoredRecord { version, created_at, updated_at, expires_at, .. } = stored;
        let expires_at = expires_at.and_then(NonZeroU64::new);
        read.push(Record::new(value, Meta { row: RowId(row), version, created_at, updated_at, expires_at }));
    }
    (read, problems)
}
