//! Threads that call the users' functions: few while they are quick, more when some are slow, none when there is nothing to do.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, spawn};

/// The threads' name.
const HANDLER: &str = "noex-store handler";
/// Threads that work at any rate.
const FEW: usize = 2;
/// Threads at most: so many functions that never return are needed to keep the others waiting.
const MANY: usize = 64;
/// How long work waits before another thread is started for it.
const PATIENCE: Duration = Duration::from_millis(5);
/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(2);

/// Something that is to be run in the pool, and is scheduled again if it wants more.
pub(crate) trait Task: Send + Sync {
    /// Does a part of the work, and tells whether there is more.
    fn run(&self) -> bool;
}

/// The pool; its threads end when it is stopped, or has had nothing to do for a while.
pub(crate) struct Pool {
    state: Mutex<State>,
    news: Condvar,
    /// Told when a thread takes work, and when one ends.
    moved: Condvar,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Arc<dyn Task>>,
    /// Threads, and those of them that wait for work.
    threads: usize,
    idle: usize,
    /// Tasks that were taken so far.
    taken: u64,
    /// Whether a thread watches that work does not wait for long.
    watched: bool,
    stopped: bool,
}

impl Pool {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), news: Condvar::new(), moved: Condvar::new() })
    }

    /// Has a task run soon. The task sees to it that it is not scheduled twice.
    pub(crate) fn schedule(self: &Arc<Self>, task: Arc<dyn Task>) {
        let mut state = self.state.lock();
        if state.stopped {
            return;
        }
        state.ready.push_back(task);
        if state.idle >= state.ready.len() {
            drop(state);
            self.news.notify_one();
        } else if state.threads < FEW {
            self.grow(&mut state);
        } else if !state.watched && state.threads < MANY {
            state.watched = true;
            let own = Arc::clone(self);
            if spawn(HANDLER, move || own.watch()).is_err() {
                state.watched = false;
            }
        }
    }

    fn grow(self: &Arc<Self>, state: &mut State) {
        state.threads += 1;
        let own = Arc::clone(self);
        if let Err(error) = spawn(HANDLER, move || own.work()) {
            state.threads -= 1;
            tracing::error!(%error, "a thread for event handlers could not be started");
        }
    }

    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(task) = state.ready.pop_front() {
                state.taken += 1;
                drop(state);
                self.moved.notify_all();
                let more = catch_unwind(AssertUnwindSafe(|| task.run())).unwrap_or(false);
                state = self.state.lock();
                if more && !state.stopped {
                    // Behind the others.
                    state.ready.push_back(task);
                }
                continue;
            }
            let deadline = Instant::now() + IDLE;
            state.idle += 1;
            while state.ready.is_empty() && !state.stopped && Instant::now() < deadline {
                self.news.wait_until(&mut state, deadline);
            }
            state.idle -= 1;
            if state.ready.is_empty() {
                state.threads -= 1;
                drop(state);
                self.moved.notify_all();
                return;
            }
        }
    }

    /// Starts another thread whenever all are busy and nothing was taken for a while; ends when nothing waits.
    fn watch(self: Arc<Self>) {
        let mut state = self.state.lock();
        while !state.ready.is_empty() && !state.stopped {
            let (taken, deadline) = (state.taken, Instant::now() + PATIENCE);
            while state.taken == taken && !state.stopped && Instant::now() < deadline {
                self.moved.wait_until(&mut state, deadline);
            }
            if state.taken == taken && !state.ready.is_empty() && state.threads < MANY && !state.stopped {
                self.grow(&mut state);
            }
        }
        state.watched = false;
        drop(state);
        self.moved.notify_all();
    }

    /// Ends the threads when they have done what is ready; what comes later is not run.
    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.news.notify_all();
        self.moved.notify_all();
    }

    /// Waits until all threads have ended after [`stop`](Self::stop); `false` if they have not at the deadline.
    pub(crate) fn wait(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        while state.threads > 0 || state.watched {
            if Instant::now() >= deadline {
                return false;
            }
            self.moved.wait_until(&mut state, deadline);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Call(Box<dyn Fn() -> bool + Send + Sync>);

    impl Task for Call {
        fn run(&self) -> bool {
            (self.0)()
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn slow_tasks_do_not_hold_up_the_others() {
        let pool = Pool::new();
        // They wait for one another, and for the test: all must run at once.
        let barrier = Arc::new(Barrier::new(11));
        for _ in 0..10 {
            let barrier = Arc::clone(&barrier);
            pool.schedule(Arc::new(Call(Box::new(move || {
                barrier.wait();
                false
            }))));
        }
        barrier.wait();
        pool.stop();
        assert!(pool.wait(soon()));
    }

    #[test]
    fn what_wants_more_is_run_again_and_panics_are_nobody_elses() {
        let pool = Pool::new();
        let runs = Arc::new(AtomicUsize::new(0));
        let own = Arc::clone(&runs);
        pool.schedule(Arc::new(Call(Box::new(|| panic!("a task of a test")))));
        pool.schedule(Arc::new(Call(Box::new(move || own.fetch_add(1, Ordering::SeqCst) < 99))));
        while runs.load(Ordering::SeqCst) < 100 {
            std::thread::yield_now();
        }
        pool.stop();
        assert!(pool.wait(soon()));
        assert_eq!(runs.load(Ordering::SeqCst), 100);
    }
}
