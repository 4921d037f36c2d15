//! A transaction: a base snapshot, and a part in each bucket that it looked at.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::part::{AnyPart, Conflict, Fault, Tracking};
use super::writes::Mark;
use super::{Commit, Engine, KeepWhen, Part, Place, Root, Running, Slot, Write};
use crate::bucket::Bucket;
use crate::clock::Moment;
use crate::error::Error;
use crate::sync::{AtomicU64, Mutex};

/// What a transaction has done so far. Nobody else sees anything of it before it is committed.
pub(crate) struct Transaction {
    base: Arc<Root>,
    tracking: Tracking,
    parts: Mutex<Parts>,
    /// The greatest time at which it wrote anything.
    time: AtomicU64,
}

/// Most transactions look at one bucket or two.
type Parts = SmallVec<[Arc<dyn AnyPart>; 2]>;

/// Where a transaction stood in each of its parts.
pub(crate) type Marks = Vec<(Slot, Mark)>;

/// Why a commit did not happen.
pub(crate) enum Refused {
    /// Somebody else changed what the transaction read or wrote.
    Conflict(Conflict),
    Error(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Transaction {
    pub(crate) fn new(base: Arc<Root>, tracking: Tracking) -> Self {
        let time = AtomicU64::new(base.time);
        Self { base, tracking, parts: Mutex::default(), time }
    }

    pub(crate) fn base(&self) -> &Arc<Root> {
        &self.base
    }

    /// Whether it may not write.
    pub(crate) fn is_read_only(&self) -> bool {
        !self.tracking.writes
    }

    /// The time of a write: that of the clock, but never before the base snapshot or an earlier write.
    pub(crate) fn now(&self, clock: u64) -> Moment {
        Moment::new(clock, self.time.fetch_max(clock, Ordering::Relaxed))
    }

    /// The part in a bucket. O(buckets).
    pub(crate) fn part<B: Bucket>(&self) -> Result<(Slot, Arc<Part<B>>), Error> {
        let slot = self.base.find::<B>()?;
        let mut parts = self.parts.lock();
        let own = parts.iter().find(|part| part.slot() == slot);
        if let Some(part) = own.and_then(|part| Arc::clone(part).as_any().downcast().ok()) {
            return Ok((slot, part));
        }
        let part = Arc::new(Part::<B>::new(Arc::clone(&self.base), slot, self.tracking));
        parts.push(Arc::clone(&part) as Arc<dyn AnyPart>);
        Ok((slot, part))
    }

    pub(crate) fn for_each_part(&self, visit: &mut dyn FnMut(&dyn AnyPart)) {
        self.parts.lock().iter().for_each(|part| visit(part.as_ref()));
    }

    /// Where the transaction stands, to come back to.
    pub(crate) fn mark(&self) -> Marks {
        self.parts.lock().iter().map(|part| (part.slot(), part.mark())).collect()
    }

    /// Takes back what was written since. What was read stays read: it may have decided what came after.
    pub(crate) fn roll_back(&self, marks: &Marks) {
        for part in self.parts.lock().iter() {
            let mark = marks.iter().find(|(slot, _)| *slot == part.slot());
            part.roll_back(mark.map_or(Mark::default(), |(_, mark)| *mark));
        }
    }
}

impl Engine {
    /// Makes the writes of a transaction one commit, if nothing that it read has changed since its base snapshot. A
    /// transaction whose writes come to nothing has read one snapshot, and always succeeds: `None`.
    ///
    /// What was committed before this call is checked beside other writers, and only the rest in the turn. Each is
    /// O(reads + changes since). `leased`: the turn is reserved for it.
    pub(crate) fn commit(
        &self,
        transaction: &Transaction,
        leased: bool,
        kept: KeepWhen,
    ) -> Result<Option<Arc<Commit>>, Refused> {
        let done = match self.prepare(transaction, kept) {
            Ok(Some((place, write))) => self.submit(place, leased, write).map(|(_, commit)| commit),
            Ok(None) => Ok(None),
            Err(refused) => Err(refused),
        };
        self.count_conflict(done)
    }

    /// As [`Engine::commit`], for a task, where all commits are kept before they are published.
    pub(crate) async fn commit_async(
        self: &Arc<Self>,
        transaction: &Transaction,
        leased: bool,
    ) -> Result<Option<Arc<Commit>>, Refused> {
        let done = match self.prepare(transaction, KeepWhen::AsOthers) {
            Ok(Some((place, write))) => {
                self.submit_async(place, leased, write).await.map(|(_, commit)| commit)
            }
            Ok(None) => Ok(None),
            Err(refused) => Err(refused),
        };
        self.count_conflict(done)
    }

    fn count_conflict<T>(&self, done: Result<T, Refused>) -> Result<T, Refused> {
        if matches!(done, Err(Refused::Conflict(_))) {
            self.counts().conflicts.add(1);
        }
        done
    }

    /// Checks what was committed since, and gives what is to be done in the turn; `None` if there is nothing to commit.
    #[expect(clippy::type_complexity, reason = "the type of a closure has no name")]
    fn prepare(
        &self,
        transaction: &Transaction,
        kept: KeepWhen,
    ) -> Result<Option<(Place, impl FnOnce(&mut Write) -> Result<(), Refused> + Send + use<>)>, Refused> {
        let parts = {
            let parts = transaction.parts.lock();
            if !parts.iter().any(|part| part.has_changes()) {
                return Ok(None);
            }
            parts.clone()
        };
        let written = parts.iter().filter(|part| part.has_changes());
        let slots = written.clone().map(|part| part.slot()).collect();
        let Some(bucket) = written.map(|part| part.bucket()).next() else { return Ok(None) };
        // In the turn the commit is refused.
        if kept == KeepWhen::First && !self.keeps_first() && !Running::in_turn() {
            self.catch_up()?;
        }
        let checked = self.load_full();
        let skips = transaction.tracking.skips(Fault::Turn);
        super::catch(bucket, || check(&parts, &transaction.base, &checked))?;
        if skips {
            // On one core hardly any other thread would come in between.
            crate::sync::yield_now();
        }
        let write = move |work: &mut Write| {
            if !skips {
                check(&parts, &checked, work.base())?;
            }
            parts.iter().try_for_each(|part| part.apply(work)?.map_err(Refused::Conflict))
        };
        Ok(Some((Place { bucket, slots, kept }, write)))
    }
}

/// Whether nothing that was read has changed between two roots.
fn check(parts: &[Arc<dyn AnyPart>], old: &Arc<Root>, new: &Arc<Root>) -> Result<(), Refused> {
    if Arc::ptr_eq(old, new) {
        return Ok(());
    }
    parts.iter().try_for_each(|part| part.check(old, new)).map_err(Refused::Conflict)
}
