//! A persistent hash index: from a 64-bit hash to the rows that have it.
//!
//! A radix trie over the hash, sixteen children a node, with leaves that are exact arrays of plain `(hash, row)` pairs:
//! copying a leaf is one `memcpy` and touches no reference counts. The index holds no keys: who asks compares the rows'
//! records. Source of the shape: hash array mapped tries (Bagwell, *Ideal Hash Trees*, 2001), with buckets as leaves.

use std::sync::Arc;

use super::RowId;

const BITS: u32 = 4;
const FAN: usize = 1 << BITS;
/// A leaf that would grow beyond this is split; equal hashes stay together, whatever their number.
const LEAF: usize = 24;
/// An inner node with at most this many entries below it becomes a leaf again.
const MERGE: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slot {
    hash: u64,
    row: RowId,
}

/// The index; cloning it is O(1) and gives an independent snapshot.
#[derive(Clone, Default)]
pub(crate) struct HashTrie {
    root: Node,
}

#[derive(Clone, Default)]
enum Node {
    #[default]
    Empty,
    Leaf(Arc<[Slot]>),
    Inner(Arc<Inner>),
}

#[derive(Clone)]
struct Inner {
    /// Invariant: the number of entries below.
    count: usize,
    children: [Node; FAN],
}

impl HashTrie {
    /// Calls `wanted` with the rows of a hash until it says yes, and returns that row. O(log n) steps of one load each.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut wanted: impl FnMut(RowId) -> bool) -> Option<RowId> {
        let mut node = &self.root;
        let mut rest = hash;
        loop {
            match node {
                Node::Empty => return None,
                Node::Leaf(slots) => {
                    return slots
                        .iter()
                        .find(|slot| slot.hash == hash && wanted(slot.row))
                        .map(|slot| slot.row);
                }
                Node::Inner(inner) => {
                    node = &inner.children[(rest as usize) & (FAN - 1)];
                    rest >>= BITS;
                }
            }
        }
    }

    /// Adds a row. The caller has made sure that the pair is not there. O(log n); copies one node a level if shared.
    pub(crate) fn insert(&mut self, hash: u64, row: RowId) {
        self.root.insert(Slot { hash, row }, 0);
    }

    /// Removes a row; `false` if the pair was not there. O(log n); copies one node a level if shared.
    pub(crate) fn remove(&mut self, hash: u64, row: RowId) -> bool {
        self.root.remove(Slot { hash, row }, 0)
    }

    /// Calls `visit` with every pair, in no order.
    #[cfg(test)]
    pub(crate) fn for_each(&self, visit: &mut impl FnMut(u64, RowId)) {
        self.root.for_each(&mut |slot| visit(slot.hash, slot.row));
    }
}

impl Node {
    fn insert(&mut self, slot: Slot, shift: u32) {
        match self {
            Self::Empty => *self = Self::Leaf(Arc::new([slot])),
            Self::Leaf(slots) if slots.len() < LEAF || shift >= u64::BITS => {
                *slots = slots.iter().copied().chain(std::iter::once(slot)).collect::<Vec<_>>().into();
            }
            Self::Leaf(slots) => {
                let inner = Inner::split(slots.iter().copied().chain(std::iter::once(slot)), shift);
                *self = Self::Inner(Arc::new(inner));
            }
            Self::Inner(inner) => {
                let inner = Arc::make_mut(inner);
                inner.count += 1;
                inner.children[child_of(slot.hash, shift)].insert(slot, shift + BITS);
            }
        }
    }

    fn remove(&mut self, slot: Slot, shift: u32) -> bool {
        match self {
            Self::Empty => false,
            Self::Leaf(slots) => {
                if !slots.contains(&slot) {
                    return false;
                }
                *self = if slots.len() == 1 {
                    Self::Empty
                } else {
                    Self::Leaf(slots.iter().copied().filter(|other| *other != slot).collect())
                };
                true
            }
            Self::Inner(inner) => {
                let inner = Arc::make_mut(inner);
                if !inner.children[child_of(slot.hash, shift)].remove(slot, shift + BITS) {
                    return false;
                }
                inner.count -= 1;
                if inner.count <= MERGE {
                    let mut slots = Vec::with_capacity(inner.count);
                    for child in &inner.children {
                        child.for_each(&mut |slot| slots.push(slot));
                    }
                    *self = Self::Leaf(slots.into());
                }
                true
            }
        }
    }

    fn for_each(&self, visit: &mut impl FnMut(Slot)) {
        match self {
            Self::Empty => {}
            Self::Leaf(slots) => slots.iter().for_each(|slot| visit(*slot)),
            Self::Inner(inner) => inner.children.iter().for_each(|child| child.for_each(visit)),
        }
    }
}

impl Inner {
    fn split(slots: impl Iterator<Item = Slot>, shift: u32) -> Self {
        let mut parts: [Vec<Slot>; FAN] = Default::default();
        let mut count = 0;
        for slot in slots {
            parts[child_of(slot.hash, shift)].push(slot);
            count += 1;
        }
        let children = parts.map(|part| match part.len() {
            0 => Node::Empty,
            // All in one child: split further, as far as the hash goes.
            len if len > LEAF && shift + BITS < u64::BITS => {
                Node::Inner(Arc::new(Self::split(part.into_iter(), shift + BITS)))
            }
            _ => Node::Leaf(part.into()),
        });
        Self { count, children }
    }
}

fn child_of(hash: u64, shift: u32) -> usize {
    ((hash >> shift) as usize) & (FAN - 1)
}
