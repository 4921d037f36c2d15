//! Following the answer of a query.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use super::core::Cause;
use super::memo::Answer;
use crate::engine::Version;
use crate::error::Error;
use crate::service::Parker;
use crate::sync::{Mutex, spawn};

/// A new answer of a query.
#[derive(Debug)]
#[non_exhaustive]
pub struct Update<T> {
    /// The answer.
    pub value: Arc<T>,
    /// The commit that it is the answer of. Grows from update to update.
    pub version: Version,
    cause: Option<Cause>,
}

impl<T> Update<T> {
    /// What made the query run again: the first change that touched what it had read since its answer before. `None` for the first
    /// answer.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ages = store.define_query("ages", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.sum(User::AGE)))?;
    /// let mut live = ages.subscribe(())?;
    /// assert_eq!(*live.next().await.expect("open")?.value, 30);
    /// users.update(&2, User::patch().age(12))?;
    /// let update = live.next().await.expect("open")?;
    /// assert_eq!(update.cause().expect("a change").key, "2");
    /// # Ok(()) }
    /// ```
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }
}

impl<T> Clone for Update<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), version: self.version, cause: self.cause.clone() }
    }
}

/// Where one subscriber finds the latest answer: room for one, which the next one takes the place of.
pub(super) struct Slot<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    pending: Option<Result<Update<T>, Error>>,
    /// The stamp and the version of the last answer that was put here.
    last: Option<(u64, Version)>,
    /// What the subscriber was told last.
    told: Option<Result<Arc<T>, Error>>,
    waker: Option<Waker>,
    /// Set when nothing more comes; what is pending can still be read.
    ended: bool,
    closed: bool,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        let state = State { pending: None, last: None, told: None, waker: None, ended: false, closed: false };
        Self { state: Mutex::new(state) }
    }
}

impl<T: PartialEq> Slot<T> {
    /// Puts an answer here, unless it is older than the last one, or the same.
    pub(super) fn put(&self, answer: &Answer<T>, cause: Option<&Cause>) {
        let mut state = self.state.lock();
        match state.last {
            _ if state.closed || state.ended => return,
            Some((_, version)) if answer.version < version => return,
            Some((stamp, _)) if stamp == answer.stamp => {
                state.last = Some((stamp, answer.version));
                return;
            }
            _ => {}
        }
        state.last = Some((answer.stamp, answer.version));
        let told_already = match (&state.told, &answer.value) {
            // A comparison that panics tells nothing apart.
            (Some(Ok(told)), Ok(value)) => catch_unwind(AssertUnwindSafe(|| told == value)).unwrap_or(false),
            (Some(Err(told)), Err(error)) => told == error,
            _ => false,
        };
        if told_already {
            // There and back again before anybody looked.
            state.pending = None;
            return;
        }
        state.pending = Some(answer.value.clone().map(|value| Update {
            value,
            version: answer.version,
            cause: cause.cloned(),
        }));
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Slot<T> {
    fn poll(&self, context: &Context<'_>) -> Poll<Option<Result<Update<T>, Error>>> {
        let mut state = self.state.lock();
        if state.closed {
            return Poll::Ready(None);
        }
        if let Some(update) = state.pending.take() {
            state.told = Some(update.as_ref().map(|update| Arc::clone(&update.value)).map_err(Clone::clone));
            return Poll::Ready(Some(update));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Nothing more comes; with an error, that is the last.
    pub(super) fn end(&self, error: Option<Error>) {
        let mut state = self.state.lock();
        state.ended = true;
        if let Some(error) = error {
            state.pending = Some(Err(error));
        }
        if let Some(waker) = state.waker.take() {
            drop(state);
            waker.wake();
        }
    }

    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.pending = None;
        if let Some(waker) = state.waker.take() {
            drop(state);
            waker.wake();
        }
    }
}

/// The answers of a query as they change: a [`Stream`], and [`next`](Self::next). Ends when it is dropped.
///
/// The first item is the current answer; then comes the latest after each change. Whoever is slow misses those in between,
/// never the last, and keeps nobody waiting: there is room for one. A query that fails gives the error as an item, and goes on.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let oldest = store.define_query("oldest", |ctx: &QueryCtx<'_>, (): &()| {
///     Ok(ctx.bucket::<User>()?.order_by(User::AGE.desc()).limit(1).collect())
/// })?;
/// let mut live = oldest.subscribe(())?;
/// assert_eq!(live.next().await.expect("open")?.value[0].name, "Ann");
/// users.update(&2, User::patch().age(40))?;
/// assert_eq!(live.next().await.expect("open")?.value[0].name, "Ben");
/// # Ok(()) }
/// ```
#[must_use = "dropping a subscription ends it"]
pub struct Subscription<T> {
    slot: Arc<Slot<T>>,
    release: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl<T> Subscription<T> {
    pub(super) fn new(slot: Arc<Slot<T>>, release: Box<dyn FnOnce() + Send + Sync>) -> Self {
        Self { slot, release: Some(release) }
    }

    /// Waits for the next answer.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ages = store.define_query("ages", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.sum(User::AGE)))?;
    /// let mut live = ages.subscribe(())?;
    /// assert_eq!(*live.next().await.expect("open")?.value, 30);
    /// users.update(&2, User::patch().age(12))?;
    /// assert_eq!(*live.next().await.expect("open")?.value, 42);
    /// # Ok(()) }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Update<T>, Error>> {
        poll_fn(|context| self.slot.poll(context)).await
    }

    /// The next answer, if there is one now.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ages = store.define_query("ages", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.sum(User::AGE)))?;
    /// let mut live = ages.subscribe(())?;
    /// assert_eq!(*live.next().await.expect("open")?.value, 30);
    /// users.update(&2, User::patch().name("Bob"))?;
    /// store.settle().await;
    /// assert!(live.try_next().is_none(), "that changed no age");
    /// # Ok(()) }
    /// ```
    pub fn try_next(&mut self) -> Option<Result<Update<T>, Error>> {
        match self.slot.poll(&Context::from_waker(Waker::noop())) {
            Poll::Ready(update) => update,
            Poll::Pending => None,
        }
    }
}

impl<T> Stream for Subscription<T> {
    type Item = Result<Update<T>, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.slot.poll(context)
    }
}

impl<T> Unpin for Subscription<T> {}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.slot.close();
        // Its place in the memo goes first, so that the memo is seen to be free.
        self.slot = Arc::new(Slot::default());
        if let Some(release) = self.release.take() {
            release();
        }
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// Ends the calls of [`Query::on_change`](crate::Query::on_change) when it is dropped; one that is under way comes to its end.
#[must_use = "dropping the guard ends the calls"]
pub struct ChangeGuard {
    close: Box<dyn Fn() + Send + Sync>,
}

impl ChangeGuard {
    pub(super) fn start<T: Send + Sync + 'static>(
        subscription: Subscription<T>,
        mut call: impl FnMut(&T) + Send + 'static,
    ) -> Self {
        let slot = Arc::clone(&subscription.slot);
        let work = move || {
            let subscription = subscription;
            let parker = Arc::new(Parker::default());
            loop {
                let next = poll_fn(|context| subscription.slot.poll(context));
                match parker.block_on(next, None, || false).flatten() {
                    None => return,
                    // A call that panics is the caller's; the next change calls it again.
                    Some(Ok(update)) => {
                        if catch_unwind(AssertUnwindSafe(|| call(&update.value))).is_err() {
                            tracing::error!("a callback of `on_change` panicked");
                        }
                    }
                    Some(Err(_)) => {}
                }
            }
        };
        let _ = spawn("noex-store on_change", work);
        Self { close: Box::new(move || slot.close()) }
    }
}

impl Drop for ChangeGuard {
    fn drop(&mut self) {
        (self.close)();
    }
}

impl fmt::Debug for ChangeGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeGuard").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: u32, stamp: u64, version: u64) -> Answer<u32> {
        Answer { value: Ok(Arc::new(value)), stamp, version: Version(version) }
    }

    fn look(slot: &Slot<u32>) -> Option<(u32, u64)> {
        match slot.poll(&Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(update))) => Some((*update.value, update.version.get())),
            _ => None,
        }
    }

    #[test]
    fn an_older_answer_does_not_take_the_place_of_a_newer_one() {
        let slot = Slot::default();
        slot.put(&answer(5, 2, 5), None);
        slot.put(&answer(3, 1, 3), None);
        assert_eq!(look(&slot), Some((5, 5)));
        slot.put(&answer(4, 3, 4), None);
        assert_eq!(look(&slot), None);
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let slot = Slot::default();
        slot.put(&answer(5, 1, 1), None);
        assert_eq!(look(&slot), Some((5, 1)));
        // The same answer, at a later commit.
        slot.put(&answer(5, 1, 2), None);
        assert_eq!(look(&slot), None);
        // There and back again.
        slot.put(&answer(6, 2, 3), None);
        slot.put(&answer(5, 3, 4), None);
        assert_eq!(look(&slot), None);
        slot.put(&answer(7, 4, 5), None);
        slot.put(&answer(8, 5, 6), None);
        assert_eq!(look(&slot), Some((8, 6)), "the latest");
    }

    #[test]
    fn an_ended_slot_gives_what_it_has() {
        let slot = Slot::default();
        slot.put(&answer(1, 1, 1), None);
        slot.end(None);
        slot.put(&answer(2, 2, 2), None);
        assert_eq!(look(&slot), Some((1, 1)));
        assert!(matches!(slot.poll(&Context::from_waker(Waker::noop())), Poll::Ready(None)));
    }

    #[test]
    fn a_closed_slot_gives_and_takes_nothing() {
        let slot = Slot::default();
        slot.put(&answer(1, 1, 1), None);
        slot.close();
        slot.put(&answer(2, 2, 2), None);
        assert!(matches!(slot.poll(&Context::from_waker(Waker::noop())), Poll::Ready(None)));
    }
}
