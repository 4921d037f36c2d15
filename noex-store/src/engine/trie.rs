//! A persistent hash index: from a 64-bit hash to the values that have it.
//!
//! A radix trie over the hash, up to `2^BITS` children a node, with leaves that are exact arrays of `(hash, value)` pairs. A
//! leaf stands for all children of its node at first, and for half as many each time it is split; a node has as many
//! children as its leaves need. So leaves and nodes are well filled whatever the number of entries. Leaves are small,
//! because a copied leaf clones its values, and a value may be a counted reference. The index holds no keys: who asks compares the
//! values.
//!
//! Sources: the trie is a hash array mapped trie (Bagwell, *Ideal Hash Trees*, 2001); a node is a directory as in
//! extendible hashing (Fagin et al., *Extendible Hashing*, 1979).

use std::sync::Arc;

/// A leaf that would grow beyond this is split; equal hashes stay together, whatever their number.
const LEAF: usize = 12;
/// Two halves of a leaf that together hold no more than this are joined again.
const JOIN: usize = 6;

#[derive(Clone)]
struct Slot<V> {
    hash: u64,
    value: V,
}

/// The index; cloning it is O(1) and gives an independent snapshot. More bits make fewer steps to a value, and more
/// reference counts that a write touches.
pub(crate) struct HashTrie<V, const BITS: u32 = 4> {
    root: Node<V>,
}

enum Node<V> {
    /// The entries of all children of the node above that agree in their lowest `bits` bits.
    Leaf { bits: u32, slots: Arc<[Slot<V>]> },
    /// Invariant: a power of two, the greatest if any of them is a node itself. A leaf stands in each place that it stands
    /// for, and not all of them are one leaf.
    Inner(Arc<[Node<V>]>),
}

impl<V, const BITS: u32> Clone for HashTrie<V, BITS> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone() }
    }
}

impl<V> Clone for Node<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf { bits, slots } => Self::Leaf { bits: *bits, slots: Arc::clone(slots) },
            Self::Inner(children) => Self::Inner(Arc::clone(children)),
        }
    }
}

impl<V, const BITS: u32> Default for HashTrie<V, BITS> {
    fn default() -> Self {
        Self { root: Node::Leaf { bits: 0, slots: Arc::default() } }
    }
}

impl<V: Clone, const BITS: u32> HashTrie<V, BITS> {
    /// The first value of a hash that is wanted. O(log n) steps of one load each.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut wanted: impl FnMut(&V) -> bool) -> Option<&V> {
        let mut node = &self.root;
        let mut rest = hash;
        loop {
            match node {
                Node::Leaf { slots, .. } => {
                    let slot = slots.iter().find(|slot| slot.hash == hash && wanted(&slot.value))?;
                    return Some(&slot.value);
                }
                Node::Inner(children) => {
                    node = &children[(rest as usize) & (children.len() - 1)];
                    rest >>= BITS;
                }
            }
        }
    }

    /// Adds a value. O(log n); copies one node a level if shared.
    pub(crate) fn insert(&mut self, hash: u64, value: V) {
        let slot = Slot { hash, value };
        match &mut self.root {
            Node::Leaf { slots, .. } if slots.len() < LEAF => *slots = with(slots, slot),
            Node::Leaf { slots, .. } => {
                let mut children = one_leaf(slots);
                insert::<V, BITS>(&mut children, slot, 0);
                self.root = Node::Inner(children);
            }
            Node::Inner(children) => insert::<V, BITS>(children, slot, 0),
        }
    }

    /// Puts another value in the place of the first one of a hash that is `old`; `false` if there is none. O(log n); copies
    /// one node a level if shared.
    pub(crate) fn replace(&mut self, hash: u64, old: impl FnMut(&V) -> bool, new: V) -> bool {
        self.change(hash, old, |slots, at| {
            let replaced = |(other, slot): (usize, &Slot<V>)| {
                if other == at { Slot { hash, value: new.clone() } } else { slot.clone() }
            };
            slots.iter().enumerate().map(replaced).collect()
        })
    }

    /// Removes the first value of a hash that is wanted; `false` if there is none. O(log n); copies one node a level if
    /// shared.
    pub(crate) fn remove(&mut self, hash: u64, wanted: impl FnMut(&V) -> bool) -> bool {
        self.change(hash, wanted, |slots, at| slots[..at].iter().chain(&slots[at + 1..]).cloned().collect())
    }

    /// Puts another leaf in the place of the one with a wanted value.
    fn change(
        &mut self,
        hash: u64,
        mut wanted: impl FnMut(&V) -> bool,
        leaf: impl FnOnce(&[Slot<V>], usize) -> Arc<[Slot<V>]>,
    ) -> bool {
        // Looked for first: nothing is copied for a value that is not there.
        let mut node = &self.root;
        let mut rest = hash;
        while let Node::Inner(children) = node {
            node = &children[(rest as usize) & (children.len() - 1)];
            rest >>= BITS;
        }
        let Node::Leaf { slots, .. } = node else { return false };
        let Some(at) = slots.iter().position(|slot| slot.hash == hash && wanted(&slot.value)) else {
            return false;
        };
        let leaf = leaf(slots, at);
        match &mut self.root {
            Node::Leaf { slots, .. } => *slots = leaf,
            Node::Inner(children) => {
                if let Some(slots) = set::<V, BITS>(children, hash, 0, leaf) {
                    self.root = Node::Leaf { bits: 0, slots };
                }
            }
        }
        true
    }

    /// Calls `visit` with every pair, in no order.
    #[cfg(test)]
    pub(crate) fn for_each(&self, visit: &mut impl FnMut(u64, &V)) {
        fn each<V>(node: &Node<V>, visit: &mut impl FnMut(u64, &V)) {
            match node {
                Node::Leaf { slots, .. } => slots.iter().for_each(|slot| visit(slot.hash, &slot.value)),
                Node::Inner(children) => {
                    for (at, child) in children.iter().enumerate() {
                        // A leaf is visited at the first of its places.
                        if !matches!(child, Node::Leaf { bits, .. } if at >> bits != 0) {
                            each(child, visit);
                        }
                    }
                }
            }
        }
        each(&self.root, visit);
    }
}

/// The place of a hash among so many children; `shift` is where the node's part of the hash starts.
fn place(hash: u64, shift: u32, children: usize) -> usize {
    ((hash >> shift) as usize) & (children - 1)
}

fn with<V: Clone>(slots: &[Slot<V>], slot: Slot<V>) -> Arc<[Slot<V>]> {
    slots.iter().cloned().chain(std::iter::once(slot)).collect()
}

/// A node all of whose entries are in one leaf. It stays so only until the leaf is split.
fn one_leaf<V>(slots: &Arc<[Slot<V>]>) -> Arc<[Node<V>]> {
    Arc::new([Node::Leaf { bits: 0, slots: Arc::clone(slots) }])
}

/// Puts a leaf in each place that it stands for: where the lowest `bits` bits are those of `at`.
fn put<V>(children: &mut [Node<V>], at: usize, bits: u32, slots: &Arc<[Slot<V>]>) {
    let first = at & ((1 << bits) - 1);
    for child in children.iter_mut().skip(first).step_by(1 << bits) {
        *child = Node::Leaf { bits, slots: Arc::clone(slots) };
    }
}

/// Adds an entry below a node.
fn insert<V: Clone, const BITS: u32>(node: &mut Arc<[Node<V>]>, slot: Slot<V>, shift: u32) {
    loop {
        let at = place(slot.hash, shift, node.len());
        let (bits, slots) = match &mut Arc::make_mut(node)[at] {
            Node::Inner(below) => return insert::<V, BITS>(below, slot, shift + BITS),
            Node::Leaf { bits, slots } => (*bits, Arc::clone(slots)),
        };
        if slots.len() < LEAF || shift + bits >= u64::BITS {
            return put(Arc::make_mut(node), at, bits, &with(&slots, slot));
        }
        if bits == BITS {
            let mut below = one_leaf(&slots);
            insert::<V, BITS>(&mut below, slot, shift + BITS);
            Arc::make_mut(node)[at] = Node::Inner(below);
            return;
        }
        if 1 << bits == node.len() {
            *node = node.iter().chain(node.iter()).cloned().collect();
        }
        let half = |upper: u64| {
            slots.iter().filter(|slot| slot.hash >> (shift + bits) & 1 == upper).cloned().collect()
        };
        let first = at & ((1 << bits) - 1);
        put(Arc::make_mut(node), first, bits + 1, &half(0));
        put(Arc::make_mut(node), first | 1 << bits, bits + 1, &half(1));
    }
}

/// Puts another leaf in the place of the one of a hash, and joins leaves that have become small. Returns the leaf if it is
/// the only one that is left in the node.
fn set<V: Clone, const BITS: u32>(
    node: &mut Arc<[Node<V>]>,
    hash: u64,
    shift: u32,
    leaf: Arc<[Slot<V>]>,
) -> Option<Arc<[Slot<V>]>> {
    let at = place(hash, shift, node.len());
    let children = Arc::make_mut(node);
    let (before, mut leaf) = match &mut children[at] {
        Node::Inner(below) => (BITS, set::<V, BITS>(below, hash, shift + BITS, leaf)?),
        Node::Leaf { bits, .. } => (*bits, leaf),
    };
    let mut bits = before;
    while let Some(higher) = bits.checked_sub(1)
        && let Node::Leaf { bits: same, slots } = &children[at ^ 1 << higher]
        && *same == bits
        && slots.len() + leaf.len() <= JOIN
    {
        leaf = leaf.iter().chain(slots.iter()).cloned().collect();
        bits = higher;
    }
    if bits == 0 {
        return Some(leaf);
    }
    put(children, at, bits, &leaf);
    if bits < before {
        let needed = children.iter().map(Node::bits::<BITS>).max().unwrap_or_default();
        if 1 << needed < children.len() {
            *node = children[..1 << needed].iter().cloned().collect();
        }
    }
    None
}

impl<V> Node<V> {
    /// How many bits of the hash tell this child from its neighbours.
    fn bits<const BITS: u32>(&self) -> u32 {
        match self {
            Self::Leaf { bits, .. } => *bits,
            Self::Inner(_) => BITS,
        }
    }
}

#[cfg(test)]
#[path = "tests/trie.rs"]
mod tests;
