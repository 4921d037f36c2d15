//! What persistence asks of whatever keeps the commits.

use std::fmt;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::engine::{
    PackedRecords, StoredChange, StoredChanges, StoredCommit, StoredRecord, StoredSchema, Version,
};
use crate::error::Error;

/// The future of an adapter's call.
pub type AdapterFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A part of a snapshot. First a bucket begins, then come its records in any number of parts, and so on with the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotPart {
    /// A bucket, whose records follow.
    Begin {
        /// Its name.
        name: String,
        /// What its records are like; `None` if that was not kept.
        schema: Option<StoredSchema>,
        /// The last automatic number of each field that has some.
        counters: Vec<(String, u64)>,
    },
    /// Records of the bucket, in the order of insertion.
    Records(Vec<StoredRecord>),
}

/// All buckets at one commit, to be written.
pub trait SnapshotSource: Send {
    /// The commit.
    fn version(&self) -> Version;
    /// When that was made, in milliseconds since 1970-01-01 UTC.
    fn time(&self) -> u64;
    /// The next part; `None` after the last.
    ///
    /// # Errors
    /// [`Error::NotStorable`].
    fn next_part(&mut self) -> Result<Option<SnapshotPart>, Error>;
}

/// What is given what was kept, in its order: the parts of the last snapshot, then the commits after it.
pub trait LoadSink: Send {
    /// A snapshot of this commit begins.
    fn snapshot(&mut self, version: Version, time: u64);
    /// A part of it.
    ///
    /// # Errors
    /// [`Error::Persistence`] if there is no bucket that the records could be of.
    fn part(&mut self, part: SnapshotPart) -> Result<(), Error>;
    /// Records as a [`SnapshotPart::Records`] has them, without allocations for each: a start takes less time and memory so. Some
    /// hundreds at once: what comes together is read by one thread. O(bytes). By default [`part`](Self::part) is given them.
    ///
    /// # Errors
    /// As [`part`](Self::part).
    fn packed(&mut self, records: PackedRecords) -> Result<(), Error> {
        self.part(SnapshotPart::Records(records.to_records()))
    }
    /// A commit after it.
    ///
    /// # Errors
    /// [`Error::Persistence`] if it is not the next one.
    fn commit(&mut self, commit: StoredCommit) -> Result<(), Error>;
    /// How many bytes there are to read, if that is known beforehand: for [`on_progress`](crate::Persistence::on_progress).
    fn expect_bytes(&mut self, bytes: u64) {
        let _ = bytes;
    }
    /// So many more bytes have been read.
    fn read_bytes(&mut self, bytes: u64) {
        let _ = bytes;
    }
}

/// Whatever keeps commits: files, a database. Give one to [`Persistence::new`](crate::Persistence::new).
///
/// One store uses it at a time. All but [`write_snapshot`](Self::write_snapshot) are called one after the other; that
/// may run beside the others. A call that failed is made again, after a while, with the same commits and maybe more.
///
/// Futures are polled by threads of the store, or of whoever waits for a durable commit, within the runtime in which the store was started. On one
/// of a single thread they cannot use its timers and sockets while that thread itself is in a write that waits for them: there, tasks write by
/// [`transaction_async`](crate::Store::transaction_async).
///
/// The whole contract, case by case, is what [`testing::adapter::check`](crate::testing::adapter::check) tries. In one sentence: what
/// [`append`](Self::append) was given is there after a crash once its future is done, and what a failed or unfinished call was given is there
/// wholly, commit by commit from the first on, or not at all.
///
/// One that keeps values by their names, as an object store does, or a table of a shared database:
///
/// ```
/// use std::collections::{BTreeMap, HashMap};
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::sync::{Arc, Mutex};
///
/// use noex_store::prelude::*;
/// use noex_store::{
///     AdapterFuture, LoadSink, SnapshotPart, SnapshotSource, StorageAdapter, StoredCommit, Version, testing,
/// };
///
/// #[derive(Default)]
/// struct Storage {
///     values: BTreeMap<String, String>,
///     /// One store uses it at a time: elsewhere this is a lock, or a lease.
///     is_used: bool,
/// }
///
/// struct Values {
///     storage: Arc<Mutex<Storage>>,
///     is_user: AtomicBool,
/// }
///
/// impl Values {
///     fn let_go(&self) {
///         if self.is_user.swap(false, Ordering::SeqCst) && let Ok(mut storage) = self.storage.lock() {
///             storage.is_used = false;
///         }
///     }
/// }
///
/// impl Drop for Values {
///     fn drop(&mut self) {
///         self.let_go();
///     }
/// }
///
/// fn failed(error: impl std::fmt::Display) -> Error {
///     Error::Persistence { reason: error.to_string() }
/// }
///
/// /// In the order of the versions.
/// fn name(version: Version) -> String {
///     format!("commit {:020}", version.get())
/// }
///
/// impl StorageAdapter for Values {
///     fn name(&self) -> &'static str {
///         "values"
///     }
///
///     fn load<'a>(&'a self, sink: &'a mut dyn LoadSink) -> AdapterFuture<'a, ()> {
///         Box::pin(async move {
///             let mut storage = self.storage.lock().map_err(failed)?;
///             if std::mem::replace(&mut storage.is_used, true) {
///                 return Err(failed("another store uses these values"));
///             }
///             self.is_user.store(true, Ordering::SeqCst);
///             let values = &storage.values;
///             if let Some(text) = values.get("snapshot") {
///                 let (version, time, parts) = serde_json::from_str(text).map_err(failed)?;
///                 sink.snapshot(version, time);
///                 let parts: Vec<SnapshotPart> = parts;
///                 parts.into_iter().try_for_each(|part| sink.part(part))?;
///             }
///             for (_, text) in values.iter().filter(|(name, _)| name.starts_with("commit ")) {
///                 sink.commit(serde_json::from_str(text).map_err(failed)?)?;
///             }
///             Ok(())
///         })
///     }
///
///     fn append<'a>(&'a self, commits: &'a [StoredCommit]) -> AdapterFuture<'a, ()> {
///         Box::pin(async move {
///             let mut storage = self.storage.lock().map_err(failed)?;
///             for commit in commits {
///                 let text = serde_json::to_string(commit).map_err(failed)?;
///                 storage.values.entry(name(commit.version)).or_insert(text);
///             }
///             Ok(())
///         })
///     }
///
///     fn write_snapshot<'a>(&'a self, source: &'a mut dyn SnapshotSource) -> AdapterFuture<'a, ()> {
///         Box::pin(async move {
///             let mut parts = Vec::new();
///             while let Some(part) = source.next_part()? {
///                 parts.push(part);
///             }
///             let text = serde_json::to_string(&(source.version(), source.time(), parts)).map_err(failed)?;
///             self.storage.lock().map_err(failed)?.values.insert("snapshot".to_owned(), text);
///             Ok(())
///         })
///     }
///
///     fn truncate(&self, version: Version) -> AdapterFuture<'_, ()> {
///         Box::pin(async move {
///             let mut storage = self.storage.lock().map_err(failed)?;
///             storage.values.retain(|own, _| !own.starts_with("commit ") || *own > name(version));
///             Ok(())
///         })
///     }
///
///     fn wants_snapshot(&self) -> bool {
///         self.storage.lock().is_ok_and(|storage| storage.values.len() > 1_000)
///     }
///
///     fn close(&self) -> AdapterFuture<'_, ()> {
///         self.let_go();
///         Box::pin(std::future::ready(Ok(())))
///     }
/// }
///
/// let storages: Mutex<HashMap<String, Arc<Mutex<Storage>>>> = Mutex::default();
/// testing::adapter::check(|name| {
///     let storage = Arc::clone(storages.lock().map_err(failed)?.entry(name.to_owned()).or_default());
///     Ok(Values { storage, is_user: AtomicBool::new(false) })
/// })?;
/// # Ok::<(), testing::adapter::Failure>(())
/// ```
pub trait StorageAdapter: Send + Sync + 'static {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// Reads all that is kept. Called once, before anything else.
    fn load<'a>(&'a self, sink: &'a mut dyn LoadSink) -> AdapterFuture<'a, ()>;

    /// Adds commits, of versions that grow by one. Those that it has already from calls that succeeded, by their version, are passed
    /// over; what a call has left that failed is replaced: another commit may have its number now.
    fn append<'a>(&'a self, commits: &'a [StoredCommit]) -> AdapterFuture<'a, ()>;

    /// Writes a snapshot, which takes the place of an earlier one when it is wholly there; if the source fails, nothing is changed.
    ///
    /// Commits after it may have been appended already, and stay. It may be ahead of what was appended: then the next `append` begins
    /// after it. And it may be of the commit of an earlier snapshot, with other records: those of a bucket whose struct has changed.
    fn write_snapshot<'a>(&'a self, source: &'a mut dyn SnapshotSource) -> AdapterFuture<'a, ()>;

    /// Forgets commits up to a version, of which a snapshot has been written. It may keep some of them.
    fn truncate(&self, version: Version) -> AdapterFuture<'_, ()>;

    /// Whether so much has been appended that a snapshot is worth it.
    fn wants_snapshot(&self) -> bool;

    /// Lets go of everything. Nothing is called after it.
    fn close(&self) -> AdapterFuture<'_, ()>;
}

impl StoredChanges {
    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        match self {
            Self::Defined { bucket, .. } | Self::Dropped { bucket } | Self::Changed { bucket, .. } => bucket,
        }
    }
}

impl StoredChange {
    /// The record's key, as JSON.
    pub fn key(&self) -> &str {
        match self {
            Self::Put(record) => &record.key,
            Self::Delete(key) => key,
        }
    }
}

impl fmt::Debug for dyn StorageAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
