//! Queries by name, and their memos.

use std::any::{Any, type_name};
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Debug};
use std::hash::Hash;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use serde::Serialize;

use super::context::QueryCtx;
use super::core::{Live, LiveHandle};
use super::memo::{AnyMemo, Memo};
use super::subscription::{ChangeGuard, Slot, Subscription};
use crate::error::Error;
use crate::sync::{AtomicU64, Mutex};

/// How many answers that nobody subscribes to a query keeps, before it forgets those that were not asked for lately.
const KEPT: usize = 1024;

/// What the parameters of a query must be able to do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the parameters of a query",
    label = "needs `Clone + Eq + Hash + Debug + Send + Sync`",
    note = "derive `Clone, Debug, PartialEq, Eq, Hash` for `{Self}`"
)]
pub trait Params: Clone + Eq + Hash + Debug + Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Clone + Eq + Hash + Debug + Send + Sync + 'static> Params for T {}

type Call<P, T> = Box<dyn Fn(&QueryCtx<'_>, &P) -> Result<T, Error> + Send + Sync>;
type Memos<P, T> = im::HashMap<P, Arc<Memo<P, T>>>;

pub(super) struct Definition<P, T> {
    name: Arc<str>,
    live: Arc<LiveHandle>,
    call: Call<P, T>,
    /// Read without a lock; replaced under `growing`.
    memos: ArcSwap<Memos<P, T>>,
    growing: Mutex<()>,
    pub(super) counts: Counts,
}

/// What a query has done so far, by [`Query::stats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct QueryStats {
    /// How often its function was run.
    pub runs: u64,
    /// How often an answer was given without running it.
    pub hits: u64,
    /// How often it was touched, and its answer turned out to be the same.
    pub cut_offs: u64,
    /// How many answers are kept.
    pub memos: usize,
    /// How many subscriptions there are.
    pub subscriptions: usize,
}

impl QueryStats {
    pub(super) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.hits += other.hits;
        self.cut_offs += other.cut_offs;
        self.memos += other.memos;
        self.subscriptions += other.subscriptions;
    }
}

/// A query, without its types.
pub(super) trait AnyDefinition: Send + Sync {
    fn stats(&self) -> QueryStats;
}

/// Counters; the one of hits is spread out, so that threads do not take it from each other.
#[derive(Default)]
pub(super) struct Counts {
    hits: [Padded; 16],
    runs: AtomicU64,
    cut_offs: AtomicU64,
}

/// A counter that has a cache line to itself.
#[derive(Default)]
#[repr(align(128))]
struct Padded(AtomicU64);

impl Counts {
    pub(super) fn hit(&self) {
        crate::sync::thread_local! {
            static STRIPE: std::cell::Cell<usize> = const { std::cell::Cell::new(usize::MAX) };
        }
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let stripe = STRIPE.with(|stripe| {
            if stripe.get() == usize::MAX {
                stripe.set(NEXT.fetch_add(1, Ordering::Relaxed));
            }
            stripe.get()
        });
        self.hits[stripe % self.hits.len()].0.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted.
    fn stats(&self) -> QueryStats {
        QueryStats {
            runs: self.runs.load(Ordering::Relaxed),
            hits: self.hits.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum(),
            cut_offs: self.cut_offs.load(Ordering::Relaxed),
            ..QueryStats::default()
        }
    }

    pub(super) fn run(&self) {
        self.runs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cut_off(&self) {
        self.cut_offs.fetch_add(1, Ordering::Relaxed);
    }
}

impl<P: Params, T: PartialEq + Send + Sync + 'static> Definition<P, T> {
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn call(&self, context: &QueryCtx<'_>, params: &P) -> Result<T, Error> {
        (self.call)(context, params)
    }

    /// The memo of some parameters. O(log n) with thirty-two children a node, no lock, if there is one.
    pub(super) fn memo(self: &Arc<Self>, params: &P) -> Arc<Memo<P, T>> {
        if let Some(memo) = self.memos.load().get(params) {
            return Arc::clone(memo);
        }
        let _growing = self.growing.lock();
        let memos = self.memos.load_full();
        if let Some(memo) = memos.get(params) {
            return Arc::clone(memo);
        }
        // It also keeps the index from holding on to an old snapshot.
        self.live().start();
        let memo = Arc::new(Memo::new(self.live().next_node(), self, params.clone()));
        let mut grown = Memos::clone(&memos);
        grown.insert(params.clone(), Arc::clone(&memo));
        if grown.len() > KEPT && grown.len().is_power_of_two() {
            self.sweep(&mut grown);
        }
        self.memos.store(Arc::new(grown));
        memo
    }

    /// Forgets what nobody watches, and nobody has asked for since the last time (the second-chance rule of paging).
    fn sweep(&self, memos: &mut Memos<P, T>) {
        memos.retain(|_, memo| {
            let kept = memo.take_used() || memo.is_watched();
            if !kept {
                self.live().unregister(memo.node());
            }
            kept
        });
    }

    /// Forgets a memo that was let go of, if there are many.
    pub(super) fn release(&self, memo: &Arc<Memo<P, T>>) {
        if memo.tidy() > 0 || memo.is_watched() || self.memos.load().len() <= KEPT {
            return;
        }
        let _growing = self.growing.lock();
        let memos = self.memos.load_full();
        if memos.get(memo.params()).is_some_and(|own| Arc::ptr_eq(own, memo)) && !memo.is_watched() {
            self.live().unregister(memo.node());
            self.memos.store(Arc::new(memos.without(memo.params())));
        }
    }
}

/// A query of a store: a cheap handle (one `Arc`), `Clone + Send + Sync`. Made by
/// [`Store::define_query`](crate::Store::define_query).
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let named = store.define_query("named", |ctx: &QueryCtx<'_>, name: &String| {
///     Ok(ctx.bucket::<User>()?.by_name(name))
/// })?;
/// assert_eq!(named.run(&"Ann".to_owned())?.len(), 1);
/// assert_eq!(named.run(&"Ann".to_owned())?.len(), 1);
/// assert_eq!((named.stats().runs, named.stats().hits), (1, 1));
/// # Ok(()) }
/// ```
pub struct Query<P, T> {
    definition: Arc<Definition<P, T>>,
}

impl<P, T> Clone for Query<P, T> {
    fn clone(&self) -> Self {
        Self { definition: Arc::clone(&self.definition) }
    }
}

impl<P: Params, T: PartialEq + Send + Sync + 'static> Query<P, T> {
    pub(crate) fn new(
        live: &Arc<LiveHandle>,
        name: Arc<str>,
        call: impl Fn(&QueryCtx<'_>, &P) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Self {
        let definition = Definition {
            name,
            live: Arc::clone(live),
            call: Box::new(call),
            memos: ArcSwap::from_pointee(Memos::new()),
            growing: Mutex::new(()),
            counts: Counts::default(),
        };
        let definition = Arc::new(definition);
        live.0.queries.add(Arc::downgrade(&definition) as Weak<dyn AnyDefinition>);
        Self { definition }
    }

    pub(super) fn definition(&self) -> &Arc<Definition<P, T>> {
        &self.definition
    }

    /// The query's name.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let count = store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    /// assert_eq!(count.name(), "count");
    /// # Ok(()) }
    /// ```
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// The answer for the latest commit, shared by all who ask. Without running anything, if no commit has touched what it
    /// read: a look-up by the parameters, no lock.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let count = store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    /// assert_eq!(*count.run(&())?, 2);
    /// users.delete(&1)?;
    /// assert_eq!(*count.run(&())?, 1, "never an old answer");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of the query's function; [`Error::QueryPanicked`], [`Error::QueryCycle`]. An error is kept as an answer is, until what was
    /// read changes; that of a panic until the next commit, whatever that changes.
    pub fn run(&self, params: &P) -> Result<Arc<T>, Error> {
        let Definition { counts, memos, .. } = &*self.definition;
        let live = self.definition.live();
        live.catch_up();
        // Without a reference to the memo, which other threads may be looking at.
        if let Some(answer) = memos.load().get(params).and_then(|memo| memo.hit(counts)) {
            return answer.value;
        }
        self.definition.memo(params).get(live, counts).value
    }

    /// Follows the answer: the current one first, then the latest after each change.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let count = store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    /// let mut live = count.subscribe(())?;
    /// assert_eq!(*live.next().await.expect("open")?.value, 2);
    /// users.delete(&1)?;
    /// let update = live.next().await.expect("open")?;
    /// assert_eq!(*update.value, 1);
    /// println!("because of {}", update.cause().expect("a change"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// None yet: a query that fails tells its subscribers so, and goes on when what it read changes.
    pub fn subscribe(&self, params: P) -> Result<Subscription<T>, Error> {
        self.definition.live().may_subscribe()?;
        let memo = self.definition.memo(&params);
        let slot = Arc::new(Slot::default());
        // Before the first answer: from here on every touch is told.
        memo.subscribe(&slot);
        slot.put(&memo.get(self.definition.live(), &self.definition.counts), None);
        let definition = Arc::clone(&self.definition);
        Ok(Subscription::new(slot, Box::new(move || definition.release(&memo))))
    }

    /// Calls a function with the current answer, and with the latest after each change, until the guard is dropped. It
    /// runs in a thread of its own, one for each guard; for many of them subscribe. Failures of the query are passed over.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// use std::sync::mpsc;
    ///
    /// let count = store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    /// let (tell, told) = mpsc::channel();
    /// let guard = count.on_change((), move |count| drop(tell.send(*count)))?;
    /// assert_eq!(told.recv()?, 2);
    /// users.delete(&1)?;
    /// assert_eq!(told.recv()?, 1);
    /// drop(guard);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn on_change(&self, params: P, call: impl FnMut(&T) + Send + 'static) -> Result<ChangeGuard, Error> {
        Ok(ChangeGuard::start(self.subscribe(params)?, call))
    }

    /// What the query has done so far. O(answers that are kept).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let count = store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    /// count.run(&())?;
    /// count.run(&())?;
    /// assert_eq!((count.stats().runs, count.stats().hits), (1, 1));
    /// # Ok(()) }
    /// ```
    pub fn stats(&self) -> QueryStats {
        self.definition.stats()
    }
}

impl<P: Params, T: PartialEq + Send + Sync + 'static> AnyDefinition for Definition<P, T> {
    fn stats(&self) -> QueryStats {
        let memos = self.memos.load();
        QueryStats {
            memos: memos.len(),
            subscriptions: memos.values().map(|memo| memo.tidy()).sum(),
            ..self.counts.stats()
        }
    }
}

impl<P, T> Debug for Query<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query").field("name", &self.definition.name).finish_non_exhaustive()
    }
}

/// The queries of a store, by name.
#[derive(Default)]
pub(crate) struct Queries {
    by_name: Mutex<HashMap<Arc<str>, Named>>,
}

struct Named {
    query: Box<dyn Any + Send + Sync>,
    definition: Weak<dyn AnyDefinition>,
    types: &'static str,
}

impl Queries {
    pub(crate) fn define<P: Params, T: PartialEq + Send + Sync + 'static>(
        &self,
        live: &Arc<LiveHandle>,
        name: &str,
        call: impl Fn(&QueryCtx<'_>, &P) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<Query<P, T>, Error> {
        let name: Arc<str> = name.into();
        let mut by_name = self.by_name.lock();
        if by_name.contains_key(&name) {
            return Err(Error::QueryAlreadyDefined { query: name.to_string() });
        }
        let query = Query::new(live, Arc::clone(&name), call);
        let definition = Arc::downgrade(query.definition()) as Weak<dyn AnyDefinition>;
        let types = type_name::<Query<P, T>>();
        by_name.insert(name, Named { query: Box::new(query.clone()), definition, types });
        Ok(query)
    }

    pub(crate) fn get<P: Params, T: PartialEq + Send + Sync + 'static>(
        &self,
        name: &str,
    ) -> Result<Query<P, T>, Error> {
        let by_name = self.by_name.lock();
        let named = by_name.get(name).ok_or_else(|| Error::QueryNotDefined { query: name.to_owned() })?;
        named.query.downcast_ref::<Query<P, T>>().cloned().ok_or_else(|| Error::QueryMismatch {
            query: name.to_owned(),
            defined: named.types,
            asked: type_name::<Query<P, T>>(),
        })
    }

    pub(crate) fn undefine(&self, name: &str) -> Result<(), Error> {
        match self.by_name.lock().remove(name) {
            Some(_) => Ok(()),
            None => Err(Error::QueryNotDefined { query: name.to_owned() }),
        }
    }

    /// What each query has done so far. O(answers that are kept).
    pub(crate) fn stats(&self) -> BTreeMap<String, QueryStats> {
        let all: Vec<_> = {
            let by_name = self.by_name.lock();
            by_name.iter().map(|(name, named)| (name.to_string(), named.definition.clone())).collect()
        };
        // Without the lock: whoever is the last to let go of a query drops the user's closure.
        let stats =
            |(name, definition): (_, Weak<dyn AnyDefinition>)| Some((name, definition.upgrade()?.stats()));
        all.into_iter().filter_map(stats).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.by_name.lock().keys().map(ToString::to_string).collect();
        names.sort();
        names
    }
}

impl<P, T> Definition<P, T> {
    fn live(&self) -> &Arc<Live> {
        &self.live.0
    }
}

impl<P, T> Drop for Definition<P, T> {
    fn drop(&mut self) {
        self.live.0.queries.end(&self.counts.stats());
        for memo in self.memos.load().values() {
            self.live.0.unregister(memo.node_id());
        }
    }
}
