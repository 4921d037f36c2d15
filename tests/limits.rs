//! Size limits: which record makes room, and when.

mod common;

use common::keeping::wait;
use common::{Random, start, store_of};
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

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "full", max_size = 20)]
struct Full {
    #[bucket(key)]
    id: u32,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "cache", max_size = 1024, evict = "lru")]
struct Cache {
    #[bucket(key)]
    id: u32,
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

/// Any sequence of writes, beside a list of what is there.
#[test]
fn the_oldest_goes_whatever_was_done_before() -> Result<(), Error> {
    for seed in 1..40_u64 {
        let mut random = Random(seed);
        let clock = TestClock::at(1);
        let store = start(Store::builder().clock(clock.clone()).bucket::<Full>());
        let records = store.bucket::<Full>()?;
        // By creation, those of one millisecond by key.
        let mut model = std::collections::BTreeSet::<(u64, u32)>::new();
        let mut now = 1;
        // Keys in any order, or each greater than all before it, as those that are given one after the other.
        let ascends = seed % 2 == 0;
        let mut next = 1000;
        for _ in 0..400 {
            if random.below(3) == 0 {
                now += u64::from(random.below(3));
                clock.set(now);
            }
            let id = match model.iter().nth(random.below(40) as usize) {
                Some((_, there)) if ascends => *there,
                _ if ascends => next,
                _ => random.below(60),
            };
            next += 1;
            let old = model.iter().copied().find(|(_, key)| *key == id);
            match random.below(12) {
                0 => {
                    assert_eq!(records.delete(&id)?.is_some(), old.is_some());
                    old.map(|old| model.remove(&old));
                }
                // Created anew, in the row of the one before it.
                1 if old.is_some() => {
                    store.transaction(|tx| {
                        let own = tx.bucket::<Full>()?;
                        own.delete(&id)?;
                        own.insert(Full { id }).map(drop)
                    })?;
                    old.map(|old| model.remove(&old));
                    model.insert((now, id));
                }
                2 => {
                    let mut many: Vec<_> = (100..100 + random.below(30)).rev().collect();
                    if ascends {
                        many = (next..next + random.below(30)).collect();
                        next += 30;
                    }
                    let many = many.into_iter().filter(|id| model.iter().all(|(_, key)| key != id));
                    let many: Vec<_> = many.collect();
                    records.insert_many(many.iter().map(|id| Full { id: *id }))?;
                    model.extend(many.iter().map(|id| (now, *id)));
                }
                3 if random.below(8) == 0 => {
                    records.clear()?;
                    model.clear();
                }
                _ if old.is_some() => drop(records.upsert(Full { id })?),
                _ => {
                    records.insert(Full { id })?;
                    model.insert((now, id));
                }
            }
            while model.len() > 20 {
                model.pop_first();
            }
            let mut there: Vec<_> =
                records.all().iter().map(|record| (record.created_at(), record.id)).collect();
            there.sort_unstable();
            assert!(there.iter().eq(&model), "seed {seed}: {there:?}, and not {model:?}");
        }
    }
    Ok(())
}

#[test]
fn what_is_not_used_makes_room_for_several() -> Result<(), Error> {
    let (store, records) = store_of::<Cache>();
    records.insert_many((0..1024).map(|id| Cache { id }))?;
    let mut commits = store.commits().after(store.snapshot().version());
    for id in 1024..4000 {
        records.insert(Cache { id })?;
        assert!((1020..=1024).contains(&records.count()), "{} records", records.count());
        assert!(records.contains_key(&id), "what was just inserted stays");
        let commit = commits.try_next().expect("not missed").expect("one");
        let changes = commit.changes::<Cache>();
        let evicted =
            |change: &Change<Cache>| matches!(change, Change::Deleted { reason: Reason::Evicted, .. });
        assert_eq!(changes.iter().filter(|change| evicted(change)).count(), changes.len() - 1);
        // The first time there is no room, and then again when what was made then is taken.
        assert_eq!(changes.len() - 1, if id % 5 == 4 { 5 } else { 0 });
    }
    // More at once than the bucket may hold: the first of them go, and no more than must.
    records.insert_many((10_000..12_000).map(|id| Cache { id }))?;
    assert_eq!(records.count(), 1024);
    // Many at once, but not as many as there are: what they need, and a few more.
    records.insert_many((20_000..20_500).map(|id| Cache { id }))?;
    assert_eq!(records.count(), 1020);
    assert!((20_000..20_500).all(|id| records.contains_key(&id)));
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

/// One bucket, before and after its limit was lowered.
macro_rules! version {
    ($name:ident, $($limit:tt)*) => {
        mod $name {
            use noex_store::prelude::*;

            #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
            #[bucket(name = "kept", ttl = "1h", $($limit)*)]
            pub struct Kept {
                #[bucket(key)]
                pub id: u32,
                #[bucket(unique)]
                pub code: u32,
                #[bucket(index)]
                pub kind: u32,
            }
        }
    };
}
version!(hundred, max_size = 100);
version!(ten, max_size = 10, evict = "oldest");
version!(ten_used, max_size = 10, evict = "lru");

#[test]
fn a_limit_that_was_lowered_holds_from_the_start() -> Result<(), Error> {
    let kept = MemoryAdapter::new();
    let clock = TestClock::at(1_000_000);
    let persistence = || Persistence::new(kept.clone());
    let builder = || Store::builder().clock(clock.clone()).ttl_check_interval(Duration::ZERO);
    let store = wait(builder().bucket::<hundred::Kept>().persistence(persistence()).start())?;
    let all = store.bucket::<hundred::Kept>()?;
    for id in 0..100 {
        // Each is created later than the one before, and the last three live for a second.
        clock.advance(Duration::from_millis(1));
        let ttl = Duration::from_secs(if id < 97 { 3600 } else { 1 });
        all.insert_with_ttl(hundred::Kept { id, code: id + 1000, kind: id % 3 }, ttl)?;
    }
    wait(store.stop())?;
    clock.advance(Duration::from_secs(2));

    macro_rules! opened {
        ($version:ident, $is_late:expr) => {{
            use $version::Kept;
            let builder = builder().persistence(persistence());
            let store = wait(if $is_late { builder } else { builder.bucket::<Kept>() }.start())?;
            let kept = if $is_late { store.define_bucket::<Kept>()? } else { store.bucket::<Kept>()? };
            let ids: Vec<u32> = kept.iter().map(|record| record.id).collect();
            for id in 0..300 {
                assert_eq!(kept.contains_key(&id), ids.contains(&id), "{id}");
                assert_eq!(kept.by_code(&(id + 1000)).is_some(), ids.contains(&id), "{id}");
            }
            assert_eq!((0..3).map(|kind| kept.by_kind(&kind).len()).sum::<usize>(), ids.len());
            // What was left out is free, and the limit holds from here on.
            kept.insert(Kept { id: 500, code: 1000, kind: 0 })?;
            assert_eq!(kept.count(), 10);
            kept.delete(&500)?;
            wait(store.stop())?;
            ids
        }};
    }
    assert_eq!(opened!(ten, false), (87..97).collect::<Vec<_>>(), "what has expired goes first");
    // It is kept so: with the old limit the others do not come back.
    let store = wait(builder().bucket::<hundred::Kept>().persistence(persistence()).start())?;
    let all = store.bucket::<hundred::Kept>()?;
    assert_eq!(all.count(), 9);
    for id in 200..230 {
        all.insert(hundred::Kept { id, code: id + 1000, kind: 0 })?;
    }
    wait(store.stop())?;
    assert_eq!(opened!(ten_used, true).len(), 10);
    Ok(())
}
