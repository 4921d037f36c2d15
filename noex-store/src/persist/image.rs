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
    /// How many of the rows are empty.
    holes: usize,
    /// The hashes of the keys and their places. `None` until a key is asked for: a snapshot alone has each once.
    by_key: Option<HashTable<(u64, usize)>>,
    hash: RandomState,
}

impl BucketImage {
    /// The places of the keys.
    fn index(&mut self) -> &mut HashTable<(u64, usize)> {
        let Self { rows, by_key, hash, .. } = self;
        by_key.get_or_insert_with(|| {
            let mut table = HashTable::with_capacity(rows.len());
            for (at, record) in rows.iter().enumerate() {
                if let Some(record) = record {
                    let hashed = hash.hash_one(record.key.as_str());
                    table.insert_unique(hashed, (hashed, at), |(hash, _)| *hash);
                }
            }
            table
        })
    }

    fn find(&mut self, key: &str) -> Option<usize> {
        let hashed = self.hash.hash_one(key);
        self.index();
        let Self { rows, by_key, .. } = self;
        let is_it = |(_, at): &(u64, usize)| rows[*at].as_ref().is_some_and(|record| record.key == key);
        by_key.as_ref()?.find(hashed, is_it).map(|(_, at)| *at)
    }

    fn put(&mut self, record: StoredRecord) {
        if let Some(at) = self.find(&record.key) {
            self.rows[at] = Some(record);
            return;
        }
        let entry = (self.hash.hash_one(record.key.as_str()), self.rows.len());
        self.rows.push(Some(record));
        self.index().insert_unique(entry.0, entry, |(hash, _)| *hash);
    }

    /// Adds records of a snapshot, which has each key once.
    fn extend(&mut self, records: Vec<StoredRecord>) {
        if self.by_key.is_some() {
            return records.into_iter().for_each(|record| self.put(record));
        }
        self.rows.extend(records.into_iter().map(Some));
    }

    fn apply(&mut self, change: StoredChange) {
        match change {
            StoredChange::Put(record) => self.put(record),
            StoredChange::Delete(key) => {
                if let Some(at) = self.find(&key) {
                    let hashed = self.hash.hash_one(key.as_str());
                    if let Ok(found) = self.index().find_entry(hashed, |(_, own)| *own == at) {
                        found.remove();
                    }
                    self.rows[at] = None;
                    self.holes += 1;
                }
            }
        }
        // Holes are worth a walk only if there are many.
        if self.rows.len() > 64 && self.holes * 2 > self.rows.len() {
            self.rows.retain(Option::is_some);
            (self.holes, self.by_key) = (0, None);
        }
    }

    /// Whether the records are as a bucket has them now, and no more than it may hold.
    pub(crate) fn fits(&self, schema: &Schema) -> bool {
        self.schema.as_ref() == Some(&StoredSchema::of(schema))
            && schema.max_size.is_none_or(|max| self.len() <= max)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len() - self.holes
    }

    pub(crate) fn into_records(self) -> impl Iterator<Item = StoredRecord> + Send {
        self.rows.into_iter().flatten()
    }
}

impl fmt::Debug for BucketImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketImage").field("records", &self.len()).finish_non_exhaustive()
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
    /// Whether it is kept by another name, or with another schema or more records, than the bucket has now.
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
    engine.restore::<B>(&mut image.into_records(), schema.as_ref(), &counters)
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
                bucket.extend(records);
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
