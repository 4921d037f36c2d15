//! The queue of one subscriber: bounded, and the oldest go first when it is full.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::flow::Flow;
use crate::engine::Version;
use crate::sync::Mutex;

/// How many events, or changes, a subscriber may be behind.
pub(crate) const CAPACITY: usize = 4096;

/// A stream has fallen behind, and so much was not kept for it: it goes on with what comes after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} were missed: the reader was too slow")]
pub struct Lagged(
    /// How many events or changes, at least.
    pub u64,
);

/// What waits for one subscriber.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    capacity: usize,
    flow: Arc<Flow>,
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    /// What the items weigh together.
    weight: usize,
    missed: u64,
    /// The last commit that was put here, or that the subscriber does not want.
    last: Version,
    waker: Option<Waker>,
    closed: bool,
}

impl<T> Queue<T> {
    /// A queue for what comes after a commit. What goes through it is counted in `flow`.
    pub(crate) fn new(after: Version, capacity: usize, flow: &Arc<Flow>) -> Self {
        let state =
            State { items: VecDeque::new(), weight: 0, missed: 0, last: after, waker: None, closed: false };
        Self { state: Mutex::new(state), capacity: capacity.max(1), flow: Arc::clone(flow) }
    }

    /// Adds what a commit brings, each with its weight, unless that has been done before. What is too much for the queue goes,
    /// the oldest first. Whether anything was added.
    pub(crate) fn push(&self, version: Version, items: impl IntoIterator<Item = (T, usize)>) -> bool {
        let mut state = self.state.lock();
        if state.closed || version <= state.last {
            return false;
        }
        state.last = version;
        let before = state.weight;
        for (item, weight) in items {
            state.weight += weight;
            state.items.push_back((item, weight));
        }
        let any = state.weight > before;
        self.flow.enter(state.weight - before);
        // What was added last stays, however much it is.
        while state.weight > self.capacity
            && state.items.len() > 1
            && let Some((_, weight)) = state.items.pop_front()
        {
            state.weight -= weight;
            state.missed += weight as u64;
            self.flow.missed.add(weight);
            self.flow.leave(weight);
        }
        let waker = if any { state.waker.take() } else { None };
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        any
    }

    /// Notes that something was lost on the way here.
    pub(crate) fn miss(&self, missed: u64) {
        self.flow.missed.add(missed as usize);
        let mut state = self.state.lock();
        state.missed += missed;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// The next item, or how many were missed before it; `None` if there is nothing.
    pub(crate) fn pop(&self) -> Option<Result<T, Lagged>> {
        let mut state = self.state.lock();
        self.next(&mut state)
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Option<Result<T, Lagged>>> {
        let mut state = self.state.lock();
        if let Some(item) = self.next(&mut state) {
            return Poll::Ready(Some(item));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn next(&self, state: &mut State<T>) -> Option<Result<T, Lagged>> {
        if state.missed > 0 {
            return Some(Err(Lagged(std::mem::take(&mut state.missed))));
        }
        let (item, weight) = state.items.pop_front()?;
        state.weight -= weight;
        self.flow.leave(weight);
        Some(Ok(item))
    }

    pub(crate) fn len(&self) -> usize {
        self.state.lock().weight
    }

    /// Takes nothing more; what is there can still be taken.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        self.flow.leave(self.state.lock().weight);
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(queue: &Queue<u32>) -> Vec<Result<u32, u64>> {
        std::iter::from_fn(|| queue.pop()).map(|item| item.map_err(|lagged| lagged.0)).collect()
    }

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let flow = Arc::new(Flow::default());
        let queue = Queue::new(Version(0), 3, &flow);
        for version in 1..=5 {
            queue.push(Version(version), [(version as u32, 1)]);
        }
        assert_eq!(all(&queue), [Err(2), Ok(3), Ok(4), Ok(5)]);
        queue.push(Version(6), [(6, 9)]);
        assert_eq!(all(&queue), [Ok(6)], "one that is too big by itself");
        queue.push(Version(7), [(7, 1), (8, 3)]);
        assert_eq!(all(&queue), [Err(1), Ok(8)]);
        queue.miss(4);
        assert_eq!(all(&queue), [Err(4)]);
        assert_eq!((flow.told.get(), flow.missed.get(), flow.waiting()), (18, 7, 0));
        queue.push(Version(8), [(9, 2)]);
        assert_eq!(flow.waiting(), 2);
        drop(queue);
        assert_eq!(flow.waiting(), 0);
    }

    #[test]
    fn a_commit_is_taken_once_and_only_after_the_beginning() {
        let queue = Queue::new(Version(3), 10, &Arc::default());
        assert!(!queue.push(Version(3), [(3, 1)]));
        assert!(queue.push(Version(4), [(4, 1)]));
        assert!(!queue.push(Version(4), [(4, 1)]));
        assert_eq!(all(&queue), [Ok(4)]);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has() {
        let queue = Queue::new(Version(0), 10, &Arc::default());
        queue.push(Version(1), [(1, 1)]);
        queue.close();
        assert!(!queue.push(Version(2), [(2, 1)]));
        let context = Context::from_waker(Waker::noop());
        assert!(matches!(queue.poll(&context), Poll::Ready(Some(Ok(1)))));
        assert!(matches!(queue.poll(&context), Poll::Ready(None)));
    }
}
