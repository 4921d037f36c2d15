//! Transactions: reads and writes of many buckets that are one commit, or nothing.

mod bucket;
mod options;
mod run;

pub use bucket::TransactionBucket;
pub use options::{Isolation, TxOptions};
pub(super) use run::{run, run_async};

use std::fmt;
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::clock::Moment;
use crate::engine::{self, Commit, Engine, Refused, Tracking, Version};
use crate::error::Error;
use crate::persist::Durability;
use crate::service::aside;

/// A transaction: all that it reads is one snapshot with its own writes laid over, and all that it writes is one commit.
///
/// [`Store::transaction`](crate::Store::transaction) hands one to a closure, commits it, and repeats the closure when another
/// writer was faster. [`Store::begin`](crate::Store::begin) gives one to be committed by hand. Dropping it without
/// [`commit`](Self::commit) leaves nothing behind. It is `Send + Sync`, and may be held over an `await`.
///
/// ```
#[doc = include_str!("../../../doc/users.txt")]
/// let ann = store.transaction(|tx| {
///     let users = tx.bucket::<User>()?;
///     let ann = users.require(&1)?;
///     users.update(&2, User::patch().age(ann.age.unwrap_or(18)))?;
///     assert_eq!(users.require(&2)?.age, Some(30), "it sees its own writes");
///     Ok::<_, Error>(ann)
/// })?;
/// assert_eq!(users.require(&2)?.age, ann.age);
/// # Ok(()) }
/// ```
///
/// # What it promises
///
/// | | [`Serializable`](Isolation::Serializable) (default) | [`Snapshot`](Isolation::Snapshot) |
/// | --- | --- | --- |
/// | dirty write (G0), aborted, intermediate or circular read (G1a, G1b, G1c) | no | no |
/// | observed transaction vanishes (OTV), predicate-many-preceders (PMP) | no | no |
/// | lost update (P4), read skew (G-single) | no | no |
/// | write skew over records (G2-item) or conditions (G2), phantoms | **no** | possible |
/// | unique values, primary keys | hold | hold |
/// | a transaction that only reads | never conflicts | never conflicts |
///
/// Serializable means: the outcome is one that the transactions could have had one after the other, in the order of their commits (strict
/// serializability, since a transaction also sees all that was committed before it began). Whatever it read is checked when it
/// commits, also what it did not find: a key, a range of an index, a condition, the end of a page. The names are those of Adya,
/// *Weak Consistency* (1999), and of the isolation tests that are run against most databases.
///
/// # Rules
///
/// - A record has one change in a commit, whatever was done to it: its version grows by one, and inserting and deleting it
///   is nothing at all. Deleting it and inserting its key again replaces it.
/// - Generated values never repeat; those of a transaction that failed are gaps.
/// - Records that a transaction gives for its own writes are provisional: their times are those of the call, and become those of
///   the commit. A [`Cursor`](crate::Cursor) after such a record is good only inside of the transaction.
/// - What a handle of the store reads inside of a transaction is the latest commit: no part of the snapshot, and not checked. A handle's
///   write inside of the closure is [`Error::NestedWrite`].
pub struct Transaction {
    engine: Arc<Engine>,
    inner: engine::Transaction,
}

/// What became of a transaction.
///
/// ```
#[doc = include_str!("../../../doc/users.txt")]
/// let tx = store.begin();
/// tx.bucket::<User>()?.delete(&1)?;
/// let info = tx.commit()?;
/// assert_eq!(info.version, store.snapshot().version());
/// assert!(info.commit.is_some_and(|commit| commit.len() == 1));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CommitInfo {
    /// The number of the commit; of the snapshot, if the transaction changed nothing.
    pub version: Version,
    /// When it was made, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The commit itself; `None` if the transaction changed nothing.
    pub commit: Option<Arc<Commit>>,
}

impl Transaction {
    pub(crate) fn new(engine: Arc<Engine>, isolation: Isolation) -> Self {
        Self::with_tracking(engine, Tracking::new(isolation == Isolation::Serializable))
    }

    pub(crate) fn with_tracking(engine: Arc<Engine>, tracking: Tracking) -> Self {
        let inner = engine::Transaction::new(engine.load_full(), tracking);
        Self { engine, inner }
    }

    /// The bucket as this transaction sees it: all that can be asked of a bucket, and its writes. O(buckets).
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// let tx = store.begin();
    /// assert_eq!(tx.bucket::<User>()?.by_name("Ann").len(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotDefined`] if there was none of this name when the transaction began, [`Error::SchemaMismatch`]
    /// if it held another type.
    pub fn bucket<B: Bucket>(&self) -> Result<TransactionBucket<'_, B>, Error> {
        if self.inner.is_read_only() {
            let root = self.inner.base();
            return Ok(TransactionBucket::read_only(self, Arc::clone(root), root.find::<B>()?));
        }
        let (slot, part) = self.inner.part::<B>()?;
        Ok(TransactionBucket::new(self, part, slot))
    }

    /// The number of the commit that the transaction sees.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// let tx = store.begin();
    /// users.delete(&1)?;
    /// assert!(tx.base_version() < store.snapshot().version());
    /// assert_eq!(tx.bucket::<User>()?.count(), 2, "as it was");
    /// # Ok(()) }
    /// ```
    pub fn base_version(&self) -> Version {
        self.inner.base().version
    }

    /// Runs a part of the transaction that can fail alone: if the closure fails or panics, its writes are taken back, and those
    /// made before it stay. What it read stays read, since it may have decided what came after. Savepoints can be nested.
    /// O(writes) to take back.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// store.transaction(|tx| {
    ///     let notes = tx.bucket::<Note>()?;
    ///     notes.insert(Note { id: 1 })?;
    ///     let tried = tx.savepoint(|_| {
    ///         notes.insert(Note { id: 2 })?;
    ///         notes.insert(Note { id: 1 }) // is there already
    ///     });
    ///     assert!(tried.is_err());
    ///     assert_eq!(notes.count(), 1);
    ///     Ok::<_, Error>(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the closure.
    pub fn savepoint<T, E>(&self, part: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        let savepoint = Savepoint::new(&self.inner);
        let done = part(self)?;
        savepoint.release();
        Ok(done)
    }

    /// As [`savepoint`](Self::savepoint), with an async closure. It is taken back too when its future is dropped.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store
    ///     .transaction_async(async |tx| {
    ///         let users = tx.bucket::<User>()?;
    ///         let tried = tx.savepoint_async(async |_| users.insert(User::draft().name("Cy").email("ann@x.cz"))).await;
    ///         assert!(matches!(tried, Err(Error::UniqueConstraint { .. })));
    ///         users.delete(&2)
    ///     })
    ///     .await?;
    /// assert_eq!(users.count(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of the closure.
    pub async fn savepoint_async<T, E>(&self, part: impl AsyncFnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        let savepoint = Savepoint::new(&self.inner);
        let done = part(self).await?;
        savepoint.release();
        Ok(done)
    }

    /// Makes all writes one commit, which all readers see at once. One that wrote nothing always succeeds.
    /// O(reads + changes of others since it began), and O(log n) for each index and record written.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// let (first, second) = (store.begin(), store.begin());
    /// for tx in [&first, &second] {
    ///     tx.bucket::<User>()?.modify(&1, |user| user.age = user.age.map(|age| age + 1))?;
    /// }
    /// first.commit()?;
    /// // It has read what the first one has changed.
    /// assert!(matches!(second.commit(), Err(Error::TransactionConflict { bucket: "users", .. })));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::TransactionConflict`] if another writer changed what this one read or wrote: begin again.
    /// [`Error::NestedWrite`] inside of the closure of another transaction, [`Error::Stopped`], [`Error::Panicked`]. In a store that is
    /// durable at once also [`Error::NotStorable`], and [`Error::Persistence`] and what else the adapter says; then nothing of it has happened.
    pub fn commit(self) -> Result<CommitInfo, Error> {
        self.try_commit(false, None).map_err(|refused| refused.into_error(1))
    }

    /// As [`commit`](Self::commit), with a [durability](TxOptions::durability) of its own. With [`Durability::Immediate`] it blocks until
    /// the commit is on the disk.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().persistence(Persistence::new(MemoryAdapter::new())).start().await?;
    /// let tx = store.begin();
    /// tx.bucket::<Note>()?.insert(Note { id: 1 })?;
    /// let version = tx.commit_with(Durability::Immediate)?.version;
    /// assert_eq!(store.durable_version(), version);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As there, and [`Error::PersistenceRequired`] if the store has none; [`Error::Persistence`] and what else the adapter says.
    pub fn commit_with(self, durability: Durability) -> Result<CommitInfo, Error> {
        self.try_commit(false, Some(durability)).map_err(|refused| refused.into_error(1))
    }

    /// As [`commit`](Self::commit), for a task: where the commit waits for the disk, the task does too, and blocks nobody. Tasks share
    /// syncs, as threads do. A future that is dropped in that moment does not take the commit back. The cost is that of `commit`, one
    /// allocation and, after a pause of the store's tasks, the start of a thread.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let persistence = Persistence::new(MemoryAdapter::new()).durability(Durability::Immediate);
    /// # let store = Store::builder().bucket::<Note>().persistence(persistence).start().await?;
    /// let tx = store.begin();
    /// tx.bucket::<Note>()?.insert(Note { id: 1 })?;
    /// let version = tx.commit_async().await?.version;
    /// assert_eq!(store.durable_version(), version);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As there.
    pub async fn commit_async(self) -> Result<CommitInfo, Error> {
        self.try_commit_async(false, None).await.map_err(|refused| refused.into_error(1))
    }

    /// `leased`: the turn is reserved for it.
    pub(crate) fn try_commit(
        &self,
        leased: bool,
        durability: Option<Durability>,
    ) -> Result<CommitInfo, Refused> {
        if durability.is_some() {
            self.engine.require_keep()?;
        }
        let commit = self.engine.commit(&self.inner, leased, options::kept(durability))?;
        Ok(self.info(commit, durability))
    }

    /// As [`try_commit`](Self::try_commit), for a task.
    pub(crate) async fn try_commit_async(
        self,
        leased: bool,
        durability: Option<Durability>,
    ) -> Result<CommitInfo, Refused> {
        let kept = options::kept(durability);
        let (waits, others_wait) = (self.engine.waits_for_disk(kept), self.engine.keeps_first());
        if self.inner.is_read_only() || !(waits || others_wait) {
            return self.try_commit(leased, durability);
        }
        if waits && others_wait {
            let commit = self.engine.commit_async(&self.inner, leased).await?;
            return Ok(self.info(commit, durability));
        }
        // It is made alone, and waits for the disk, or for others who do.
        let done = aside("noex-store commit", move || self.try_commit(leased, durability)).await;
        done.unwrap_or_else(|reason| Err(Error::Persistence { reason }.into()))
    }

    fn info(&self, commit: Option<Arc<Commit>>, durability: Option<Durability>) -> CommitInfo {
        if let (Some(Durability::Debounced(time)), Some(commit)) = (durability, &commit) {
            self.engine.hurry(commit.version(), time);
        }
        let base = self.inner.base();
        let (version, time) =
            commit.as_ref().map_or((base.version, base.time), |commit| (commit.version(), commit.time()));
        CommitInfo { version, time, commit }
    }

    /// Takes all back. Dropping the transaction does the same.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// let tx = store.begin();
    /// tx.bucket::<User>()?.delete(&1)?;
    /// tx.rollback();
    /// assert_eq!(users.count(), 2);
    /// # Ok(()) }
    /// ```
    pub fn rollback(self) {}

    pub(crate) fn now(&self) -> Moment {
        self.inner.now(self.engine.now())
    }
}

impl Refused {
    pub(crate) fn into_error(self, attempts: u32) -> Error {
        match self {
            Self::Conflict(conflict) => Error::TransactionConflict {
                bucket: conflict.bucket,
                key: conflict.touch.key,
                field: conflict.touch.field,
                attempts,
            },
            Self::Error(error) => error,
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("base_version", &self.base_version()).finish_non_exhaustive()
    }
}

/// Takes writes back unless it is released: also when the code between panics, or is never polled again.
struct Savepoint<'t> {
    transaction: &'t engine::Transaction,
    marks: engine::Marks,
    released: bool,
}

impl<'t> Savepoint<'t> {
    fn new(transaction: &'t engine::Transaction) -> Self {
        Self { transaction, marks: transaction.mark(), released: false }
    }

    fn release(mut self) {
        self.released = true;
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.released {
            self.transaction.roll_back(&self.marks);
        }
    }
}
