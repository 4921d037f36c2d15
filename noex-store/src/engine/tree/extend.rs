//! Adding many entries at once: each node that is touched is copied and split once, whatever it gains.

use std::mem::take;
use std::sync::Arc;
use std::vec::IntoIter;

use super::{Child, FAN, Inner, LEAF, Leaf, Tree};

/// New right siblings of the children of a node, in order, each with the place of the child that it was split from.
type Splits<E> = Vec<(usize, Child<E>)>;

impl<E: Ord + Clone> Tree<E> {
    /// Adds entries that ascend and differ, but for those that are there already. O(k log n) for k entries, less the nearer they
    /// are to each other; O(k) into an empty tree.
    pub(crate) fn extend_sorted(&mut self, entries: Vec<E>) {
        if self.len() == 0 {
            *self = Self::from_sorted(entries);
            return;
        }
        let count = entries.len();
        let mut splits = Splits::new();
        extend(&mut self.root, &mut entries.into_iter(), count, true, 0, &mut splits);
        while !splits.is_empty() {
            let mut level = vec![take(&mut self.root)];
            level.extend(splits.drain(..).map(|(_, node)| node));
            let mut nodes = nodes_of(level, false);
            self.root = nodes.next().unwrap_or_default();
            splits.extend(nodes.map(|node| (0, node)));
        }
    }
}

/// How many each node gets of `total`: all alike, so that each has room; or as many as it can hold, and the last one the rest.
fn shares(total: usize, most: usize, full: bool) -> impl Iterator<Item = usize> {
    let parts = total.div_ceil(most);
    (0..parts).map(move |part| match full {
        true => most.min(total - part * most),
        false => total * (part + 1) / parts - total * part / parts,
    })
}

/// Nodes above these.
fn nodes_of<E: Clone>(children: Vec<Child<E>>, full: bool) -> impl Iterator<Item = Child<E>> {
    let shares = shares(children.len(), FAN, full);
    let mut children = children.into_iter();
    shares.map(move |share| {
        let mut inner = Inner::default();
        children.by_ref().take(share).for_each(|child| inner.push(child));
        Child::Inner(Arc::new(inner))
    })
}

/// Adds the next `count` of `new` below `node`, whose new siblings go to `splits`, with its place. `last` as for a single insert.
fn extend<E: Ord + Clone>(
    node: &mut Child<E>,
    new: &mut IntoIter<E>,
    count: usize,
    last: bool,
    place: usize,
    splits: &mut Splits<E>,
) {
    match node {
        Child::Leaf(shared) => {
            let leaf = Arc::make_mut(shared);
            if leaf.entries.len() + count <= LEAF {
                for entry in new.take(count) {
                    if let Err(at) = leaf.entries.binary_search(&entry) {
                        leaf.entries.insert(at, entry);
                    }
                }
                return;
            }
            let grows_only = last && leaf.entries.last() < new.as_slice().first();
            let mut merged = Vec::with_capacity(leaf.entries.len() + count);
            let mut old = take(&mut leaf.entries).into_iter().peekable();
            for entry in new.take(count) {
                while let Some(before) = old.next_if(|old| *old < entry) {
                    merged.push(before);
                }
                if old.peek() != Some(&entry) {
                    merged.push(entry);
                }
            }
            merged.extend(old);
            let mut shares = shares(merged.len(), LEAF, grows_only);
            let mut merged = merged.into_iter();
            leaf.entries.extend(merged.by_ref().take(shares.next().unwrap_or_default()));
            for share in shares {
                let entries = merged.by_ref().take(share).collect();
                splits.push((place, Child::Leaf(Arc::new(Leaf { entries }))));
            }
        }
        Child::Inner(shared) => {
            let inner = Arc::make_mut(shared);
            let (mut left, mut below) = (count, Splits::new());
            while let Some(entry) = new.as_slice().first()
                && left > 0
            {
                let at = inner.firsts.partition_point(|first| first <= entry).saturating_sub(1);
                if *entry < inner.firsts[at] {
                    inner.firsts[at] = entry.clone();
                }
                let own = match inner.firsts.get(at + 1) {
                    Some(end) => new.as_slice()[..left].partition_point(|entry| entry < end),
                    None => left,
                };
                let last = last && at + 1 == inner.children.len();
                extend(&mut inner.children[at], new, own, last, at, &mut below);
                inner.counts[at] = inner.children[at].count();
                left -= own;
            }
            if inner.children.len() + below.len() <= FAN {
                for (at, child) in below.into_iter().rev() {
                    inner.put(at + 1, child);
                }
                return;
            }
            let grows_only = last && below.first().is_some_and(|(at, _)| at + 1 == inner.children.len());
            let mut below = below.into_iter().peekable();
            let mut children = Vec::with_capacity(inner.children.len() + below.len());
            for (at, child) in take(inner).children.into_iter().enumerate() {
                children.push(child);
                while let Some((_, right)) = below.next_if(|(of, _)| *of == at) {
                    children.push(right);
                }
            }
            let mut nodes = nodes_of(children, grows_only);
            *node = nodes.next().unwrap_or_default();
            splits.extend(nodes.map(|node| (place, node)));
        }
    }
}
