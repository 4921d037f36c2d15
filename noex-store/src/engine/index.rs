//! Ordered indexes: sets of `(key, row)` with typed keys behind an untyped face.
//!
//! A query talks to an index in *ranks*: it turns bounds into a range of ranks (two descents of the tree), and ranges of
//! ranks are counted, intersected, joined and cut as plain integers. Types come back only inside, where keys are compared.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow, Range};

use super::RowId;
use super::key::{KeyParts, OwnedValue};
use super::stab::{Stabs, stabs};
use super::tree::Tree;

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
    /// Takes the entries of these records in the place of those that are there. O(n log n), by sorting.
    fn build<'r>(&mut self, records: &mut dyn Iterator<Item = (&'r B, RowId)>)
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

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry<K> {
    key: K,
    row: RowId,
}

struct TreeIndex<B, P: KeyParts<B>> {
    parts: P,
    tree: Tree<Entry<P::Stored>>,
    bucket: PhantomData<fn(&B)>,
}

/// Makes an empty index over the given parts.
pub fn index<B: 'static, P: KeyParts<B>>(parts: P) -> Box<dyn OrderedIndex<B>> {
    Box::new(TreeIndex { parts, tree: Tree::default(), bucket: PhantomData })
}

impl<B: 'static, P: KeyParts<B>> OrderedIndex<B> for TreeIndex<B, P> {
    fn boxed_clone(&self) -> Box<dyn OrderedIndex<B>> {
        Box::new(Self { parts: self.parts, tree: self.tree.clone(), bucket: PhantomData })
    }

    fn boxed_empty(&self) -> Box<dyn OrderedIndex<B>> {
        index(self.parts)
    }

    fn insert(&mut self, record: &B, row: RowId) {
        let Self { parts, tree, .. } = self;
        parts.keys(record, &mut |key| {
            tree.insert(Entry { key, row });
        });
    }

    fn build<'r>(&mut self, records: &mut dyn Iterator<Item = (&'r B, RowId)>)
    where
        B: 'r,
    {
        let mut entries = Vec::with_capacity(records.size_hint().0);
        for (record, row) in records {
            self.parts.keys(record, &mut |key| entries.push(Entry { key, row }));
        }
        entries.sort_unstable();
        entries.dedup();
        self.tree = Tree::from_sorted(entries);
    }

    fn remove(&mut self, record: &B, row: RowId) {
        let Self { parts, tree, .. } = self;
        parts.keys(record, &mut |key| {
            tree.remove(&Entry { key, row });
        });
    }

    fn same(&self, a: &B, b: &B) -> bool {
        self.parts.same(a, b)
    }

    fn len(&self) -> usize {
        self.tree.len()
    }

    fn entry_size(&self) -> usize {
        size_of::<Entry<P::Stored>>()
    }

    fn ranks(&self, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> Range<usize> {
        let start = self.tree.rank(|entry| self.is_before(&entry.key, prefix, range));
        let end = self.tree.rank(|entry| !self.is_after(&entry.key, prefix, range));
        start..end.max(start)
    }

    fn visit(&self, ranks: Range<usize>, visit: &mut dyn FnMut(RowId) -> ControlFlow<()>) -> ControlFlow<()> {
        self.tree.visit(ranks, &mut |entry| visit(entry.row))
    }

    fn visit_desc(
        &self,
        ranks: Range<usize>,
        visit: &mut dyn FnMut(RowId) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        // Rows of equal keys must come in the order of insertion, so they are gathered until the key changes. A long run
        // is not gathered: its start is looked up, and it is visited forwards.
        const GATHER: usize = 32;
        let mut end = ranks.end;
        while end > ranks.start {
            let mut run: Vec<RowId> = Vec::new();
            let mut key: Option<P::Stored> = None;
            let mut long = false;
            let flow = self.tree.visit_rev(ranks.start..end, &mut |entry| {
                if key.as_ref().is_none_or(|key| *key != entry.key) {
                    for row in run.drain(..).rev() {
                        visit(row)?;
                        end -= 1;
                    }
                    key = Some(entry.key.clone());
                } else if run.len() == GATHER {
                    long = true;
                    return ControlFlow::Break(());
                }
                run.push(entry.row);
                ControlFlow::Continue(())
            });
            if long {
                let Some(key) = key else { break };
                let start = self.tree.rank(|entry| entry.key < key).max(ranks.start);
                self.tree.visit(start..end, &mut |entry| visit(entry.row))?;
                end = start;
                continue;
            }
            flow?;
            for row in run.drain(..).rev() {
                visit(row)?;
            }
            break;
        }
        ControlFlow::Continue(())
    }

    fn rank_after(&self, key: &[KeyPoint<'_>], row: RowId) -> usize {
        self.tree.rank(|entry| self.compare_prefix(&entry.key, key).then(entry.row.cmp(&row)).is_le())
    }

    fn row_at(&self, rank: usize) -> Option<RowId> {
        self.tree.at(rank).map(|entry| entry.row)
    }

    fn holds(&self, record: &B, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> bool {
        let mut holds = false;
        self.parts.keys(record, &mut |key| {
            holds |= !self.is_before(&key, prefix, range) && !self.is_after(&key, prefix, range);
        });
        holds
    }

    fn own(&self, part: usize, value: &dyn Any) -> Option<OwnedValue> {
        self.parts.own(part, value)
    }

    fn stabs(&self) -> Box<dyn Stabs<B>> {
        stabs(self.parts)
    }
}

impl<B, P: KeyParts<B>> TreeIndex<B, P> {
    /// Whether a key comes before all that have the prefix and then lie in the range.
    fn is_before(&self, key: &P::Stored, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> bool {
        let order = self.compare_prefix(key, prefix).then_with(|| match range.start {
            Bound::Unbounded => Ordering::Greater,
            Bound::Included(point) => self.parts.compare(key, prefix.len(), point).then(Ordering::Greater),
            Bound::Excluded(point) => self.parts.compare(key, prefix.len(), point).then(Ordering::Less),
        });
        order.is_lt()
    }

    /// Whether a key comes after all that have the prefix and then lie in the range.
    fn is_after(&self, key: &P::Stored, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> bool {
        let order = self.compare_prefix(key, prefix).then_with(|| match range.end {
            Bound::Unbounded => Ordering::Less,
            Bound::Included(point) => self.parts.compare(key, prefix.len(), point).then(Ordering::Less),
            Bound::Excluded(point) => self.parts.compare(key, prefix.len(), point).then(Ordering::Greater),
        });
        order.is_gt()
    }

    fn compare_prefix(&self, key: &P::Stored, prefix: &[KeyPoint<'_>]) -> Ordering {
        prefix
            .iter()
            .enumerate()
            .map(|(part, point)| self.parts.compare(key, part, *point))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
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
