//! The root: every bucket at one version.

use std::any::Any;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::table::{Fresh, FreshList, Table};
use super::{NEVER, RowId, StoredRecord, Version, Write};
use crate::bucket::Bucket;
use crate::error::Error;
use crate::schema::Schema;

/// About as many bytes of JSON are made at once, and no more than one record more.
pub(crate) const PART_BYTES: usize = 1 << 20;

/// All buckets at one commit. Immutable; shared by everyone who reads it.
#[derive(Clone)]
pub(crate) struct Root {
    pub(crate) version: Version,
    /// The commit's time, in milliseconds since 1970-01-01 UTC.
    pub(crate) time: u64,
    pub(crate) slots: im::Vector<Entry>,
}

/// The number of a bucket in the root. A name keeps its slot for ever, so that a handle is right again when a dropped
/// bucket comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) usize);

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// `None` while the bucket is dropped.
    pub(crate) table: Option<Arc<dyn AnyTable>>,
}

/// A bucket's table, without its type.
pub(crate) trait AnyTable: Any + Send + Sync {
    fn schema(&self) -> &'static Schema;
    fn len(&self) -> usize;
    /// A number that all versions of the bucket have in common, and another bucket has not while this one is alive.
    fn identity(&self) -> usize;
    /// When the next record expires.
    fn soonest(&self) -> u64;
    /// The estimated bytes of the bucket.
    fn memory(&self) -> usize;
    /// The ordered indexes, with the number of their entries.
    fn index_entries(&self) -> Vec<(&'static str, usize)>;
    /// The last number given, of each automatic number.
    fn counters(&self) -> Vec<(&'static str, u64)>;
    /// Up to `max` records from a row on as they are kept, in the order of insertion, and the row to go on from; fewer, if they are
    /// more than a megabyte. `shown`: they are to be looked at, and not to be read again.
    fn stored(
        &self,
        from: RowId,
        max: usize,
        shown: bool,
    ) -> Result<(Vec<StoredRecord>, Option<RowId>), Error>;
    /// Takes out what was inserted in place into versions that were made of this one.
    fn take_back(&self, fresh: &[Fresh]);
    /// Takes out the records that have expired.
    fn purge(&self, slot: Slot, work: &mut Write) -> Result<usize, Error>;
}

impl<B: Bucket> AnyTable for Table<B> {
    fn schema(&self) -> &'static Schema {
        B::schema()
    }

    fn len(&self) -> usize {
        Self::len(self)
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(self.shared()).addr()
    }

    fn soonest(&self) -> u64 {
        Self::soonest(self)
    }

    fn memory(&self) -> usize {
        Self::memory(self)
    }

    fn index_entries(&self) -> Vec<(&'static str, usize)> {
        Self::index_entries(self)
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        Self::counters(self)
    }

    fn stored(
        &self,
        from: RowId,
        max: usize,
        shown: bool,
    ) -> Result<(Vec<StoredRecord>, Option<RowId>), Error> {
        let (mut found, mut size, mut next) = (Vec::with_capacity(max), 0, None);
        let mut failed = None;
        let _ = self.rows().visit(from, &mut |row, record| {
            if found.len() == max || size > PART_BYTES {
                next = Some(row);
                return ControlFlow::Break(());
            }
            match if shown { StoredRecord::shown(record) } else { StoredRecord::of(record) } {
                Ok(record) => {
                    size += record.size();
                    found.push(record);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        failed.map_or(Ok((found, next)), Err)
    }

    fn take_back(&self, fresh: &[Fresh]) {
        Self::take_back(self, fresh);
    }

    fn purge(&self, slot: Slot, work: &mut Write) -> Result<usize, Error> {
        Ok(work.edit::<B>(slot)?.purge())
    }
}

impl Root {
    pub(crate) fn empty() -> Self {
        Self { version: Version::default(), time: 0, slots: im::Vector::new() }
    }

    /// The table of a bucket, if it is defined, with this type. One look-up and one comparison of types.
    #[inline]
    pub(crate) fn table<B: Bucket>(&self, slot: Slot) -> Option<&Table<B>> {
        let table: &dyn Any = self.slots.get(slot.0)?.table.as_deref()?;
        table.downcast_ref()
    }

    /// The slot of a name, whether or not the bucket is defined now. O(buckets).
    pub(crate) fn slot(&self, name: &str) -> Option<Slot> {
        self.slots.iter().position(|entry| entry.name == name).map(Slot)
    }

    /// The slot of a bucket that is defined with this type, or the reason why there is none. O(buckets).
    pub(crate) fn find<B: Bucket>(&self) -> Result<Slot, Error> {
        let slot = self.slot(B::NAME).ok_or(Error::BucketNotDefined { bucket: B::NAME })?;
        self.typed::<B>(slot)?;
        Ok(slot)
    }

    /// Whether both have the same buckets: none was defined or dropped in between. O(buckets).
    pub(crate) fn same_buckets(a: &Self, b: &Self) -> bool {
        let identity = |entry: &Entry| entry.table.as_ref().map(|table| table.identity());
        a.slots.len() == b.slots.len() && a.slots.iter().map(identity).eq(b.slots.iter().map(identity))
    }

    /// The table of a bucket, or the reason why there is none.
    pub(crate) fn typed<B: Bucket>(&self, slot: Slot) -> Result<&Table<B>, Error> {
        let entry = self.slots.get(slot.0).and_then(|entry| entry.table.as_ref());
        let table = entry.ok_or(Error::BucketNotDefined { bucket: B::NAME })?;
        let any: &dyn Any = table.as_ref();
        any.downcast_ref().ok_or_else(|| Error::SchemaMismatch {
            bucket: B::NAME,
            defined: table.schema().rust_type,
            asked: B::schema().rust_type,
        })
    }

    /// When the next record of a bucket expires.
    pub(crate) fn soonest(&self, slot: Slot) -> u64 {
        self.slots.get(slot.0).and_then(|entry| entry.table.as_ref()).map_or(NEVER, |table| table.soonest())
    }

    /// The buckets with records that have expired at a time. O(buckets).
    pub(crate) fn due(&self, now: u64) -> Vec<Slot> {
        (0..self.slots.len()).map(Slot).filter(|slot| self.soonest(*slot) <= now).collect()
    }

    /// The buckets that are defined.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<dyn AnyTable>> {
        self.slots.iter().filter_map(|entry| entry.table.as_ref())
    }

    /// Takes out what writes that came after this and are given up have added in place.
    pub(super) fn take_back(&self, fresh: impl IntoIterator<Item = (Slot, FreshList)>) {
        for (slot, fresh) in fresh {
            if let Some(table) = self.slots.get(slot.0).and_then(|entry| entry.table.as_ref()) {
                table.take_back(&fresh);
            }
        }
    }
}
