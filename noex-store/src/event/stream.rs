//! Events as a stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::bus::{Bus, Registration, Sink, Wanted};
use super::event::Event;
use super::queue::{CAPACITY, Lagged, Queue};
use crate::engine::{Commit, Version};
use crate::error::Error;

/// The events that match a pattern, from its making on: a [`Stream`], and [`next`](Self::next). Made by
/// [`Store::events`](crate::Store::events); ends when the store is stopped, or this is dropped.
///
/// Up to 4,096 events wait to be read. Whoever falls further behind is told how many were missed, and goes on with the oldest
/// that is still there; nobody waits for a slow reader.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let mut events = store.events("bucket.*.deleted")?;
/// users.delete(&1)?;
/// assert!(events.next().await.expect("open")?.reason() == Some(Reason::Deleted));
/// # Ok(()) }
/// ```
#[must_use = "dropping the stream ends it"]
pub struct EventStream {
    sink: Arc<Events>,
    _registration: Registration,
}

struct Events {
    queue: Queue<Arc<Event>>,
}

impl Sink for Events {
    fn take(self: Arc<Self>, commit: &Arc<Commit>, events: Vec<Arc<Event>>) {
        self.queue.push(commit.version(), events.into_iter().map(|event| (event, 1)));
    }

    fn miss(&self, commits: u64) {
        self.queue.miss(commits);
    }

    fn close(&self) {
        self.queue.close();
    }
}

impl EventStream {
    pub(crate) fn new(bus: &Arc<Bus>, pattern: &str, since: Option<Version>) -> Result<Self, Error> {
        let make = |after| Arc::new(Events { queue: Queue::new(after, CAPACITY, bus.flow()) });
        let (sink, registration) = bus.add(Wanted::Pattern(pattern.parse()?), since, make)?;
        Ok(Self { sink, _registration: registration })
    }

    /// Waits for the next event; `None` when the store is stopped and all has been read.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.delete(&1)?;
    /// assert_eq!(events.next().await.expect("open")?.topic(), "bucket.users.deleted");
    /// # Ok(()) }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Arc<Event>, Lagged>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// The next event, if there is one now.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// assert!(events.try_next().is_none(), "nothing has happened since");
    /// # Ok(()) }
    /// ```
    pub fn try_next(&mut self) -> Option<Result<Arc<Event>, Lagged>> {
        self.sink.queue.pop()
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Option<Result<Arc<Event>, Lagged>>> {
        self.sink.queue.poll(context)
    }
}

impl Stream for EventStream {
    type Item = Result<Arc<Event>, Lagged>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

impl Unpin for EventStream {}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("pending", &self.sink.queue.len()).finish_non_exhaustive()
    }
}
