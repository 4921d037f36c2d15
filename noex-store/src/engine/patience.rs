//! Waiting for company, where a batch is dear.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Engine;
use crate::sync::AtomicU64;

/// How long whoever leads waits for others, where a batch costs a sync: those of the last batch have just been told that they are done,
/// and are about to come again. Without that, writers would fall into two groups that take turns.
pub(super) struct Patience<'e> {
    /// How many others the last batch had; `None` where a batch costs next to nothing.
    company: Option<&'e AtomicU64>,
    /// When the last one came.
    last: Option<Instant>,
}

/// How long nobody must have come while fewer are there than the last time: a part of what a sync takes on a fast disk.
const PAUSE: Duration = Duration::from_micros(80);

impl<'e> Patience<'e> {
    pub(super) fn new(engine: &'e Engine) -> Self {
        Self { company: engine.keeps_first().then_some(&engine.company), last: None }
    }

    /// Another one has come.
    pub(super) fn come(&mut self) {
        self.last = None;
    }

    /// Whether to go on with so many.
    pub(super) fn is_over(&mut self, others: usize) -> bool {
        let expected = self.company.map_or(0, |company| company.load(Ordering::Relaxed));
        if others as u64 >= expected {
            return true;
        }
        let now = Instant::now();
        now.duration_since(*self.last.get_or_insert(now)) > PAUSE
    }

    /// Notes how many there were.
    pub(super) fn learn(&self, others: usize) {
        if let Some(company) = self.company {
            company.store(others as u64, Ordering::Relaxed);
        }
    }
}
