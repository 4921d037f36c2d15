//! Reactive queries: pure functions of a snapshot and parameters, memoized, and run again when a commit touches what they
//! read.

mod context;
mod core;
mod definition;
mod diff;
mod index;
mod memo;
mod state;
mod subscription;
#[cfg(test)]
mod tests;
mod together;
mod totals;
mod worker;

pub use context::QueryCtx;
pub use core::Cause;
pub(crate) use core::LiveHandle;
pub(crate) use definition::Queries;
pub use definition::{Params, Query, QueryStats};
pub use diff::{Diff, DiffStep, Diffs};
pub use state::AnswerState;
pub use subscription::{ChangeGuard, Subscription, Update};
pub use together::Together;
