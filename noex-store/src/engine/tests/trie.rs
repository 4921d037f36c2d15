//! The hash index against `BTreeSet`, with hashes that are random, that share most of their bits, and that are equal.

use std::collections::BTreeSet;

use super::*;
use crate::engine::tests::Random;

/// Does not divide 64: the last node sees fewer bits than the others.
const BITS: u32 = 5;

/// A version of the index: the values are row ids, and it knows those below its end.
#[derive(Clone, Default)]
struct Version {
    trie: HashTrie<u64, BITS>,
    model: BTreeSet<(u64, u64)>,
    end: u64,
}

impl Version {
    fn insert(&mut self, hash: u64) -> (u64, u64) {
        let row = self.end;
        self.end += 1;
        self.trie.insert(hash, row);
        self.model.insert((hash, row));
        (hash, row)
    }

    /// Replaces a row by itself: what a changed record does.
    fn replace(&mut self, hash: u64, row: u64) {
        let there = self.model.contains(&(hash, row));
        assert_eq!(self.trie.replace(hash, |other| *other == row, row), there);
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
        self.trie.for_each(&mut |hash, row| {
            if *row < self.end {
                assert!(all.insert((hash, *row)), "each pair once");
            }
        });
        assert_eq!(all, self.model);
        check_node(&self.trie.root, 0, 0);
        for hash in [Some(hash), self.pair(random).map(|(hash, _)| hash)].into_iter().flatten() {
            let mut rows = BTreeSet::new();
            let none = self.trie.find(hash, |row| {
                if *row < self.end {
                    assert!(rows.insert(*row), "each row once");
                }
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
/// joined as promised. Returns the number of pairs, with those that were added in place later.
fn check_node(node: &Node<u64>, shift: u32, path: u64) -> usize {
    match node {
        Node::Leaf { leaf, .. } => {
            // What a leaf at the end of the hash holds can no longer be told apart.
            assert!(
                leaf.more.is_none() || shift >= u64::BITS,
                "a full leaf is split while the hash has bits"
            );
            for (hash, _) in leaf.entries() {
                let above = if shift >= u64::BITS { hash } else { hash & ((1 << shift) - 1) };
                assert_eq!(above, path);
            }
            leaf.count()
        }
        Node::Inner(children) => {
            let needed = children.iter().map(Node::bits::<BITS>).max().expect("a node has children");
            assert_eq!(children.len(), 1 << needed, "a node has as many children as it needs");
            let mut below = 0;
            for (at, child) in children.iter().enumerate() {
                let Node::Leaf { bits, leaf } = child else {
                    below += check_node(child, shift + BITS, path | (at as u64) << shift);
                    continue;
                };
                assert!((1..=BITS).contains(bits), "a node that is all one leaf becomes that leaf");
                let first = at & ((1 << bits) - 1);
                let Node::Leaf { bits: same, leaf: shared } = &children[first] else {
                    panic!("a leaf in each place")
                };
                assert!(same == bits && Arc::ptr_eq(leaf, shared), "the same leaf in each place");
                if first == at {
                    below += check_node(child, shift + bits, path | (at as u64) << shift);
                }
            }
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
            let mut version = Version::default();
            let mut snapshots: Vec<Version> = Vec::new();
            for step in 0..4000_u64 {
                // Waves of growth and of shrinking, so that nodes are split and joined again and again.
                let grow = if step / 500 % 2 == 0 { 12 } else { 6 };
                match random.below(21) {
                    choice if choice < grow => {
                        version.insert(hashes(&mut random));
                    }
                    choice if choice < 16 => {
                        if let Some((hash, row)) = version.pair(&mut random) {
                            version.remove(hash, row);
                        }
                    }
                    16 => {
                        let (hash, absent) = (hashes(&mut random), random.next() | 1 << 63);
                        version.remove(hash, absent);
                        version.replace(hash, absent);
                    }
                    17 => {
                        if let Some((hash, row)) = version.pair(&mut random) {
                            version.replace(hash, row);
                        }
                    }
                    18 if snapshots.len() < 8 => snapshots.push(version.clone()),
                    19 if !snapshots.is_empty() => drop(snapshots.swap_remove(random.below(snapshots.len()))),
                    20 => {
                        // A write that is given up: its rows are used again by the next one.
                        let mut attempt = version.clone();
                        let mut fresh = Vec::new();
                        for _ in 0..random.below(20) {
                            fresh.push(attempt.insert(hashes(&mut random)));
                            if random.below(4) == 0
                                && let Some((hash, row)) = attempt.pair(&mut random)
                            {
                                attempt.remove(hash, row);
                            }
                        }
                        fresh
                            .iter()
                            .for_each(|(hash, row)| version.trie.take_back(*hash, |other| other == row));
                    }
                    _ => {}
                }
                if step % 50 == 0 {
                    let hash = hashes(&mut random);
                    snapshots.iter().chain([&version]).for_each(|version| version.check(&mut random, hash));
                }
            }
        }
    }
}

/// The number of leaves below a node, each counted once.
fn leaves(node: &Node<u64>) -> usize {
    match node {
        Node::Leaf { .. } => 1,
        Node::Inner(children) => {
            let at_first = |(at, child): &(usize, &Node<u64>)| at >> child.bits::<BITS>() == 0;
            children.iter().enumerate().filter(at_first).map(|(_, child)| leaves(child)).sum()
        }
    }
}

#[test]
fn an_index_that_is_thinned_out_joins_its_leaves() {
    let mut random = Random::new(8);
    let mut version = Version::default();
    for _ in 0..4000 {
        version.insert(RANDOM(&mut random));
    }
    let full = leaves(&version.trie.root);
    while version.model.len() > 100 {
        let (hash, row) = version.pair(&mut random).expect("there are more than a hundred");
        version.remove(hash, row);
    }
    version.check(&mut random, 0);
    let left = leaves(&version.trie.root);
    assert!(full > 350 && left < 60, "{left} leaves of {full}");
}

#[test]
fn it_shrinks_to_nothing() {
    for hashes in [RANDOM, FEW, EQUAL, DEEP] {
        let mut random = Random::new(7);
        let mut version = Version::default();
        for _ in 0..500 {
            version.insert(hashes(&mut random));
        }
        let full = version.clone();
        while let Some((hash, row)) = version.pair(&mut random) {
            version.remove(hash, row);
            check_node(&version.trie.root, 0, 0);
        }
        assert!(matches!(&version.trie.root, Node::Leaf { leaf, .. } if leaf.count() == 0));
        full.check(&mut random, 0);
    }
}

#[test]
fn built_at_once_it_is_as_if_built_one_by_one() {
    let mut random = Random::new(11);
    for size in [0, 1, 10, 11, 12, 40, 300, 5000] {
        for masked in [u64::MAX, 0xff, 0xfff << 40, 1 << 63, 0] {
            let hashes: Vec<u64> = (0..size).map(|_| random.next() & masked).collect();
            let mut order: Vec<(u64, usize)> =
                hashes.iter().map(|hash| hash.reverse_bits()).zip(0..).collect();
            order.sort_unstable();
            let mut values: Vec<Option<u64>> = (0..size).map(Some).collect();
            let trie = if size < 300 || random.below(2) == 0 {
                HashTrie::from_sorted(&order, &mut values)
            } else {
                // By its parts.
                let part = |part: usize| {
                    let mut own = order.clone();
                    own.retain(|(hash, _)| HashTrie::<u64, BITS>::part_of(hash.reverse_bits()) == part);
                    HashTrie::<u64, BITS>::part(&own, &mut values)
                };
                HashTrie::of_parts((0..HashTrie::<u64, BITS>::PARTS).map(part).collect())
            };
            let model = hashes.iter().copied().zip(0..).collect();
            let mut version = Version { trie, model, end: size };
            version.check(&mut random, hashes.first().copied().unwrap_or_default());
            // It goes on as any other.
            for _ in 0..50 {
                let hash = random.next() & masked;
                version.insert(hash);
                if let Some((hash, row)) = version.pair(&mut random) {
                    version.remove(hash, row);
                }
            }
            version.check(&mut random, 0);
        }
    }
}
