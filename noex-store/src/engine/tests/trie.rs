//! The hash index against `BTreeSet`, with hashes that are random, that share most of their bits, and that are equal.

use std::collections::BTreeSet;

use super::*;
use crate::engine::tests::Random;

/// Does not divide 64: the last node sees fewer bits than the others.
const BITS: u32 = 5;

#[derive(Clone, Default)]
struct Version {
    trie: HashTrie<u64, BITS>,
    model: BTreeSet<(u64, u64)>,
}

impl Version {
    fn insert(&mut self, hash: u64, row: u64) {
        // The caller makes sure of it, as the table does.
        if self.model.insert((hash, row)) {
            self.trie.insert(hash, row);
        }
    }

    fn replace(&mut self, hash: u64, row: u64, new: u64) {
        let there = self.model.remove(&(hash, row));
        if there {
            self.model.insert((hash, new));
        }
        assert_eq!(self.trie.replace(hash, |other| *other == row, new), there);
    }

    fn remove(&mut self, hash: u64, row: u64) {
        assert_eq!(self.trie.remove(hash, |other| *other == row), self.model.remove(&(hash, row)));
    }

    /// A pair that is there, if there is any.
    fn pair(&self, random: &mut Random) -> Option<(u64, u64)> {
        self.model.iter().nth(random.below(self.model.len())).copied()
    }

    fn check(&self, random: &mut Random, hash: u64) {
        let mut all = BTreeSet::new();
        self.trie.for_each(&mut |hash, row| assert!(all.insert((hash, *row)), "each pair once"));
        assert_eq!(all, self.model);
        assert_eq!(check_node(&self.trie.root, 0, 0), self.model.len());
        for hash in [Some(hash), self.pair(random).map(|(hash, _)| hash)].into_iter().flatten() {
            let mut rows = BTreeSet::new();
            let none = self.trie.find(hash, |row| {
                assert!(rows.insert(*row), "each row once");
                false
            });
            assert_eq!(none, None);
            let expected: BTreeSet<u64> =
                self.model.range((hash, 0)..=(hash, u64::MAX)).map(|(_, row)| *row).collect();
            assert_eq!(rows, expected);
            for row in expected.iter().take(4) {
                assert_eq!(self.trie.find(hash, |at| at == row), Some(row));
            }
        }
    }
}

/// The invariants of the nodes: pairs below the child of their hash, leaves in each place that they stand for, split and
/// joined as promised. Returns the number of pairs.
fn check_node(node: &Node<u64>, shift: u32, path: u64) -> usize {
    match node {
        Node::Leaf { slots, .. } => {
            // What a leaf at the end of the hash holds can no longer be told apart.
            assert!(
                slots.len() <= LEAF || shift >= u64::BITS,
                "a long leaf is split while the hash has bits"
            );
            for slot in slots.iter() {
                let above = if shift >= u64::BITS { slot.hash } else { slot.hash & ((1 << shift) - 1) };
                assert_eq!(above, path);
            }
            slots.len()
        }
        Node::Inner(children) => {
            let needed = children.iter().map(Node::bits::<BITS>).max().expect("a node has children");
            assert_eq!(children.len(), 1 << needed, "a node has as many children as it needs");
            let mut below = 0;
            for (at, child) in children.iter().enumerate() {
                let Node::Leaf { bits, slots } = child else {
                    below += check_node(child, shift + BITS, path | (at as u64) << shift);
                    continue;
                };
                assert!((1..=BITS).contains(bits), "a node that is all one leaf becomes that leaf");
                let first = at & ((1 << bits) - 1);
                let Node::Leaf { bits: same, slots: shared } = &children[first] else {
                    panic!("a leaf in each place")
                };
                assert!(same == bits && Arc::ptr_eq(slots, shared), "the same leaf in each place");
                if first == at {
                    below += check_node(child, shift + bits, path | (at as u64) << shift);
                }
            }
            assert!(below > JOIN, "a small node becomes a leaf");
            below
        }
    }
}

/// Hashes of one kind.
type Hashes = fn(&mut Random) -> u64;

const RANDOM: Hashes = Random::next;
const FEW: Hashes = |random| random.next() & 0x3;
const EQUAL: Hashes = |_| 0x0123_4567_89ab_cdef;
/// They differ in the last bits that are looked at, so every split goes down to the end.
const DEEP: Hashes = |random| (random.next() & 0x3) << 60 | 0x0777_7777_7777_7777;
const MIXED: Hashes = |random| match random.below(4) {
    0 => RANDOM(random),
    1 => FEW(random),
    2 => EQUAL(random),
    _ => DEEP(random),
};

#[test]
fn versions_agree_with_a_set() {
    for (kind, hashes) in [RANDOM, FEW, EQUAL, DEEP, MIXED].into_iter().enumerate() {
        for seed in 0..4 {
            let mut random = Random::new(seed + 100 * kind as u64);
            let mut versions = vec![Version::default()];
            for step in 0..3000_u64 {
                let (count, at) = (versions.len(), random.below(versions.len()));
                // Waves of growth and of shrinking, so that nodes are split and merged again and again.
                let grow = if step / 500 % 2 == 0 { 12 } else { 6 };
                let version = &mut versions[at];
                match random.below(20) {
                    choice if choice < grow => version.insert(hashes(&mut random), step),
                    choice if choice < 16 => {
                        if let Some((hash, row)) = version.pair(&mut random) {
                            version.remove(hash, row);
                        }
                    }
                    16 => {
                        let (hash, absent) = (hashes(&mut random), random.next());
                        version.remove(hash, absent);
                        version.replace(hash, absent, step);
                    }
                    17 => {
                        if let Some((hash, row)) = version.pair(&mut random) {
                            version.replace(hash, row, 1 << 32 | step);
                        }
                    }
                    18 if count < 8 => {
                        let copy = version.clone();
                        versions.push(copy);
                    }
                    19 if count > 1 => drop(versions.swap_remove(at)),
                    _ => {}
                }
                if step % 50 == 0 {
                    let hash = hashes(&mut random);
                    versions.iter().for_each(|version| version.check(&mut random, hash));
                }
            }
        }
    }
}

#[test]
fn it_shrinks_to_nothing() {
    for hashes in [RANDOM, FEW, EQUAL, DEEP] {
        let mut random = Random::new(7);
        let mut version = Version::default();
        (0..500).for_each(|row| version.insert(hashes(&mut random), row));
        let full = version.clone();
        while let Some((hash, row)) = version.pair(&mut random) {
            version.remove(hash, row);
            check_node(&version.trie.root, 0, 0);
        }
        assert!(matches!(&version.trie.root, Node::Leaf { slots, .. } if slots.is_empty()));
        full.check(&mut random, 0);
    }
}
