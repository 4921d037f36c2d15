//! What the accessors call that the derive writes: look-ups by a unique field and by an index.

use std::any::Any;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use smallvec::SmallVec;

use super::Reader;
use crate::bucket::Bucket;
use crate::bucket::convert::UniqueKey;
use crate::bucket::field::Field;
use crate::bucket::record::Record;
use crate::engine::{KeyPoint, KeyRange, Table};
use crate::filter::watch::IndexWatch;

/// What the accessor of a unique field calls.
pub fn by_unique<B: Bucket, T, P, Q: UniqueKey<T> + ?Sized>(
    reader: &Reader<B>,
    number: usize,
    field: Field<B, T, P>,
    value: &Q,
) -> Option<Record<B>> {
    let hash = reader.with(|table| table.shared().hash.hash(value))?;
    reader.by_unique(number, hash, |record| (field.get)(record).is_some_and(|own| value.matches(own)))
}

/// What the accessor of an index over one field calls.
pub fn by_index<B: Bucket>(reader: &Reader<B>, number: usize, key: &[&dyn Any]) -> Vec<Record<B>> {
    by_range(reader, number, key, KeyRange::ALL)
}

/// What the accessor of a compound index calls.
pub fn by_compound<B: Bucket, T: 'static>(
    reader: &Reader<B>,
    number: usize,
    prefix: &[&dyn Any],
    (start, end): (Bound<T>, Bound<T>),
) -> Vec<Record<B>> {
    let start = match &start {
        // An open start does not take in the records that have no value.
        Bound::Unbounded => Bound::Excluded(KeyPoint::Absent),
        Bound::Included(start) => Bound::Included(KeyPoint::Value(start)),
        Bound::Excluded(start) => Bound::Excluded(KeyPoint::Value(start)),
    };
    let end = match &end {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(end) => Bound::Included(KeyPoint::Value(end)),
        Bound::Excluded(end) => Bound::Excluded(KeyPoint::Value(end)),
    };
    by_range(reader, number, prefix, KeyRange { start, end })
}

fn by_range<B: Bucket>(
    reader: &Reader<B>,
    number: usize,
    prefix: &[&dyn Any],
    range: KeyRange<'_>,
) -> Vec<Record<B>> {
    let points: SmallVec<[KeyPoint<'_>; 6]> = prefix.iter().map(|value| KeyPoint::Value(*value)).collect();
    let watched = reader.is_watched();
    let find = |table: &Table<B>| {
        let index = table.index(number)?;
        let ranks = index.ranks(&points, range);
        let mut records = Vec::with_capacity(ranks.len());
        let _ = index.visit(ranks, &mut |row| {
            records.extend(table.rows().get(row).cloned());
            ControlFlow::Continue(())
        });
        let watch = watched.then(|| IndexWatch::new(index, number, &points, reader.seen_range(range)));
        Some((records, watch))
    };
    let Some((records, watch)) = reader.with(find).flatten() else { return Vec::new() };
    reader.used(&records);
    if let Some(watch) = watch {
        reader.watch(|| Arc::new(watch));
    }
    records
}
