//! Writes that wait for whoever has the turn, and how they are told.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::bell::Bell;
use super::turn::{Batch, Place};
use super::{Commit, Write};
use crate::error::Error;
use crate::sync::{Condvar, Mutex};

/// The writes that wait for the turn, in the order in which they came.
///
/// Invariant: whoever lets go of the turn looks here afterwards, or will take the turn again. So a write that came while the turn was taken is either made by
/// the holder, or its thread is told to lead; and one that came later finds the turn free.
#[derive(Default)]
pub(super) struct Queue {
    requests: Mutex<VecDeque<Arc<dyn RunOnce>>>,
    /// Where the threads wait whose writes go to a disk first.
    pub(super) bell: Bell,
}

impl Queue {
    pub(super) fn push(&self, request: Arc<dyn RunOnce>) {
        self.requests.lock().push_back(request);
    }

    /// Adds a write of somebody who has reserved the turn.
    pub(super) fn push_first(&self, request: Arc<dyn RunOnce>) {
        self.requests.lock().push_front(request);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.lock().is_empty()
    }

    pub(super) fn pop(&self) -> Option<Arc<dyn RunOnce>> {
        self.requests.lock().pop_front()
    }

    /// Tells the first to take the turn, which was let go.
    pub(super) fn lead(&self) {
        let first = self.requests.lock().front().cloned();
        if let Some(first) = first {
            first.tell(Told::Lead);
            self.bell.ring();
        }
    }
}

/// What a thread that waits for its write is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    /// The turn is free: take it.
    Lead,
    /// The write is made and published, or refused.
    Done,
}

/// A write that another thread may make.
pub(super) trait RunOnce: Send + Sync {
    fn run(&self, batch: &mut Batch<'_>);
    /// What it has made is not published.
    fn fail(&self, error: &Error);
    fn tell(&self, told: Told);
}

type Outcome<T, E> = Result<(T, Option<Arc<Commit>>), E>;

/// A write, and then its outcome.
pub(super) struct Request<T, E, F> {
    place: Place,
    write: Mutex<Option<F>>,
    outcome: Mutex<Option<Outcome<T, E>>>,
    told: Mutex<Told>,
    news: Condvar,
    /// The task that waits, if it is one.
    waker: Mutex<Option<Waker>>,
}

impl<T, E, F> Request<T, E, F> {
    pub(super) fn new(place: Place, write: F) -> Self {
        Self {
            place,
            write: Mutex::new(Some(write)),
            outcome: Mutex::new(None),
            told: Mutex::new(Told::Nothing),
            news: Condvar::new(),
            waker: Mutex::default(),
        }
    }

    /// The outcome, for a task; its write is led by another thread.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<Outcome<T, E>> {
        // Before the look: whoever tells takes it afterwards.
        *self.waker.lock() = Some(context.waker().clone());
        let told = *self.told.lock();
        let outcome = if told == Told::Done { self.outcome.lock().take() } else { None };
        outcome.map_or(Poll::Pending, Poll::Ready)
    }

    /// Waits until there is an outcome, or the thread is to lead; at the bell, if there is one.
    pub(super) fn wait(&self, bell: Option<&Bell>) -> Option<Outcome<T, E>> {
        if let Some(bell) = bell {
            bell.wait_until(|| *self.told.lock() != Told::Nothing);
        }
        let mut told = self.told.lock();
        while *told == Told::Nothing {
            self.news.wait(&mut told);
        }
        match *told {
            Told::Done => self.outcome.lock().take(),
            _ => {
                *told = Told::Nothing;
                None
            }
        }
    }
}

impl<T, E, F> RunOnce for Request<T, E, F>
where
    T: Send,
    E: From<Error> + Send,
    F: FnOnce(&mut Write) -> Result<T, E> + Send,
{
    fn run(&self, batch: &mut Batch<'_>) {
        if let Some(write) = self.write.lock().take() {
            let outcome = batch.run(&self.place, write);
            *self.outcome.lock() = Some(outcome);
        }
    }

    fn fail(&self, error: &Error) {
        *self.outcome.lock() = Some(Err(error.clone().into()));
    }

    fn tell(&self, now: Told) {
        let mut told = self.told.lock();
        if *told != Told::Done {
            *told = now;
        }
        drop(told);
        self.news.notify_one();
        if now == Told::Done {
            let waker = self.waker.lock().take();
            // It is another's code, and what it does is nothing to those who are told after it.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.into_iter().for_each(Waker::wake)));
        }
    }
}
