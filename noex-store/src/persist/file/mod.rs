//! A folder with an append-only log and snapshots.

mod ahead;
mod disk;
mod format1;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod log;
mod salvage;
mod snapshot;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[cfg(feature = "sqlite")]
pub(super) use disk::lock_file;
use disk::{Disk, RealDisk};
use log::Log;
pub use salvage::{Damage, Salvage};

use super::adapter::{AdapterFuture, LoadSink, SnapshotSource, StorageAdapter};
use crate::engine::{StoredCommit, Version};
use crate::error::Error;
use crate::sync::{AtomicU64, Mutex};

/// The version of the files' format.
const FORMAT: u32 = 2;
/// From what size on something is done.
#[derive(Clone, Copy)]
struct Sizes {
    /// A segment of the log that is longer is ended.
    segment: u64,
    /// Commits that take less than this in the log are not worth a snapshot.
    small: u64,
    /// So much room is made at once for what will be appended. A sync is quicker where a file does not grow.
    room: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { segment: 8 << 20, small: 4 << 20, room: 64 << 10 }
    }
}

/// Keeps commits in a folder: an append-only log with checksums, and snapshots.
///
/// An append is one write and one sync. When the commits since the last snapshot take more than it does, and than 4 MB, a new
/// snapshot is written, and the segments of the log before it removed: the folder takes at most about three times the size of a
/// snapshot and 20 MB, while one is written; and a change costs about twice its bytes, in the long run. A write that a crash has cut off is taken away at the next start; damage elsewhere is
/// [`Error::Corrupt`], and nothing is changed then.
///
/// The folder can be used by one store at a time. A commit is in memory as JSON while it is written or read, and can be 4 GB.
///
/// ```
/// use noex_store::prelude::*;
///
/// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// # #[bucket(name = "notes")]
/// # struct Note { #[bucket(key)] id: u64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let folder = std::env::temp_dir().join(format!("noex-store-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&folder);
/// let persistence = Persistence::new(FileAdapter::open(&folder)?);
/// let store = Store::builder().bucket::<Note>().persistence(persistence).start().await?;
/// store.bucket::<Note>()?.insert(Note { id: 7 })?;
/// store.stop().await?;
///
/// let persistence = Persistence::new(FileAdapter::open(&folder)?);
/// let again = Store::builder().bucket::<Note>().persistence(persistence).start().await?;
/// assert!(again.bucket::<Note>()?.contains_key(&7));
/// # again.stop().await?;
/// # let _ = std::fs::remove_dir_all(&folder);
/// # Ok(())
/// # }
/// ```
pub struct FileAdapter {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    sizes: Sizes,
    lock: Mutex<Option<Box<dyn Any + Send + Sync>>>,
    log: Mutex<Log>,
    /// The bytes of the commits since the last snapshot, and of that.
    since_snapshot: AtomicU64,
    snapshot_len: AtomicU64,
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::Persistence { reason: format!("cannot {what} `{}`: {error}", path.display()) }
}

impl FileAdapter {
    /// Opens a folder, or makes it. Nothing is read before the store starts.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let folder = std::env::temp_dir().join(format!("noex-store-open-{}", std::process::id()));
    /// for id in 0..2 {
    ///     let kept = Persistence::new(FileAdapter::open(&folder)?);
    ///     let store = Store::builder().bucket::<Note>().persistence(kept).start().await?;
    ///     assert_eq!(store.bucket::<Note>()?.count(), id, "what was there before");
    ///     store.bucket::<Note>()?.insert(Note { id: id as u64 })?;
    ///     store.stop().await?;
    /// }
    /// # let _ = std::fs::remove_dir_all(&folder);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Persistence`], if the folder cannot be made, or another store has it open.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::on(Arc::new(RealDisk), folder.into(), Sizes::default())
    }

    fn on(disk: Arc<dyn Disk>, folder: PathBuf, sizes: Sizes) -> Result<Self, Error> {
        let lock = disk.lock(&folder).map_err(|error| failed("open", &folder, &error))?;
        let log = Mutex::new(Log::new(&disk, &folder, sizes));
        let (since_snapshot, snapshot_len) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { disk, folder, sizes, lock: Mutex::new(Some(lock)), log, since_snapshot, snapshot_len })
    }

    fn snapshot_path(&self, version: Version) -> PathBuf {
        self.folder.join(format!("snapshot-{version:020}"))
    }

    fn segment_path(&self, after: Version) -> PathBuf {
        log::path(&self.folder, after)
    }

    /// The versions in the names of the files that begin like this.
    fn versions(&self, prefix: &str) -> Result<Vec<Version>, Error> {
        let names = self.disk.names(&self.folder).map_err(|error| failed("list", &self.folder, &error))?;
        let version =
            |name: &std::ffi::OsString| name.to_str()?.strip_prefix(prefix)?.parse().ok().map(Version);
        Ok(names.iter().filter_map(version).collect())
    }

    fn load_all(&self, sink: &mut dyn LoadSink) -> Result<(), Error> {
        let snapshot = self.versions("snapshot-")?.into_iter().max();
        let segments = self.versions("log-")?;
        let files = snapshot.map(|version| self.snapshot_path(version)).into_iter();
        let files = files.chain(segments.iter().map(|after| self.segment_path(*after)));
        sink.expect_bytes(files.filter_map(|file| self.disk.len(&file).ok()).sum());
        if let Some(version) = snapshot {
            let len = snapshot::load(self.disk.as_ref(), &self.snapshot_path(version), version, sink)?;
            self.snapshot_len.store(len, Ordering::Relaxed);
        }
        self.with_log(|log| log.load(segments, snapshot.unwrap_or_default(), sink))
    }

    fn snapshot(&self, source: &mut dyn SnapshotSource) -> Result<(), Error> {
        // What is appended from here on is for the next one, although it stands in the segment of what this one has.
        let begun = self.with_log(Log::begin_snapshot);
        let written = self.write_to_folder(source);
        if written.is_err() {
            self.with_log(|log| log.fail_snapshot(begun));
        }
        written
    }

    fn write_to_folder(&self, source: &mut dyn SnapshotSource) -> Result<(), Error> {
        let version = source.version();
        let (aside, to) = (self.folder.join("snapshot.new"), self.snapshot_path(version));
        let len = snapshot::write(self.disk.as_ref(), &self.folder, &aside, &to, source)?;
        self.snapshot_len.store(len, Ordering::Relaxed);
        for older in self.versions("snapshot-")?.into_iter().filter(|older| *older < version) {
            let path = self.snapshot_path(older);
            self.disk.remove(&path).map_err(|error| failed("remove", &path, &error))?;
        }
        Ok(())
    }

    fn with_log<T>(&self, work: impl FnOnce(&mut Log) -> T) -> T {
        let mut log = self.log.lock();
        let done = work(&mut log);
        self.since_snapshot.store(log.since_snapshot(), Ordering::Relaxed);
        done
    }
}

fn ready<'a>(result: Result<(), Error>) -> AdapterFuture<'a, ()> {
    Box::pin(std::future::ready(result))
}

/// Its calls block the thread that makes them: the store has one for them.
impl StorageAdapter for FileAdapter {
    fn name(&self) -> &'static str {
        "file"
    }

    fn load<'a>(&'a self, sink: &'a mut dyn LoadSink) -> AdapterFuture<'a, ()> {
        ready(self.load_all(sink))
    }

    fn append<'a>(&'a self, commits: &'a [StoredCommit]) -> AdapterFuture<'a, ()> {
        ready(self.with_log(|log| log.append(commits)))
    }

    fn write_snapshot<'a>(&'a self, source: &'a mut dyn SnapshotSource) -> AdapterFuture<'a, ()> {
        ready(self.snapshot(source))
    }

    fn truncate(&self, version: Version) -> AdapterFuture<'_, ()> {
        ready(self.with_log(|log| log.truncate(version)))
    }

    fn wants_snapshot(&self) -> bool {
        let since = self.since_snapshot.load(Ordering::Relaxed);
        since > self.sizes.small && since > self.snapshot_len.load(Ordering::Relaxed)
    }

    fn close(&self) -> AdapterFuture<'_, ()> {
        self.log.lock().trim();
        *self.lock.lock() = None;
        ready(Ok(()))
    }
}

impl fmt::Debug for FileAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileAdapter").field("folder", &self.folder).finish_non_exhaustive()
    }
}
