//! Our adapters, and some that are broken, in the conformance suite.

mod common;

use std::collections::HashMap;
use std::sync::Mutex;

use common::keeping::Folder;
use noex_store::prelude::*;
use noex_store::{
    AdapterFuture, LoadSink, SnapshotPart, SnapshotSource, StorageAdapter, StoredChange, StoredChanges,
    StoredCommit, StoredRecord, testing,
};

type Outcome = Result<(), testing::adapter::Failure>;

#[test]
fn the_memory_adapter_conforms() -> Outcome {
    let storages: Mutex<HashMap<String, MemoryAdapter>> = Mutex::default();
    testing::adapter::check(|name| Ok(storages.lock().unwrap().entry(name.to_owned()).or_default().clone()))
}

#[test]
fn the_file_adapter_conforms() -> Outcome {
    let folder = Folder::new();
    testing::adapter::check(|name| FileAdapter::open(folder.path().join(name)))
}

#[test]
fn the_sqlite_adapter_conforms() -> Outcome {
    let folder = Folder::new();
    testing::adapter::check(|name| SqliteAdapter::open(folder.path().join(name).join("db")))
}

/// What a broken adapter does.
#[derive(Clone, Copy, Debug)]
enum Fault {
    LosesTheLastCommit,
    IsOpenToAll,
    LosesCommitsWithoutChanges,
    ForgetsCounters,
    ForgetsExpiries,
    TakesDeletesForUpdates,
    IgnoresCase,
    KeepsDropped,
    CutsTexts,
    ForgetsTheRestOfASnapshot,
    TruncatesEverything,
    TakesHalfASnapshot,
}

struct Broken {
    inner: MemoryAdapter,
    fault: Fault,
    last: Mutex<Vec<StoredCommit>>,
}

impl Broken {
    fn commit(&self, mut commit: StoredCommit) -> StoredCommit {
        for changes in &mut commit.buckets {
            match (self.fault, &mut *changes) {
                (
                    Fault::IgnoresCase,
                    StoredChanges::Defined { bucket, .. } | StoredChanges::Changed { bucket, .. },
                ) => {
                    *bucket = bucket.to_lowercase();
                }
                (Fault::KeepsDropped, StoredChanges::Dropped { bucket }) => {
                    let (bucket, counters) = (bucket.clone(), Vec::new());
                    *changes = StoredChanges::Changed { bucket, counters, changes: Vec::new() };
                }
                (fault, StoredChanges::Changed { counters, changes, .. }) => {
                    if matches!(fault, Fault::ForgetsCounters) {
                        counters.clear();
                    }
                    for change in changes {
                        match (fault, &mut *change) {
                            (Fault::ForgetsExpiries, StoredChange::Put(record)) => record.expires_at = None,
                            (Fault::CutsTexts, StoredChange::Put(record)) => {
                                record.value = record.value.chars().take(60_000).collect();
                            }
                            (Fault::TakesDeletesForUpdates, StoredChange::Delete(key)) => {
                                let record = StoredRecord {
                                    key: key.clone(),
                                    value: "null".to_owned(),
                                    version: 1,
                                    created_at: 1,
                                    updated_at: 1,
                                    expires_at: None,
                                };
                                *change = StoredChange::Put(record);
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        commit
    }
}

/// Passes on the first parts alone.
struct Half<'a> {
    source: &'a mut dyn SnapshotSource,
    left: usize,
    hides_errors: bool,
}

impl SnapshotSource for Half<'_> {
    fn version(&self) -> Version {
        self.source.version()
    }

    fn time(&self) -> u64 {
        self.source.time()
    }

    fn next_part(&mut self) -> Result<Option<SnapshotPart>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let part = self.source.next_part();
        if self.hides_errors { Ok(part.unwrap_or(None)) } else { part }
    }
}

impl StorageAdapter for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn load<'a>(&'a self, sink: &'a mut dyn LoadSink) -> AdapterFuture<'a, ()> {
        if matches!(self.fault, Fault::IsOpenToAll) {
            drop(self.inner.close());
        }
        self.inner.load(sink)
    }

    fn append<'a>(&'a self, commits: &'a [StoredCommit]) -> AdapterFuture<'a, ()> {
        Box::pin(async move {
            let mut commits: Vec<_> = commits.iter().map(|commit| self.commit(commit.clone())).collect();
            match self.fault {
                Fault::LosesTheLastCommit => {
                    let mut last = self.last.lock().unwrap();
                    let late = commits.pop();
                    last.append(&mut commits);
                    commits = std::mem::take(&mut *last);
                    last.extend(late);
                }
                Fault::LosesCommitsWithoutChanges => commits.retain(|commit| !commit.buckets.is_empty()),
                _ => {}
            }
            self.inner.append(&commits).await
        })
    }

    fn write_snapshot<'a>(&'a self, source: &'a mut dyn SnapshotSource) -> AdapterFuture<'a, ()> {
        Box::pin(async move {
            let left = if matches!(self.fault, Fault::ForgetsTheRestOfASnapshot) { 2 } else { usize::MAX };
            let hides_errors = matches!(self.fault, Fault::TakesHalfASnapshot);
            self.inner.write_snapshot(&mut Half { source, left, hides_errors }).await
        })
    }

    fn truncate(&self, version: Version) -> AdapterFuture<'_, ()> {
        let everything = serde_json::from_value(u64::MAX.into()).expect("a number");
        let version = if matches!(self.fault, Fault::TruncatesEverything) { everything } else { version };
        self.inner.truncate(version)
    }

    fn wants_snapshot(&self) -> bool {
        self.inner.wants_snapshot()
    }

    fn close(&self) -> AdapterFuture<'_, ()> {
        self.inner.close()
    }
}

#[test]
fn broken_adapters_do_not() {
    let caught = [
        (Fault::LosesTheLastCommit, "what was appended is there after `close`"),
        (Fault::IsOpenToAll, "nobody else can use it while it is open"),
        (Fault::LosesCommitsWithoutChanges, "a commit without changes counts"),
        (Fault::ForgetsCounters, "all of a record, a schema and the counters is kept"),
        (Fault::ForgetsExpiries, "all of a record, a schema and the counters is kept"),
        (Fault::TakesDeletesForUpdates, "what was appended is there after `close`"),
        (
            Fault::IgnoresCase,
            "buckets whose names differ in their case, or are words of a language, are kept apart",
        ),
        (
            Fault::KeepsDropped,
            "buckets whose names differ in their case, or are words of a language, are kept apart",
        ),
        (Fault::CutsTexts, "texts of any length and content are kept"),
        (Fault::ForgetsTheRestOfASnapshot, "all of a record, a schema and the counters is kept"),
        (
            Fault::TruncatesEverything,
            "a snapshot of an earlier commit takes nothing away from what came after",
        ),
        (Fault::TakesHalfASnapshot, "a snapshot that fails changes nothing"),
    ];
    for (fault, case) in caught {
        let storages: Mutex<HashMap<String, MemoryAdapter>> = Mutex::default();
        let failed = testing::adapter::check(|name| {
            let inner = storages.lock().unwrap().entry(name.to_owned()).or_default().clone();
            Ok(Broken { inner, fault, last: Mutex::default() })
        });
        match failed {
            Err(failure) => assert_eq!(failure.case, case, "{fault:?}: {failure}"),
            Ok(()) => panic!("{fault:?} was not caught"),
        }
    }
}
