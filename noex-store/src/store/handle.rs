//! Handles: the writes of a bucket, on top of its reads.

use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::Reader;
use super::write::{build, changed, in_batch, not_found, patched, validate};
use crate::bucket::convert::UniqueKey;
use crate::bucket::increments::Outcome as _;
use crate::bucket::record::Record;
use crate::bucket::{Bucket, Insertable, Patch};
use crate::engine::{Edit, Engine, Numbered, Place, Shared, Version, catch};
use crate::error::Error;
use crate::event::{Bus, Changes};
use crate::filter::Filter;
use crate::filter::execute::collect;
use crate::schema::Ttl;
use crate::schema::generate::Fill;

/// How often a change is worked out beside other writers before it is worked out in the writer's turn.
const ATTEMPTS: usize = 3;

/// A bucket of a store: a cheap handle (one `Arc`), `Clone + Send + Sync`. Derefs to all that can be asked: the bucket's own
/// index accessors, and [`Reader`].
///
/// Each write is validated, makes one commit, and returns when all readers can see it. A write that fails has changed nothing.
/// Checks, patches and closures run before the writer's turn, beside other writers; the turn itself takes microseconds.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let cy = users.insert(User::draft().name("Cy").email("cy@x.cz"))?;
/// users.update(&cy.id, User::patch().age(20))?;
/// assert_eq!(users.by_email("cy@x.cz").and_then(|user| user.age), Some(20));
/// users.delete(&cy.id)?;
/// assert_eq!(users.count(), 2);
/// # Ok(()) }
/// ```
pub struct BucketHandle<B: Bucket> {
    engine: Arc<Engine>,
    bus: Arc<Bus>,
    reads: B::Reads,
}

impl<B: Bucket> Clone for BucketHandle<B> {
    fn clone(&self) -> Self {
        Self { engine: Arc::clone(&self.engine), bus: Arc::clone(&self.bus), reads: self.reads.clone() }
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
    pub(crate) fn new(engine: Arc<Engine>, bus: Arc<Bus>, slot: crate::engine::Slot) -> Self {
        let reads = B::Reads::from(Reader::of_latest(Arc::clone(&engine), slot));
        Self { engine, bus, reads }
    }

    /// The bucket's changes from now on, as a typed stream. That of a store which is stopped has ended.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let notes = store.bucket::<Note>()?;
    /// let mut changes = notes.changes();
    /// notes.insert(Note { id: 7 })?;
    /// notes.clear()?;
    /// assert!(matches!(changes.next().await.expect("open")?, Change::Inserted(note) if note.id == 7));
    /// let gone = changes.next().await.expect("open")?;
    /// assert!(matches!(gone, Change::Deleted { reason: Reason::Cleared, .. }));
    /// # Ok(())
    /// # }
    /// ```
    pub fn changes(&self) -> Changes<B> {
        Changes::new(&self.bus, None).unwrap_or_else(|_| Changes::ended())
    }

    /// The bucket's changes after a commit, as long as the log has them, and from there on: to go on where an earlier stream
    /// [was](Changes::version).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let seen = store.snapshot().version();
    /// users.delete(&2)?;
    /// let mut changes = users.changes_since(seen)?;
    /// assert!(matches!(changes.next().await, Some(Ok(Change::Deleted { reason: Reason::Deleted, .. }))));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::CommitsGone`] if the log does not have them any more, or the version is yet to come: read the bucket anew.
    /// [`Error::Degraded`], [`Error::Stopped`].
    pub fn changes_since(&self, version: Version) -> Result<Changes<B>, Error> {
        Changes::new(&self.bus, Some(version))
    }

    fn reader(&self) -> &Reader<B> {
        &self.reads
    }

    /// Makes changes in the writer's turn.
    fn write<T>(&self, change: impl FnOnce(&mut Edit<B>) -> Result<T, Error>) -> Result<T, Error> {
        let slot = self.reader().slot();
        self.engine.write(Place::of::<B>(slot), |work| change(work.edit::<B>(slot)?))
    }

    /// The same for a change that owns what it needs, which another writer may then make along with its own.
    fn submit<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Edit<B>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let slot = self.reader().slot();
        let done = self.engine.submit(Place::of::<B>(slot), false, move |work| change(work.edit::<B>(slot)?));
        done.map(|(value, _)| value)
    }

    /// Completes and checks what is to be inserted, before the writer's turn. Also gives what drew its numbers.
    fn build<T>(
        &self,
        build: impl FnOnce(&mut Fill<'_>) -> Result<T, Error>,
    ) -> Result<(T, Arc<Shared<B>>), Error> {
        let root = self.engine.load();
        let shared = root.typed::<B>(self.reader().slot())?.shared();
        let mut fill = Fill::new(B::schema(), &shared.counters, self.engine.now().max(root.time));
        Ok((catch(B::NAME, || build(&mut fill))?, Arc::clone(shared)))
    }

    /// Inserts a record: a complete draft, or a whole value. O(log n) for each index.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let cy = users.insert(User::draft().name("Cy").email("cy@x.cz"))?;
    /// assert_eq!((cy.id, cy.version()), (3, 1));
    /// // A whole value is taken too; what is there already is refused.
    /// let again = users.insert(cy.value().clone());
    /// assert!(matches!(again, Err(Error::DuplicateKey { bucket: "users", .. })));
    /// let taken = users.insert(User::draft().name("Dan").email("cy@x.cz"));
    /// assert!(matches!(taken, Err(Error::UniqueConstraint { field: "email", .. })));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Validation`] with all issues, [`Error::DuplicateKey`], [`Error::UniqueConstraint`],
    /// [`Error::AutoIncrementExhausted`]; [`Error::BucketNotDefined`], [`Error::Stopped`], [`Error::Panicked`].
    pub fn insert(&self, value: impl Insertable<B>) -> Result<Record<B>, Error> {
        self.insert_with_ttl(value, Ttl::OfBucket)
    }

    /// As [`insert`](Self::insert), with a time to live of the record's own, in whole milliseconds from the commit on.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # use std::time::Duration;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// # let notes = store.bucket::<Note>()?;
    /// let note = notes.insert_with_ttl(Note { id: 1 }, Duration::from_secs(60))?;
    /// assert_eq!(note.expires_at(), Some(note.created_at() + 60_000));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As there, and [`Error::InvalidTtl`].
    pub fn insert_with_ttl(
        &self,
        value: impl Insertable<B>,
        ttl: impl Into<Ttl>,
    ) -> Result<Record<B>, Error> {
        let ttl = ttl.into().check(B::NAME)?;
        let (value, counters) = self.build(|fill| build(value, fill))?;
        self.submit(move |edit| {
            let value = settle(edit, value, &counters)?;
            edit.insert(value, ttl)
        })
    }

    /// Has a record live as long from now on as its bucket's `ttl` says: for ever, if the bucket has none. One commit, which
    /// counts as a write of the record; an update does not change when a record expires, and this does. A copy of the value, and
    /// O(log n); no index changes.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ann = users.touch(&1)?;
    /// assert_eq!((ann.version(), ann.expires_at()), (2, None), "this bucket has no `ttl`");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BucketNotDefined`], [`Error::Stopped`], [`Error::Panicked`].
    pub fn touch<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q) -> Result<Record<B>, Error> {
        self.touch_with_ttl(key, Ttl::OfBucket)
    }

    /// As [`touch`](Self::touch), with another time to live.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ann = users.touch_with_ttl(&1, Duration::from_secs(60))?;
    /// assert_eq!(ann.expires_at(), Some(ann.updated_at() + 60_000));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As there, and [`Error::InvalidTtl`].
    pub fn touch_with_ttl<Q: UniqueKey<B::Key> + ?Sized>(
        &self,
        key: &Q,
        ttl: impl Into<Ttl>,
    ) -> Result<Record<B>, Error> {
        let ttl = ttl.into().check(B::NAME)?;
        self.write(|edit| {
            let old = edit.table().get(key).cloned().ok_or_else(|| not_found::<B, _>(key))?;
            edit.replace(&old, old.value().clone(), Some(ttl))
        })
    }

    /// Inserts records, all or none, in one commit. O(k log n) for k records; each ordered index gets its entries together, sorted, so
    /// that k inserts alone cost several times as much.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let draft = |name: &str| User::draft().name(name).email(format!("{name}@x.cz"));
    /// assert_eq!(users.insert_many([draft("cy"), draft("dan")])?.len(), 2);
    /// // All or none, and the error tells which.
    /// let error = users.insert_many([draft("eve"), draft("cy")]);
    /// assert!(matches!(error, Err(Error::Batch { row: 1, .. })));
    /// assert_eq!(users.count(), 4);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Self::insert), in an [`Error::Batch`] that tells the row.
    pub fn insert_many<I: Insertable<B>>(
        &self,
        values: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Record<B>>, Error> {
        let (mut values, counters) = self.build(|fill| {
            let values = values.into_iter().enumerate();
            let built = values.map(|(row, value)| build(value, fill).map_err(|error| in_batch(row, error)));
            built.collect::<Result<Vec<_>, Error>>()
        })?;
        self.submit(move |edit| {
            for row in edit.settle(&mut values, &counters)? {
                values
                    .get(row)
                    .map_or(Ok(()), |new| validate(&new.value))
                    .map_err(|error| in_batch(row, error))?;
            }
            let values = values.into_iter().map(|new| new.value).collect();
            edit.insert_many(values).map_err(|(row, error)| in_batch(row, error))
        })
    }

    /// Inserts a record, or puts it in the place of the one with its key: as a whole, with defaults, generated fields and time to
    /// live anew.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// users.upsert(User::draft().id(1).name("Anna").email("ann@x.cz"))?;
    /// let anna = users.require(&1)?;
    /// assert_eq!((anna.name.as_str(), anna.age, anna.version()), ("Anna", None, 2));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Self::insert), but for the duplicate key.
    pub fn upsert(&self, value: impl Insertable<B>) -> Result<Record<B>, Error> {
        let (value, counters) = self.build(|fill| build(value, fill))?;
        self.submit(move |edit| {
            let value = settle(edit, value, &counters)?;
            match edit.table().get(value.key()).cloned() {
                Some(old) => edit.replace(&old, value, Some(Ttl::OfBucket)),
                None => edit.insert(value, Ttl::OfBucket),
            }
        })
    }

    /// Changes some fields of a record. A patch that sets no field makes no commit. O(log n) for each index whose
    /// fields change.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ann = users.update(&1, User::patch().age(31))?;
    /// assert_eq!((ann.age, ann.name.as_str(), ann.version()), (Some(31), "Ann", 2));
    /// assert_eq!(users.update(&1, User::patch().clear_age())?.age, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Validation`] with all issues, [`Error::UniqueConstraint`];
    /// [`Error::BucketNotDefined`], [`Error::Stopped`], [`Error::Panicked`].
    pub fn update<Q, P>(&self, key: &Q, patch: P) -> Result<Record<B>, Error>
    where
        Q: UniqueKey<B::Key> + ?Sized,
        P: Patch<B>,
    {
        if patch.is_empty() {
            return self.write(|edit| edit.table().get(key).cloned().ok_or_else(|| not_found::<B, _>(key)));
        }
        if P::Outcome::BLIND {
            // Nobody's change is worked out in vain if all are made where none can come between.
            return self.write(|edit| {
                let old = edit.table().get(key).cloned().ok_or_else(|| not_found::<B, _>(key))?;
                update(edit, &old, &patch)
            });
        }
        self.change(key, &mut |value| patch.apply(value))
    }

    /// Changes a record in a closure, and validates it again. The closure gets a copy, and may run again when another
    /// writer was faster; what it writes to the store is a commit of its own.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ann = users.modify(&1, |user| user.tags.push("new".into()))?;
    /// assert_eq!(ann.tags, ["vip", "new"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update), and [`Error::KeyChanged`] if the closure gives the record another key.
    pub fn modify<Q: UniqueKey<B::Key> + ?Sized>(
        &self,
        key: &Q,
        mut change: impl FnMut(&mut B),
    ) -> Result<Record<B>, Error> {
        self.change(key, &mut |value| {
            change(value);
            Ok(())
        })
    }

    fn change<Q: UniqueKey<B::Key> + ?Sized>(
        &self,
        key: &Q,
        change: &mut dyn FnMut(&mut B) -> Result<(), Error>,
    ) -> Result<Record<B>, Error> {
        for _ in 0..ATTEMPTS {
            let old = catch(B::NAME, || self.find(key)?.ok_or_else(|| not_found::<B, _>(key)))?;
            let new = catch(B::NAME, || changed(&old, change))?;
            let done = self.submit(move |edit| match edit.table().get(old.key()) {
                Some(current) if Record::same(current, &old) => edit.replace(&old, new, None).map(Some),
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
            edit.replace(&old, new, None)
        })
    }

    /// The record of a key that is alive now, in a bucket that must be defined.
    fn find<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q) -> Result<Option<Record<B>>, Error> {
        let root = self.engine.load();
        let found = root.typed::<B>(self.reader().slot())?.get(key);
        Ok(found.filter(|record| !self.engine.is_over(record)).cloned())
    }

    /// Changes several records, all or none, in one commit. A key that comes again gets both patches.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let older = users.update_many([(1, User::patch().age(31)), (2, User::patch().age(40))])?;
    /// assert_eq!(older[1].age, Some(40));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update), in an [`Error::Batch`] that tells the row.
    pub fn update_many<Q: UniqueKey<B::Key>, P: Patch<B>>(
        &self,
        changes: impl IntoIterator<Item = (Q, P)>,
    ) -> Result<Vec<Record<B>>, Error> {
        let changes: Vec<(Q, P)> = catch(B::NAME, || Ok(changes.into_iter().collect()))?;
        self.write(|edit| {
            let mut changed = HashSet::new();
            let mut one = |(key, patch): &(Q, P)| {
                let old = edit.table().get(key).cloned().ok_or_else(|| not_found::<B, _>(key))?;
                if changed.insert(old.meta().row) || patch.is_empty() {
                    return update(edit, &old, patch);
                }
                edit.replace_again(&old, patched(&old, patch)?)
            };
            let rows = changes.iter().enumerate().map(|(row, change)| {
                one(change).map(|record| record.meta().row).map_err(|error| in_batch(row, error))
            });
            let rows = rows.collect::<Result<Vec<_>, Error>>()?;
            // A record that was changed twice is given as it is in the end.
            Ok(rows.iter().filter_map(|row| edit.table().rows().get(*row).cloned()).collect())
        })
    }

    /// Changes every record that passes a filter, all or none, in one commit; returns how many.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.update_where(User::AGE.is_none(), User::patch().age(18))?, 1);
    /// # Ok(()) }
    /// ```
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
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert!(users.delete(&1)?.is_some_and(|gone| gone.name == "Ann"));
    /// assert_eq!(users.delete(&1)?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotDefined`], [`Error::Stopped`], [`Error::Panicked`].
    pub fn delete<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q) -> Result<Option<Record<B>>, Error> {
        // A record that is not there now was not there at some moment of this call, which is all that can be said.
        let Some(found) = catch(B::NAME, || self.find(key))? else {
            return self.submit(|_| Ok(None));
        };
        self.submit(move |edit| {
            // It may be another one by now.
            let record = edit.table().get(found.key()).cloned();
            if let Some(record) = &record {
                edit.remove(record);
            }
            Ok(record)
        })
    }

    /// Removes several records in one commit, and returns those that were there. O(removed × log n) for each index; where they are
    /// a quarter of the bucket or more, what stays is indexed anew, which is less work.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.delete_many([1, 7])?.len(), 1, "there is no 7");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn delete_many<Q: UniqueKey<B::Key>>(
        &self,
        keys: impl IntoIterator<Item = Q>,
    ) -> Result<Vec<Record<B>>, Error> {
        let keys: Vec<Q> = catch(B::NAME, || Ok(keys.into_iter().collect()))?;
        self.write(|edit| {
            let mut rows = HashSet::with_capacity(keys.len());
            let mut found = Vec::with_capacity(keys.len());
            for key in &keys {
                // A key may be named twice.
                if let Some(record) = edit.table().get(key)
                    && rows.insert(record.meta().row)
                {
                    found.push(record.clone());
                }
            }
            edit.remove_many(&found);
            Ok(found)
        })
    }

    /// Removes every record that passes a filter, in one commit, and returns them. What it costs to find them, and then as
    /// [`delete_many`](Self::delete_many).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let gone = users.delete_where(User::AGE.is_none())?;
    /// assert_eq!(gone[0].name, "Ben");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn delete_where(&self, filter: Filter<B>) -> Result<Vec<Record<B>>, Error> {
        self.write(|edit| {
            let found = collect(edit.table(), &filter);
            edit.remove_many(&found);
            Ok(found)
        })
    }

    /// Removes all records in one commit, and returns how many there were. Automatic numbers go on. O(n).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.clear()?, 2);
    /// assert!(users.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn clear(&self) -> Result<usize, Error> {
        self.write(|edit| Ok(edit.clear()))
    }
}

fn update<B: Bucket>(edit: &mut Edit<B>, old: &Record<B>, patch: &impl Patch<B>) -> Result<Record<B>, Error> {
    if patch.is_empty() {
        return Ok(old.clone());
    }
    edit.replace(old, patched(old, patch)?, None)
}

/// A value with numbers that nobody else has taken since they were drawn.
fn settle<B: Bucket>(edit: &Edit<B>, value: Numbered<B>, counters: &Arc<Shared<B>>) -> Result<B, Error> {
    if value.drawn.is_empty() {
        return Ok(value.value);
    }
    let mut one = [value];
    let changed = edit.settle(&mut one, counters)?;
    let [Numbered { value, .. }] = one;
    if !changed.is_empty() {
        validate(&value)?;
    }
    Ok(value)
}
