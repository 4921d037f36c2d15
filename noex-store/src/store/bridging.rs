//! Bridges of a store.

use super::Store;
use crate::bridge::{Bridge, BridgeOptions, EventReceiver};
use crate::error::Error;

/// Forwards the events of a store to a receiver, a rule engine say, until the bridge is dropped or the store stopped.
///
/// Events are sent one after the other, in the order of the commits, from a thread of the bridge: neither writers nor other
/// subscribers wait for the receiver. What it fails at is counted, traced, and not sent again. While it is slower than the store, up
/// to [`capacity`](BridgeOptions::capacity) events wait for it; of more the oldest are lost, which is counted, traced, and told to
/// [`lagged`](EventReceiver::lagged). A receiver that does not come to an end is given up for the event after the
/// [`timeout`](BridgeOptions::timeout). The receiver may read and write the store.
///
/// [`Store::settle`] waits until the receiver has been sent all events so far, and [`Store::stop`] too, for as long as it
/// waits for anything.
///
/// ```
/// use noex_store::prelude::*;
///
/// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// # #[bucket(name = "orders")]
/// # struct Order { #[bucket(key)] id: u64, total: f64 }
/// struct BigOrders;
///
/// impl EventReceiver for BigOrders {
///     async fn emit(&self, topic: &str, data: serde_json::Value) -> Result<(), ReceiverError> {
///         let total = data["record"]["total"].as_f64().ok_or("an order without a total")?;
///         if total > 1000.0 {
///             println!("{topic}: {total}");
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let store = Store::builder().bucket::<Order>().start().await?;
/// let options = BridgeOptions::new()
///     .filter(|event| event.bucket() == "orders")
///     .map_topic(|topic, _| topic.replace('.', ":"));
/// let bridge = bridge_to_rules(&store, BigOrders, options)?;
/// store.bucket::<Order>()?.insert(Order { id: 1, total: 1500.0 })?;
/// store.settle().await;
/// assert_eq!(bridge.stats().delivered, 1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::InvalidPattern`]; [`Error::CommitsGone`], if it is to begin with a commit that the log has not;
/// [`Error::Degraded`], [`Error::Stopped`].
pub fn bridge_to_rules<R: EventReceiver>(
    store: &Store,
    receiver: R,
    options: BridgeOptions,
) -> Result<Bridge, Error> {
    store.services.bridge(receiver, options)
}
