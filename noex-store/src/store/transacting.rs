//! Transactions of a store.

use std::sync::Arc;

use super::{Isolation, Store, Transaction, TxOptions, transaction};
use crate::error::Error;

impl Store {
    /// Runs a closure as a transaction: what it reads is one snapshot, and what it writes becomes one commit when it returns
    /// `Ok`. Serializable; when another writer was faster, the closure is run again, so it must not do what cannot be done
    /// twice. A transaction that failed twice has the others wait for it, so that it comes to an end.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Account { #[bucket(key)] name: String, #[bucket(min = 0)] cents: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Account>().start().await?;
    /// # let accounts = store.bucket::<Account>()?;
    /// # accounts.insert_many([Account { name: "a".into(), cents: 50 }, Account { name: "b".into(), cents: 0 }])?;
    /// let pay = |cents: i64| {
    ///     store.transaction(|tx| {
    ///         let accounts = tx.bucket::<Account>()?;
    ///         accounts.modify("b", |to| to.cents += cents)?;
    ///         accounts.modify("a", |from| from.cents -= cents)
    ///     })
    /// };
    /// pay(30)?;
    /// assert!(pay(30).is_err()); // an account cannot go below 0, and so nothing was paid
    /// assert_eq!(accounts.require("b")?.cents, 30);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// That of the closure: the transaction is taken back. [`Error::TransactionConflict`] if it was overtaken too often,
    /// [`Error::NestedTransaction`] in the closure of another one of this store, [`Error::Stopped`].
    ///
    /// A panic of the closure takes the transaction back and goes on.
    pub fn transaction<T, E: From<Error>>(
        &self,
        work: impl FnMut(&Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        self.transaction_with(TxOptions::new(), work)
    }

    /// As [`transaction`](Self::transaction), with another isolation or number of retries.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let once = TxOptions::new().retries(0);
    /// let gone = store.transaction_with(once, |tx| tx.bucket::<User>()?.delete(&1))?;
    /// assert_eq!(gone.expect("she was there").name, "Ann");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn transaction_with<T, E: From<Error>>(
        &self,
        options: TxOptions,
        work: impl FnMut(&Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        transaction::run(&self.engine, &options, work)
    }

    /// As [`transaction`](Self::transaction), with an async closure: `async |tx| { … }`; `async move |tx| { … }` where the
    /// future goes to another thread, as in `tokio::spawn`. When the future is dropped before its end, nothing has happened.
    ///
    /// Runs on any runtime. Between two runs it gives way to other tasks instead of sleeping. With
    /// [`Durability::Immediate`](crate::Durability::Immediate) one thread waits for the disk for all tasks, which share syncs; a future
    /// that is dropped in that moment does not take its commit back.
    ///
    /// In a task that is spawned the closure should be `async move`: of one that borrows what it captures the compiler cannot see, so far, that
    /// its future is `Send`, and says that an implementation is "not general enough".
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64, text: String }
    /// # async fn fetch(id: u64) -> String { format!("the text of {id}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let own = store.clone();
    /// let task = tokio::spawn(async move {
    ///     own.transaction_async(async move |tx| {
    ///         let notes = tx.bucket::<Note>()?;
    ///         let id = notes.count() as u64;
    ///         let text = fetch(id).await;
    ///         notes.insert(Note { id, text })
    ///     })
    ///     .await
    /// });
    /// let note: Result<_, Error> = task.await?;
    /// assert_eq!(note?.text, "the text of 0");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As there.
    pub async fn transaction_async<T, E: From<Error>>(
        &self,
        work: impl AsyncFnMut(&Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        self.transaction_async_with(TxOptions::new(), work).await
    }

    /// As [`transaction_async`](Self::transaction_async), with another isolation or number of retries.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let loose = TxOptions::new().isolation(Isolation::Snapshot);
    /// let done = store.transaction_async_with(loose, async |tx| tx.bucket::<User>()?.delete(&1)).await?;
    /// assert!(done.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As there.
    pub async fn transaction_async_with<T, E: From<Error>>(
        &self,
        options: TxOptions,
        work: impl AsyncFnMut(&Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        transaction::run_async(&self.engine, &options, work).await
    }

    /// Begins a serializable transaction to be committed by hand. Nothing is repeated on a conflict. O(1).
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let tx = store.begin();
    /// tx.bucket::<Note>()?.insert(Note { id: 1 })?;
    /// assert_eq!(store.bucket::<Note>()?.count(), 0);
    /// let info = tx.commit()?;
    /// assert_eq!(store.bucket::<Note>()?.count(), 1);
    /// assert_eq!(store.snapshot().version(), info.version);
    /// # Ok(())
    /// # }
    /// ```
    pub fn begin(&self) -> Transaction {
        self.begin_with(Isolation::default())
    }

    /// As [`begin`](Self::begin), with another isolation.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let tx = store.begin_with(Isolation::Snapshot);
    /// tx.bucket::<User>()?.delete(&1)?;
    /// tx.commit()?;
    /// assert_eq!(users.count(), 1);
    /// # Ok(()) }
    /// ```
    pub fn begin_with(&self, isolation: Isolation) -> Transaction {
        Transaction::new(Arc::clone(&self.engine), isolation)
    }
}
