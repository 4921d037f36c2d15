//! What is made in a turn to write: commits, one on the other, that are published together.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use smallvec::SmallVec;

use super::commit::Trimmed;
use super::table::FreshList;
use super::{Commit, Engine, KeepWhen, NEVER, Root, Slot, StoredCommit, Write};
use crate::bucket::Bucket;
use crate::clock::Moment;
use crate::error::Error;

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

impl<'e> Batch<'e> {
    pub(super) fn new(engine: &'e Engine, head: Arc<Root>, keeps_first: bool) -> Self {
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

    fn now(&self, bucket: &'static str) -> Result<Moment, Error> {
        // The clock may be the user's.
        catch(bucket, || Ok(Moment::new(self.engine.now(), self.head.time)))
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
        let now = self.now(bucket)?;
        for slot in slots {
            if self.head.soonest(*slot) <= now.clock {
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
        let now = self.now("")?;
        self.head.due(now.clock).into_iter().map(|slot| self.purge(slot, now)).sum()
    }

    /// Takes out what has expired in a bucket, and tells how many.
    pub(super) fn purge(&mut self, slot: Slot, now: Moment) -> Result<usize, Error> {
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
        now: Moment,
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
    pub(super) fn publish(self, turn: &mut Retired) -> (Result<bool, Error>, impl Sized + use<>) {
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
