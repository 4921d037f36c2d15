//! Writes of many records, which are one commit or nothing.

use std::collections::HashSet;

use super::{BucketHandle, update};
use crate::bucket::convert::UniqueKey;
use crate::bucket::record::Record;
use crate::bucket::{Bucket, Insertable, Patch};
use crate::engine::catch;
use crate::error::Error;
use crate::filter::Filter;
use crate::filter::execute::collect;
use crate::store::write::{build, in_batch, not_found, patched, validate};

impl<B: Bucket> BucketHandle<B> {
    /// Inserts records, all or none, in one commit. O(k log n) for k records; each ordered index gets its entries together, sorted, so
    /// that k inserts alone cost several times as much.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
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

    /// Changes several records, all or none, in one commit. A key that comes again gets both patches.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
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
    #[doc = include_str!("../../../doc/users.txt")]
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

    /// Removes several records in one commit, and returns those that were there. O(removed × log n) for each index; where they are
    /// a quarter of the bucket or more, what stays is indexed anew, which is less work.
    ///
    /// ```
    #[doc = include_str!("../../../doc/users.txt")]
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
    #[doc = include_str!("../../../doc/users.txt")]
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
    #[doc = include_str!("../../../doc/users.txt")]
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
