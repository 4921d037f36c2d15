//! What goes through the queues of all subscribers, in numbers.

use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::engine::Count;
use crate::sync::AtomicU64;

/// What became of events, by [`Store::stats`](crate::Store::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EventStats {
    /// Handlers, streams and bridges that there are.
    pub subscribers: usize,
    /// Commits that have not been handed out yet.
    pub behind: u64,
    /// How often an event was handed to a subscriber, whether or not it has been read.
    pub told: u64,
    /// How many a slow subscriber lost, at least.
    pub missed: u64,
    /// How many wait for their subscribers now.
    pub waiting: u64,
    /// Calls of handlers that panicked.
    pub panics: u64,
}

/// Counters that the queues of a store share, so that nobody has to look into each of them.
#[derive(Default)]
pub(crate) struct Flow {
    /// What was put into a queue: an event, or one record's change, for each subscriber that it is for.
    pub(crate) told: Count,
    /// What a queue could not hold.
    pub(crate) missed: Count,
    /// Handlers' calls that panicked.
    pub(super) panics: Count,
    waiting: AtomicU64,
}

impl Flow {
    /// What waits in the queues now.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self, weight: usize) {
        self.told.add(weight);
        self.waiting.fetch_add(weight as u64, Ordering::Relaxed);
    }

    pub(super) fn leave(&self, weight: usize) {
        self.waiting.fetch_sub(weight as u64, Ordering::Relaxed);
    }
}
