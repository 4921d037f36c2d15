//! How far a store is that starts with what was kept.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::adapter::{LoadSink, SnapshotPart};
use super::image::Image;
use crate::engine::{PackedRecords, StoredCommit, Version};
use crate::error::Error;

/// How far a store is that starts with what was kept: first all of it is read, and then the buckets are built, one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadProgress {
    /// Bytes that were read.
    pub bytes: u64,
    /// All that there are to read; 0 if the adapter does not know.
    pub all_bytes: u64,
    /// Records that were read from a snapshot.
    pub records: u64,
    /// Commits that were read.
    pub commits: u64,
    /// Buckets that are ready.
    pub buckets: usize,
    /// All that will be.
    pub all_buckets: usize,
}

pub(super) type OnProgress = Arc<dyn Fn(LoadProgress) + Send + Sync>;

/// Tells how far it is, now and then.
pub(crate) struct Watch {
    call: Option<OnProgress>,
    progress: LoadProgress,
    told: Option<Instant>,
}

/// The pause between two calls.
const PAUSE: Duration = Duration::from_millis(100);

impl Watch {
    pub(crate) fn new(call: Option<OnProgress>, all_buckets: usize) -> Self {
        Self { call, progress: LoadProgress { all_buckets, ..LoadProgress::default() }, told: None }
    }

    /// What fills an image, and is watched.
    pub(crate) fn sink<'a>(&'a mut self, image: &'a mut Image) -> Watched<'a> {
        Watched { watch: self, image }
    }

    pub(crate) fn bucket_is_ready(&mut self) {
        self.progress.buckets += 1;
        self.tell();
    }

    pub(crate) fn tell(&mut self) {
        self.told = Some(Instant::now());
        let progress = self.progress;
        if let Some(call) = &self.call
            && catch_unwind(AssertUnwindSafe(|| call(progress))).is_err()
        {
            tracing::error!("a callback of `on_progress` panicked");
            self.call = None;
        }
    }

    fn more_records(&mut self, records: usize) {
        self.progress.records += records as u64;
        self.tell_now_and_then();
    }

    fn tell_now_and_then(&mut self) {
        if self.call.is_some() && self.told.is_none_or(|told| told.elapsed() >= PAUSE) {
            self.tell();
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.progress.fmt(f)
    }
}

/// An image, watched as it is filled.
pub(crate) struct Watched<'a> {
    watch: &'a mut Watch,
    image: &'a mut Image,
}

impl Watched<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.image.is_empty()
    }
}

impl LoadSink for Watched<'_> {
    fn snapshot(&mut self, version: Version, time: u64) {
        self.image.snapshot(version, time);
    }

    fn part(&mut self, part: SnapshotPart) -> Result<(), Error> {
        if let SnapshotPart::Records(records) = &part {
            self.watch.more_records(records.len());
        }
        self.image.part(part)
    }

    fn packed(&mut self, records: PackedRecords) -> Result<(), Error> {
        self.watch.more_records(records.len());
        self.image.packed(records)
    }

    fn commit(&mut self, commit: StoredCommit) -> Result<(), Error> {
        self.watch.progress.commits += 1;
        if self.watch.progress.commits.is_multiple_of(256) {
            self.watch.tell_now_and_then();
        }
        self.image.commit(commit)
    }

    fn expect_bytes(&mut self, bytes: u64) {
        self.watch.progress.all_bytes = bytes;
        self.watch.tell();
    }

    fn read_bytes(&mut self, bytes: u64) {
        self.watch.progress.bytes += bytes;
    }
}
