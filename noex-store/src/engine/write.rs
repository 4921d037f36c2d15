//! A commit in the making: copies of the tables that it changes.

use std::any::Any;
use std::ops::ControlFlow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::commit::{AnyChanges, BucketChanges, ChangeList, Definition, Reason};
use super::numbers::Numbered;
use super::root::{AnyTable, Entry};
use super::table::{FreshList, Shared};
use super::{Change, Commit, NEVER, Root, RowId, Slot, Table, Version};
use crate::bucket::Bucket;
use crate::bucket::record::{Meta, Record};
use crate::clock::Moment;
use crate::error::Error;
use crate::schema::{Evict, Ttl};

/// A full bucket that drops what nobody uses makes room for one of so many of its records at once, up to this many: they share
/// the way down the indexes. One that drops its oldest keeps all that it may.
const ROOM_ONE_OF: usize = 256;
const MOST_ROOM: usize = 64;
/// A full bucket holds one of so many of its records, up to this many, that have left.
const GONE_ONE_OF: usize = 16;
const MOST_GONE: usize = 256;

/// A commit in the making: copies of the tables that it changes.
pub(crate) struct Write {
    base: Arc<Root>,
    now: Moment,
    edits: SmallVec<[(Slot, Box<dyn AnyEdit>); 1]>,
    /// Set when buckets are added or dropped.
    slots: Option<(im::Vector<Entry>, Definition)>,
    /// When the next record of a changed bucket expires; known when the write is finished.
    soonest: u64,
    /// How many records made room; known then, too.
    evicted: usize,
    /// What was added in place; known then, too.
    fresh: SmallVec<[(Slot, FreshList); 1]>,
}

/// A table in the making, with what was done to it.
pub(crate) struct Edit<B: Bucket> {
    table: Table<B>,
    changes: ChangeList<B>,
    now: Moment,
    /// The row of the first record that this commit inserts.
    first_new: RowId,
    /// How many records made room; known once the edit is complete.
    evicted: usize,
}

/// What becomes of a table that was changed.
struct Finished {
    table: Arc<dyn AnyTable>,
    changes: Box<dyn AnyChanges>,
    /// How many records made room.
    evicted: usize,
    /// What was added in place.
    fresh: FreshList,
}

/// An [`Edit`], without its type.
trait AnyEdit {
    fn as_any(&mut self) -> &mut dyn Any;
    /// Does what follows from the changes. The last thing that runs the record's code, which may panic: the edit can be given
    /// up still.
    fn complete(&mut self);
    /// Whether nothing is changed in the end: all that was inserted may have made room again.
    fn is_empty(&self) -> bool;
    fn finish(self: Box<Self>) -> Finished;
    /// Leaves nothing behind in what `base` shares with the table.
    fn give_up(&self, base: &Root, slot: Slot);
}

impl<B: Bucket> AnyEdit for Edit<B> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn complete(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        if !B::definition().counters.is_empty() {
            self.changes
                .iter()
                .filter_map(Change::new)
                .for_each(|record| self.table.advance_counters(record));
        }
        self.evicted = self.evict();
    }

    fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn finish(self: Box<Self>) -> Finished {
        let Self { mut table, changes, evicted, .. } = *self;
        let fresh = table.keep();
        Finished { table: Arc::new(table), changes: Box::new(BucketChanges(changes)), evicted, fresh }
    }

    fn give_up(&self, base: &Root, slot: Slot) {
        if let Some(base) = base.table::<B>(slot) {
            self.table.give_up(base);
        }
    }
}

impl Write {
    pub(crate) fn new(base: Arc<Root>, now: Moment) -> Self {
        Self {
            base,
            now,
            edits: SmallVec::new(),
            slots: None,
            soonest: NEVER,
            evicted: 0,
            fresh: SmallVec::new(),
        }
    }

    /// The version that the commit comes after.
    pub(crate) fn base(&self) -> &Arc<Root> {
        &self.base
    }

    /// When it is made.
    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// When the next record of a changed bucket expires, once the write is finished.
    pub(crate) fn soonest(&self) -> u64 {
        self.soonest
    }

    /// How many records made room, once the write is finished.
    pub(crate) fn evicted(&self) -> usize {
        self.evicted
    }

    /// What was added in place, once the write is finished.
    pub(super) fn take_fresh(&mut self) -> impl Iterator<Item = (Slot, FreshList)> {
        std::mem::take(&mut self.fresh).into_iter()
    }

    /// Adds or drops buckets.
    pub(crate) fn set_slots(&mut self, slots: im::Vector<Entry>, definition: Definition) {
        self.slots = Some((slots, definition));
    }

    /// The bucket's table, to be changed.
    pub(crate) fn edit<B: Bucket>(&mut self, slot: Slot) -> Result<&mut Edit<B>, Error> {
        let at = match self.edits.iter().position(|(other, _)| *other == slot) {
            Some(at) => at,
            None => {
                let table = self.base.typed::<B>(slot)?.clone();
                let first_new = table.rows().next();
                let edit = Edit { table, changes: SmallVec::new(), now: self.now, first_new, evicted: 0 };
                self.edits.push((slot, Box::new(edit)));
                self.edits.len() - 1
            }
        };
        self.edits
            .get_mut(at)
            .and_then(|(_, edit)| edit.as_any().downcast_mut())
            .ok_or(Error::BucketNotDefined { bucket: B::NAME })
    }

    /// Undoes what the edits did in place.
    pub(crate) fn give_up(&self) {
        self.edits.iter().for_each(|(slot, edit)| edit.give_up(&self.base, *slot));
    }

    /// The new root and its commit; `None` if nothing was changed.
    pub(crate) fn finish(&mut self) -> Option<(Root, Commit)> {
        let (mut slots, definition) = match self.slots.take() {
            Some((slots, definition)) => (slots, Some(definition)),
            None => (self.base.slots.clone(), None),
        };
        for (_, edit) in &mut self.edits {
            edit.complete();
        }
        let mut buckets = SmallVec::new();
        for (slot, edit) in self.edits.drain(..) {
            if edit.is_empty() {
                edit.give_up(&self.base, slot);
                continue;
            }
            if let Some(entry) = slots.get_mut(slot.0) {
                let Finished { table, changes, evicted, fresh } = edit.finish();
                self.evicted += evicted;
                self.fresh.push((slot, fresh));
                self.soonest = self.soonest.min(table.soonest());
                entry.table = Some(table);
                buckets.push(changes);
            }
        }
        if buckets.is_empty() && definition.is_none() {
            return None;
        }
        let version: Version = self.base.version.next();
        let root = Root { version, time: self.now.time, slots };
        Some((root, Commit { version, time: self.now.time, buckets, definition }))
    }
}

impl<B: Bucket> Edit<B> {
    pub(crate) fn table(&self) -> &Table<B> {
        &self.table
    }

    /// Gives values that are to be inserted other automatic numbers where those that they have were taken since. `counters`:
    /// where they were drawn. The values that were changed.
    pub(crate) fn settle(
        &self,
        values: &mut [Numbered<B>],
        counters: &Arc<Shared<B>>,
    ) -> Result<SmallVec<[usize; 1]>, Error> {
        let old = !Arc::ptr_eq(self.table.shared(), counters);
        let mut changed = SmallVec::new();
        for at in 0..values.len() {
            let (before, rest) = values.split_at_mut(at);
            let Some((value, after)) = rest.split_first_mut() else { continue };
            // A number may be one that another value of the batch was given.
            let taken = |value: &B, field: u16, redrawn: bool| {
                let rule = B::definition().counters.iter().find(|rule| rule.field == field);
                let same = |other: &Numbered<B>| {
                    rule.is_some_and(|rule| (rule.read)(&other.value) == (rule.read)(value))
                };
                self.table.has(value, field) || (redrawn && before.iter().chain(&*after).any(same))
            };
            if value.settle(self.table.shared(), old, &taken)? {
                changed.push(at);
            }
        }
        Ok(changed)
    }

    pub(crate) fn insert(&mut self, value: B, ttl: Ttl) -> Result<Record<B>, Error> {
        let record = self.table.insert(value, ttl, self.now)?;
        self.changes.push(Change::Inserted(record.clone()));
        Ok(record)
    }

    /// Inserts all, or fails with the number of the row that cannot be; then the write must fail too.
    pub(crate) fn insert_many(&mut self, values: Vec<B>) -> Result<Vec<Record<B>>, (usize, Error)> {
        let records = self.table.insert_many(values, self.now)?;
        self.changes.extend(records.iter().cloned().map(Change::Inserted));
        Ok(records)
    }

    /// Puts another value in the place of a record. With a time to live the record lives so long from now on, and otherwise as
    /// long as it would have.
    pub(crate) fn replace(
        &mut self,
        old: &Record<B>,
        value: B,
        ttl: Option<Ttl>,
    ) -> Result<Record<B>, Error> {
        let mut meta = old.rewritten(self.now.time);
        if let Some(ttl) = ttl {
            meta.expires_at = self.table.shared().expiry(ttl, self.now);
        }
        let new = self.table.replace(old, value, meta)?;
        self.changes.push(Change::Updated { old: old.clone(), new: new.clone() });
        Ok(new)
    }

    /// As [`Edit::replace`], for a record that this commit may have changed already: it still has one change, and one version
    /// more. O(changes of the commit) then.
    pub(crate) fn replace_again(&mut self, old: &Record<B>, value: B) -> Result<Record<B>, Error> {
        let is_it = |change: &Change<B>| change.new().is_some_and(|new| Record::same(new, old));
        let Some(at) = self.changes.iter().rposition(is_it) else { return self.replace(old, value, None) };
        let new = self.table.replace(old, value, Meta { updated_at: self.now.time, ..*old.meta() })?;
        match &mut self.changes[at] {
            Change::Inserted(own) | Change::Updated { new: own, .. } => *own = new.clone(),
            Change::Deleted { .. } => {}
        }
        Ok(new)
    }

    pub(crate) fn remove(&mut self, record: &Record<B>) {
        self.table.remove(record);
        self.changes.push(Change::deleted(record.clone()));
    }

    /// Removes records, each named once. As [`Table::remove_many`].
    pub(crate) fn remove_many(&mut self, records: &[Record<B>]) {
        self.table.remove_many(records);
        self.changes.extend(records.iter().cloned().map(Change::deleted));
    }

    /// Takes out the records that have expired, and tells how many. As [`Table::remove_many`].
    pub(crate) fn purge(&mut self) -> usize {
        let due = self.table.due(self.now.clock);
        self.table.remove_many(&due);
        let count = due.len();
        self.changes
            .extend(due.into_iter().map(|record| Change::Deleted { record, reason: Reason::Expired }));
        count
    }

    pub(crate) fn clear(&mut self) -> usize {
        let before = self.changes.len();
        let Self { table, changes, .. } = self;
        changes.reserve(table.len());
        let _ = table.rows().visit(RowId(0), &mut |_, record| {
            changes.push(Change::Deleted { record: record.clone(), reason: Reason::Cleared });
            ControlFlow::Continue(())
        });
        table.clear();
        changes.len() - before
    }

    /// Makes changes that belong together, in whatever order they are possible; on an error the write must fail too.
    pub(crate) fn apply(&mut self, changes: Vec<Change<B>>) -> Result<(), Error> {
        self.table.apply(&changes, true)?;
        self.changes.extend(changes);
        Ok(())
    }

    /// Takes records out of a bucket that holds more than it may, and tells how many.
    /// O(evicted × log n + changes × log evicted).
    fn evict(&mut self) -> usize {
        let max = B::schema().max_size.unwrap_or(usize::MAX);
        let excess = self.table.len().saturating_sub(max);
        if excess == 0 {
            return 0;
        }
        let mut leaving = match B::schema().evict {
            Evict::Lru => {
                let before = self.table.len().saturating_sub(self.changes.len());
                let room = (max / ROOM_ONE_OF).min(MOST_ROOM).min(before.saturating_sub(excess));
                self.table.unused(excess + room, self.first_new)
            }
            _ => self.table.oldest(excess),
        };
        self.table.make_room(&leaving, (max / GONE_ONE_OF).min(MOST_GONE));
        let evicted = leaving.len();
        // A record has one change in a commit, whatever happened to it: `true` for those whose change is told.
        let mut rows: SmallVec<[(RowId, bool); 1]> =
            leaving.iter().map(|record| (record.meta().row, false)).collect();
        rows.sort_unstable();
        let find = |rows: &[(RowId, bool)], record: &Record<B>| {
            rows.binary_search_by_key(&record.meta().row, |(row, _)| *row).ok()
        };
        let mut tell = |record: &Record<B>| match find(&rows, record).and_then(|at| rows.get_mut(at)) {
            Some((_, told)) => {
                *told = true;
                true
            }
            None => false,
        };
        self.changes.retain(|change| match change {
            Change::Inserted(new) => !tell(new),
            Change::Updated { old, new } if tell(new) => {
                *change = Change::Deleted { record: old.clone(), reason: Reason::Evicted };
                true
            }
            _ => true,
        });
        leaving.retain(|record| {
            find(&rows, record).is_some_and(|at| rows.get(at).is_some_and(|(_, told)| !told))
        });
        let evictions = leaving.into_iter();
        self.changes.extend(evictions.map(|record| Change::Deleted { record, reason: Reason::Evicted }));
        evicted
    }
}
