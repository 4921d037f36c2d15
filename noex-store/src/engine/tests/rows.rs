//! The record table against `BTreeMap`. Many versions are alive at once and any of them may go on, so that every append
//! meets tails that another version has filled, and every version is a kept snapshot of the others.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::*;
use crate::engine::tests::Random;

const W: u64 = WIDTH as u64;

#[derive(Clone)]
struct Version {
    rows: Rows<u64>,
    model: BTreeMap<u64, u64>,
    next: u64,
}

impl Version {
    fn starting_at(next: u64) -> Self {
        let rows = Rows::starting_at(next);
        let next = rows.next().0;
        Self { rows, model: BTreeMap::new(), next }
    }

    fn push(&mut self, value: u64) {
        assert_eq!(self.rows.push(value), RowId(self.next));
        self.model.insert(self.next, value);
        self.next += 1;
    }

    fn replace(&mut self, row: u64, value: u64) {
        let old = self.model.get_mut(&row).map(|old| std::mem::replace(old, value));
        assert_eq!(self.rows.replace(RowId(row), value), old);
    }

    fn remove(&mut self, row: u64) {
        assert_eq!(self.rows.remove(RowId(row)), self.model.remove(&row));
    }

    /// A row that is there, mostly; else one that was removed or never was.
    fn row(&self, random: &mut Random) -> u64 {
        let first = self.model.keys().next().copied().unwrap_or(self.next);
        first + random.below((self.next - first) as usize + 3) as u64
    }

    fn check(&self, random: &mut Random) {
        assert_eq!(self.rows.len(), self.model.len());
        assert_eq!(self.rows.next(), RowId(self.next));
        let all: Vec<(u64, u64)> = self.model.iter().map(|(row, value)| (*row, *value)).collect();
        assert_eq!(forwards(&self.rows, 0, usize::MAX), all);
        let mut chunked = Vec::new();
        let _ = self.rows.visit_leaves(RowId(0), &mut |chunk| {
            chunked.extend(chunk.iter().copied());
            ControlFlow::Continue(())
        });
        assert!(chunked.iter().eq(self.model.values()));
        let mut backwards_all = backwards(&self.rows, u64::MAX, usize::MAX);
        backwards_all.reverse();
        assert_eq!(backwards_all, all);
        for _ in 0..8 {
            let row = self.row(random);
            assert_eq!(self.rows.get(RowId(row)), self.model.get(&row));
            let wanted = random.below(80) + 1;
            let from: Vec<_> = self.model.range(row..).take(wanted).map(|(r, v)| (*r, *v)).collect();
            assert_eq!(forwards(&self.rows, row, wanted), from);
            let mut chunked = Vec::new();
            let _ = self.rows.visit_leaves(RowId(row), &mut |chunk| {
                chunked.extend(chunk.iter().copied());
                if chunked.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            assert!(chunked.iter().take(wanted).eq(from.iter().map(|(_, value)| value)));
            let below: Vec<_> = self.model.range(..row).rev().take(wanted).map(|(r, v)| (*r, *v)).collect();
            assert_eq!(backwards(&self.rows, row, wanted), below);
            let skip = random.below(self.model.len() + 2);
            assert_eq!(self.rows.nth(skip), all.get(skip).map(|(row, _)| RowId(*row)));
        }
        assert_eq!(self.rows.get(RowId(self.next)), None);
        assert_eq!(self.rows.get(RowId(u64::MAX)), None);
        self.check_nodes();
    }

    /// The invariants of the nodes: exact counts, nothing empty, everything below the tail.
    fn check_nodes(&self) {
        let Rows { root, height, tail, first, .. } = &self.rows;
        let filed = root.as_ref().map_or(0, |root| check_node(root, *height, 0, *first));
        let start = self.rows.first_slot(self.rows.tail_start()).min(self.rows.tail_len());
        let tail = tail.count(self.rows.tail_len()) - tail.count(start);
        assert_eq!(filed - self.rows.held_below_first() + tail, self.rows.len);
        if self.rows.len == 0 {
            assert!(root.is_none() && self.rows.tail.count(self.rows.tail_len()) == 0, "nothing is held");
        }
    }
}

fn check_node(node: &Node<u64>, height: u32, start: u64, first: u64) -> usize {
    let count = match node {
        Node::Leaf(leaf) => {
            assert_eq!(height, 0, "leaves hang at one depth");
            let skip = first.saturating_sub(start).min(W) as usize;
            assert!(!leaf.is_empty_from(skip), "a leaf without a row of this version is freed");
            leaf.count(WIDTH)
        }
        Node::Inner(inner) => {
            let mut below = 0;
            for (at, child) in inner.children.iter().enumerate() {
                let start = start + ((at as u64) << (BITS * height));
                below += child.as_ref().map_or(0, |child| check_node(child, height - 1, start, first));
            }
            assert_eq!(inner.count, below);
            below
        }
    };
    assert!(count > 0, "a node without rows is freed");
    count
}

fn forwards(rows: &Rows<u64>, from: u64, wanted: usize) -> Vec<(u64, u64)> {
    let mut seen = Vec::new();
    let _ = rows.visit(RowId(from), &mut |row, value| take(&mut seen, wanted, row, *value));
    seen
}

fn backwards(rows: &Rows<u64>, end: u64, wanted: usize) -> Vec<(u64, u64)> {
    let mut seen = Vec::new();
    let _ = rows.visit_rev(RowId(end), &mut |row, value| take(&mut seen, wanted, row, *value));
    seen
}

fn take(seen: &mut Vec<(u64, u64)>, wanted: usize, row: RowId, value: u64) -> ControlFlow<()> {
    seen.push((row.0, value));
    if seen.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

#[test]
fn versions_agree_with_a_map() {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let start = *random.pick(&[0, 0, 1, W - 1, W + 1, 1000, W * W * W - 40, 1 << 40]);
        let mut versions = vec![Version::starting_at(start)];
        for step in 0..4000_u64 {
            let (count, at) = (versions.len(), random.below(versions.len()));
            let version = &mut versions[at];
            match random.below(41) {
                0..=17 => version.push(step),
                18..=21 => (0..random.below(100) as u64).for_each(|more| version.push(step + more)),
                22..=26 => version.replace(version.row(&mut random), step),
                27..=31 => version.remove(version.row(&mut random)),
                // A run of neighbours, so that whole nodes get empty.
                32 => {
                    let from = version.row(&mut random);
                    (from..from + random.below(200) as u64).for_each(|row| version.remove(row));
                }
                // The first ones, as from a queue.
                33 => (0..random.below(50)).for_each(|_| {
                    if let Some(first) = version.model.keys().next().copied() {
                        version.remove(first);
                    }
                }),
                34 if random.below(4) == 0 => *version = Version::starting_at(version.next),
                35..=36 => {
                    // A write that is given up: its copy may have filled slots of the shared tail.
                    let mut given_up = version.clone();
                    for more in 0..random.below(40) as u64 {
                        given_up.push(u64::MAX - more);
                    }
                    given_up.remove(given_up.row(&mut random));
                }
                37..=38 if count < 10 => {
                    let copy = version.clone();
                    versions.push(copy);
                }
                39 if count > 1 => drop(versions.swap_remove(at)),
                _ => {}
            }
            if step % 64 == 0 {
                versions.iter().for_each(|version| version.check(&mut random));
            }
        }
        versions.iter().for_each(|version| version.check(&mut random));
    }
}

#[test]
fn a_push_that_was_given_up_is_not_seen_by_the_next() {
    let mut random = Random::new(1);
    let mut version = Version::starting_at(0);
    for value in 0..200 {
        let before = version.clone();
        let mut given_up = version.clone();
        given_up.push(1000 + value);
        given_up.push(2000 + value);
        drop(given_up);
        version.push(value);
        before.check(&mut random);
        version.check(&mut random);
    }
    assert_eq!(version.model.values().copied().collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
}

#[test]
fn an_emptied_table_goes_on_where_it_was() {
    let mut random = Random::new(2);
    let mut version = Version::starting_at(0);
    (0..2100).for_each(|value| version.push(value));
    let full = version.clone();
    for row in 0..2100 {
        version.remove(row);
    }
    version.check(&mut random);
    assert!(version.rows.root.is_none(), "no node is kept");
    // Appends hang into the emptied trie, below holes.
    (0..2100).for_each(|value| version.push(value));
    version.check(&mut random);
    full.check(&mut random);
    assert_eq!(version.rows.nth(0), Some(RowId(2100)));
}

#[test]
fn a_queue_holds_no_more_than_a_leaf_of_what_has_left() {
    let mut rows: Rows<Arc<u64>> = Rows::starting_at(0);
    let mut held = std::collections::VecDeque::new();
    for number in 0..5_000 {
        let value = Arc::new(number);
        held.push_back((rows.next(), Arc::downgrade(&value)));
        rows.push(value);
        if number % 100 == 50 {
            // No other version shares it then, and so it need not be copied.
            while rows.len() > 20 {
                let first = rows.nth(0).expect("it has rows");
                assert!(rows.remove(first).is_some());
            }
        }
        held.retain(|(_, value)| value.strong_count() > 0);
        assert!(held.len() < rows.len() + WIDTH, "{} of {}", held.len(), rows.len());
    }
    while let Some(first) = rows.nth(0) {
        rows.remove(first);
    }
    assert!(held.iter().all(|(_, value)| value.strong_count() == 0), "and an empty one holds none");
}

#[test]
fn a_start_is_rounded_up_to_a_leaf() {
    for (start, next) in [(0, 0), (1, W), (W, W), (W + 1, 2 * W)] {
        assert_eq!(Rows::<u64>::starting_at(start).next(), RowId(next));
    }
}
