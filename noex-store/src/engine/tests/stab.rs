//! Ranges that hold a key, against a look at every range.

use super::*;
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
