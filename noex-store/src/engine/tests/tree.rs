//! The counted tree against `BTreeSet`, in many versions at once, with its invariants.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::*;
use crate::engine::tests::Random;

#[derive(Clone, Default)]
struct Version {
    tree: Tree<u32>,
    model: BTreeSet<u32>,
}

impl Version {
    fn insert(&mut self, entry: u32) {
        assert_eq!(self.tree.insert(entry), self.model.insert(entry));
    }

    fn remove(&mut self, entry: u32) {
        assert_eq!(self.tree.remove(&entry), self.model.remove(&entry));
    }

    fn extend(&mut self, entries: BTreeSet<u32>) {
        self.model.extend(&entries);
        self.tree.extend_sorted(entries.into_iter().collect());
    }

    fn check(&self, random: &mut Random) {
        assert_eq!(self.tree.len(), self.model.len());
        self.check_nodes();
        let all: Vec<u32> = self.model.iter().copied().collect();
        assert_eq!(forwards(&self.tree, 0..all.len(), usize::MAX), all);
        for _ in 0..8 {
            // Around an entry that is there, or was, or never was.
            let entry = match random.below(3) {
                0 => random.next() as u32,
                _ if all.is_empty() => 0,
                _ => random.pick(&all).saturating_add(random.below(3) as u32).saturating_sub(1),
            };
            let less = self.model.range(..entry).count();
            assert_eq!(self.tree.rank(|other| *other < entry), less);
            assert_eq!(self.tree.rank(|other| *other <= entry), self.model.range(..=entry).count());
            assert_eq!(self.tree.at(less), all.get(less));
            // A range may end beyond the tree, or before it starts.
            let (start, end) = (random.below(all.len() + 2), random.below(all.len() + 4));
            let part: Vec<u32> = all.iter().copied().take(end).skip(start).collect();
            let wanted = if random.below(2) == 0 { usize::MAX } else { random.below(70) + 1 };
            let head: Vec<u32> = part.iter().copied().take(wanted).collect();
            assert_eq!(forwards(&self.tree, start..end, wanted), head);
            let tail: Vec<u32> = part.iter().rev().copied().take(wanted).collect();
            assert_eq!(backwards(&self.tree, start..end, wanted), tail);
        }
        assert_eq!(self.tree.at(all.len()), None);
        assert_eq!(self.tree.rank(|_| true), all.len());
        assert_eq!(self.tree.rank(|_| false), 0);
    }

    fn check_nodes(&self) {
        if let Child::Inner(inner) = &self.tree.root {
            assert!(inner.children.len() > 1, "the root has a choice");
            check_node(&self.tree.root);
        }
    }
}

/// The invariants below a node: exact counts, nothing empty, borders between the children, leaves at one depth. Returns the
/// depth, and the least and the greatest entry.
fn check_node(node: &Child<u32>) -> (usize, u32, u32) {
    match node {
        Child::Leaf(leaf) => {
            assert!(leaf.entries.is_sorted_by(|a, b| a < b));
            let ends = leaf.entries.first().zip(leaf.entries.last());
            let (first, last) = ends.expect("a leaf below an inner node holds something");
            (0, *first, *last)
        }
        Child::Inner(inner) => {
            assert_eq!(
                (inner.firsts.len(), inner.counts.len()),
                (inner.children.len(), inner.children.len())
            );
            let mut depths = BTreeSet::new();
            let mut before = None;
            let mut least = None;
            for ((child, first), count) in inner.children.iter().zip(&inner.firsts).zip(&inner.counts) {
                assert_eq!(child.count(), *count);
                assert!(*count > 0);
                let (depth, from, to) = check_node(child);
                depths.insert(depth);
                assert!(*first <= from);
                assert!(before.is_none_or(|before| before < *first));
                before = Some(to);
                least = least.or(Some(from));
            }
            assert_eq!(depths.len(), 1, "leaves hang at one depth");
            let depth = depths.pop_first().unwrap_or_default() + 1;
            (depth, least.expect("it has children"), before.expect("it has children"))
        }
    }
}

fn leaves(node: &Child<u32>) -> usize {
    match node {
        Child::Leaf(_) => 1,
        Child::Inner(inner) => inner.children.iter().map(leaves).sum(),
    }
}

fn forwards(tree: &Tree<u32>, ranks: Range<usize>, wanted: usize) -> Vec<u32> {
    let mut seen = Vec::new();
    let _ = tree.visit(ranks, &mut |entry| take(&mut seen, wanted, *entry));
    seen
}

fn backwards(tree: &Tree<u32>, ranks: Range<usize>, wanted: usize) -> Vec<u32> {
    let mut seen = Vec::new();
    let _ = tree.visit_rev(ranks, &mut |entry| take(&mut seen, wanted, *entry));
    seen
}

fn take(seen: &mut Vec<u32>, wanted: usize, entry: u32) -> ControlFlow<()> {
    seen.push(entry);
    if seen.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

#[test]
fn versions_agree_with_a_set() {
    for seed in 0..6 {
        let mut random = Random::new(seed);
        let values = *random.pick(&[100, 3000, 100_000, u32::MAX as usize]);
        let mut versions = vec![Version::default()];
        for step in 0..6000_u32 {
            let (count, at) = (versions.len(), random.below(versions.len()));
            let version = &mut versions[at];
            let grow = if step / 1000 % 3 == 2 { 6 } else { 16 };
            match random.below(30) {
                choice if choice < grow => version.insert(random.below(values) as u32),
                choice if choice < 24 => {
                    let there = version.model.range(random.below(values) as u32..).next().copied();
                    version.remove(there.unwrap_or(step));
                }
                24 => version.remove(random.below(values) as u32),
                // Runs of neighbours, so that whole nodes come and go.
                25 => {
                    let from = random.below(values) as u32;
                    (0..200).for_each(|more| version.insert(from.saturating_add(more)));
                }
                26 => {
                    let from = random.below(values) as u32;
                    let run: Vec<u32> = version.model.range(from..).take(150).copied().collect();
                    run.into_iter().for_each(|entry| version.remove(entry));
                }
                27 if count < 8 => {
                    let copy = version.clone();
                    versions.push(copy);
                }
                28 if count > 1 => drop(versions.swap_remove(at)),
                // Some of them are there already; some are neighbours.
                29 if step / 1000 % 3 < 2 || random.below(8) == 0 => {
                    let (from, width) = (random.below(values), random.below(values) + 1);
                    let count = 1 << random.below(10);
                    version.extend((0..count).map(|_| (from + random.below(width)) as u32).collect());
                }
                _ => {}
            }
            if step % 200 == 0 {
                versions.iter().for_each(|version| version.check(&mut random));
            }
        }
        versions.iter().for_each(|version| version.check(&mut random));
    }
}

#[test]
fn each_order_of_insertion_and_of_removal() {
    const COUNT: u32 = 5000;
    let mut random = Random::new(5);
    let ascending: Vec<u32> = (0..COUNT).collect();
    let descending: Vec<u32> = (0..COUNT).rev().collect();
    let mut shuffled = ascending.clone();
    for at in (1..shuffled.len()).rev() {
        shuffled.swap(at, random.below(at + 1));
    }
    let orders = [ascending, descending, shuffled];
    for inserted in &orders {
        let mut full = Version::default();
        for (step, entry) in inserted.iter().enumerate() {
            full.insert(*entry);
            if step % 97 == 0 {
                full.check_nodes();
            }
        }
        full.check(&mut random);
        for removed in &orders {
            let mut version = full.clone();
            for (step, entry) in removed.iter().enumerate() {
                version.remove(*entry);
                if step % 97 == 0 {
                    version.check_nodes();
                }
            }
            assert!(matches!(&version.tree.root, Child::Leaf(leaf) if leaf.entries.is_empty()));
        }
        full.check(&mut random);
    }
}

#[test]
fn entries_that_only_grow_fill_their_nodes() {
    let mut version = Version::default();
    (0..4096).for_each(|entry| version.insert(entry));
    assert_eq!(leaves(&version.tree.root), 4096 / LEAF);
    for batch in 0..100 {
        version.extend((4096 + batch * 1000..4096 + (batch + 1) * 1000).collect());
    }
    version.check(&mut Random::new(2));
    assert_eq!(leaves(&version.tree.root), (4096 + 100_000_usize).div_ceil(LEAF));
}

#[test]
fn batches_of_any_size_and_place_leave_room() {
    let mut random = Random::new(7);
    for size in [1, 2, LEAF, FAN * LEAF, 5_000] {
        let mut version = Version::default();
        for _ in 0..30_000 / size {
            version.extend((0..size).map(|_| random.next() as u32).collect());
        }
        version.check(&mut random);
        let leaves = leaves(&version.tree.root);
        assert!(leaves < version.model.len() / (LEAF / 2), "{leaves} leaves after batches of {size}");
    }
    // All of a batch between two neighbours, far more than a node of any level holds.
    let mut version = Version::default();
    version.extend((0..40_u32).map(|entry| entry * 100_000).collect());
    let before = version.clone();
    version.extend((100_001..150_000).collect());
    version.check(&mut random);
    before.check(&mut random);
}

#[test]
fn a_tree_that_is_thinned_out_shrinks() {
    let mut random = Random::new(4);
    let mut version = Version::default();
    (0..8192).for_each(|entry| version.insert(entry));
    (0..8192).filter(|entry| entry % LEAF as u32 != 7).for_each(|entry| version.remove(entry));
    version.check(&mut random);
    // One entry of each leaf is left; without merging, so is each leaf.
    let left = leaves(&version.tree.root);
    assert!(left <= version.model.len() / (LEAF / 4), "{left} leaves of {} entries", version.model.len());
}

#[test]
fn a_window_that_moves_does_not_leave_nodes_behind() {
    let mut random = Random::new(3);
    let mut version = Version::default();
    for entry in 0..20_000_u32 {
        version.insert(entry);
        if entry >= 500 {
            version.remove(entry - 500);
        }
    }
    version.check(&mut random);
    assert!(leaves(&version.tree.root) <= 2 * 500 / LEAF + 2);
}

#[test]
fn a_tree_is_built_from_what_is_sorted() {
    let mut random = Random::new(8);
    for count in [0, 1, 2, LEAF - 1, LEAF, LEAF + 1, 500, FAN * LEAF, 5_000] {
        let model: BTreeSet<u32> = (0..count).map(|_| random.next() as u32).collect();
        let mut version = Version { tree: Tree::from_sorted(model.iter().copied().collect()), model };
        version.check(&mut random);
        for _ in 0..300 {
            version.insert(random.next() as u32);
            if let Some(entry) = version.model.iter().nth(random.below(version.model.len())).copied() {
                version.remove(entry);
            }
        }
        version.check(&mut random);
    }
}
