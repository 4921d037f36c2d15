//! Buckets as they were kept: what loading gives, before the records have their types.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::BuildHasher;
use std::mem;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::adapter::{LoadSink, SnapshotPart};
use crate::bucket::Bucket;
use crate::engine::{
    Engine, PackedRecords, StoredChange, StoredChanges, StoredCommit, StoredPart, StoredRecord, StoredSchema,
    Table, Version,
};
use crate::error::Error;
use crate::schema::Schema;

/// A bucket's records, in the order of insertion.
#[derive(Default, Clone)]
pub(crate) struct BucketImage {
    pub(crate) schema: Option<StoredSchema>,
    pub(crate) counters: Vec<(String, u64)>,
    /// In the parts in which they came: what they take is free again, part by part, while they are read.
    parts: Vec<StoredPart>,
    /// How many places the parts have, and how many of these are empty.
    places: usize,
    holes: usize,
    /// The hashes of the keys and their places. `None` until a key is asked for: a snapshot alone has each once.
    by_key: Option<HashTable<(u64, Place)>>,
    hash: RandomState,
    /// Changes that are not made yet: where they are few beside the records, only their keys are looked for in the end.
    pending: Vec<StoredChange>,
}

/// Changes wait until they are one of so many records, and this many more.
const FEW_ONE_OF: usize = 8;
const FEW: usize = 64;

/// The numbers of a part, and of a place in it.
type Place = (u32, u32);

impl BucketImage {
    /// The places of the keys.
    fn index(&mut self) -> &mut HashTable<(u64, Place)> {
        let Self { parts, places, by_key, hash, .. } = self;
        by_key.get_or_insert_with(|| indexed(parts, *places, hash, |_| true))
    }

    /// Makes the changes that wait. Only the places of their keys are known then. O(records + changes).
    fn settle(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let pending = mem::take(&mut self.pending);
        let Self { parts, hash, .. } = self;
        let mut asked = HashTable::with_capacity(pending.len());
        for change in &pending {
            let hashed = hash.hash_one(change.key());
            asked.entry(hashed, |own| *own == hashed, |own| *own).or_insert(hashed);
        }
        let is_asked = |hashed: u64| asked.find(hashed, |own| *own == hashed).is_some();
        self.by_key = Some(indexed(parts, asked.len(), hash, is_asked));
        pending.into_iter().for_each(|change| self.apply(change));
        // Of other keys it says nothing.
        self.by_key = None;
    }

    fn find(&mut self, key: &str) -> Option<Place> {
        let hashed = self.hash.hash_one(key);
        self.index();
        let Self { parts, by_key, .. } = self;
        let is_it = |(_, (part, at)): &(u64, Place)| {
            parts[*part as usize].get(*at as usize).is_some_and(|record| record.key == key)
        };
        by_key.as_ref()?.find(hashed, is_it).map(|(_, place)| *place)
    }

    fn set(&mut self, (part, at): Place, record: Option<StoredRecord>) {
        self.parts[part as usize].set(at as usize, record);
    }

    fn put(&mut self, record: StoredRecord) {
        if let Some(place) = self.find(&record.key) {
            return self.set(place, Some(record));
        }
        let hashed = self.hash.hash_one(record.key.as_str());
        let place = self.push(record);
        self.index().insert_unique(hashed, (hashed, place), |(hash, _)| *hash);
    }

    /// Adds a record behind the others.
    fn push(&mut self, record: StoredRecord) -> Place {
        self.places += 1;
        let at = match self.parts.last_mut() {
            Some(StoredPart::Loose(records)) if records.len() < StoredPart::MOST => {
                records.push(Some(record));
                records.len() - 1
            }
            _ => {
                self.parts.push(StoredPart::Loose(vec![Some(record)]));
                0
            }
        };
        (self.parts.len() as u32 - 1, at as u32)
    }

    /// Adds records of a snapshot, which has each key once.
    fn extend(&mut self, records: Vec<StoredRecord>) {
        self.settle_with_all_keys();
        if self.by_key.is_some() {
            return records.into_iter().for_each(|record| self.put(record));
        }
        self.places += records.len();
        self.parts.extend(StoredPart::of(records));
    }

    fn extend_packed(&mut self, mut records: PackedRecords) {
        self.settle_with_all_keys();
        if self.by_key.is_some() {
            return self.extend(records.to_records());
        }
        self.places += records.len();
        records.shrink_to_fit();
        self.parts.push(StoredPart::packed(records));
    }

    /// Takes a change.
    fn change(&mut self, change: StoredChange) {
        if self.by_key.is_some() {
            return self.apply(change);
        }
        self.pending.push(change);
        if self.pending.len() > self.places / FEW_ONE_OF + FEW {
            self.settle_with_all_keys();
        }
    }

    /// As [`settle`](Self::settle), and the places of all keys are known from then on.
    fn settle_with_all_keys(&mut self) {
        if !self.pending.is_empty() {
            self.index();
            mem::take(&mut self.pending).into_iter().for_each(|change| self.apply(change));
        }
    }

    fn apply(&mut self, change: StoredChange) {
        match change {
            StoredChange::Put(record) => self.put(record),
            StoredChange::Delete(key) => {
                if let Some(place) = self.find(&key) {
                    let hashed = self.hash.hash_one(key.as_str());
                    if let Ok(found) = self.index().find_entry(hashed, |(_, own)| *own == place) {
                        found.remove();
                    }
                    self.set(place, None);
                    self.holes += 1;
                }
            }
        }
        // Holes are worth a walk only if there are many.
        if self.places > 64 && self.holes * 2 > self.places {
            let parts = mem::take(&mut self.parts);
            (self.places, self.holes, self.by_key) = (0, 0, None);
            parts.into_iter().flat_map(StoredPart::into_records).for_each(|record| {
                self.push(record);
            });
        }
    }

    /// Whether the records are as a bucket has them now, and no more than it may hold.
    pub(crate) fn fits(&mut self, schema: &Schema) -> bool {
        self.schema.as_ref() == Some(&StoredSchema::of(schema))
            && schema.max_size.is_none_or(|max| self.len() <= max)
    }

    /// How many records there are. O(1), unless changes wait.
    pub(crate) fn len(&mut self) -> usize {
        self.settle();
        self.places - self.holes
    }

    pub(crate) fn into_records(self) -> impl Iterator<Item = StoredRecord> + Send {
        self.into_parts().into_iter().flat_map(StoredPart::into_records)
    }

    /// The records, in parts; the rest is let go of.
    fn into_parts(mut self) -> Vec<StoredPart> {
        self.settle();
        self.parts
    }
}

/// The places of those keys whose hashes are wanted, which are about so many.
fn indexed(
    parts: &[StoredPart],
    about: usize,
    hash: &RandomState,
    is_wanted: impl Fn(u64) -> bool,
) -> HashTable<(u64, Place)> {
    let mut table = HashTable::with_capacity(about);
    for (part, number) in parts.iter().zip(0..) {
        for (at, record) in part.placed() {
            let hashed = hash.hash_one(record.key);
            if is_wanted(hashed) {
                table.insert_unique(hashed, (hashed, (number, at as u32)), |(hash, _)| *hash);
            }
        }
    }
    table
}

impl fmt::Debug for BucketImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketImage").field("places", &self.places).finish_non_exhaustive()
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

    /// The bucket whose records come.
    fn current(&mut self) -> Result<&mut BucketImage, Error> {
        let bucket = self.current.as_ref().and_then(|name| self.buckets.get_mut(name));
        bucket.ok_or_else(|| Error::Persistence {
            reason: "the snapshot has records before any bucket".to_owned(),
        })
    }

    /// All buckets that are left, with all changes made.
    pub(crate) fn into_buckets(mut self) -> BTreeMap<String, BucketImage> {
        self.buckets.values_mut().for_each(BucketImage::settle);
        self.buckets
    }

    /// The same once more. O(records).
    pub(crate) fn copy(&self) -> Self {
        Self { version: self.version, time: self.time, buckets: self.buckets.clone(), current: None }
    }

    /// What is kept of a bucket, by its name or by the one that it had before.
    pub(crate) fn take(&mut self, schema: &Schema) -> Option<Kept> {
        let name = kept_name(&self.buckets, schema)?;
        let mut image = self.buckets.remove(name)?;
        Some(Kept { is_changed: name != schema.name || !image.fits(schema), image })
    }
}

/// A bucket's table of what is kept of it.
pub(crate) fn restored<B: Bucket>(engine: &Engine, image: BucketImage) -> Result<Table<B>, Error> {
    let (schema, counters) = (image.schema.clone(), image.counters.clone());
    engine.restore::<B>(image.into_parts(), schema.as_ref(), &counters)
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
                self.current()?.extend(records);
            }
        }
        Ok(())
    }

    fn packed(&mut self, records: PackedRecords) -> Result<(), Error> {
        self.current()?.extend_packed(records);
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
                    changes.into_iter().for_each(|change| own.change(change));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests/image.rs"]
mod tests;
