//! Records: shared, immutable values with metadata.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Bucket;
use crate::engine::{Counted, RowId};

/// A record as it was at one commit: a cheap handle (one `Arc`) that derefs to the struct.
///
/// A record never changes; an update makes a new one. It may be kept as long as you like and sent anywhere.
/// Two records are equal if their values are (where the struct is `PartialEq`) and their versions are.
///
/// It serialises as the struct does, with its metadata beside the fields: `_version`, `_createdAt`, `_updatedAt` and,
/// where it expires, `_expiresAt`.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let ann = users.require(&1)?;
/// assert_eq!((ann.name.as_str(), ann.version()), ("Ann", 1));
/// let older = users.update(&1, User::patch().age(31))?;
/// assert_eq!((ann.age, older.age), (Some(30), Some(31)), "the one at hand stays as it is");
/// assert_eq!(serde_json::to_value(&older)?["_version"], 2);
/// # Ok(()) }
/// ```
pub struct Record<B> {
    row: Arc<Row<B>>,
}

struct Row<B> {
    meta: Meta,
    /// Whether the record was read since it was last looked at to make room. Beside the count of the `Arc`, which every reader
    /// writes anyway.
    used: AtomicBool,
    /// Whether a write has taken the record out, which need not be in the version at hand, nor have been published.
    may_be_gone: AtomicBool,
    value: B,
}

/// Times are in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Where the record stands in the order of insertion.
    pub(crate) row: RowId,
    /// How often it was written, from 1.
    pub(crate) version: u64,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
    pub(crate) expires_at: Option<NonZeroU64>,
}

impl<B> Record<B> {
    pub(crate) fn new(value: B, meta: Meta) -> Self {
        // A record that is written again was used.
        let used = AtomicBool::new(meta.version > 1);
        Self { row: Arc::new(Row { meta, used, may_be_gone: AtomicBool::new(false), value }) }
    }

    /// The bytes of a record, without what its value owns.
    pub(crate) fn size() -> usize {
        size_of::<Row<B>>() + 2 * size_of::<usize>()
    }

    /// The metadata of what takes its place.
    pub(crate) fn rewritten(&self, now: u64) -> Meta {
        let meta = self.row.meta;
        Meta { version: meta.version.saturating_add(1), updated_at: now, ..meta }
    }

    /// Notes that a write takes the record out.
    pub(crate) fn set_gone(&self) {
        self.row.may_be_gone.store(true, Ordering::Relaxed);
    }

    /// Whether it has to be asked of a version if the record is there still. What was published is seen here by who sees that version.
    pub(crate) fn may_be_gone(&self) -> bool {
        self.row.may_be_gone.load(Ordering::Relaxed)
    }

    /// Notes that the record was read. Writes only if that is news.
    pub(crate) fn set_used(&self) {
        if !self.row.used.load(Ordering::Relaxed) {
            self.row.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the record was read since this was asked last.
    pub(crate) fn take_used(&self) -> bool {
        self.row.used.swap(false, Ordering::Relaxed)
    }

    /// Whether its time to live is over.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.row.meta.expires_at.is_some_and(|at| at.get() <= now)
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.row.meta
    }

    pub(crate) fn same(a: &Self, b: &Self) -> bool {
        Arc::ptr_eq(&a.row, &b.row)
    }

    /// How often the record was written: 1 after the insert, one more with each commit that changed it.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.require(&1)?.version(), 1);
    /// assert_eq!(users.update(&1, User::patch().age(31))?.version(), 2);
    /// # Ok(()) }
    /// ```
    pub fn version(&self) -> u64 {
        self.row.meta.version
    }

    /// When it was inserted, in milliseconds since 1970-01-01 UTC.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ann = users.update(&1, User::patch().age(31))?;
    /// assert!(ann.created_at() <= ann.updated_at());
    /// # Ok(()) }
    /// ```
    pub fn created_at(&self) -> u64 {
        self.row.meta.created_at
    }

    /// When it was last written, in milliseconds since 1970-01-01 UTC.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.require(&1)?.updated_at(), users.require(&1)?.created_at(), "not written since");
    /// # Ok(()) }
    /// ```
    pub fn updated_at(&self) -> u64 {
        self.row.meta.updated_at
    }

    /// When it expires, in milliseconds since 1970-01-01 UTC; `None` if it does not.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let hour = Duration::from_secs(3_600);
    /// let cy = users.insert_with_ttl(User::draft().name("Cy").email("cy@x.cz"), hour)?;
    /// assert_eq!(cy.expires_at(), Some(cy.created_at() + 3_600_000));
    /// assert_eq!(users.require(&1)?.expires_at(), None);
    /// # Ok(()) }
    /// ```
    pub fn expires_at(&self) -> Option<u64> {
        self.row.meta.expires_at.map(NonZeroU64::get)
    }

    /// The value. (Deref does the same.)
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ann: User = users.require(&1)?.value().clone();
    /// assert_eq!(ann.name, "Ann");
    /// # Ok(()) }
    /// ```
    pub fn value(&self) -> &B {
        &self.row.value
    }
}

impl<B: Bucket> Record<B> {
    /// The same value with other metadata: a copy, if they differ.
    pub(crate) fn with_meta(self, meta: Meta) -> Self {
        if self.row.meta == meta { self } else { Self::new(self.row.value.clone(), meta) }
    }

    /// The primary key.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.insert(User::draft().name("Cy").email("cy@x.cz"))?.key(), &3);
    /// # Ok(()) }
    /// ```
    pub fn key(&self) -> &B::Key {
        self.row.value.key()
    }
}

impl<B> Counted for Record<B> {
    #[inline]
    fn count_of(&self) -> usize {
        Arc::strong_count(&self.row)
    }
}

impl<B> Clone for Record<B> {
    fn clone(&self) -> Self {
        Self { row: Arc::clone(&self.row) }
    }
}

impl<B> Deref for Record<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.row.value
    }
}

impl<B> AsRef<B> for Record<B> {
    fn as_ref(&self) -> &B {
        &self.row.value
    }
}

impl<B: PartialEq> PartialEq for Record<B> {
    fn eq(&self, other: &Self) -> bool {
        Self::same(self, other) || (self.version() == other.version() && self.row.value == other.row.value)
    }
}

impl<B: Eq> Eq for Record<B> {}

impl<B: fmt::Debug> fmt::Debug for Record<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meta = self.meta();
        f.debug_struct("Record")
            .field("value", &self.row.value)
            .field("version", &meta.version)
            .field("created_at", &meta.created_at)
            .field("updated_at", &meta.updated_at)
            .field("expires_at", &self.expires_at())
            .finish()
    }
}

impl<B: Bucket> Record<B> {
    /// The JSON that [`serialize`](Serialize::serialize) writes; `null` if it cannot. Less code for each bucket than that: what makes JSON of
    /// the value is needed anyway.
    pub(crate) fn to_json(&self) -> Value {
        let Ok(Value::Object(mut json)) = serde_json::to_value(&self.row.value) else { return Value::Null };
        json.insert("_version".to_owned(), self.version().into());
        json.insert("_createdAt".to_owned(), self.created_at().into());
        json.insert("_updatedAt".to_owned(), self.updated_at().into());
        if let Some(at) = self.expires_at() {
            json.insert("_expiresAt".to_owned(), at.into());
        }
        Value::Object(json)
    }
}

impl<B: Serialize> Serialize for Record<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct WithMeta<'a, B> {
            #[serde(flatten)]
            value: &'a B,
            #[serde(rename = "_version")]
            version: u64,
            #[serde(rename = "_createdAt")]
            created_at: u64,
            #[serde(rename = "_updatedAt")]
            updated_at: u64,
            #[serde(rename = "_expiresAt", skip_serializing_if = "Option::is_none")]
            expires_at: Option<u64>,
        }
        WithMeta {
            value: &self.row.value,
            version: self.version(),
            created_at: self.created_at(),
            updated_at: self.updated_at(),
            expires_at: self.expires_at(),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "things", crate = crate)]
    struct Thing {
        #[bucket(key)]
        id: u32,
        text: Option<String>,
    }

    #[test]
    fn both_ways_to_json_are_one() {
        for expires_at in [None, NonZeroU64::new(7_000)] {
            let meta = Meta { row: RowId(0), version: 3, created_at: 5, updated_at: 6, expires_at };
            let record = Record::new(Thing { id: 1, text: Some("a".to_owned()) }, meta);
            let json = record.to_json();
            assert_eq!(serde_json::to_value(&record).ok(), Some(json.clone()));
            assert_eq!((&json["_version"], &json["text"]), (&3.into(), &"a".into()));
        }
    }
}
