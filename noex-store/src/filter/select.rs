//! A question in the making: filter, order, limit, offset, and the ways to ask it.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::vec;

use super::aggregate;
use super::execute::{Position, count, execute, unordered};
use super::explain::Explanation;
use super::group::{GroupBy, Groups};
use super::order::{OrderBy, OrderKey};
use super::page::{PageRequest, Stretch, paginate};
use super::plan::Query;
use super::sum::Summable;
use super::watch::{FilterWatch, Taken, Window};
use super::{Filter, Node};
use crate::bucket::Bucket;
use crate::bucket::field::{Field, OrderedValue};
use crate::bucket::record::Record;
use crate::engine::Table;
use crate::store::Reader;

/// A question about the records of a bucket: made by [`Reader::filter`] and [`Reader::order_by`], asked by
/// [`collect`](Self::collect) and the others. Building it costs nothing; each asking looks at the state of that moment.
///
/// Without `order_by` the records come in the order of insertion. The planner picks the index; [`explain`](Self::explain)
/// tells which.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let question = users.filter(User::AGE.is_some()).order_by(User::AGE.desc()).limit(10);
/// assert_eq!(question.collect().len(), 1);
/// println!("{}", question.explain());
/// # Ok(()) }
/// ```
#[must_use = "a question does nothing until it is asked: `collect()`, `count()`, …"]
pub struct Select<'r, B: Bucket> {
    reader: &'r Reader<B>,
    filter: Filter<B>,
    order: Vec<OrderKey<B>>,
    limit: Option<usize>,
    offset: usize,
}

impl<B: Bucket> Clone for Select<'_, B> {
    fn clone(&self) -> Self {
        Self {
            reader: self.reader,
            filter: self.filter.clone(),
            order: self.order.clone(),
            limit: self.limit,
            offset: self.offset,
        }
    }
}

impl<B: Bucket> fmt::Debug for Select<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select")
            .field("bucket", &B::NAME)
            .field("filter", &self.filter)
            .field("order", &self.order)
            .field("limit", &self.limit)
            .field("offset", &self.offset)
            .finish()
    }
}

impl<'r, B: Bucket> Select<'r, B> {
    pub(crate) fn new(reader: &'r Reader<B>, filter: Filter<B>) -> Self {
        Self { reader, filter, order: Vec::new(), limit: None, offset: 0 }
    }

    /// Adds a condition that must hold too.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let young_vips = users.filter(User::TAGS.contains("vip")).filter(User::AGE.lt(40));
    /// assert_eq!(young_vips.count(), 1);
    /// # Ok(()) }
    /// ```
    pub fn filter(mut self, filter: Filter<B>) -> Self {
        self.filter = self.filter.and(filter);
        self
    }

    /// Orders by one key, or by several as a tuple: the most significant first. Ties stay in the order of insertion.
    /// Replaces an order that was given before. O(n log n), or the order of an index.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let last = users.filter(Filter::all()).order_by(User::NAME.desc()).first();
    /// assert_eq!(last.expect("Ben").name, "Ben");
    /// # Ok(()) }
    /// ```
    pub fn order_by(mut self, order: impl OrderBy<B>) -> Self {
        self.order = order.into_keys();
        self
    }

    /// At most so many records.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.order_by(User::NAME.asc()).limit(1).collect().len(), 1);
    /// # Ok(()) }
    /// ```
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Leaves out so many records at the front. Costs a walk over them, unless no condition has to be tested: prefer
    /// [`paginate`](Self::paginate).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.order_by(User::NAME.asc()).offset(1).collect()[0].name, "Ben");
    /// # Ok(()) }
    /// ```
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    fn query(&self) -> Query<'_, B> {
        Query { filter: &self.filter.node, order: &self.order, limit: self.limit, offset: self.offset }
    }

    fn read<T>(&self, read: impl FnOnce(&Table<B>, &Query<'_, B>) -> T) -> Option<T> {
        self.reader.with(|table| read(table, &self.query()))
    }

    /// Records that the question was asked, where somebody wants to know.
    fn watch(&self, taken: Taken<B>) {
        self.reader.watch(|| Arc::new(FilterWatch { filter: self.filter.clone(), taken, window: None }));
    }

    /// The same for a question whose answer is a stretch of the ordered records; `last` if the limit ended it.
    fn watch_window(&self, taken: Taken<B>, after: Option<Position>, last: Option<&Record<B>>) {
        watch_window(self.reader, &self.filter, &self.order, taken, after, last);
    }

    /// The same for an aggregate over a field.
    fn watch_values<T: PartialEq + 'static, P>(&self, field: Field<B, T, P>) {
        self.reader.watch(|| {
            // What a limit cuts off depends on all that is before it.
            let cut = self.limit.is_some() || self.offset > 0;
            let get = field.get;
            let taken =
                if cut { Taken::Records } else { Taken::Values(Box::new(move |a, b| get(a) == get(b))) };
            Arc::new(FilterWatch { filter: self.filter.clone(), taken, window: None })
        });
    }

    /// The records. O(entries of the access path), one allocation, and a reference count for each record.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let adults = users.filter(User::AGE.ge(18)).collect();
    /// assert_eq!(adults[0].name, "Ann");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn collect(&self) -> Vec<Record<B>> {
        let mut records = Vec::new();
        self.read(|table, query| {
            execute(table, query, None, &mut |record| {
                records.push(record.clone());
                ControlFlow::Continue(())
            });
        });
        let full = self.limit.is_some_and(|limit| records.len() >= limit);
        self.watch_window(Taken::Records, None, if full { records.last() } else { None });
        records
    }

    /// The records one by one, all of the same commit. They are fetched in growing batches, so that leaving early is cheap.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// for user in users.filter(User::AGE.is_some()).iter() {
    ///     // The iterator has a snapshot: writes in between change nothing for it.
    ///     users.update(&user.id, User::patch().clear_age())?;
    /// }
    /// assert_eq!(users.filter(User::AGE.is_some()).count(), 0);
    /// # Ok(()) }
    /// ```
    pub fn iter(&self) -> Records<B> {
        Records {
            asked: self.reader.clone(),
            reader: self.reader.snapshot(),
            filter: self.filter.clone(),
            order: self.order.clone(),
            left: self.limit.unwrap_or(usize::MAX),
            offset: self.offset,
            after: None,
            batch: 16,
            buffer: Vec::new().into_iter(),
            done: false,
        }
    }

    /// The first record.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert!(users.filter(User::NAME.eq("Cy")).first().is_none());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn first(&self) -> Option<Record<B>> {
        let mut found = None;
        self.read(|table, query| {
            let limit = Some(query.limit.unwrap_or(1).min(1));
            let query = Query { filter: query.filter, order: query.order, limit, offset: query.offset };
            execute(table, &query, None, &mut |record| {
                found = Some(record.clone());
                ControlFlow::Break(())
            });
        });
        self.watch_window(Taken::Records, None, found.as_ref());
        found
    }

    /// The number of records. O(log n) where ranges of an index hold exactly what passes, however many they are.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::NAME.starts_with("A")).count(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn count(&self) -> usize {
        self.watch(Taken::Members);
        self.read(|table, query| count(table, query)).unwrap_or_default()
    }

    /// Whether there is any record. Stops at the first.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert!(users.filter(User::EMAIL.eq("ann@x.cz")).exists());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn exists(&self) -> bool {
        let mut found = None;
        self.read(|table, query| {
            let query = Query {
                filter: query.filter,
                order: &[],
                limit: Some(query.limit.unwrap_or(1).min(1)),
                offset: query.offset,
            };
            execute(table, &query, None, &mut |record| {
                found = Some(record.clone());
                ControlFlow::Break(())
            });
        });
        watch_window(self.reader, &self.filter, &[], Taken::Members, None, found.as_ref());
        found.is_some()
    }

    /// One page, with the cursor of the next. A seek: O(log n + page), whatever lies before it, where the order is that of
    /// insertion or of an index; otherwise each page sorts what passes.
    ///
    /// A limit of the question is one over all pages; its offset is left out once, before the first.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let by_name = users.order_by(User::NAME.desc());
    /// let page = by_name.paginate(Page::first(1));
    /// let cursor = page.next_cursor.expect("there is more");
    /// assert_eq!(by_name.paginate(Page::first(1).after(cursor))?.records[0].name, "Ann");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// With [`Page::after`](super::page::Page::after) the result is a `Result`: [`Error::InvalidCursor`](crate::Error)
    /// for a cursor of another question.
    pub fn paginate<P: PageRequest>(&self, page: P) -> P::Output<B> {
        let mut page = Some(page);
        let mut run = |table: Option<&Table<B>>| {
            let mut seen = |stretch: Stretch<'_, B>| {
                let last = stretch.last.or(stretch.probe);
                if stretch.last.is_some() && stretch.probe.is_some() {
                    let after = stretch.last.map(|last| Position::of(&self.order, last));
                    self.watch_window(Taken::Members, after, stretch.probe);
                }
                self.watch_window(Taken::Records, stretch.after, last);
            };
            page.take().map(|page| paginate(table, &self.query(), &self.filter, page, &mut seen))
        };
        let found = self.reader.with(|table| run(Some(table))).flatten();
        // The page is still there when the bucket is not defined.
        match found.or_else(|| run(None)) {
            Some(output) => output,
            None => P::output(Err(crate::Error::BucketNotDefined { bucket: B::NAME })),
        }
    }

    /// The sum of a field, 0 for none. Integers widen to 128 bits and floats to `f64`, so nothing overflows; floats are
    /// summed with compensation. `None`s are passed over.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::AGE.ge(18)).sum(User::AGE), 30);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn sum<T: Summable, P>(&self, field: Field<B, T, P>) -> T::Sum {
        self.watch_values(field);
        self.read(|table, query| aggregate::sum(table, query, field)).unwrap_or_default()
    }

    /// The mean of a field, of those records that have a value; `None` if there are none.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::AGE.ge(18)).avg(User::AGE), Some(30.0));
    /// assert_eq!(users.filter(User::AGE.ge(99)).avg(User::AGE), None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn avg<T: Summable, P>(&self, field: Field<B, T, P>) -> Option<f64> {
        self.watch_values(field);
        self.read(|table, query| aggregate::avg(table, query, field)).flatten()
    }

    /// The least value of a field. O(log n) where an index has the field's order.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(Filter::all()).min(User::NAME).as_deref(), Some("Ann"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn min<T: OrderedValue + Clone, P>(&self, field: Field<B, T, P>) -> Option<T> {
        self.watch_values(field);
        self.read(|table, query| aggregate::end(table, query, field, false)).flatten()
    }

    /// The greatest value of a field. O(log n) where an index has the field's order.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(Filter::all()).max(User::NAME).as_deref(), Some("Ben"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn max<T: OrderedValue + Clone, P>(&self, field: Field<B, T, P>) -> Option<T> {
        self.watch_values(field);
        self.read(|table, query| aggregate::end(table, query, field, true)).flatten()
    }

    /// The records by groups of a field, or of a tuple of fields.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let tagged = users.filter(User::TAGS.contains("vip")).group_by(User::NAME).count();
    /// assert_eq!(tagged["Ann"], 1);
    /// # Ok(()) }
    /// ```
    pub fn group_by<G: GroupBy<B>>(self, by: G) -> Groups<'r, B, G> {
        Groups { select: self, by }
    }

    /// How the question is answered: which index, how many entries, what is tested, whether it sorts. Plans, and does not
    /// run.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let plan = users.filter(User::AGE.between(18..65)).explain();
    /// assert_eq!(plan.index(), Some("age"));
    /// assert!(users.filter(User::NAME.ends_with("n")).explain().is_scan());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn explain(&self) -> Explanation {
        self.read(|table, query| Explanation::new(table, query))
            .unwrap_or_else(|| Explanation::nothing(B::NAME))
    }

    pub(crate) fn visit_unordered(&self, visit: &mut dyn FnMut(&Record<B>) -> ControlFlow<()>) {
        self.watch(Taken::Records);
        self.read(|table, query| unordered(table, query, visit));
    }
}

impl<B: Bucket> IntoIterator for Select<'_, B> {
    type Item = Record<B>;
    type IntoIter = Records<B>;

    fn into_iter(self) -> Records<B> {
        self.iter()
    }
}

impl<B: Bucket> IntoIterator for &Select<'_, B> {
    type Item = Record<B>;
    type IntoIter = Records<B>;

    fn into_iter(self) -> Records<B> {
        self.iter()
    }
}

fn watch_window<B: Bucket>(
    reader: &Reader<B>,
    filter: &Filter<B>,
    order: &[OrderKey<B>],
    taken: Taken<B>,
    after: Option<Position>,
    last: Option<&Record<B>>,
) {
    reader.watch(|| {
        let last = last.map(|last| Position::of(order, last));
        let window = (after.is_some() || last.is_some()).then(|| {
            let mut window = Window { order: order.to_vec(), after, last };
            if let Some(own) = reader.own_rows() {
                window.unsettle(own);
            }
            window
        });
        Arc::new(FilterWatch { filter: filter.clone(), taken, window })
    });
}

/// The records of a question, one by one: made by [`Select::iter`]. Holds the snapshot that it reads.
pub struct Records<B: Bucket> {
    /// Whom the question was put to, who may want to know what of it was read.
    asked: Reader<B>,
    /// The snapshot.
    reader: Reader<B>,
    filter: Filter<B>,
    order: Vec<OrderKey<B>>,
    /// How many records the question's limit still allows to be fetched.
    left: usize,
    offset: usize,
    after: Option<Position>,
    batch: usize,
    buffer: vec::IntoIter<Record<B>>,
    done: bool,
}

impl<B: Bucket> Records<B> {
    fn fetch(&mut self) {
        let wanted = self.batch.min(self.left);
        let node: &Node<B> = &self.filter.node;
        let query = Query { filter: node, order: &self.order, limit: Some(wanted), offset: self.offset };
        let mut records: Vec<Record<B>> = Vec::new();
        self.reader.with(|table| {
            execute(table, &query, self.after.as_ref(), &mut |record| {
                records.push(record.clone());
                ControlFlow::Continue(())
            });
        });
        self.done = records.len() < wanted;
        let last = if self.done { None } else { records.last() };
        watch_window(&self.asked, &self.filter, &self.order, Taken::Records, self.after.take(), last);
        self.left -= records.len();
        self.offset = 0;
        // A sort is paid again for each batch: growing batches keep that to a few.
        self.batch = self.batch.saturating_mul(4);
        self.after = records.last().map(|last| Position::of(&self.order, last));
        self.buffer = records.into_iter();
    }
}

impl<B: Bucket> Iterator for Records<B> {
    type Item = Record<B>;

    fn next(&mut self) -> Option<Record<B>> {
        loop {
            if let Some(record) = self.buffer.next() {
                return Some(record);
            }
            if self.done || self.left == 0 {
                return None;
            }
            self.fetch();
        }
    }
}

impl<B: Bucket> std::iter::FusedIterator for Records<B> {}

impl<B: Bucket> fmt::Debug for Records<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("bucket", &B::NAME)
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}
