//! The turned-around index finds exactly the readers whose read sets, asked one by one, are touched.

use std::collections::BTreeSet;

use super::*;
use crate::engine::reads::tests::{change, table, watch};
use crate::engine::tests::Random;

#[test]
fn it_finds_whom_the_read_sets_find() {
    let mut found = 0;
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut old = table(&mut random);
        let mut index = ReadIndex::default();
        let mut readers: Vec<(ReaderId, ReadSet<_>)> = Vec::new();
        for round in 0..12 {
            // Some come, some go.
            for number in 0..15 {
                let mut reads = ReadSet::default();
                for _ in 0..random.below(3) {
                    let hash = old.shared().hash.hash(&(random.below(260) as u32));
                    reads.key(hash, *random.pick(&[Seen::Whole, Seen::Presence]));
                    let hash = old.shared().hash.hash(&(1000 + random.below(260) as u32));
                    reads.unique(0, hash, *random.pick(&[Seen::Whole, Seen::Presence]));
                }
                (0..random.below(4)).for_each(|_| reads.watch(watch(&mut random)));
                let id = round * 100 + number;
                index.add(id, &reads, old.shared());
                readers.push((id, reads));
            }
            for _ in 0..random.below(10) {
                let (id, _) = readers.swap_remove(random.below(readers.len()));
                index.remove(id);
            }
            let mut new = old.clone();
            (0..=random.below(6)).for_each(|_| change(&mut new, &mut random));
            let mut touched = BTreeSet::new();
            index.touched(&old, &new, &mut |reader, touch| {
                assert!(!touch.key.is_empty());
                touched.insert(reader);
            });
            let of = |(id, reads): &(ReaderId, ReadSet<_>)| reads.touched_between(&old, &new).map(|_| *id);
            let expected: BTreeSet<ReaderId> = readers.iter().filter_map(of).collect();
            assert!(expected.is_subset(&touched), "seed {seed}: {expected:?} in {touched:?}");
            // A key that one row gives up and another takes is told twice here, once for each.
            let more = touched.difference(&expected).count();
            assert!(more <= 3, "seed {seed}: {more} too many");
            found += expected.len();
            old = new;
        }
        readers.iter().for_each(|(id, _)| index.remove(*id));
        assert!(
            index.is_empty() && index.keys.is_empty() && index.uniques.is_empty() && index.loose.is_empty()
        );
        assert!(index.hashed.is_empty());
        assert!(index.anchored.iter().all(|stabs| stabs.len() == 0));
        assert_eq!(index.free.len(), index.watches.len());
    }
    assert!(found > 500, "{found}");
}
