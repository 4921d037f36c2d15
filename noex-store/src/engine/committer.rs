//! Writes of tasks that wait for a disk: a thread leads them, since whatever polls a task must not block.
//!
//! One thread leads all that wait, so that they share a sync as the writes of threads do. It is started by the first one, and ends when
//! there have been none for a while, or the store is stopped.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::queue::{Request, RunOnce};
use super::turn::Place;
use super::{Commit, Engine, KeepWhen, Running, Write};
use crate::error::Error;
use crate::look_out::LookOut;
use crate::sync::{Condvar, Mutex, spawn};

/// How long the thread stays without work.
const IDLE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Committer {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether there is anything to lead.
    needed: bool,
    /// Whether somebody of those who wait has reserved the turn, so that the gate is closed for them.
    leased: bool,
    /// Whether there is a thread.
    running: bool,
}

impl Engine {
    /// As [`Engine::submit`], for a task. A future that is dropped takes nothing back.
    pub(super) async fn submit_async<T, E>(
        self: &Arc<Self>,
        place: Place,
        leased: bool,
        write: impl FnOnce(&mut Write) -> Result<T, E> + Send + 'static,
    ) -> Result<(T, Option<Arc<Commit>>), E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        // Whoever polls this may wait for it in the middle of a write, which the thread would wait for.
        drop(Running::enter_turn(self, place.bucket)?);
        let request = Arc::new(Request::new(place, write));
        let waiting = Arc::clone(&request) as Arc<dyn RunOnce>;
        if leased {
            self.queue.push_first(waiting);
        } else {
            self.queue.push(waiting);
        }
        self.wake_committer(leased);
        poll_fn(|context| request.poll(context)).await
    }

    fn wake_committer(self: &Arc<Self>, leased: bool) {
        let mut state = self.committer.state.lock();
        state.needed = true;
        state.leased |= leased;
        if state.running {
            drop(state);
            self.committer.news.notify_all();
            return;
        }
        let own = Arc::clone(self);
        let started = spawn("noex-store commits", move || {
            let mut look_out = LookOut::default();
            while own.lead_when_needed(&mut look_out) {}
        });
        match started {
            Ok(()) => state.running = true,
            Err(_) => *state = State::default(),
        }
        drop(state);
        if let Err(error) = started {
            tracing::error!(%error, "a thread for durable commits could not be started: a task waits for the disk");
            self.lead_waiting(leased);
        }
    }

    /// Waits for work, and does it; `false` if there is none.
    fn lead_when_needed(&self, look_out: &mut LookOut) -> bool {
        if look_out.is_worth_it() {
            look_out.until(|| !self.queue.is_empty());
        }
        let begin = Instant::now();
        let deadline = begin + IDLE;
        let mut state = self.committer.state.lock();
        let sleeps = !state.needed;
        while !state.needed && !self.is_stopped() && Instant::now() < deadline {
            self.committer.news.wait_until(&mut state, deadline);
        }
        if !state.needed {
            state.running = false;
            drop(state);
            self.committer.news.notify_all();
            return false;
        }
        state.needed = false;
        let leased = std::mem::take(&mut state.leased);
        drop(state);
        if sleeps {
            look_out.slept(begin.elapsed());
        }
        self.lead_waiting(leased);
        true
    }

    /// Makes whatever waits, until nothing does.
    fn lead_waiting(&self, mut leased: bool) {
        while !self.queue.is_empty() {
            let Ok(_own) = Running::enter_turn(self, "") else { return };
            let turn = if std::mem::take(&mut leased) { self.turn.lock() } else { self.take_turn() };
            // If that fails the requests have been told so.
            drop(self.lead(turn, KeepWhen::AsOthers, |_| ()));
        }
    }

    /// Lets the thread end, if there is one.
    pub(super) fn end_committer(&self) {
        // With the lock: it may have looked, and not wait yet.
        let state = self.committer.state.lock();
        drop(state);
        self.committer.news.notify_all();
    }

    /// Waits until it has; `false` if it has not at the deadline. To be called when all writes are refused.
    pub(super) fn wait_for_committer(&self, deadline: Instant) -> bool {
        let mut state = self.committer.state.lock();
        while state.running {
            if Instant::now() >= deadline {
                return false;
            }
            self.committer.news.wait_until(&mut state, deadline);
        }
        true
    }
}
