//! The nodes of the radix trie.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use super::{Counted, RowId, fetch};

pub(super) const BITS: u32 = 4;
pub(super) const WIDTH: usize = 1 << BITS;
pub(super) const MASK: u64 = WIDTH as u64 - 1;

pub(super) enum Node<T> {
    Leaf(Arc<Leaf<T>>),
    Inner(Arc<Inner<T>>),
}

pub(super) struct Inner<T> {
    /// Rows below.
    pub(super) count: usize,
    pub(super) children: [Option<Node<T>>; WIDTH],
}

pub(super) struct Leaf<T> {
    pub(super) slots: [OnceLock<T>; WIDTH],
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(leaf) => Self::Leaf(Arc::clone(leaf)),
            Self::Inner(inner) => Self::Inner(Arc::clone(inner)),
        }
    }
}

impl<T> Node<T> {
    pub(super) fn count_of(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.count_of(),
            Self::Inner(inner) => inner.count_of(),
        }
    }
}

impl<T> Clone for Inner<T> {
    fn clone(&self) -> Self {
        fetch(self.children.iter().flatten().map(Node::count_of));
        Self { count: self.count, children: self.children.clone() }
    }
}

impl<T: Counted> Leaf<T> {
    pub(super) fn empty() -> Self {
        Self { slots: std::array::from_fn(|_| OnceLock::new()) }
    }

    /// A copy of the first `len` slots without the one at `hole`.
    pub(super) fn copy(&self, len: usize, hole: Option<usize>) -> Self {
        fetch(self.slots[..len].iter().filter_map(OnceLock::get).map(Counted::count_of));
        Self {
            slots: std::array::from_fn(|at| match self.slots[at].get() {
                Some(value) if at < len && Some(at) != hole => OnceLock::from(value.clone()),
                _ => OnceLock::new(),
            }),
        }
    }

    pub(super) fn count(&self, len: usize) -> usize {
        self.slots[..len].iter().filter(|slot| slot.get().is_some()).count()
    }

    /// Whether no slot from one on has a value.
    pub(super) fn is_empty_from(&self, at: usize) -> bool {
        self.slots[at..].iter().all(|slot| slot.get().is_none())
    }
}

/// Changes a slot in place if nobody shares the leaf, in a copy otherwise.
pub(super) fn change_leaf<T: Counted>(leaf: &mut Arc<Leaf<T>>, len: usize, at: usize, value: Option<T>) {
    if Arc::get_mut(leaf).is_none() {
        *leaf = Arc::new(leaf.copy(len, Some(at)));
    }
    if let Some(own) = Arc::get_mut(leaf) {
        own.slots[at] = value.map_or_else(OnceLock::new, OnceLock::from);
    }
}

pub(super) fn put<T: Counted>(
    slot: &mut Option<Node<T>>,
    start: u64,
    shift: u32,
    leaf: Arc<Leaf<T>>,
    rows: usize,
) {
    if shift == 0 {
        *slot = Some(Node::Leaf(leaf));
        return;
    }
    let node = slot
        .get_or_insert_with(|| Node::Inner(Arc::new(Inner { count: 0, children: [const { None }; WIDTH] })));
    if let Node::Inner(inner) = node {
        let inner = Arc::make_mut(inner);
        inner.count += rows;
        put(&mut inner.children[((start >> shift) & MASK) as usize], start, shift - BITS, leaf, rows);
    }
}

impl<T: Counted> Node<T> {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.count(WIDTH),
            Self::Inner(inner) => inner.count,
        }
    }

    /// Changes a row that is there; `false` if nothing is left below.
    pub(super) fn change(&mut self, row: u64, shift: u32, value: Option<T>) -> bool {
        match self {
            Self::Leaf(leaf) => {
                let removed = value.is_none();
                change_leaf(leaf, WIDTH, (row & MASK) as usize, value);
                !removed || leaf.count(WIDTH) > 0
            }
            Self::Inner(inner) => {
                let inner = Arc::make_mut(inner);
                if value.is_none() {
                    inner.count -= 1;
                }
                let child = &mut inner.children[((row >> shift) & MASK) as usize];
                if let Some(node) = child
                    && !node.change(row, shift - BITS, value)
                {
                    *child = None;
                }
                inner.count > 0
            }
        }
    }

    /// Takes out the leaf in which a row stands, unless it is this node; how many rows it held.
    pub(super) fn take_leaf(&mut self, row: u64, shift: u32) -> usize {
        let inner = match self {
            Self::Leaf(leaf) => return leaf.count(WIDTH),
            Self::Inner(inner) => Arc::make_mut(inner),
        };
        let child = &mut inner.children[((row >> shift) & MASK) as usize];
        let Some(node) = child else { return 0 };
        let held = node.take_leaf(row, shift - BITS);
        inner.count -= held;
        if matches!(node, Self::Leaf(_)) || node.count() == 0 {
            *child = None;
        }
        held
    }

    pub(super) fn leaves<'a>(
        &'a self,
        start: u64,
        shift: u32,
        from: u64,
        visit: &mut impl FnMut(u64, &'a [OnceLock<T>]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self {
            Self::Leaf(leaf) => {
                let skip = from.saturating_sub(start).min(WIDTH as u64);
                visit(start + skip, &leaf.slots[skip as usize..])?;
            }
            Self::Inner(inner) => {
                let skip = (from.saturating_sub(start) >> shift).min(WIDTH as u64) as usize;
                for (at, child) in inner.children.iter().enumerate().skip(skip) {
                    if let Some(child) = child {
                        child.leaves(start + ((at as u64) << shift), shift - BITS, from, visit)?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    pub(super) fn visit_rev(
        &self,
        start: u64,
        shift: u32,
        first: u64,
        end: u64,
        visit: &mut impl FnMut(RowId, &T) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self {
            Self::Leaf(leaf) => {
                let take = end.saturating_sub(start).min(WIDTH as u64) as usize;
                let skip = first.saturating_sub(start).min(take as u64) as usize;
                for (at, slot) in leaf.slots[..take].iter().enumerate().skip(skip).rev() {
                    if let Some(value) = slot.get() {
                        visit(RowId(start + at as u64), value)?;
                    }
                }
            }
            Self::Inner(inner) => {
                for (at, child) in inner.children.iter().enumerate().rev() {
                    let child_start = start + ((at as u64) << shift);
                    if let Some(child) = child
                        && child_start < end
                    {
                        child.visit_rev(child_start, shift - BITS, first, end, visit)?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    pub(super) fn nth(&self, start: u64, shift: u32, mut skip: usize) -> Option<RowId> {
        match self {
            Self::Leaf(leaf) => leaf
                .slots
                .iter()
                .enumerate()
                .filter(|(_, slot)| slot.get().is_some())
                .nth(skip)
                .map(|(at, _)| RowId(start + at as u64)),
            Self::Inner(inner) => {
                for (at, child) in inner.children.iter().enumerate() {
                    let Some(child) = child else { continue };
                    let count = child.count();
                    if skip < count {
                        return child.nth(start + ((at as u64) << shift), shift - BITS, skip);
                    }
                    skip -= count;
                }
                None
            }
        }
    }
}
