//! A persistent ordered set that counts: a B+tree whose inner nodes know how many entries lie below each child.
//!
//! Nodes are shared between snapshots and copied on the way down when they are (path copying); a node that nobody else
//! holds is changed in place. The counts turn every range into two ranks, so that a range is counted, skipped into and
//! cut in O(log n), whatever it holds. Entries should be small and cheap to clone: a copied leaf clones all of its own.
//!
//! Source of the counts: order-statistic trees (Cormen et al., *Introduction to Algorithms*, ch. 14), on a B+tree
//! (Comer, *The Ubiquitous B-Tree*, 1979).

#[path = "tree/extend.rs"]
mod extend;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use arrayvec::ArrayVec;

use super::counted::{Counted, fetch};

/// Entries of a leaf. A copied leaf is plain bytes; between 24 and 60 the whole insert showed no difference beyond noise.
const LEAF: usize = 32;
/// Children of an inner node. Each copied child costs an atomic increment in another cache line, and later a decrement, so
/// this is smaller.
const FAN: usize = 16;

/// The set; cloning it is O(1) and gives an independent snapshot.
pub(crate) struct Tree<E> {
    root: Child<E>,
}

enum Child<E> {
    Leaf(Arc<Leaf<E>>),
    Inner(Arc<Inner<E>>),
}

struct Leaf<E> {
    entries: ArrayVec<E, LEAF>,
}

struct Inner<E> {
    /// Invariant: `firsts[i]` is at most the first entry of `children[i]`, and greater than all of `children[i - 1]`.
    firsts: ArrayVec<E, FAN>,
    /// Invariant: `counts[i]` is the number of entries below `children[i]`, at least 1.
    counts: ArrayVec<usize, FAN>,
    children: ArrayVec<Child<E>, FAN>,
}

impl<E> Clone for Tree<E> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone() }
    }
}

impl<E> Clone for Child<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(leaf) => Self::Leaf(Arc::clone(leaf)),
            Self::Inner(inner) => Self::Inner(Arc::clone(inner)),
        }
    }
}

impl<E: Clone> Clone for Leaf<E> {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone() }
    }
}

impl<E: Clone> Clone for Inner<E> {
    fn clone(&self) -> Self {
        fetch(self.children.iter().map(Child::count_of));
        Self { firsts: self.firsts.clone(), counts: self.counts.clone(), children: self.children.clone() }
    }
}

impl<E> Child<E> {
    fn count_of(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.count_of(),
            Self::Inner(inner) => inner.count_of(),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.entries.len(),
            Self::Inner(inner) => inner.counts.iter().sum(),
        }
    }
}

impl<E: Ord + Clone> Default for Tree<E> {
    fn default() -> Self {
        Self { root: Child::default() }
    }
}

impl<E: Ord + Clone> Tree<E> {
    /// A set of entries that ascend and differ. O(n). Its nodes have some room left for what comes later.
    pub(crate) fn from_sorted(entries: Vec<E>) -> Self {
        let mut entries = entries.into_iter();
        let mut level: Vec<Child<E>> = Vec::with_capacity(entries.len() / (LEAF * 7 / 8) + 1);
        while entries.len() > 0 {
            let entries = entries.by_ref().take(LEAF * 7 / 8).collect();
            level.push(Child::Leaf(Arc::new(Leaf { entries })));
        }
        while level.len() > 1 {
            let mut nodes = level.into_iter();
            level = Vec::with_capacity(nodes.len() / (FAN * 7 / 8) + 1);
            while nodes.len() > 0 {
                let mut inner = Inner::default();
                nodes.by_ref().take(FAN * 7 / 8).for_each(|node| inner.push(node));
                level.push(Child::Inner(Arc::new(inner)));
            }
        }
        level.pop().map_or_else(Self::default, |root| Self { root })
    }

    /// The number of entries. O(1).
    pub(crate) fn len(&self) -> usize {
        self.root.count()
    }

    /// Adds an entry; `false` if an equal one is there. O(log n); copies one node a level if they are shared.
    pub(crate) fn insert(&mut self, entry: E) -> bool {
        match insert(&mut self.root, entry, true) {
            Inserted::Present => false,
            Inserted::Added(None) => true,
            Inserted::Added(Some(right)) => {
                let left = std::mem::replace(&mut self.root, right);
                let right = std::mem::take(&mut self.root);
                let mut inner = Inner::default();
                inner.push(left);
                inner.push(right);
                self.root = Child::Inner(Arc::new(inner));
                true
            }
        }
    }

    /// Removes an entry; `false` if no equal one is there. O(log n); copies as [`Tree::insert`] does.
    pub(crate) fn remove(&mut self, entry: &E) -> bool {
        if !remove(&mut self.root, entry) {
            return false;
        }
        while let Child::Inner(inner) = &self.root {
            match inner.children.as_slice() {
                [] => self.root = Child::default(),
                [only] => self.root = only.clone(),
                _ => break,
            }
        }
        true
    }

    /// The number of entries at the front for which `before` holds; it must hold for a prefix of the order. O(log n).
    pub(crate) fn rank(&self, mut before: impl FnMut(&E) -> bool) -> usize {
        let mut node = &self.root;
        let mut rank = 0;
        loop {
            match node {
                Child::Leaf(leaf) => return rank + leaf.entries.partition_point(&mut before),
                Child::Inner(inner) => {
                    // The child before the first one that does not start "before" holds the border.
                    let at = inner.firsts.partition_point(&mut before).saturating_sub(1);
                    rank += inner.counts[..at].iter().sum::<usize>();
                    node = &inner.children[at];
                }
            }
        }
    }

    /// The entry at a rank. O(log n).
    pub(crate) fn at(&self, mut rank: usize) -> Option<&E> {
        let mut node = &self.root;
        loop {
            match node {
                Child::Leaf(leaf) => return leaf.entries.get(rank),
                Child::Inner(inner) => {
                    let mut at = 0;
                    while at + 1 < inner.counts.len() && rank >= inner.counts[at] {
                        rank -= inner.counts[at];
                        at += 1;
                    }
                    node = inner.children.get(at)?;
                }
            }
        }
    }

    /// Calls `visit` with the entries of a range of ranks in order, until it breaks. O(log n + visited).
    pub(crate) fn visit(
        &self,
        ranks: Range<usize>,
        visit: &mut impl FnMut(&E) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        visit_child(&self.root, ranks, visit)
    }

    /// Calls `visit` with the entries of a range of ranks from its end, until it breaks. O(log n + visited).
    pub(crate) fn visit_rev(
        &self,
        ranks: Range<usize>,
        visit: &mut impl FnMut(&E) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        visit_child_rev(&self.root, ranks, visit)
    }
}

enum Inserted<E> {
    Present,
    /// Holds the new right sibling if the node was split.
    Added(Option<Child<E>>),
}

impl<E> Default for Inner<E> {
    fn default() -> Self {
        Self { firsts: ArrayVec::new(), counts: ArrayVec::new(), children: ArrayVec::new() }
    }
}

impl<E> Default for Child<E> {
    fn default() -> Self {
        Self::Leaf(Arc::new(Leaf { entries: ArrayVec::new() }))
    }
}

impl<E: Clone> Inner<E> {
    fn first_of(child: &Child<E>) -> Option<E> {
        match child {
            Child::Leaf(leaf) => leaf.entries.first().cloned(),
            Child::Inner(inner) => inner.firsts.first().cloned(),
        }
    }

    fn push(&mut self, child: Child<E>) {
        let at = self.children.len();
        self.put(at, child);
    }

    fn put(&mut self, at: usize, child: Child<E>) {
        if let Some(first) = Self::first_of(&child) {
            self.firsts.insert(at, first);
            self.counts.insert(at, child.count());
            self.children.insert(at, child);
        }
    }

    fn take(&mut self, at: usize) -> Child<E> {
        self.firsts.remove(at);
        self.counts.remove(at);
        self.children.remove(at)
    }

    /// Moves the children from `at` on into a new node.
    fn split_off(&mut self, at: usize) -> Self {
        Self {
            firsts: self.firsts.drain(at..).collect(),
            counts: self.counts.drain(at..).collect(),
            children: self.children.drain(at..).collect(),
        }
    }
}

/// `last`: the node is at the right edge. There a split leaves the left part full, because entries that only grow (times,
/// counters) would otherwise leave every node half empty.
fn insert<E: Ord + Clone>(node: &mut Child<E>, entry: E, last: bool) -> Inserted<E> {
    match node {
        Child::Leaf(shared) => {
            let Err(at) = shared.entries.binary_search(&entry) else { return Inserted::Present };
            let leaf = Arc::make_mut(shared);
            if leaf.entries.len() < LEAF {
                leaf.entries.insert(at, entry);
                return Inserted::Added(None);
            }
            let cut = if last && at == LEAF { LEAF } else { LEAF / 2 };
            let mut right: ArrayVec<E, LEAF> = leaf.entries.drain(cut..).collect();
            if at > cut || cut == LEAF {
                right.insert(at - cut, entry);
            } else {
                leaf.entries.insert(at, entry);
            }
            Inserted::Added(Some(Child::Leaf(Arc::new(Leaf { entries: right }))))
        }
        Child::Inner(shared) => {
            let at = shared.firsts.partition_point(|first| *first <= entry).saturating_sub(1);
            let inner = Arc::make_mut(shared);
            let lowest = entry < inner.firsts[at];
            let first = lowest.then(|| entry.clone());
            let last_child = last && at + 1 == inner.children.len();
            let split = match insert(&mut inner.children[at], entry, last_child) {
                Inserted::Present => return Inserted::Present,
                Inserted::Added(split) => split,
            };
            if let Some(first) = first {
                inner.firsts[at] = first;
            }
            let Some(right) = split else {
                inner.counts[at] += 1;
                return Inserted::Added(None);
            };
            inner.counts[at] = inner.children[at].count();
            if inner.children.len() < FAN {
                inner.put(at + 1, right);
                return Inserted::Added(None);
            }
            let cut = if last && at + 1 == FAN { FAN } else { FAN / 2 };
            let mut sibling = inner.split_off(cut);
            if at + 1 > cut || cut == FAN {
                sibling.put(at + 1 - cut, right);
            } else {
                inner.put(at + 1, right);
            }
            Inserted::Added(Some(Child::Inner(Arc::new(sibling))))
        }
    }
}

fn remove<E: Ord + Clone>(node: &mut Child<E>, entry: &E) -> bool {
    match node {
        Child::Leaf(shared) => {
            let Ok(at) = shared.entries.binary_search(entry) else { return false };
            Arc::make_mut(shared).entries.remove(at);
            true
        }
        Child::Inner(shared) => {
            let at = shared.firsts.partition_point(|first| first <= entry).saturating_sub(1);
            let inner = Arc::make_mut(shared);
            if !remove(&mut inner.children[at], entry) {
                return false;
            }
            inner.counts[at] -= 1;
            if inner.counts[at] == 0 {
                drop(inner.take(at));
            } else {
                merge_small(inner, at);
            }
            true
        }
    }
}

/// Joins a child that has become small with a neighbour when both fit well into one node; so that nodes stay at least a
/// quarter full on average and an emptied tree shrinks.
fn merge_small<E: Ord + Clone>(inner: &mut Inner<E>, at: usize) {
    let small = match &inner.children[at] {
        Child::Leaf(leaf) => leaf.entries.len() < LEAF / 4,
        Child::Inner(child) => child.children.len() < FAN / 4,
    };
    if !small {
        return;
    }
    let fits = |left: &usize| match (inner.children.get(*left), inner.children.get(*left + 1)) {
        (Some(Child::Leaf(a)), Some(Child::Leaf(b))) => a.entries.len() + b.entries.len() <= LEAF * 3 / 4,
        (Some(Child::Inner(a)), Some(Child::Inner(b))) => a.children.len() + b.children.len() <= FAN * 3 / 4,
        _ => false,
    };
    // Both neighbours are tried: removals that go forwards leave small nodes behind them, and full ones before them.
    let Some(left) = [at, at.saturating_sub(1)].into_iter().find(fits) else { return };
    let right = inner.take(left + 1);
    match (&mut inner.children[left], right) {
        (Child::Leaf(into), Child::Leaf(from)) => {
            Arc::make_mut(into).entries.extend(from.entries.iter().cloned());
        }
        (Child::Inner(into), Child::Inner(from)) => {
            let into = Arc::make_mut(into);
            into.firsts.extend(from.firsts.iter().cloned());
            into.counts.extend(from.counts.iter().copied());
            into.children.extend(from.children.iter().cloned());
        }
        _ => {}
    }
    inner.counts[left] = inner.children[left].count();
}

fn visit_child<E>(
    node: &Child<E>,
    ranks: Range<usize>,
    visit: &mut impl FnMut(&E) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match node {
        Child::Leaf(leaf) => {
            let end = ranks.end.min(leaf.entries.len());
            for entry in &leaf.entries[ranks.start.min(end)..end] {
                visit(entry)?;
            }
        }
        Child::Inner(inner) => {
            let mut start = 0;
            for (child, count) in inner.children.iter().zip(&inner.counts) {
                if start >= ranks.end {
                    break;
                }
                if start + count > ranks.start {
                    visit_child(child, ranks.start.saturating_sub(start)..ranks.end - start, visit)?;
                }
                start += count;
            }
        }
    }
    ControlFlow::Continue(())
}

fn visit_child_rev<E>(
    node: &Child<E>,
    ranks: Range<usize>,
    visit: &mut impl FnMut(&E) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match node {
        Child::Leaf(leaf) => {
            let end = ranks.end.min(leaf.entries.len());
            for entry in leaf.entries[ranks.start.min(end)..end].iter().rev() {
                visit(entry)?;
            }
        }
        Child::Inner(inner) => {
            let mut end: usize = inner.counts.iter().sum();
            for (child, count) in inner.children.iter().zip(&inner.counts).rev() {
                let start = end - count;
                if end <= ranks.start {
                    break;
                }
                if start < ranks.end {
                    visit_child_rev(child, ranks.start.saturating_sub(start)..ranks.end - start, visit)?;
                }
                end = start;
            }
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
#[path = "tests/tree.rs"]
mod tests;
