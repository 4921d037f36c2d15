//! The writer's turn: one thread at a time makes commits, its own and those that wait, and publishes them together.
//!
//! A thread that finds the turn taken leaves its write in a queue. Whoever has the turn makes those writes after its own, each
//! as a commit with a version of its own, and publishes the last root: one atomic store, one round of waking. This is flat combining
//! (Hendler, Incze, Shavit, Tzafrir, *Flat Combining and the Synchronization-Parallelism Tradeoff*, 2010), and what databases
//! call a group commit.

use std::sync::Arc;

use smallvec::SmallVec;

use super::patience::Patience;
use super::queue::{RunOnce, Told};
use super::turn::{Batch, Retired};
use super::{Engine, KeepWhen};
use crate::error::Error;
use crate::sync::{MutexGuard, yield_now};

/// How many writes of others the holder of the turn makes at most before it lets go.
const MAX_BATCH: usize = 64;

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
