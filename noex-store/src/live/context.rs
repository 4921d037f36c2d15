//! What a query reads through: one snapshot, where everything that is asked is recorded.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::Live;
use super::definition::{Params, Query};
use super::memo::{AnyMemo, Frame};
use crate::bucket::Bucket;
use crate::engine::{self, Root, Version};
use crate::error::Error;
use crate::store::Reader;
use crate::sync::{AtomicBool, Mutex};

/// The snapshot that a query runs on. What is asked of it is recorded, so that the query runs again when a commit changes
/// an answer, and only then: so a query must ask nothing else.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let vips = store.define_query("vips", |ctx: &QueryCtx<'_>, (): &()| {
///     Ok(ctx.bucket::<User>()?.by_tags("vip"))
/// })?;
/// let share = store.define_query("share", move |ctx: &QueryCtx<'_>, (): &()| {
///     Ok((ctx.query(&vips, &())?.len(), ctx.bucket::<User>()?.count()))
/// })?;
/// assert_eq!(*share.run(&())?, (1, 2));
/// # Ok(()) }
/// ```
pub struct QueryCtx<'c> {
    run: &'c Run,
}

/// One run of a query.
pub(super) struct Run {
    live: Arc<Live>,
    reads: engine::Transaction,
    /// Whether a bucket was asked for that is not there.
    missing: AtomicBool,
    children: Mutex<Vec<Child>>,
    /// The queries that this one runs for, from the outermost on, itself the last.
    path: Vec<Frame>,
}

/// A query that another one asked, and what it said.
#[derive(Clone)]
pub(super) struct Child {
    pub(super) memo: Arc<dyn AnyMemo>,
    pub(super) stamp: u64,
}

impl Run {
    pub(super) fn new(live: Arc<Live>, root: Arc<Root>, path: Vec<Frame>) -> Self {
        Self {
            reads: engine::Transaction::new(root, live.tracking()),
            live,
            missing: AtomicBool::new(false),
            children: Mutex::default(),
            path,
        }
    }

    pub(super) fn context(&self) -> QueryCtx<'_> {
        QueryCtx { run: self }
    }

    pub(super) fn root(&self) -> &Arc<Root> {
        self.reads.base()
    }

    pub(super) fn reads(&self) -> &engine::Transaction {
        &self.reads
    }

    pub(super) fn missed_a_bucket(&self) -> bool {
        self.missing.load(Ordering::Relaxed)
    }

    pub(super) fn children(&self) -> Vec<Child> {
        self.children.lock().clone()
    }
}

impl QueryCtx<'_> {
    /// All that can be asked of a bucket. O(buckets).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let adults = store.define_query("adults", |ctx: &QueryCtx<'_>, from: &u8| {
    ///     Ok(ctx.bucket::<User>()?.filter(User::AGE.ge(*from)).count())
    /// })?;
    /// assert_eq!(*adults.run(&18)?, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotDefined`], [`Error::SchemaMismatch`]; the query runs again when buckets are defined or dropped.
    pub fn bucket<B: Bucket>(&self) -> Result<B::Reads, Error> {
        match self.run.reads.part::<B>() {
            Ok((slot, part)) => Ok(B::Reads::from(Reader::of_transaction(part, slot))),
            Err(error) => {
                self.run.missing.store(true, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// The answer of another query on the same snapshot: memoized, and recorded, so that this query runs again only if that
    /// answer is another one.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let count = store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    /// let crowded = store.define_query("crowded", move |ctx: &QueryCtx<'_>, (): &()| Ok(*ctx.query(&count, &())? > 100))?;
    /// assert!(!*crowded.run(&())?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of that query; [`Error::QueryCycle`] if it asks for this one.
    pub fn query<P: Params, T: PartialEq + Send + Sync + 'static>(
        &self,
        query: &Query<P, T>,
        params: &P,
    ) -> Result<Arc<T>, Error> {
        let memo = query.definition().memo(params);
        let counts = &query.definition().counts;
        let answer = memo.at(&self.run.live, counts, self.run.root(), &self.run.path)?;
        self.run.children.lock().push(Child { memo: memo as Arc<dyn AnyMemo>, stamp: answer.stamp });
        answer.value
    }

    /// The number of the commit that the query sees.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let at = store.define_query("at", |ctx: &QueryCtx<'_>, (): &()| Ok((ctx.bucket::<User>()?.count(), ctx.version())))?;
    /// assert_eq!(at.run(&())?.1, store.snapshot().version());
    /// # Ok(()) }
    /// ```
    pub fn version(&self) -> Version {
        self.run.root().version
    }
}

impl fmt::Debug for QueryCtx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryCtx").field("version", &self.version()).field("path", &self.run.path).finish()
    }
}
