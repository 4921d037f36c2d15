//! The bridge: forwards events to a receiver of the user's, a rule engine say, one after the other.

mod forward;
mod options;

use std::fmt;
use std::sync::Arc;

use forward::{Forward, Progress};
pub use options::BridgeOptions;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::event::{Bus, Registration};
use crate::service::Services;

/// Why a receiver could not take an event: any error, as `?` makes it, or a text.
pub type ReceiverError = Box<dyn std::error::Error + Send + Sync>;

/// Whoever takes events from a bridge: a rule engine, a message queue, a webhook.
///
/// ```
/// use noex_store::{EventReceiver, ReceiverError};
///
/// struct Printer;
///
/// impl EventReceiver for Printer {
///     async fn emit(&self, topic: &str, data: serde_json::Value) -> Result<(), ReceiverError> {
///         println!("{topic}: {data}");
///         Ok(())
///     }
/// }
/// ```
pub trait EventReceiver: Send + Sync + 'static {
    /// Takes an event; the next one comes when this is done. It is polled in a thread of the bridge, and within the tokio runtime
    /// that the bridge was made in, if it was made in one.
    ///
    /// # Errors
    /// Whatever it likes: it is counted and traced, and the next event is sent.
    fn emit(&self, topic: &str, data: Value) -> impl Future<Output = Result<(), ReceiverError>> + Send;

    /// Is told, in its place between the events, that so many were lost at least, because it was too slow.
    fn lagged(&self, missed: u64) {
        let _ = missed;
    }
}

impl<R: EventReceiver> EventReceiver for Arc<R> {
    fn emit(&self, topic: &str, data: Value) -> impl Future<Output = Result<(), ReceiverError>> + Send {
        R::emit(self, topic, data)
    }

    fn lagged(&self, missed: u64) {
        R::lagged(self, missed);
    }
}

/// What a bridge has done so far, and has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BridgeStats {
    /// Events that the receiver has taken.
    pub delivered: u64,
    /// Events that the filter refused.
    pub filtered: u64,
    /// Events for which the receiver, the filter or a mapping failed, panicked, or took too long.
    pub failed: u64,
    /// Events that were lost because the receiver was too slow, at least.
    pub missed: u64,
    /// Events that wait.
    pub waiting: usize,
}

/// Forwards events until it is dropped; one that is under way is sent to its end. Made by
/// [`bridge_to_rules`](crate::bridge_to_rules).
#[must_use = "dropping the bridge ends it"]
pub struct Bridge {
    progress: Arc<dyn Progress>,
    _registration: Registration,
}

impl Bridge {
    pub(crate) fn start<R: EventReceiver>(
        bus: &Arc<Bus>,
        services: &Services,
        receiver: R,
        options: BridgeOptions,
    ) -> Result<Self, Error> {
        let (forward, registration) = Forward::start(bus, services, receiver, options)?;
        Ok(Self { progress: forward, _registration: registration })
    }

    pub(crate) fn progress(&self) -> &Arc<dyn Progress> {
        &self.progress
    }

    /// What it has done so far. O(1).
    pub fn stats(&self) -> BridgeStats {
        self.progress.stats()
    }
}

pub(crate) use forward::Progress as BridgeProgress;

impl Drop for Bridge {
    fn drop(&mut self) {
        self.progress.close();
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
