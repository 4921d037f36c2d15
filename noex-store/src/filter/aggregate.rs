//! Sums, means and ends of a field over the records of a query.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::execute::{execute, unordered};
use super::leaf::Present;
use super::order::OrderKey;
use super::plan::{Order, Plan, Query};
use super::sum::{Adder, Summable};
use super::{Filter, Node};
use crate::bucket::Bucket;
use crate::bucket::field::{Field, OrderedValue};
use crate::engine::Table;

/// The sum and the number of the values of a field.
pub(super) struct Mean<T: Summable> {
    pub(super) adder: T::Adder,
    pub(super) count: usize,
}

impl<T: Summable> Mean<T> {
    pub(super) fn new() -> Self {
        Self { adder: T::Adder::default(), count: 0 }
    }

    pub(super) fn add(&mut self, value: Option<&T>) {
        if let Some(value) = value {
            self.adder.add(*value);
            self.count += 1;
        }
    }

    pub(super) fn avg(&self) -> Option<f64> {
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
            present = Node::All([query.filter.clone(), some.node].into());
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

pub(super) fn better<T: PartialOrd + Clone>(end: &mut Option<T>, value: Option<&T>, greatest: bool) {
    let Some(value) = value else { return };
    let wanted = if greatest { Ordering::Greater } else { Ordering::Less };
    #[allow(clippy::eq_op, reason = "NaN is what does not equal itself")]
    let ordered = value == value;
    if ordered && end.as_ref().is_none_or(|end| value.partial_cmp(end) == Some(wanted)) {
        *end = Some(value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_pass_over_nan() {
        let mut end = None;
        for value in [f64::NAN, 2.0, f64::NAN, 1.0, 3.0] {
            better(&mut end, Some(&value), false);
        }
        assert_eq!(end, Some(1.0));
    }
}
