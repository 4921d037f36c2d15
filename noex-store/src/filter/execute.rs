//! Carrying out a plan.

use std::cmp::Ordering;
use std::ops::{ControlFlow, Range};

use super::order::{OrderKey, OrderValue, point};
use super::plan::{Access, Branch, Order, Plan, Query};
use super::{Filter, Node};
use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::engine::{Chunk, KeyPoint, KeyRange, OrderedIndex, RowId, Table};

/// A place in a query's result: after the record with these values in the query's order, and with this row.
pub(crate) struct Position {
    pub(crate) values: Vec<OrderValue>,
    pub(crate) row: RowId,
}

impl Position {
    /// The place of a record in an order.
    pub(crate) fn of<B: Bucket>(order: &[OrderKey<B>], record: &Record<B>) -> Self {
        Self { values: order.iter().map(|key| key.value(record)).collect(), row: record.meta().row }
    }
}

type Visit<'v, B> = &'v mut dyn FnMut(&Record<B>) -> ControlFlow<()>;

/// Calls `visit` with the records that a query gives, in its order, from its offset and up to its limit, until it breaks.
pub(crate) fn execute<B: Bucket>(
    table: &Table<B>,
    query: &Query<'_, B>,
    after: Option<&Position>,
    visit: Visit<'_, B>,
) {
    if query.limit == Some(0) {
        return;
    }
    let plan = Plan::new(table, query);
    let mut skip = query.offset;
    let mut left = query.limit.unwrap_or(usize::MAX);
    let run = Run { table, query, plan: &plan, after };
    // Skipping whole ranges beats visiting their records one by one.
    let skipped = if skip > 0 && after.is_none() { run.skippable(skip) } else { 0 };
    skip -= skipped;
    let _ = run.stream(skipped, &mut |record| {
        if skip > 0 {
            skip -= 1;
            return ControlFlow::Continue(());
        }
        visit(record)?;
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
}

/// The records that pass a filter, in the order of insertion.
pub(crate) fn collect<B: Bucket>(table: &Table<B>, filter: &Filter<B>) -> Vec<Record<B>> {
    let mut records = Vec::new();
    execute(
        table,
        &Query { filter: &filter.node, order: &[], limit: None, offset: 0 },
        None,
        &mut |record| {
            records.push(record.clone());
            ControlFlow::Continue(())
        },
    );
    records
}

/// The number of records that a query gives.
pub(crate) fn count<B: Bucket>(table: &Table<B>, query: &Query<'_, B>) -> usize {
    let unordered = Query { filter: query.filter, order: &[], limit: None, offset: 0 };
    let plan = Plan::new(table, &unordered);
    let all = plan.exact_count(table).unwrap_or_else(|| {
        let mut count = 0;
        let run = Run { table, query: &unordered, plan: &plan, after: None };
        let _ = run.unordered(&mut |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        count
    });
    all.saturating_sub(query.offset).min(query.limit.unwrap_or(usize::MAX))
}

/// Calls `visit` with every record that passes a filter, in any order: for sums and the like.
pub(crate) fn unordered<B: Bucket>(table: &Table<B>, query: &Query<'_, B>, visit: Visit<'_, B>) {
    if query.limit.is_some() || query.offset > 0 {
        return execute(table, query, None, visit);
    }
    let query = Query { filter: query.filter, order: &[], limit: None, offset: 0 };
    let plan = Plan::new(table, &query);
    let _ = Run { table, query: &query, plan: &plan, after: None }.unordered(visit);
}

struct Run<'r, 'q, B: Bucket> {
    table: &'r Table<B>,
    query: &'r Query<'q, B>,
    plan: &'r Plan<'q, B>,
    after: Option<&'r Position>,
}

impl<B: Bucket> Run<'_, '_, B> {
    /// How many of the first `offset` results need not be visited at all.
    fn skippable(&self, offset: usize) -> usize {
        let known = self.plan.residual.is_empty()
            && match (&self.plan.access, self.plan.order) {
                (Access::Scan, Order::Insertion) => true,
                (Access::Index(ranges), Order::Insertion | Order::Index { desc: false }) => {
                    ranges.ranges.len() <= 1
                }
                (Access::IndexOrder(_), Order::Index { desc: false }) => true,
                _ => false,
            };
        if known { offset } else { 0 }
    }

    fn passes(&self, record: &Record<B>) -> bool {
        self.plan.residual.iter().all(|node| node.test(record))
    }

    fn fetch(&self, row: RowId, visit: Visit<'_, B>) -> ControlFlow<()> {
        match self.table.rows().get(row) {
            Some(record) if self.passes(record) => visit(record),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Everything, in the order of the query.
    fn stream(&self, skip: usize, visit: Visit<'_, B>) -> ControlFlow<()> {
        match self.plan.order {
            Order::Sort => self.sorted(visit),
            Order::SortRows => self.in_row_order(visit),
            Order::Insertion => self.insertion(skip, visit),
            Order::Index { desc } => self.along_index(skip, desc, visit),
        }
    }

    /// Everything, as it comes.
    fn unordered(&self, visit: Visit<'_, B>) -> ControlFlow<()> {
        let table = self.table;
        match &self.plan.access {
            Access::Nothing => ControlFlow::Continue(()),
            Access::Scan | Access::IndexOrder(_) => self.scan(RowId(0), visit),
            Access::Lookup(lookup) => lookup.rows.iter().try_for_each(|row| self.fetch(*row, visit)),
            Access::Index(ranges) => {
                let Some(index) = table.index(ranges.index) else { return ControlFlow::Continue(()) };
                ranges
                    .ranges
                    .iter()
                    .try_for_each(|range| index.visit(range.clone(), &mut |row| self.fetch(row, visit)))
            }
            // Not `in_row_order`: a place in another order says nothing about rows.
            Access::Both(..) | Access::Union(_) => {
                self.rows().iter().try_for_each(|row| self.fetch(*row, visit))
            }
        }
    }

    /// The records from a row on that pass, in the order of insertion.
    fn scan(&self, from: RowId, visit: Visit<'_, B>) -> ControlFlow<()> {
        let everything = Node::Const(true);
        let (first, rest) =
            self.plan.residual.split_first().map_or((&everything, &[][..]), |(first, rest)| (*first, rest));
        let mut picked = Chunk::new();
        self.table.rows().visit_leaves(from, &mut |records| {
            picked.clear();
            first.pick(&records, &mut picked);
            rest.iter().for_each(|node| node.retain(&mut picked));
            picked.iter().try_for_each(|record| visit(record))
        })
    }

    /// The rows of the plan, ascending and each once.
    fn rows(&self) -> Vec<RowId> {
        match &self.plan.access {
            Access::Nothing | Access::Scan | Access::IndexOrder(_) => Vec::new(),
            Access::Lookup(lookup) => lookup.rows.clone(),
            Access::Index(ranges) => super::access::sorted(rows_of(self.table, ranges.index, &ranges.ranges)),
            Access::Both(a, b) => {
                let a = super::access::sorted(rows_of(self.table, a.index, &a.ranges));
                let b = super::access::sorted(rows_of(self.table, b.index, &b.ranges));
                in_both(&a, &b)
            }
            Access::Union(branches) => {
                let rows = branches.iter().flat_map(|branch| match branch {
                    Branch::Lookup(lookup) => lookup.rows.clone(),
                    Branch::Index(ranges) => rows_of(self.table, ranges.index, &ranges.ranges),
                });
                super::access::sorted(rows.collect())
            }
        }
    }

    fn in_row_order(&self, visit: Visit<'_, B>) -> ControlFlow<()> {
        let rows = self.rows();
        let start = self.after.map_or(0, |after| rows.partition_point(|row| *row <= after.row));
        rows[start..].iter().try_for_each(|row| self.fetch(*row, visit))
    }

    fn insertion(&self, skip: usize, visit: Visit<'_, B>) -> ControlFlow<()> {
        match &self.plan.access {
            Access::Scan | Access::IndexOrder(_) => {
                let from = match self.after {
                    Some(after) => RowId(after.row.0.saturating_add(1)),
                    None if skip > 0 => match self.table.rows().nth(skip) {
                        Some(row) => row,
                        None => return ControlFlow::Continue(()),
                    },
                    None => RowId(0),
                };
                self.scan(from, visit)
            }
            Access::Index(ranges) => {
                let (Some(index), Some(range)) = (self.table.index(ranges.index), ranges.ranges.first())
                else {
                    return ControlFlow::Continue(());
                };
                let start = match self.after {
                    Some(after) => first_row_after(index, range.clone(), after.row),
                    None => range.start.saturating_add(skip).min(range.end),
                };
                index.visit(start..range.end, &mut |row| self.fetch(row, visit))
            }
            _ => self.in_row_order(visit),
        }
    }

    fn along_index(&self, skip: usize, desc: bool, visit: Visit<'_, B>) -> ControlFlow<()> {
        let (number, ranges, fixed): (usize, &[Range<usize>], &[KeyPoint<'_>]) = match &self.plan.access {
            Access::Index(ranges) => (ranges.index, &ranges.ranges, &ranges.fixed),
            Access::IndexOrder(number) => (*number, &[], &[]),
            _ => return self.sorted(visit),
        };
        let Some(index) = self.table.index(number) else { return ControlFlow::Continue(()) };
        let whole = [index.ranks(&[], KeyRange::ALL)];
        let ranges = if matches!(self.plan.access, Access::IndexOrder(_)) { &whole } else { ranges };
        let mut fetch = |row| self.fetch(row, visit);
        let Some(after) = self.after else {
            if desc {
                return ranges.iter().rev().try_for_each(|range| index.visit_desc(range.clone(), &mut fetch));
            }
            return ranges.iter().try_for_each(|range| {
                index.visit(range.start.saturating_add(skip).min(range.end)..range.end, &mut fetch)
            });
        };
        let key: Vec<KeyPoint<'_>> = fixed.iter().copied().chain(after.values.iter().map(point)).collect();
        let place = index.rank_after(&key, after.row);
        if !desc {
            return ranges.iter().try_for_each(|range| {
                let start = place.clamp(range.start, range.end);
                index.visit(start..range.end, &mut fetch)
            });
        }
        // Backwards, the rest of the rows with the same key still comes first, forwards.
        let same = index.ranks(&key, KeyRange::ALL);
        for range in ranges.iter().rev() {
            let rest = place.clamp(range.start, range.end)..same.end.clamp(range.start, range.end);
            index.visit(rest, &mut fetch)?;
        }
        ranges.iter().rev().try_for_each(|range| {
            index.visit_desc(range.start..same.start.clamp(range.start, range.end), &mut fetch)
        })
    }

    fn sorted(&self, visit: Visit<'_, B>) -> ControlFlow<()> {
        let order = self.query.order;
        let mut records: Vec<Record<B>> = Vec::new();
        let wanted = self.query.limit.map(|limit| limit.saturating_add(self.query.offset));
        let by_order = |a: &Record<B>, b: &Record<B>| compare(order, a, b);
        let mut keep = |record: &Record<B>| {
            if self.after.is_none_or(|after| compare_place(order, record, after).is_gt()) {
                records.push(record.clone());
                // With a limit, twice as many as are wanted are held at most.
                if let Some(wanted) = wanted
                    && records.len() >= wanted.saturating_mul(2).max(1024)
                {
                    records.select_nth_unstable_by(wanted, by_order);
                    records.truncate(wanted);
                }
            }
            ControlFlow::Continue(())
        };
        let _ = self.unordered(&mut keep);
        records.sort_unstable_by(by_order);
        records.iter().try_for_each(visit)
    }
}

fn compare<B: Bucket>(order: &[OrderKey<B>], a: &Record<B>, b: &Record<B>) -> Ordering {
    order
        .iter()
        .map(|key| key.compare(a, b))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.meta().row.cmp(&b.meta().row))
}

/// How a record stands to a place.
pub(crate) fn compare_place<B: Bucket>(
    order: &[OrderKey<B>],
    record: &Record<B>,
    place: &Position,
) -> Ordering {
    order
        .iter()
        .zip(&place.values)
        .map(|(key, value)| key.compare_value(record, value))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| record.meta().row.cmp(&place.row))
}

fn rows_of<B: Bucket>(table: &Table<B>, index: usize, ranges: &[Range<usize>]) -> Vec<RowId> {
    let mut rows = Vec::with_capacity(ranges.iter().map(ExactSizeIterator::len).sum());
    if let Some(index) = table.index(index) {
        for range in ranges {
            let _ = index.visit(range.clone(), &mut |row| {
                rows.push(row);
                ControlFlow::Continue(())
            });
        }
    }
    rows
}

fn in_both(a: &[RowId], b: &[RowId]) -> Vec<RowId> {
    let mut both = Vec::new();
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => {
                both.push(*x);
                i += 1;
                j += 1;
            }
        }
    }
    both
}

/// The first rank of a range, whose rows ascend, that has a greater row. O(log² n).
fn first_row_after<B>(index: &dyn OrderedIndex<B>, range: Range<usize>, row: RowId) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if index.row_at(middle).is_some_and(|at| at <= row) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
