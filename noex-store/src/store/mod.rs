//! The face over the engine: the store, its builder, handles to buckets, and snapshots.

mod bridging;
mod builder;
mod handle;
mod keeping;
mod listening;
#[cfg(feature = "metrics")]
mod metrics;
mod querying;
mod reader;
mod running;
mod snapshot;
mod stats;
#[cfg(test)]
mod tests;
mod transacting;
mod transaction;
mod transfer;
mod unique;
#[cfg(feature = "inspector")]
mod weak;
mod write;

pub use bridging::bridge_to_rules;
pub use builder::StoreBuilder;
pub use handle::BucketHandle;
pub use reader::{Reader, by_compound, by_index, by_unique};
pub use snapshot::Snapshot;
pub use stats::{BucketTotals, CommitStats, QueryTotals, StoreStats, Totals, TtlStats};
pub use transaction::{CommitInfo, Isolation, Transaction, TransactionBucket, TxOptions};
pub use unique::{by_unique_together, sought};

#[cfg(feature = "inspector")]
pub(crate) use weak::WeakStore;

use std::fmt;
use std::sync::Arc;

use running::{Kept, Options, Running};

use crate::bucket::Bucket;
use crate::engine::{CommitLog, Engine};
use crate::error::Error;
use crate::schema::Schema;

/// A store of buckets: a cheap handle (one `Arc`), `Clone + Send + Sync`.
///
/// Reads never wait: they load the current root, one atomic load, and look at immutable maps. Writes are made one at a time, each as
/// a commit that all readers see at once.
///
/// ```
/// use noex_store::prelude::*;
///
/// #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// #[bucket(name = "notes")]
/// struct Note {
///     #[bucket(key, generated = "autoincrement")]
///     id: u64,
///     text: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let store = Store::builder().bucket::<Note>().start().await?;
/// let notes = store.bucket::<Note>()?;
/// let note = notes.insert(Note::draft().text("hello"))?;
/// assert_eq!(notes.get(&note.id), Some(note));
/// store.stop().await?;
/// # Ok(())
/// # }
/// # impl PartialEq for Note { fn eq(&self, other: &Self) -> bool { self.id == other.id } }
/// ```
#[derive(Clone)]
pub struct Store {
    name: Arc<str>,
    engine: Arc<Engine>,
    services: Arc<Running>,
}

impl Store {
    fn new(name: Arc<str>, engine: Arc<Engine>, options: Options, kept: Option<Kept>) -> Self {
        let services = Arc::new(Running::new(&engine, options, kept));
        Self { name, engine, services }
    }

    #[cfg(test)]
    pub(crate) fn kill_a_service(&self, number: usize) {
        self.services.kill(number);
    }

    #[cfg(test)]
    pub(crate) fn put_fault(&self, fault: Option<crate::engine::Fault>) {
        self.services.live.put_fault(fault);
    }

    /// Starts the definition of a store.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let store = Store::builder().name("shop").bucket::<User>().start().await?;
    /// assert_eq!(store.name(), "shop");
    /// # Ok(()) }
    /// ```
    pub fn builder() -> StoreBuilder {
        StoreBuilder::default()
    }

    /// The store's name; `noex-store` if it was given none.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(store.name(), "noex-store");
    /// # Ok(()) }
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a bucket, and gives its handle. One commit. It is empty, unless it is [kept](StoreBuilder::persistence) from an earlier
    /// run.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # #[bucket(name = "notes")]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// let notes = store.define_bucket::<Note>()?;
    /// notes.insert(Note { id: 1 })?;
    /// assert!(matches!(store.define_bucket::<Note>(), Err(Error::BucketAlreadyExists { bucket: "notes" })));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketAlreadyExists`] if a bucket of this name is defined, [`Error::Stopped`] after [`stop`](Self::stop);
    /// [`Error::IncompatibleRecords`] if what is kept does not fit it, and what the adapter says, if it is of another schema and
    /// cannot be kept anew.
    pub fn define_bucket<B: Bucket>(&self) -> Result<BucketHandle<B>, Error> {
        let slot = match &self.services.keeper {
            Some(keeper) if B::schema().persistent => keeper.define::<B>()?,
            _ => self.engine.define::<B>()?,
        };
        Ok(BucketHandle::new(Arc::clone(&self.engine), Arc::clone(&self.services.bus), slot))
    }

    /// Takes a bucket away with all of its records. One commit. Snapshots keep what they saw; handles read as empty, and fail on
    /// writes with [`Error::BucketNotDefined`], until the bucket is defined again.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// store.drop_bucket::<User>()?;
    /// assert_eq!(users.count(), 0);
    /// let refused = users.insert(User::draft().name("Cy").email("cy@x.cz"));
    /// assert!(matches!(refused, Err(Error::BucketNotDefined { bucket: "users" })));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotDefined`] if there is none, [`Error::SchemaMismatch`] if it holds another type,
    /// [`Error::Stopped`] after [`stop`](Self::stop).
    pub fn drop_bucket<B: Bucket>(&self) -> Result<(), Error> {
        self.engine.drop_bucket::<B>()
    }

    /// The handle of a bucket. O(buckets), no allocation; keep it, handles are cheap to clone and never get stale.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let users: BucketHandle<User> = store.bucket()?;
    /// assert_eq!(users.count(), 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotDefined`] if there is none of this name, [`Error::SchemaMismatch`] if it holds another type.
    pub fn bucket<B: Bucket>(&self) -> Result<BucketHandle<B>, Error> {
        let slot = self.engine.load().find::<B>()?;
        Ok(BucketHandle::new(Arc::clone(&self.engine), Arc::clone(&self.services.bus), slot))
    }

    /// The schemas of all buckets that are defined, in the order of their first definition.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(store.buckets()[0].name, "users");
    /// # Ok(()) }
    /// ```
    pub fn buckets(&self) -> Vec<&'static Schema> {
        self.engine.load().tables().map(|table| table.schema()).collect()
    }

    /// All buckets at the latest commit, for ever: one atomic load and a reference count, whatever the store holds.
    /// A snapshot keeps the memory of what it alone still sees.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let before = store.snapshot();
    /// users.clear()?;
    /// assert_eq!(before.bucket::<User>()?.count(), 2);
    /// assert_eq!(users.count(), 0);
    /// # Ok(()) }
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.engine.load_full())
    }

    /// Takes out all records whose time to live is over, with ordinary events, and tells how many. The store does so by itself when they
    /// are due, unless it was built with a [check interval](StoreBuilder::ttl_check_interval) of zero. O(buckets + expired).
    ///
    /// In the closure of a transaction, and after [`stop`](Self::stop), it does nothing.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(store.purge_ttl(), 0, "nothing has expired");
    /// # Ok(()) }
    /// ```
    pub fn purge_ttl(&self) -> usize {
        self.engine.purge().unwrap_or_default()
    }

    /// Waits until all that follows from the commits made before this call is done: what is due has expired (unless that is done
    /// by hand), every subscription has been told, every event handler has been called, and every bridge's receiver.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let count = store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    /// let mut live = count.subscribe(())?;
    /// users.delete(&1)?;
    /// store.settle().await;
    /// assert!(live.try_next().is_some_and(|update| update.is_ok_and(|update| *update.value == 1)));
    /// # Ok(()) }
    /// ```
    pub async fn settle(&self) {
        self.services.settle(&self.engine).await;
    }

    /// The log of the latest commits, for whoever wants to follow what changes.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let mut commits = store.commits().after(store.snapshot().version());
    /// store.bucket::<Note>()?.insert(Note { id: 7 })?;
    /// let commit = commits.try_next().expect("nothing was missed").expect("there is a commit");
    /// let changes: &[Change<Note>] = commit.changes();
    /// assert_eq!(changes[0].new().map(|note| note.id), Some(7));
    /// # Ok(())
    /// # }
    /// ```
    pub fn commits(&self) -> CommitLog {
        self.engine.log().clone()
    }

    /// Stops the store: every later write and subscription fails with [`Error::Stopped`]; reads go on. Subscriptions and streams end
    /// with what the last commit brought, handlers are called with it, and the threads of the store end. Calling it again does
    /// nothing. Writes that have begun are done before it returns. Dropping the last `Store` does all of this too, and waits for nothing; handles that are left can still read.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// store.stop().await?;
    /// assert!(matches!(users.delete(&1), Err(Error::Stopped)));
    /// assert_eq!(users.count(), 2, "it can be read");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::StopTimedOut`] if writes, handlers or services were not done within the [time](StoreBuilder::stop_timeout): the store is
    /// stopped all the same, and they end when they come to it.
    pub async fn stop(&self) -> Result<(), Error> {
        self.engine.refuse_writes();
        Running::shut_down(&self.services).await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.engine.load();
        let buckets: Vec<_> = root.tables().map(|table| (table.schema().name, table.len())).collect();
        f.debug_struct("Store")
            .field("name", &self.name)
            .field("version", &root.version)
            .field("buckets", &buckets)
            .finish()
    }
}
