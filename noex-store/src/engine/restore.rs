//! Tables of records that were kept.

use std::num::NonZeroU64;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use super::fill::{MANY, cores, places};
use super::reading::{Misfit, Problems, ReadOne, reader};
use super::stored::{StoredRecord, StoredSchema};
use super::{HashState, RowId, Table};
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
        records: &mut (dyn Iterator<Item = StoredRecord> + Send),
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

/// Records that are read by a thread at once.
const CHUNK: usize = 1024;
/// Chunks that were read and are not freed yet: whoever reads waits then, so that memory is bounded.
const UNFREED: usize = 16;

/// Has chunks of records read, each told with its number; by all cores, if there are many. Their number. Compiled once, and not for each
/// bucket.
fn read_chunks(
    records: &mut (dyn Iterator<Item = StoredRecord> + Send),
    read: &(dyn Fn(usize, &[StoredRecord]) + Sync),
) -> usize {
    let is_large = records.size_hint().1.is_none_or(|most| most >= MANY);
    let source = Mutex::new((0_usize, records));
    let work = |done: &mut dyn FnMut(Vec<StoredRecord>)| {
        loop {
            let (number, chunk) = {
                let mut source = source.lock();
                let records = &mut *source.1;
                let chunk: Vec<_> = records.take(CHUNK).collect();
                source.0 += 1;
                (source.0 - 1, chunk)
            };
            if chunk.is_empty() {
                return;
            }
            read(number, &chunk);
            done(chunk);
        }
    };
    if is_large {
        thread::scope(|scope| {
            let (done, used) = mpsc::sync_channel(UNFREED);
            let mut threads = Vec::new();
            for _ in 0..cores() {
                let done = done.clone();
                threads.push(scope.spawn(move || work(&mut |chunk| drop(done.send(chunk)))));
            }
            drop(done);
            // Here, for an allocator takes longer to free in one thread what another one has.
            used.iter().for_each(drop);
            for thread in threads {
                // A panic of the record's code goes on to whoever catches it.
                thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            }
        });
    } else {
        work(&mut drop);
    }
    source.into_inner().0
}

/// Reads and validates records, whose rows are their numbers.
fn read_all<B: Bucket>(
    records: &mut (dyn Iterator<Item = StoredRecord> + Send),
    schema: Option<&StoredSchema>,
) -> (Vec<Record<B>>, Problems) {
    let read_one = reader::<B>(schema);
    let done = Mutex::new(Vec::new());
    let chunks = read_chunks(records, &|number, chunk| {
        let read = read_chunk(chunk, number * CHUNK, &read_one);
        done.lock().push((number, read));
    });
    let mut by_number: Vec<Option<(Vec<Record<B>>, Problems)>> = places(chunks);
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

fn read_chunk<B: Bucket>(
    chunk: &[StoredRecord],
    first: usize,
    read_one: &ReadOne<B>,
) -> (Vec<Record<B>>, Problems) {
    let (mut read, mut problems) = (Vec::with_capacity(chunk.len()), Problems::default());
    for (stored, row) in chunk.iter().zip(first as u64..) {
        let value = match read_one(stored) {
            Ok(value) => value,
            Err(misfit) => {
                problems.add(&stored.key, misfit);
                continue;
            }
        };
        if let Err(error) = crate::bucket::validate(&value) {
            problems.add_all(&stored.key, Misfit::of_rules(error));
            continue;
        }
        let StoredRecord { version, created_at, updated_at, expires_at, .. } = *stored;
        let expires_at = expires_at.and_then(NonZeroU64::new);
        let row = RowId(row);
        read.push(Record::new(value, Meta { row, version, created_at, updated_at, expires_at }));
    }
    (read, problems)
}
