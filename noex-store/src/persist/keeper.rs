//! The keeper: has the adapter keep the commits, in their order.
//!
//! It holds nothing that the store does not: what is to be written is read from the commit log, and when that does not have it any
//! more, because the adapter was too slow or failed for too long, a snapshot of the latest root says all that the commits did.

mod snapshots;

use std::collections::BTreeMap;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Handle;

use super::adapter::{AdapterFuture, StorageAdapter};
use super::encode;
use super::image::BucketImage;
use super::options::{Durability, OnError, Persistence};
use crate::clock::from_now;
use crate::engine::{Commit, Engine, Keep, Root, StoredCommit, Version};
use crate::error::Error;
use crate::service::{Parker, Service, Services, Settled};
use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex};

/// Changed records that are written at once, and about how many bytes: no more are in memory as JSON, but for a commit that is larger
/// itself.
const BATCH: usize = 4096;
const BATCH_BYTES: usize = 16 << 20;
/// The pause before the first repetition, and the longest; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// What a store keeps on a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PersistenceStats {
    /// Whether it keeps anything.
    pub enabled: bool,
    /// The adapter's name.
    pub adapter: Option<&'static str>,
    /// The last commit that is on the disk.
    pub durable_version: Version,
    /// Commits that are not, yet.
    pub behind: u64,
    /// Writes that failed.
    pub failures: u64,
    /// What went wrong with the last one; `None` if it went well.
    pub failing: Option<String>,
    /// Snapshots that were written.
    pub snapshots: u64,
}

impl PersistenceStats {
    /// Of a store that keeps nothing.
    pub(crate) fn none() -> Self {
        Self {
            enabled: false,
            adapter: None,
            durable_version: Version(0),
            behind: 0,
            failures: 0,
            failing: None,
            snapshots: 0,
        }
    }
}

/// Has the adapter keep the commits.
pub(crate) struct Keeper {
    engine: Arc<Engine>,
    adapter: Arc<dyn StorageAdapter>,
    service: Arc<Service>,
    /// Writes snapshots, beside the appends.
    snapshots: Arc<Service>,
    durability: Durability,
    on_error: Option<OnError>,
    runtime: Option<Handle>,
    /// Held by whoever has the adapter do anything but write a snapshot.
    adapting: Mutex<()>,
    durable: AtomicU64,
    state: Mutex<State>,
    news: Condvar,
    /// Whether the thread waits for a commit, so that a writer need not wake one that does not.
    sleeping: AtomicBool,
    settled: Settled,
    /// Buckets that are kept and not defined.
    dormant: Mutex<BTreeMap<String, BucketImage>>,
    snapshot_news: Condvar,
    /// Serialises the writing of snapshots.
    snapshotting: Mutex<()>,
    written_snapshots: AtomicU64,
}

#[derive(Default)]
struct State {
    /// The commit up to which somebody waits.
    wanted: Version,
    /// A commit that is not to wait for so long as others, and until when.
    hurry: Option<(Version, Instant)>,
    failures: u64,
    failing: Option<Error>,
    /// Whether somebody waits who is not to wait for a pause between two tries.
    asked: bool,
    stopped: bool,
    /// Until when a stopped keeper tries.
    deadline: Option<Instant>,
    wants_snapshot: bool,
}

/// The keeper, as the engine knows it: while there is one.
struct Leading(Weak<Keeper>);

impl Keep for Leading {
    fn encode(&self, commit: &Commit, root: &Root) -> Result<StoredCommit, Error> {
        // What fails here is the write's, which is told, and not the disk's.
        encode::commit(commit, root)
    }

    fn keep(&self, commits: &[StoredCommit]) -> Result<(), Error> {
        self.0.upgrade().ok_or(Error::Stopped)?.keep(commits)
    }

    fn catch_up(&self) -> Result<(), Error> {
        self.0.upgrade().ok_or(Error::Stopped)?.catch_up()
    }

    fn hurry(&self, version: Version, within: Duration) {
        if let Some(keeper) = self.0.upgrade() {
            keeper.hurry(version, within);
        }
    }
}

impl Keeper {
    pub(crate) fn new(
        engine: &Arc<Engine>,
        persistence: Persistence,
        durable: Version,
        dormant: BTreeMap<String, BucketImage>,
        services: &Services,
    ) -> Arc<Self> {
        let Persistence { adapter, durability, on_error, .. } = persistence;
        Arc::new(Self {
            engine: Arc::clone(engine),
            adapter,
            service: services.add("persistence"),
            snapshots: services.add("snapshots"),
            durability,
            on_error,
            runtime: Handle::try_current().ok(),
            adapting: Mutex::default(),
            durable: AtomicU64::new(durable.get()),
            state: Mutex::default(),
            news: Condvar::new(),
            sleeping: AtomicBool::new(false),
            settled: Settled::default(),
            dormant: Mutex::new(dormant),
            snapshot_news: Condvar::new(),
            snapshotting: Mutex::default(),
            written_snapshots: AtomicU64::new(0),
        })
    }

    /// Starts to write what is committed from where the adapter is.
    pub(crate) fn start(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        self.engine.listen(move || {
            let keeper = weak.upgrade();
            keeper.iter().for_each(|keeper| keeper.look());
            keeper.is_some()
        });
        let (own, given_up) = (Arc::clone(self), Arc::clone(self));
        self.service.start(
            move || own.run(),
            move || {
                given_up.state.lock().stopped = true;
                given_up.snapshot_news.notify_all();
                given_up.settled.wake();
            },
        );
        let own = Arc::clone(self);
        self.snapshots.start(move || own.run_snapshots(), || ());
    }

    /// Lets go of the adapter without having kept anything.
    pub(crate) fn abandon(&self) {
        if let Err(error) = self.block_on(self.adapter.close()) {
            self.tell(&error, "the adapter could not be closed");
        }
    }

    /// Keeps from here on what the engine asks for: each commit before anybody sees it, or those that are to be.
    pub(crate) fn take_the_lead(self: &Arc<Self>) {
        self.engine.set_keep(Box::new(Leading(Arc::downgrade(self))));
        if self.durability == Durability::Immediate {
            self.engine.keep_first();
        }
    }

    fn block_on<T>(&self, future: AdapterFuture<'_, T>) -> Result<T, Error> {
        let _runtime = self.runtime.as_ref().map(Handle::enter);
        let done = Arc::new(Parker::default()).block_on(future, None, || false);
        done.unwrap_or_else(|| Err(Error::Stopped))
    }

    /// After a commit. One atomic load while it is awake.
    fn look(&self) {
        // Pairs with the one in `wait`: either the thread sees the commit, or this sees that it sleeps.
        fence(Ordering::SeqCst);
        // A commit that was kept before it was published is nothing to wake up for.
        if self.sleeping.load(Ordering::Relaxed) && self.is_behind() {
            drop(self.state.lock());
            self.news.notify_all();
        }
    }

    pub(crate) fn durable(&self) -> Version {
        Version(self.durable.load(Ordering::Acquire))
    }

    fn is_behind(&self) -> bool {
        self.engine.load().version > self.durable()
    }

    fn note_durable(&self, version: Version) {
        self.durable.fetch_max(version.get(), Ordering::AcqRel);
        self.state.lock().failing = None;
        self.settled.wake();
    }

    fn run(&self) {
        let mut pause = PAUSE;
        while self.wait() {
            self.service.point();
            // Who asks from here on may have come too late for this try, and has the next one at once.
            self.state.lock().asked = false;
            match self.write(true) {
                Ok(()) => pause = PAUSE,
                Err(error) => {
                    self.note_failure(&error);
                    let mut state = self.state.lock();
                    let end = state.deadline.filter(|_| state.stopped);
                    if end.is_some_and(|end| Instant::now() + pause >= end) {
                        break;
                    }
                    let over = Instant::now() + pause;
                    while !state.asked && Instant::now() < over {
                        self.news.wait_until(&mut state, over);
                    }
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
        {
            let mut state = self.state.lock();
            state.stopped = true;
            self.snapshot_news.notify_all();
        }
        // A snapshot that is being written comes to its end first.
        let _snapshots = self.snapshotting.lock();
        let _one = self.adapting.lock();
        if let Err(error) = self.block_on(self.adapter.close()) {
            self.note_failure(&error);
        }
        self.settled.wake();
    }

    fn tell(&self, error: &Error, what: &str) {
        tracing::error!(%error, adapter = self.adapter.name(), what, "persistence");
        if let Some(call) = &self.on_error
            && catch_unwind(AssertUnwindSafe(|| call(error))).is_err()
        {
            tracing::error!("a callback of `on_error` panicked");
        }
    }

    fn note_failure(&self, error: &Error) {
        {
            let mut state = self.state.lock();
            state.failures += 1;
            state.failing = Some(error.clone());
        }
        self.tell(error, "commits could not be kept");
        self.settled.wake();
    }

    /// Waits until there is something to write, and the time for it has come; `false` if all is written and no more comes.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        let mut due = None;
        loop {
            if !self.is_behind() {
                if state.stopped {
                    return false;
                }
                self.sleeping.store(true, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                if !self.is_behind() {
                    self.news.wait(&mut state);
                }
                self.sleeping.store(false, Ordering::Relaxed);
                continue;
            }
            let due = *due.get_or_insert_with(|| match self.durability {
                Durability::Debounced(time) => from_now(time),
                Durability::Immediate => Instant::now(),
            });
            state.hurry = state.hurry.filter(|(version, _)| *version > self.durable());
            let soonest = state.hurry.map_or(due, |(_, soonest)| soonest.min(due));
            if state.stopped || state.wanted > self.durable() || Instant::now() >= soonest {
                return true;
            }
            self.news.wait_until(&mut state, soonest);
        }
    }

    /// Writes what is next; a snapshot, if the log does not have that any more.
    fn write(&self, may_snapshot: bool) -> Result<(), Error> {
        let one = self.adapting.lock();
        let root = self.engine.load_full();
        let mut reader = self.engine.log().after(self.durable());
        let (mut commits, mut changes, mut bytes) = (Vec::new(), 0, 0);
        while changes < BATCH && bytes < BATCH_BYTES {
            match reader.try_next() {
                Ok(Some(commit)) if commit.version <= root.version => {
                    changes += commit.len().max(1);
                    match encode::commit(&commit, &root) {
                        Ok(commit) => {
                            bytes += commit.size();
                            commits.push(commit);
                        }
                        // Those before it are kept first.
                        Err(_) if !commits.is_empty() => break,
                        // A record without JSON may be gone, or mended, by now.
                        Err(_) if may_snapshot => {
                            drop(one);
                            return self.snapshot();
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(_) => break,
                Err(_) if !may_snapshot => {
                    let reason = "commits have left the log before they were kept".to_owned();
                    return Err(Error::Persistence { reason });
                }
                Err(missed) => {
                    tracing::warn!(
                        missed,
                        "commits were made faster than they could be kept: a snapshot is written"
                    );
                    drop(one);
                    return self.snapshot();
                }
            }
        }
        let Some(last) = commits.last().map(|commit| commit.version) else { return Ok(()) };
        self.block_on(self.adapter.append(&commits))?;
        drop(one);
        self.note_durable(last);
        self.look_at_size();
        Ok(())
    }

    /// Writes commits that nobody has seen yet, and before them what is not written yet.
    fn keep(&self, commits: &[StoredCommit]) -> Result<(), Error> {
        let done = (|| {
            // Those that were made before the first of these.
            while commits.first().is_some_and(|first| self.durable().next() < first.version) {
                // Not a snapshot: the turn is held, and whoever defines a bucket has what that needs.
                self.write(false)?;
            }
            let one = self.adapting.lock();
            self.block_on(self.adapter.append(commits))?;
            drop(one);
            if let Some(last) = commits.last() {
                self.note_durable(last.version);
            }
            self.look_at_size();
            Ok(())
        })();
        if let Err(error) = &done {
            self.note_failure(error);
        }
        done
    }

    /// Keeps all that is published now, in the thread of whoever calls.
    fn catch_up(&self) -> Result<(), Error> {
        let latest = self.engine.load().version;
        while self.durable() < latest {
            self.write(true).inspect_err(|error| self.note_failure(error))?;
        }
        Ok(())
    }

    fn hurry(&self, version: Version, within: Duration) {
        if self.durable() >= version {
            return;
        }
        let due = from_now(within);
        let mut state = self.state.lock();
        let (wanted, soonest) = state.hurry.unwrap_or((version, due));
        state.hurry = Some((wanted.max(version), soonest.min(due)));
        drop(state);
        self.news.notify_all();
    }

    /// Waits until a commit is on the disk.
    ///
    /// # Errors
    /// What went wrong, if a write fails meanwhile.
    pub(crate) async fn flush(&self, version: Version) -> Result<(), Error> {
        let failures = {
            let mut state = self.state.lock();
            state.wanted = state.wanted.max(version);
            state.asked = true;
            state.failures
        };
        self.news.notify_all();
        let over = || {
            let state = self.state.lock();
            self.durable() >= version || state.failures > failures || !self.service.is_running()
        };
        self.settled.until(over).await;
        if self.durable() >= version {
            return Ok(());
        }
        self.service.check()?;
        Err(self.state.lock().failing.clone().unwrap_or(Error::Stopped))
    }

    /// Writes what there is, for so long at most, and lets go of the adapter.
    pub(crate) fn stop(&self, deadline: Instant) {
        {
            let mut state = self.state.lock();
            state.stopped = true;
            state.asked = true;
            state.deadline = Some(deadline);
        }
        self.news.notify_all();
        self.snapshot_news.notify_all();
    }

    /// # Errors
    /// What went wrong, if not all is on the disk after a [`stop`](Self::stop).
    pub(crate) fn outcome(&self) -> Result<(), Error> {
        if !self.is_behind() {
            return Ok(());
        }
        self.service.check()?;
        let mut state = self.state.lock();
        Err(mem::take(&mut state.failing).unwrap_or(Error::Persistence {
            reason: format!("the commits after {} could not be written in time", self.durable()),
        }))
    }

    pub(crate) fn stats(&self) -> PersistenceStats {
        let (latest, durable) = (self.engine.load().version, self.durable());
        let state = self.state.lock();
        PersistenceStats {
            enabled: true,
            adapter: Some(self.adapter.name()),
            durable_version: durable,
            behind: latest.get().saturating_sub(durable.get()),
            failures: state.failures,
            failing: state.failing.as_ref().map(ToString::to_string),
            snapshots: self.written_snapshots.load(Ordering::Relaxed),
        }
    }
}
