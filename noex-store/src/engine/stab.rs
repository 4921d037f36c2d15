//! Which of many ranges hold a key: what live queries watch in an index, by the first part of its key.
//!
//! Single keys, which are most, stand in an ordered map; true ranges in a treap by their start, each node of which knows the
//! greatest end below it (Cormen et al., *Introduction to Algorithms*, "Interval trees"; Aragon, Seidel, *Randomized Search
//! Trees*, 1989).

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Bound;

use smallvec::SmallVec;

use super::index::{KeyPoint, KeyRange};
use super::key::{KeyParts, Layout};

/// Ranges with numbers, over the first part of an index's key.
pub trait Stabs<B>: Send + Sync {
    /// Adds a range. O(log n).
    fn add(&mut self, range: KeyRange<'_>, id: u32);
    /// Removes a range that was added with this number. O(log n).
    fn remove(&mut self, range: KeyRange<'_>, id: u32);
    /// Calls `visit` with the numbers of the ranges that hold one of a record's keys. O(log n + found) for each key.
    fn visit(&self, record: &B, visit: &mut dyn FnMut(u32));
    /// The number of ranges.
    fn len(&self) -> usize;
}

/// A place between keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Cut<K> {
    Start,
    Between(K, Side),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Before,
    After,
}

struct TypedStabs<B, P: KeyParts<B>> {
    parts: P,
    over: Over<P::Layout>,
    bucket: PhantomData<fn(&B)>,
}

/// The ranges, whatever bucket their keys are of. Nothing of it is inlined where it would be compiled for each bucket.
struct Over<L: Layout> {
    points: BTreeMap<L::First, SmallVec<[u32; 2]>>,
    ranges: Treap<L::First>,
    len: usize,
}

pub(crate) fn stabs<B: 'static, P: KeyParts<B>>(parts: P) -> Box<dyn Stabs<B>> {
    Box::new(TypedStabs { parts, over: Over::new(), bucket: PhantomData })
}

enum Place<K> {
    Point(K),
    Range(Cut<K>, Cut<K>),
}

impl<L: Layout> Over<L> {
    #[inline(never)]
    fn new() -> Self {
        Self { points: BTreeMap::new(), ranges: Treap { root: None, seed: 1 }, len: 0 }
    }

    /// Where a range belongs.
    fn place(range: KeyRange<'_>) -> Place<L::First> {
        let cut = |point, side, otherwise| match (L::first_of(point), point) {
            (Some(key), _) => Cut::Between(key, side),
            // In an index whose every record has a value, what has none would come before all.
            (None, KeyPoint::Absent) => Cut::Start,
            // The derive pairs every index with the tokens of its fields, so the types agree; a range that is too great would find
            // too much, and nothing would be missed.
            (None, KeyPoint::Value(_)) => otherwise,
        };
        let start = match range.start {
            Bound::Unbounded => Cut::Start,
            Bound::Included(point) => cut(point, Side::Before, Cut::Start),
            Bound::Excluded(point) => cut(point, Side::After, Cut::Start),
        };
        let end = match range.end {
            Bound::Unbounded => Cut::End,
            Bound::Included(point) => cut(point, Side::After, Cut::End),
            Bound::Excluded(point) => cut(point, Side::Before, Cut::End),
        };
        match (start, end) {
            (Cut::Between(from, Side::Before), Cut::Between(to, Side::After)) if from == to => {
                Place::Point(from)
            }
            (start, end) => Place::Range(start, end),
        }
    }

    #[inline(never)]
    fn add(&mut self, range: KeyRange<'_>, id: u32) {
        self.len += 1;
        match Self::place(range) {
            Place::Point(key) => self.points.entry(key).or_default().push(id),
            Place::Range(start, end) => self.ranges.insert(start, end, id),
        }
    }

    #[inline(never)]
    fn remove(&mut self, range: KeyRange<'_>, id: u32) {
        self.len -= 1;
        match Self::place(range) {
            Place::Point(key) => {
                if let Some(ids) = self.points.get_mut(&key) {
                    if let Some(at) = ids.iter().position(|other| *other == id) {
                        ids.swap_remove(at);
                    }
                    if ids.is_empty() {
                        self.points.remove(&key);
                    }
                }
            }
            Place::Range(start, _) => self.ranges.remove(&start, id),
        }
    }

    #[inline(never)]
    fn visit(&self, key: &L::Stored, visit: &mut dyn FnMut(u32)) {
        let first = L::first(key);
        if let Some(ids) = self.points.get(&first) {
            ids.iter().for_each(|id| visit(*id));
        }
        self.ranges.stab(&Cut::Between(first, Side::Before), visit);
    }
}

impl<B: 'static, P: KeyParts<B>> Stabs<B> for TypedStabs<B, P> {
    fn add(&mut self, range: KeyRange<'_>, id: u32) {
        self.over.add(range, id);
    }

    fn remove(&mut self, range: KeyRange<'_>, id: u32) {
        self.over.remove(range, id);
    }

    fn visit(&self, record: &B, visit: &mut dyn FnMut(u32)) {
        self.parts.keys(record, &mut |key| self.over.visit(&key, visit));
    }

    fn len(&self) -> usize {
        self.over.len
    }
}

/// Ranges by their start and number, a heap by random priorities.
struct Treap<K> {
    root: Link<K>,
    seed: u64,
}

type Link<K> = Option<Box<Node<K>>>;

struct Node<K> {
    start: Cut<K>,
    end: Cut<K>,
    id: u32,
    priority: u64,
    /// The greatest end in this subtree.
    latest: Cut<K>,
    left: Link<K>,
    right: Link<K>,
}

impl<K: Ord + Clone> Node<K> {
    fn update(&mut self) {
        let below = [&self.left, &self.right];
        let latest = below.into_iter().flatten().map(|node| &node.latest).fold(&self.end, Ord::max);
        self.latest = latest.clone();
    }
}

impl<K: Ord + Clone> Treap<K> {
    fn insert(&mut self, start: Cut<K>, end: Cut<K>, id: u32) {
        // xorshift64 (Marsaglia, *Xorshift RNGs*, 2003): the shape needs no more.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let latest = end.clone();
        let node = Node { start, end, id, priority: self.seed, latest, left: None, right: None };
        let (before, after) = split(self.root.take(), &node.start, id);
        self.root = merge(merge(before, Some(Box::new(node))), after);
    }

    fn remove(&mut self, start: &Cut<K>, id: u32) {
        let (before, rest) = split(self.root.take(), start, id);
        let (_, after) = split_first(rest, start, id);
        self.root = merge(before, after);
    }

    /// The ranges that a place just before a key lies in.
    fn stab(&self, at: &Cut<K>, visit: &mut dyn FnMut(u32)) {
        fn below<K: Ord>(link: &Link<K>, at: &Cut<K>, visit: &mut dyn FnMut(u32)) {
            let Some(node) = link else { return };
            if node.latest <= *at {
                return;
            }
            below(&node.left, at, visit);
            if node.start <= *at {
                if node.end > *at {
                    visit(node.id);
                }
                below(&node.right, at, visit);
            }
        }
        below(&self.root, at, visit);
    }
}

/// What comes before `(start, id)`, and the rest.
fn split<K: Ord + Clone>(link: Link<K>, start: &Cut<K>, id: u32) -> (Link<K>, Link<K>) {
    let Some(mut node) = link else { return (None, None) };
    if (&node.start, node.id) < (start, id) {
        let (before, after) = split(node.right.take(), start, id);
        node.right = before;
        node.update();
        (Some(node), after)
    } else {
        let (before, after) = split(node.left.take(), start, id);
        node.left = after;
        node.update();
        (before, Some(node))
    }
}

/// The range that is `(start, id)`, which would be the first, and the rest.
fn split_first<K: Ord + Clone>(link: Link<K>, start: &Cut<K>, id: u32) -> (Link<K>, Link<K>) {
    match id.checked_add(1) {
        Some(next) => split(link, start, next),
        None => (link, None),
    }
}

fn merge<K: Ord + Clone>(before: Link<K>, after: Link<K>) -> Link<K> {
    match (before, after) {
        (None, link) | (link, None) => link,
        (Some(mut a), Some(mut b)) => {
            if a.priority > b.priority {
                a.right = merge(a.right.take(), Some(b));
                a.update();
                Some(a)
            } else {
                b.left = merge(Some(a), b.left.take());
                b.update();
                Some(b)
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/stab.rs"]
mod tests;
