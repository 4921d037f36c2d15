//! A persistent hash index: from a 64-bit hash to the values that have it.
//!
//! A radix trie over the hash, up to `2^BITS` children a node, with leaves of a fixed size. A leaf stands for all children of
//! its node at first, and for half as many each time it is split; a node has as many children as its leaves need. So leaves and
//! nodes are well filled whatever the number of entries. The index holds no keys: who asks compares the values.
//!
//! The slots of a leaf are write-once cells, so a value is added **in place**, without a copy of anything, also to a leaf that
//! snapshots share: they see it, and tell by its row id that it is not theirs. Only a full leaf is split by copying, and
//! with it the path to it. What a write added in place before it was given up is marked as dead ([`HashTrie::take_back`]).
//!
//! Sources: the trie is a hash array mapped trie (Bagwell, *Ideal Hash Trees*, 2001); a node is a directory as in
//! extendible hashing (Fagin et al., *Extendible Hashing*, 1979).

#[path = "trie/build.rs"]
pub(crate) mod build;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::counted::{Counted, fetch};

/// Slots of a leaf. A full one is split; equal hashes stay together, in a chain of leaves.
const LEAF: usize = 10;
/// Two halves of a leaf that together hold no more than this are joined again.
const JOIN: usize = 5;

/// The index; cloning it is O(1) and gives an independent snapshot, but for values that are added in place. More bits make
/// fewer steps to a value, and more reference counts that a split touches.
pub(crate) struct HashTrie<V, const BITS: u32 = 4> {
    root: Node<V>,
}

enum Node<V> {
    /// The entries of all children of the node above that agree in their lowest `bits` bits.
    Leaf { bits: u32, leaf: Arc<Leaf<V>> },
    /// Invariant: a power of two, the greatest if any of them is a node itself. A leaf stands in each place that it stands
    /// for, and not all of them are one leaf.
    Inner(Arc<[Node<V>]>),
}

/// Only the writer changes a leaf; readers may look at any time.
struct Leaf<V> {
    /// How many slots are taken.
    len: AtomicU32,
    /// A bit for each slot whose value was taken back.
    dead: AtomicU32,
    entries: [OnceLock<(u64, V)>; LEAF],
    /// More entries, where equal hashes do not fit into one leaf.
    more: Option<Arc<Leaf<V>>>,
}

impl<V, const BITS: u32> Clone for HashTrie<V, BITS> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone() }
    }
}

impl<V> Clone for Node<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf { bits, leaf } => Self::Leaf { bits: *bits, leaf: Arc::clone(leaf) },
            Self::Inner(children) => Self::Inner(Arc::clone(children)),
        }
    }
}

impl<V, const BITS: u32> Default for HashTrie<V, BITS> {
    fn default() -> Self {
        Self { root: Node::Leaf { bits: 0, leaf: Arc::new(Leaf::new(None)) } }
    }
}

impl<V> Leaf<V> {
    fn new(more: Option<Arc<Self>>) -> Self {
        Self {
            len: AtomicU32::new(0),
            dead: AtomicU32::new(0),
            entries: [const { OnceLock::new() }; LEAF],
            more,
        }
    }

    fn is_full(&self) -> bool {
        self.len.load(Ordering::Relaxed) as usize == LEAF
    }

    /// Takes the next slot; a full leaf gives the value back.
    fn add(&self, hash: u64, value: V) -> Result<(), V> {
        let at = self.len.load(Ordering::Relaxed) as usize;
        let Some(slot) = self.entries.get(at) else { return Err(value) };
        slot.set((hash, value)).map_err(|(_, value)| value)?;
        self.len.store(at as u32 + 1, Ordering::Relaxed);
        Ok(())
    }

    fn is_dead(&self, at: usize) -> bool {
        self.dead.load(Ordering::Relaxed) >> at & 1 == 1
    }

    /// The place of the first value of a hash that is wanted.
    #[inline]
    fn position(&self, hash: u64, mut wanted: impl FnMut(&V) -> bool) -> Option<(usize, &V)> {
        for (at, entry) in self.entries.iter().enumerate() {
            // Slots are filled in order.
            let (own, value) = entry.get()?;
            if *own == hash && !self.is_dead(at) && wanted(value) {
                return Some((at, value));
            }
        }
        None
    }

    /// All entries that were not taken back, those of the chain too.
    fn entries(&self) -> Entries<'_, V> {
        Entries { leaf: Some(self), at: 0 }
    }

    fn count(&self) -> usize {
        self.entries().count()
    }
}

impl<V: Counted> Leaf<V> {
    /// Loads the counts of the values, which are going to be cloned.
    fn fetch(&self) {
        fetch(self.entries().map(|(_, value)| value.count_of()));
    }
}

// What follows is compiled once more for each bucket: plain loops are a tenth of the code that chains of iterators are.

/// The entries of a leaf.
struct Entries<'a, V> {
    leaf: Option<&'a Leaf<V>>,
    at: usize,
}

impl<'a, V> Iterator for Entries<'a, V> {
    type Item = (u64, &'a V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (leaf, at) = (self.leaf?, self.at);
            // Slots are filled in order.
            match leaf.entries.get(at).and_then(OnceLock::get) {
                Some((hash, value)) => {
                    self.at += 1;
                    if !leaf.is_dead(at) {
                        return Some((*hash, value));
                    }
                }
                None => (self.leaf, self.at) = (leaf.more.as_deref(), 0),
            }
        }
    }
}

/// A leaf in the making; a chain if the entries are too many for one. Nobody else sees it yet, so its cells are made full instead of
/// being filled.
struct NewLeaf<V> {
    leaf: Leaf<V>,
    len: usize,
}

impl<V> NewLeaf<V> {
    fn new() -> Self {
        Self { leaf: Leaf::new(None), len: 0 }
    }

    fn push(&mut self, hash: u64, value: V) {
        if self.len == LEAF {
            self.leaf.len = AtomicU32::new(LEAF as u32);
            let full = std::mem::replace(&mut self.leaf, Leaf::new(None));
            self.leaf.more = Some(Arc::new(full));
            self.len = 0;
        }
        self.leaf.entries[self.len] = OnceLock::from((hash, value));
        self.len += 1;
    }

    fn finish(mut self) -> Arc<Leaf<V>> {
        self.leaf.len = AtomicU32::new(self.len as u32);
        Arc::new(self.leaf)
    }
}

impl<V: Clone> NewLeaf<V> {
    /// Adds the entries of another leaf.
    fn copy(&mut self, leaf: &Leaf<V>) {
        for (hash, value) in leaf.entries() {
            self.push(hash, value.clone());
        }
    }
}

impl<V: Counted, const BITS: u32> HashTrie<V, BITS> {
    /// The leaf of a hash.
    #[inline]
    fn leaf(&self, hash: u64) -> &Leaf<V> {
        let mut node = &self.root;
        let mut rest = hash;
        loop {
            match node {
                Node::Leaf { leaf, .. } => return leaf,
                Node::Inner(children) => {
                    node = &children[(rest as usize) & (children.len() - 1)];
                    rest >>= BITS;
                }
            }
        }
    }

    /// The first value of a hash that is wanted. O(log n) steps of one load each.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut wanted: impl FnMut(&V) -> bool) -> Option<&V> {
        let mut leaf = self.leaf(hash);
        loop {
            if let Some((_, value)) = leaf.position(hash, &mut wanted) {
                return Some(value);
            }
            leaf = leaf.more.as_deref()?;
        }
    }

    /// Adds a value, in place if there is room. O(log n); a full leaf is split, and one node a level copied if shared.
    pub(crate) fn insert(&mut self, hash: u64, value: V) {
        if let Err(value) = self.leaf(hash).add(hash, value) {
            self.split(hash, value);
        }
    }

    /// Adds a value whose leaf is full.
    fn split(&mut self, hash: u64, value: V) {
        let entry = (hash, value);
        match &mut self.root {
            Node::Leaf { leaf, .. } => {
                let mut children = one_leaf(leaf);
                insert::<V, BITS>(&mut children, entry, 0);
                self.root = Node::Inner(children);
            }
            Node::Inner(children) => insert::<V, BITS>(children, entry, 0),
        }
    }

    /// Adds a value that no snapshot may see: not in place. O(log n); copies one node a level if shared.
    pub(crate) fn insert_copied(&mut self, hash: u64, value: V) {
        let leaf = self.leaf(hash);
        if leaf.is_full() {
            return self.split(hash, value);
        }
        leaf.fetch();
        let mut changed = NewLeaf::new();
        changed.copy(leaf);
        changed.push(hash, value);
        self.set(hash, changed.finish());
    }

    /// Marks what was added in place, by a write that is given up, as dead. To be called on what the write started from.
    pub(crate) fn take_back(&self, hash: u64, mut wanted: impl FnMut(&V) -> bool) {
        let leaves = std::iter::successors(Some(self.leaf(hash)), |leaf| leaf.more.as_deref());
        for leaf in leaves {
            if let Some((at, _)) = leaf.position(hash, &mut wanted) {
                leaf.dead.fetch_or(1 << at, Ordering::Relaxed);
            }
        }
    }

    /// Puts another value in the place of the first one of a hash that is `old`; `false` if there is none. O(log n); copies
    /// one node a level if shared.
    pub(crate) fn replace(&mut self, hash: u64, old: impl FnMut(&V) -> bool, new: V) -> bool {
        self.change(hash, old, Some(new))
    }

    /// Removes the first value of a hash that is wanted; `false` if there is none. O(log n); copies one node a level if
    /// shared.
    pub(crate) fn remove(&mut self, hash: u64, wanted: impl FnMut(&V) -> bool) -> bool {
        self.change(hash, wanted, None)
    }

    /// Puts another leaf in the place of the one with a wanted value.
    fn change(&mut self, hash: u64, mut wanted: impl FnMut(&V) -> bool, new: Option<V>) -> bool {
        // Looked for first: nothing is copied for a value that is not there.
        let is_it = |(own, value): (u64, &V)| own == hash && wanted(value);
        let Some(at) = self.leaf(hash).entries().position(is_it) else { return false };
        self.change_at(hash, at, new);
        true
    }

    /// Puts another leaf in the place of the one of a hash, with another value in this place, or without it.
    fn change_at(&mut self, hash: u64, at: usize, mut new: Option<V>) {
        let leaf = self.leaf(hash);
        leaf.fetch();
        let mut changed = NewLeaf::new();
        for (other, (own, value)) in leaf.entries().enumerate() {
            if other != at {
                changed.push(own, value.clone());
            } else if let Some(new) = new.take() {
                changed.push(own, new);
            }
        }
        self.set(hash, changed.finish());
    }

    /// Puts another leaf in the place of the one of a hash.
    fn set(&mut self, hash: u64, changed: Arc<Leaf<V>>) {
        match &mut self.root {
            Node::Leaf { leaf, .. } => *leaf = changed,
            Node::Inner(children) => {
                if let Some(leaf) = set::<V, BITS>(children, hash, 0, changed) {
                    self.root = Node::Leaf { bits: 0, leaf };
                }
            }
        }
    }

    /// Calls `visit` with every pair, in no order.
    #[cfg(test)]
    pub(crate) fn for_each(&self, visit: &mut impl FnMut(u64, &V)) {
        fn each<V>(node: &Node<V>, visit: &mut impl FnMut(u64, &V)) {
            match node {
                Node::Leaf { leaf, .. } => leaf.entries().for_each(|(hash, value)| visit(hash, value)),
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

/// A node all of whose entries are in one leaf. It stays so only until the leaf is split.
fn one_leaf<V>(leaf: &Arc<Leaf<V>>) -> Arc<[Node<V>]> {
    Arc::new([Node::Leaf { bits: 0, leaf: Arc::clone(leaf) }])
}

/// The children of the node, or of a copy if others have the node too.
fn children_mut<V>(node: &mut Arc<[Node<V>]>) -> &mut [Node<V>] {
    if Arc::strong_count(node) > 1 {
        fetch(node.iter().map(Node::count_of));
    }
    Arc::make_mut(node)
}

/// Puts a leaf in each place that it stands for: where the lowest `bits` bits are those of `at`.
fn put<V>(children: &mut [Node<V>], at: usize, bits: u32, leaf: &Arc<Leaf<V>>) {
    let mut place = at & ((1 << bits) - 1);
    while let Some(child) = children.get_mut(place) {
        *child = Node::Leaf { bits, leaf: Arc::clone(leaf) };
        place += 1 << bits;
    }
}

/// Adds an entry below a node, whose leaf for it is full.
fn insert<V: Counted, const BITS: u32>(node: &mut Arc<[Node<V>]>, entry: (u64, V), shift: u32) {
    let (hash, mut value) = entry;
    loop {
        let at = place(hash, shift, node.len());
        let (bits, leaf) = match &mut children_mut(node)[at] {
            Node::Inner(below) => return insert::<V, BITS>(below, (hash, value), shift + BITS),
            Node::Leaf { bits, leaf } => (*bits, Arc::clone(leaf)),
        };
        if !leaf.is_full() {
            match leaf.add(hash, value) {
                Ok(()) => return,
                Err(back) => value = back,
            }
        }
        if shift + bits >= u64::BITS {
            let longer = Leaf::new(Some(leaf));
            // An empty leaf has room.
            let _ = longer.add(hash, value);
            return put(children_mut(node), at, bits, &Arc::new(longer));
        }
        if bits == BITS {
            let mut below = one_leaf(&leaf);
            insert::<V, BITS>(&mut below, (hash, value), shift + BITS);
            children_mut(node)[at] = Node::Inner(below);
            return;
        }
        if 1 << bits == node.len() {
            let mut twice = node.to_vec();
            twice.extend_from_slice(node);
            *node = twice.into();
        }
        leaf.fetch();
        let (mut lower, mut upper) = (NewLeaf::new(), NewLeaf::new());
        for (hash, value) in leaf.entries() {
            let half = if hash >> (shift + bits) & 1 == 0 { &mut lower } else { &mut upper };
            half.push(hash, value.clone());
        }
        let first = at & ((1 << bits) - 1);
        put(children_mut(node), first, bits + 1, &lower.finish());
        put(children_mut(node), first | 1 << bits, bits + 1, &upper.finish());
    }
}

/// Puts another leaf in the place of the one of a hash, and joins leaves that have become small. Returns the leaf if it is
/// the only one that is left in the node.
fn set<V: Counted, const BITS: u32>(
    node: &mut Arc<[Node<V>]>,
    hash: u64,
    shift: u32,
    leaf: Arc<Leaf<V>>,
) -> Option<Arc<Leaf<V>>> {
    let at = place(hash, shift, node.len());
    let children = children_mut(node);
    let (before, mut leaf) = match &mut children[at] {
        Node::Inner(below) => (BITS, set::<V, BITS>(below, hash, shift + BITS, leaf)?),
        Node::Leaf { bits, .. } => (*bits, leaf),
    };
    let mut bits = before;
    while let Some(higher) = bits.checked_sub(1)
        && let Node::Leaf { bits: same, leaf: other } = &children[at ^ 1 << higher]
        && *same == bits
        && leaf.count() + other.count() <= JOIN
    {
        let mut joined = NewLeaf::new();
        joined.copy(&leaf);
        joined.copy(other);
        leaf = joined.finish();
        bits = higher;
    }
    if bits == 0 {
        return Some(leaf);
    }
    put(children, at, bits, &leaf);
    if bits < before {
        let mut needed = 0;
        for child in &*children {
            needed = child.bits::<BITS>().max(needed);
        }
        if 1 << needed < children.len() {
            *node = Arc::from(&children[..1 << needed]);
        }
    }
    None
}

impl<V> Node<V> {
    fn count_of(&self) -> usize {
        match self {
            Self::Leaf { leaf, .. } => leaf.count_of(),
            Self::Inner(children) => Arc::strong_count(children),
        }
    }

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
