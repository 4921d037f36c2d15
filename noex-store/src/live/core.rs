//! What all live queries share: how far the dependency index has come, and what is to be run.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::context::Run;
use super::definition::QueryStats;
use super::index::{Index, Node, note};
use super::memo::AnyMemo;
use super::totals::Totals;
use crate::engine::{AnyPart, Describe, Engine, Root, Running, Touch, Tracking, Version};
use crate::error::Error;
use crate::service::{Service, Settled};
use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex};

/// The number of a memo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NodeId(pub(super) u64);

/// Why a query was run again: what it had read, and what changed there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// The bucket.
    pub bucket: &'static str,
    /// The key of the record that changed, as its `Debug` text; empty if the bucket was defined or dropped.
    pub key: String,
    /// The field by which the record was found, if it was not its key.
    pub field: Option<&'static str>,
}

impl Cause {
    pub(super) fn of(bucket: &'static str, touch: Touch) -> Self {
        Self { bucket, key: touch.key, field: touch.field }
    }

    /// One that is not known.
    pub(super) fn unknown() -> Self {
        Self { bucket: "", key: String::new(), field: None }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.as_str(), self.field) {
            ("", _) if self.bucket.is_empty() => {
                f.write_str("a bucket was defined or dropped, a sub-query changed, or the last run panicked")
            }
            ("", _) => write!(f, "bucket `{}` was defined or dropped", self.bucket),
            (key, None) => write!(f, "bucket `{}`, key {key}", self.bucket),
            (key, Some(field)) => write!(f, "bucket `{}`, key {key}, found by `{field}`", self.bucket),
        }
    }
}

/// What all live queries of a store share.
pub(crate) struct Live {
    engine: Arc<Engine>,
    index: Mutex<Index>,
    /// The version that the index has come to, for a look without its lock.
    processed: AtomicU64,
    stamps: AtomicU64,
    nodes: AtomicU64,
    pub(super) jobs: Jobs,
    pub(super) service: Arc<Service>,
    pub(super) queries: Totals,
    /// What tests put in, to see that they notice.
    #[cfg(test)]
    fault: Mutex<Option<crate::engine::Fault>>,
}

/// Stops the worker when it is dropped: held by stores, queries and subscriptions, not by the worker.
#[derive(Debug)]
pub(crate) struct LiveHandle(pub(super) Arc<Live>);

impl LiveHandle {
    pub(crate) fn new(engine: Arc<Engine>, service: Arc<Service>) -> Arc<Self> {
        Arc::new(Self(Live::new(engine, service)))
    }

    /// What all queries have done so far, and how many wait to be run.
    pub(crate) fn stats(&self) -> (QueryStats, usize) {
        let sum = self.0.queries.sum();
        let queue = self.0.jobs.queue.lock();
        (sum, queue.waiting.len() + usize::from(queue.running.is_some()))
    }

    /// Ends the worker and all subscriptions; what is pending can still be read.
    pub(crate) fn stop(&self) {
        self.0.stop();
        self.0.end_all(None);
    }

    /// Whether every subscriber has been told of every commit.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.jobs.are_done(self.0.last_job())
    }

    pub(crate) async fn settle(&self) {
        self.0.settle().await;
    }

    #[cfg(test)]
    pub(crate) fn put_fault(&self, fault: Option<crate::engine::Fault>) {
        *self.0.fault.lock() = fault;
    }
}

impl Drop for LiveHandle {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The memos that wait to be run, in order, and who waits for them.
#[derive(Default)]
pub(super) struct Jobs {
    pub(super) queue: Mutex<Queue>,
    pub(super) news: Condvar,
    /// Whether a worker sleeps, so that a writer need not wake one that does not.
    pub(super) sleeping: AtomicBool,
    pub(super) settled: Settled,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<(u64, Arc<dyn AnyMemo>)>,
    /// The number of the last job.
    pub(super) last: u64,
    /// The job that is being run. It is run again if the worker panics.
    pub(super) running: Option<(u64, Arc<dyn AnyMemo>)>,
    pub(super) stopped: bool,
}

impl Live {
    fn new(engine: Arc<Engine>, service: Arc<Service>) -> Arc<Self> {
        let processed = engine.load_full();
        Arc::new(Self {
            engine,
            processed: AtomicU64::new(processed.version.get()),
            index: Mutex::new(Index::new(processed)),
            stamps: AtomicU64::new(1),
            nodes: AtomicU64::new(1),
            jobs: Jobs::default(),
            service,
            queries: Totals::default(),
            #[cfg(test)]
            fault: Mutex::new(None),
        })
    }

    #[cfg(test)]
    pub(super) fn tracking(&self) -> Tracking {
        Tracking { fault: *self.fault.lock(), ..Tracking::new(true) }
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests put faults in here")]
    pub(super) fn tracking(&self) -> Tracking {
        Tracking::new(true)
    }

    pub(super) fn next_stamp(&self) -> u64 {
        self.stamps.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn next_node(&self) -> NodeId {
        NodeId(self.nodes.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn root(&self) -> Arc<Root> {
        self.engine.load_full()
    }

    pub(super) fn forbid_writes(&self) -> Running {
        Running::enter_transaction(&self.engine)
    }

    pub(super) fn listen(&self, listener: impl Fn() -> bool + Send + Sync + 'static) {
        self.engine.listen(listener);
    }

    /// Whether there are commits that have not been noted.
    pub(super) fn is_behind(&self) -> bool {
        self.engine.load().version.get() > self.processed.load(Ordering::Acquire)
    }

    pub(super) fn processed_version(&self) -> Version {
        Version(self.processed.load(Ordering::Acquire))
    }

    /// Notes the changes of all commits so far; whether any of them touched anything. Two atomic loads if there are none.
    pub(super) fn catch_up(&self) -> bool {
        self.is_behind() && self.advance(&mut self.index.lock())
    }

    fn advance(&self, index: &mut Index) -> bool {
        let root = self.engine.load_full();
        if root.version <= index.processed.version {
            return false;
        }
        let Index { processed, buckets, nodes, missing, unsure } = index;
        let (from, to) = (processed.version.get(), root.version.get());
        let _span = tracing::trace_span!("invalidate", from, to).entered();
        let (mut jobs, mut any) = (Vec::new(), false);
        let mut touch = |node: NodeId, cause: Cause| {
            any = true;
            tracing::trace!(node = node.0, %cause, "touched");
            if let Some(memo) = nodes.get(&node).and_then(|node| node.memo.upgrade()) {
                note(memo, cause, &mut jobs);
            }
        };
        for (slot, reads) in buckets.iter() {
            reads.touched_between(*slot, processed, &root, &mut |node, found| {
                touch(NodeId(node), Cause::of(reads.bucket(), found));
            });
        }
        if !missing.is_empty() && !Root::same_buckets(processed, &root) {
            for node in missing.drain(..) {
                touch(node, Cause::unknown());
            }
        }
        for node in unsure.drain(..) {
            touch(node, Cause::unknown());
        }
        *processed = root;
        // The touches first, and who is to be run: whoever sees this version must see them too.
        self.jobs.push(jobs);
        self.processed.store(processed.version.get(), Ordering::Release);
        any
    }

    /// Where the index stands now, and what `look` says there.
    pub(super) fn position<T>(&self, look: impl FnOnce() -> T) -> (Arc<Root>, T) {
        let mut index = self.index.lock();
        self.advance(&mut index);
        (Arc::clone(&index.processed), look())
    }

    pub(super) fn touches_of<T>(&self, look: impl FnOnce() -> T) -> T {
        let _index = self.index.lock();
        look()
    }

    /// Puts what a run has read in the place of what its memo read before. What has changed since the run's snapshot is noted.
    pub(super) fn register(&self, node: NodeId, memo: &Weak<dyn AnyMemo>, run: &Run, panicked: bool) {
        let mut index = self.index.lock();
        let mut jobs = Vec::new();
        index.forget(node, &mut jobs);
        let (mut slots, mut broken) = (Vec::new(), Vec::new());
        let mut touched = None;
        let Index { processed, buckets, .. } = &mut *index;
        run.reads().for_each_part(&mut |part: &dyn AnyPart| {
            let slot = part.slot();
            let reads = buckets.entry(slot).or_insert_with(|| part.new_index());
            // The values' order is the user's code.
            if catch_unwind(AssertUnwindSafe(|| part.register(reads.as_mut(), node.0))).is_err() {
                broken.push(slot);
            }
            slots.push(slot);
            if processed.version > run.root().version {
                let since = AssertUnwindSafe(|| part.check(run.root(), processed));
                let bucket = part.bucket();
                // Where the record's code panics, nothing is known.
                let found = catch_unwind(since)
                    .map_or(Some(Cause::of(bucket, Touch::default())), |checked| {
                        checked.err().map(|conflict| Cause::of(bucket, conflict.touch))
                    });
                touched = touched.take().or(found);
            }
        });
        if run.missed_a_bucket() {
            index.missing.push(node);
            if !Root::same_buckets(run.root(), &index.processed) {
                touched = Some(Cause::unknown());
            }
        }
        if panicked || !broken.is_empty() {
            index.unsure.push(node);
        }
        for slot in broken {
            index.give_up(slot, &mut jobs);
        }
        index.nodes.insert(node, Node { memo: memo.clone(), slots });
        if let (Some(cause), Some(memo)) = (touched, memo.upgrade()) {
            note(memo, cause, &mut jobs);
        }
        // With the lock, for whoever asks for the last job.
        self.jobs.push(jobs);
    }

    /// The number of the last job that a commit so far has brought.
    pub(super) fn last_job(&self) -> u64 {
        let mut index = self.index.lock();
        self.advance(&mut index);
        self.jobs.queue.lock().last
    }

    /// # Errors
    /// [`Error::Degraded`], [`Error::Stopped`].
    pub(super) fn may_subscribe(&self) -> Result<(), Error> {
        self.service.check()?;
        if self.jobs.queue.lock().stopped { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Ends all subscriptions.
    pub(super) fn end_all(&self, error: Option<&Error>) {
        let memos: Vec<_> = self.index.lock().nodes.values().filter_map(|node| node.memo.upgrade()).collect();
        memos.iter().for_each(|memo| memo.end(error));
    }

    /// The memos of the answers, at most so many, and what describes what each has read.
    pub(super) fn memos(&self, max: usize) -> Vec<(Arc<dyn AnyMemo>, Vec<Describe>)> {
        let index = self.index.lock();
        let mut ids: Vec<_> = index.nodes.keys().copied().collect();
        ids.sort_unstable();
        let of = |id: NodeId| {
            let node = index.nodes.get(&id)?;
            let reads = node.slots.iter().filter_map(|slot| Some(index.buckets.get(slot)?.reads_of(id.0)));
            Some((node.memo.upgrade()?, reads.collect()))
        };
        ids.into_iter().filter_map(of).take(max).collect()
    }

    /// Forgets a memo.
    pub(super) fn unregister(&self, node: NodeId) {
        let mut jobs = Vec::new();
        {
            let mut index = self.index.lock();
            index.forget(node, &mut jobs);
            index.buckets.retain(|_, reads| !reads.is_empty());
        }
        self.jobs.push(jobs);
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("processed", &self.processed_version()).finish_non_exhaustive()
    }
}
