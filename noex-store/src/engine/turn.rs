//! The writer's turn: one thread at a time makes commits, its own and those that wait, and publishes them together.
//!
//! A thread that finds the turn taken leaves its write in a queue. Whoever has the turn makes those writes after its own, each
//! as a commit with a version of its own, and publishes the last root: one atomic store, one round of waking. This is flat combining
//! (Hendler, Incze, Shavit, Tzafrir, *Flat Combining and the Synchronization-Parallelism Tradeoff*, 2010), and what databases
//! call a group commit.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use smallvec::SmallVec;

use super::bell::Bell;
use super::commit::Trimmed;
use super::patience::Patience;
use super::table::FreshList;
use super::{Commit, Engine, KeepWhen, NEVER, Root, Slot, StoredCommit, Write};
use crate::bucket::Bucket;
use crate::error::Error;
use crate::sync::{Condvar, Mutex, MutexGuard, yield_now};

/// How many writes of others the holder of the turn makes at most before it lets go.
const MAX_BATCH: usize = 64;

/// What is made in one turn, and not yet published.
pub(super) struct Batch<'e> {
    engine: &'e Engine,
    head: Arc<Root>,
    /// Whether the commits are kept before they are published.
    keeps_first: bool,
    commits: SmallVec<[Arc<Commit>; 1]>,
    /// The same as they are kept, if they must be first.
    stored: Vec<StoredCommit>,
    /// Roots between the published one and the head.
    passed: SmallVec<[Arc<Root>; 1]>,
    /// When the next record expires of the buckets that were changed.
    soonest: u64,
    /// How many records were taken out because they had expired, and because their bucket was full.
    expired: usize,
    evicted: usize,
    /// What was added in place, if the commits must be kept first.
    fresh: Vec<(Slot, FreshList)>,
}

/// What a write is for: for people, and to be tidied before.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The bucket that errors name.
    pub(crate) bucket: &'static str,
    pub(crate) slots: SmallVec<[Slot; 2]>,
    pub(crate) kept: KeepWhen,
}

impl Place {
    pub(crate) fn of<B: Bucket>(slot: Slot) -> Self {
        Self { bucket: B::NAME, slots: SmallVec::from_slice(&[slot]), kept: KeepWhen::AsOthers }
    }

    /// A write that only defines or drops the bucket.
    pub(crate) fn none(bucket: &'static str) -> Self {
        Self { bucket, slots: SmallVec::new(), kept: KeepWhen::AsOthers }
    }
}

impl Engine {
    /// Makes a write in the turn, then those that wait, publishes all, and lets go of the turn.
    ///
    /// # Errors
    /// If the commits had to be kept first and could not be: then none of them is published, and what all of these writes have
    /// seen is nothing that happened.
    pub(super) fn lead<T>(
        &self,
        mut turn: MutexGuard<'_, Retired>,
        kept: KeepWhen,
        own: impl FnOnce(&mut Batch<'_>) -> T,
    ) -> Result<T, Error> {
        let head = self.load_full();
        let keeps_first = self.waits_for_disk(kept);
        let is_alone = keeps_first != self.keeps_first();
        let mut batch = Batch::new(self, head, keeps_first);
        let value = own(&mut batch);
        let mut made: SmallVec<[Arc<dyn RunOnce>; 4]> = SmallVec::new();
        let mut patience = Patience::new(self);
        while !is_alone && made.len() < MAX_BATCH {
            match self.queue.pop() {
                Some(request) => {
                    request.run(&mut batch);
                    made.push(request);
                    patience.come();
                }
                None if patience.is_over(made.len()) => break,
                None => yield_now(),
            }
        }
        if !is_alone {
            patience.learn(made.len());
        }
        let (published, unused) = batch.publish(&mut turn);
        drop(turn);
        if published == Ok(true) {
            self.tell_of_commits();
        }
        for request in &made {
            if let Err(error) = &published {
                request.fail(error);
            }
            request.tell(Told::Done);
        }
        self.queue.bell.ring();
        // Who came too late for this batch leads the next one.
        self.queue.lead();
        // Frees the nodes that the commits replaced; others may write meanwhile.
        drop(unused);
        published.map(|_| value)
    }
}

impl<'e> Batch<'e> {
    fn new(engine: &'e Engine, head: Arc<Root>, keeps_first: bool) -> Self {
        let (commits, passed) = (SmallVec::new(), SmallVec::new());
        Self {
            engine,
            head,
            keeps_first,
            commits,
            stored: Vec::new(),
            passed,
            soonest: NEVER,
            expired: 0,
            evicted: 0,
            fresh: Vec::new(),
        }
    }

    /// Makes one write, all or nothing. What has expired in its buckets is taken out in a commit before it, so that it is in
    /// nobody's way.
    pub(super) fn run<T, E: From<Error>>(
        &mut self,
        place: &Place,
        write: impl FnOnce(&mut Write) -> Result<T, E>,
    ) -> Result<(T, Option<Arc<Commit>>), E> {
        let Place { bucket, slots, .. } = place;
        if self.engine.is_stopped() {
            return Err(Error::Stopped.into());
        }
        // The clock may be the user's.
        let now = catch::<_, E>(bucket, || Ok(self.engine.now()))?.max(self.head.time);
        for slot in slots {
            if self.head.soonest(*slot) <= now {
                // If the record's code panics here, it will in the write too.
                let _ = self.purge(*slot, now);
            }
        }
        self.make(bucket, now, write)
    }

    /// Takes out of all buckets what has expired, and tells how many.
    pub(super) fn purge_all(&mut self) -> Result<usize, Error> {
        if self.engine.is_stopped() {
            return Err(Error::Stopped);
        }
        let now = catch::<_, Error>("", || Ok(self.engine.now()))?.max(self.head.time);
        self.head.due(now).into_iter().map(|slot| self.purge(slot, now)).sum()
    }

    /// Takes out what has expired in a bucket, and tells how many.
    pub(super) fn purge(&mut self, slot: Slot, now: u64) -> Result<usize, Error> {
        let table = self.head.slots.get(slot.0).and_then(|entry| entry.table.clone());
        let Some(table) = table else { return Ok(0) };
        let bucket = table.schema().name;
        let (count, _) = self.make(bucket, now, |work| table.purge(slot, work))?;
        self.expired += count;
        Ok(count)
    }

    fn make<T, E: From<Error>>(
        &mut self,
        bucket: &'static str,
        now: u64,
        write: impl FnOnce(&mut Write) -> Result<T, E>,
    ) -> Result<(T, Option<Arc<Commit>>), E> {
        let mut work = Write::new(Arc::clone(&self.head), now);
        // The work is on copies: what is half done when the record's code panics goes with them.
        let done = catch(bucket, || {
            let value = write(&mut work)?;
            Ok((value, work.finish()))
        });
        match done {
            Ok((value, None)) => Ok((value, None)),
            Ok((value, Some((root, commit)))) => {
                if self.keeps_first {
                    // Here and not with the others: more of them may come meanwhile, and what cannot be kept is this write's alone.
                    match self.engine.encode(bucket, &commit, &root) {
                        Ok(stored) => self.stored.extend(stored),
                        Err(error) => {
                            self.head.take_back(work.take_fresh());
                            return Err(error.into());
                        }
                    }
                    self.fresh.extend(work.take_fresh());
                }
                self.soonest = self.soonest.min(work.soonest());
                self.evicted += work.evicted();
                let commit = Arc::new(commit);
                self.commits.push(Arc::clone(&commit));
                self.passed.push(std::mem::replace(&mut self.head, Arc::new(root)));
                Ok((value, Some(commit)))
            }
            Err(error) => {
                work.give_up();
                Err(error)
            }
        }
    }

    /// Makes the last root the current one. Returns whether there was any, and what nobody needs any more.
    fn publish(self, turn: &mut Retired) -> (Result<bool, Error>, impl Sized + use<>) {
        let Self { engine, head, keeps_first, commits, stored, passed, soonest, expired, evicted, fresh } =
            self;
        let mut unused: SmallVec<[Arc<Root>; 2]> = SmallVec::new();
        let mut trimmed = Trimmed::new();
        let any = !commits.is_empty();
        for commit in &commits {
            tracing::trace!(version = commit.version().get(), changes = commit.len(), "commit");
        }
        if any
            && keeps_first
            && let Err(error) = engine.keep(&stored)
        {
            // Readers of the root that stays pass over these entries; the next write would take them for its own.
            engine.load().take_back(fresh);
            unused.extend(passed.into_iter().skip(1).chain([head]));
            return (Err(error), (unused, trimmed));
        }
        if any {
            // The log first: whoever sees the root can read how it came to be.
            trimmed = engine.log().append(commits);
            let old = engine.root.swap(head);
            engine.note_soonest(soonest);
            engine.counts().expired.add(expired);
            engine.counts().evicted.add(evicted);
            engine.forget_alive();
            unused.extend(passed.into_iter().skip(1));
            turn.retire(old, &mut unused);
        }
        (Ok(any), (unused, trimmed))
    }
}

/// Roots that were current a moment ago.
///
/// Whoever lets go of a root last frees what it alone still holds, which takes microseconds. That should not be a reader
/// that happened to look when the root was replaced, so the writer holds it until the reader is done.
#[derive(Default)]
pub(super) struct Retired {
    roots: VecDeque<Arc<Root>>,
}

impl Retired {
    /// A root that is still used after so many commits belongs to a snapshot, and goes with it.
    const KEPT: usize = 8;

    /// Takes a root that was replaced, and gives back those that nobody uses any more.
    fn retire(&mut self, root: Arc<Root>, unused: &mut SmallVec<[Arc<Root>; 2]>) {
        self.roots.push_back(root);
        if self.roots.len() > Self::KEPT {
            unused.extend(self.roots.pop_front());
        }
        let mut at = 0;
        while let Some(root) = self.roots.get(at) {
            if Arc::strong_count(root) == 1 {
                unused.extend(self.roots.remove(at));
            } else {
                at += 1;
            }
        }
    }
}

/// The writes that wait for the turn, in the order in which they came.
///
/// Invariant: whoever lets go of the turn looks here afterwards, or will take the turn again. So a write that came while the turn was taken is either made by
/// the holder, or its thread is told to lead; and one that came later finds the turn free.
#[derive(Default)]
pub(super) struct Queue {
    requests: Mutex<VecDeque<Arc<dyn RunOnce>>>,
    /// Where the threads wait whose writes go to a disk first.
    pub(super) bell: Bell,
}

impl Queue {
    pub(super) fn push(&self, request: Arc<dyn RunOnce>) {
        self.requests.lock().push_back(request);
    }

    /// Adds a write of somebody who has reserved the turn.
    pub(super) fn push_first(&self, request: Arc<dyn RunOnce>) {
        self.requests.lock().push_front(request);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.lock().is_empty()
    }

    fn pop(&self) -> Option<Arc<dyn RunOnce>> {
        self.requests.lock().pop_front()
    }

    /// Tells the first to take the turn, which was let go.
    pub(super) fn lead(&self) {
        let first = self.requests.lock().front().cloned();
        if let Some(first) = first {
            first.tell(Told::Lead);
            self.bell.ring();
        }
    }
}

/// What a thread that waits for its write is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    /// The turn is free: take it.
    Lead,
    /// The write is made and published, or refused.
    Done,
}

/// A write that another thread may make.
pub(super) trait RunOnce: Send + Sync {
    fn run(&self, batch: &mut Batch<'_>);
    /// What it has made is not published.
    fn fail(&self, error: &Error);
    fn tell(&self, told: Told);
}

type Outcome<T, E> = Result<(T, Option<Arc<Commit>>), E>;

/// A write, and then its outcome.
pub(super) struct Request<T, E, F> {
    place: Place,
    write: Mutex<Option<F>>,
    outcome: Mutex<Option<Outcome<T, E>>>,
    told: Mutex<Told>,
    news: Condvar,
    /// The task that waits, if it is one.
    waker: Mutex<Option<Waker>>,
}

impl<T, E, F> Request<T, E, F> {
    pub(super) fn new(place: Place, write: F) -> Self {
        Self {
            place,
            write: Mutex::new(Some(write)),
            outcome: Mutex::new(None),
            told: Mutex::new(Told::Nothing),
            news: Condvar::new(),
            waker: Mutex::default(),
        }
    }

    /// The outcome, for a task; its write is led by another thread.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<Outcome<T, E>> {
        // Before the look: whoever tells takes it afterwards.
        *self.waker.lock() = Some(context.waker().clone());
        let told = *self.told.lock();
        let outcome = if told == Told::Done { self.outcome.lock().take() } else { None };
        outcome.map_or(Poll::Pending, Poll::Ready)
    }

    /// Waits until there is an outcome, or the thread is to lead; at the bell, if there is one.
    pub(super) fn wait(&self, bell: Option<&Bell>) -> Option<Outcome<T, E>> {
        if let Some(bell) = bell {
            bell.wait_until(|| *self.told.lock() != Told::Nothing);
        }
        let mut told = self.told.lock();
        while *told == Told::Nothing {
            self.news.wait(&mut told);
        }
        match *told {
            Told::Done => self.outcome.lock().take(),
            _ => {
                *told = Told::Nothing;
                None
            }
        }
    }
}

impl<T, E, F> RunOnce for Request<T, E, F>
where
    T: Send,
    E: From<Error> + Send,
    F: FnOnce(&mut Write) -> Result<T, E> + Send,
{
    fn run(&self, batch: &mut Batch<'_>) {
        if let Some(write) = self.write.lock().take() {
            let outcome = batch.run(&self.place, write);
            *self.outcome.lock() = Some(outcome);
        }
    }

    fn fail(&self, error: &Error) {
        *self.outcome.lock() = Some(Err(error.clone().into()));
    }

    fn tell(&self, now: Told) {
        let mut told = self.told.lock();
        if *told != Told::Done {
            *told = now;
        }
        drop(told);
        self.news.notify_one();
        if now == Told::Done {
            let waker = self.waker.lock().take();
            // It is another's code, and what it does is nothing to those who are told after it.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.into_iter().for_each(Waker::wake)));
        }
    }
}

/// Runs code of the user, and turns its panic into an error.
pub(crate) fn catch<T, E: From<Error>>(
    bucket: &'static str,
    run: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    // What the panic leaves half done is dropped with the closure; nothing of it is shared.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        Err(Error::Panicked { bucket, message: panic_message(panic.as_ref()) }.into())
    })
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

crate::sync::thread_local! {
    /// Whether this thread is in the turn of a store, or waits for it.
    static IN_TURN: Cell<bool> = const { Cell::new(false) };
    /// The stores whose transactions' closures this thread is in.
    static IN_TRANSACTION: RefCell<SmallVec<[usize; 2]>> = RefCell::new(SmallVec::new());
}

/// What this thread is in the middle of, so that a write which would have to wait for itself, or would not belong to the
/// transaction around it, is refused.
pub(crate) enum Running {
    /// A write, to whatever store: two threads that wrote to two stores crosswise would wait for each other.
    Turn,
    /// The closure of a transaction of a store.
    Transaction(usize),
}

impl Running {
    pub(super) fn enter_turn(engine: &Engine, bucket: &'static str) -> Result<Self, Error> {
        if Self::in_transaction(engine) {
            return Err(Error::NestedWrite { bucket });
        }
        if IN_TURN.with(|own| own.replace(true)) {
            return Err(Error::NestedWrite { bucket });
        }
        Ok(Self::Turn)
    }

    pub(crate) fn enter_transaction(engine: &Engine) -> Self {
        let id = std::ptr::from_ref(engine).addr();
        IN_TRANSACTION.with(|own| own.borrow_mut().push(id));
        Self::Transaction(id)
    }

    pub(crate) fn in_turn() -> bool {
        IN_TURN.with(Cell::get)
    }

    pub(crate) fn in_transaction(engine: &Engine) -> bool {
        let id = std::ptr::from_ref(engine).addr();
        IN_TRANSACTION.with(|own| own.borrow().contains(&id))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        match self {
            Self::Turn => IN_TURN.with(|own| own.set(false)),
            Self::Transaction(id) => IN_TRANSACTION.with(|own| {
                let mut own = own.borrow_mut();
                if let Some(at) = own.iter().rposition(|other| other == id) {
                    own.remove(at);
                }
            }),
        }
    }
}
