//! The answer of one query for one set of parameters, and how long it is good for.
//!
//! An answer that was computed at version c and not touched since, up to the version that the dependency index has come to, is
//! the answer of every version in between. A touch counts up a number; the answer is good while that number is the one that it
//! was computed with. What only a sub-query was touched by is asked again before anything is run (early cut-off).

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use foldhash::HashMap;

use super::context::{Child, Run};
use super::core::{Cause, Live, NodeId};
use super::definition::{Counts, Definition, Params};
use super::state::AnswerState;
use super::subscription::Slot;
use crate::engine::{Root, Version, panic_message};
use crate::error::Error;
use crate::sync::{AtomicBool, AtomicU64, Mutex};

/// A query on its way, for the path of a cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) node: NodeId,
    pub(super) query: Arc<str>,
}

/// An answer, with a number that is another one whenever the value is.
pub(super) struct Answer<T> {
    pub(super) value: Result<Arc<T>, Error>,
    pub(super) stamp: u64,
    /// The snapshot that it is the answer of.
    pub(super) version: Version,
}

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), stamp: self.stamp, version: self.version }
    }
}

pub(super) struct Memo<P, T> {
    node: NodeId,
    definition: Weak<Definition<P, T>>,
    query: Arc<str>,
    params: P,
    latest: ArcSwapOption<Computed<T>>,
    /// Counts the touches, of its own reads and of those of its sub-queries.
    touches: AtomicU64,
    /// Counts the touches of its own reads.
    own_touches: AtomicU64,
    /// The first touch since the last run.
    cause: Mutex<Option<Cause>>,
    /// Held by whoever brings it up to date.
    turn: Mutex<()>,
    /// Held while an answer is put in the place of another.
    keeping: Mutex<()>,
    /// Whether it waits to be run by a worker.
    queued: AtomicBool,
    /// Whether it was asked for since the last look of the eviction.
    used: AtomicBool,
    slots: Mutex<Vec<Weak<Slot<T>>>>,
    /// Whoever has asked it; some no longer do.
    parents: Mutex<HashMap<NodeId, Weak<dyn AnyMemo>>>,
}

struct Computed<T> {
    answer: Answer<T>,
    touches: u64,
    own_touches: u64,
    children: Vec<Child>,
}

/// A [`Memo`], without its types.
pub(super) trait AnyMemo: Send + Sync {
    fn node(&self) -> NodeId;
    /// Its query's name.
    fn name(&self) -> &str;
    /// Notes that something which was read has changed. Whether a worker should run it now.
    fn touch(&self, cause: Cause, own: bool) -> bool;
    /// Whether its answer has this stamp, and is good.
    fn stands_at(&self, stamp: u64) -> bool;
    /// The first touch since its last run.
    fn cause(&self) -> Option<Cause>;
    /// Whoever asked it, and is touched with it.
    fn parents(&self) -> Vec<Arc<dyn AnyMemo>>;
    fn add_parent(&self, node: NodeId, parent: Weak<dyn AnyMemo>);
    /// Brings it up to date, and tells its subscribers if its value is another one.
    fn refresh(self: Arc<Self>, live: &Arc<Live>);
    /// Brings it up to date, and gives its stamp; `None` if another thread is at it, or one of the `path` is it: whoever asks
    /// must not wait for itself.
    fn current_stamp(self: Arc<Self>, live: &Arc<Live>, path: &[NodeId]) -> Option<u64>;
    fn unqueue(&self);
    /// Ends its subscriptions.
    fn end(&self, error: Option<&Error>);
    /// What it is, without what it has read.
    fn state(&self) -> AnswerState;
}

impl<P: Params, T: PartialEq + Send + Sync + 'static> Memo<P, T> {
    pub(super) fn new(node: NodeId, definition: &Arc<Definition<P, T>>, params: P) -> Self {
        Self {
            node,
            definition: Arc::downgrade(definition),
            query: Arc::clone(definition.name()),
            params,
            latest: ArcSwapOption::empty(),
            touches: AtomicU64::new(0),
            own_touches: AtomicU64::new(0),
            cause: Mutex::new(None),
            turn: Mutex::new(()),
            keeping: Mutex::new(()),
            queued: AtomicBool::new(false),
            used: AtomicBool::new(true),
            slots: Mutex::default(),
            parents: Mutex::default(),
        }
    }

    pub(super) fn params(&self) -> &P {
        &self.params
    }

    /// The answer that is good up to where the dependency index stands, if there is one.
    fn good(&self) -> Option<Arc<Computed<T>>> {
        let latest = self.latest.load();
        let computed = latest.as_ref()?;
        self.is_good(computed).then(|| Arc::clone(computed))
    }

    fn is_good(&self, computed: &Computed<T>) -> bool {
        computed.touches == self.touches.load(Ordering::Acquire)
    }

    /// The answer that is good, if there is one. No lock, and no write to what other threads read, but for the value's own
    /// reference count. `counts`: those of its query, which is known to whoever asks.
    pub(super) fn hit(&self, counts: &Counts) -> Option<Answer<T>> {
        let latest = self.latest.load();
        let computed = latest.as_ref().filter(|computed| self.is_good(computed))?;
        self.mark_used();
        counts.hit();
        Some(computed.answer.clone())
    }

    /// The answer for the latest commit.
    pub(super) fn get(self: &Arc<Self>, live: &Arc<Live>, counts: &Counts) -> Answer<T> {
        live.catch_up();
        if let Some(answer) = self.hit(counts) {
            return answer;
        }
        // Whoever waited in the middle of a run could wait for itself.
        let turn = if Depth::is_outermost() { Some(self.turn.lock()) } else { self.turn.try_lock() };
        match turn {
            Some(_turn) => self.bring_up(live, &[]).answer.clone(),
            None => self.run(live, &live.root(), &[]).0,
        }
    }

    fn mark_used(&self) {
        // Written only once between two looks, so that readers do not take the line from each other.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was used since the last call.
    pub(super) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    pub(super) fn is_watched(&self) -> bool {
        let mut parents = self.parents.lock();
        parents.retain(|_, parent| parent.strong_count() > 0);
        !parents.is_empty() || self.tidy() > 0
    }

    fn count(&self, count: impl FnOnce(&Definition<P, T>)) {
        if let Some(definition) = self.definition.upgrade() {
            count(&definition);
        }
    }

    /// The answer for a given snapshot, for a query that runs on it.
    pub(super) fn at(
        self: &Arc<Self>,
        live: &Arc<Live>,
        counts: &Counts,
        root: &Arc<Root>,
        path: &[Frame],
    ) -> Result<Answer<T>, Error> {
        if path.iter().any(|frame| frame.node == self.node) {
            let names = path.iter().map(|frame| &*frame.query).chain([&*self.query]);
            return Err(Error::QueryCycle { path: names.collect::<Vec<_>>().join(" -> ") });
        }
        live.catch_up();
        // Computed no later than the snapshot, and not touched since: then it is the snapshot's answer too.
        if let Some(computed) = self.good()
            && computed.answer.version <= root.version
        {
            self.mark_used();
            counts.hit();
            return Ok(computed.answer.clone());
        }
        let before = live.touches_of(|| self.counts());
        if live.processed_version() == root.version {
            return Ok(self.compute(live, root, path, before).answer.clone());
        }
        // On an older or a newer snapshot than the index's: an answer of its own, which is not kept.
        Ok(self.run(live, root, path).0)
    }

    fn counts(&self) -> (u64, u64) {
        (self.touches.load(Ordering::Acquire), self.own_touches.load(Ordering::Acquire))
    }

    /// Runs it, or its sub-queries, until there is an answer that is good. In its turn.
    fn bring_up(self: &Arc<Self>, live: &Arc<Live>, path: &[NodeId]) -> Arc<Computed<T>> {
        loop {
            live.catch_up();
            if let Some(computed) = self.good() {
                return computed;
            }
            let (root, before) = live.position(|| self.counts());
            if let Some(old) = self.latest.load_full()
                && old.own_touches == before.1
                && self.children_are_the_same(&old, live, path)
            {
                let _keeping = self.keeping.lock();
                // Still the one whose sub-queries were asked.
                if self.latest.load().as_ref().is_some_and(|latest| Arc::ptr_eq(latest, &old)) {
                    self.latest.store(Some(Arc::new(Computed {
                        answer: old.answer.clone(),
                        touches: before.0,
                        own_touches: before.1,
                        children: old.children.clone(),
                    })));
                    self.count(|definition| definition.counts.cut_off());
                }
                continue;
            }
            let computed = self.compute(live, &root, &[], before);
            // Touched meanwhile, it is still the answer of its own version; the next who asks runs it again.
            return computed;
        }
    }

    fn children_are_the_same(&self, old: &Computed<T>, live: &Arc<Live>, path: &[NodeId]) -> bool {
        let path: Vec<NodeId> = path.iter().copied().chain([self.node]).collect();
        let mut children = old.children.iter();
        children.all(|child| Arc::clone(&child.memo).current_stamp(live, &path) == Some(child.stamp))
    }

    /// Runs the query on a snapshot, without keeping anything.
    fn run(self: &Arc<Self>, live: &Arc<Live>, root: &Arc<Root>, path: &[Frame]) -> (Answer<T>, Run) {
        let mut own = path.to_vec();
        own.push(Frame { node: self.node, query: Arc::clone(&self.query) });
        let run = Run::new(Arc::clone(live), Arc::clone(root), own);
        let value = match self.definition.upgrade() {
            None => Err(Error::QueryNotDefined { query: self.query.to_string() }),
            Some(definition) => {
                definition.counts.run();
                let version = root.version.get();
                let _span = tracing::trace_span!("query", name = &*self.query, version).entered();
                let _depth = Depth::enter();
                // A query only reads: a write in it is refused as it is in a transaction.
                let _running = live.forbid_writes();
                let done = catch_unwind(AssertUnwindSafe(|| definition.call(&run.context(), &self.params)));
                match done {
                    Ok(Ok(value)) => Ok(Arc::new(value)),
                    Ok(Err(error)) => Err(error),
                    Err(panic) => {
                        let message = panic_message(panic.as_ref());
                        tracing::error!(query = &*self.query, message, "a query panicked");
                        Err(Error::QueryPanicked { query: self.query.to_string(), message })
                    }
                }
            }
        };
        (Answer { value, stamp: live.next_stamp(), version: root.version }, run)
    }

    /// Runs the query, keeps the answer, and registers what it read. An equal value keeps its stamp.
    fn compute(
        self: &Arc<Self>,
        live: &Arc<Live>,
        root: &Arc<Root>,
        path: &[Frame],
        before: (u64, u64),
    ) -> Arc<Computed<T>> {
        let (mut answer, run) = self.run(live, root, path);
        // What is registered must be what the answer that is kept has read.
        let _keeping = self.keeping.lock();
        let old = self.latest.load_full();
        if let Some(old) = &old
            && old.answer.version > answer.version
        {
            // Another thread has run it on a newer snapshot.
            return Arc::new(Computed {
                answer,
                touches: before.0,
                own_touches: before.1,
                children: run.children(),
            });
        }
        if let Some(old) = &old
            && same(&old.answer.value, &answer.value)
        {
            answer.stamp = old.answer.stamp;
            answer.value = old.answer.value.clone();
            self.count(|definition| definition.counts.cut_off());
        }
        let children = run.children();
        let this: Weak<dyn AnyMemo> = Arc::downgrade(self) as Weak<dyn AnyMemo>;
        for child in &children {
            child.memo.add_parent(self.node, this.clone());
        }
        let computed = Arc::new(Computed { answer, touches: before.0, own_touches: before.1, children });
        // Registered before it can be found good: from here on every change is noted.
        let panicked = matches!(computed.answer.value, Err(Error::QueryPanicked { .. }));
        live.register(self.node, &this, &run, panicked);
        self.latest.store(Some(Arc::clone(&computed)));
        // What touched a sub-query before this one stood among its parents was not told here.
        if let Some(child) = computed.children.iter().find(|child| !child.memo.stands_at(child.stamp)) {
            let cause = child.memo.cause().unwrap_or_else(Cause::unknown);
            if self.touch(cause, false) {
                live.jobs.push(vec![Arc::clone(self) as Arc<dyn AnyMemo>]);
            }
        }
        computed
    }

    pub(super) fn subscribe(&self, slot: &Arc<Slot<T>>) {
        self.slots.lock().push(Arc::downgrade(slot));
    }

    /// Forgets subscribers that are gone; how many are left.
    pub(super) fn tidy(&self) -> usize {
        let mut slots = self.slots.lock();
        slots.retain(|slot| slot.strong_count() > 0);
        slots.len()
    }

    fn deliver(&self, answer: &Answer<T>) {
        let cause = self.cause.lock().take();
        let slots: Vec<Arc<Slot<T>>> = self.slots.lock().iter().filter_map(Weak::upgrade).collect();
        slots.iter().for_each(|slot| slot.put(answer, cause.as_ref()));
    }
}

crate::sync::thread_local! {
    /// How many queries this thread is in the middle of.
    static DEPTH: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Counts the queries that this thread is in.
struct Depth;

impl Depth {
    fn enter() -> Self {
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        Self
    }

    fn is_outermost() -> bool {
        DEPTH.with(|depth| depth.get() == 0)
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}

/// Whether two answers are the same to whoever is told.
fn same<T: PartialEq>(a: &Result<Arc<T>, Error>, b: &Result<Arc<T>, Error>) -> bool {
    match (a, b) {
        // A comparison that panics tells nothing apart.
        (Ok(a), Ok(b)) => catch_unwind(AssertUnwindSafe(|| a == b)).unwrap_or(false),
        (Err(a), Err(b)) => a == b,
        _ => false,
    }
}

impl<P: Params, T: PartialEq + Send + Sync + 'static> AnyMemo for Memo<P, T> {
    fn node(&self) -> NodeId {
        self.node
    }

    fn touch(&self, cause: Cause, own: bool) -> bool {
        if own {
            self.own_touches.fetch_add(1, Ordering::Release);
        }
        self.touches.fetch_add(1, Ordering::Release);
        self.cause.lock().get_or_insert(cause);
        !self.slots.lock().is_empty() && !self.queued.swap(true, Ordering::AcqRel)
    }

    fn stands_at(&self, stamp: u64) -> bool {
        self.good().is_some_and(|computed| computed.answer.stamp == stamp)
    }

    fn cause(&self) -> Option<Cause> {
        self.cause.lock().clone()
    }

    fn parents(&self) -> Vec<Arc<dyn AnyMemo>> {
        let mut parents = self.parents.lock();
        parents.retain(|_, parent| parent.strong_count() > 0);
        parents.values().filter_map(Weak::upgrade).collect()
    }

    fn add_parent(&self, node: NodeId, parent: Weak<dyn AnyMemo>) {
        self.parents.lock().insert(node, parent);
    }

    fn refresh(self: Arc<Self>, live: &Arc<Live>) {
        let computed = {
            let _turn = self.turn.lock();
            self.bring_up(live, &[])
        };
        self.deliver(&computed.answer);
    }

    fn current_stamp(self: Arc<Self>, live: &Arc<Live>, path: &[NodeId]) -> Option<u64> {
        if path.contains(&self.node) {
            return None;
        }
        let _turn = self.turn.try_lock()?;
        Some(self.bring_up(live, path).answer.stamp)
    }

    fn end(&self, error: Option<&Error>) {
        let slots: Vec<Arc<Slot<T>>> = self.slots.lock().iter().filter_map(Weak::upgrade).collect();
        slots.iter().for_each(|slot| slot.end(error.cloned()));
    }

    fn unqueue(&self) {
        self.queued.store(false, Ordering::Release);
    }

    fn state(&self) -> AnswerState {
        let computed = self.latest.load();
        let computed = computed.as_ref();
        // The parameters' code may be the user's.
        let params = catch_unwind(AssertUnwindSafe(|| format!("{:?}", self.params)));
        AnswerState {
            query: self.query.to_string(),
            params: params.unwrap_or_else(|_| "(their `Debug` panicked)".to_owned()),
            version: computed.map(|computed| computed.answer.version),
            failed: computed
                .and_then(|computed| computed.answer.value.as_ref().err().map(ToString::to_string)),
            is_current: computed.is_some_and(|computed| self.is_good(computed)),
            subscriptions: self.slots.lock().iter().filter(|slot| slot.strong_count() > 0).count(),
            asks: computed.map_or_else(Vec::new, |computed| {
                computed.children.iter().map(|child| child.memo.name().to_owned()).collect()
            }),
            reads: Vec::new(),
        }
    }

    fn name(&self) -> &str {
        &self.query
    }
}

impl<P, T> Memo<P, T> {
    pub(super) fn node_id(&self) -> NodeId {
        self.node
    }
}

impl<P, T> fmt::Debug for Memo<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").field("query", &self.query).field("node", &self.node).finish_non_exhaustive()
    }
}
