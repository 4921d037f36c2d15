//! Size limits: which record makes room, and when.

mod common;

use common::{start, store_of};
use noex_store::prelude::*;
use noex_store::{TestClock, Ttl};

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "oldest", max_size = 3)]
struct Aged {
    #[bucket(key)]
    id: u32,
    #[bucket(unique)]
    code: u32,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "used", max_size = 4, evict = "lru")]
struct Used {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    group: u32,
    #[bucket(unique)]
    code: u32,
}

fn aged(id: u32) -> Aged {
    Aged { id, code: id }
}

fn used(id: u32) -> Used {
    Used { id, group: id / 10, code: id }
}

fn ids(reads: &AgedReads) -> Vec<u32> {
    reads.all().iter().map(|record| record.id).collect()
}

#[test]
fn the_oldest_goes_and_of_one_age_the_least_key() -> Result<(), Error> {
    let clock = TestClock::at(1);
    let store = start(Store::builder().clock(clock.clone()).bucket::<Aged>());
    let records = store.bucket::<Aged>()?;
    for id in [5, 9, 7] {
        records.insert(aged(id))?;
    }
    clock.set(2);
    records.insert(aged(1))?;
    assert_eq!(ids(&records), [9, 7, 1], "5 was the least of three of one age");
    records.insert(aged(2))?;
    assert_eq!(ids(&records), [9, 1, 2]);
    // An update does not make a record younger.
    records.update(&9, Aged::patch().code(90_u32))?;
    records.insert(aged(3))?;
    assert_eq!(ids(&records), [1, 2, 3]);
    Ok(())
}

#[test]
fn an_eviction_is_in_the_commit_of_its_cause() -> Result<(), Error> {
    let (store, records) = store_of::<Aged>();
    records.insert_many([aged(1), aged(2), aged(3)])?;
    let mut commits = store.commits().after(store.snapshot().version());
    // A value that was held by what makes room is still taken: nothing is evicted for what fails.
    assert!(records.insert(Aged { id: 4, code: 2 }).is_err());
    assert!(records.insert(aged(3)).is_err());
    assert_eq!(ids(&records), [1, 2, 3]);
    store.transaction(|tx| {
        let own = tx.bucket::<Aged>()?;
        own.update(&1, Aged::patch().code(10_u32))?;
        own.insert(aged(4))?;
        own.insert(aged(5)).map(drop)
    })?;
    assert_eq!(ids(&records), [3, 4, 5]);
    let commit = commits.try_next().expect("not missed").expect("one");
    assert!(commits.try_next().expect("not missed").is_none());
    let seen: Vec<_> = commit
        .changes::<Aged>()
        .iter()
        .map(|change| match change {
            Change::Deleted { record, reason } => (record.id, record.code, Some(*reason)),
            change => (change.new().map_or(0, |new| new.id), 0, None),
        })
        .collect();
    let evicted = Some(Reason::Evicted);
    assert_eq!(seen, [(1, 1, evicted), (4, 0, None), (5, 0, None), (2, 2, evicted)]);
    Ok(())
}

#[test]
fn the_limit_holds_in_every_snapshot() -> Result<(), Error> {
    let (store, records) = store_of::<Aged>();
    let mut commits = store.commits().after(noex_store::Version::default());
    for round in 0..50 {
        records.insert_many((round * 5..round * 5 + round % 5 + 1).map(aged))?;
        assert!(store.snapshot().bucket::<Aged>()?.count() <= 3);
    }
    let mut there = std::collections::BTreeSet::new();
    while let Some(commit) = commits.try_next().expect("not missed") {
        for change in commit.changes::<Aged>() {
            match change {
                Change::Inserted(new) => assert!(there.insert(new.id)),
                Change::Deleted { record, .. } => assert!(there.remove(&record.id)),
                Change::Updated { .. } => {}
            }
        }
        assert!(there.len() <= 3);
    }
    assert_eq!(there.into_iter().collect::<Vec<_>>(), ids(&records));
    Ok(())
}

#[test]
fn what_has_expired_makes_room_first() -> Result<(), Error> {
    let clock = TestClock::at(1);
    let store = start(Store::builder().clock(clock.clone()).bucket::<Aged>());
    let records = store.bucket::<Aged>()?;
    records.insert_many([aged(1), aged(2)])?;
    records.insert_with_ttl(aged(3), std::time::Duration::from_millis(5))?;
    clock.set(6);
    records.insert_with_ttl(aged(4), Ttl::Never)?;
    assert_eq!(ids(&records), [1, 2, 4]);
    Ok(())
}

#[test]
fn what_is_looked_up_stays() -> Result<(), Error> {
    let (_store, records) = store_of::<Used>();
    records.insert_many([1, 2, 3, 4].map(used))?;
    let all = || records.all().iter().map(|record| record.id).collect::<Vec<_>>();
    // Each way to look a record up counts; a walk over all of them does not.
    assert!(records.get(&1).is_some());
    assert!(records.by_code(&2).is_some());
    records.insert(used(10))?;
    assert_eq!(all(), [1, 2, 4, 10]);
    records.update(&4, Used::patch().code(44_u32))?;
    records.insert(used(11))?;
    assert_eq!(all(), [1, 2, 4, 11], "the hand goes on: 4 was written, 10 was never used");
    assert_eq!(records.by_group(&1).len(), 1);
    records.insert(used(12))?;
    assert_eq!(all(), [2, 4, 11, 12], "11 was used; 1 not since the hand came by");
    // More at once than there is room for: the first of them go.
    records.insert_many([20, 21, 22, 23, 24, 25].map(used))?;
    assert_eq!(all(), [22, 23, 24, 25]);
    Ok(())
}
