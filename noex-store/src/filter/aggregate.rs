//! Sums, means, ends and groups.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use super::execute::{execute, unordered};
use super::leaf::Present;
use super::order::OrderKey;
use super::plan::{Order, Plan, Query};
use super::select::Select;
use super::{Filter, Node};
use crate::bucket::Bucket;
use crate::bucket::field::{Field, Optional, OrderedValue, Required};
use crate::bucket::record::Record;
use crate::engine::Table;

/// Numbers that can be summed without overflow: integers widen to 128 bits, floats to `f64`.
#[diagnostic::on_unimplemented(
    message = "`sum` and `avg` need numbers, and `{Self}` is not one",
    label = "not a field of numbers",
    note = "for the number of records use `count()`; `min` and `max` work on anything that has an order"
)]
pub trait Summable: Copy + Send + Sync + 'static {
    /// What a sum of such numbers is.
    type Sum: Copy + Default + fmt::Debug + PartialEq + Send + Sync + 'static;
    #[doc(hidden)]
    type Adder: Adder<Self, Self::Sum>;
}

/// A sum in the making.
#[doc(hidden)]
pub trait Adder<T, S>: Default + Send {
    fn add(&mut self, value: T);
    fn sum(&self) -> S;
    fn as_f64(&self) -> f64;
}

/// A sum of integers, which stays at the end of its range instead of overflowing.
#[doc(hidden)]
#[derive(Debug, Default, Clone, Copy)]
pub struct Whole<S>(S);

/// A sum of floats with a running compensation, so that the order of many small numbers hardly matters. Source: A. Neumaier,
/// *Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen*, 1974.
#[doc(hidden)]
#[derive(Debug, Default, Clone, Copy)]
pub struct Compensated {
    sum: f64,
    lost: f64,
}

macro_rules! summable {
    ($($sum:ty: $($number:ty),*;)*) => { $(
        $(#[diagnostic::do_not_recommend]
        impl Summable for $number {
            type Sum = $sum;
            type Adder = Whole<$sum>;
        }
        impl Adder<$number, $sum> for Whole<$sum> {
            fn add(&mut self, value: $number) {
                self.0 = self.0.saturating_add(<$sum>::from(value));
            }
            fn sum(&self) -> $sum {
                self.0
            }
            fn as_f64(&self) -> f64 {
                self.0 as f64
            }
        })*
    )* };
}
summable! { u128: u8, u16, u32, u64, u128; i128: i8, i16, i32, i64, i128; }

macro_rules! summable_sizes {
    ($($number:ty => $sum:ty),*) => { $(
        #[diagnostic::do_not_recommend]
        impl Summable for $number {
            type Sum = $sum;
            type Adder = Whole<$sum>;
        }
        impl Adder<$number, $sum> for Whole<$sum> {
            fn add(&mut self, value: $number) {
                self.0 = self.0.saturating_add(value as $sum);
            }
            fn sum(&self) -> $sum {
                self.0
            }
            fn as_f64(&self) -> f64 {
                self.0 as f64
            }
        }
    )* };
}
summable_sizes!(usize => u128, isize => i128);

macro_rules! summable_floats {
    ($($number:ty),*) => { $(
        #[diagnostic::do_not_recommend]
        impl Summable for $number {
            type Sum = f64;
            type Adder = Compensated;
        }
        impl Adder<$number, f64> for Compensated {
            fn add(&mut self, value: $number) {
                let value = f64::from(value);
                let sum = self.sum + value;
                // Of infinities there is nothing to compensate.
                if sum.is_finite() {
                    self.lost += if self.sum.abs() >= value.abs() {
                        (self.sum - sum) + value
                    } else {
                        (value - sum) + self.sum
                    };
                }
                self.sum = sum;
            }
            fn sum(&self) -> f64 {
                self.sum + self.lost
            }
            fn as_f64(&self) -> f64 {
                self.sum + self.lost
            }
        }
    )* };
}
summable_floats!(f32, f64);

/// The sum and the number of the values of a field.
struct Mean<T: Summable> {
    adder: T::Adder,
    count: usize,
}

impl<T: Summable> Mean<T> {
    fn new() -> Self {
        Self { adder: T::Adder::default(), count: 0 }
    }

    fn add(&mut self, value: Option<&T>) {
        if let Some(value) = value {
            self.adder.add(*value);
            self.count += 1;
        }
    }

    fn avg(&self) -> Option<f64> {
        (self.count > 0).then(|| self.adder.as_f64() / self.count as f64)
    }
}

fn mean<B: Bucket, T: Summable, P>(table: &Table<B>, query: &Query<'_, B>, field: Field<B, T, P>) -> Mean<T> {
    let mut mean = Mean::new();
    unordered(table, query, &mut |record| {
        mean.add((field.get)(record));
        ControlFlow::Continue(())
    });
    mean
}

pub(crate) fn sum<B: Bucket, T: Summable, P>(
    table: &Table<B>,
    query: &Query<'_, B>,
    field: Field<B, T, P>,
) -> T::Sum {
    mean(table, query, field).adder.sum()
}

pub(crate) fn avg<B: Bucket, T: Summable, P>(
    table: &Table<B>,
    query: &Query<'_, B>,
    field: Field<B, T, P>,
) -> Option<f64> {
    mean(table, query, field).avg()
}

/// The least or the greatest value of a field: from the end of an index where one has the field's order, else by looking at
/// every record that passes. Values without an order (NaN) are passed over.
pub(crate) fn end<B: Bucket, T: OrderedValue + Clone, P>(
    table: &Table<B>,
    query: &Query<'_, B>,
    field: Field<B, T, P>,
    greatest: bool,
) -> Option<T> {
    if query.limit.is_none() && query.offset == 0 {
        let order = [OrderKey::unsaved(field.number, field.get, greatest)];
        let present;
        let filter = if B::schema().fields.get(usize::from(field.number)).is_some_and(|field| field.optional)
        {
            let some = Filter::leaf(Present { field: field.number, get: field.get, present: true });
            present = Node::All(vec![query.filter.clone(), some.node]);
            &present
        } else {
            query.filter
        };
        let ordered = Query { filter, order: &order, limit: Some(1), offset: 0 };
        if matches!(Plan::new(table, &ordered).order, Order::Index { .. }) {
            let mut found = None;
            execute(table, &ordered, None, &mut |record| {
                found = (field.get)(record).cloned();
                ControlFlow::Break(())
            });
            return found;
        }
    }
    let mut end: Option<T> = None;
    unordered(table, query, &mut |record| {
        better(&mut end, (field.get)(record), greatest);
        ControlFlow::Continue(())
    });
    end
}

fn better<T: PartialOrd + Clone>(end: &mut Option<T>, value: Option<&T>, greatest: bool) {
    let Some(value) = value else { return };
    let wanted = if greatest { Ordering::Greater } else { Ordering::Less };
    #[allow(clippy::eq_op, reason = "NaN is what does not equal itself")]
    let ordered = value == value;
    if ordered && end.as_ref().is_none_or(|end| value.partial_cmp(end) == Some(wanted)) {
        *end = Some(value.clone());
    }
}

/// Whether a field is an `Option`, and so what its groups are named by.
pub trait Presence<T>: 'static {
    /// `T`, or `Option<T>`.
    type Key: Ord + Clone;
    #[doc(hidden)]
    fn key(value: Option<&T>) -> Option<Self::Key>;
}

impl<T: Ord + Clone> Presence<T> for Required {
    type Key = T;

    fn key(value: Option<&T>) -> Option<T> {
        value.cloned()
    }
}

impl<T: Ord + Clone> Presence<T> for Optional {
    type Key = Option<T>;

    fn key(value: Option<&T>) -> Option<Option<T>> {
        Some(value.cloned())
    }
}

/// What records can be grouped by: a field, or a tuple of up to three.
#[diagnostic::on_unimplemented(
    message = "records of `{B}` cannot be grouped by this",
    label = "expected a field whose values are `Ord + Clone`, or a tuple of up to three of them",
    note = "floating-point numbers have no total order: group by an integer (a bin, cents) instead"
)]
pub trait GroupBy<B>: Copy + 'static {
    /// What names a group: the field's type; an `Option` for a field that is one.
    type Key: Ord;
    #[doc(hidden)]
    fn key(&self, record: &B) -> Option<Self::Key>;
    #[doc(hidden)]
    fn compare(&self, a: &B, b: &B) -> Ordering;
}

#[diagnostic::do_not_recommend]
impl<B: Bucket, T: Ord + Clone + 'static, P: Presence<T>> GroupBy<B> for Field<B, T, P> {
    type Key = P::Key;

    fn key(&self, record: &B) -> Option<P::Key> {
        P::key((self.get)(record))
    }

    fn compare(&self, a: &B, b: &B) -> Ordering {
        (self.get)(a).cmp(&(self.get)(b))
    }
}

macro_rules! group_by {
    ($($part:ident $number:tt),+) => {
        #[diagnostic::do_not_recommend]
        impl<B: Bucket, $($part: GroupBy<B>),+> GroupBy<B> for ($($part,)+) {
            type Key = ($($part::Key,)+);

            fn key(&self, record: &B) -> Option<Self::Key> {
                Some(($(self.$number.key(record)?,)+))
            }

            fn compare(&self, a: &B, b: &B) -> Ordering {
                Ordering::Equal$(.then_with(|| self.$number.compare(a, b)))+
            }
        }
    };
}
group_by!(G0 0, G1 1);
group_by!(G0 0, G1 1, G2 2);

/// A record that stands for its group.
struct Member<B, G> {
    record: Record<B>,
    by: G,
}

/// A record whose group is looked for.
struct Probe<'a, B, G> {
    record: &'a B,
    by: G,
}

/// What groups are found by: records are compared with each other, so that neither a key nor a reference count is touched
/// for a record whose group is there.
trait Grouped<B> {
    fn record(&self) -> &B;
    fn compare(&self, other: &B) -> Ordering;
}

impl<B: Bucket, G: GroupBy<B>> Grouped<B> for Member<B, G> {
    fn record(&self) -> &B {
        &self.record
    }

    fn compare(&self, other: &B) -> Ordering {
        self.by.compare(&self.record, other)
    }
}

impl<B: Bucket, G: GroupBy<B>> Grouped<B> for Probe<'_, B, G> {
    fn record(&self) -> &B {
        self.record
    }

    fn compare(&self, other: &B) -> Ordering {
        self.by.compare(self.record, other)
    }
}

impl<'a, B: Bucket, G: GroupBy<B>> Borrow<dyn Grouped<B> + 'a> for Member<B, G> {
    fn borrow(&self) -> &(dyn Grouped<B> + 'a) {
        self
    }
}

/// An order and an equality from `compare`.
macro_rules! ordered {
    ([$($generics:tt)*] $ordered:ty) => {
        impl<$($generics)*> Ord for $ordered {
            fn cmp(&self, other: &Self) -> Ordering {
                self.compare(other.record())
            }
        }

        impl<$($generics)*> PartialOrd for $ordered {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl<$($generics)*> PartialEq for $ordered {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl<$($generics)*> Eq for $ordered {}
    };
}
ordered!([B: Bucket, G: GroupBy<B>] Member<B, G>);
ordered!([B] dyn Grouped<B> + '_);

/// All that is known of the numbers of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Summary<T: Summable> {
    /// The number of records in the group.
    pub count: usize,
    /// The number of those whose field has a value.
    pub present: usize,
    /// Their sum.
    pub sum: T::Sum,
    /// Their mean; `None` if there are none.
    pub avg: Option<f64>,
    /// The least of them.
    pub min: Option<T>,
    /// The greatest of them.
    pub max: Option<T>,
}

/// The records of a query by groups: made by `group_by`. Each method answers in one pass over what passes the filter, in
/// O(records × log groups), and gives a map in the order of the keys.
///
/// ```
/// # use noex_store::prelude::*;
/// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// # struct Sale { #[bucket(key, generated = "autoincrement")] id: u64, city: String, cents: u32 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let store = Store::builder().bucket::<Sale>().start().await?;
/// # let sales = store.bucket::<Sale>()?;
/// for (city, cents) in [("Brno", 250), ("Ostrava", 100), ("Brno", 350)] {
///     sales.insert(Sale::draft().city(city).cents(cents))?;
/// }
/// assert_eq!(sales.group_by(Sale::CITY).count()["Brno"], 2);
/// assert_eq!(sales.group_by(Sale::CITY).avg(Sale::CENTS)["Brno"], Some(300.0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "groups do nothing until they are asked something"]
pub struct Groups<'r, B: Bucket, G> {
    pub(crate) select: Select<'r, B>,
    pub(crate) by: G,
}

impl<B: Bucket, G: GroupBy<B>> Groups<'_, B, G> {
    /// Folds the records of each group into a value of its own.
    pub fn fold<A>(
        self,
        start: impl Fn() -> A,
        mut add: impl FnMut(&mut A, &Record<B>),
    ) -> BTreeMap<G::Key, A> {
        let mut groups: BTreeMap<Member<B, G>, A> = BTreeMap::new();
        let by = self.by;
        self.select.visit_unordered(&mut |record| {
            let probe: &dyn Grouped<B> = &Probe { record: record.value(), by };
            match groups.get_mut(probe) {
                Some(group) => add(group, record),
                None => {
                    let group = groups.entry(Member { record: record.clone(), by }).or_insert_with(&start);
                    add(group, record);
                }
            }
            ControlFlow::Continue(())
        });
        groups.into_iter().filter_map(|(member, value)| Some((by.key(&member.record)?, value))).collect()
    }

    /// The number of records in each group.
    pub fn count(self) -> BTreeMap<G::Key, usize> {
        self.fold(|| 0, |count, _| *count += 1)
    }

    /// The records of each group, in no particular order within it.
    pub fn collect(self) -> BTreeMap<G::Key, Vec<Record<B>>> {
        self.fold(Vec::new, |records, record| records.push(record.clone()))
    }

    /// The sum of a field in each group.
    pub fn sum<T: Summable, P>(self, field: Field<B, T, P>) -> BTreeMap<G::Key, T::Sum> {
        let means = self.fold(Mean::<T>::new, |mean, record| mean.add((field.get)(record)));
        means.into_iter().map(|(key, mean)| (key, mean.adder.sum())).collect()
    }

    /// The mean of a field in each group; `None` where no record of the group has a value.
    pub fn avg<T: Summable, P>(self, field: Field<B, T, P>) -> BTreeMap<G::Key, Option<f64>> {
        let means = self.fold(Mean::<T>::new, |mean, record| mean.add((field.get)(record)));
        means.into_iter().map(|(key, mean)| (key, mean.avg())).collect()
    }

    /// The least value of a field in each group; `None` where no record of the group has one.
    pub fn min<T: OrderedValue + Clone, P>(self, field: Field<B, T, P>) -> BTreeMap<G::Key, Option<T>> {
        self.fold(|| None, |end, record| better(end, (field.get)(record), false))
    }

    /// The greatest value of a field in each group; `None` where no record of the group has one.
    pub fn max<T: OrderedValue + Clone, P>(self, field: Field<B, T, P>) -> BTreeMap<G::Key, Option<T>> {
        self.fold(|| None, |end, record| better(end, (field.get)(record), true))
    }

    /// All of these for a field of numbers, in one pass.
    pub fn summary<T: Summable + PartialOrd, P>(self, field: Field<B, T, P>) -> BTreeMap<G::Key, Summary<T>> {
        let start = || (0, Mean::<T>::new(), None, None);
        let groups = self.fold(start, |(count, mean, min, max), record| {
            let value = (field.get)(record);
            *count += 1;
            mean.add(value);
            better(min, value, false);
            better(max, value, true);
        });
        let summary = |(count, mean, min, max): (usize, Mean<T>, Option<T>, Option<T>)| Summary {
            count,
            present: mean.count,
            sum: mean.adder.sum(),
            avg: mean.avg(),
            min,
            max,
        };
        groups.into_iter().map(|(key, group)| (key, summary(group))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_overflow() {
        let mut sum = <u64 as Summable>::Adder::default();
        sum.add(u64::MAX);
        sum.add(u64::MAX);
        assert_eq!(Adder::<u64, u128>::sum(&sum), u128::from(u64::MAX) * 2);
        let mut sum = <i128 as Summable>::Adder::default();
        sum.add(i128::MAX);
        sum.add(1_i128);
        assert_eq!(Adder::<i128, i128>::sum(&sum), i128::MAX);
    }

    #[test]
    fn float_sums_keep_what_is_small() {
        let mut sum = Compensated::default();
        for value in [1.0, 1e100, 1.0, -1e100] {
            Adder::<f64, f64>::add(&mut sum, value);
        }
        assert_eq!(Adder::<f64, f64>::sum(&sum), 2.0);
        let mut sum = Compensated::default();
        for value in [f64::INFINITY, 1.0] {
            Adder::<f64, f64>::add(&mut sum, value);
        }
        assert_eq!(Adder::<f64, f64>::sum(&sum), f64::INFINITY);
    }

    #[test]
    fn ends_pass_over_nan() {
        let mut end = None;
        for value in [f64::NAN, 2.0, f64::NAN, 1.0, 3.0] {
            better(&mut end, Some(&value), false);
        }
        assert_eq!(end, Some(1.0));
    }
}
