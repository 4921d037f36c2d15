//! Events: what commits did, told by topic, in their order, to those who asked for it.
//!
//! A thread of its own reads the commits and hands each to the subscribers that it is for. A subscriber has a bounded queue;
//! writers wait for nobody.

mod bus;
mod changes;
#[allow(clippy::module_inception, reason = "the event itself")]
mod event;
mod flow;
mod handler;
mod pattern;
mod queue;
mod stream;

pub(crate) use bus::{Bus, Registration, Sink, Wanted, in_handler};
pub use changes::Changes;
pub use event::{Event, EventKind};
pub use flow::EventStats;
pub use handler::EventGuard;
pub(crate) use handler::Handler;
pub use pattern::PatternFault;
pub use queue::Lagged;
pub(crate) use queue::Queue;
pub use stream::EventStream;
