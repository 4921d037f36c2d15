//! What a transaction means to write to a bucket: for each key that it touched, the record before and after.
//!
//! Only the outcome counts: a record that was inserted and deleted again is nothing, and one that was written ten times is one
//! change. The order is that of the calls.

use std::sync::Arc;

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::reads::Touch;
use super::{Change, Reason, RowId, Table};
use crate::bucket::Bucket;
use crate::bucket::convert::UniqueKey;
use crate::bucket::definition::UniqueRule;
use crate::bucket::record::{Meta, Record};
use crate::clock::Moment;
use crate::error::Error;
use crate::schema::Ttl;

/// A change that is worked out on whatever the record is when the transaction commits.
pub(crate) type Step<B> = Arc<dyn Fn(&mut B) -> Result<(), Error> + Send + Sync>;

/// The writes of a transaction to one bucket.
pub(crate) struct WriteSet<B: Bucket> {
    entries: Vec<Entry<B>>,
    by_key: HashTable<usize>,
    /// For each unique field, where its values have been written. Entries may be out of date; the records say.
    uniques: Vec<HashTable<(u64, usize)>>,
    undo: Vec<(usize, State<B>)>,
    /// The entries whose record in the view is not the latest.
    stale: Vec<usize>,
    /// The hashes of keys that were changed without having been read, since the last look.
    unread: Vec<u64>,
    /// The row that the next inserted record gets.
    next: RowId,
    order: u64,
}

struct Entry<B: Bucket> {
    hash: u64,
    key: B::Key,
    /// The record in the base snapshot.
    base: Option<Record<B>>,
    state: State<B>,
    /// The record in the view.
    shown: Option<Record<B>>,
}

/// How a record is replaced.
pub(crate) struct Replace<B> {
    /// What makes the new value of the old one. Then the record that the transaction sees counts as not read.
    pub(crate) step: Option<Step<B>>,
    /// How long the record lives from now on; `None` to leave that as it is.
    pub(crate) ttl: Option<Ttl>,
}

impl<B> Default for Replace<B> {
    fn default() -> Self {
        Self { step: None, ttl: None }
    }
}

/// What becomes of a key.
struct State<B> {
    new: Option<Record<B>>,
    /// Whether the record was deleted, and another inserted for its key.
    again: bool,
    /// The place of the change among all.
    order: u64,
    /// Set while the record was only changed in ways that need not know it.
    steps: Vec<Step<B>>,
    /// How long the record lives from the commit on; `None` if that stays as it is.
    ttl: Option<Ttl>,
    /// Why the record is gone, where it is.
    reason: Reason,
}

impl<B> Clone for State<B> {
    fn clone(&self) -> Self {
        Self { new: self.new.clone(), steps: self.steps.clone(), ..*self }
    }
}

/// The hash of a record's value in each unique field.
type Hashes = SmallVec<[Option<u64>; 2]>;

fn hashes<B: Bucket>(table: &Table<B>, value: &B) -> Hashes {
    let shared = table.shared();
    shared.definition.uniques.iter().map(|unique| unique.hash(value, &shared.hash)).collect()
}

/// A place in the history of a write set, to go back to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark(usize);

impl<B: Bucket> WriteSet<B> {
    pub(crate) fn new(next: RowId) -> Self {
        Self {
            entries: Vec::new(),
            by_key: HashTable::new(),
            uniques: Vec::new(),
            undo: Vec::new(),
            stale: Vec::new(),
            unread: Vec::new(),
            next,
            order: 0,
        }
    }

    /// The number of an entry. Expected O(1).
    pub(crate) fn find<Q: UniqueKey<B::Key> + ?Sized>(&self, hash: u64, key: &Q) -> Option<usize> {
        let is_it = |at: &usize| self.entries.get(*at).is_some_and(|entry| key.matches(&entry.key));
        self.by_key.find(hash, is_it).copied()
    }

    /// The record of an entry as the transaction sees it.
    pub(crate) fn current(&self, at: usize) -> Option<&Record<B>> {
        self.entries.get(at)?.state.new.as_ref()
    }

    /// Whether the record may be another one when the transaction commits.
    fn is_blind(&self, at: usize) -> bool {
        self.entries.get(at).is_some_and(|entry| !entry.state.steps.is_empty())
    }

    /// Whether anything would be changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.iter().all(Entry::is_nothing)
    }

    /// Finds or makes the entry of a key.
    fn entry(&mut self, hash: u64, key: &B::Key, base: Option<&Record<B>>) -> usize {
        if let Some(at) = self.find(hash, key) {
            return at;
        }
        let at = self.entries.len();
        let state = State {
            new: base.cloned(),
            again: false,
            order: self.order,
            steps: Vec::new(),
            ttl: None,
            reason: Reason::Deleted,
        };
        self.entries.push(Entry { hash, key: key.clone(), base: base.cloned(), state, shown: base.cloned() });
        let Self { by_key, entries, .. } = self;
        by_key.insert_unique(hash, at, |at| entries[*at].hash);
        at
    }

    /// Changes what becomes of a key. Runs no code of the record's, which could panic half-way: `hashes` are those of the new
    /// record's unique values.
    fn set(&mut self, at: usize, hashes: Hashes, change: impl FnOnce(&mut State<B>)) {
        self.order += 1;
        let entry = &mut self.entries[at];
        let before = entry.state.clone();
        // What has been taken back keeps no place among the changes.
        if entry.is_nothing() {
            entry.state.order = self.order;
        }
        change(&mut entry.state);
        self.undo.push((at, before));
        self.stale.push(at);
        if self.uniques.len() < hashes.len() {
            self.uniques.resize_with(hashes.len(), HashTable::new);
        }
        for (hash, written) in hashes.into_iter().zip(&mut self.uniques) {
            if let Some(hash) = hash
                && written.find(hash, |(other, owner)| *other == hash && *owner == at).is_none()
            {
                written.insert_unique(hash, (hash, at), |(hash, _)| *hash);
            }
        }
    }

    /// Whether another entry than `own` has a value of this one in a unique field.
    pub(crate) fn has_unique(
        &self,
        number: usize,
        unique: &dyn UniqueRule<B>,
        hash: u64,
        value: &B,
        own: Option<usize>,
    ) -> bool {
        self.uniques.get(number).is_some_and(|written| {
            let taken = written.find(hash, |(other, at)| {
                *other == hash
                    && Some(*at) != own
                    && self.current(*at).is_some_and(|record| unique.same(record.value(), value))
            });
            taken.is_some()
        })
    }

    /// Puts a new record in the place of none. The base record is the one that the key had before the transaction.
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        value: B,
        ttl: Ttl,
        base: Option<&Record<B>>,
        table: &Table<B>,
        now: Moment,
    ) -> Record<B> {
        let hashes = hashes(table, &value);
        let at = self.entry(hash, value.key(), base);
        let expires_at = table.shared().expiry(ttl, now);
        let row = match &self.entries[at].base {
            Some(base) => base.meta().row,
            None => {
                let row = self.next;
                self.next = RowId(row.0 + 1);
                row
            }
        };
        let version = self.entries[at].version();
        let record =
            Record::new(value, Meta { row, version, created_at: now.time, updated_at: now.time, expires_at });
        let (new, again) = (record.clone(), self.entries[at].base.is_some());
        self.set(at, hashes, |state| {
            (state.new, state.again, state.ttl) = (Some(new), again, Some(ttl));
            state.steps.clear();
        });
        record
    }

    /// Puts another value in the place of a record.
    pub(crate) fn replace(
        &mut self,
        hash: u64,
        old: &Record<B>,
        value: B,
        how: Replace<B>,
        table: &Table<B>,
        now: Moment,
    ) -> Record<B> {
        let Replace { step, ttl } = how;
        let hashes = hashes(table, &value);
        let at = self.entry(hash, old.key(), Some(old));
        let mut meta = Meta { version: self.entries[at].version(), updated_at: now.time, ..*old.meta() };
        if let Some(ttl) = ttl {
            meta.expires_at = table.shared().expiry(ttl, now);
        }
        let record = Record::new(value, meta);
        let new = record.clone();
        // Steps stand for the outcome only where nothing but steps has been done.
        let only_steps = self.entries[at].is_nothing() || self.is_blind(at);
        if step.is_some() && only_steps {
            self.unread.push(hash);
        }
        self.set(at, hashes, |state| {
            match step {
                Some(step) if only_steps => state.steps.push(step),
                _ => state.steps.clear(),
            }
            state.new = Some(new);
            state.ttl = ttl.or(state.ttl);
        });
        record
    }

    /// Takes a record away.
    pub(crate) fn remove(&mut self, hash: u64, old: &Record<B>, reason: Reason) {
        let at = self.entry(hash, old.key(), Some(old));
        self.set(at, Hashes::new(), |state| {
            (state.new, state.ttl, state.reason) = (None, None, reason);
            state.steps.clear();
        });
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark(self.undo.len())
    }

    /// Takes back what was done since. A view that was made before is good no more: rows cannot come back in it.
    pub(crate) fn roll_back(&mut self, to: Mark) {
        while self.undo.len() > to.0
            && let Some((at, before)) = self.undo.pop()
        {
            self.entries[at].state = before;
        }
    }

    /// Starts with a new view, which is a fork of the base table.
    pub(crate) fn forget_view(&mut self) {
        self.stale = (0..self.entries.len()).collect();
        for entry in &mut self.entries {
            entry.shown = entry.base.clone();
        }
    }

    /// Whether the view is behind.
    pub(crate) fn is_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    /// The keys that were changed without having been read, each once: whoever asks is going to read them.
    pub(crate) fn take_unread(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.unread)
    }

    /// Brings the view up to date. A record that is back in a row which the view has emptied needs a new view.
    pub(crate) fn show(&mut self, view: &mut Table<B>, base: &Table<B>) {
        let next = view.rows().next();
        let is_back = |at: &usize| {
            let entry = &self.entries[*at];
            entry.shown.is_none() && entry.state.new.as_ref().is_some_and(|new| new.meta().row < next)
        };
        if self.stale.iter().any(is_back) {
            self.forget_view();
            *view = base.fork();
        }
        let mut stale = std::mem::take(&mut self.stale);
        stale.sort_unstable();
        stale.dedup();
        let mut changes = Vec::with_capacity(stale.len());
        for at in stale {
            let entry = &mut self.entries[at];
            let new = entry.state.new.clone();
            match (entry.shown.take(), &new) {
                (Some(old), Some(new)) if old.meta().row == new.meta().row => {
                    changes.push(Change::Updated { old, new: new.clone() });
                }
                (old, new) => {
                    changes.extend(old.map(Change::deleted));
                    changes.extend(new.clone().map(Change::Inserted));
                }
            }
            entry.shown = new;
        }
        // Rows are given in the order of the inserts, and entries stand in the order in which their keys were first touched.
        changes.sort_by_key(|change| match change {
            Change::Inserted(new) => new.meta().row,
            _ => RowId(0),
        });
        // What is in the write set has been checked; without a check nothing fails.
        let _ = view.apply(&changes, false);
    }

    /// The changes that make of `table`, the newest version of the bucket, what the transaction wants, in the order of the
    /// calls; or the record that somebody else has changed. `unchanged`: the table is the one of the base snapshot.
    pub(crate) fn changes(
        &self,
        table: &Table<B>,
        unchanged: bool,
        now: Moment,
        check: &dyn Fn(&B) -> Result<(), Error>,
    ) -> Result<Vec<Change<B>>, Touch> {
        let mut entries: Vec<&Entry<B>> = self.entries.iter().filter(|entry| !entry.is_nothing()).collect();
        entries.sort_by_key(|entry| entry.state.order);
        let mut next = table.rows().next();
        let mut changes = Vec::with_capacity(entries.len());
        for Entry { hash, key, base, state, .. } in entries {
            let touch = || Touch { key: format!("{key:?}"), field: None };
            let current = if unchanged { base.as_ref() } else { table.get_hashed(*hash, key) };
            let same = match (base, current) {
                (Some(base), Some(current)) => Record::same(base, current),
                (base, current) => base.is_none() && current.is_none(),
            };
            if !same && (state.steps.is_empty() || current.is_none()) {
                return Err(touch());
            }
            let Some(new) = state.new.clone() else {
                let gone = current.cloned().map(|record| Change::Deleted { record, reason: state.reason });
                changes.extend(gone);
                continue;
            };
            let Some(old) = current.cloned() else {
                let meta = Meta {
                    row: next,
                    version: 1,
                    created_at: now.time,
                    updated_at: now.time,
                    expires_at: table.shared().expiry(state.ttl.unwrap_or_default(), now),
                };
                next = RowId(next.0 + 1);
                changes.push(Change::Inserted(new.with_meta(meta)));
                continue;
            };
            let mut meta =
                Meta { version: old.version().saturating_add(1), updated_at: now.time, ..*old.meta() };
            if state.again {
                meta.created_at = now.time;
            }
            if let Some(ttl) = state.ttl {
                meta.expires_at = table.shared().expiry(ttl, now);
            }
            let new = if same {
                new.with_meta(meta)
            } else {
                let mut value = old.value().clone();
                let done =
                    state.steps.iter().try_for_each(|step| step(&mut value)).and_then(|()| check(&value));
                // Where it cannot be done any more, the transaction must hear it from the call that does it.
                done.map_err(|_| touch())?;
                Record::new(value, meta)
            };
            changes.push(Change::Updated { old, new });
        }
        Ok(changes)
    }
}

impl<B: Bucket> Entry<B> {
    /// The version of the record that the transaction leaves.
    fn version(&self) -> u64 {
        self.base.as_ref().map_or(1, |base| base.version().saturating_add(1))
    }

    fn is_nothing(&self) -> bool {
        match (&self.base, &self.state.new) {
            (Some(base), Some(new)) => Record::same(base, new),
            (base, new) => base.is_none() && new.is_none(),
        }
    }
}
