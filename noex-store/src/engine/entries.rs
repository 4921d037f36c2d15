//! The entries of an ordered index: `(key, row)` in order, whatever bucket they are of.
//!
//! Nothing here is inlined: the calls come from functions that are compiled for each bucket, and what is here, once for each type of
//! key.

use std::cmp::Ordering;
use std::ops::{Bound, ControlFlow, Range};

use super::RowId;
use super::index::{KeyPoint, KeyRange};
use super::key::Layout;
use super::tree::Tree;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry<K> {
    key: K,
    row: RowId,
}

/// The entries; cloning them is O(1) and gives an independent snapshot.
pub(super) struct Entries<L: Layout> {
    tree: Tree<Entry<L::Stored>>,
}

impl<L: Layout> Clone for Entries<L> {
    fn clone(&self) -> Self {
        Self { tree: self.tree.clone() }
    }
}

impl<L: Layout> Default for Entries<L> {
    #[inline(never)]
    fn default() -> Self {
        Self { tree: Tree::default() }
    }
}

/// Entries that are gathered, by ascending rows, to be added at once.
pub(super) struct NewEntries<L: Layout>(Vec<Entry<L::Stored>>);

impl<L: Layout> NewEntries<L> {
    #[inline(never)]
    pub(super) fn new(about: usize) -> Self {
        Self(Vec::with_capacity(about))
    }

    #[inline(never)]
    pub(super) fn push(&mut self, key: L::Stored, row: RowId) {
        self.0.push(Entry { key, row });
    }

    /// In order, each once. O(k log k).
    fn sorted(mut self) -> Vec<Entry<L::Stored>> {
        // Rows ascend as they are given, so that a stable sort need not compare them; and it is fast where keys repeat.
        debug_assert!(self.0.is_sorted_by_key(|entry| entry.row), "rows ascend");
        self.0.sort_by(|a, b| a.key.cmp(&b.key));
        self.0.dedup();
        self.0
    }
}

// What each does is said at `OrderedIndex`.
impl<L: Layout> Entries<L> {
    pub(super) const ENTRY_SIZE: usize = size_of::<Entry<L::Stored>>();

    pub(super) fn len(&self) -> usize {
        self.tree.len()
    }

    #[inline(never)]
    pub(super) fn extend(&mut self, new: NewEntries<L>) {
        self.tree.extend_sorted(new.sorted());
    }

    #[inline(never)]
    pub(super) fn insert(&mut self, key: L::Stored, row: RowId) {
        self.tree.insert(Entry { key, row });
    }

    #[inline(never)]
    pub(super) fn remove(&mut self, key: L::Stored, row: RowId) {
        self.tree.remove(&Entry { key, row });
    }

    #[inline(never)]
    pub(super) fn ranks(&self, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> Range<usize> {
        let start = self.tree.rank(|entry| Self::is_before(&entry.key, prefix, range));
        let end = self.tree.rank(|entry| !Self::is_after(&entry.key, prefix, range));
        start..end.max(start)
    }

    #[inline(never)]
    pub(super) fn visit(
        &self,
        ranks: Range<usize>,
        visit: &mut dyn FnMut(RowId) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.tree.visit(ranks, &mut |entry| visit(entry.row))
    }

    #[inline(never)]
    pub(super) fn visit_desc(
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
            let mut key: Option<L::Stored> = None;
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
                self.visit(start..end, visit)?;
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

    #[inline(never)]
    pub(super) fn rank_after(&self, key: &[KeyPoint<'_>], row: RowId) -> usize {
        self.tree.rank(|entry| Self::compare_prefix(&entry.key, key).then(entry.row.cmp(&row)).is_le())
    }

    #[inline(never)]
    pub(super) fn row_at(&self, rank: usize) -> Option<RowId> {
        self.tree.at(rank).map(|entry| entry.row)
    }

    /// Whether a key is one that [`ranks`](Self::ranks) would find.
    #[inline(never)]
    pub(super) fn lies(key: &L::Stored, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> bool {
        !Self::is_before(key, prefix, range) && !Self::is_after(key, prefix, range)
    }

    /// Whether a key comes before all that have the prefix and then lie in the range.
    fn is_before(key: &L::Stored, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> bool {
        let order = Self::compare_prefix(key, prefix).then_with(|| match range.start {
            Bound::Unbounded => Ordering::Greater,
            Bound::Included(point) => L::compare(key, prefix.len(), point).then(Ordering::Greater),
            Bound::Excluded(point) => L::compare(key, prefix.len(), point).then(Ordering::Less),
        });
        order.is_lt()
    }

    /// Whether a key comes after all that have the prefix and then lie in the range.
    fn is_after(key: &L::Stored, prefix: &[KeyPoint<'_>], range: KeyRange<'_>) -> bool {
        let order = Self::compare_prefix(key, prefix).then_with(|| match range.end {
            Bound::Unbounded => Ordering::Less,
            Bound::Included(point) => L::compare(key, prefix.len(), point).then(Ordering::Less),
            Bound::Excluded(point) => L::compare(key, prefix.len(), point).then(Ordering::Greater),
        });
        order.is_gt()
    }

    fn compare_prefix(key: &L::Stored, prefix: &[KeyPoint<'_>]) -> Ordering {
        for (part, point) in prefix.iter().enumerate() {
            let order = L::compare(key, part, *point);
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }
}
