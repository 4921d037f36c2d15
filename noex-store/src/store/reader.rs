//! The read surface of a bucket, the same wherever it is asked.

mod accessors;

pub use accessors::{by_compound, by_index, by_unique};

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::bucket::convert::UniqueKey;
use crate::bucket::field::{Field, OrderedValue};
use crate::bucket::record::Record;
use crate::engine::{Engine, KeyRange, Part, Root, RowId, Seen, Slot, Table, Watch};
use crate::error::Error;
use crate::filter::Filter;
use crate::filter::execute::Position;
use crate::filter::group::{GroupBy, Groups};
use crate::filter::order::OrderBy;
use crate::filter::page::PageRequest;
use crate::filter::select::{Records, Select};
use crate::filter::sum::Summable;
use crate::filter::watch::{FilterWatch, Taken, Window};
use crate::schema::{Evict, Schema};

/// What can be asked of a bucket. A [`BucketHandle`](crate::BucketHandle) derefs to one that reads the latest commit; a
/// [`Snapshot`](crate::Snapshot) gives one that reads its own. Between the two stands the bucket's own type, with a
/// method for each index (`by_email`, …).
///
/// Reads take no lock and never wait. A bucket that was dropped reads as empty. Records come in the order of insertion
/// unless an order is asked for; an update keeps a record's place.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// fn adults(users: &Reader<User>) -> usize {
///     users.filter(User::AGE.ge(18)).count()
/// }
/// // The same of the latest commit, of a snapshot, and in a transaction.
/// assert_eq!(adults(&users), 1);
/// assert_eq!(adults(&*store.snapshot().bucket::<User>()?), 1);
/// store.transaction(|tx| Ok::<_, Error>(assert_eq!(adults(&*tx.bucket::<User>()?), 1)))?;
/// # Ok(()) }
/// ```
pub struct Reader<B: Bucket> {
    source: Source<B>,
    slot: Slot,
}

enum Source<B: Bucket> {
    /// Whatever is the latest commit.
    Latest(Arc<Engine>),
    /// One commit.
    Snapshot(Arc<Root>),
    /// What a transaction sees.
    Transaction(Arc<Part<B>>),
    /// What a transaction saw.
    View(Arc<Table<B>>),
}

impl<B: Bucket> Clone for Reader<B> {
    fn clone(&self) -> Self {
        let source = match &self.source {
            Source::Latest(engine) => Source::Latest(Arc::clone(engine)),
            Source::Snapshot(root) => Source::Snapshot(Arc::clone(root)),
            Source::Transaction(part) => Source::Transaction(Arc::clone(part)),
            Source::View(table) => Source::View(Arc::clone(table)),
        };
        Self { source, slot: self.slot }
    }
}

impl<B: Bucket> fmt::Debug for Reader<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.with(Table::len).unwrap_or_default();
        f.debug_struct("Reader").field("bucket", &B::NAME).field("records", &records).finish()
    }
}

impl<B: Bucket> Reader<B> {
    pub(crate) fn of_latest(engine: Arc<Engine>, slot: Slot) -> Self {
        Self { source: Source::Latest(engine), slot }
    }

    pub(crate) fn of_snapshot(root: Arc<Root>, slot: Slot) -> Self {
        Self { source: Source::Snapshot(root), slot }
    }

    pub(crate) fn of_transaction(part: Arc<Part<B>>, slot: Slot) -> Self {
        Self { source: Source::Transaction(part), slot }
    }

    /// The same, fixed to the commit that it reads now.
    pub(crate) fn snapshot(&self) -> Self {
        match &self.source {
            Source::Latest(engine) => {
                let root = engine.load_full();
                match engine.alive(&root, self.slot) {
                    Some(alive) => Self { source: Source::View(alive), slot: self.slot },
                    None => Self::of_snapshot(root, self.slot),
                }
            }
            Source::Snapshot(_) | Source::View(_) => self.clone(),
            Source::Transaction(part) => match part.view() {
                Some(view) => Self { source: Source::View(view), slot: self.slot },
                None => Self::of_snapshot(Arc::clone(part.root()), self.slot),
            },
        }
    }

    /// Records that the records which pass a condition were read, if somebody wants to know.
    #[inline]
    pub(crate) fn watch(&self, watch: impl FnOnce() -> Arc<dyn Watch<B>>) {
        if let Source::Transaction(part) = &self.source {
            part.watch(watch);
        }
    }

    /// The range that is recorded of one that was asked for: the same, but for a fault that tests put in.
    fn seen_range<'k>(&self, range: KeyRange<'k>) -> KeyRange<'k> {
        match &self.source {
            Source::Transaction(part) => part.seen_range(range),
            _ => range,
        }
    }

    fn is_watched(&self) -> bool {
        matches!(&self.source, Source::Transaction(part) if part.is_tracked())
    }

    /// The first of the rows that a transaction gave itself.
    pub(crate) fn own_rows(&self) -> Option<RowId> {
        match &self.source {
            Source::Transaction(part) => part.own_rows(),
            _ => None,
        }
    }

    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    /// Reads the bucket's table; `None` if the bucket is not defined. Records nothing.
    #[inline]
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Table<B>) -> T) -> Option<T> {
        match &self.source {
            Source::Latest(engine) => {
                let root = engine.load();
                match engine.alive(&root, self.slot) {
                    Some(alive) => Some(read(&alive)),
                    None => root.table(self.slot).map(read),
                }
            }
            Source::Snapshot(root) => root.table(self.slot).map(read),
            Source::Transaction(part) => part.with(read),
            Source::View(table) => Some(read(table)),
        }
    }

    #[inline]
    fn look_up<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q, seen: Seen) -> Option<Record<B>> {
        let found = match &self.source {
            Source::Transaction(part) => part.get(key, seen),
            Source::Latest(engine) => {
                let root = engine.load();
                let found = root.table(self.slot).and_then(|table: &Table<B>| table.get(key));
                found.filter(|record| !engine.is_over(record)).cloned()
            }
            _ => self.with(|table| table.get(key).cloned()).flatten(),
        };
        self.used(&found);
        found
    }

    /// Notes that records were looked up, in a bucket where those that are not make room.
    #[inline]
    fn used<'r>(&self, records: impl IntoIterator<Item = &'r Record<B>>)
    where
        B: 'r,
    {
        let schema = B::schema();
        if schema.evict == Evict::Lru && schema.max_size.is_some() {
            records.into_iter().for_each(Record::set_used);
        }
    }

    /// What the annotations of the bucket say.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.schema().name, "users");
    /// # Ok(()) }
    /// ```
    pub fn schema(&self) -> &'static Schema {
        B::schema()
    }

    /// The record with this primary key. Expected O(log n) with thirty-two children a node; no allocation.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert!(users.get(&1).is_some_and(|user| user.name == "Ann"));
    /// assert!(users.get(&7).is_none());
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn get<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q) -> Option<Record<B>> {
        self.look_up(key, Seen::Whole)
    }

    /// The record with this primary key, which must be there. As [`get`](Self::get).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.require(&1)?.name, "Ann");
    /// let error = users.require(&7).unwrap_err();
    /// assert_eq!(error.to_string(), "bucket `users` has no record with the key 7");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not.
    pub fn require<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q) -> Result<Record<B>, Error> {
        self.get(key).ok_or_else(|| Error::NotFound { bucket: B::NAME, key: format!("{key:?}") })
    }

    /// Whether a record has this primary key. As [`get`](Self::get).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert!(users.contains_key(&1));
    /// assert!(!users.contains_key(&7));
    /// # Ok(()) }
    /// ```
    pub fn contains_key<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q) -> bool {
        self.look_up(key, Seen::Presence).is_some()
    }

    /// All records. O(n), one allocation.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.all().len(), 2);
    /// # Ok(()) }
    /// ```
    pub fn all(&self) -> Vec<Record<B>> {
        self.first(usize::MAX)
    }

    /// All records one by one, all of the same commit.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let names: Vec<String> = users.iter().map(|user| user.name.clone()).collect();
    /// assert_eq!(names, ["Ann", "Ben"]);
    /// # Ok(()) }
    /// ```
    pub fn iter(&self) -> Records<B> {
        self.select(Filter::all()).iter()
    }

    /// The first `n` records. O(log records + n), one allocation.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.first(1)[0].name, "Ann");
    /// # Ok(()) }
    /// ```
    pub fn first(&self, n: usize) -> Vec<Record<B>> {
        let read = |table: &Table<B>| {
            let mut records = Vec::with_capacity(n.min(table.len()));
            if n > 0 {
                let _ = table.rows().visit(RowId(0), &mut |_, record| take(&mut records, n, record));
            }
            records
        };
        let records = self.with(read).unwrap_or_default();
        self.watch_rows(None, if records.len() == n { records.last() } else { None });
        records
    }

    /// Records a read of rows: of those from `first` on, and up to `last`.
    fn watch_rows(&self, first: Option<&Record<B>>, last: Option<&Record<B>>) {
        self.watch(|| {
            let place = |row| Position { values: Vec::new(), row };
            let after =
                first.and_then(|first| first.meta().row.0.checked_sub(1)).map(|row| place(RowId(row)));
            let last = last.map(|last| place(last.meta().row));
            let mut window = Window { order: Vec::new(), after, last };
            if let Some(own) = self.own_rows() {
                window.unsettle(own);
            }
            Arc::new(FilterWatch { filter: Filter::all(), taken: Taken::Records, window: Some(window) })
        });
    }

    /// The last `n` records, in the order of insertion. O(log records + n), one allocation.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.last(1)[0].name, "Ben");
    /// # Ok(()) }
    /// ```
    pub fn last(&self, n: usize) -> Vec<Record<B>> {
        let read = |table: &Table<B>| {
            let mut records = Vec::with_capacity(n.min(table.len()));
            if n > 0 {
                let _ =
                    table.rows().visit_rev(RowId(u64::MAX), &mut |_, record| take(&mut records, n, record));
            }
            records.reverse();
            records
        };
        let records = self.with(read).unwrap_or_default();
        self.watch_rows(if records.len() == n { records.first() } else { None }, None);
        records
    }

    /// The number of records. O(1).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.count(), 2);
    /// # Ok(()) }
    /// ```
    pub fn count(&self) -> usize {
        self.watch(|| Arc::new(FilterWatch { filter: Filter::all(), taken: Taken::Members, window: None }));
        self.with(Table::len).unwrap_or_default()
    }

    /// Whether there is no record. O(1).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert!(!users.is_empty());
    /// # Ok(()) }
    /// ```
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    fn select(&self, filter: Filter<B>) -> Select<'_, B> {
        Select::new(self, filter)
    }

    /// Asks for the records that pass a filter.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let adults = users.filter(User::AGE.ge(18).and(User::TAGS.contains("vip")));
    /// assert_eq!(adults.collect()[0].name, "Ann");
    /// # Ok(()) }
    /// ```
    pub fn filter(&self, filter: Filter<B>) -> Select<'_, B> {
        self.select(filter)
    }

    /// Asks for all records in another order.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.order_by(User::NAME.desc()).first().expect("Ben").name, "Ben");
    /// # Ok(()) }
    /// ```
    pub fn order_by(&self, order: impl OrderBy<B>) -> Select<'_, B> {
        self.select(Filter::all()).order_by(order)
    }

    /// The first record that passes a filter.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert!(users.find_one(User::NAME.starts_with("B")).is_some_and(|user| user.id == 2));
    /// # Ok(()) }
    /// ```
    pub fn find_one(&self, filter: Filter<B>) -> Option<Record<B>> {
        self.select(filter).first()
    }

    /// A page of all records, in the order of insertion: see [`Select::paginate`].
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let page = users.paginate(Page::first(1));
    /// assert!(page.has_more && page.records[0].name == "Ann");
    /// let cursor = page.next_cursor.expect("there is more").to_string();
    /// // The text comes back from a client: it may be anything, so this can fail.
    /// let next = users.paginate(Page::first(1).after(cursor.parse()?))?;
    /// assert_eq!(next.records[0].name, "Ben");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn paginate<P: PageRequest>(&self, page: P) -> P::Output<B> {
        self.select(Filter::all()).paginate(page)
    }

    /// The sum of a field over all records: see [`Select::sum`].
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.sum(User::AGE), 30);
    /// # Ok(()) }
    /// ```
    pub fn sum<T: Summable, P>(&self, field: Field<B, T, P>) -> T::Sum {
        self.select(Filter::all()).sum(field)
    }

    /// The mean of a field over all records: see [`Select::avg`].
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.avg(User::AGE), Some(30.0), "of those that have one");
    /// # Ok(()) }
    /// ```
    pub fn avg<T: Summable, P>(&self, field: Field<B, T, P>) -> Option<f64> {
        self.select(Filter::all()).avg(field)
    }

    /// The least value of a field: see [`Select::min`].
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.min(User::AGE), Some(30));
    /// assert_eq!(users.min(User::NAME), Some("Ann".to_owned()));
    /// # Ok(()) }
    /// ```
    pub fn min<T: OrderedValue + Clone, P>(&self, field: Field<B, T, P>) -> Option<T> {
        self.select(Filter::all()).min(field)
    }

    /// The greatest value of a field: see [`Select::max`].
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.max(User::NAME).as_deref(), Some("Ben"));
    /// # Ok(()) }
    /// ```
    pub fn max<T: OrderedValue + Clone, P>(&self, field: Field<B, T, P>) -> Option<T> {
        self.select(Filter::all()).max(field)
    }

    /// All records by groups: see [`Select::group_by`].
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let by_age = users.group_by(User::AGE).count();
    /// assert_eq!((by_age[&Some(30)], by_age[&None]), (1, 1));
    /// # Ok(()) }
    /// ```
    pub fn group_by<G: GroupBy<B>>(&self, by: G) -> Groups<'_, B, G> {
        self.select(Filter::all()).group_by(by)
    }
}

impl<B: Bucket> Reader<B> {
    /// The record with a value, of this hash, that is unique by the rule of this number.
    pub(super) fn by_unique(
        &self,
        number: usize,
        hash: u64,
        matches: impl Fn(&B) -> bool,
    ) -> Option<Record<B>> {
        let found = match &self.source {
            Source::Transaction(part) => part.by_unique(number, hash, matches),
            _ => self.with(|table| table.by_unique(number, hash, matches).cloned()).flatten(),
        };
        self.used(&found);
        found
    }
}

fn take<B: Bucket>(records: &mut Vec<Record<B>>, n: usize, record: &Record<B>) -> ControlFlow<()> {
    records.push(record.clone());
    if records.len() < n { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}
