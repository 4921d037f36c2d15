//! An index that is built at once, of all of its entries.

use std::sync::Arc;

use super::{Counted, HashTrie, LEAF, Leaf, NewLeaf, Node, place};

/// Hashes, reversed, each with the place of its value.
pub(crate) type Hashes = [(u64, usize)];

/// A part of an index.
pub(crate) struct Part<V>(Node<V>);

impl<V: Counted, const BITS: u32> HashTrie<V, BITS> {
    /// How many parts an index can be built of.
    pub(crate) const PARTS: usize = 1 << BITS;

    /// The part that an entry of this hash belongs to.
    pub(crate) fn part_of(hash: u64) -> usize {
        place(hash, 0, Self::PARTS)
    }

    /// A part of an index, of its hashes, which are read from the lowest bit on (`hash.reverse_bits()`) and in order, each with the
    /// place of its value. The values are taken. O(n).
    pub(crate) fn part(hashes: &Hashes, values: &mut [Option<V>]) -> Part<V> {
        Part(match hashes.len() {
            0..=LEAF => Node::Leaf { bits: BITS, leaf: leaf_of(hashes, values) },
            _ => Node::Inner(grow::<V, BITS>(hashes, values, BITS)),
        })
    }

    /// An index of all its parts.
    pub(crate) fn of_parts(parts: Vec<Part<V>>) -> Self {
        debug_assert_eq!(parts.len(), Self::PARTS, "each of them");
        Self { root: Node::Inner(parts.into_iter().map(|part| part.0).collect()) }
    }

    /// An index of all entries, which are given as those of a [`part`](Self::part). O(n).
    pub(crate) fn from_sorted(hashes: &Hashes, values: &mut [Option<V>]) -> Self {
        let root = match hashes.len() {
            0..=LEAF => Node::Leaf { bits: 0, leaf: leaf_of(hashes, values) },
            _ => Node::Inner(grow::<V, BITS>(hashes, values, 0)),
        };
        Self { root }
    }
}

fn leaf_of<V: Counted>(hashes: &Hashes, values: &mut [Option<V>]) -> Arc<Leaf<V>> {
    let mut leaf = NewLeaf::new();
    for (reversed, at) in hashes {
        if let Some(value) = values.get_mut(*at).and_then(Option::take) {
            leaf.push(reversed.reverse_bits(), value);
        }
    }
    leaf.finish()
}

/// A node of sorted entries, which agree in the bits before `shift`.
fn grow<V: Counted, const BITS: u32>(
    hashes: &Hashes,
    values: &mut [Option<V>],
    shift: u32,
) -> Arc<[Node<V>]> {
    let mut parts = Vec::with_capacity(1 << BITS);
    halve::<V, BITS>(hashes, values, shift, (0, 0), &mut parts);
    let mut depth = 0;
    for (_, node) in &parts {
        depth = node.bits::<BITS>().max(depth);
    }
    // Each is overwritten by whatever belongs there.
    let Some((_, first)) = parts.first() else { return Arc::default() };
    let mut children = vec![first.clone(); 1 << depth];
    for (at, node) in &parts {
        let mut place = *at;
        while let Some(child) = children.get_mut(place) {
            *child = node.clone();
            place += 1 << node.bits::<BITS>();
        }
    }
    children.into()
}

/// The children of a node for entries that agree in so many bits more, and are at this place.
fn halve<V: Counted, const BITS: u32>(
    hashes: &Hashes,
    values: &mut [Option<V>],
    shift: u32,
    (bits, at): (u32, usize),
    parts: &mut Vec<(usize, Node<V>)>,
) {
    let Some(next) = (u64::BITS - 1).checked_sub(shift + bits).filter(|_| hashes.len() > LEAF) else {
        return parts.push((at, Node::Leaf { bits, leaf: leaf_of(hashes, values) }));
    };
    if bits == BITS {
        return parts.push((at, Node::Inner(grow::<V, BITS>(hashes, values, shift + BITS))));
    }
    let (lower, upper) = hashes.split_at(middle(hashes, next));
    halve::<V, BITS>(lower, values, shift, (bits + 1, at), parts);
    halve::<V, BITS>(upper, values, shift, (bits + 1, at | 1 << bits), parts);
}

/// How many of the hashes do not have a bit, which are those before the others.
fn middle(hashes: &Hashes, bit: u32) -> usize {
    hashes.partition_point(|(reversed, _)| reversed >> bit & 1 == 0)
}
