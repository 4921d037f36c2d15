//! What the tests of persistence need: folders, and an adapter that fails when it is told to.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use noex_store::prelude::*;
use noex_store::{
    AdapterFuture, LoadSink, SnapshotPart, SnapshotSource, StorageAdapter, StoredCommit, Version,
};

/// The value of a future, of whatever it waits for.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// A folder that goes with the value.
pub struct Folder(PathBuf);

impl Folder {
    /// One that is not there yet.
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("noex-store-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn adapter(&self) -> FileAdapter {
        FileAdapter::open(&self.0).expect("free")
    }

    pub fn sqlite(&self) -> SqliteAdapter {
        SqliteAdapter::open(self.0.join("app.db")).expect("free")
    }

    pub fn persistence(&self) -> Persistence {
        Persistence::new(self.adapter())
    }

    /// The files, but for the lock.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = std::fs::read_dir(&self.0).expect("there").flatten().map(|entry| entry.path());
        let mut files: Vec<_> = entries
            .filter(|path| !path.ends_with("LOCK"))
            .map(|path| (path.clone(), std::fs::read(path).expect("a file")))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Keeps commits in memory; fails or takes its time when it is told to, and notes what it was given.
#[derive(Clone, Default)]
pub struct Flaky {
    inner: MemoryAdapter,
    pub fails: Arc<AtomicBool>,
    pub appends: Arc<AtomicUsize>,
    /// Has each append ask for a snapshot, none of which succeeds.
    pub no_snapshots: Arc<AtomicBool>,
    pub snapshots_tried: Arc<AtomicUsize>,
    /// What each append waits for.
    pause: Pause,
    commits: Arc<Mutex<Vec<StoredCommit>>>,
    /// Of the last snapshot.
    parts: Arc<Mutex<Vec<SnapshotPart>>>,
}

#[derive(Clone, Copy, Default)]
enum Pause {
    #[default]
    None,
    Thread(Duration),
    /// It blocks no thread, and needs the runtime that it is polled in.
    Task(Duration),
}

impl Flaky {
    pub fn slow(pause: Duration) -> Self {
        Self { pause: Pause::Thread(pause), ..Self::default() }
    }

    pub fn slow_in_its_runtime(pause: Duration) -> Self {
        Self { pause: Pause::Task(pause), ..Self::default() }
    }

    pub fn commits(&self) -> Vec<StoredCommit> {
        self.commits.lock().unwrap().clone()
    }

    pub fn parts(&self) -> Vec<SnapshotPart> {
        self.parts.lock().unwrap().clone()
    }

    /// For another store, though the first one has not let go.
    pub fn reopened(&self) -> Self {
        drop(self.inner.close());
        self.clone()
    }

    fn check(&self) -> Result<(), Error> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(Error::Persistence { reason: "no space left".to_owned() }),
            false => Ok(()),
        }
    }
}

/// Notes what goes by.
struct Noting<'a> {
    source: &'a mut dyn SnapshotSource,
    parts: Vec<SnapshotPart>,
}

impl SnapshotSource for Noting<'_> {
    fn version(&self) -> Version {
        self.source.version()
    }

    fn time(&self) -> u64 {
        self.source.time()
    }

    fn next_part(&mut self) -> Result<Option<SnapshotPart>, Error> {
        let part = self.source.next_part()?;
        self.parts.extend(part.clone());
        Ok(part)
    }
}

impl StorageAdapter for Flaky {
    fn name(&self) -> &'static str {
        "flaky"
    }

    fn load<'a>(&'a self, sink: &'a mut dyn LoadSink) -> AdapterFuture<'a, ()> {
        self.inner.load(sink)
    }

    fn append<'a>(&'a self, commits: &'a [StoredCommit]) -> AdapterFuture<'a, ()> {
        Box::pin(async move {
            self.appends.fetch_add(1, Ordering::SeqCst);
            match self.pause {
                Pause::None => {}
                Pause::Thread(pause) => std::thread::sleep(pause),
                Pause::Task(pause) => tokio::time::sleep(pause).await,
            }
            self.check()?;
            self.commits.lock().unwrap().extend_from_slice(commits);
            self.inner.append(commits).await
        })
    }

    fn write_snapshot<'a>(&'a self, source: &'a mut dyn SnapshotSource) -> AdapterFuture<'a, ()> {
        Box::pin(async move {
            self.snapshots_tried.fetch_add(1, Ordering::SeqCst);
            self.check()?;
            if self.no_snapshots.load(Ordering::SeqCst) {
                return Err(Error::Persistence { reason: "no space for a snapshot".to_owned() });
            }
            let mut noting = Noting { source, parts: Vec::new() };
            self.inner.write_snapshot(&mut noting).await?;
            *self.parts.lock().unwrap() = noting.parts;
            Ok(())
        })
    }

    fn truncate(&self, version: Version) -> AdapterFuture<'_, ()> {
        self.inner.truncate(version)
    }

    fn wants_snapshot(&self) -> bool {
        self.no_snapshots.load(Ordering::SeqCst) || self.inner.wants_snapshot()
    }

    fn close(&self) -> AdapterFuture<'_, ()> {
        self.inner.close()
    }
}
