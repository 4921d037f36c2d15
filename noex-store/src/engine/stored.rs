//! Records and commits in the form in which they are kept: without Rust's types, each key and value as its JSON.

use std::num::{NonZero, NonZeroU64};
use std::thread;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Change, HashState, RowId, Table, Version};
use crate::bucket::Bucket;
use crate::bucket::record::{Meta, Record};
use crate::error::Error;

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRecord {
    /// The key, as JSON.
    pub key: String,
    /// The whole value, with the names of its fields, as JSON.
    pub value: String,
    /// How often it was written.
    pub version: u64,
    /// When it was inserted; all times are milliseconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// When it was last written.
    pub updated_at: u64,
    /// When it expires.
    pub expires_at: Option<u64>,
}

/// One change of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredChange {
    /// The record is there from now on: behind all others if its key was not there, and else in the place of the one that was.
    Put(StoredRecord),
    /// The record of a key, as JSON, is gone.
    Delete(String),
}

/// What a commit did to a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredChanges {
    /// It was defined: empty, unless it has been kept from an earlier run.
    Defined {
        /// The bucket's name.
        bucket: String,
    },
    /// It was dropped with all of its records.
    Dropped {
        /// The bucket's name.
        bucket: String,
    },
    /// Records of it were changed.
    Changed {
        /// The bucket's name.
        bucket: String,
        /// The last automatic number of each field that has some.
        counters: Vec<(String, u64)>,
        /// The changes, in their order.
        changes: Vec<StoredChange>,
    },
}

/// A commit as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCommit {
    /// Its number; grows by one from commit to commit.
    pub version: Version,
    /// When it was made.
    pub time: u64,
    /// What it did. Empty if it is of no concern: it changed buckets that are not kept.
    pub buckets: Vec<StoredChanges>,
}

fn json_of<T: Serialize>(bucket: &'static str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::NotStorable { bucket, reason: error.to_string() })
}

impl StoredRecord {
    pub(crate) fn of<B: Bucket>(record: &Record<B>) -> Result<Self, Error> {
        Ok(Self {
            key: json_of(B::NAME, record.key())?,
            value: json_of(B::NAME, record.value())?,
            version: record.version(),
            created_at: record.created_at(),
            updated_at: record.updated_at(),
            expires_at: record.expires_at(),
        })
    }

    fn read<T: DeserializeOwned>(&self, bucket: &'static str) -> Result<T, Error> {
        serde_json::from_str(&self.value).map_err(|error| Error::NotReadable {
            bucket,
            key: self.key.clone(),
            reason: error.to_string(),
        })
    }
}

pub(super) fn stored_changes<B: Bucket>(changes: &[Change<B>]) -> Result<Vec<StoredChange>, Error> {
    let stored = |change: &Change<B>| match change {
        Change::Inserted(new) | Change::Updated { new, .. } => StoredRecord::of(new).map(StoredChange::Put),
        Change::Deleted { record, .. } => json_of(B::NAME, record.key()).map(StoredChange::Delete),
    };
    changes.iter().map(stored).collect()
}

impl<B: Bucket> Table<B> {
    /// A table of what was kept, in the order of insertion; checked as an insert is. O(n log n); the records are read by all
    /// cores.
    ///
    /// # Errors
    /// [`Error::NotReadable`] for a record that is not one of this type, and what an insert would say.
    pub(crate) fn restore(
        hash: HashState,
        records: Vec<StoredRecord>,
        counters: &[(String, u64)],
    ) -> Result<Self, Error> {
        let mut table = Self::new(hash);
        let mut restored = Vec::with_capacity(records.len());
        for (value, stored) in read_all::<B>(records)?.into_iter().flatten() {
            restored.push(table.restore_one(value, stored.meta(table.rows().next()))?);
        }
        table.build_indexes(&restored);
        for (field, last) in counters {
            table.advance_counter(field, *last);
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

type Read<B> = Vec<(B, Metadata)>;

/// Reads and validates records; each part by a thread, if there are many.
fn read_all<B: Bucket>(records: Vec<StoredRecord>) -> Result<Vec<Read<B>>, Error> {
    /// So many are worth a thread.
    const MANY: usize = 4096;
    let read = |part: Vec<StoredRecord>| -> Result<Read<B>, Error> {
        let one = |stored: StoredRecord| {
            let value: B = stored.read(B::NAME)?;
            crate::bucket::validate(&value)?;
            let StoredRecord { version, created_at, updated_at, expires_at, .. } = stored;
            Ok((value, Metadata { version, created_at, updated_at, expires_at }))
        };
        part.into_iter().map(one).collect()
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let size = records.len().div_ceil(cores).max(MANY);
    let mut rest = records.into_iter();
    let parts: Vec<Vec<StoredRecord>> = std::iter::from_fn(|| {
        Some(rest.by_ref().take(size).collect()).filter(|part: &Vec<_>| !part.is_empty())
    })
    .collect();
    if parts.len() < 2 {
        return parts.into_iter().map(read).collect();
    }
    thread::scope(|scope| {
        let read = &read;
        let threads: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || read(part))).collect();
        threads
            .into_iter()
            // A panic of the record's code goes on to whoever catches it.
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
