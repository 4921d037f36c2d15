//! The face over the engine: the store, its builder, handles to buckets, and snapshots.

mod bridging;
mod builder;
mod handle;
mod keeping;
#[cfg(feature = "metrics")]
mod metrics;
mod reader;
mod running;
mod snapshot;
mod stats;
#[cfg(test)]
mod tests;
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
use crate::engine::{CommitLog, Engine, Version};
use crate::error::Error;
use crate::event::{Event, EventGuard, EventStream, Handler};
use crate::live::{AnswerState, Params, Query, QueryCtx, Subscription, Together};
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

    /// The answers of queries that are kept, at most so many, in the order in which they were first asked for: whom each is told, and
    /// what it depends on. For tools, and for the question why a query runs so often. O(answers + what they have read); commits are
    /// not noted meanwhile, but writers do not wait for that.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # #[bucket(name = "notes")]
    /// # struct Note { #[bucket(key)] id: u64, done: bool }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let count = store.define_query("open", |ctx: &QueryCtx<'_>, _: &()| {
    ///     Ok(ctx.bucket::<Note>()?.filter(Note::DONE.eq(false)).count())
    /// })?;
    /// count.run(&())?;
    /// let answers = store.answers(10);
    /// assert_eq!(answers[0].query, "open");
    /// assert_eq!(answers[0].reads[0].conditions, ["done = false (which records)"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn answers(&self, max: usize) -> Vec<AnswerState> {
        self.services.live.answers(max)
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

    /// Defines a query: a pure function of a snapshot and parameters. Its answers are memoized by their parameters, and good
    /// until a commit touches what was read.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    /// # struct User { #[bucket(key)] id: u32, #[bucket(index)] city: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<User>().start().await?;
    /// # let users = store.bucket::<User>()?;
    /// let in_city = store.define_query("in-city", |ctx: &QueryCtx<'_>, city: &String| {
    ///     Ok(ctx.bucket::<User>()?.by_city(city))
    /// })?;
    /// let mut live = in_city.subscribe("Brno".to_owned())?;
    /// assert_eq!(live.next().await.expect("open")?.value.len(), 0);
    /// users.insert(User { id: 1, city: "Brno".into() })?;
    /// let update = live.next().await.expect("open")?;
    /// assert_eq!((update.value.len(), update.version), (1, store.snapshot().version()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::QueryAlreadyDefined`].
    pub fn define_query<P: Params, T: PartialEq + Send + Sync + 'static>(
        &self,
        name: &str,
        query: impl Fn(&QueryCtx<'_>, &P) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<Query<P, T>, Error> {
        self.services.queries.define(&self.services.live, name, query)
    }

    /// The query of a name.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    /// let count: Query<(), usize> = store.query("count")?;
    /// assert_eq!(*count.run(&())?, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::QueryNotDefined`], [`Error::QueryMismatch`] if its types are others.
    pub fn query<P: Params, T: PartialEq + Send + Sync + 'static>(
        &self,
        name: &str,
    ) -> Result<Query<P, T>, Error> {
        self.services.queries.get(name)
    }

    /// The names of all queries that are defined, in alphabetical order.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    /// assert_eq!(store.queries(), ["count"]);
    /// # Ok(()) }
    /// ```
    pub fn queries(&self) -> Vec<String> {
        self.services.queries.names()
    }

    /// Frees a query's name. Whoever holds the query or a subscription of it goes on.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let count = store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    /// store.undefine_query("count")?;
    /// assert!(store.queries().is_empty());
    /// assert_eq!(*count.run(&())?, 2, "whoever has it goes on");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::QueryNotDefined`].
    pub fn undefine_query(&self, name: &str) -> Result<(), Error> {
        self.services.queries.undefine(name)
    }

    /// Follows several queries as one: each update has the answers of all of them at one commit.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    /// # struct User { #[bucket(key)] id: u32 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<User>().start().await?;
    /// let count = store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    /// let has = store.define_query("has", |ctx: &QueryCtx<'_>, id: &u32| Ok(ctx.bucket::<User>()?.contains_key(id)))?;
    /// let mut both = store.watch_together(((count, ()), (has, 7)))?;
    /// store.bucket::<User>()?.insert(User { id: 7 })?;
    /// store.settle().await;
    /// let (count, has) = &*both.next().await.expect("open")?.value;
    /// assert_eq!((**count, **has), (1, true));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Query::subscribe`].
    pub fn watch_together<W: Together>(&self, queries: W) -> Result<Subscription<W::Frame>, Error> {
        let name = queries.names().join(" + ").into();
        let query =
            Query::new(&self.services.live, name, move |ctx: &QueryCtx<'_>, (): &()| queries.ask(ctx));
        query.subscribe(())
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

    /// Calls a function with each event whose topic matches a pattern, from now on and until the guard is dropped.
    ///
    /// A topic is `bucket.{name}.{inserted|updated|deleted}`. In a pattern `*` stands for one part, and `**` at the end for all
    /// that follow. Events come after their commit, in the order of the commits, and those of one commit together.
    ///
    /// The function runs in a thread of the store, never twice at once. If it panics, that is traced, and it is called with the next
    /// event; if it is slow, it holds up nobody, and of more than 4,096 events that wait for it the oldest go. A commit pays for
    /// handing over alone; finding the functions that it is for takes three look-ups a bucket, whatever the number of patterns.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # #[bucket(name = "notes")]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let guard = store.on("bucket.*.deleted", move |event: &Event| {
    ///     let _ = tell.send(format!("{} {}", event.topic(), event.key()));
    /// })?;
    /// let notes = store.bucket::<Note>()?;
    /// notes.insert(Note { id: 7 })?;
    /// notes.delete(&7)?;
    /// store.settle().await;
    /// assert_eq!(told.recv().as_deref(), Ok("bucket.notes.deleted 7"));
    /// # drop(guard);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidPattern`], also for one that no topic can match; [`Error::Degraded`], [`Error::Stopped`].
    pub fn on(&self, pattern: &str, call: impl FnMut(&Event) + Send + 'static) -> Result<EventGuard, Error> {
        Handler::start(&self.services.bus, pattern, call)
    }

    /// The events whose topics match a pattern, from now on, as a stream: see [`on`](Self::on).
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # #[bucket(name = "notes")]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let mut events = store.events("bucket.notes.*")?;
    /// store.bucket::<Note>()?.insert(Note { id: 7 })?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.record::<Note>().map(|note| note.id), Some(7));
    /// assert_eq!(event.to_json()["record"]["id"], 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn events(&self, pattern: &str) -> Result<EventStream, Error> {
        EventStream::new(&self.services.bus, pattern, None)
    }

    /// The events after a commit, as long as the log has them, and from there on. O(commits since).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let seen = store.snapshot().version();
    /// users.delete(&1)?;
    /// let mut events = store.events_since("bucket.users.*", seen)?;
    /// assert!(events.next().await.is_some_and(|event| event.is_ok_and(|event| event.key() == "1")));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`on`](Self::on), and [`Error::CommitsGone`].
    pub fn events_since(&self, pattern: &str, version: Version) -> Result<EventStream, Error> {
        EventStream::new(&self.services.bus, pattern, Some(version))
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
