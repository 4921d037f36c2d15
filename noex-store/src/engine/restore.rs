//! Tables of records that were kept.

use std::num::{NonZero, NonZeroU64};
use std::thread;

use super::reading::{Misfit, Problems, ReadOne, reader};
use super::stored::{StoredRecord, StoredSchema};
use super::{HashState, RowId, Table};
use crate::bucket::Bucket;
use crate::bucket::record::Meta;
use crate::error::Error;

/// So many are worth a thread.
const MANY: usize = 4096;

impl<B: Bucket> Table<B> {
    /// A table of what was kept, in the order of insertion; checked as an insert is. O(n log n); the records are read by all
    /// cores.
    ///
    /// # Errors
    /// [`Error::IncompatibleRecords`].
    pub(crate) fn restore(
        hash: HashState,
        records: Vec<StoredRecord>,
        schema: Option<&StoredSchema>,
        counters: &[(String, u64)],
    ) -> Result<Self, Error> {
        let (parts, mut problems) = read_all::<B>(records, schema);
        let mut table = Self::new(hash);
        let mut restored = Vec::with_capacity(parts.iter().map(Vec::len).sum());
        for (value, metadata) in parts.into_iter().flatten() {
            // The value is gone with an error, and its key is needed then: no record is worth a copy before.
            match table.check_new(&value) {
                Ok(()) => restored.push(table.restore_one(value, metadata.meta(table.rows().next()))),
                Err(error) => {
                    let key = serde_json::to_string(value.key()).unwrap_or_default();
                    problems.add(&key, Misfit::of_insert(error));
                }
            }
        }
        problems.into_result(B::NAME)?;
        table.build_indexes(&restored);
        for (name, last) in counters {
            let renamed = B::schema().fields.iter().find(|field| field.renamed_from.contains(&name.as_str()));
            table.advance_counter(renamed.map_or(name, |field| field.name), *last);
        }
        Ok(table)
    }
}

/// What is left of a stored record when its key and its value have been read.
struct Metadata {
    version: u64,
    created_at: u64,
    updated_at: u64,
    expires_at: Option<u64>,
}

impl Metadata {
    fn meta(&self, row: RowId) -> Meta {
        Meta {
            row,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            expires_at: self.expires_at.and_then(NonZeroU64::new),
        }
    }
}

type Part<B> = Vec<(B, Metadata)>;

/// Reads and validates records; each part by a thread, if there are many.
fn read_all<B: Bucket>(
    records: Vec<StoredRecord>,
    schema: Option<&StoredSchema>,
) -> (Vec<Part<B>>, Problems) {
    let read_one = reader::<B>(schema);
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let size = records.len().div_ceil(cores).max(MANY);
    let mut rest = records.into_iter();
    let parts: Vec<Vec<StoredRecord>> = std::iter::from_fn(|| {
        Some(rest.by_ref().take(size).collect()).filter(|part: &Vec<_>| !part.is_empty())
    })
    .collect();
    let read: Vec<(Part<B>, Problems)> = if parts.len() < 2 {
        parts.into_iter().map(|part| read_part(part, &read_one)).collect()
    } else {
        thread::scope(|scope| {
            let read_one = &read_one;
            let threads: Vec<_> =
                parts.into_iter().map(|part| scope.spawn(move || read_part(part, read_one))).collect();
            threads
                .into_iter()
                // A panic of the record's code goes on to whoever catches it.
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    };
    let mut problems = Problems::default();
    let parts = read.into_iter().map(|(part, more)| {
        problems.append(more);
        part
    });
    (parts.collect(), problems)
}

fn read_part<B: Bucket>(part: Vec<StoredRecord>, read_one: &ReadOne<B>) -> (Part<B>, Problems) {
    let (mut read, mut problems) = (Vec::with_capacity(part.len()), Problems::default());
    for stored in part {
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
        read.push((value, Metadata { version, created_at, updated_at, expires_at }));
    }
    (read, problems)
}
