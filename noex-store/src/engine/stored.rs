//! Records and commits in the form in which they are kept: without Rust's types, each key and value as its JSON.

use serde::{Deserialize, Serialize};

use super::{Change, Version};
use crate::bucket::Bucket;
use crate::bucket::json::{key_json, record_json, shown_json};
use crate::bucket::record::Record;
use crate::error::Error;
use crate::schema::Schema;

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRecord {
    /// The key, as JSON.
    pub key: String,
    /// The whole value, with the names of its fields, as JSON. Floats that JSON has no numbers for are text: `"NaN"`, `"inf"`, `"-inf"`.
    pub value: String,
    /// How often it was written.
    pub version: u64,
    /// When it was inserted; all times are milliseconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// When it was last written.
    pub updated_at: u64,
    /// When it expires.
    pub expires_at: Option<u64>,
}

/// One change of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredChange {
    /// The record is there from now on: behind all others if its key was not there, and else in the place of the one that was.
    Put(StoredRecord),
    /// The record of a key, as JSON, is gone.
    Delete(String),
}

/// What a bucket's records were like when they were kept: tells whether they must be changed to be read now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSchema {
    /// The `version` of the bucket.
    pub version: u32,
    /// The fields, in the order of their names.
    pub fields: Vec<StoredField>,
}

/// A field of a [`StoredSchema`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredField {
    /// The name in the records' JSON.
    pub name: String,
    /// Which of the six kinds of values it held, in lower case.
    pub kind: String,
    /// The type, as it was written in the struct.
    pub rust_type: String,
}

impl StoredSchema {
    pub(crate) fn of(schema: &Schema) -> Self {
        let field = |field: &crate::schema::FieldSchema| StoredField {
            name: field.name.to_owned(),
            kind: field.kind.as_str().to_owned(),
            rust_type: field.rust_type.to_owned(),
        };
        let mut fields: Vec<_> = schema.fields.iter().map(field).collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        Self { version: schema.version, fields }
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|own| own.name == field)
    }
}

/// What a commit did to a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredChanges {
    /// It was defined: empty, unless it has been kept from an earlier run.
    Defined {
        /// The bucket's name.
        bucket: String,
        /// What its records are like from now on; `None` if that was not kept.
        schema: Option<StoredSchema>,
    },
    /// It was dropped with all of its records.
    Dropped {
        /// The bucket's name.
        bucket: String,
    },
    /// Records of it were changed.
    Changed {
        /// The bucket's name.
        bucket: String,
        /// The last automatic number of each field that has some.
        counters: Vec<(String, u64)>,
        /// The changes, in their order.
        changes: Vec<StoredChange>,
    },
}

/// A commit as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCommit {
    /// Its number; grows by one from commit to commit.
    pub version: Version,
    /// When it was made.
    pub time: u64,
    /// What it did. Empty if it is of no concern: it changed buckets that are not kept.
    pub buckets: Vec<StoredChanges>,
}

fn key_of<B: Bucket>(record: &Record<B>) -> Result<String, Error> {
    key_json::<B>(record.key())
}

impl StoredCommit {
    /// About how many bytes it is. O(changes).
    pub(crate) fn size(&self) -> usize {
        let size_of = |changes: &StoredChanges| match changes {
            StoredChanges::Changed { changes, .. } => changes.iter().map(StoredChange::size).sum(),
            StoredChanges::Defined { .. } | StoredChanges::Dropped { .. } => 0,
        };
        self.buckets.iter().map(size_of).sum()
    }
}

impl StoredChange {
    fn size(&self) -> usize {
        match self {
            Self::Put(record) => record.size(),
            Self::Delete(key) => key.len(),
        }
    }
}

impl StoredRecord {
    /// About how many bytes it is.
    pub(crate) fn size(&self) -> usize {
        self.key.len() + self.value.len()
    }

    pub(crate) fn of<B: Bucket>(record: &Record<B>) -> Result<Self, Error> {
        Ok(Self::new(record, key_of(record)?, record_json(record.value())?))
    }

    /// The same for whoever looks at it: it need not be one that can be read again.
    pub(crate) fn shown<B: Bucket>(record: &Record<B>) -> Result<Self, Error> {
        let key = shown_json(B::NAME, record.key(), record.key())?;
        Ok(Self::new(record, key, shown_json(B::NAME, record.key(), record.value())?))
    }

    fn new<B: Bucket>(record: &Record<B>, key: String, value: String) -> Self {
        Self {
            key,
            value,
            version: record.version(),
            created_at: record.created_at(),
            updated_at: record.updated_at(),
            expires_at: record.expires_at(),
        }
    }
}

pub(super) fn stored_changes<B: Bucket>(changes: &[Change<B>]) -> Result<Vec<StoredChange>, Error> {
    let stored = |change: &Change<B>| match change {
        Change::Inserted(new) | Change::Updated { new, .. } => StoredRecord::of(new).map(StoredChange::Put),
        Change::Deleted { record, .. } => key_of(record).map(StoredChange::Delete),
    };
    changes.iter().map(stored).collect()
}
