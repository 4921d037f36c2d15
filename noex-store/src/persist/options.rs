//! How commits are kept.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::adapter::StorageAdapter;
use super::progress::{LoadProgress, OnProgress};
use crate::error::Error;

/// When a commit is on the disk.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let persistence = Persistence::new(MemoryAdapter::new()).durability(Durability::Immediate);
/// let store = Store::builder().bucket::<User>().persistence(persistence).start().await?;
/// store.bucket::<User>()?.insert(User::draft().name("Ann").email("a@x.cz"))?;
/// assert_eq!(store.durable_version(), store.snapshot().version());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// So long after it was made at the latest, with all that were made meanwhile: what was made since is lost in a crash.
    /// A commit does not wait; its records are made to JSON later, in a thread of the store. While one of them has no JSON, it and what
    /// was committed after it is not kept, which [`flush`](crate::Store::flush) and [`on_error`](crate::Persistence::on_error) tell.
    Debounced(Duration),
    /// Before anybody sees it: a write returns when its commit is on the disk, and fails if it cannot be. Writes that wait at the
    /// same time share one sync. A write of a handle blocks its thread meanwhile; in a task,
    /// [`transaction_async`](crate::Store::transaction_async) does not. A write that failed is taken back on the disk too, as soon as that lets it: only if the machine
    /// stops before, it may be there at the next start.
    Immediate,
}

impl Default for Durability {
    fn default() -> Self {
        Self::Debounced(Duration::from_millis(100))
    }
}

pub(super) type OnError = Arc<dyn Fn(&Error) + Send + Sync>;

/// How commits are kept, for [`StoreBuilder::persistence`](crate::StoreBuilder::persistence).
///
/// ```
/// use noex_store::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let persistence = Persistence::new(MemoryAdapter::new())
///     .debounce(Duration::from_millis(200))
///     .on_error(|error| eprintln!("{error}"));
/// let store = Store::builder().persistence(persistence).start().await?;
/// assert_eq!(store.stats().persistence.adapter, Some("memory"));
/// # store.stop().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "give it to the builder of a store"]
pub struct Persistence {
    pub(crate) adapter: Arc<dyn StorageAdapter>,
    pub(crate) durability: Durability,
    pub(crate) on_error: Option<OnError>,
    pub(crate) on_progress: Option<OnProgress>,
}

impl Persistence {
    /// Has an adapter keep the commits, [debounced](Durability::Debounced) by 100 ms.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let persistence = Persistence::new(MemoryAdapter::new());
    /// # let _ = persistence;
    /// ```
    pub fn new(adapter: impl StorageAdapter) -> Self {
        Self {
            adapter: Arc::new(adapter),
            durability: Durability::default(),
            on_error: None,
            on_progress: None,
        }
    }

    /// How long commits are gathered before they are written: at most so much is lost in a crash.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let at_most_a_second = Persistence::new(MemoryAdapter::new()).debounce(Duration::from_secs(1));
    /// # let _ = at_most_a_second;
    /// ```
    pub fn debounce(self, time: Duration) -> Self {
        self.durability(Durability::Debounced(time))
    }

    /// When a commit is on the disk.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let at_once = Persistence::new(MemoryAdapter::new()).durability(Durability::Immediate);
    /// # let _ = at_once;
    /// ```
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Calls a function while a store starts with what was kept: now and then, and when a bucket is ready. It runs in a thread of the
    /// store; what it does delays the start.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # let kept = MemoryAdapter::new();
    /// let persistence = Persistence::new(kept).on_progress(|progress| {
    ///     let percent = 100 * progress.bytes / progress.all_bytes.max(1);
    ///     eprintln!("{percent} % read, {} of {} buckets ready", progress.buckets, progress.all_buckets);
    /// });
    /// # let _ = persistence;
    /// ```
    pub fn on_progress(mut self, call: impl Fn(LoadProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(call));
        self
    }

    /// Calls a function when commits cannot be written. They are tried again after 10 ms, then after twice as long each time, up to 5 s;
    /// a [`flush`](crate::Store::flush) or a stop has them tried at once. The function runs in a thread of the store, or, with
    /// [`Durability::Immediate`], in that of the writer and in the middle of its write: others wait for it, and what it writes
    /// to a store itself is refused.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let persistence = Persistence::new(MemoryAdapter::new()).on_error(|error| eprintln!("not kept yet: {error}"));
    /// # let _ = persistence;
    /// ```
    pub fn on_error(mut self, call: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(call));
        self
    }
}

impl fmt::Debug for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persistence")
            .field("adapter", &self.adapter)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}
