//! The ways in which an index can serve a filter.

use std::any::Any;
use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use super::Node;
use super::leaf::Target;
use crate::bucket::Bucket;
use crate::engine::{KeyPoint, KeyRange, OrderedIndex, RowId, Table};
use crate::schema::IndexSchema;

/// At most so many look-ups in an index over several fields for one query; more points stay a test of the records.
const MAX_PREFIXES: usize = 256;

/// Ranges of an ordered index that hold everything that passes the conditions `used`, and nothing else.
pub(crate) struct IndexRanges<'q> {
    /// The index's number.
    pub(crate) index: usize,
    /// Ascending and disjoint.
    pub(crate) ranges: Vec<Range<usize>>,
    /// Which of the filter's conjuncts they stand for.
    pub(crate) used: Vec<usize>,
    /// The single values of the first parts, if the ranges share them.
    pub(crate) fixed: Vec<KeyPoint<'q>>,
    /// Whether the rows come in the order of insertion: all parts of the key are single values.
    pub(crate) in_row_order: bool,
    /// What kind of look-up it is, for people.
    pub(crate) kind: &'static str,
}

impl IndexRanges<'_> {
    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }
}

/// All indexes that can serve a conjunction, in the order of their numbers.
pub(crate) fn candidates<'q, B: Bucket>(table: &Table<B>, conjuncts: &[&'q Node<B>]) -> Vec<IndexRanges<'q>> {
    let schemas = B::schema().indexes;
    schemas
        .iter()
        .enumerate()
        .filter_map(|(number, schema)| candidate(table, number, schema, conjuncts))
        .collect()
}

fn candidate<'q, B: Bucket>(
    table: &Table<B>,
    number: usize,
    schema: &IndexSchema,
    conjuncts: &[&'q Node<B>],
) -> Option<IndexRanges<'q>> {
    let index = table.index(number)?;
    if schema.each {
        return element_candidate(index, number, *schema.fields.first()?, conjuncts);
    }
    let mut prefixes: Vec<Vec<KeyPoint<'q>>> = vec![Vec::new()];
    let mut used = Vec::new();
    let mut ranges: Option<Vec<Range<usize>>> = None;
    let mut all_points = true;
    let mut kind = "equality";
    for (part, field) in schema.fields.iter().enumerate() {
        let on_field: Vec<usize> =
            (0..conjuncts.len()).filter(|at| conjuncts[*at].only_field() == Some(*field)).collect();
        if on_field.is_empty() {
            all_points = false;
            break;
        }
        let points = on_field.iter().find_map(|at| Some((*at, conjuncts[*at].points()?)));
        let last = part + 1 == schema.fields.len();
        match points {
            Some((at, points)) if !last && prefixes.len() * points.len() <= MAX_PREFIXES => {
                if points.len() != 1 {
                    kind = "several values";
                    all_points = false;
                }
                prefixes = prefixes
                    .iter()
                    .flat_map(|prefix| {
                        points.iter().map(move |point| prefix.iter().copied().chain([*point]).collect())
                    })
                    .collect();
                used.push(at);
            }
            points => {
                let single = matches!(&points, Some((_, points)) if points.len() == 1);
                if !single {
                    all_points = false;
                    kind = if points.is_some() { "several values" } else { "range" };
                }
                let on_part = prefixes.iter().flat_map(|prefix| {
                    let sets = on_field.iter().map(|at| conjuncts[*at].ranks(index, prefix));
                    sets.reduce(|a, b| intersect(&a, &b)).unwrap_or_default()
                });
                ranges = Some(normalize(on_part.collect()));
                used.extend(&on_field);
                break;
            }
        }
    }
    if used.is_empty() {
        return None;
    }
    let ranges = ranges.unwrap_or_else(|| {
        normalize(prefixes.iter().map(|prefix| index.ranks(prefix, KeyRange::ALL)).collect())
    });
    let fixed = match <[_; 1]>::try_from(prefixes) {
        Ok([prefix]) => prefix,
        Err(_) => Vec::new(),
    };
    if kind == "equality" && !all_points && schema.fields.len() > 1 {
        kind = "prefix";
    }
    Some(IndexRanges { index: number, ranges, used, fixed, in_row_order: all_points, kind })
}

fn element_candidate<'q, B: Bucket>(
    index: &dyn OrderedIndex<B>,
    number: usize,
    field: u16,
    conjuncts: &[&'q Node<B>],
) -> Option<IndexRanges<'q>> {
    // Of several elements that are asked for, the rarest one is looked up.
    let best = conjuncts.iter().enumerate().filter_map(|(at, node)| {
        let Node::Leaf(leaf) = node else { return None };
        let (Target::Element, ranges) = leaf.ranges()? else { return None };
        if leaf.field() != field {
            return None;
        }
        ranges.first().map(|range| (at, index.ranks(&[], *range)))
    });
    let (at, range) = best.min_by_key(|(_, range)| range.len())?;
    Some(IndexRanges {
        index: number,
        ranges: normalize(vec![range]),
        used: vec![at],
        fixed: Vec::new(),
        in_row_order: true,
        kind: "element",
    })
}

/// The rows of a conjunction that gives the primary key or unique values, with the conjuncts that do.
pub(crate) fn lookup<B: Bucket>(table: &Table<B>, conjuncts: &[&Node<B>]) -> Option<Lookup> {
    let key_field = B::schema().fields.iter().position(|field| field.key)? as u16;
    let points_on = |field: u16| {
        conjuncts
            .iter()
            .enumerate()
            .find_map(|(at, node)| (node.only_field() == Some(field)).then(|| Some((at, node.points()?)))?)
    };
    if let Some((used, points)) = points_on(key_field) {
        let rows = points.iter().filter_map(|point| match point {
            KeyPoint::Value(value) => {
                table.get(value.downcast_ref::<B::Key>()?).map(|record| record.meta().row)
            }
            KeyPoint::Absent => None,
        });
        return Some(Lookup { unique: None, used: smallvec![used], rows: sorted(rows.collect()) });
    }
    let shared = table.shared();
    for (number, unique) in shared.definition.uniques.iter().enumerate() {
        let parts: Option<SmallVec<[_; 1]>> = unique.fields().iter().map(|field| points_on(*field)).collect();
        let Some(values) = parts.as_deref().and_then(values) else { continue };
        let rows = values.iter().filter_map(|values| {
            let hash = unique.hash_values(values, &shared.hash)?;
            table
                .by_unique(number, hash, |record| unique.matches(record, values))
                .map(|record| record.meta().row)
        });
        let rows = sorted(rows.collect());
        let used = parts.iter().flatten().map(|(used, _)| *used).collect();
        return Some(Lookup { unique: Some(number), used, rows });
    }
    None
}

/// The values of a look-up, one for each field.
type Values<'a> = SmallVec<[&'a dyn Any; 1]>;

/// All combinations of the points of each field. `None` if a field may have no value, which no hash index leads to, or if there
/// are too many: each is a look-up of its own.
fn values<'a>(parts: &[(usize, Vec<KeyPoint<'a>>)]) -> Option<Vec<Values<'a>>> {
    let mut all = vec![Values::new()];
    for (_, points) in parts {
        if parts.len() > 1 && all.len().saturating_mul(points.len()) > MAX_PREFIXES {
            return None;
        }
        let longer = all.iter().flat_map(|values| {
            points.iter().map(|point| match point {
                KeyPoint::Absent => None,
                KeyPoint::Value(value) => Some(values.iter().copied().chain([*value]).collect()),
            })
        });
        all = longer.collect::<Option<_>>()?;
    }
    Some(all)
}

/// Rows that were found by hash.
pub(crate) struct Lookup {
    /// The number of the unique rule; `None` if it is the primary key.
    pub(crate) unique: Option<usize>,
    /// Which of the conjuncts were used.
    pub(crate) used: SmallVec<[usize; 1]>,
    pub(crate) rows: Vec<RowId>,
}

pub(crate) fn sorted(mut rows: Vec<RowId>) -> Vec<RowId> {
    rows.sort_unstable();
    rows.dedup();
    rows
}

impl<B: Bucket> Node<B> {
    /// The field that the whole condition is about, if it is one field, and an index can say exactly what passes.
    fn only_field(&self) -> Option<u16> {
        match self {
            Self::Const(_) => None,
            Self::Leaf(leaf) => matches!(leaf.ranges(), Some((Target::Value, _))).then(|| leaf.field()),
            Self::Not(node) => node.only_field(),
            Self::All(nodes) | Self::Any(nodes) => {
                let field = nodes.front()?.only_field()?;
                nodes.iter().all(|node| node.only_field() == Some(field)).then_some(field)
            }
        }
    }

    /// The single values that pass, if the condition names them.
    fn points(&self) -> Option<Vec<KeyPoint<'_>>> {
        match self {
            Self::Leaf(leaf) => leaf.points(),
            Self::Any(nodes) => {
                nodes.iter().map(Self::points).collect::<Option<Vec<_>>>().map(|points| points.concat())
            }
            _ => None,
        }
    }

    /// The ranks, below a prefix, of the entries that pass. Only for a condition on one field.
    fn ranks(&self, index: &dyn OrderedIndex<B>, prefix: &[KeyPoint<'_>]) -> Vec<Range<usize>> {
        match self {
            Self::Const(_) => Vec::new(),
            Self::Leaf(leaf) => {
                let ranges = leaf.ranges().map(|(_, ranges)| ranges).unwrap_or_default();
                normalize(ranges.into_iter().map(|range| index.ranks(prefix, range)).collect())
            }
            Self::All(nodes) => {
                let mut sets: Vec<_> = nodes.iter().map(|node| node.ranks(index, prefix)).collect();
                // In pairs, then pairs of pairs: one after the other, many `ne` would make one long list anew for each.
                while sets.len() > 1 {
                    let pair = |pair: &[Vec<_>]| match pair {
                        [a, b] => intersect(a, b),
                        _ => pair.concat(),
                    };
                    sets = sets.chunks(2).map(pair).collect();
                }
                sets.pop().unwrap_or_default()
            }
            Self::Any(nodes) => normalize(nodes.iter().flat_map(|node| node.ranks(index, prefix)).collect()),
            Self::Not(node) => complement(index.ranks(prefix, KeyRange::ALL), &node.ranks(index, prefix)),
        }
    }
}

/// Sorted, joined where they meet, without empty ones.
pub(crate) fn normalize(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

fn intersect(a: &[Range<usize>], b: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut i, mut j) = (0, 0);
    let mut both = Vec::new();
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (start, end) = (x.start.max(y.start), x.end.min(y.end));
        if start < end {
            both.push(start..end);
        }
        if x.end < y.end {
            i += 1;
        } else {
            j += 1;
        }
    }
    both
}

fn complement(whole: Range<usize>, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut rest = Vec::with_capacity(ranges.len() + 1);
    let mut start = whole.start;
    for range in ranges {
        if start < range.start {
            rest.push(start..range.start);
        }
        start = range.end;
    }
    if start < whole.end {
        rest.push(start..whole.end);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(ranges: &[Range<usize>]) -> Vec<usize> {
        ranges.iter().cloned().flatten().collect()
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "sets of ranges")]
    fn sets_of_ranges() {
        assert_eq!(normalize(vec![5..7, 1..3, 3..4, 6..9, 2..2]), vec![1..4, 5..9]);
        assert_eq!(intersect(&[0..4, 6..9], &[2..7, 8..20]), vec![2..4, 6..7, 8..9]);
        assert_eq!(complement(0..10, &[0..2, 5..6]), vec![2..5, 6..10]);
        assert_eq!(complement(3..3, &[]), Vec::<Range<usize>>::new());
    }

    #[test]
    fn sets_of_ranges_agree_with_sets_of_numbers() {
        // Every pair of subsets of 0..6, given as single numbers.
        for a in 0_u32..64 {
            for b in 0_u32..64 {
                let set = |bits: u32| {
                    normalize((0..6).filter(|at| bits >> at & 1 == 1).map(|at| at..at + 1).collect())
                };
                assert_eq!(members(&intersect(&set(a), &set(b))), members(&set(a & b)));
                assert_eq!(members(&complement(0..6, &set(a))), members(&set(!a & 63)));
            }
        }
    }
}
