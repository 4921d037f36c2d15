//! The first format of the files: the records' schemas were not kept yet.
//!
//! [`StoredRecord`] and [`StoredChange`] are as they were then. If one of them changes, the old one comes here.

use serde::Deserialize;

use crate::engine::{StoredChange, StoredChanges, StoredCommit, StoredRecord, Version};

/// A frame of a snapshot.
#[derive(Deserialize)]
pub(super) enum Piece {
    Head {
        #[expect(dead_code, reason = "it was read before the format was known")]
        format: u32,
        #[expect(dead_code, reason = "it was read before the format was known")]
        version: Version,
        #[expect(dead_code, reason = "it was read before the format was known")]
        time: u64,
    },
    Part(Part),
    End(u64),
}

#[derive(Deserialize)]
pub(super) enum Part {
    Begin { name: String, counters: Vec<(String, u64)> },
    Records(Vec<StoredRecord>),
}

#[derive(Deserialize)]
pub(super) struct Commit {
    version: Version,
    time: u64,
    buckets: Vec<Changes>,
}

#[derive(Deserialize)]
enum Changes {
    Defined { bucket: String },
    Dropped { bucket: String },
    Changed { bucket: String, counters: Vec<(String, u64)>, changes: Vec<StoredChange> },
}

impl From<Commit> for StoredCommit {
    fn from(Commit { version, time, buckets }: Commit) -> Self {
        Self { version, time, buckets: buckets.into_iter().map(Into::into).collect() }
    }
}

impl From<Changes> for StoredChanges {
    fn from(changes: Changes) -> Self {
        match changes {
            Changes::Defined { bucket } => Self::Defined { bucket, schema: None },
            Changes::Dropped { bucket } => Self::Dropped { bucket },
            Changes::Changed { bucket, counters, changes } => Self::Changed { bucket, counters, changes },
        }
    }
}
