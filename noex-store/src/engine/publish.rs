//! The engine: the current root, the turn to write, and the log.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::alive::Alive;
use super::commit::{Commit, Definition};
use super::committer::Committer;
use super::counts::Counts;
use super::gate::{Gate, Lease};
use super::queue::{Queue, Request, RunOnce};
use super::root::{AnyTable, Entry};
use super::turn::{Place, Retired};
use super::{
    CommitLog, HashState, Hashing, Keep, KeepWhen, NEVER, Root, Running, Slot, StoredPart, StoredSchema,
    Table, Version, Write,
};
use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::error::Error;
use crate::schema::Schema;
use crate::sync::{ArcSwap, AtomicBool, AtomicU64, Guard, Mutex, MutexGuard};

/// The current root, the turn to write, and the log.
pub(crate) struct Engine {
    pub(super) root: ArcSwap<Root>,
    /// Held by whoever is writing.
    pub(super) turn: Mutex<Retired>,
    /// What waits to be written by whoever holds the turn.
    pub(super) queue: Queue,
    gate: Gate,
    /// Leads the writes of tasks.
    pub(super) committer: Committer,
    stopped: AtomicBool,
    log: CommitLog,
    hash: HashState,
    clock: Arc<dyn Clock>,
    /// The state of [`Engine::random`].
    random: AtomicU64,
    /// Whom to tell of commits.
    listeners: ArcSwap<Vec<Listener>>,
    /// Held by whoever changes the listeners.
    listening: Mutex<()>,
    /// The soonest time at which a record expires, of all that were committed since somebody looked.
    soonest: AtomicU64,
    /// Tables without what has expired in them, for those who read the latest commit; by slot.
    pub(super) alive: ArcSwap<im::HashMap<usize, Alive>>,
    /// Whether there are any.
    pub(super) has_alive: AtomicBool,
    counts: Counts,
    /// Keeps commits, if anybody does.
    pub(super) keep: OnceLock<Box<dyn Keep>>,
    /// Whether it does so before they are published.
    pub(super) keeps_first: AtomicBool,
    /// How many writes of others the last batch had that was kept first.
    pub(super) company: AtomicU64,
}

type Listener = Arc<dyn Fn() -> bool + Send + Sync>;

impl Engine {
    pub(crate) fn new(hashing: Hashing, clock: Arc<dyn Clock>, log_capacity: usize) -> Self {
        Self {
            root: ArcSwap::from_pointee(Root::empty()),
            turn: Mutex::default(),
            queue: Queue::default(),
            gate: Gate::default(),
            committer: Committer::default(),
            stopped: AtomicBool::new(false),
            log: CommitLog::new(log_capacity),
            hash: HashState::new(hashing),
            clock,
            random: AtomicU64::new(0),
            listeners: ArcSwap::from_pointee(Vec::new()),
            listening: Mutex::default(),
            soonest: AtomicU64::new(NEVER),
            alive: ArcSwap::from_pointee(im::HashMap::new()),
            has_alive: AtomicBool::new(false),
            counts: Counts::default(),
            keep: OnceLock::new(),
            keeps_first: AtomicBool::new(false),
            company: AtomicU64::new(0),
        }
    }

    /// The current root for a short read: one atomic load, no reference count. Must not be kept.
    #[inline]
    pub(crate) fn load(&self) -> Guard<Arc<Root>> {
        self.root.load()
    }

    /// The current root, to be kept.
    pub(crate) fn load_full(&self) -> Arc<Root> {
        self.root.load_full()
    }

    pub(crate) fn log(&self) -> &CommitLog {
        &self.log
    }

    /// Publishes the root of another engine, in which all is as it would be here.
    #[cfg(test)]
    pub(crate) fn publish_for_test(&self, other: &Self) {
        self.root.swap(other.load_full());
        self.tell_of_commits();
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now_millis()
    }

    /// A random number from 0 up to, but not, 1: splitmix64 (Steele, Lea, Flood, *Fast Splittable Pseudorandom Number
    /// Generators*, 2014). The same sequence in every store.
    pub(crate) fn random(&self) -> f64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.random.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // 53 bits are what a float holds.
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Has somebody told after each publishing, until it returns `false`; must be quick.
    pub(crate) fn listen(&self, listener: impl Fn() -> bool + Send + Sync + 'static) {
        let _one = self.listening.lock();
        let mut listeners = Vec::clone(&self.listeners.load());
        listeners.push(Arc::new(listener) as Listener);
        self.listeners.swap(Arc::new(listeners));
    }

    #[inline]
    pub(super) fn tell_of_commits(&self) {
        let listeners = self.listeners.load();
        let over = listeners.iter().filter(|listener| !listener()).count();
        if over > 0 {
            self.drop_listeners();
        }
    }

    #[cold]
    fn drop_listeners(&self) {
        let _one = self.listening.lock();
        let listeners = self.listeners.load_full();
        let still = listeners.iter().filter(|listener| listener()).cloned().collect();
        self.listeners.swap(Arc::new(still));
    }

    /// When the next record expires that is not known to whoever [takes](Self::take_soonest) it.
    pub(crate) fn soonest(&self) -> u64 {
        self.soonest.load(Ordering::SeqCst)
    }

    /// Forgets what was noted; from here on every commit counts anew.
    pub(crate) fn take_soonest(&self) -> u64 {
        self.soonest.swap(NEVER, Ordering::SeqCst)
    }

    pub(super) fn note_soonest(&self, at: u64) {
        if at < NEVER {
            self.soonest.fetch_min(at, Ordering::SeqCst);
        }
    }

    /// Takes out of all buckets what has expired, each in a commit of its own, and tells how many.
    /// O(buckets), and for each of them as [`Table::remove_many`].
    pub(crate) fn purge(&self) -> Result<usize, Error> {
        if self.load().due(self.now()).is_empty() {
            return Ok(0);
        }
        let _own = Running::enter_turn(self, "")?;
        #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime")]
        self.lead(self.take_turn(), KeepWhen::AsOthers, |batch| batch.purge_all())?
    }

    /// When the next record of any bucket expires. O(buckets).
    pub(crate) fn next_expiry(&self) -> u64 {
        let root = self.load();
        root.tables().map(|table| table.soonest()).min().unwrap_or(NEVER)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Takes the turn, lets `write` make changes, and publishes them as one commit. When `write` fails or panics, nothing
    /// has happened. A write that changes nothing makes no commit.
    pub(crate) fn write<T>(
        &self,
        place: Place,
        write: impl FnOnce(&mut Write) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _own = Running::enter_turn(self, place.bucket)?;
        self.lead(self.take_turn(), KeepWhen::AsOthers, |batch| batch.run(&place, write))?
            .map(|(value, _)| value)
    }

    /// Waits for the turn, and for whoever has reserved it.
    pub(super) fn take_turn(&self) -> MutexGuard<'_, Retired> {
        loop {
            self.gate.pass(None);
            let turn = self.turn.lock();
            // It may have been closed between the two.
            if !self.gate.is_closed(None) {
                return turn;
            }
        }
    }

    /// As [`Engine::write`], for a write that owns all that it needs: if another thread has the turn, it makes this write
    /// along with its own, and both are published at once. `leased`: whoever asks has reserved the turn. Also gives the commit.
    pub(crate) fn submit<T, E>(
        &self,
        place: Place,
        leased: bool,
        write: impl FnOnce(&mut Write) -> Result<T, E> + Send + 'static,
    ) -> Result<(T, Option<Arc<Commit>>), E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let _own = Running::enter_turn(self, place.bucket)?;
        let kept = place.kept;
        if leased {
            // Nobody else stays in the turn.
            return self.lead(self.turn.lock(), kept, |batch| batch.run(&place, write))?;
        }
        if self.waits_for_disk(kept) != self.keeps_first() {
            // It cannot be made along with others.
            return self.lead(self.take_turn(), kept, |batch| batch.run(&place, write))?;
        }
        self.gate.pass(None);
        if let Some(turn) = self.turn.try_lock()
            && !self.gate.is_closed(None)
        {
            return self.lead(turn, kept, |batch| batch.run(&place, write))?;
        }
        // Those who wait for a disk are told together.
        let bell = self.keeps_first().then_some(&self.queue.bell);
        let request = Arc::new(Request::new(place, write));
        self.queue.push(Arc::clone(&request) as Arc<dyn RunOnce>);
        loop {
            self.gate.pass(None);
            // The turn may have been let go before the request was in the queue.
            match self.turn.try_lock() {
                // Whoever lets go for this comes back, and looks at the queue then.
                Some(turn) if self.gate.is_closed(None) => {
                    drop(turn);
                    continue;
                }
                // If that fails the request has been told so.
                Some(turn) => drop(self.lead(turn, KeepWhen::AsOthers, |_| ())),
                None => {}
            }
            if let Some(outcome) = request.wait(bell) {
                return outcome;
            }
        }
    }

    /// Has all others wait, for as long as given at most. When this returns, no write of theirs is on its way.
    pub(crate) fn reserve(&self, longest: Duration) -> Lease<'_> {
        let lease = self.gate.close(longest);
        self.wait_for_turn();
        lease
    }

    /// As [`Engine::reserve`], if nobody else has done so.
    pub(crate) fn try_reserve(&self, longest: Duration) -> Option<Lease<'_>> {
        let lease = self.gate.try_close(longest)?;
        self.wait_for_turn();
        Some(lease)
    }

    /// Whether a write would have to wait for somebody who has reserved the turn.
    pub(crate) fn is_reserved(&self) -> bool {
        self.gate.must_wait()
    }

    /// Waits until what is being written now is published.
    fn wait_for_turn(&self) {
        drop(self.turn.lock());
        self.queue.lead();
    }

    /// Refuses all writes from now on, and waits for nothing.
    pub(crate) fn refuse_writes(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.end_committer();
    }

    /// Waits until the writes are done that had begun when they began to be refused; `false` if they are not at the deadline. To be
    /// called where a thread may block: a disk that they wait for may need whatever polls the caller.
    pub(crate) fn wait_for_writes(&self, deadline: Instant) -> bool {
        while self.turn.try_lock().is_none() {
            if Instant::now() >= deadline {
                return false;
            }
            crate::sync::sleep(Duration::from_millis(1));
        }
        self.queue.lead();
        self.wait_for_committer(deadline)
    }

    /// Goes on after the last commit of an earlier run. To be called before anything is written.
    pub(crate) fn go_on_after(&self, version: Version, time: u64) {
        self.log.go_on_after(version);
        self.root.swap(Arc::new(Root { version, time, ..Root::empty() }));
    }

    /// A table of what was kept.
    pub(crate) fn restore<B: Bucket>(
        &self,
        records: Vec<StoredPart>,
        schema: Option<&StoredSchema>,
        counters: &[(String, u64)],
    ) -> Result<Table<B>, Error> {
        // The record's code runs here: its `Deserialize`, a validator, its `Ord`.
        super::catch(B::NAME, || Table::restore(self.hash.clone(), self.now(), records, schema, counters))
    }

    /// The latest root, with a bucket of which nobody knows yet.
    pub(crate) fn root_with<B: Bucket>(&self, table: &Table<B>) -> Root {
        self.root_with_any(B::NAME, Arc::new(table.clone()))
    }

    fn root_with_any(&self, name: &'static str, table: Arc<dyn AnyTable>) -> Root {
        let mut root = Root::clone(&self.load());
        root.slots.push_back(Entry { name, table: Some(table) });
        root
    }

    /// Adds a bucket that is kept with what it holds: no commit. To be called before anything is written.
    pub(crate) fn install<B: Bucket>(&self, mut table: Table<B>) {
        drop(table.keep());
        self.note_soonest(table.soonest());
        self.root.swap(Arc::new(self.root_with_any(B::NAME, Arc::new(table))));
    }

    /// Adds the bucket, empty.
    pub(crate) fn define<B: Bucket>(&self) -> Result<Slot, Error> {
        self.define_as(Table::<B>::new(self.hash.clone()))
    }

    /// Adds the bucket with what it holds.
    pub(crate) fn define_as<B: Bucket>(&self, mut table: Table<B>) -> Result<Slot, Error> {
        drop(table.keep());
        self.define_any(B::schema(), Arc::new(table))
    }

    fn define_any(&self, schema: &'static Schema, table: Arc<dyn AnyTable>) -> Result<Slot, Error> {
        let name = schema.name;
        self.note_soonest(table.soonest());
        self.write(Place::none(name), |work| {
            let slot = work.base().slot(name);
            let mut slots = work.base().slots.clone();
            let entry = Entry { name, table: Some(table) };
            let slot = match slot {
                None => {
                    slots.push_back(entry);
                    Slot(slots.len() - 1)
                }
                Some(slot) => {
                    if slots.get(slot.0).is_some_and(|entry| entry.table.is_some()) {
                        return Err(Error::BucketAlreadyExists { bucket: name });
                    }
                    slots.set(slot.0, entry);
                    slot
                }
            };
            work.set_slots(slots, Definition::Defined(schema));
            Ok(slot)
        })
    }

    /// Takes the bucket away with all of its records.
    pub(crate) fn drop_bucket<B: Bucket>(&self) -> Result<(), Error> {
        self.drop_any(B::schema(), Root::find::<B>)
    }

    fn drop_any(&self, schema: &'static Schema, find: fn(&Root) -> Result<Slot, Error>) -> Result<(), Error> {
        self.write(Place::none(schema.name), |work| {
            let slot = find(work.base())?;
            let mut slots = work.base().slots.clone();
            slots.set(slot.0, Entry { name: schema.name, table: None });
            work.set_slots(slots, Definition::Dropped(schema));
            Ok(())
        })
    }
}
