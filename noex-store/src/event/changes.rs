//! The changes of one bucket as a typed stream.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::bus::{Bus, Registration, Sink, Wanted};
use super::event::Event;
use super::queue::{CAPACITY, Lagged, Queue};
use crate::bucket::Bucket;
use crate::engine::{Change, Commit, Version};
use crate::error::Error;

/// The changes of a bucket in the order of the commits: a [`Stream`], and [`next`](Self::next). Made by
/// [`BucketHandle::changes`](crate::BucketHandle::changes) and
/// [`changes_since`](crate::BucketHandle::changes_since); ends when the store is stopped, or this is dropped.
///
/// Up to 4,096 changes wait to be read, and the latest commit whatever its size. Whoever falls further behind is told how many were
/// missed, and goes on with the oldest that is still there.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let mut changes = users.changes();
/// users.insert(User::draft().name("Cy").email("cy@x.cz"))?;
/// assert!(matches!(changes.next().await, Some(Ok(Change::Inserted(cy))) if cy.name == "Cy"));
/// # Ok(()) }
/// ```
#[must_use = "dropping the stream ends it"]
pub struct Changes<B: Bucket> {
    sink: Arc<Commits<B>>,
    registration: Option<Registration>,
    /// What is left of the commit that is being read.
    rest: VecDeque<Change<B>>,
    version: Version,
    time: u64,
}

struct Commits<B> {
    queue: Queue<Arc<Commit>>,
    bucket: std::marker::PhantomData<fn(B)>,
}

impl<B: Bucket> Sink for Commits<B> {
    fn take(self: Arc<Self>, commit: &Arc<Commit>, _: Vec<Arc<Event>>) {
        let weight = commit.changes::<B>().len();
        if weight > 0 {
            self.queue.push(commit.version(), [(Arc::clone(commit), weight)]);
        }
    }

    fn miss(&self, commits: u64) {
        self.queue.miss(commits);
    }

    fn close(&self) {
        self.queue.close();
    }
}

impl<B: Bucket> Changes<B> {
    /// The changes after a commit; from now on, if none is given.
    pub(crate) fn new(bus: &Arc<Bus>, since: Option<Version>) -> Result<Self, Error> {
        let make = |after| {
            let queue = Queue::new(after, CAPACITY, bus.flow());
            Arc::new(Commits { queue, bucket: std::marker::PhantomData })
        };
        let (sink, registration) = bus.add(Wanted::Bucket(B::NAME), since, make)?;
        Ok(Self::of(sink, Some(registration)))
    }

    /// A stream that has ended: that of a store which is stopped.
    pub(crate) fn ended() -> Self {
        let queue = Queue::new(Version(0), 1, &Arc::default());
        queue.close();
        Self::of(Arc::new(Commits { queue, bucket: std::marker::PhantomData }), None)
    }

    fn of(sink: Arc<Commits<B>>, registration: Option<Registration>) -> Self {
        Self { sink, registration, rest: VecDeque::new(), version: Version(0), time: 0 }
    }

    /// The commit of the change that was read last; 0 before the first. To go on from there another time, read all of its changes,
    /// and give it to [`changes_since`](crate::BucketHandle::changes_since).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut changes = users.changes();
    /// users.delete(&1)?;
    /// changes.next().await.expect("open")?;
    /// assert_eq!(changes.version(), store.snapshot().version());
    /// # Ok(()) }
    /// ```
    pub fn version(&self) -> Version {
        self.version
    }

    /// When that commit was made, in milliseconds since 1970-01-01 UTC.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut changes = users.changes();
    /// users.delete(&1)?;
    /// changes.next().await.expect("open")?;
    /// assert_eq!(changes.time(), store.snapshot().time());
    /// # Ok(()) }
    /// ```
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Waits for the next change; `None` when the store is stopped and all has been read.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut changes = users.changes();
    /// users.update(&1, User::patch().age(31))?;
    /// let change = changes.next().await.expect("open")?;
    /// assert_eq!(change.old().expect("there was one").age, Some(30));
    /// # Ok(()) }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Change<B>, Lagged>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// The next change, if there is one now.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut changes = users.changes();
    /// assert!(changes.try_next().is_none());
    /// users.delete(&1)?;
    /// store.settle().await;
    /// assert!(matches!(changes.try_next(), Some(Ok(Change::Deleted { .. }))));
    /// # Ok(()) }
    /// ```
    pub fn try_next(&mut self) -> Option<Result<Change<B>, Lagged>> {
        loop {
            if let Some(change) = self.rest.pop_front() {
                return Some(Ok(change));
            }
            match self.sink.queue.pop()? {
                Ok(commit) => self.open(&commit),
                Err(lagged) => return Some(Err(lagged)),
            }
        }
    }

    fn open(&mut self, commit: &Commit) {
        (self.version, self.time) = (commit.version(), commit.time());
        self.rest.extend(commit.changes::<B>().iter().cloned());
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Option<Result<Change<B>, Lagged>>> {
        loop {
            if let Some(change) = self.rest.pop_front() {
                return Poll::Ready(Some(Ok(change)));
            }
            match std::task::ready!(self.sink.queue.poll(context)) {
                Some(Ok(commit)) => self.open(&commit),
                Some(Err(lagged)) => return Poll::Ready(Some(Err(lagged))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<B: Bucket> Stream for Changes<B> {
    type Item = Result<Change<B>, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

impl<B: Bucket> Unpin for Changes<B> {}

impl<B: Bucket> fmt::Debug for Changes<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("bucket", &B::NAME)
            .field("pending", &self.sink.queue.len())
            .field("open", &self.registration.is_some())
            .finish_non_exhaustive()
    }
}
