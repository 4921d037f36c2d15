//! The worker: notes what commits touch, and runs the queries that somebody waits for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use super::core::{Jobs, Live};
use super::memo::AnyMemo;
use crate::error::Error;
use crate::look_out::LookOut;

/// After so many looks in a row at commits that touched nothing the worker rests between two.
const PATIENCE: u32 = 8;
/// How long, if nobody brings it a job.
const REST: Duration = Duration::from_micros(100);

impl Jobs {
    pub(super) fn push(&self, memos: Vec<Arc<dyn AnyMemo>>) {
        if memos.is_empty() {
            return;
        }
        let mut queue = self.queue.lock();
        for memo in memos {
            queue.last += 1;
            let number = queue.last;
            queue.waiting.push_back((number, memo));
        }
        drop(queue);
        self.news.notify_one();
    }

    /// Whether there is a job, or the end; `false` while another thread looks.
    fn are_there(&self) -> bool {
        self.queue.try_lock().is_some_and(|queue| queue.stopped || !queue.waiting.is_empty())
    }

    /// Whether every job up to a number is done.
    pub(super) fn are_done(&self, number: u64) -> bool {
        let queue = self.queue.lock();
        queue.stopped
            || (queue.waiting.front().is_none_or(|(first, _)| *first > number)
                && queue.running.as_ref().is_none_or(|(job, _)| *job > number))
    }
}

impl Live {
    /// Starts the worker, if there is none yet.
    pub(super) fn start(self: &Arc<Self>) {
        if self.service.is_running() || self.jobs.queue.lock().stopped {
            return;
        }
        let weak = Arc::downgrade(self);
        self.listen(move || {
            let live = weak.upgrade();
            live.iter().for_each(|live| live.wake());
            live.is_some()
        });
        let (live, given_up) = (Arc::clone(self), Arc::clone(self));
        // Without a thread, values are still brought up to date when they are asked for.
        let give_up = move || {
            given_up.stop();
            given_up.end_all(Some(&Error::Degraded { service: given_up.service.name() }));
        };
        self.service.start(move || live.work(), give_up);
    }

    /// Tells the worker of commits. One atomic load while it is awake.
    fn wake(&self) {
        // Pairs with the one in `work`: either the worker sees the commit, or this sees that it sleeps.
        fence(Ordering::SeqCst);
        if self.jobs.sleeping.load(Ordering::Relaxed) {
            // With the lock: the worker is either before its last look, or waiting.
            drop(self.jobs.queue.lock());
            self.jobs.news.notify_one();
        }
    }

    pub(super) fn stop(&self) {
        self.jobs.queue.lock().stopped = true;
        self.jobs.news.notify_all();
        self.jobs.settled.wake();
    }

    fn work(self: &Arc<Self>) {
        let (mut fruitless, mut look_out) = (0, LookOut::default());
        {
            // What was being run when the worker panicked.
            let mut queue = self.jobs.queue.lock();
            let unfinished = queue.running.take();
            queue.waiting.extend(unfinished);
            queue.waiting.make_contiguous().sort_by_key(|(number, _)| *number);
        }
        loop {
            self.service.point();
            // A panic here would be one of the record's code, in a comparison; what is not noted now is noted next time.
            let behind = self.is_behind();
            let touched = catch_unwind(AssertUnwindSafe(|| self.catch_up())).unwrap_or(true);
            fruitless = if touched || !behind { 0 } else { fruitless + 1 };
            let mut queue = self.jobs.queue.lock();
            if queue.stopped {
                return;
            }
            let Some((number, memo)) = queue.waiting.pop_front() else {
                if fruitless >= PATIENCE {
                    // Commits that touch nothing come one after the other: they are as well looked at together.
                    self.jobs.news.wait_until(&mut queue, Instant::now() + REST);
                    continue;
                }
                if fruitless == 0 && look_out.is_worth_it() {
                    drop(queue);
                    look_out.until(|| self.is_behind() || self.jobs.are_there());
                    continue;
                }
                let begin = Instant::now();
                self.jobs.sleeping.store(true, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                if !self.is_behind() {
                    self.jobs.news.wait(&mut queue);
                }
                self.jobs.sleeping.store(false, Ordering::Relaxed);
                look_out.slept(begin.elapsed());
                continue;
            };
            queue.running = Some((number, Arc::clone(&memo)));
            drop(queue);
            self.service.point();
            // Before it runs: what is touched from now on is another job.
            memo.unqueue();
            if catch_unwind(AssertUnwindSafe(|| memo.refresh(self))).is_err() {
                tracing::error!(
                    "the code of a query's value panicked; its subscribers are told with its next change"
                );
            }
            self.jobs.queue.lock().running = None;
            self.jobs.settled.wake();
        }
    }

    /// Waits until all subscribers have been told of every commit so far.
    pub(super) async fn settle(&self) {
        // A run that a commit overtakes brings another one, of which it is known only when the first is over. That one starts
        // after the commit, so what may overtake it is none that is waited for.
        for _ in 0..2 {
            let last = self.last_job();
            self.jobs.settled.until(|| self.jobs.are_done(last)).await;
        }
    }
}
