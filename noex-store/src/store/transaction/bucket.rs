//! A bucket in a transaction: its reads, and its writes.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::Transaction;
use crate::bucket::convert::UniqueKey;
use crate::bucket::increments::Outcome as _;
use crate::bucket::record::Record;
use crate::bucket::{Bucket, Insertable, Patch};
use crate::clock::Moment;
use crate::engine::{Part, Reason, Replace, Root, Seen, Slot, Step, catch};
use crate::error::Error;
use crate::filter::Filter;
use crate::schema::Ttl;
use crate::schema::generate::Fill;
use crate::store::Reader;
use crate::store::write::{build, changed, in_batch, not_found, patched};

/// A bucket as a transaction sees it: made by [`Transaction::bucket`]. Derefs to all that can be asked, the bucket's own index
/// accessors and [`Reader`], where the transaction's own writes are seen.
///
/// Each write is validated, and is all or nothing; a failed one leaves the transaction as it was, to go on or to be given
/// up. Keys and unique values are checked against what the transaction sees; that nobody else takes them before the commit is
/// checked there.
///
/// ```
#[doc = include_str!("../../../doc/users.txt")]
/// store.transaction(|tx| {
///     let users = tx.bucket::<User>()?;
///     users.insert(User::draft().name("Cy").email("cy@x.cz"))?;
///     assert!(users.by_email("cy@x.cz").is_some());
///     users.delete(&1).map(drop)
/// })?;
/// assert_eq!(users.count(), 2);
/// # Ok(()) }
/// ```
pub struct TransactionBucket<'tx, B: Bucket> {
    transaction: &'tx Transaction,
    /// `None` in one that may not write, which reads as a snapshot does.
    part: Option<Arc<Part<B>>>,
    reads: B::Reads,
}

impl<B: Bucket> Clone for TransactionBucket<'_, B> {
    fn clone(&self) -> Self {
        Self { transaction: self.transaction, part: self.part.clone(), reads: self.reads.clone() }
    }
}

impl<B: Bucket> fmt::Debug for TransactionBucket<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionBucket").field("bucket", &B::NAME).finish_non_exhaustive()
    }
}

impl<B: Bucket> Deref for TransactionBucket<'_, B> {
    type Target = B::Reads;

    fn deref(&self) -> &B::Reads {
        &self.reads
    }
}

impl<'tx, B: Bucket> TransactionBucket<'tx, B> {
    pub(super) fn new(transaction: &'tx Transaction, part: Arc<Part<B>>, slot: Slot) -> Self {
        let reads = B::Reads::from(Reader::of_transaction(Arc::clone(&part), slot));
        Self { transaction, part: Some(part), reads }
    }

    /// Of a transaction that may not write.
    pub(super) fn read_only(transaction: &'tx Transaction, root: Arc<Root>, slot: Slot) -> Self {
        Self { transaction, part: None, reads: B::Reads::from(Reader::of_snapshot(root, slot)) }
    }

    fn reader(&self) -> &Reader<B> {
        &self.reads
    }

    fn now(&self) -> Moment {
        self.transaction.now()
    }

    /// Runs a write, if the transaction may write.
    fn write<T>(&self, write: impl FnOnce(&Part<B>) -> Result<T, Error>) -> Result<T, Error> {
        let part = self.part.as_ref().ok_or(Error::ReadOnly { bucket: B::NAME })?;
        catch(B::NAME, || write(part))
    }

    /// Runs writes that are made together or not at all.
    fn together<T>(&self, writes: impl FnOnce(&Part<B>) -> Result<T, Error>) -> Result<T, Error> {
        self.transaction.savepoint(|_| self.write(writes))
    }

    fn with_fill<T>(
        &self,
        part: &Part<B>,
        build: impl FnOnce(&mut Fill<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let shared = part.shared()?;
        build(&mut Fill::new(B::schema(), &shared.counters, self.now().time))
    }

    /// Inserts a record: a complete draft, or a whole value. O(log n), and O(unique fields).
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     users.insert(User::draft().name("Cy").email("cy@x.cz"))?;
    ///     assert_eq!(users.count(), 3, "it sees its own");
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert_eq!(users.count(), 3);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Validation`] with all issues, [`Error::DuplicateKey`], [`Error::UniqueConstraint`],
    /// [`Error::AutoIncrementExhausted`], [`Error::Panicked`].
    pub fn insert(&self, value: impl Insertable<B>) -> Result<Record<B>, Error> {
        self.insert_with_ttl(value, Ttl::OfBucket)
    }

    /// As [`insert`](Self::insert), with a time to live of the record's own, from the commit on.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     users.insert_with_ttl(User::draft().name("Cy").email("cy@x.cz"), Duration::from_secs(60))?;
    ///     Ok::<_, Error>(())
    /// })?;
    /// let cy = users.by_email("cy@x.cz").expect("inserted");
    /// assert_eq!(cy.expires_at(), Some(cy.created_at() + 60_000));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As there, and [`Error::InvalidTtl`].
    pub fn insert_with_ttl(
        &self,
        value: impl Insertable<B>,
        ttl: impl Into<Ttl>,
    ) -> Result<Record<B>, Error> {
        self.write(|part| {
            let ttl = ttl.into().check(B::NAME)?;
            let value = self.with_fill(part, |fill| build(value, fill))?;
            part.insert(value, ttl, self.now())
        })
    }

    /// Has a record live as long from the commit on as its bucket's `ttl` says, and counts as a write of it.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     users.touch(&1)?;
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert_eq!(users.require(&1)?.version(), 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn touch<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q) -> Result<Record<B>, Error> {
        self.touch_with_ttl(key, Ttl::OfBucket)
    }

    /// As [`touch`](Self::touch), with another time to live.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     users.touch_with_ttl(&1, Duration::from_secs(60))?;
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert!(users.require(&1)?.expires_at().is_some());
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
        self.write(|part| {
            let ttl = Some(ttl.into().check(B::NAME)?);
            let old = required(part, key, Seen::Whole)?;
            part.replace(&old, old.value().clone(), Replace { step: None, ttl }, self.now())
        })
    }

    /// Inserts records, all or none.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     users.insert_many(["Cy", "Di"].map(|name| User::draft().name(name).email(format!("{name}@x.cz"))))?;
    ///     Ok::<_, Error>(())
    /// })?;
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
        self.together(|part| {
            let values = self.with_fill(part, |fill| {
                let built = values.into_iter().enumerate();
                let built =
                    built.map(|(row, value)| build(value, fill).map_err(|error| in_batch(row, error)));
                built.collect::<Result<Vec<_>, Error>>()
            })?;
            let now = self.now();
            let insert =
                |(row, value)| part.insert(value, Ttl::OfBucket, now).map_err(|error| in_batch(row, error));
            values.into_iter().enumerate().map(insert).collect()
        })
    }

    /// Inserts a record, or puts it in the place of the one with its key: as a whole, with defaults, generated fields and time to
    /// live anew.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     users.upsert(User { id: 1, name: "Anna".into(), email: "ann@x.cz".into(), age: None, tags: Vec::new() })?;
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert_eq!(users.require(&1)?.name, "Anna");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Self::insert), but for the duplicate key.
    pub fn upsert(&self, value: impl Insertable<B>) -> Result<Record<B>, Error> {
        self.write(|part| {
            let value = self.with_fill(part, |fill| build(value, fill))?;
            // A number that was drawn is nobody's key: to find somebody there would be an accident.
            let old = if value.drew_key() { None } else { part.get(value.value.key(), Seen::Whole) };
            match old {
                Some(old) => {
                    let how = Replace { step: None, ttl: Some(Ttl::OfBucket) };
                    part.replace(&old, value.value, how, self.now())
                }
                None => part.insert(value, Ttl::OfBucket, self.now()),
            }
        })
    }

    /// Changes some fields of a record.
    ///
    /// Gives the record, which counts as read. A patch with increments ([`Patch::add`]) gives `()` instead: it is applied to
    /// whatever the record is when the transaction commits, and so does not conflict with other writes to the record, only with
    /// its deletion. Asking for the record afterwards is a read like any other.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| tx.bucket::<User>()?.update(&1, User::patch().age(31)))?;
    /// assert_eq!(users.require(&1)?.age, Some(31));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Validation`] with all issues, [`Error::UniqueConstraint`], [`Error::Panicked`].
    pub fn update<Q, P>(&self, key: &Q, patch: P) -> Result<P::Outcome, Error>
    where
        Q: UniqueKey<B::Key> + ?Sized,
        P: Patch<B> + Send + Sync + 'static,
    {
        self.write(|part| {
            let seen = if P::Outcome::BLIND { Seen::Presence } else { Seen::Whole };
            let old = required(part, key, seen)?;
            if patch.is_empty() {
                return Ok(P::Outcome::of(old));
            }
            let new = patched(&old, &patch)?;
            let step = P::Outcome::BLIND.then(|| {
                let step: Step<B> = Arc::new(move |value: &mut B| patch.apply(value));
                step
            });
            part.replace(&old, new, Replace { step, ttl: None }, self.now()).map(P::Outcome::of)
        })
    }

    /// Changes a record in a closure, and validates it again. The closure gets a copy, and runs once.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     users.modify(&1, |ann| ann.tags.push("new".into()))?;
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert_eq!(users.require(&1)?.tags, ["vip", "new"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update), and [`Error::KeyChanged`] if the closure gives the record another key.
    pub fn modify<Q: UniqueKey<B::Key> + ?Sized>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut B),
    ) -> Result<Record<B>, Error> {
        self.write(|part| {
            let old = required(part, key, Seen::Whole)?;
            let mut change = Some(change);
            let new = changed(&old, &mut |value| {
                if let Some(change) = change.take() {
                    change(value);
                }
                Ok(())
            })?;
            part.replace(&old, new, Replace::default(), self.now())
        })
    }

    /// Changes several records, all or none. A key that comes again gets both patches.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     users.update_many([(1, User::patch().age(31)), (2, User::patch().age(40))])?;
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert_eq!(users.sum(User::AGE), 71);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update), in an [`Error::Batch`] that tells the row.
    pub fn update_many<Q: UniqueKey<B::Key>, P: Patch<B>>(
        &self,
        changes: impl IntoIterator<Item = (Q, P)>,
    ) -> Result<Vec<Record<B>>, Error> {
        self.together(|part| {
            let one = |(row, (key, patch)): (usize, (Q, P))| {
                let done = required(part, &key, Seen::Whole).and_then(|old| self.patch(part, &old, &patch));
                done.map_err(|error| in_batch(row, error))
            };
            let records = changes.into_iter().enumerate().map(one).collect::<Result<Vec<_>, Error>>()?;
            // A record that was changed twice is given as it is in the end.
            Ok(records.iter().filter_map(|record| part.get(record.key(), Seen::Whole)).collect())
        })
    }

    /// Changes every record that passes a filter, all or none; returns how many.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     assert_eq!(users.update_where(User::AGE.is_none(), User::patch().age(18))?, 1);
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert_eq!(users.require(&2)?.age, Some(18));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`update`](Self::update), for the first record that cannot be changed so.
    pub fn update_where(&self, filter: Filter<B>, patch: impl Patch<B>) -> Result<usize, Error> {
        self.together(|part| {
            let found = self.reader().filter(filter).collect();
            found.iter().try_for_each(|old| self.patch(part, old, &patch).map(drop))?;
            Ok(found.len())
        })
    }

    fn patch(&self, part: &Part<B>, old: &Record<B>, patch: &impl Patch<B>) -> Result<Record<B>, Error> {
        if patch.is_empty() {
            return Ok(old.clone());
        }
        part.replace(old, patched(old, patch)?, Replace::default(), self.now())
    }

    /// Removes a record, and returns it; `None` if there is none.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     assert!(users.delete(&1)?.is_some());
    ///     assert!(users.delete(&1)?.is_none(), "it is gone already");
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert_eq!(users.count(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Panicked`].
    pub fn delete<Q: UniqueKey<B::Key> + ?Sized>(&self, key: &Q) -> Result<Option<Record<B>>, Error> {
        self.write(|part| {
            let found = part.get(key, Seen::Whole);
            found.iter().try_for_each(|record| part.remove(record, Reason::Deleted))?;
            Ok(found)
        })
    }

    /// Removes several records, and returns those that were there.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     assert_eq!(users.delete_many([1, 7])?.len(), 1);
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert_eq!(users.count(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn delete_many<Q: UniqueKey<B::Key>>(
        &self,
        keys: impl IntoIterator<Item = Q>,
    ) -> Result<Vec<Record<B>>, Error> {
        self.together(|_| {
            let found = keys.into_iter().filter_map(|key| self.delete(&key).transpose());
            found.collect()
        })
    }

    /// Removes every record that passes a filter, and returns them.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     assert_eq!(users.delete_where(User::AGE.is_none())?.len(), 1);
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert_eq!(users.count(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn delete_where(&self, filter: Filter<B>) -> Result<Vec<Record<B>>, Error> {
        self.remove_where(filter, Reason::Deleted)
    }

    fn remove_where(&self, filter: Filter<B>, reason: Reason) -> Result<Vec<Record<B>>, Error> {
        self.together(|part| {
            let found = self.reader().filter(filter).collect();
            found.iter().try_for_each(|record| part.remove(record, reason))?;
            Ok(found)
        })
    }

    /// Removes all records, and returns how many there were. Automatic numbers go on. O(n log n).
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
    /// store.transaction(|tx| {
    ///     let users = tx.bucket::<User>()?;
    ///     users.clear()?;
    ///     Ok::<_, Error>(())
    /// })?;
    /// assert!(users.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn clear(&self) -> Result<usize, Error> {
        self.remove_where(Filter::all(), Reason::Cleared).map(|found| found.len())
    }
}

/// The record of a key, which is to be changed.
fn required<B: Bucket, Q: UniqueKey<B::Key> + ?Sized>(
    part: &Part<B>,
    key: &Q,
    seen: Seen,
) -> Result<Record<B>, Error> {
    part.get(key, seen).ok_or_else(|| not_found::<B, _>(key))
}
