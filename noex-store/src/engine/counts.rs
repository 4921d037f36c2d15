//! What the engine has done so far, in numbers.

use std::sync::atomic::Ordering;

use crate::sync::AtomicU64;

/// Counters that only grow. Commits are counted by their version.
#[derive(Default)]
pub(crate) struct Counts {
    /// Transactions that met another writer's commit.
    pub(crate) conflicts: Count,
    /// Transactions that were run again for that.
    pub(crate) retries: Count,
    /// Records whose time to live was over.
    pub(crate) expired: Count,
    /// Records that made room.
    pub(crate) evicted: Count,
}

/// A number that grows.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, n: usize) {
        if n > 0 {
            self.0.fetch_add(n as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
