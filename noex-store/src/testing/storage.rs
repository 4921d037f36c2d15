//! A storage in the hands of the suite, and what it must hold.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::engine::{
    StoredChange, StoredChanges, StoredCommit, StoredField, StoredRecord, StoredSchema, Version,
};
use crate::error::Error;
use crate::persist::{
    AdapterFuture, BucketImage, Image, LoadSink, SnapshotPart, SnapshotSource, StorageAdapter,
};
use crate::service::Parker;

/// What a case says when it fails.
pub(super) type Outcome<T = ()> = Result<T, String>;

pub(super) fn said(what: &str) -> impl Fn(Error) -> String {
    move |error| format!("{what}: {error}")
}

/// Where a case keeps what it keeps.
pub(super) struct Storage<'a, A> {
    pub(super) open: &'a (dyn Fn(&str) -> Result<A, Error> + Sync),
    pub(super) name: String,
}

/// An adapter that is open, with what it should have kept.
pub(super) struct Opened<A> {
    pub(super) adapter: A,
    pub(super) image: Image,
}

impl<A: StorageAdapter> Storage<'_, A> {
    /// Opens it, which has nothing yet.
    pub(super) fn fresh(&self) -> Outcome<Opened<A>> {
        self.expecting(&Image::default())
    }

    /// Opens it, and compares what is there with what should be.
    pub(super) fn expecting(&self, expected: &Image) -> Outcome<Opened<A>> {
        let adapter = (self.open)(&self.name).map_err(said("it could not be opened"))?;
        let mut image = Image::default();
        wait(adapter.load(&mut image)).map_err(said("`load` failed"))?;
        same(&image, expected)?;
        Ok(Opened { adapter, image })
    }
}

impl<A: StorageAdapter> Opened<A> {
    /// Has the next commits appended.
    pub(super) fn append(&mut self, commits: Vec<StoredCommit>) -> Outcome {
        wait(self.adapter.append(&commits)).map_err(said("`append` failed"))?;
        commits.into_iter().try_for_each(|commit| self.image.commit(commit).map_err(said("the suite")))
    }

    /// Has the next commit appended.
    pub(super) fn commit(&mut self, buckets: Vec<StoredChanges>) -> Outcome {
        self.append(vec![self.next(buckets)])
    }

    pub(super) fn next(&self, buckets: Vec<StoredChanges>) -> StoredCommit {
        let version = self.image.version.next();
        StoredCommit { version, time: 1_000 + version.get(), buckets }
    }

    /// Has a snapshot written, and the commits before it forgotten.
    pub(super) fn snapshot(&self, of: &Image) -> Outcome {
        wait(self.adapter.write_snapshot(&mut Parts::of(of))).map_err(said("`write_snapshot` failed"))?;
        wait(self.adapter.truncate(of.version)).map_err(said("`truncate` failed"))
    }

    /// Closes it, and opens it again.
    pub(super) fn again(self, storage: &Storage<'_, A>) -> Outcome<Self> {
        let Self { adapter, image } = self;
        wait(adapter.close()).map_err(said("`close` failed"))?;
        drop(adapter);
        storage.expecting(&image)
    }
}

/// The outcome of a call.
pub(super) fn wait<T>(future: AdapterFuture<'_, T>) -> Result<T, Error> {
    let runtime = Handle::try_current().ok();
    let _runtime = runtime.as_ref().map(Handle::enter);
    Arc::new(Parker::default()).block_on(future, None, || false).unwrap_or(Err(Error::Stopped))
}

fn same(found: &Image, expected: &Image) -> Outcome {
    if found.version != expected.version {
        return Err(format!("it holds commit {}, and was given {}", found.version, expected.version));
    }
    let names = |image: &Image| image.buckets.keys().cloned().collect::<Vec<_>>();
    if names(found) != names(expected) {
        return Err(format!("it holds the buckets {:?}, and not {:?}", names(found), names(expected)));
    }
    for (name, bucket) in &found.buckets {
        let Some(wanted) = expected.buckets.get(name) else { continue };
        if bucket.schema != wanted.schema || bucket.counters != wanted.counters {
            return Err(format!("the bucket `{name}` has another schema, or other counters"));
        }
        let all = |bucket: &BucketImage| bucket.clone().into_records().collect::<Vec<_>>();
        let (records, wanted) = (all(bucket), all(wanted));
        if records != wanted {
            let at = records
                .iter()
                .zip(&wanted)
                .position(|(a, b)| a != b)
                .unwrap_or(records.len().min(wanted.len()));
            return Err(format!(
                "the bucket `{name}` has {} records, and should have {}; the first that differs is number {at}: {}, and not {}",
                records.len(),
                wanted.len(),
                shown(records.get(at)),
                shown(wanted.get(at)),
            ));
        }
    }
    Ok(())
}

fn shown(record: Option<&StoredRecord>) -> String {
    let Some(record) = record else { return "none".to_owned() };
    let text: String = format!("{record:?}").chars().take(300).collect();
    text
}

/// A state as a snapshot; fails after so many parts, if that is wanted.
pub(super) struct Parts {
    version: Version,
    time: u64,
    parts: std::vec::IntoIter<SnapshotPart>,
    pub(super) fails_after: Option<usize>,
}

impl Parts {
    pub(super) fn of(image: &Image) -> Self {
        let mut parts = Vec::new();
        for (name, bucket) in &image.buckets {
            let (schema, counters) = (bucket.schema.clone(), bucket.counters.clone());
            parts.push(SnapshotPart::Begin { name: name.clone(), schema, counters });
            let records: Vec<_> = bucket.clone().into_records().collect();
            parts.extend(records.chunks(7).map(|records| SnapshotPart::Records(records.to_vec())));
        }
        Self { version: image.version, time: image.time, parts: parts.into_iter(), fails_after: None }
    }
}

impl SnapshotSource for Parts {
    fn version(&self) -> Version {
        self.version
    }

    fn time(&self) -> u64 {
        self.time
    }

    fn next_part(&mut self) -> Result<Option<SnapshotPart>, Error> {
        if let Some(left) = &mut self.fails_after {
            *left = left.checked_sub(1).ok_or_else(|| Error::Persistence {
                reason: "a snapshot that the suite lets fail".to_owned(),
            })?;
        }
        Ok(self.parts.next())
    }
}

pub(super) fn record(key: &str, value: &str) -> StoredRecord {
    StoredRecord {
        key: key.to_owned(),
        value: value.to_owned(),
        version: 1,
        created_at: 1_700_000_000_000,
        updated_at: 1_700_000_000_001,
        expires_at: None,
    }
}

pub(super) fn put(key: &str, value: &str) -> StoredChange {
    StoredChange::Put(record(key, value))
}

pub(super) fn delete(key: &str) -> StoredChange {
    StoredChange::Delete(key.to_owned())
}

pub(super) fn changed(bucket: &str, changes: Vec<StoredChange>) -> StoredChanges {
    StoredChanges::Changed { bucket: bucket.to_owned(), counters: Vec::new(), changes }
}

pub(super) fn defined(bucket: &str) -> StoredChanges {
    let field = |name: &str| StoredField {
        name: name.to_owned(),
        kind: "number".to_owned(),
        rust_type: "Option<u64>".to_owned(),
    };
    let schema = StoredSchema { version: 3, fields: vec![field("a"), field("ü b")] };
    StoredChanges::Defined { bucket: bucket.to_owned(), schema: Some(schema) }
}

pub(super) fn dropped(bucket: &str) -> StoredChanges {
    StoredChanges::Dropped { bucket: bucket.to_owned() }
}

/// Random numbers that are the same in every run: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
