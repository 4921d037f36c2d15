//! Ranges that hold a key, against a look at every range.

use super::*;
use crate::engine::key::{Always, Plain, Sometimes};
use crate::engine::tests::Random;

fn cut(random: &mut Random) -> Cut<u8> {
    match random.below(12) {
        0 => Cut::Start,
        1 => Cut::End,
        _ => Cut::Between(
            random.below(40) as u8,
            if random.below(2) == 0 { Side::Before } else { Side::After },
        ),
    }
}

#[test]
fn a_treap_finds_what_a_list_finds() {
    for seed in 1..40 {
        let mut random = Random::new(seed);
        let mut treap = Treap { root: None, seed };
        let mut list: Vec<(Cut<u8>, Cut<u8>, u32)> = Vec::new();
        for id in 0..400 {
            if random.below(3) > 0 {
                let (a, b) = (cut(&mut random), cut(&mut random));
                treap.insert(a.clone(), b.clone(), id);
                list.push((a, b, id));
            } else if !list.is_empty() {
                let (start, _, id) = list.swap_remove(random.below(list.len()));
                treap.remove(&start, id);
            }
            let at = Cut::Between(random.below(40) as u8, Side::Before);
            let mut found = Vec::new();
            treap.stab(&at, &mut |id| found.push(id));
            found.sort_unstable();
            let holds = |range: &&(Cut<u8>, Cut<u8>, u32)| range.0 <= at && at < range.1;
            let mut expected: Vec<u32> = list.iter().filter(holds).map(|range| range.2).collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "seed {seed}");
        }
    }
}

fn depth(link: &Link<u8>) -> usize {
    link.as_ref().map_or(0, |node| 1 + depth(&node.left).max(depth(&node.right)))
}

#[test]
fn a_treap_stays_shallow() {
    let mut treap = Treap { root: None, seed: 1 };
    for id in 0..10_000 {
        treap.insert(Cut::Between((id % 200) as u8, Side::Before), Cut::End, id);
    }
    assert!(depth(&treap.root) < 60, "{}", depth(&treap.root));
    (0..10_000).for_each(|id| treap.remove(&Cut::Between((id % 200) as u8, Side::Before), id));
    assert!(treap.root.is_none());
}

/// What a look at every range finds, and the index of ranges.
fn agree<L: Layout>(ranges: &[KeyRange<'_>], keys: &[L::Stored]) {
    let mut over = Over::<L>::new();
    for (range, id) in ranges.iter().zip(0..) {
        over.add(*range, id);
    }
    for key in keys {
        let mut found = Vec::new();
        over.visit(key, &mut |id| found.push(id));
        found.sort_unstable();
        let starts = |range: &KeyRange<'_>| match range.start {
            Bound::Unbounded => true,
            Bound::Included(point) => L::compare(key, 0, point).is_ge(),
            Bound::Excluded(point) => L::compare(key, 0, point).is_gt(),
        };
        let ends = |range: &KeyRange<'_>| match range.end {
            Bound::Unbounded => true,
            Bound::Included(point) => L::compare(key, 0, point).is_le(),
            Bound::Excluded(point) => L::compare(key, 0, point).is_lt(),
        };
        let holds = |(range, id): (&KeyRange<'_>, u32)| (starts(range) && ends(range)).then_some(id);
        let expected: Vec<u32> = ranges.iter().zip(0..).filter_map(holds).collect();
        assert_eq!(found, expected);
    }
    for (range, id) in ranges.iter().zip(0..) {
        over.remove(*range, id);
    }
    assert!(over.len == 0 && over.points.is_empty() && over.ranges.root.is_none(), "all are out again");
}

/// An open start leaves out what has no value, also where everything has one.
#[test]
fn all_sorts_of_ranges_are_found() {
    let values: [u8; 4] = [3, 5, 7, 9];
    let mut bounds = vec![Bound::Unbounded];
    let points = values.iter().map(|value| KeyPoint::Value(value)).chain([KeyPoint::Absent]);
    for point in points {
        bounds.extend([Bound::Included(point), Bound::Excluded(point)]);
    }
    let all = bounds.iter().flat_map(|start| bounds.iter().map(|end| KeyRange { start: *start, end: *end }));
    // An index knows no range that ends before it starts.
    let place = |bound: Bound<KeyPoint<'_>>| match bound {
        Bound::Included(point) | Bound::Excluded(point) => match point {
            KeyPoint::Absent => Some(0),
            KeyPoint::Value(value) => value.downcast_ref::<u8>().copied(),
        },
        Bound::Unbounded => None,
    };
    let is_one = |range: &KeyRange<'_>| match (place(range.start), place(range.end)) {
        (Some(start), Some(end)) => {
            start < end
                || start == end
                    && matches!(range, KeyRange { start: Bound::Included(_), end: Bound::Included(_) })
        }
        _ => true,
    };
    let ranges: Vec<_> = all.filter(is_one).collect();
    agree::<Always<Plain<u8>>>(&ranges, &[0, 3, 4, 5, 6, 7, 8, 9, 10]);
    let keys: Vec<(Option<u8>,)> =
        [None, Some(0), Some(3), Some(4), Some(7), Some(10)].map(|key| (key,)).into();
    agree::<(Sometimes<Plain<u8>>,)>(&ranges, &keys);
}
