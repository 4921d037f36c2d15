//! Questions as reads: what a change of a record must do to change the answer.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow};

use smallvec::SmallVec;

use super::Filter;
use super::execute::{Position, compare_place, unordered};
use super::leaf::Target;
use super::order::OrderKey;
use super::plan::Query;
use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::engine::{
    Delta, Hashes, KeyPoint, KeyRange, OrderedIndex, OwnedValue, RowId, Shared, Table, Watch,
};

/// Whether two records count alike.
pub(crate) type Same<B> = Box<dyn Fn(&B, &B) -> bool + Send + Sync>;

/// What of the records that pass was taken into the answer.
pub(crate) enum Taken<B> {
    /// Which ones they are: counts, existence.
    Members,
    /// Values of which this says whether they are the same: sums and other aggregates.
    Values(Same<B>),
    /// The records.
    Records,
}

/// The stretch of the ordered result that was looked at.
pub(crate) struct Window<B> {
    pub(crate) order: Vec<OrderKey<B>>,
    /// Nothing up to and with this place.
    pub(crate) after: Option<Position>,
    /// Nothing beyond this place, which is part of it; `None` if the result ended before the question's limit.
    pub(crate) last: Option<Position>,
}

/// A question that was asked.
pub(crate) struct FilterWatch<B: Bucket> {
    pub(crate) filter: Filter<B>,
    pub(crate) taken: Taken<B>,
    pub(crate) window: Option<Window<B>>,
}

impl<B: Bucket> Window<B> {
    fn holds(&self, record: &Record<B>) -> bool {
        let against = |place: &Position| compare_place(&self.order, record, place);
        self.after.as_ref().is_none_or(|after| against(after) == Ordering::Greater)
            && self.last.as_ref().is_none_or(|last| against(last) != Ordering::Greater)
    }

    /// Takes account of rows from `own` on that a transaction gave itself: those of others will come before them.
    pub(crate) fn unsettle(&mut self, own: RowId) {
        if let Some(after) = &mut self.after
            && after.row >= own
        {
            after.row = RowId(own.0.saturating_sub(1));
        }
        if let Some(last) = &mut self.last
            && last.row >= own
        {
            last.row = RowId(u64::MAX);
        }
    }
}

impl<B: Bucket> FilterWatch<B> {
    fn holds(&self, record: &Record<B>) -> bool {
        self.filter.matches(record.value()) && self.window.as_ref().is_none_or(|window| window.holds(record))
    }
}

impl<B: Bucket> Watch<B> for FilterWatch<B> {
    fn touched(&self, _: &Table<B>, delta: &Delta<B>) -> bool {
        let (old, new) = (delta.old(), delta.new());
        let of = |record: Option<&Record<B>>| record.is_some_and(|record| self.holds(record));
        match (of(old), of(new)) {
            (false, false) => false,
            (true, true) => match (&self.taken, old, new) {
                (Taken::Members, ..) => false,
                (Taken::Values(same), Some(old), Some(new)) => !same(old.value(), new.value()),
                _ => true,
            },
            _ => true,
        }
    }

    fn find(&self, table: &Table<B>, visit: &mut dyn FnMut(&Record<B>) -> ControlFlow<()>) {
        let query = Query { filter: &self.filter.node, order: &[], limit: None, offset: 0 };
        unordered(table, &query, visit);
    }

    fn field(&self) -> Option<u16> {
        self.filter.node.first_field()
    }

    fn describe(&self) -> String {
        let mut text = self.filter.to_string();
        text.push_str(match self.taken {
            Taken::Members => " (which records)",
            Taken::Values(_) => " (some of their values)",
            Taken::Records => "",
        });
        let Some(window) = &self.window else { return text };
        if !window.order.is_empty() {
            let keys: Vec<_> = window.order.iter().map(|key| format!("{key:?}")).collect();
            text.push_str(&format!(", by {}", keys.join(", ")));
        }
        text.push_str(match (&window.after, &window.last) {
            (None, None) => "",
            (None, Some(_)) => ", up to a place",
            (Some(_), None) => ", from a place on",
            (Some(_), Some(_)) => ", between two places",
        });
        text
    }

    fn hashes(&self, shared: &Shared<B>) -> Option<Hashes> {
        let mut conjuncts = Vec::new();
        self.filter.node.leaves(&mut conjuncts);
        let uniques = shared.definition.uniques;
        conjuncts.into_iter().find_map(|leaf| {
            let field = leaf.field();
            let is_key = B::schema().fields.get(usize::from(field)).is_some_and(|field| field.key);
            let unique = uniques.iter().position(|unique| unique.fields() == [field]);
            let unique = if is_key { None } else { Some(unique?) };
            if !matches!(leaf.ranges(), Some((Target::Value, _))) {
                return None;
            }
            let hash = |point: KeyPoint<'_>| match (point, unique) {
                (KeyPoint::Value(value), None) => Some(shared.hash.hash(value.downcast_ref::<B::Key>()?)),
                (KeyPoint::Value(value), Some(unique)) => {
                    uniques.get(unique)?.hash_values(&[value], &shared.hash)
                }
                // No hash leads to what has no value.
                (KeyPoint::Absent, _) => None,
            };
            let hashes = leaf.points()?.into_iter().map(hash).collect::<Option<Vec<_>>>()?;
            Some(Hashes { unique, hashes })
        })
    }

    fn anchor(&self, stand: &mut dyn FnMut(usize, &[KeyRange<'_>])) -> bool {
        let mut conjuncts = Vec::new();
        self.filter.node.leaves(&mut conjuncts);
        let schemas = || B::schema().indexes.iter().enumerate();
        let target = |each: bool| if each { Target::Element } else { Target::Value };
        // Single values hold few records, ranges many.
        for single in [true, false] {
            for (number, schema) in schemas() {
                let Some(first) = schema.fields.first() else { continue };
                for leaf in conjuncts.iter().filter(|leaf| leaf.field() == *first) {
                    if let Some((of, ranges)) = leaf.ranges()
                        && of == target(schema.each)
                        && leaf.points().is_some() == single
                    {
                        stand(number, &ranges);
                        return true;
                    }
                }
            }
        }
        // The end of a window is a range too, where an index has its order.
        let Some(window) = &self.window else { return false };
        let (Some(key), Some(last)) = (window.order.first(), &window.last) else { return false };
        let Some(value) = last.values.first() else { return false };
        let Some((number, _)) =
            schemas().find(|(_, schema)| !schema.each && schema.fields.first() == Some(&key.field))
        else {
            return false;
        };
        let end = Bound::Included(super::order::point(value));
        let range = if key.desc {
            KeyRange { start: end, end: Bound::Unbounded }
        } else {
            KeyRange { start: Bound::Unbounded, end }
        };
        stand(number, &[range]);
        true
    }
}

/// A look-up in an ordered index.
pub(crate) struct IndexWatch<B: Bucket> {
    number: usize,
    bucket: PhantomData<fn(&B)>,
    prefix: SmallVec<[OwnedPoint; 1]>,
    start: Bound<OwnedPoint>,
    end: Bound<OwnedPoint>,
}

/// A [`KeyPoint`] that owns its value.
type OwnedPoint = Option<OwnedValue>;

fn point(owned: &OwnedPoint) -> KeyPoint<'_> {
    match owned {
        None => KeyPoint::Absent,
        Some(value) => KeyPoint::Value(value.as_ref()),
    }
}

impl<B: Bucket> IndexWatch<B> {
    /// Takes copies of the values.
    pub(crate) fn new(
        index: &dyn OrderedIndex<B>,
        number: usize,
        prefix: &[KeyPoint<'_>],
        range: KeyRange<'_>,
    ) -> Self {
        let own = |part: usize, at: KeyPoint<'_>| match at {
            KeyPoint::Absent => None,
            KeyPoint::Value(value) => index.own(part, value),
        };
        let next = prefix.len();
        Self {
            number,
            bucket: PhantomData,
            prefix: prefix.iter().enumerate().map(|(part, at)| own(part, *at)).collect(),
            start: range.start.map(|at| own(next, at)),
            end: range.end.map(|at| own(next, at)),
        }
    }

    fn prefix(&self) -> SmallVec<[KeyPoint<'_>; 6]> {
        self.prefix.iter().map(point).collect()
    }

    fn range(&self) -> KeyRange<'_> {
        KeyRange { start: self.start.as_ref().map(point), end: self.end.as_ref().map(point) }
    }
}

impl<B: Bucket> Watch<B> for IndexWatch<B> {
    fn touched(&self, table: &Table<B>, delta: &Delta<B>) -> bool {
        let Some(index) = table.index(self.number) else { return true };
        let (prefix, range) = (self.prefix(), self.range());
        let mut sides = [delta.old(), delta.new()].into_iter().flatten();
        sides.any(|record| index.holds(record.value(), &prefix, range))
    }

    fn find(&self, table: &Table<B>, visit: &mut dyn FnMut(&Record<B>) -> ControlFlow<()>) {
        let Some(index) = table.index(self.number) else { return };
        let ranks = index.ranks(&self.prefix(), self.range());
        let _ = index.visit(ranks, &mut |row| match table.rows().get(row) {
            Some(record) => visit(record),
            None => ControlFlow::Continue(()),
        });
    }

    fn field(&self) -> Option<u16> {
        B::schema().indexes.get(self.number)?.fields.first().copied()
    }

    fn describe(&self) -> String {
        let name = B::schema().indexes.get(self.number).map_or("", |index| index.name);
        match (self.prefix.len(), &self.start, &self.end) {
            (_, Bound::Unbounded, Bound::Unbounded) if self.prefix.is_empty() => {
                format!("all of index `{name}`")
            }
            (_, Bound::Unbounded, Bound::Unbounded) => format!("a value in index `{name}`"),
            _ => format!("a range in index `{name}`"),
        }
    }

    fn hashes(&self, _: &Shared<B>) -> Option<Hashes> {
        None
    }

    fn anchor(&self, stand: &mut dyn FnMut(usize, &[KeyRange<'_>])) -> bool {
        let range = match self.prefix.first() {
            Some(first) => KeyRange::point(point(first)),
            None => self.range(),
        };
        stand(self.number, &[range]);
        true
    }
}
