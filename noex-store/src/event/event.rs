//! One change of one record, as an event.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::engine::{AnyChanges, Change, Commit, Kind, Reason, Version};

/// What happened to a record: the last part of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// It is new.
    Inserted,
    /// It was replaced by a newer version.
    Updated,
    /// It is gone: [`Event::reason`] tells why.
    Deleted,
}

impl EventKind {
    pub(super) const ALL: [Self; 3] = [Self::Inserted, Self::Updated, Self::Deleted];

    /// `inserted`, `updated` or `deleted`.
    ///
    /// ```
    /// assert_eq!(noex_store::EventKind::Inserted.as_str(), "inserted");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }

    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Inserted => Self::Inserted,
            Kind::Updated => Self::Updated,
            Kind::Deleted => Self::Deleted,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One change of one record by one commit. Cheap to keep: it holds the commit, and is shared by all who are told of it.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let mut events = store.events("bucket.users.updated")?;
/// users.update(&1, User::patch().age(31))?;
/// let event = events.next().await.expect("open")?;
/// assert_eq!((event.topic(), event.key().as_str()), ("bucket.users.updated", "1"));
/// assert_eq!(event.changed_fields(), ["age"]);
/// assert!(event.record::<User>().is_some_and(|ann| ann.age == Some(31)));
/// println!("{}", event.to_json());
/// # Ok(()) }
/// ```
pub struct Event {
    commit: Arc<Commit>,
    /// Where the change is in the commit.
    bucket: usize,
    change: usize,
    kind: EventKind,
    topic: Arc<str>,
}

impl Event {
    pub(super) fn new(
        commit: &Arc<Commit>,
        bucket: usize,
        change: usize,
        kind: EventKind,
        topic: &Arc<str>,
    ) -> Self {
        Self { commit: Arc::clone(commit), bucket, change, kind, topic: Arc::clone(topic) }
    }

    fn changes(&self) -> &dyn AnyChanges {
        self.commit.buckets[self.bucket].as_ref()
    }

    /// `bucket.{name}.{inserted|updated|deleted}`.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.delete(&1)?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.topic(), "bucket.users.deleted");
    /// # Ok(()) }
    /// ```
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The bucket's name.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.delete(&1)?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.bucket(), "users");
    /// # Ok(()) }
    /// ```
    pub fn bucket(&self) -> &'static str {
        self.changes().bucket()
    }

    /// What happened.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.update(&1, User::patch().age(31))?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.kind(), noex_store::EventKind::Updated);
    /// # Ok(()) }
    /// ```
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// Why the record is gone; `None` if it is there.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.delete(&1)?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.reason(), Some(Reason::Deleted));
    /// # Ok(()) }
    /// ```
    pub fn reason(&self) -> Option<Reason> {
        self.changes().reason(self.change)
    }

    /// The number of the commit. Events of one commit come together, in the order of the calls.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.update(&1, User::patch().age(31))?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.version(), store.snapshot().version());
    /// # Ok(()) }
    /// ```
    pub fn version(&self) -> Version {
        self.commit.version()
    }

    /// When the commit was made, in milliseconds since 1970-01-01 UTC.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.update(&1, User::patch().age(31))?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.time(), users.require(&1)?.updated_at());
    /// # Ok(()) }
    /// ```
    pub fn time(&self) -> u64 {
        self.commit.time()
    }

    /// The commit.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.clear()?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.commit().len(), 2, "one commit took out both");
    /// # Ok(()) }
    /// ```
    pub fn commit(&self) -> &Arc<Commit> {
        &self.commit
    }

    /// The record's key as text: a text key as it is, any other as its JSON.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.update(&1, User::patch().age(31))?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.key(), "1");
    /// # Ok(()) }
    /// ```
    pub fn key(&self) -> String {
        match self.changes().key(self.change) {
            Value::String(key) => key,
            key => key.to_string(),
        }
    }

    fn change<B: Bucket>(&self) -> Option<&Change<B>> {
        self.commit.buckets[self.bucket].list::<B>()?.get(self.change)
    }

    /// The record as the commit left it, or as it was before it was deleted; `None` if it is of another type. No copy.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.update(&1, User::patch().age(31))?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.record::<User>().expect("a user").age, Some(31));
    /// # Ok(()) }
    /// ```
    pub fn record<B: Bucket>(&self) -> Option<&Record<B>> {
        self.change::<B>().and_then(|change| change.new().or_else(|| change.old()))
    }

    /// The record before the commit; `None` if there was none, or it is of another type. No copy.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.update(&1, User::patch().age(31))?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.old_record::<User>().expect("it was there").age, Some(30));
    /// # Ok(()) }
    /// ```
    pub fn old_record<B: Bucket>(&self) -> Option<&Record<B>> {
        self.change::<B>().and_then(Change::old)
    }

    /// The stored names of the fields whose values an update has changed, in the order of the schema; of an insert and a
    /// deletion all fields. Compares what the two records serialise to, O(size of the record).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.update(&1, User::patch().age(31))?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.changed_fields(), ["age"]);
    /// # Ok(()) }
    /// ```
    pub fn changed_fields(&self) -> Vec<&'static str> {
        let changes = self.changes();
        let fields = changes.schema().fields.iter().map(|field| field.name);
        if self.kind != EventKind::Updated {
            return fields.collect();
        }
        let (old, new) = (changes.old_json(self.change), changes.new_json(self.change));
        fields.filter(|name| old.get(name) != new.get(name)).collect()
    }

    /// The whole event as JSON: `topic`, `type`, `bucket`, `key`, `version`, `time`, and, where there is one, `reason`,
    /// `record`, `old_record`, `changed_fields`. Records have their metadata beside their fields. A record that has no JSON (a map
    /// with keys that are not text, say) is `null`.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let mut events = store.events("bucket.users.*")?;
    /// users.update(&1, User::patch().age(31))?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.to_json()["old_record"]["age"], 30);
    /// # Ok(()) }
    /// ```
    pub fn to_json(&self) -> Value {
        let changes = self.changes();
        let mut json = Map::new();
        let mut put = |name: &str, value: Value| {
            json.insert(name.to_owned(), value);
        };
        put("topic", json!(self.topic()));
        put("type", json!(self.kind));
        put("bucket", json!(self.bucket()));
        put("key", changes.key(self.change));
        put("version", json!(self.version()));
        put("time", json!(self.time()));
        if let Some(reason) = self.reason() {
            put("reason", json!(reason));
        }
        match self.kind {
            EventKind::Inserted => put("record", changes.new_json(self.change)),
            EventKind::Updated => {
                put("record", changes.new_json(self.change));
                put("old_record", changes.old_json(self.change));
                put("changed_fields", json!(self.changed_fields()));
            }
            EventKind::Deleted => put("record", changes.old_json(self.change)),
        }
        Value::Object(json)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("topic", &self.topic())
            .field("key", &self.key())
            .field("version", &self.version())
            .field("reason", &self.reason())
            .finish_non_exhaustive()
    }
}
