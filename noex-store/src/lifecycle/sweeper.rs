//! The sweeper: takes out what has expired, when it is due.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::from_now;
use crate::engine::{Engine, NEVER};
use crate::error::Error;
use crate::service::Service;
use crate::sync::{AtomicU64, Condvar, Mutex};

/// Takes out what has expired, when it is due. Sleeps until the next record expires; without one it does not wake at all.
pub(crate) struct Sweeper {
    engine: Arc<Engine>,
    service: Arc<Service>,
    /// How long it sleeps at most while there is something to wait for: the system's clock may be set.
    interval: Duration,
    /// When it is going to wake, as far as records are concerned.
    planned: AtomicU64,
    stopped: Mutex<bool>,
    news: Condvar,
}

impl Sweeper {
    /// A sweeper that starts when the first record with a time to live is committed; never, if the interval is zero.
    pub(crate) fn new(engine: &Arc<Engine>, service: Arc<Service>, interval: Duration) -> Arc<Self> {
        let sweeper = Arc::new(Self {
            engine: Arc::clone(engine),
            service,
            interval,
            planned: AtomicU64::new(NEVER),
            stopped: Mutex::new(false),
            news: Condvar::new(),
        });
        if !interval.is_zero() {
            let weak = Arc::downgrade(&sweeper);
            engine.listen(move || {
                let sweeper = weak.upgrade();
                sweeper.iter().for_each(Self::look);
                sweeper.is_some()
            });
            let weak = Arc::downgrade(&sweeper);
            engine.clock().on_set(Box::new(move || {
                let sweeper = weak.upgrade();
                sweeper.iter().for_each(|sweeper| sweeper.wake());
                sweeper.is_some()
            }));
            // There may be records of an earlier run.
            sweeper.look();
        }
        sweeper
    }

    /// After a commit: whether a record expires before the sweeper wakes. Two atomic loads.
    fn look(self: &Arc<Self>) {
        if self.engine.soonest() < self.planned.load(Ordering::SeqCst) {
            let own = Arc::clone(self);
            self.service.start(move || own.run(), || ());
            self.wake();
        }
    }

    fn wake(&self) {
        // With the lock: the sweeper is either before its last look, or asleep.
        drop(self.stopped.lock());
        self.news.notify_all();
    }

    fn run(&self) {
        loop {
            self.service.point();
            // From here on every commit counts anew; what was committed before is in the root.
            self.engine.take_soonest();
            let failed = match self.engine.purge() {
                Ok(_) => false,
                Err(Error::Stopped) => return,
                Err(error) => {
                    tracing::warn!(%error, "what has expired could not be taken out");
                    true
                }
            };
            let next = self.engine.next_expiry();
            self.planned.store(next, Ordering::SeqCst);
            let mut stopped = self.stopped.lock();
            if *stopped {
                return;
            }
            if self.engine.soonest() < next && !failed {
                continue;
            }
            if next == NEVER {
                self.news.wait(&mut stopped);
            } else {
                let left = Duration::from_millis(next.saturating_sub(self.engine.now()));
                let wait = if failed { self.interval } else { left.min(self.interval) };
                self.news.wait_until(&mut stopped, from_now(wait));
            }
        }
    }

    pub(crate) fn is_by_hand(&self) -> bool {
        self.interval.is_zero()
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    pub(crate) fn stop(&self) {
        *self.stopped.lock() = true;
        self.news.notify_all();
    }
}
