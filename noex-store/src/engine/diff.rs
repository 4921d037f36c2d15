//! What differs between two versions of a record table: found by walking both, and passing over all that they share.

use std::ops::Range;
use std::sync::Arc;

use super::{BITS, Counted, Leaf, MASK, Node, RowId, Rows, WIDTH};

/// A subtree with its height in levels above the leaves.
type Tree<'a, T> = Option<(&'a Node<T>, u32)>;

type Visit<'v, 'a, T> = &'v mut dyn FnMut(RowId, Option<&'a T>, Option<&'a T>);

impl<T: Counted> Rows<T> {
    /// Calls `visit` with the rows whose slots are not shared with `newer`, a later version of this table: with the value
    /// here and the value there. Equal values may be among them. O(changed leaves × log n).
    pub(crate) fn diff<'a>(&'a self, newer: &'a Self, visit: Visit<'_, 'a, T>) {
        let mut walk = Walk { old: self, new: newer, tail_seen: false };
        let tree = |rows: &'a Self| rows.root.as_ref().map(|node| (node, rows.height));
        if self.root.is_some() || newer.root.is_some() {
            walk.nodes(tree(self), tree(newer), 0, visit);
        }
        // The two tails, where the walk through the tries did not meet them.
        if self.tail_start() == newer.tail_start() {
            slots(self.tail_start(), Some(self.tail_side()), Some(newer.tail_side()), visit);
        } else {
            if !walk.tail_seen {
                slots(self.tail_start(), Some(self.tail_side()), None, visit);
            }
            slots(newer.tail_start(), None, Some(newer.tail_side()), visit);
        }
    }

    fn tail_side(&self) -> Side<'_, T> {
        (&self.tail, self.first_slot(self.tail_start())..self.tail_len())
    }
}

/// A leaf, and which of its slots are of the version.
type Side<'a, T> = (&'a Leaf<T>, Range<usize>);

struct Walk<'a, T> {
    old: &'a Rows<T>,
    new: &'a Rows<T>,
    /// Whether the leaf that was the old table's tail was met in the new table's trie.
    tail_seen: bool,
}

impl<'a, T: Counted> Walk<'a, T> {
    fn nodes(&mut self, old: Tree<'a, T>, new: Tree<'a, T>, start: u64, visit: Visit<'_, 'a, T>) {
        if let (Some((a, x)), Some((b, y))) = (old, new)
            && x == y
            && same(a, b)
            && !self.first_rows_went(start, x)
        {
            return;
        }
        let height = |tree: Tree<'a, T>| tree.map_or(0, |(_, height)| height);
        let top = height(old).max(height(new));
        if top == 0 {
            return self.leaf(leaf(old), leaf(new), start, visit);
        }
        for at in 0..WIDTH {
            let child = |tree: Tree<'a, T>| match tree? {
                (Node::Inner(inner), height) if height == top => {
                    inner.children[at].as_ref().map(|child| (child, height - 1))
                }
                // The lower of two trees stands where the first child of the higher one does.
                lower => (at == 0).then_some(lower),
            };
            let (old, new) = (child(old), child(new));
            if old.is_some() || new.is_some() {
                self.nodes(old, new, start + ((at as u64) << (BITS * top)), visit);
            }
        }
    }

    /// Whether rows of a subtree that both versions share were the first ones of the old version, and are the new one's no more.
    fn first_rows_went(&self, start: u64, height: u32) -> bool {
        let (old, new) = (self.old.first, self.new.first);
        old < new && start < new && (new - 1 - start) >> (BITS * (height + 1)) == 0
    }

    fn leaf(
        &mut self,
        old: Option<&'a Leaf<T>>,
        new: Option<&'a Leaf<T>>,
        start: u64,
        visit: Visit<'_, 'a, T>,
    ) {
        let mut old = old.map(|leaf| (leaf, self.old.first_slot(start)..WIDTH));
        if !self.tail_seen && start >= self.old.tail_start() && start < self.new.tail_start() {
            self.tail_seen = true;
            let tail = Some(self.old.tail_side());
            if start == self.old.tail_start() {
                // The old tail has been filed since.
                old = tail;
            } else {
                // And nothing is left of it.
                slots(self.old.tail_start(), tail, None, visit);
            }
        }
        slots(start, old, new.map(|leaf| (leaf, self.new.first_slot(start)..WIDTH)), visit);
    }
}

fn same<T>(a: &Node<T>, b: &Node<T>) -> bool {
    match (a, b) {
        (Node::Leaf(a), Node::Leaf(b)) => Arc::ptr_eq(a, b),
        (Node::Inner(a), Node::Inner(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

fn leaf<T>(tree: Tree<'_, T>) -> Option<&Leaf<T>> {
    match tree? {
        (Node::Leaf(leaf), _) => Some(leaf),
        (Node::Inner(_), _) => None,
    }
}

/// The slots of two leaves; if they are one, those that only one version has.
fn slots<'a, T>(start: u64, old: Option<Side<'a, T>>, new: Option<Side<'a, T>>, visit: Visit<'_, 'a, T>) {
    debug_assert_eq!(start & MASK, 0, "leaves stand at multiples of their width");
    let shared = matches!((&old, &new), (Some((old, _)), Some((new, _))) if std::ptr::eq(*old, *new));
    for at in 0..WIDTH {
        let value = |side: &Option<Side<'a, T>>| {
            let (leaf, slots) = side.as_ref()?;
            if slots.contains(&at) { leaf.slots[at].get() } else { None }
        };
        let (old, new) = (value(&old), value(&new));
        if shared && old.is_some() == new.is_some() {
            continue;
        }
        if old.is_some() || new.is_some() {
            visit(RowId(start + at as u64), old, new);
        }
    }
}

#[cfg(test)]
#[path = "tests/diff.rs"]
mod tests;
