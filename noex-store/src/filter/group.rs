//! Records by groups.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::aggregate::{Mean, better};
use super::select::Select;
use super::sum::{Adder, Summable};
use crate::bucket::Bucket;
use crate::bucket::field::{Field, Optional, OrderedValue, Required};
use crate::bucket::record::Record;

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

/// Up to so many groups stand in a list, in their order, where comparing them is a call that the compiler can inline.
const FEW: usize = 32;

/// The group of a record, among a few; `None` if it is one too many.
fn find<'g, B: Bucket, G: GroupBy<B>, A>(
    groups: &'g mut Vec<(Record<B>, A)>,
    by: G,
    record: &Record<B>,
    start: &impl Fn() -> A,
) -> Option<&'g mut A> {
    let at = match groups.binary_search_by(|(other, _)| by.compare(other, record)) {
        Ok(at) => at,
        Err(_) if groups.len() == FEW => return None,
        Err(at) => {
            groups.insert(at, (record.clone(), start()));
            at
        }
    };
    groups.get_mut(at).map(|(_, group)| group)
}

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
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let names = users.group_by(User::AGE).fold(String::new, |all, user| *all += &user.name);
    /// assert_eq!(names[&Some(30)], "Ann");
    /// # Ok(()) }
    /// ```
    pub fn fold<A>(
        self,
        start: impl Fn() -> A,
        mut add: impl FnMut(&mut A, &Record<B>),
    ) -> BTreeMap<G::Key, A> {
        let by = self.by;
        let mut few = Vec::new();
        #[allow(clippy::mutable_key_type, reason = "the mark that a record was used is no part of its order")]
        let mut many: BTreeMap<Member<B, G>, A> = BTreeMap::new();
        self.select.visit_unordered(&mut |record| {
            if many.is_empty()
                && let Some(group) = find(&mut few, by, record, &start)
            {
                add(group, record);
                return ControlFlow::Continue(());
            }
            many.extend(few.drain(..).map(|(record, value)| (Member { record, by }, value)));
            let probe: &dyn Grouped<B> = &Probe { record: record.value(), by };
            match many.get_mut(probe) {
                Some(group) => add(group, record),
                None => {
                    let group = many.entry(Member { record: record.clone(), by }).or_insert_with(&start);
                    add(group, record);
                }
            }
            ControlFlow::Continue(())
        });
        let few = few.into_iter();
        let all = few.chain(many.into_iter().map(|(member, value)| (member.record, value)));
        all.filter_map(|(record, value)| Some((by.key(&record)?, value))).collect()
    }

    /// The number of records in each group.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.group_by(User::AGE).count()[&None], 1, "a group of those without");
    /// # Ok(()) }
    /// ```
    pub fn count(self) -> BTreeMap<G::Key, usize> {
        self.fold(|| 0, |count, _| *count += 1)
    }

    /// The records of each group, in no particular order within it.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.group_by(User::AGE).collect()[&Some(30)][0].name, "Ann");
    /// # Ok(()) }
    /// ```
    pub fn collect(self) -> BTreeMap<G::Key, Vec<Record<B>>> {
        self.fold(Vec::new, |records, record| records.push(record.clone()))
    }

    /// The sum of a field in each group.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.group_by(User::NAME).sum(User::AGE)["Ann"], 30);
    /// # Ok(()) }
    /// ```
    pub fn sum<T: Summable, P>(self, field: Field<B, T, P>) -> BTreeMap<G::Key, T::Sum> {
        let means = self.fold(Mean::<T>::new, |mean, record| mean.add((field.get)(record)));
        means.into_iter().map(|(key, mean)| (key, mean.adder.sum())).collect()
    }

    /// The mean of a field in each group; `None` where no record of the group has a value.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ages = users.group_by(User::NAME).avg(User::AGE);
    /// assert_eq!((ages["Ann"], ages["Ben"]), (Some(30.0), None));
    /// # Ok(()) }
    /// ```
    pub fn avg<T: Summable, P>(self, field: Field<B, T, P>) -> BTreeMap<G::Key, Option<f64>> {
        let means = self.fold(Mean::<T>::new, |mean, record| mean.add((field.get)(record)));
        means.into_iter().map(|(key, mean)| (key, mean.avg())).collect()
    }

    /// The least value of a field in each group; `None` where no record of the group has one.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.group_by(User::NAME).min(User::AGE)["Ann"], Some(30));
    /// # Ok(()) }
    /// ```
    pub fn min<T: OrderedValue + Clone, P>(self, field: Field<B, T, P>) -> BTreeMap<G::Key, Option<T>> {
        self.fold(|| None, |end, record| better(end, (field.get)(record), false))
    }

    /// The greatest value of a field in each group; `None` where no record of the group has one.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.group_by(User::NAME).max(User::AGE)["Ben"], None);
    /// # Ok(()) }
    /// ```
    pub fn max<T: OrderedValue + Clone, P>(self, field: Field<B, T, P>) -> BTreeMap<G::Key, Option<T>> {
        self.fold(|| None, |end, record| better(end, (field.get)(record), true))
    }

    /// All of these for a field of numbers, in one pass.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ann = &users.group_by(User::NAME).summary(User::AGE)["Ann"];
    /// assert_eq!((ann.count, ann.avg, ann.max), (1, Some(30.0), Some(30)));
    /// # Ok(()) }
    /// ```
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
