//! The planner: which way in is cheapest, and in which order the rows then come.
//!
//! Ranges of ranks are exact, so the planner does not estimate how many entries a range has: it knows. Costs are in
//! visits of an index entry; the constants are what the bench `layout` showed, rounded.

use std::collections::HashSet;

use smallvec::SmallVec;

use super::Node;
use super::access::{self, IndexRanges, Lookup};
use super::order::OrderKey;
use crate::bucket::Bucket;
use crate::engine::{RowId, Table};

/// What fetching a record and testing it costs, in visits of an index entry.
const FETCH: usize = 8;
/// What putting a row into order costs.
const SORT: usize = 3;
/// What listing an entry, and going through the list beside that of another index, costs.
const MERGE: usize = 3;
/// Below this, a query is served by the first way that fits: choosing costs more than it saves.
const SMALL: usize = 64;

/// A question, with its parts borrowed from whoever asks.
pub(crate) struct Query<'q, B> {
    pub(crate) filter: &'q Node<B>,
    /// Empty: the order of insertion.
    pub(crate) order: &'q [OrderKey<B>],
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

/// How a question is answered.
pub(crate) struct Plan<'q, B> {
    pub(crate) access: Access<'q>,
    pub(crate) order: Order,
    /// Conditions that each record is tested for.
    pub(crate) residual: Vec<&'q Node<B>>,
}

/// Where candidate rows come from.
pub(crate) enum Access<'q> {
    /// Nothing can pass.
    Nothing,
    /// Rows that were found by hash.
    Lookup(Lookup),
    /// Ranges of an index.
    Index(IndexRanges<'q>),
    /// Rows that are in ranges of both indexes.
    Both(IndexRanges<'q>, IndexRanges<'q>),
    /// Rows that one of several ways in gives.
    Union(Vec<Branch<'q>>),
    /// All of an index, because of its order.
    IndexOrder(usize),
    /// All records.
    Scan,
}

/// One way in of a union.
pub(crate) enum Branch<'q> {
    Lookup(Lookup),
    Index(IndexRanges<'q>),
}

/// How the order of the result comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The rows come in the order that was asked for: that of insertion.
    Insertion,
    /// The rows are put into the order of insertion.
    SortRows,
    /// The rows come in the order of the index, forwards or backwards.
    Index { desc: bool },
    /// The records are sorted.
    Sort,
}

impl<'q, B: Bucket> Plan<'q, B> {
    pub(crate) fn new(table: &Table<B>, query: &Query<'q, B>) -> Self {
        let mut conjuncts = Vec::new();
        if !flatten(query.filter, &mut conjuncts) {
            return Self { access: Access::Nothing, order: Order::Insertion, residual: Vec::new() };
        }
        let wanted = query.limit.map(|limit| limit.saturating_add(query.offset));

        if let Some(lookup) = access::lookup(table, &conjuncts) {
            let residual = rest(&conjuncts, &lookup.used);
            let order = if query.order.is_empty() { Order::Insertion } else { Order::Sort };
            return Self { access: Access::Lookup(lookup), order, residual };
        }

        let mut candidates = access::candidates(table, &conjuncts);
        // Ties go to the index that stands for more conditions.
        candidates.sort_by_key(|candidate| (candidate.len(), usize::MAX - candidate.used.len()));
        let in_order = candidates.iter().position(|candidate| served(candidate, query.order).is_some());
        let total = table.len();

        // What a union must undercut. With a limit, the walk of an index may end early, and only a small one is sure to.
        let to_beat = match (candidates.first().map(IndexRanges::len), wanted) {
            (None, _) => Some(total),
            (Some(best), _) if best <= SMALL => None,
            (Some(best), None) => Some(best),
            (Some(_), Some(_)) => Some(0),
        };
        if let Some(branches) = to_beat.and_then(|to_beat| union(table, &conjuncts, to_beat)) {
            let order = if query.order.is_empty() { Order::SortRows } else { Order::Sort };
            return Self { access: Access::Union(branches), order, residual: conjuncts };
        }
        if candidates.is_empty() {
            let (access, order) = Self::everything(query.order);
            return Self { access, order, residual: conjuncts };
        }

        // A limit may make the walk along the wanted order cheaper than fetching and sorting all that passes.
        let best = candidates[0].len();
        if let Some(wanted) = wanted
            && best > SMALL
            && in_order != Some(0)
            && !(query.order.is_empty() && candidates[0].in_row_order)
        {
            let walk = wanted.saturating_mul(total) / best.max(1);
            let walk = walk.saturating_add(wanted).saturating_mul(FETCH);
            let gather = best.saturating_mul(FETCH + SORT);
            let (access, order) = Self::everything(query.order);
            if walk < gather && order != Order::Sort {
                return Self { access, order, residual: conjuncts };
            }
        }

        let chosen = match in_order {
            // Nearly as few entries, and no sort.
            Some(at) if candidates[at].len() <= best.saturating_mul(2).max(SMALL) => at,
            _ => 0,
        };
        let first = candidates.swap_remove(chosen);
        let order = match served(&first, query.order) {
            Some(order) => order,
            None if query.order.is_empty() => Order::SortRows,
            None => Order::Sort,
        };
        if first.len() > SMALL && (order == Order::Sort || query.order.is_empty()) {
            let by_row = query.order.is_empty();
            let partner = {
                let is_in_first = among(&first.used);
                let partners = candidates.iter().enumerate().filter(|(_, other)| {
                    !other.used.iter().all(&is_in_first)
                        && both_cost(&first, other, total) < alone_cost(&first, other, total, by_row, wanted)
                });
                partners.min_by_key(|(_, other)| both_cost(&first, other, total)).map(|(at, _)| at)
            };
            if let Some(at) = partner {
                let second = candidates.swap_remove(at);
                let used: Vec<usize> = first.used.iter().chain(&second.used).copied().collect();
                let residual = rest(&conjuncts, &used);
                let order = if query.order.is_empty() { Order::Insertion } else { Order::Sort };
                return Self { access: Access::Both(first, second), order, residual };
            }
        }
        let residual = rest(&conjuncts, &first.used);
        Self { access: Access::Index(first), order, residual }
    }

    /// All records, in the wanted order if an index has it.
    fn everything(order: &[OrderKey<B>]) -> (Access<'q>, Order) {
        if order.is_empty() {
            return (Access::Scan, Order::Insertion);
        }
        let index = B::schema().indexes.iter().position(|index| {
            !index.each
                && same_fields(index.fields, order)
                && order.iter().all(|key| key.desc == order[0].desc)
        });
        match index {
            Some(index) => (Access::IndexOrder(index), Order::Index { desc: order[0].desc }),
            None => (Access::Scan, Order::Sort),
        }
    }

    /// The number of index entries or records that are looked at, if nothing ends the query early.
    pub(crate) fn expected(&self, table: &Table<B>) -> usize {
        match &self.access {
            Access::Nothing => 0,
            Access::Lookup(lookup) => lookup.rows.len(),
            Access::Index(ranges) => ranges.len(),
            Access::Both(a, b) => a.len() + b.len(),
            Access::Union(branches) => branches.iter().map(Branch::len).sum(),
            Access::IndexOrder(_) | Access::Scan => table.len(),
        }
    }

    /// The number of results, where it is known without a look at any record.
    pub(crate) fn exact_count(&self, table: &Table<B>) -> Option<usize> {
        if !self.residual.is_empty() {
            return None;
        }
        match &self.access {
            Access::Nothing | Access::Lookup(_) | Access::Index(_) | Access::Scan => {
                Some(self.expected(table))
            }
            Access::IndexOrder(_) => Some(table.len()),
            Access::Both(..) | Access::Union(_) => None,
        }
    }
}

impl Branch<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Lookup(lookup) => lookup.rows.len(),
            Self::Index(ranges) => ranges.len(),
        }
    }
}

/// Collects the conditions that must all hold; `false` if nothing can pass.
fn flatten<'q, B>(node: &'q Node<B>, into: &mut Vec<&'q Node<B>>) -> bool {
    match node {
        Node::Const(passes) => *passes,
        Node::All(nodes) => nodes.iter().all(|node| flatten(node, into)),
        node => {
            into.push(node);
            true
        }
    }
}

fn rest<'q, B>(conjuncts: &[&'q Node<B>], used: &[usize]) -> Vec<&'q Node<B>> {
    let is_used = among(used);
    conjuncts.iter().enumerate().filter(|(at, _)| !is_used(at)).map(|(_, node)| *node).collect()
}

/// Whether a number is one of these, which may be some hundred thousand where a program made the filter.
fn among(numbers: &[usize]) -> impl Fn(&usize) -> bool {
    const FEW: usize = 16;
    let set: Option<HashSet<usize>> = (numbers.len() > FEW).then(|| numbers.iter().copied().collect());
    move |number| set.as_ref().map_or_else(|| numbers.contains(number), |set| set.contains(number))
}

fn same_fields<B>(fields: &[u16], order: &[OrderKey<B>]) -> bool {
    fields.len() == order.len() && fields.iter().zip(order).all(|(field, key)| *field == key.field)
}

/// The order in which ranges of an index come, if it is the wanted one.
fn served<B: Bucket>(ranges: &IndexRanges<'_>, order: &[OrderKey<B>]) -> Option<Order> {
    let schema = B::schema().indexes.get(ranges.index)?;
    if order.is_empty() {
        return ranges.in_row_order.then_some(Order::Insertion);
    }
    // Parts of the key that are the same in all entries do not matter; all others must be asked for, in one direction.
    let free = schema.fields.get(ranges.fixed.len()..)?;
    (!schema.each && same_fields(free, order) && order.iter().all(|key| key.desc == order[0].desc))
        .then(|| Order::Index { desc: order[0].desc })
}

/// What it costs to list what two indexes have, and to fetch what is in both lists. Takes the two to be independent.
fn both_cost(first: &IndexRanges<'_>, second: &IndexRanges<'_>, total: usize) -> usize {
    let list = |ranges: &IndexRanges<'_>| {
        let sort = if ranges.in_row_order { 0 } else { SORT };
        ranges.len().saturating_mul(MERGE + sort)
    };
    let in_both = (first.len() as u128 * second.len() as u128 / total.max(1) as u128) as usize;
    list(first).saturating_add(list(second)).saturating_add(in_both.saturating_mul(FETCH))
}

/// What it costs to fetch what the first index has, and to test it for what the second one stands for.
fn alone_cost(
    first: &IndexRanges<'_>,
    second: &IndexRanges<'_>,
    total: usize,
    by_row: bool,
    wanted: Option<usize>,
) -> usize {
    let all = match by_row && !first.in_row_order {
        true => first.len().saturating_mul(FETCH + SORT),
        false => first.len().saturating_mul(FETCH),
    };
    match wanted {
        // The walk ends when so many have passed.
        Some(wanted) if by_row && first.in_row_order => {
            let walk = wanted as u128 * total as u128 / second.len().max(1) as u128;
            all.min(usize::try_from(walk).unwrap_or(usize::MAX).saturating_mul(FETCH))
        }
        _ => all,
    }
}

/// The ways into the branches of a disjunction, if every branch has one and together they cost less than fetching so many
/// records.
fn union<'q, B: Bucket>(
    table: &Table<B>,
    conjuncts: &[&'q Node<B>],
    to_beat: usize,
) -> Option<Vec<Branch<'q>>> {
    let best = conjuncts.iter().filter_map(|node| {
        let Node::Any(branches) = node else { return None };
        branches.iter().map(|branch| branch_of(table, branch)).collect::<Option<Vec<_>>>()
    });
    let best = best.min_by_key(|branches| branches.iter().map(Branch::len).sum::<usize>())?;
    let rows: usize = best.iter().map(Branch::len).sum();
    (rows <= SMALL || rows.saturating_mul(FETCH + SORT) < to_beat.saturating_mul(FETCH)).then_some(best)
}

fn branch_of<'q, B: Bucket>(table: &Table<B>, node: &'q Node<B>) -> Option<Branch<'q>> {
    let mut conjuncts = Vec::new();
    if !flatten(node, &mut conjuncts) {
        return Some(Branch::Lookup(Lookup {
            unique: None,
            used: SmallVec::new(),
            rows: Vec::<RowId>::new(),
        }));
    }
    if let Some(lookup) = access::lookup(table, &conjuncts) {
        return Some(Branch::Lookup(lookup));
    }
    access::candidates(table, &conjuncts).into_iter().min_by_key(IndexRanges::len).map(Branch::Index)
}
