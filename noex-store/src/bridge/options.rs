//! What a bridge forwards, and how.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::engine::Version;
use crate::event::Event;

type Filter = Box<dyn Fn(&Event) -> bool + Send + Sync>;
type MapTopic = Box<dyn Fn(&str, &Event) -> String + Send + Sync>;
type MapData = Box<dyn Fn(&Event) -> Value + Send + Sync>;

/// What a bridge forwards, and how: all events, as they are, unless told otherwise. For
/// [`bridge_to_rules`](crate::bridge_to_rules).
///
/// ```
/// use noex_store::prelude::*;
///
/// let options = BridgeOptions::new()
///     .pattern("bucket.orders.*")
///     .filter(|event| event.reason() != Some(Reason::Expired))
///     .map_topic(|topic, _| topic.replace('.', ":"))
///     .map_data(|event| serde_json::json!({ "key": event.key() }))
///     .capacity(100)
///     .timeout(Duration::from_secs(5));
/// ```
#[must_use = "options do nothing by themselves"]
pub struct BridgeOptions {
    pub(super) pattern: String,
    pub(super) since: Option<Version>,
    pub(super) capacity: usize,
    pub(super) timeout: Duration,
    filter: Option<Filter>,
    map_topic: Option<MapTopic>,
    map_data: Option<MapData>,
}

impl BridgeOptions {
    /// All events, with their topics and [`to_json`](Event::to_json).
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = BridgeOptions::new();
    /// # let _ = options;
    /// ```
    pub fn new() -> Self {
        Self {
            pattern: "bucket.**".to_owned(),
            since: None,
            capacity: 4096,
            timeout: Duration::from_secs(30),
            filter: None,
            map_topic: None,
            map_data: None,
        }
    }

    /// Forwards only what matches a pattern of topics, as those of [`Store::on`](crate::Store::on). An event that does not costs
    /// nothing, where one that a [filter](Self::filter) refuses has been made and waited in the queue.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = BridgeOptions::new().pattern("bucket.orders.*");
    /// # let _ = options;
    /// ```
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = pattern.into();
        self
    }

    /// Forwards only the events for which a function says so. Called in the bridge's thread.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = BridgeOptions::new().filter(|event| event.reason() != Some(Reason::Expired));
    /// # let _ = options;
    /// ```
    pub fn filter(mut self, filter: impl Fn(&Event) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Box::new(filter));
        self
    }

    /// Gives events another topic, made of their own.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = BridgeOptions::new().map_topic(|topic, _| topic.replace('.', ":"));
    /// # let _ = options;
    /// ```
    pub fn map_topic(mut self, map: impl Fn(&str, &Event) -> String + Send + Sync + 'static) -> Self {
        self.map_topic = Some(Box::new(map));
        self
    }

    /// Sends something else than [`Event::to_json`].
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = BridgeOptions::new().map_data(|event| event.key().into());
    /// # let _ = options;
    /// ```
    pub fn map_data(mut self, map: impl Fn(&Event) -> Value + Send + Sync + 'static) -> Self {
        self.map_data = Some(Box::new(map));
        self
    }

    /// Begins with the events after a commit, as long as the log has them, and not with those from now on.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = BridgeOptions::new().since(Version::default());
    /// # let _ = options;
    /// ```
    pub fn since(mut self, version: Version) -> Self {
        self.since = Some(version);
        self
    }

    /// How many events wait for the receiver at most, 1 or more; 4,096 unless given. Of more the oldest are lost.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = BridgeOptions::new().capacity(100);
    /// # let _ = options;
    /// ```
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = events;
        self
    }

    /// How long the receiver may take for an event; 30 seconds unless given, `Duration::MAX` is for ever. Then its future is dropped, the event counts as
    /// failed, and the next one is sent.
    ///
    /// ```
    /// use noex_store::prelude::*;
    ///
    /// let options = BridgeOptions::new().timeout(Duration::from_secs(5));
    /// # let _ = options;
    /// ```
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    pub(super) fn wants(&self, event: &Event) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter(event))
    }

    pub(super) fn topic(&self, event: &Event) -> String {
        self.map_topic.as_ref().map_or_else(|| event.topic().to_owned(), |map| map(event.topic(), event))
    }

    pub(super) fn data(&self, event: &Event) -> Value {
        self.map_data.as_ref().map_or_else(|| event.to_json(), |map| map(event))
    }
}

impl Default for BridgeOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for BridgeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BridgeOptions")
            .field("pattern", &self.pattern)
            .field("since", &self.since)
            .field("capacity", &self.capacity)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
