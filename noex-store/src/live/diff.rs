//! What changed from one list of records to the next.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::subscription::{Subscription, Update};
use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::engine::Version;
use crate::error::Error;

/// One step from a list of records to the next. Steps are applied in order, each to what the ones before it have made.
#[derive(Debug)]
#[non_exhaustive]
pub enum DiffStep<B> {
    /// The record is new; it stands at this place now.
    Inserted {
        /// Its place.
        at: usize,
        /// The record.
        record: Record<B>,
    },
    /// The record at this place was replaced by another version of it.
    Updated {
        /// Its place.
        at: usize,
        /// As it was before.
        old: Record<B>,
        /// As it is now.
        new: Record<B>,
    },
    /// The record went to another place.
    Moved {
        /// Where it stood.
        from: usize,
        /// Where it stands, after it was taken out.
        to: usize,
    },
    /// The record that stood at this place is gone from the list.
    Removed {
        /// Its place.
        at: usize,
        /// As it was last.
        record: Record<B>,
    },
}

impl<B> Clone for DiffStep<B> {
    fn clone(&self) -> Self {
        match self {
            Self::Inserted { at, record } => Self::Inserted { at: *at, record: record.clone() },
            Self::Updated { at, old, new } => Self::Updated { at: *at, old: old.clone(), new: new.clone() },
            Self::Moved { from, to } => Self::Moved { from: *from, to: *to },
            Self::Removed { at, record } => Self::Removed { at: *at, record: record.clone() },
        }
    }
}

impl<B> DiffStep<B> {
    /// Makes the step. O(length); a step that does not fit the list does nothing.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let named = store.define_query("named", |ctx: &QueryCtx<'_>, (): &()| {
    ///     Ok(ctx.bucket::<User>()?.order_by(User::NAME.asc()).collect())
    /// })?;
    /// let mut diffs = named.subscribe(())?.diffs();
    /// let mut list = Vec::new();
    /// for step in diffs.next().await.expect("open")?.steps {
    ///     step.apply(&mut list);
    /// }
    /// assert_eq!(list[0].name, "Ann");
    /// # Ok(()) }
    /// ```
    pub fn apply(&self, list: &mut Vec<Record<B>>) {
        match self {
            Self::Inserted { at, record } if *at <= list.len() => list.insert(*at, record.clone()),
            Self::Updated { at, new, .. } => {
                if let Some(own) = list.get_mut(*at) {
                    *own = new.clone();
                }
            }
            Self::Moved { from, to } if *from < list.len() && *to < list.len() => {
                let record = list.remove(*from);
                list.insert(*to, record);
            }
            Self::Removed { at, .. } if *at < list.len() => drop(list.remove(*at)),
            _ => {}
        }
    }
}

/// The steps from one list to the next, in which each record stands once. First what is gone, from the end; then what has
/// moved; then what is new or has changed, from the front. As few moves as there can be: those that stay in order are a longest increasing
/// subsequence (Fredman, *On computing the length of longest increasing subsequences*, 1975). O(n log n), but for finding the
/// places of what moved, which is O(moved × n).
pub(crate) fn diff<B: Bucket>(old: &[Record<B>], new: &[Record<B>]) -> Vec<DiffStep<B>> {
    let mut steps = Vec::new();
    let place_in_new: HashMap<&B::Key, usize> =
        new.iter().enumerate().map(|(at, record)| (record.key(), at)).collect();
    let mut list: Vec<(&Record<B>, usize)> = Vec::with_capacity(old.len());
    for (at, record) in old.iter().enumerate() {
        match place_in_new.get(record.key()) {
            Some(target) => list.push((record, *target)),
            None => steps.push(DiffStep::Removed { at, record: record.clone() }),
        }
    }
    steps.reverse();
    // The places in the new list of what stands in the old one, in the order of the old one: to be put into ascending order.
    let mut order: Vec<usize> = list.iter().map(|(_, target)| *target).collect();
    let mut settled = vec![false; new.len()];
    longest_increasing(&order).iter().for_each(|at| settled[order[*at]] = true);
    let mut movers: Vec<usize> = order.iter().copied().filter(|target| !settled[*target]).collect();
    movers.sort_unstable();
    for target in movers {
        let Some(from) = order.iter().position(|other| *other == target) else { continue };
        order.remove(from);
        let next = order.iter().position(|other| settled[*other] && *other > target);
        let to = next.unwrap_or(order.len());
        order.insert(to, target);
        settled[target] = true;
        if from != to {
            steps.push(DiffStep::Moved { from, to });
        }
    }
    let was: HashMap<&B::Key, &Record<B>> = list.iter().map(|(record, _)| (record.key(), *record)).collect();
    for (at, record) in new.iter().enumerate() {
        match was.get(record.key()) {
            None => steps.push(DiffStep::Inserted { at, record: record.clone() }),
            Some(before) if !Record::same(before, record) => {
                steps.push(DiffStep::Updated { at, old: (*before).clone(), new: record.clone() });
            }
            Some(_) => {}
        }
    }
    steps
}

/// The places of a longest increasing subsequence, ascending.
fn longest_increasing(values: &[usize]) -> Vec<usize> {
    let mut ends: Vec<usize> = Vec::new();
    let mut before = vec![usize::MAX; values.len()];
    for (at, value) in values.iter().enumerate() {
        let length = ends.partition_point(|end| values[*end] < *value);
        before[at] = length.checked_sub(1).map_or(usize::MAX, |last| ends[last]);
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut places = Vec::with_capacity(ends.len());
    let mut at = ends.last().copied().unwrap_or(usize::MAX);
    while at != usize::MAX {
        places.push(at);
        at = before[at];
    }
    places.reverse();
    places
}

/// A new list of records, and the steps to it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Diff<B> {
    /// What leads from the list before to this one; for the first, from an empty list.
    pub steps: Vec<DiffStep<B>>,
    /// The list.
    pub value: Arc<Vec<Record<B>>>,
    /// The commit that it is the answer of.
    pub version: Version,
}

/// The answers of a query that gives records, as steps: a [`Stream`], made by [`Subscription::diffs`].
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// use noex_store::DiffStep;
///
/// let all = store.define_query("all", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.all()))?;
/// let mut diffs = all.subscribe(())?.diffs();
/// let mut page: Vec<Record<User>> = Vec::new();
/// diffs.next().await.expect("open")?.steps.iter().for_each(|step| step.apply(&mut page));
/// assert_eq!(page.len(), 2);
/// users.delete(&1)?;
/// let diff = diffs.next().await.expect("open")?;
/// assert!(matches!(diff.steps[..], [DiffStep::Removed { at: 0, .. }]));
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "dropping it ends the subscription"]
pub struct Diffs<B> {
    subscription: Subscription<Vec<Record<B>>>,
    last: Arc<Vec<Record<B>>>,
}

impl<B: Bucket> Subscription<Vec<Record<B>>> {
    /// Gives each change as steps from the list before. A record is told from others by its key, and must stand in the list
    /// once.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let named = store.define_query("named", |ctx: &QueryCtx<'_>, (): &()| {
    ///     Ok(ctx.bucket::<User>()?.order_by(User::NAME.asc()).collect())
    /// })?;
    /// let mut diffs = named.subscribe(())?.diffs();
    /// let mut list = Vec::new();
    /// for step in diffs.next().await.expect("open")?.steps {
    ///     step.apply(&mut list);
    /// }
    /// users.delete(&1)?;
    /// let diff = diffs.next().await.expect("open")?;
    /// assert!(matches!(diff.steps[0], noex_store::DiffStep::Removed { at: 0, .. }));
    /// # Ok(()) }
    /// ```
    pub fn diffs(self) -> Diffs<B> {
        Diffs { subscription: self, last: Arc::default() }
    }
}

impl<B: Bucket> Diffs<B> {
    /// The list that the steps so far lead to.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let named = store.define_query("named", |ctx: &QueryCtx<'_>, (): &()| {
    ///     Ok(ctx.bucket::<User>()?.order_by(User::NAME.asc()).collect())
    /// })?;
    /// let mut diffs = named.subscribe(())?.diffs();
    /// let mut list = Vec::new();
    /// for step in diffs.next().await.expect("open")?.steps {
    ///     step.apply(&mut list);
    /// }
    /// assert_eq!(diffs.current(), list);
    /// # Ok(()) }
    /// ```
    pub fn current(&self) -> &[Record<B>] {
        &self.last
    }

    fn step(&mut self, update: Update<Vec<Record<B>>>) -> Diff<B> {
        let steps = diff(&self.last, &update.value);
        self.last = Arc::clone(&update.value);
        Diff { steps, value: update.value, version: update.version }
    }

    /// Waits for the next change.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let named = store.define_query("named", |ctx: &QueryCtx<'_>, (): &()| {
    ///     Ok(ctx.bucket::<User>()?.order_by(User::NAME.asc()).collect())
    /// })?;
    /// let mut diffs = named.subscribe(())?.diffs();
    /// let mut list = Vec::new();
    /// for step in diffs.next().await.expect("open")?.steps {
    ///     step.apply(&mut list);
    /// }
    /// users.update(&2, User::patch().name("Abe"))?;
    /// assert_eq!(diffs.next().await.expect("open")?.value[0].name, "Abe");
    /// # Ok(()) }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Diff<B>, Error>> {
        let update = self.subscription.next().await?;
        Some(update.map(|update| self.step(update)))
    }

    /// The next change, if there is one now.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let named = store.define_query("named", |ctx: &QueryCtx<'_>, (): &()| {
    ///     Ok(ctx.bucket::<User>()?.order_by(User::NAME.asc()).collect())
    /// })?;
    /// let mut diffs = named.subscribe(())?.diffs();
    /// let mut list = Vec::new();
    /// for step in diffs.next().await.expect("open")?.steps {
    ///     step.apply(&mut list);
    /// }
    /// assert!(diffs.try_next().is_none(), "nothing has changed since");
    /// # Ok(()) }
    /// ```
    pub fn try_next(&mut self) -> Option<Result<Diff<B>, Error>> {
        let update = self.subscription.try_next()?;
        Some(update.map(|update| self.step(update)))
    }
}

impl<B: Bucket> Stream for Diffs<B> {
    type Item = Result<Diff<B>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let update = ready!(Pin::new(&mut self.subscription).poll_next(context));
        Poll::Ready(update.map(|update| update.map(|update| self.step(update))))
    }
}

impl<B> Unpin for Diffs<B> {}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::bucket::record::Meta;
    use crate::engine::RowId;
    use crate::engine::tests::Random;

    #[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "things", crate = crate)]
    struct Thing {
        #[bucket(key)]
        id: u32,
    }

    fn record(id: u32, version: u64) -> Record<Thing> {
        let row = RowId(u64::from(id));
        Record::new(Thing { id }, Meta { row, version, created_at: 1, updated_at: 1, expires_at: None })
    }

    fn shuffled(random: &mut Random, from: &[Record<Thing>]) -> Vec<Record<Thing>> {
        let mut list: Vec<Record<Thing>> = from.iter().filter(|_| random.below(4) > 0).cloned().collect();
        for _ in 0..random.below(4) {
            let id = 100 + random.below(1000) as u32;
            if list.iter().all(|record| record.id != id) {
                list.insert(random.below(list.len() + 1), record(id, 1));
            }
        }
        for _ in 0..random.below(5) {
            if !list.is_empty() {
                let moved = list.remove(random.below(list.len()));
                list.insert(random.below(list.len() + 1), moved);
            }
        }
        for own in &mut list {
            if random.below(5) == 0 {
                *own = record(own.id, own.version() + 1);
            }
        }
        list
    }

    #[test]
    fn the_steps_lead_from_one_list_to_the_next() {
        for seed in 0..3000 {
            let mut random = Random::new(seed);
            let old: Vec<_> = (0..random.below(20) as u32).map(|id| record(id, 1)).collect();
            let new = shuffled(&mut random, &old);
            let mut list = old.clone();
            for step in diff(&old, &new) {
                if let DiffStep::Updated { at, old, .. } = &step {
                    assert!(Record::same(&list[*at], old), "seed {seed}");
                }
                if let DiffStep::Removed { at, record } = &step {
                    assert!(Record::same(&list[*at], record), "seed {seed}");
                }
                step.apply(&mut list);
            }
            assert_eq!(list.len(), new.len(), "seed {seed}");
            assert!(list.iter().zip(&new).all(|(a, b)| Record::same(a, b)), "seed {seed}");
        }
    }

    #[test]
    fn one_that_moved_is_one_move() {
        let old: Vec<_> = (0..10).map(|id| record(id, 1)).collect();
        for (from, to) in [(0, 9), (9, 0), (3, 5)] {
            let mut new = old.clone();
            let moved = new.remove(from);
            new.insert(to, moved);
            assert!(matches!(diff(&old, &new).as_slice(), [DiffStep::Moved { .. }]), "{from} to {to}");
        }
        assert!(diff(&old, &old).is_empty());
    }
}
