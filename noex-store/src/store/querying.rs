//! Live queries of a store.

use super::Store;
use crate::error::Error;
use crate::live::{AnswerState, Params, Query, QueryCtx, Subscription, Together};

impl Store {
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
}
