//! What all queries of a store have done, whether or not they have a name, or are still there.

use std::sync::Weak;

use super::definition::{AnyDefinition, QueryStats};
use crate::sync::Mutex;

/// The queries that there are, and what those did that there were.
#[derive(Default)]
pub(super) struct Totals {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queries: Vec<Weak<dyn AnyDefinition>>,
    /// How many there may be before those that are gone are looked for.
    tidy_at: usize,
    past: QueryStats,
}

impl Totals {
    pub(super) fn add(&self, query: Weak<dyn AnyDefinition>) {
        let mut state = self.state.lock();
        if state.queries.len() >= state.tidy_at {
            state.queries.retain(|query| query.strong_count() > 0);
            state.tidy_at = 2 * state.queries.len() + 16;
        }
        state.queries.push(query);
    }

    /// Counts what a query did that is gone.
    pub(super) fn end(&self, stats: &QueryStats) {
        self.state.lock().past.add(stats);
    }

    /// O(answers that are kept).
    pub(super) fn sum(&self) -> QueryStats {
        let (mut sum, queries) = {
            let state = self.state.lock();
            (state.past, state.queries.clone())
        };
        queries.iter().filter_map(Weak::upgrade).for_each(|query| sum.add(&query.stats()));
        sum
    }
}
