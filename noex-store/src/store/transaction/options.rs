//! How a transaction is run.

use std::time::Duration;

use crate::engine::{KeepWhen, Tracking};
use crate::persist::Durability;

/// What a transaction is kept apart from. See [`Transaction`](crate::Transaction) for what each promises.
///
/// ```
#[doc = include_str!("../../../doc/users.txt")]
/// let loose = TxOptions::new().isolation(Isolation::Snapshot);
/// store.transaction_with(loose, |tx| tx.bucket::<User>()?.update(&1, User::patch().age(31)))?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Isolation {
    /// As if transactions ran one after the other: whatever was read must still be so when the transaction commits.
    #[default]
    Serializable,
    /// All reads see one snapshot, and of two transactions that write the same record the first to commit wins; but
    /// what was only read may have changed.
    Snapshot,
}

/// How [`Store::transaction_with`](crate::Store::transaction_with) runs a transaction.
///
/// ```
/// use noex_store::prelude::*;
///
/// let once = TxOptions::new().retries(0).isolation(Isolation::Snapshot);
/// # let _ = once;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "options do nothing until they are given to `transaction_with`"]
pub struct TxOptions {
    pub(super) retries: u32,
    pub(super) isolation: Isolation,
    pub(super) read_only: bool,
    pub(super) lease: Duration,
    pub(super) durability: Option<Durability>,
}

impl TxOptions {
    /// Serializable, 16 retries, a lease of one second.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = TxOptions::new();
    /// # let _ = options;
    /// ```
    pub const fn new() -> Self {
        Self {
            retries: 16,
            isolation: Isolation::Serializable,
            read_only: false,
            lease: Duration::from_secs(1),
            durability: None,
        }
    }

    /// How often the closure is run again when another writer was faster. With 0 the first conflict is the result.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = TxOptions::new().retries(0);
    /// # let _ = options;
    /// ```
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// What the transaction is kept apart from.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = TxOptions::new().isolation(Isolation::Snapshot);
    /// # let _ = options;
    /// ```
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// The transaction only reads: a write in it is [`Error::ReadOnly`](crate::Error::ReadOnly). It need not remember what it has read, so that its
    /// reads cost what those of a snapshot do; it is serializable all the same, since it sees one commit.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let count = store.transaction_with(TxOptions::new().read_only(), |tx| Ok::<_, Error>(tx.bucket::<Note>()?.count()))?;
    /// assert_eq!(count, 0);
    /// let refused = store.transaction_with(TxOptions::new().read_only(), |tx| tx.bucket::<Note>()?.insert(Note { id: 1 }));
    /// assert!(matches!(refused, Err(Error::ReadOnly { bucket: "note" })));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// How long other writers wait at most for a transaction that has failed twice, so that it comes to an end; one second unless
    /// given. Async transactions are waited for 20 ms at most, since other writers block their threads. When it runs out
    /// the others go on, and the transaction may fail again; so nobody waits for ever, whatever the closure waits for.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = TxOptions::new().lease(Duration::from_millis(100));
    /// # let _ = options;
    /// ```
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }
}

impl TxOptions {
    /// When this transaction's commit is on the disk, whatever the store's others are.
    ///
    /// - [`Durability::Immediate`] in a store that debounces: what was committed before is written first, then this one, and only then
    ///   does anybody see it. It shares no sync with others.
    /// - [`Durability::Debounced`]: nobody waits; it is written within this time, along with all that was committed before it.
    ///
    /// Without persistence the transaction fails with [`Error::PersistenceRequired`](crate::Error::PersistenceRequired).
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().persistence(Persistence::new(MemoryAdapter::new())).start().await?;
    /// let durable = TxOptions::new().durability(Durability::Immediate);
    /// store.transaction_with(durable, |tx| tx.bucket::<Note>()?.insert(Note { id: 1 }))?;
    /// assert_eq!(store.durable_version(), store.snapshot().version());
    /// # Ok(())
    /// # }
    /// ```
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// What the transaction keeps account of.
    pub(super) fn tracking(&self) -> Tracking {
        if self.read_only {
            Tracking::read_only()
        } else {
            Tracking::new(self.isolation == Isolation::Serializable)
        }
    }
}

/// When the engine is to keep a commit.
pub(super) fn kept(durability: Option<Durability>) -> KeepWhen {
    match durability {
        None => KeepWhen::AsOthers,
        Some(Durability::Immediate) => KeepWhen::First,
        Some(Durability::Debounced(_)) => KeepWhen::Later,
    }
}

impl Default for TxOptions {
    fn default() -> Self {
        Self::new()
    }
}
