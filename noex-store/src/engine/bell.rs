//! Wakes all threads whose writes went to a disk together, with one call of the system.
//!
//! Each thread that waits for its own news costs whoever wakes it a call, some microseconds; sixteen of them cost as much as a
//! sync of a fast disk. Those who wait here are woken at once, and each looks whether it was meant. Where few of them are, as
//! in a store that waits for no disk, it is better that each has its own.

use std::sync::PoisonError;

use crate::sync::plain::{Condvar, Mutex};

#[derive(Default)]
pub(super) struct Bell {
    /// How many threads wait.
    waiting: Mutex<usize>,
    /// Of the standard library: that of `parking_lot` wakes one thread, and has each wake the next.
    rung: Condvar,
}

impl Bell {
    /// Waits until it is so. What makes it so must happen before a [`ring`](Self::ring).
    pub(super) fn wait_until(&self, is_so: impl Fn() -> bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_so() {
            *waiting += 1;
            waiting = self.rung.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            *waiting -= 1;
        }
    }

    /// Has all who wait look again. One lock, if nobody does.
    pub(super) fn ring(&self) {
        // With the lock: a thread may have looked, and not wait yet.
        let waiting = *self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting > 0 {
            self.rung.notify_all();
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_who_wait_are_woken_and_none_misses_it() {
        const THREADS: usize = 4;
        const ROUNDS: usize = 2_000;
        let (bell, round, done) = (Bell::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        let begin = Barrier::new(THREADS + 1);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    begin.wait();
                    for next in 1..=ROUNDS {
                        bell.wait_until(|| round.load(Ordering::Relaxed) >= next);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            begin.wait();
            for next in 1..=ROUNDS {
                // Some look just now, some wait already, some have not come yet.
                round.store(next, Ordering::Relaxed);
                bell.ring();
                if next % 3 == 0 {
                    while done.load(Ordering::Relaxed) < next * THREADS {
                        std::thread::yield_now();
                    }
                }
            }
        });
        assert_eq!(done.into_inner(), THREADS * ROUNDS);
        assert_eq!(*bell.waiting.lock().expect("no panic"), 0);
    }
}
