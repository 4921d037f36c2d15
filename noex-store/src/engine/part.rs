//! A transaction's part in one bucket: what it read there, what it means to write, and what the bucket looks like to it.

use std::any::Any;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::numbers::Numbered;
use super::reads::{ReadSet, Seen, Touch, Watch, versions};
use super::table::{Shared, key_changed, not_unique};
use super::writes::{Mark, Replace, WriteSet};
use super::{AnyReadIndex, KeyPoint, KeyRange, ReadIndex, ReaderId, Reason, Root, RowId, Slot, Table, Write};
use crate::bucket::convert::UniqueKey;
use crate::bucket::record::Record;
use crate::bucket::{Bucket, validate};
use crate::clock::Moment;
use crate::error::Error;
use crate::schema::Ttl;
use crate::sync::{AtomicBool, Mutex};

/// A bucket as one transaction sees it: the base snapshot with the transaction's own writes laid over.
///
/// Keys are looked up in the write set first. Whatever needs more than a key gets a *view*: a branch of the base table that the
/// writes are applied to when they are first needed, so that every query, index and page works as on any other table.
pub(crate) struct Part<B: Bucket> {
    base: Arc<Root>,
    slot: Slot,
    tracking: Tracking,
    /// Whether there is anything in the write set.
    written: AtomicBool,
    state: Mutex<State<B>>,
}

struct State<B: Bucket> {
    reads: ReadSet<B>,
    writes: WriteSet<B>,
    view: Option<Arc<Table<B>>>,
}

/// How a transaction keeps account of what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tracking {
    /// Whether it does.
    pub(crate) reads: bool,
    /// Whether it may write; one that may not need not keep account of anything.
    pub(crate) writes: bool,
    /// What it fails to do, so that tests can show that they would notice.
    #[cfg(test)]
    pub(crate) fault: Option<Fault>,
}

/// Parts of the check that a test leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "only tests put faults in"))]
pub(crate) enum Fault {
    /// Keys that were not there are not recorded.
    Misses,
    /// Conditions and ranges are not recorded.
    Conditions,
    /// What is committed between the first check and the turn is not looked at.
    Turn,
    /// Keys are looked up in the write set and the base, and forgotten.
    Keys,
    /// The end of a range of an index is taken to be one of those before it.
    RangeEnd,
}

impl Tracking {
    pub(crate) const fn new(reads: bool) -> Self {
        Self {
            reads,
            writes: true,
            #[cfg(test)]
            fault: None,
        }
    }

    /// Of one that only reads.
    pub(crate) const fn read_only() -> Self {
        Self { writes: false, ..Self::new(false) }
    }

    #[cfg(test)]
    pub(crate) fn skips(self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    #[cfg(not(test))]
    pub(crate) const fn skips(self, _: Fault) -> bool {
        false
    }
}

/// Why a transaction cannot commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) bucket: &'static str,
    pub(crate) touch: Touch,
}

/// A [`Part`], without its type.
pub(crate) trait AnyPart: Send + Sync {
    fn slot(&self) -> Slot;
    fn bucket(&self) -> &'static str;
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    /// Whether a commit would change anything here. O(records written).
    fn has_changes(&self) -> bool;
    /// Whether nothing that was read has changed between two roots.
    fn check(&self, old: &Root, new: &Root) -> Result<(), Conflict>;
    /// Makes the changes on the newest version.
    fn apply(&self, work: &mut Write) -> Result<Result<(), Conflict>, Error>;
    fn mark(&self) -> Mark;
    fn roll_back(&self, to: Mark);
    /// An empty index for read sets of this bucket.
    fn new_index(&self) -> Box<dyn AnyReadIndex>;
    /// Adds what was read to an index of this bucket.
    fn register(&self, index: &mut dyn AnyReadIndex, reader: ReaderId);
}

impl<B: Bucket> Part<B> {
    /// A part in a bucket that is defined in the base snapshot.
    pub(crate) fn new(base: Arc<Root>, slot: Slot, tracking: Tracking) -> Self {
        let next = base.table::<B>(slot).map_or(RowId(0), |table| table.rows().next());
        let state = State { reads: ReadSet::default(), writes: WriteSet::new(next), view: None };
        Self { base, slot, tracking, written: AtomicBool::new(false), state: Mutex::new(state) }
    }

    fn is_written(&self) -> bool {
        self.written.load(Ordering::Relaxed)
    }

    fn base(&self) -> Result<&Table<B>, Error> {
        self.base.typed::<B>(self.slot)
    }

    /// Whether reads are recorded.
    pub(crate) fn is_tracked(&self) -> bool {
        self.tracking.reads
    }

    /// The range that is recorded for one that was asked for.
    pub(crate) fn seen_range<'k>(&self, range: KeyRange<'k>) -> KeyRange<'k> {
        match range.end {
            // What lies just before the end is left out.
            _ if !self.tracking.skips(Fault::RangeEnd) => range,
            Bound::Unbounded => KeyRange { end: Bound::Excluded(KeyPoint::Absent), ..range },
            Bound::Included(_) | Bound::Excluded(_) => KeyRange { end: range.start, ..range },
        }
    }

    /// What all versions of the bucket have in common.
    pub(crate) fn shared(&self) -> Result<&Arc<Shared<B>>, Error> {
        self.base().map(Table::shared)
    }

    /// The base snapshot.
    pub(crate) fn root(&self) -> &Arc<Root> {
        &self.base
    }

    /// The first of the rows that the transaction gives itself.
    pub(crate) fn own_rows(&self) -> Option<RowId> {
        self.base().ok().map(|base| base.rows().next())
    }

    /// The record of a key. Expected O(log n), a short lock of the transaction's own.
    pub(crate) fn get<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q, seen: Seen) -> Option<Record<B>> {
        let base = self.base().ok()?;
        let hash = base.shared().hash.hash(key);
        let in_base = base.get_hashed(hash, key);
        if self.is_tracked() || self.is_written() {
            let mut state = self.state.lock();
            if self.is_tracked()
                && !self.tracking.skips(Fault::Keys)
                && !(in_base.is_none() && self.tracking.skips(Fault::Misses))
            {
                state.reads.key(hash, seen);
            }
            if let Some(at) = state.writes.find(hash, key) {
                return state.writes.current(at).cloned();
            }
        }
        in_base.cloned()
    }

    /// The record that has a value in a unique field.
    pub(crate) fn by_unique(
        &self,
        number: usize,
        hash: u64,
        matches: impl Fn(&B) -> bool,
    ) -> Option<Record<B>> {
        if self.is_tracked() {
            self.state.lock().reads.unique(number, hash, Seen::Whole);
        }
        self.with(|table| table.by_unique(number, hash, matches).cloned()).flatten()
    }

    /// Records a read of the records that pass a condition.
    pub(crate) fn watch(&self, watch: impl FnOnce() -> Arc<dyn Watch<B>>) {
        if self.is_tracked() && !self.tracking.skips(Fault::Conditions) {
            let watch = watch();
            self.state.lock().reads.watch(watch);
        }
    }

    /// Reads the bucket as the transaction sees it. Records nothing.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Table<B>) -> T) -> Option<T> {
        match self.view() {
            Some(view) => Some(read(&view)),
            None => self.base().ok().map(read),
        }
    }

    /// The view, up to date; `None` while nothing is written. O(log n) for each index and record written since.
    pub(crate) fn view(&self) -> Option<Arc<Table<B>>> {
        if !self.is_written() {
            return None;
        }
        let base = self.base().ok()?;
        let mut state = self.state.lock();
        let State { reads, writes, view } = &mut *state;
        // Whoever looks at the view sees the records that were changed without having been read.
        let unread = writes.take_unread();
        if self.is_tracked() {
            unread.into_iter().for_each(|hash| reads.key(hash, Seen::Whole));
        }
        // A view that is lost to a panic on the way is made anew.
        let mut shown = view.take().unwrap_or_else(|| {
            writes.forget_view();
            Arc::new(base.fork())
        });
        if writes.is_stale() {
            // A reader may be on its way through the view, and go on with what it has.
            if Arc::get_mut(&mut shown).is_none() {
                shown = Arc::new(Table::clone(&shown));
            }
            if let Some(table) = Arc::get_mut(&mut shown) {
                writes.show(table, base);
            }
        }
        *view = Some(Arc::clone(&shown));
        Some(shown)
    }

    /// Inserts a checked value.
    pub(crate) fn insert(&self, mut new: Numbered<B>, ttl: Ttl, now: Moment) -> Result<Record<B>, Error> {
        let base = self.base()?;
        let mut state = self.state.lock();
        let State { reads, writes, .. } = &mut *state;
        if new.settle(base.shared(), false, &|value, field, _| has(base, writes, value, field))? {
            validate(&new.value)?;
        }
        let value = new.value;
        let hash = base.shared().hash.hash(value.key());
        if self.is_tracked() && !self.tracking.skips(Fault::Misses) {
            reads.key(hash, Seen::Presence);
        }
        let before = base.get_hashed(hash, value.key());
        let own = writes.find(hash, value.key());
        if own.map_or(before, |at| writes.current(at)).is_some() {
            return Err(Error::DuplicateKey { bucket: B::NAME, key: format!("{:?}", value.key()) });
        }
        self.check_uniques(base, reads, writes, None, &value)?;
        let record = writes.insert(hash, value, ttl, before, base, now);
        self.written.store(true, Ordering::Relaxed);
        Ok(record)
    }

    /// Puts a checked value in the place of a record that this part gave.
    pub(crate) fn replace(
        &self,
        old: &Record<B>,
        value: B,
        how: Replace<B>,
        now: Moment,
    ) -> Result<Record<B>, Error> {
        if value.key() != old.key() {
            return Err(key_changed(old, &value));
        }
        let base = self.base()?;
        let hash = base.shared().hash.hash(old.key());
        let mut state = self.state.lock();
        let State { reads, writes, .. } = &mut *state;
        self.check_uniques(base, reads, writes, Some(old.value()), &value)?;
        let record = writes.replace(hash, old, value, how, base, now);
        self.written.store(true, Ordering::Relaxed);
        Ok(record)
    }

    /// Removes a record that this part gave.
    pub(crate) fn remove(&self, old: &Record<B>, reason: Reason) -> Result<(), Error> {
        let hash = self.base()?.shared().hash.hash(old.key());
        self.state.lock().writes.remove(hash, old, reason);
        self.written.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a value is unique where it must be, and is not as in the record whose place it takes. That nobody has it is a
    /// read.
    fn check_uniques(
        &self,
        base: &Table<B>,
        reads: &mut ReadSet<B>,
        writes: &WriteSet<B>,
        old: Option<&B>,
        value: &B,
    ) -> Result<(), Error> {
        let shared = base.shared();
        let own = writes.find(shared.hash.hash(value.key()), value.key());
        for (number, unique) in shared.definition.uniques.iter().enumerate() {
            if old.is_some_and(|old| unique.same(old, value)) {
                continue;
            }
            let Some(hash) = unique.hash(value, &shared.hash) else { continue };
            if self.is_tracked() {
                reads.unique(number, hash, Seen::Presence);
            }
            if is_taken(base, writes, number, own, value) {
                return Err(not_unique(*unique, value));
            }
        }
        Ok(())
    }
}

/// Whether another record than `own` has a value of this one in a unique field.
fn is_taken<B: Bucket>(
    base: &Table<B>,
    writes: &WriteSet<B>,
    number: usize,
    own: Option<usize>,
    value: &B,
) -> bool {
    let shared = base.shared();
    let Some(unique) = shared.definition.uniques.get(number) else { return false };
    let Some(hash) = unique.hash(value, &shared.hash) else { return false };
    let in_base = || {
        base.by_unique(number, hash, |other| unique.same(other, value)).is_some_and(|holder| {
            // What has become of it in the transaction, the write set knows.
            let written = writes.find(shared.hash.hash(holder.key()), holder.key());
            let holds = |at| writes.current(at).is_some_and(|record| unique.same(record.value(), value));
            holder.key() != value.key() && written.is_none_or(holds)
        })
    };
    writes.has_unique(number, *unique, hash, value, own) || in_base()
}

/// As [`Table::has`], for what the transaction sees.
fn has<B: Bucket>(base: &Table<B>, writes: &WriteSet<B>, value: &B, field: u16) -> bool {
    if B::schema().fields.get(usize::from(field)).is_some_and(|field| field.key) {
        let hash = base.shared().hash.hash(value.key());
        let own = writes.find(hash, value.key());
        return own.map_or_else(|| base.get_hashed(hash, value.key()), |at| writes.current(at)).is_some();
    }
    let mut uniques = base.shared().definition.uniques.iter().enumerate();
    uniques.any(|(number, unique)| {
        unique.fields().contains(&field) && is_taken(base, writes, number, None, value)
    })
}

impl<B: Bucket> AnyPart for Part<B> {
    fn slot(&self) -> Slot {
        self.slot
    }

    fn bucket(&self) -> &'static str {
        B::NAME
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn has_changes(&self) -> bool {
        !self.state.lock().writes.is_empty()
    }

    fn check(&self, old: &Root, new: &Root) -> Result<(), Conflict> {
        let state = self.state.lock();
        let touch = match versions::<B>(self.slot, old, new) {
            Some((old, new)) => state.reads.touched_between(old, new),
            // The bucket was dropped.
            None if state.reads.is_empty() => None,
            None => Some(Touch { key: String::new(), field: None }),
        };
        touch.map_or(Ok(()), |touch| Err(Conflict { bucket: B::NAME, touch }))
    }

    fn apply(&self, work: &mut Write) -> Result<Result<(), Conflict>, Error> {
        let conflict = |touch| Conflict { bucket: B::NAME, touch };
        let state = self.state.lock();
        if state.writes.is_empty() {
            return Ok(Ok(()));
        }
        if versions::<B>(self.slot, &self.base, work.base()).is_none() {
            return Ok(Err(conflict(Touch { key: String::new(), field: None })));
        }
        let unchanged = work.base().version == self.base.version;
        let now = work.now();
        let edit = work.edit::<B>(self.slot)?;
        let changes = match state.writes.changes(edit.table(), unchanged, now, &validate) {
            Ok(changes) => changes,
            Err(touch) => return Ok(Err(conflict(touch))),
        };
        Ok(edit.apply(changes).map_err(|error| conflict(Touch::of(&error))))
    }

    fn new_index(&self) -> Box<dyn AnyReadIndex> {
        Box::new(ReadIndex::<B>::default())
    }

    fn register(&self, index: &mut dyn AnyReadIndex, reader: ReaderId) {
        if let Some(index) = index.as_any().downcast_mut::<ReadIndex<B>>() {
            // Nothing can be read of a bucket that is not there.
            if let Ok(shared) = self.shared() {
                index.add(reader, &self.state.lock().reads, shared);
            }
        }
    }

    fn mark(&self) -> Mark {
        self.state.lock().writes.mark()
    }

    fn roll_back(&self, to: Mark) {
        let mut state = self.state.lock();
        state.writes.roll_back(to);
        state.view = None;
    }
}
