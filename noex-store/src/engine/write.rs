//! Making and publishing commits: one writer at a time.

use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::commit::{AnyChanges, BucketChanges, ChangeList};
use super::root::{AnyTable, Entry};
use super::{Change, Commit, CommitLog, HashState, Hashing, Root, Slot, Table, Version};
use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::clock::Clock;
use crate::error::Error;

/// The current root, the turn to write, and the log.
pub(crate) struct Engine {
    root: ArcSwap<Root>,
    /// Held by whoever is writing.
    turn: Mutex<Retired>,
    stopped: AtomicBool,
    log: CommitLog,
    hash: HashState,
    clock: Arc<dyn Clock>,
}

impl Engine {
    pub(crate) fn new(hashing: Hashing, clock: Arc<dyn Clock>, log_capacity: usize) -> Self {
        Self {
            root: ArcSwap::from_pointee(Root::empty()),
            turn: Mutex::default(),
            stopped: AtomicBool::new(false),
            log: CommitLog::new(log_capacity),
            hash: HashState::new(hashing),
            clock,
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

    pub(crate) fn now(&self) -> u64 {
        self.clock.now_millis()
    }

    /// Takes the turn, lets `write` make changes, and publishes them as one commit. When `write` fails or panics, nothing
    /// has happened. A write that changes nothing makes no commit.
    pub(crate) fn write<T>(
        &self,
        bucket: &'static str,
        write: impl FnOnce(&mut Write) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _own = OwnTurn::enter(bucket)?;
        let mut turn = self.turn.lock();
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let base = self.root.load_full();
        let now = self.now().max(base.time);
        let mut work = Write { base, now, edits: SmallVec::new(), slots: None };
        // The work is on copies: what is half done when the record's code panics goes with them.
        let done = catch(bucket, || {
            let value = write(&mut work)?;
            Ok((value, work.finish()))
        });
        let (value, next) = match done {
            Ok(done) => done,
            Err(error) => {
                work.give_up();
                return Err(error);
            }
        };
        if let Some((root, commit)) = next {
            // The log first: whoever sees the root can read how it came to be.
            self.log.append(Arc::new(commit));
            let old = self.root.swap(Arc::new(root));
            drop(work);
            let unused = turn.retire(old);
            drop(turn);
            // Frees the nodes that the commits replaced; others may write meanwhile.
            drop(unused);
        }
        Ok(value)
    }

    /// Refuses all writes from now on.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        // A write that had begun is done when this returns, unless it is that write's code that stops the store.
        if !IN_TURN.get() {
            drop(self.turn.lock());
        }
    }

    /// Adds the bucket, empty.
    pub(crate) fn define<B: Bucket>(&self) -> Result<Slot, Error> {
        self.write(B::NAME, |work| {
            let slot = work.base.slot(B::NAME);
            let mut slots = work.base.slots.clone();
            let entry = Entry { name: B::NAME, table: Some(Arc::new(Table::<B>::new(self.hash.clone()))) };
            let slot = match slot {
                None => {
                    slots.push_back(entry);
                    Slot(slots.len() - 1)
                }
                Some(slot) => {
                    if slots.get(slot.0).is_some_and(|entry| entry.table.is_some()) {
                        return Err(Error::BucketAlreadyExists { bucket: B::NAME });
                    }
                    slots.set(slot.0, entry);
                    slot
                }
            };
            work.slots = Some(slots);
            Ok(slot)
        })
    }

    /// Takes the bucket away with all of its records.
    pub(crate) fn drop_bucket<B: Bucket>(&self) -> Result<(), Error> {
        self.write(B::NAME, |work| {
            let slot = work.base.find::<B>()?;
            let mut slots = work.base.slots.clone();
            slots.set(slot.0, Entry { name: B::NAME, table: None });
            work.slots = Some(slots);
            Ok(())
        })
    }
}

/// Roots that were current a moment ago.
///
/// Whoever lets go of a root last frees what it alone still holds, which takes microseconds. That should not be a reader
/// that happened to look when the root was replaced, so the writer holds it until the reader is done.
#[derive(Default)]
struct Retired {
    roots: VecDeque<Arc<Root>>,
}

impl Retired {
    /// A root that is still used after so many commits belongs to a snapshot, and goes with it.
    const KEPT: usize = 8;

    /// Takes a root that was replaced, and gives back those that nobody uses any more.
    fn retire(&mut self, root: Arc<Root>) -> SmallVec<[Arc<Root>; 2]> {
        self.roots.push_back(root);
        let mut unused = SmallVec::new();
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
        unused
    }
}

/// A commit in the making: copies of the tables that it changes.
pub(crate) struct Write {
    base: Arc<Root>,
    now: u64,
    edits: SmallVec<[(Slot, Box<dyn AnyEdit>); 1]>,
    /// Set when buckets are added or dropped.
    slots: Option<im::Vector<Entry>>,
}

/// A table in the making, with what was done to it.
pub(crate) struct Edit<B: Bucket> {
    table: Table<B>,
    changes: ChangeList<B>,
    now: u64,
}

/// An [`Edit`], without its type.
trait AnyEdit {
    fn as_any(&mut self) -> &mut dyn Any;
    fn finish(self: Box<Self>) -> Option<(Arc<dyn AnyTable>, Box<dyn AnyChanges>)>;
    /// Leaves nothing behind in what `base` shares with the table.
    fn give_up(&self, base: &Root, slot: Slot);
}

impl<B: Bucket> AnyEdit for Edit<B> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn finish(mut self: Box<Self>) -> Option<(Arc<dyn AnyTable>, Box<dyn AnyChanges>)> {
        if self.changes.is_empty() {
            return None;
        }
        if !B::definition().counters.is_empty() {
            self.changes
                .iter()
                .filter_map(Change::new)
                .for_each(|record| self.table.advance_counters(record));
        }
        self.table.keep();
        Some((Arc::new(self.table), Box::new(BucketChanges(self.changes))))
    }

    fn give_up(&self, base: &Root, slot: Slot) {
        if let Some(base) = base.table::<B>(slot) {
            self.table.give_up(base);
        }
    }
}

impl Write {
    /// The bucket's table, to be changed.
    pub(crate) fn edit<B: Bucket>(&mut self, slot: Slot) -> Result<&mut Edit<B>, Error> {
        let at = match self.edits.iter().position(|(other, _)| *other == slot) {
            Some(at) => at,
            None => {
                let table = self.base.typed::<B>(slot)?.clone();
                let edit = Edit { table, changes: SmallVec::new(), now: self.now };
                self.edits.push((slot, Box::new(edit)));
                self.edits.len() - 1
            }
        };
        self.edits
            .get_mut(at)
            .and_then(|(_, edit)| edit.as_any().downcast_mut())
            .ok_or(Error::BucketNotDefined { bucket: B::NAME })
    }

    /// Undoes what the edits did in place.
    fn give_up(&self) {
        self.edits.iter().for_each(|(slot, edit)| edit.give_up(&self.base, *slot));
    }

    fn finish(&mut self) -> Option<(Root, Commit)> {
        let defined = self.slots.is_some();
        let mut slots = self.slots.take().unwrap_or_else(|| self.base.slots.clone());
        let mut buckets = SmallVec::new();
        for (slot, edit) in self.edits.drain(..) {
            if let Some((table, changes)) = edit.finish()
                && let Some(entry) = slots.get_mut(slot.0)
            {
                entry.table = Some(table);
                buckets.push(changes);
            }
        }
        if buckets.is_empty() && !defined {
            return None;
        }
        let version: Version = self.base.version.next();
        let root = Root { version, time: self.now, slots };
        Some((root, Commit { version, time: self.now, buckets }))
    }
}

impl<B: Bucket> Edit<B> {
    pub(crate) fn table(&self) -> &Table<B> {
        &self.table
    }

    pub(crate) fn insert(&mut self, value: B, expires_at: Option<NonZeroU64>) -> Result<Record<B>, Error> {
        let record = self.table.insert(value, self.now, expires_at)?;
        self.changes.push(Change::Inserted(record.clone()));
        Ok(record)
    }

    /// Inserts all, or fails with the number of the row that cannot be; then the write must fail too.
    pub(crate) fn insert_many(&mut self, values: Vec<B>) -> Result<Vec<Record<B>>, (usize, Error)> {
        let records = self.table.insert_many(values, self.now)?;
        self.changes.extend(records.iter().cloned().map(Change::Inserted));
        Ok(records)
    }

    pub(crate) fn replace(&mut self, old: &Record<B>, value: B) -> Result<Record<B>, Error> {
        let new = self.table.replace(old, value, self.now)?;
        self.changes.push(Change::Updated { old: old.clone(), new: new.clone() });
        Ok(new)
    }

    pub(crate) fn remove(&mut self, record: &Record<B>) {
        self.table.remove(record);
        self.changes.push(Change::Deleted(record.clone()));
    }

    pub(crate) fn clear(&mut self) -> usize {
        let before = self.changes.len();
        let Self { table, changes, .. } = self;
        changes.reserve(table.len());
        let _ = table.rows().visit(super::RowId(0), &mut |_, record| {
            changes.push(Change::Deleted(record.clone()));
            std::ops::ControlFlow::Continue(())
        });
        table.clear();
        changes.len() - before
    }
}

/// Runs code of the user, and turns its panic into an error.
pub(crate) fn catch<T>(bucket: &'static str, run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    // What the panic leaves half done is dropped with the closure; nothing of it is shared.
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(Error::Panicked { bucket, message: panic_message(panic.as_ref()) }))
}

thread_local! {
    /// Whether this thread is in the turn of a store.
    static IN_TURN: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as the writer, so that a write from within a write (in an `Ord`, say) is refused instead of waiting
/// for itself. To any store: two threads that wrote to two stores crosswise would wait for each other.
struct OwnTurn;

impl OwnTurn {
    fn enter(bucket: &'static str) -> Result<Self, Error> {
        if IN_TURN.replace(true) {
            return Err(Error::NestedWrite { bucket });
        }
        Ok(Self)
    }
}

impl Drop for OwnTurn {
    fn drop(&mut self) {
        IN_TURN.set(false);
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
