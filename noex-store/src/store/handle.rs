//! Handles: the writes of a bucket, on top of its reads.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::Reader;
use crate::bucket::convert::UniqueKey;
use crate::bucket::record::Record;
use crate::bucket::{Bucket, Insertable, Patch};
use crate::engine::{Edit, Engine, catch};
use crate::error::Error;
use crate::filter::Filter;
use crate::filter::execute::collect;
use crate::schema::check::Report;
use crate::schema::generate::Fill;

/// How often a change is worked out beside other writers before it is worked out in the writer's turn.
const ATTEMPTS: usize = 3;

/// A bucket of a store: a cheap handle (one `Arc`), `Clone + Send + Sync`. Derefs to all that can be asked: the bucket's own
/// index accessors, and [`Reader`].
///
/// Each write is validated, makes one commit, and returns when all readers can see it. A write that fails has changed nothing.
/// Checks, patches and closures run before the writer's turn, beside other writers; the turn itself takes microseconds.
pub struct BucketHandle<B: Bucket> {
    engine: Arc<Engine>,
    reads: B::Reads,
}

impl<B: Bucket> Clone for BucketHandle<B> {
    fn clone(&self) -> Self {
        Self { engine: Arc::clone(&self.engine), reads: self.reads.clone() }
    }
}

impl<B: Bucket> fmt::Debug for BucketHandle<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketHandle")
            .field("bucket", &B::NAME)
            .field("records", &self.reader().count())
            .finish()
    }
}

impl<B: Bucket> Deref for BucketHandle<B> {
    type Target = B::Reads;

    fn deref(&self) -> &B::Reads {
        &self.reads
    }
}

impl<B: Bucket> BucketHandle<B> {
    pub(crate) fn new(engine: Arc<Engine>, slot: crate::engine::Slot) -> Self {
        let reads = B::Reads::from(Reader::of_latest(Arc::clone(&engine), slot));
        Self { engine, reads }
    }

    fn reader(&self) -> &Reader<B> {
        &self.reads
    }

    /// Makes changes in the writer's turn.
    fn write<T>(&self, change: impl FnOnce(&mut Edit<B>) -> Result<T, Error>) -> Result<T, Error> {
        self.engine.write(B::NAME, |work| change(work.edit::<B>(self.reader().slot())?))
    }

    /// Completes and checks what is to be inserted, before the writer's turn.
    fn build(&self, values: impl IntoIterator<Item = impl Insertable<B>>) -> Result<Vec<B>, Error> {
        let root = self.engine.load_full();
        let shared = root.typed::<B>(self.reader().slot())?.shared();
        let mut fill = Fill::new(B::schema(), &shared.counters, self.engine.now().max(root.time));
        catch(B::NAME, || {
            let built = values.into_iter().enumerate().map(|(row, value)| {
                let checked = value.build(&mut fill).and_then(|value| validate(&value).map(|()| value));
                checked.map_err(|error| in_batch(row, error))
            });
            built.collect()
        })
    }

    fn build_one(&self, value: impl Insertable<B>) -> Result<B, Error> {
        let root = self.engine.load();
        let shared = root.typed::<B>(self.reader().slot())?.shared();
        let mut fill = Fill::new(B::schema(), &shared.counters, self.engine.now().max(root.time));
        catch(B::NAME, || {
            let value = value.build(&mut fill)?;
            validate(&value)?;
            Ok(value)
        })
    }

    /// Inserts a record: a complete draft, or a whole value. O(log n) for each index.
    ///
    /// # Errors
    /// [`Error::Validation`] with all issues, [`Error::DuplicateKey`], [`Error::UniqueConstraint`],
    /// [`Error::AutoIncrementExhausted`]; [`Error::BucketNotDefined`], [`Error::Stopped`], [`Error::Panicked`].
    pub fn insert(&self, value: impl Insertable<B>) -> Result<Record<B>, Error> {
        let value = self.build_one(value)?;
        self.write(|edit| edit.insert(value, None))
    }

    /// Inserts records, all or none, in one commit.
    ///
    /// # Errors
    /// As [`insert`](Self::insert), in an [`Error::Batch`] that tells the row.
    pub fn insert_many<I: Insertable<B>>(
        &self,
        values: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Record<B>>, Error> {
        let values = self.build(values)?;
        self.write(|edit| edit.insert_many(values).map_err(|(row, error)| in_batch(row, error)))
    }

    /// Inserts a record, or puts it in the place of the one with its key: as a whole, with defaults and generated fields anew.
    ///
    /// # Errors
    /// As [`insert`](Self::insert), but for the duplicate key.
    pub fn upsert(&self, value: impl Insertable<B>) -> Result<Record<B>, Error> {
        let value = self.build_one(value)?;
        self.write(|edit| match edit.table().get(value.key()).cloned() {
            Some(old) => edit.replace(&old, value),
            None => edit.insert(value, None),
        })
    }

    /// Changes some fields of a record. A patch that sets no field makes no commit. O(log n) for each index whose
    /// fields change.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Validation`] with all issues, [`Error::UniqueConstraint`];
    /// [`Error::BucketNotDefined`], [`Error::Stopped`], [`Error::Panicked`].
    pub fn update<Q: UniqueKey<B::Key> + ?Sized>(
        &self,
        key: &Q,
        patch: impl Patch<B>,
    ) -> Result<Record<B>, Error> {
        if patch.is_empty() {
            return self.write(|edit| edit.table().get(key).cloned().ok_or_else(|| not_found::<B, _>(key)));
        }
        self.change(key, &mut |value| patch.apply(value))
    }

    /// Changes a record in a closure, and validates it again. The closure gets a copy, and may run again when another
    /// writer was faster; what it writes to the store is a commit of its own.
    ///
    /// # Errors
    /// As [`update`](Self::update), and [`Error::KeyChanged`] if the closure gives the record another key.
    pub fn modify<Q: UniqueKey<B::Key> + ?Sized>(
        &self,
        key: &Q,
        mut change: impl FnMut(&mut B),
    ) -> Result<Record<B>, Error> {
        self.change(key, &mut change)
    }

    fn change<Q: UniqueKey<B::Key> + ?Sized>(
        &self,
        key: &Q,
        change: &mut dyn FnMut(&mut B),
    ) -> Result<Record<B>, Error> {
        for _ in 0..ATTEMPTS {
            let old = catch(B::NAME, || {
                let root = self.engine.load();
                let table = root.typed::<B>(self.reader().slot())?;
                table.get(key).cloned().ok_or_else(|| not_found::<B, _>(key))
            })?;
            let new = catch(B::NAME, || changed(&old, change))?;
            let done = self.write(|edit| match edit.table().get(key) {
                Some(current) if Record::same(current, &old) => edit.replace(&old, new).map(Some),
                // Another writer was faster, and what was worked out is out of date.
                _ => Ok(None),
            })?;
            if let Some(record) = done {
                return Ok(record);
            }
        }
        self.write(|edit| {
            let old = edit.table().get(key).cloned().ok_or_else(|| not_found::<B, _>(key))?;
            let new = changed(&old, change)?;
            edit.replace(&old, new)
        })
    }

    /// Changes several records, all or none, in one commit. A key that comes again gets both patches.
    ///
    /// # Errors
    /// As [`update`](Self::update), in an [`Error::Batch`] that tells the row.
    pub fn update_many<Q: UniqueKey<B::Key>, P: Patch<B>>(
        &self,
        changes: impl IntoIterator<Item = (Q, P)>,
    ) -> Result<Vec<Record<B>>, Error> {
        let changes: Vec<(Q, P)> = catch(B::NAME, || Ok(changes.into_iter().collect()))?;
        self.write(|edit| {
            let mut one = |(key, patch): &(Q, P)| {
                let old = edit.table().get(key).cloned().ok_or_else(|| not_found::<B, _>(key))?;
                update(edit, &old, patch)
            };
            changes
                .iter()
                .enumerate()
                .map(|(row, change)| one(change).map_err(|error| in_batch(row, error)))
                .collect()
        })
    }

    /// Changes every record that passes a filter, all or none, in one commit; returns how many.
    ///
    /// # Errors
    /// As [`update`](Self::update), for the first record that cannot be changed so.
    pub fn update_where(&self, filter: Filter<B>, patch: impl Patch<B>) -> Result<usize, Error> {
        self.write(|edit| {
            let found = collect(edit.table(), &filter);
            found.iter().try_for_each(|old| update(edit, old, &patch).map(|_| ()))?;
            Ok(found.len())
        })
    }

    /// Removes a record, and returns it; `None` if there is none. O(log n) for each index.
    ///
    /// # Errors
    /// [`Error::BucketNotDefined`], [`Error::Stopped`], [`Error::Panicked`].
    pub fn delete<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q) -> Result<Option<Record<B>>, Error> {
        self.write(|edit| {
            let found = edit.table().get(key).cloned();
            if let Some(record) = &found {
                edit.remove(record);
            }
            Ok(found)
        })
    }

    /// Removes several records in one commit, and returns those that were there.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn delete_many<Q: UniqueKey<B::Key>>(
        &self,
        keys: impl IntoIterator<Item = Q>,
    ) -> Result<Vec<Record<B>>, Error> {
        let keys: Vec<Q> = catch(B::NAME, || Ok(keys.into_iter().collect()))?;
        self.write(|edit| {
            let remove = |key: &Q| {
                let record = edit.table().get(key).cloned()?;
                edit.remove(&record);
                Some(record)
            };
            Ok(keys.iter().filter_map(remove).collect())
        })
    }

    /// Removes every record that passes a filter, in one commit, and returns them.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn delete_where(&self, filter: Filter<B>) -> Result<Vec<Record<B>>, Error> {
        self.write(|edit| {
            let found = collect(edit.table(), &filter);
            found.iter().for_each(|record| edit.remove(record));
            Ok(found)
        })
    }

    /// Removes all records in one commit, and returns how many there were. Automatic numbers go on. O(n).
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn clear(&self) -> Result<usize, Error> {
        self.write(|edit| Ok(edit.clear()))
    }
}

fn not_found<B: Bucket, Q: UniqueKey<B::Key> + ?Sized>(key: &Q) -> Error {
    Error::NotFound { bucket: B::NAME, key: format!("{key:?}") }
}

fn in_batch(row: usize, error: Error) -> Error {
    Error::Batch { row, error: Box::new(error) }
}

/// Every rule of the schema that a value breaks.
fn validate<B: Bucket>(value: &B) -> Result<(), Error> {
    let mut report = Report::new(B::schema());
    B::definition().checks.iter().for_each(|check| check(value, &mut report));
    let issues = report.into_issues();
    if issues.is_empty() { Ok(()) } else { Err(Error::Validation { bucket: B::NAME, issues }) }
}

/// A changed and checked copy of a record.
fn changed<B: Bucket>(old: &Record<B>, change: &mut dyn FnMut(&mut B)) -> Result<B, Error> {
    let mut value = old.value().clone();
    change(&mut value);
    validate(&value)?;
    Ok(value)
}

fn update<B: Bucket>(edit: &mut Edit<B>, old: &Record<B>, patch: &impl Patch<B>) -> Result<Record<B>, Error> {
    if patch.is_empty() {
        return Ok(old.clone());
    }
    let new = changed(old, &mut |value| patch.apply(value))?;
    edit.replace(old, new)
}
