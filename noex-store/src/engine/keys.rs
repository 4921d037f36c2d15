//! The index of the primary key: from a key to its record.

use super::RowId;
use super::trie::HashTrie;
use crate::bucket::Bucket;
use crate::bucket::convert::UniqueKey;
use crate::bucket::record::Record;

/// A get is what most programs do most: it takes fewer steps here than in the other hash indexes.
pub(super) const BITS: u32 = 5;
/// A key up to this size is kept in the index.
const INLINE: usize = 32;

/// The index; cloning it is O(1) and gives an independent snapshot.
pub(crate) enum Keys<B: Bucket> {
    /// With a copy of each key, for keys that are small and own nothing: a look-up then reads nothing of the record but its
    /// reference count, and copying a leaf copies plain bytes.
    Inline(HashTrie<(B::Key, Record<B>), BITS>),
    /// A look-up compares the keys in the records.
    InRecord(HashTrie<Record<B>, BITS>),
}

impl<B: Bucket> Clone for Keys<B> {
    fn clone(&self) -> Self {
        match self {
            Self::Inline(trie) => Self::Inline(trie.clone()),
            Self::InRecord(trie) => Self::InRecord(trie.clone()),
        }
    }
}

impl<B: Bucket> Default for Keys<B> {
    fn default() -> Self {
        if !std::mem::needs_drop::<B::Key>() && size_of::<B::Key>() <= INLINE {
            Self::Inline(HashTrie::default())
        } else {
            Self::InRecord(HashTrie::default())
        }
    }
}

impl<B: Bucket> Keys<B> {
    /// The bytes of an entry, without its hash.
    pub(crate) fn entry_size(&self) -> usize {
        match self {
            Self::Inline(_) => size_of::<(B::Key, Record<B>)>(),
            Self::InRecord(_) => size_of::<Record<B>>(),
        }
    }

    /// The record of a key with this hash, among those that are `own`: what was added later is not this snapshot's.
    /// Expected O(log n) with thirty-two children a node; no allocation.
    #[inline]
    pub(crate) fn get<Q: UniqueKey<B::Key> + ?Sized>(
        &self,
        hash: u64,
        key: &Q,
        own: impl Fn(&Record<B>) -> bool,
    ) -> Option<&Record<B>> {
        match self {
            Self::Inline(trie) => {
                trie.find(hash, |(other, record)| key.matches(other) && own(record)).map(|(_, record)| record)
            }
            Self::InRecord(trie) => {
                trie.find(hash, |record| key.matches(record.value().key()) && own(record))
            }
        }
    }

    /// Takes the record of a row back that a write added before it was given up. To be called on what the write started
    /// from.
    pub(crate) fn take_back(&self, hash: u64, row: RowId) {
        match self {
            Self::Inline(trie) => trie.take_back(hash, |(_, other)| other.meta().row == row),
            Self::InRecord(trie) => trie.take_back(hash, |other| other.meta().row == row),
        }
    }

    /// Adds a record, whose key is not there. O(log n).
    pub(crate) fn insert(&mut self, hash: u64, record: Record<B>) {
        match self {
            Self::Inline(trie) => trie.insert(hash, (record.value().key().clone(), record)),
            Self::InRecord(trie) => trie.insert(hash, record),
        }
    }

    /// Adds a record that no other snapshot may see. O(log n).
    pub(crate) fn insert_copied(&mut self, hash: u64, record: Record<B>) {
        match self {
            Self::Inline(trie) => trie.insert_copied(hash, (record.value().key().clone(), record)),
            Self::InRecord(trie) => trie.insert_copied(hash, record),
        }
    }

    /// Puts another record of the same key in the place of the one of a row. O(log n).
    pub(crate) fn replace(&mut self, hash: u64, row: RowId, record: Record<B>) -> bool {
        match self {
            Self::Inline(trie) => {
                let new = (record.value().key().clone(), record);
                trie.replace(hash, |(_, other)| other.meta().row == row, new)
            }
            Self::InRecord(trie) => trie.replace(hash, |other| other.meta().row == row, record),
        }
    }

    /// Removes the record of a row. O(log n).
    pub(crate) fn remove(&mut self, hash: u64, row: RowId) -> bool {
        match self {
            Self::Inline(trie) => trie.remove(hash, |(_, other)| other.meta().row == row),
            Self::InRecord(trie) => trie.remove(hash, |other| other.meta().row == row),
        }
    }

    /// Calls `visit` with every hash and record, in no order.
    #[cfg(test)]
    pub(crate) fn for_each(&self, visit: &mut impl FnMut(u64, &Record<B>)) {
        match self {
            Self::Inline(trie) => trie.for_each(&mut |hash, (key, record)| {
                assert_eq!(key, record.value().key(), "the copy is the record's key");
                visit(hash, record);
            }),
            Self::InRecord(trie) => trie.for_each(visit),
        }
    }
}
