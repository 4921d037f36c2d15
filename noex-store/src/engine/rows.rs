//! The record table of a bucket: a persistent vector over row ids, in the order of insertion.
//!
//! A radix trie, sixteen wide, whose last leaf is kept aside as the *tail* (the shape of Clojure's persistent vector).
//! The slots of a leaf are write-once cells, so an append fills the next slot of the shared tail **in place**, without a
//! copy: an older snapshot stops at its own end and never looks at that slot. A slot that is already filled, by a write
//! that was given up before it was published, makes the tail be copied first. Removed rows leave holes; a leaf without
//! rows is freed. The first row of all, which leaves a queue and a bucket whose oldest makes room, goes without a copy, too: a
//! version starts where it does, and looks at nothing before. Row ids are never used twice.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use arrayvec::ArrayVec;
use node::{BITS, Inner, Leaf, MASK, Node, WIDTH, change_leaf, put};

use super::RowId;
use super::counted::{Counted, fetch};

/// Neighbouring rows, some of which may be empty.
pub(crate) struct Slots<'a, T>(&'a [OnceLock<T>]);

impl<'a, T> Slots<'a, T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.0.iter().filter_map(OnceLock::get)
    }
}

/// Values of neighbouring rows.
pub(crate) type Chunk<'a, T> = ArrayVec<&'a T, WIDTH>;

/// The table; cloning it is O(1) and gives an independent snapshot.
pub(crate) struct Rows<T> {
    root: Option<Node<T>>,
    /// Levels of inner nodes above the leaves of `root`.
    height: u32,
    tail: Arc<Leaf<T>>,
    /// No row below it belongs to this version; the leaf that it is in may hold some of them still, so that the first row goes
    /// without a copy of the leaf. Invariant: every leaf of `root` has a row of this version.
    first: u64,
    /// Invariant: the row id that the next append gets; no row at or above it belongs to this version of the table.
    next: u64,
    len: usize,
}

impl<T> Clone for Rows<T> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), height: self.height, tail: Arc::clone(&self.tail), ..*self }
    }
}

impl<T: Counted> Rows<T> {
    /// A table whose first row id is `next`, rounded up to a whole leaf.
    pub(crate) fn starting_at(next: u64) -> Self {
        let next = next.next_multiple_of(WIDTH as u64);
        Self { root: None, height: 0, tail: Arc::new(Leaf::empty()), first: next, next, len: 0 }
    }

    /// The number of rows. O(1).
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The row id that the next append gets.
    pub(crate) fn next(&self) -> RowId {
        RowId(self.next)
    }

    /// An independent copy that never fills a slot which others share. O(1), copies the tail.
    pub(crate) fn fork(&self) -> Self {
        let tail = Arc::new(self.tail.copy(self.tail_len(), None));
        Self { root: self.root.clone(), tail, ..*self }
    }

    /// Leaves row ids out, so that the next append gets this one, if it is not passed already. Only for a table that shares
    /// its tail with nobody: others may fill the slots that are left out.
    pub(crate) fn advance_to(&mut self, row: RowId) {
        if row.0 <= self.next {
            return;
        }
        let start = self.tail_start();
        if row.0 & !MASK != start {
            let tail = std::mem::replace(&mut self.tail, Arc::new(Leaf::empty()));
            self.file(start, tail);
        }
        self.next = row.0;
    }

    fn tail_start(&self) -> u64 {
        self.next & !MASK
    }

    fn tail_len(&self) -> usize {
        (self.next & MASK) as usize
    }

    /// The first slot of the leaf that starts at a row which may be of this version.
    fn first_slot(&self, start: u64) -> usize {
        self.first.saturating_sub(start).min(WIDTH as u64) as usize
    }

    /// The leaf in which a row below `next` stands, if there is one.
    #[inline]
    fn leaf(&self, row: u64) -> Option<&Leaf<T>> {
        if row >= self.tail_start() {
            return Some(&self.tail);
        }
        if row >> (BITS * (self.height + 1)) != 0 {
            return None;
        }
        let mut node = self.root.as_ref()?;
        let mut shift = BITS * self.height;
        loop {
            match node {
                Node::Leaf(leaf) => return Some(leaf),
                Node::Inner(inner) => {
                    node = inner.children[((row >> shift) & MASK) as usize].as_ref()?;
                    shift -= BITS;
                }
            }
        }
    }

    /// How many rows `root` holds that are below `first`.
    fn held_below_first(&self) -> usize {
        match self.first & MASK {
            0 => 0,
            _ if self.first >= self.tail_start() => 0,
            at => self.leaf(self.first).map_or(0, |leaf| leaf.count(at as usize)),
        }
    }

    /// The value of a row. O(log n) with sixteen children a node: five loads at a million rows.
    #[inline]
    pub(crate) fn get(&self, row: RowId) -> Option<&T> {
        if row.0 < self.first || row.0 >= self.next {
            return None;
        }
        self.leaf(row.0)?.slots[(row.0 & MASK) as usize].get()
    }

    /// Appends a value and returns its row id. O(1) but for every sixteenth row, which files the full tail.
    pub(crate) fn push(&mut self, value: T) -> RowId {
        let row = self.next;
        let at = self.tail_len();
        if let Err(value) = self.tail.slots[at].set(value) {
            let leaf = self.tail.copy(at, None);
            // The slot is empty in the copy, so this cannot fail.
            let _ = leaf.slots[at].set(value);
            self.tail = Arc::new(leaf);
        }
        self.next += 1;
        self.len += 1;
        if at + 1 == WIDTH {
            let full = std::mem::replace(&mut self.tail, Arc::new(Leaf::empty()));
            self.file(row & !MASK, full);
        }
        RowId(row)
    }

    /// Hangs a full leaf into the trie.
    fn file(&mut self, start: u64, leaf: Arc<Leaf<T>>) {
        let count = leaf.count(WIDTH);
        if count == 0 {
            return;
        }
        while start >> (BITS * (self.height + 1)) != 0 {
            if let Some(root) = self.root.take() {
                let mut children = [const { None }; WIDTH];
                let count = root.count();
                children[0] = Some(root);
                self.root = Some(Node::Inner(Arc::new(Inner { count, children })));
            }
            self.height += 1;
        }
        put(&mut self.root, start, BITS * self.height, leaf, count);
    }

    /// Puts a value in the place of a row that is there; returns the old one. O(log n), copies one node a level.
    pub(crate) fn replace(&mut self, row: RowId, value: T) -> Option<T> {
        self.change(row, Some(value))
    }

    /// Removes a row and returns its value. O(log n), copies one node a level; the first row goes without a copy but for every
    /// sixteenth, with which a leaf goes, and is held until then.
    pub(crate) fn remove(&mut self, row: RowId) -> Option<T> {
        if self.first_row() == Some(row) {
            return self.remove_first(row);
        }
        let old = self.change(row, None)?;
        self.len -= 1;
        Some(old)
    }

    fn first_row(&self) -> Option<RowId> {
        let mut first = None;
        let _ = self.visit(RowId(0), &mut |row, _| {
            first = Some(row);
            ControlFlow::Break(())
        });
        first
    }

    fn remove_first(&mut self, row: RowId) -> Option<T> {
        let old = self.get(row)?.clone();
        self.first = row.0 + 1;
        self.len -= 1;
        if self.len == 0 {
            self.root = None;
            self.tail = Arc::new(Leaf::empty());
        } else if row.0 < self.tail_start()
            && self.leaf(row.0).is_some_and(|leaf| leaf.is_empty_from(self.first_slot(row.0 & !MASK)))
            && let Some(root) = &mut self.root
        {
            root.take_leaf(row.0, BITS * self.height);
            if matches!(root, Node::Leaf(_)) || root.count() == 0 {
                self.root = None;
            }
        }
        Some(old)
    }

    fn change(&mut self, row: RowId, value: Option<T>) -> Option<T> {
        let old = self.get(row)?.clone();
        if row.0 >= self.tail_start() {
            let len = self.tail_len();
            change_leaf(&mut self.tail, len, (row.0 & MASK) as usize, value);
        } else if let Some(root) = &mut self.root
            && !root.change(row.0, BITS * self.height, value)
        {
            self.root = None;
        }
        Some(old)
    }

    /// Calls `visit` with the rows from `from` on, in order, until it breaks. O(log n + visited).
    pub(crate) fn visit(
        &self,
        from: RowId,
        visit: &mut impl FnMut(RowId, &T) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.leaves(from, &mut |start, slots| {
            (start..).zip(slots).try_for_each(|(row, slot)| match slot.get() {
                Some(value) => visit(RowId(row), value),
                None => ControlFlow::Continue(()),
            })
        })
    }

    /// The same leaf by leaf: a call for some neighbouring rows instead of one for each row.
    pub(crate) fn visit_leaves<'a>(
        &'a self,
        from: RowId,
        visit: &mut impl FnMut(Slots<'a, T>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.leaves(from, &mut |_, slots| visit(Slots(slots)))
    }

    /// Calls `visit` with the leaves from `from` on: the row id of the first slot, and the slots.
    fn leaves<'a>(
        &'a self,
        from: RowId,
        visit: &mut impl FnMut(u64, &'a [OnceLock<T>]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let from = from.0.max(self.first);
        if let Some(root) = &self.root {
            root.leaves(0, BITS * self.height, from, visit)?;
        }
        let (start, len) = (self.tail_start(), self.tail_len());
        let skip = from.saturating_sub(start).min(len as u64) as usize;
        visit(start + skip as u64, &self.tail.slots[skip..len])
    }

    /// Calls `visit` with the rows below `end` from the last to the first, until it breaks. O(log n + visited).
    pub(crate) fn visit_rev(
        &self,
        end: RowId,
        visit: &mut impl FnMut(RowId, &T) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let start = self.tail_start();
        let len = (self.tail_len() as u64).min(end.0.saturating_sub(start)) as usize;
        for at in (self.first_slot(start)..len).rev() {
            if let Some(value) = self.tail.slots[at].get() {
                visit(RowId(start + at as u64), value)?;
            }
        }
        match &self.root {
            Some(root) => root.visit_rev(0, BITS * self.height, self.first, end.0, visit),
            None => ControlFlow::Continue(()),
        }
    }

    /// The row that has `skip` rows before it. O(log n).
    pub(crate) fn nth(&self, mut skip: usize) -> Option<RowId> {
        if let Some(root) = &self.root {
            let gone = self.held_below_first();
            let count = root.count() - gone;
            if skip < count {
                return root.nth(0, BITS * self.height, skip + gone);
            }
            skip -= count;
        }
        let start = self.tail_start();
        (self.first_slot(start)..self.tail_len())
            .filter(|at| self.tail.slots[*at].get().is_some())
            .nth(skip)
            .map(|at| RowId(start + at as u64))
    }
}

#[path = "diff.rs"]
mod diff;
#[path = "rows/node.rs"]
mod node;

#[cfg(test)]
#[path = "tests/rows.rs"]
mod tests;
