//! Read sets against random changes: both ways of finding what is touched find the same, and keys and unique values are touched
//! by what becomes of them.

use crate::schema::Ttl;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::*;
use crate::bucket::record::Record;
use crate::clock::Moment;
use crate::engine::tests::Random;
use crate::engine::{HashState, Hashing, KeyPoint, KeyRange};
use crate::filter::Filter;
use crate::filter::watch::{FilterWatch, IndexWatch, Taken, Window};

#[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "things", crate = crate)]
pub(crate) struct Thing {
    #[bucket(key)]
    id: u32,
    #[bucket(unique)]
    code: u32,
    #[bucket(index)]
    kind: u8,
    size: i16,
    #[bucket(index(each))]
    tags: Vec<u8>,
}

fn thing(id: u32, random: &mut Random) -> Thing {
    let tags = (0..random.below(3)).map(|_| random.below(40) as u8).collect();
    Thing { id, code: 1000 + id, kind: random.below(60) as u8, size: random.below(100) as i16, tags }
}

pub(crate) fn table(random: &mut Random) -> Table<Thing> {
    let mut table = Table::new(HashState::new(Hashing::Fast));
    table
        .insert_many((0..200).map(|id| thing(id, random)).collect(), Moment::new(1, 0))
        .map_err(|_| ())
        .expect("good");
    table.keep();
    table
}

fn record(table: &Table<Thing>, random: &mut Random) -> Option<Record<Thing>> {
    table.get(&(random.below(260) as u32)).cloned()
}

pub(crate) fn change(table: &mut Table<Thing>, random: &mut Random) {
    match (random.below(4), record(table, random)) {
        (0, _) => {
            drop(table.insert(thing(random.below(260) as u32, random), Ttl::OfBucket, Moment::new(2, 0)));
        }
        (1, Some(old)) => table.remove(&old),
        (_, Some(old)) => {
            let mut new = old.value().clone();
            match random.below(3) {
                0 => new.kind = random.below(60) as u8,
                1 => new.size = random.below(100) as i16,
                _ => new.tags.push(random.below(40) as u8),
            }
            table.replace(&old, new, old.rewritten(2)).expect("the same key and code");
        }
        _ => {}
    }
    table.keep();
}

pub(crate) fn watch(random: &mut Random) -> Arc<dyn Watch<Thing>> {
    let kind = random.below(60) as u8;
    let filter = match random.below(9) {
        0 => {
            let at: &u8 = &kind;
            let index = Thing::definition().indexes[0]();
            return Arc::new(IndexWatch::new(index.as_ref(), 0, &[KeyPoint::Value(at)], KeyRange::ALL));
        }
        1 => Thing::KIND.eq(kind),
        2 => Thing::TAGS.contains(kind % 40),
        3 => Thing::KIND.between(kind..kind + 2),
        4 => Thing::ID.is_in([u32::from(kind), u32::from(kind) + 100]),
        5 => Thing::KIND.le(kind / 8),
        6 => Thing::CODE.eq(1000 + u32::from(kind)).and(Thing::KIND.lt(200)),
        7 => Thing::KIND.ge(3).and(Thing::ID.eq(u32::from(kind))),
        _ => Thing::SIZE.eq(i16::from(kind)).and(Thing::KIND.gt(20)),
    };
    let taken = match random.below(3) {
        0 => Taken::Members,
        1 => Taken::Values(Box::new(|a: &Thing, b: &Thing| a.size == b.size)),
        _ => Taken::Records,
    };
    let window = (random.below(3) == 0).then(|| Window { order: Vec::new(), after: None, last: None });
    Arc::new(FilterWatch { filter, taken, window })
}

#[test]
fn both_ways_find_the_same() {
    let (mut touched, mut untouched) = (0, 0);
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let old = table(&mut random);
        let mut new = old.clone();
        (0..=random.below(40)).for_each(|_| change(&mut new, &mut random));
        let changes = old.delta(&new);
        let mut reads = ReadSet::default();
        for _ in 0..12 {
            reads.watches = vec![watch(&mut random)];
            let one = reads.touched_one_by_one(&new, &changes).is_some();
            assert_eq!(one, reads.touched_by_index(&new, &changes).is_some(), "seed {seed}");
            if one { touched += 1 } else { untouched += 1 }
        }
    }
    assert!(touched > 300 && untouched > 1000, "{touched} touched, {untouched} not");
}

#[test]
fn keys_and_unique_values_are_touched_by_what_becomes_of_them() {
    let mut random = Random::new(1);
    let old = table(&mut random);
    let key = |id: u32| old.shared().hash.hash(&id);
    let touched = |new: &Table<Thing>, id: u32, seen: Seen| {
        let mut keys = ReadSet::<Thing>::default();
        keys.key(key(id), seen);
        let mut uniques = ReadSet::<Thing>::default();
        uniques.unique(0, key(1000 + id), seen);
        let found = keys.touched_between(&old, new);
        assert_eq!(found.is_some(), uniques.touched_between(&old, new).is_some());
        found.map(|touch| touch.key)
    };

    let mut updated = old.clone();
    let seven = updated.get(&7).cloned().expect("there");
    updated.replace(&seven, Thing { size: 1000, ..seven.value().clone() }, seven.rewritten(2)).expect("good");
    assert_eq!(touched(&updated, 7, Seen::Whole), Some("7".to_owned()));
    assert_eq!(touched(&updated, 7, Seen::Presence), None);
    assert_eq!(touched(&updated, 8, Seen::Whole), None);

    let mut removed = old.clone();
    removed.remove(&seven);
    assert!(touched(&removed, 7, Seen::Presence).is_some());

    let mut again = removed.clone();
    again.insert(seven.value().clone(), Ttl::OfBucket, Moment::new(2, 0)).expect("gone");
    assert_eq!(touched(&again, 7, Seen::Presence), None);
    assert!(touched(&again, 7, Seen::Whole).is_some());

    let mut inserted = old.clone();
    inserted.insert(thing(900, &mut random), Ttl::OfBucket, Moment::new(2, 0)).expect("new");
    assert!(touched(&inserted, 900, Seen::Presence).is_some());
    assert_eq!(touched(&inserted, 901, Seen::Whole), None);
}

#[test]
fn doubles_of_a_read_do_not_pile_up() {
    let mut reads = ReadSet::<Thing>::default();
    for step in 0..100_000_u64 {
        reads.key(step % 50, if step % 7 == 0 { Seen::Whole } else { Seen::Presence });
    }
    reads.keys.compact();
    assert_eq!(reads.keys.list.len(), 50);
    assert!(reads.keys.list.iter().all(|(_, _, seen)| *seen == Seen::Whole), "the strongest is kept");
    assert!(reads.keys.list.capacity() < 1000);
}

#[test]
fn a_view_of_all_records_is_touched_by_any() {
    let mut random = Random::new(3);
    let old = table(&mut random);
    let mut new = old.clone();
    new.insert(thing(900, &mut random), Ttl::OfBucket, Moment::new(2, 0)).expect("new");
    let mut reads = ReadSet::default();
    let all = FilterWatch { filter: Filter::all(), taken: Taken::Members, window: None };
    reads.watch(Arc::new(all) as Arc<dyn Watch<Thing>>);
    let touch = reads.touched_between(&old, &new).expect("one more");
    assert_eq!((touch.key.as_str(), touch.field), ("900", None));
    assert_eq!(reads.touched_between(&old, &old.clone()), None);
}
