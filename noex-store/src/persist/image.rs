//! Buckets as they were kept: what loading gives, before the records have their types.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::adapter::{LoadSink, SnapshotPart};
use crate::bucket::Bucket;
use crate::engine::{
    Engine, StoredChange, StoredChanges, StoredCommit, StoredRecord, StoredSchema, Table, Version,
};
use crate::error::Error;
use crate::schema::Schema;

/// A bucket's records, in the order of insertion.
#[derive(Default, Clone)]
pub(crate) struct BucketImage {
    pub(crate) schema: Option<StoredSchema>,
    pub(crate) counters: Vec<(String, u64)>,
    rows: Vec<Option<StoredRecord>>,
    /// The places of the keys, which stand in the rows.
    by_key: HashTable<usize>,
    hash: RandomState,
}

impl BucketImage {
    fn find(&self, key: &str) -> Option<usize> {
        let is_it = |at: &usize| self.rows[*at].as_ref().is_some_and(|record| record.key == key);
        self.by_key.find(self.hash.hash_one(key), is_it).copied()
    }

    fn put(&mut self, record: StoredRecord) {
        match self.find(&record.key) {
            Some(at) => self.rows[at] = Some(record),
            None => {
                self.rows.push(Some(record));
                self.index(self.rows.len() - 1);
            }
        }
    }

    /// Notes the place of a record whose key is not there yet.
    fn index(&mut self, at: usize) {
        let Self { rows, by_key, hash, .. } = self;
        let hash_at = |at: &usize| rows[*at].as_ref().map_or(0, |record| hash.hash_one(record.key.as_str()));
        by_key.insert_unique(hash_at(&at), at, hash_at);
    }

    fn apply(&mut self, change: StoredChange) {
        match change {
            StoredChange::Put(record) => self.put(record),
            StoredChange::Delete(key) => {
                if let Some(at) = self.find(&key)
                    && let Ok(found) =
                        self.by_key.find_entry(self.hash.hash_one(key.as_str()), |own| *own == at)
                {
                    found.remove();
                    self.rows[at] = None;
                }
            }
        }
        // Holes are worth a walk only if there are many.
        if self.rows.len() > 64 && self.rows.len() > 2 * self.by_key.len() {
            self.rows.retain(Option::is_some);
            self.by_key.clear();
            (0..self.rows.len()).for_each(|at| self.index(at));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether the records are as a bucket has them now.
    pub(crate) fn fits(&self, schema: &Schema) -> bool {
        self.schema.as_ref() == Some(&StoredSchema::of(schema))
    }

    pub(crate) fn into_records(self) -> impl Iterator<Item = StoredRecord> {
        self.rows.into_iter().flatten()
    }
}

impl fmt::Debug for BucketImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketImage").field("records", &self.by_key.len()).finish_non_exhaustive()
    }
}

/// The name by which a bucket is kept: its own, or the one that it had before. Then it is no bucket of that name.
pub(crate) fn kept_name(kept: &BTreeMap<String, BucketImage>, schema: &Schema) -> Option<&'static str> {
    let names = std::iter::once(schema.name).chain(schema.renamed_from);
    names.into_iter().find(|name| kept.contains_key(*name))
}

/// What is kept of a bucket that is defined.
pub(crate) struct Kept {
    pub(crate) image: BucketImage,
    /// Whether it is kept by another name, or with another schema, than the bucket has now.
    pub(crate) is_changed: bool,
}

/// All buckets at one version.
#[derive(Debug, Default)]
pub(crate) struct Image {
    pub(crate) version: Version,
    pub(crate) time: u64,
    pub(crate) buckets: BTreeMap<String, BucketImage>,
    /// The bucket whose records come.
    current: Option<String>,
}

impl Image {
    pub(crate) fn is_empty(&self) -> bool {
        self.version == Version(0) && self.buckets.is_empty()
    }

    /// The same once more. O(records).
    pub(crate) fn copy(&self) -> Self {
        Self { version: self.version, time: self.time, buckets: self.buckets.clone(), current: None }
    }

    /// What is kept of a bucket, by its name or by the one that it had before.
    pub(crate) fn take(&mut self, schema: &Schema) -> Option<Kept> {
        let name = kept_name(&self.buckets, schema)?;
        let image = self.buckets.remove(name)?;
        Some(Kept { is_changed: name != schema.name || !image.fits(schema), image })
    }
}

/// A bucket's table of what is kept of it.
pub(crate) fn restored<B: Bucket>(engine: &Engine, image: BucketImage) -> Result<Table<B>, Error> {
    let (schema, counters) = (image.schema.clone(), image.counters.clone());
    engine.restore::<B>(image.into_records().collect(), schema.as_ref(), &counters)
}

impl LoadSink for Image {
    fn snapshot(&mut self, version: Version, time: u64) {
        *self = Self { version, time, ..Self::default() };
    }

    fn part(&mut self, part: SnapshotPart) -> Result<(), Error> {
        match part {
            SnapshotPart::Begin { name, schema, counters } => {
                let bucket = self.buckets.entry(name.clone()).or_default();
                (bucket.schema, bucket.counters) = (schema, counters);
                self.current = Some(name);
            }
            SnapshotPart::Records(records) => {
                let bucket = self.current.as_ref().and_then(|name| self.buckets.get_mut(name));
                let bucket = bucket.ok_or_else(|| Error::Persistence {
                    reason: "the snapshot has records before any bucket".to_owned(),
                })?;
                records.into_iter().for_each(|record| bucket.put(record));
            }
        }
        Ok(())
    }

    fn commit(&mut self, commit: StoredCommit) -> Result<(), Error> {
        if commit.version <= self.version {
            // It is in the snapshot.
            return Ok(());
        }
        if commit.version != self.version.next() {
            let reason =
                format!("commit {} follows commit {}: some are missing", commit.version, self.version);
            return Err(Error::Persistence { reason });
        }
        (self.version, self.time) = (commit.version, self.time.max(commit.time));
        for changes in commit.buckets {
            match changes {
                StoredChanges::Defined { bucket, schema } => {
                    self.buckets.entry(bucket).or_default().schema = schema;
                }
                StoredChanges::Dropped { bucket } => {
                    self.buckets.remove(&bucket);
                }
                StoredChanges::Changed { bucket, counters, changes } => {
                    let own = self.buckets.entry(bucket).or_default();
                    own.counters = counters;
                    changes.into_iter().for_each(|change| own.apply(change));
                }
            }
        }
        Ok(())
    }
}
