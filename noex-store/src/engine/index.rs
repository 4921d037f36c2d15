//! Ordered indexes: sets of `(key, row)` with typed keys behind an untyped face.
//!
//! A query talks to an index in *ranks*: it turns bounds into a range of ranks (two descents of the tree), and ranges of
//! ranks are counted, intersected, joined and cut as plain integers. Types come back only inside, where keys are compared.

use std::any::Any;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow, Range};

use super::RowId;
use super::entries::{Entries, NewEntries};
use super::key::{KeyParts, Layout, OwnedValue};
use super::stab::{Stabs, stabs};

/// One side of a comparison with a part of a key.
#[derive(Clone, Copy)]
pub enum KeyPoint<'a> {
    /// The `None` of an `Option` field, which comes before all values.
    Absent,
    /// A value of the part's type.
    Value(&'a dyn Any),
}

/// A range of the values of one part of a key.
#[derive(Clone, Copy)]
pub struct KeyRange<'a> {
    /// Where it starts.
    pub start: Bound<KeyPoint<'a>>,
    /// Where it ends.
    pub end: Bound<KeyPoint<'a>>,
}

impl<'a> KeyRange<'a> {
    /// All values.
    pub const ALL: Self = Self { start: Bound::Unbounded, end: Bound::Unbounded };

    /// One value.
    pub fn point(at: KeyPoint<'a>) -> Self {
        Self { start: Bound::Included(at), end: Bound::Included(at) }
    }
}

/// An ordered index of a bucket, without the type of its keys.
pub trait OrderedIndex<B>: Send + Sync {
    /// An independent snapshot. O(1), one allocation.
    fn boxed_clone(&self) -> Box<dyn OrderedIndex<B>>;
    /// An empty index of the same kind.
    fn boxed_empty(&self) -> Box<dyn OrderedIndex<B>>;
    /// Adds a record's entries. O(log n) for each.
    fn insert(&mut self, record: &B, row: RowId);
    /// Adds the entries of records that ascend by row, by sorting: O(k log k) for k of them, and O(log n) at most for each.
    fn extend<'r>(&mut self, records: &mut dyn Iterator<Item = (&'r B, RowId)>)
    where
        B: 'r;
    /// Removes a record's entries. O(log n) for each.
    fn remove(&mut self, record: &B, row: RowId);
    /// Whether two records have the same entries but for the row.
    fn same(&self, a: &B, b: &B) -> bool;
    /// The number of entries. O(1).
    fn len(&self) -> usize;
    /// The bytes of an entry.
    fn entry_size(&self) -> usize;
    /// The ranks of the entries whose first parts equal `prefix`, and whose next part lies in `range`. O(log n).
    fn ranks(&self, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> Range<usize>;
    /// Calls `visit` with the rows of a range of ranks, in the order of the keys, ties in the order of insertion.
    fn visit(&self, ranks: Range<usize>, visit: &mut dyn FnMut(RowId) -> ControlFlow<()>) -> ControlFlow<()>;
    /// The same in the reverse order of the keys; ties still in the order of insertion.
    fn visit_desc(
        &self,
        ranks: Range<usize>,
        visit: &mut dyn FnMut(RowId) -> ControlFlow<()>,
    ) -> ControlFlow<()>;
    /// The number of entries up to and with `(key, row)`, for a key given by all of its parts. O(log n).
    fn rank_after(&self, key: &[KeyPoint<'_>], row: RowId) -> usize;
    /// The row of the entry at a rank. O(log n).
    fn row_at(&self, rank: usize) -> Option<RowId>;
    /// Whether a record, of this index or not, has an entry that [`ranks`](Self::ranks) would find. O(entries of the
    /// record).
    fn holds(&self, record: &B, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> bool;
    /// A copy of a value of a part of the key; `None` if it is of another type.
    fn own(&self, part: usize, value: &dyn Any) -> Option<OwnedValue>;
    /// An empty set of ranges over the first part of the key.
    fn stabs(&self) -> Box<dyn Stabs<B>>;
}

struct TreeIndex<B, P: KeyParts<B>> {
    parts: P,
    entries: Entries<P::Layout>,
    bucket: PhantomData<fn(&B)>,
}

/// Makes an empty index over the given parts.
pub fn index<B: 'static, P: KeyParts<B>>(parts: P) -> Box<dyn OrderedIndex<B>> {
    Box::new(TreeIndex { parts, entries: Entries::default(), bucket: PhantomData })
}

impl<B: 'static, P: KeyParts<B>> OrderedIndex<B> for TreeIndex<B, P> {
    fn boxed_clone(&self) -> Box<dyn OrderedIndex<B>> {
        Box::new(Self { parts: self.parts, entries: self.entries.clone(), bucket: PhantomData })
    }

    fn boxed_empty(&self) -> Box<dyn OrderedIndex<B>> {
        index(self.parts)
    }

    fn insert(&mut self, record: &B, row: RowId) {
        let Self { parts, entries, .. } = self;
        parts.keys(record, &mut |key| entries.insert(key, row));
    }

    fn extend<'r>(&mut self, records: &mut dyn Iterator<Item = (&'r B, RowId)>)
    where
        B: 'r,
    {
        let mut new = NewEntries::new(records.size_hint().0);
        for (record, row) in records {
            self.parts.keys(record, &mut |key| new.push(key, row));
        }
        self.entries.extend(new);
    }

    fn remove(&mut self, record: &B, row: RowId) {
        let Self { parts, entries, .. } = self;
        parts.keys(record, &mut |key| entries.remove(key, row));
    }

    fn same(&self, a: &B, b: &B) -> bool {
        self.parts.same(a, b)
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn entry_size(&self) -> usize {
        Entries::<P::Layout>::ENTRY_SIZE
    }

    fn ranks(&self, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> Range<usize> {
        self.entries.ranks(prefix, range)
    }

    fn visit(&self, ranks: Range<usize>, visit: &mut dyn FnMut(RowId) -> ControlFlow<()>) -> ControlFlow<()> {
        self.entries.visit(ranks, visit)
    }

    fn visit_desc(
        &self,
        ranks: Range<usize>,
        visit: &mut dyn FnMut(RowId) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.entries.visit_desc(ranks, visit)
    }

    fn rank_after(&self, key: &[KeyPoint<'_>], row: RowId) -> usize {
        self.entries.rank_after(key, row)
    }

    fn row_at(&self, rank: usize) -> Option<RowId> {
        self.entries.row_at(rank)
    }

    fn holds(&self, record: &B, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> bool {
        let mut holds = false;
        self.parts.keys(record, &mut |key| holds |= Entries::<P::Layout>::lies(&key, prefix, range));
        holds
    }

    fn own(&self, part: usize, value: &dyn Any) -> Option<OwnedValue> {
        P::Layout::own(part, value)
    }

    fn stabs(&self) -> Box<dyn Stabs<B>> {
        stabs(self.parts)
    }
}

impl Debug for KeyPoint<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Value(_) => "Value",
        })
    }
}
