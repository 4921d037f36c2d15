//! Rules over several records: that keys and unique values are there once.

use super::{RowId, Table};
use crate::bucket::Bucket;
use crate::bucket::definition::{UniqueRule, unique_name};
use crate::bucket::record::Record;
use crate::engine::trie::HashTrie;
use crate::error::Error;

impl<B: Bucket> Table<B> {
    /// Whether another record has a value's key, or a value of it in a unique field.
    pub(super) fn check_new(&self, value: &B) -> Result<(), Error> {
        if self.get(value.key()).is_some() {
            return Err(Error::DuplicateKey { bucket: B::NAME, key: format!("{:?}", value.key()) });
        }
        self.check_uniques(value)
    }

    /// Whether a record has a value's key, if that is the field, or its value in a unique field.
    pub(crate) fn has(&self, value: &B, field: u16) -> bool {
        let schema = B::schema();
        if schema.fields.get(usize::from(field)).is_some_and(|field| field.key) {
            return self.get(value.key()).is_some();
        }
        let mut uniques = self.shared.definition.uniques.iter().zip(&self.uniques);
        uniques.any(|(unique, trie)| {
            unique.fields().contains(&field) && self.check_unique(*unique, trie, value, None).is_err()
        })
    }

    /// Whether another record has a value of this one in a unique field.
    fn check_uniques(&self, value: &B) -> Result<(), Error> {
        for (unique, trie) in self.shared.definition.uniques.iter().zip(&self.uniques) {
            self.check_unique(*unique, trie, value, None)?;
        }
        Ok(())
    }

    /// The same for a value that takes the place of another one; what it has in common with that is its own already.
    pub(super) fn check_changed_uniques(&self, old: &B, new: &B, own: RowId) -> Result<(), Error> {
        for (unique, trie) in self.shared.definition.uniques.iter().zip(&self.uniques) {
            if !unique.same(old, new) {
                self.check_unique(*unique, trie, new, Some(own))?;
            }
        }
        Ok(())
    }

    fn check_unique(
        &self,
        unique: &dyn UniqueRule<B>,
        trie: &HashTrie<RowId>,
        value: &B,
        own: Option<RowId>,
    ) -> Result<(), Error> {
        let Some(hash) = unique.hash(value, &self.shared.hash) else { return Ok(()) };
        let taken = trie.find(hash, |row| {
            Some(*row) != own && self.rows.get(*row).is_some_and(|other| unique.same(other.value(), value))
        });
        match taken {
            None => Ok(()),
            Some(_) => Err(not_unique(unique, value)),
        }
    }
}

pub(in crate::engine) fn key_changed<B: Bucket>(old: &Record<B>, value: &B) -> Error {
    Error::KeyChanged { bucket: B::NAME, from: format!("{:?}", old.key()), to: format!("{:?}", value.key()) }
}

pub(in crate::engine) fn not_unique<B: Bucket>(unique: &dyn UniqueRule<B>, value: &B) -> Error {
    Error::UniqueConstraint { bucket: B::NAME, field: unique_name(unique), value: unique.show(value) }
}
