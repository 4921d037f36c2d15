//! An adapter that keeps commits in memory: for tests.

use std::sync::{Arc, Weak};

use super::adapter::{AdapterFuture, LoadSink, SnapshotPart, SnapshotSource, StorageAdapter};
use crate::engine::{StoredCommit, Version};
use crate::error::Error;
use crate::sync::Mutex;

/// Keeps commits in memory, as long as it or a clone of it is there. Clones share what they keep: give one to a store, and
/// another to the store that is to go on after it, to test restarts without a disk.
///
/// ```
/// use noex_store::prelude::*;
///
/// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// # #[bucket(name = "notes")]
/// # struct Note { #[bucket(key)] id: u64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let kept = MemoryAdapter::new();
/// for run in 0..3 {
///     let persistence = Persistence::new(kept.clone());
///     let store = Store::builder().bucket::<Note>().persistence(persistence).start().await?;
///     assert_eq!(store.bucket::<Note>()?.count(), run);
///     store.bucket::<Note>()?.insert(Note { id: run as u64 })?;
///     store.stop().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct MemoryAdapter {
    kept: Arc<Mutex<Kept>>,
    /// This clone, as whoever uses what is kept.
    own: Arc<()>,
}

impl Clone for MemoryAdapter {
    fn clone(&self) -> Self {
        Self { kept: Arc::clone(&self.kept), own: Arc::default() }
    }
}

#[derive(Default)]
struct Kept {
    snapshot: Option<(Version, u64, Vec<SnapshotPart>)>,
    commits: Vec<StoredCommit>,
    /// Commits since the last snapshot.
    since: usize,
    /// The clone that uses it, as long as that is there.
    user: Weak<()>,
}

/// So many commits are worth a snapshot.
const MANY: usize = 10_000;

impl MemoryAdapter {
    /// Keeps nothing yet.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let kept = MemoryAdapter::new();
    /// for id in 0..2 {
    ///     let store =
    ///         Store::builder().bucket::<Note>().persistence(Persistence::new(kept.clone())).start().await?;
    ///     store.bucket::<Note>()?.insert(Note { id })?;
    ///     assert_eq!(store.bucket::<Note>()?.count() as u64, id + 1, "a restart, in one process");
    ///     store.stop().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn new() -> Self {
        Self::default()
    }
}

fn ready<'a, T: Send + 'a>(result: Result<T, Error>) -> AdapterFuture<'a, T> {
    Box::pin(std::future::ready(result))
}

impl StorageAdapter for MemoryAdapter {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn load<'a>(&'a self, sink: &'a mut dyn LoadSink) -> AdapterFuture<'a, ()> {
        let mut kept = self.kept.lock();
        if kept.user.strong_count() > 0 {
            return ready(Err(Error::Persistence { reason: "another store uses this adapter".to_owned() }));
        }
        kept.user = Arc::downgrade(&self.own);
        let mut load = || {
            if let Some((version, time, parts)) = &kept.snapshot {
                sink.snapshot(*version, *time);
                parts.iter().try_for_each(|part| sink.part(part.clone()))?;
            }
            kept.commits.iter().try_for_each(|commit| sink.commit(commit.clone()))
        };
        ready(load())
    }

    fn append<'a>(&'a self, commits: &'a [StoredCommit]) -> AdapterFuture<'a, ()> {
        let mut kept = self.kept.lock();
        let snapshot = kept.snapshot.as_ref().map_or(Version::default(), |(version, ..)| *version);
        for commit in commits {
            let last = kept.commits.last().map_or(snapshot, |commit| commit.version.max(snapshot));
            if commit.version > last {
                kept.commits.push(commit.clone());
                kept.since += 1;
            }
        }
        ready(Ok(()))
    }

    fn write_snapshot<'a>(&'a self, source: &'a mut dyn SnapshotSource) -> AdapterFuture<'a, ()> {
        let mut write = || {
            let mut parts = Vec::new();
            while let Some(part) = source.next_part()? {
                parts.push(part);
            }
            let mut kept = self.kept.lock();
            kept.snapshot = Some((source.version(), source.time(), parts));
            kept.since = 0;
            Ok(())
        };
        ready(write())
    }

    fn truncate(&self, version: Version) -> AdapterFuture<'_, ()> {
        self.kept.lock().commits.retain(|commit| commit.version > version);
        ready(Ok(()))
    }

    fn wants_snapshot(&self) -> bool {
        self.kept.lock().since >= MANY
    }

    fn close(&self) -> AdapterFuture<'_, ()> {
        self.kept.lock().user = Weak::new();
        ready(Ok(()))
    }
}
