//! Commits and roots in the form in which they are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::adapter::{SnapshotPart, SnapshotSource};
use super::image::{BucketImage, Image};
use crate::engine::{
    Commit, Definition, PART_BYTES, Root, RowId, StoredChanges, StoredCommit, StoredRecord, StoredSchema,
    Version, catch,
};
use crate::error::Error;

/// Records of a part.
const PART: usize = 256;

/// A commit as it is kept; the counters are those of a later root, which are no less.
pub(super) fn commit(commit: &Commit, root: &Root) -> Result<StoredCommit, Error> {
    let mut buckets = Vec::new();
    match commit.definition {
        Some(Definition::Defined(schema)) if schema.persistent => {
            let (bucket, schema) = (schema.name.to_owned(), Some(StoredSchema::of(schema)));
            buckets.push(StoredChanges::Defined { bucket, schema });
        }
        Some(Definition::Dropped(schema)) if schema.persistent => {
            buckets.push(StoredChanges::Dropped { bucket: schema.name.to_owned() });
        }
        _ => {}
    }
    for changes in commit.buckets.iter().filter(|changes| changes.schema().persistent) {
        buckets.push(StoredChanges::Changed {
            bucket: changes.bucket().to_owned(),
            counters: counters(root, changes.bucket()),
            // The records' `Serialize` runs here.
            changes: catch(changes.schema().name, || changes.stored())?,
        });
    }
    Ok(StoredCommit { version: commit.version, time: commit.time, buckets })
}

fn counters(root: &Root, bucket: &str) -> Vec<(String, u64)> {
    let table = root.tables().find(|table| table.schema().name == bucket);
    let counters = table.map(|table| table.counters()).unwrap_or_default();
    counters.into_iter().map(|(field, last)| (field.to_owned(), last)).collect()
}

/// What was kept, as it is: of buckets that are not defined, say.
pub(super) struct ImageSource {
    version: Version,
    time: u64,
    buckets: BTreeMap<String, BucketImage>,
    /// The records of the bucket that has begun.
    rest: Option<Box<dyn Iterator<Item = StoredRecord> + Send>>,
}

impl ImageSource {
    pub(super) fn new(image: Image) -> Self {
        Self { version: image.version, time: image.time, buckets: image.buckets, rest: None }
    }
}

impl SnapshotSource for ImageSource {
    fn version(&self) -> Version {
        self.version
    }

    fn time(&self) -> u64 {
        self.time
    }

    fn next_part(&mut self) -> Result<Option<SnapshotPart>, Error> {
        if let Some(rest) = &mut self.rest {
            let (mut records, mut size) = (Vec::new(), 0);
            while records.len() < PART
                && size <= PART_BYTES
                && let Some(record) = rest.next()
            {
                size += record.size();
                records.push(record);
            }
            if !records.is_empty() {
                return Ok(Some(SnapshotPart::Records(records)));
            }
            self.rest = None;
        }
        Ok(self.buckets.pop_first().map(|(name, bucket)| {
            let (schema, counters) = (bucket.schema.clone(), bucket.counters.clone());
            self.rest = Some(Box::new(bucket.into_records()));
            SnapshotPart::Begin { name, schema, counters }
        }))
    }
}

/// A root, and the buckets that are kept without being defined, in parts.
pub(crate) struct RootSource {
    root: Arc<Root>,
    dormant: ImageSource,
    /// The number of the table, and its next row; `None` before the table's name.
    table: usize,
    row: Option<RowId>,
}

impl RootSource {
    pub(crate) fn new(root: Arc<Root>, dormant: BTreeMap<String, BucketImage>) -> Self {
        let dormant = ImageSource { version: root.version, time: root.time, buckets: dormant, rest: None };
        Self { root, dormant, table: 0, row: None }
    }
}

impl SnapshotSource for RootSource {
    fn version(&self) -> Version {
        self.root.version
    }

    fn time(&self) -> u64 {
        self.root.time
    }

    fn next_part(&mut self) -> Result<Option<SnapshotPart>, Error> {
        while let Some(table) = self.root.tables().nth(self.table) {
            if !table.schema().persistent {
                self.table += 1;
                continue;
            }
            let Some(row) = self.row else {
                self.row = Some(RowId(0));
                let schema = table.schema();
                let name = schema.name;
                return Ok(Some(SnapshotPart::Begin {
                    name: name.to_owned(),
                    schema: Some(StoredSchema::of(schema)),
                    counters: counters(&self.root, name),
                }));
            };
            let (records, next) = catch(table.schema().name, || table.stored(row, PART, false))?;
            self.row = next;
            if next.is_none() {
                self.table += 1;
            }
            if !records.is_empty() {
                return Ok(Some(SnapshotPart::Records(records)));
            }
        }
        self.dormant.next_part()
    }
}
