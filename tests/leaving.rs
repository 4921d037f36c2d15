//! Buckets whose records leave by themselves, under any sequence of writes and restarts: what the commits tell is what is there, by whatever
//! way one looks for it, in every snapshot that is kept, and on the disk.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::Random;
use common::keeping::wait;
use noex_store::TestClock;
use noex_store::prelude::*;

/// Code and group, by key.
type Told = BTreeMap<u32, (u32, u32)>;

macro_rules! leaving {
    ($test:ident, $bucket:ident, $name:literal, $max:literal, $evict:literal, $seeds:literal) => {
        #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[bucket(name = $name, ttl = "1s", max_size = $max, evict = $evict)]
        struct $bucket {
            #[bucket(key)]
            id: u32,
            #[bucket(unique)]
            code: u32,
            #[bucket(index)]
            group: u32,
        }

        #[test]
        fn $test() -> Result<(), Error> {
            const KEYS: u32 = $max * 2;
            const CODES: u32 = $max * 3;
            for seed in 1..=$seeds {
                let mut random = Random(seed);
                let clock = TestClock::at(1);
                let disk = MemoryAdapter::new();
                let open = |durability| {
                    let builder = Store::builder().clock(clock.clone()).ttl_check_interval(Duration::ZERO);
                    let persistence = Persistence::new(disk.clone()).durability(durability);
                    wait(builder.bucket::<$bucket>().persistence(persistence).start())
                };
                let mut store = open(Durability::default())?;
                let mut records = store.bucket::<$bucket>()?;
                let mut commits = store.commits().after(store.snapshot().version());
                let mut told = Told::new();
                let mut kept = Vec::new();
                let some = |random: &mut Random| $bucket {
                    id: random.below(KEYS),
                    code: random.below(CODES),
                    group: random.below(5),
                };
                for step in 0..300 {
                    if random.below(3) == 0 {
                        clock.advance(Duration::from_millis(u64::from(random.below(200))));
                    }
                    let value = some(&mut random);
                    let (id, group) = (value.id, value.group);
                    // What is refused changes nothing.
                    match random.below(14) {
                        0..=3 => drop(records.insert(value)),
                        4 => drop(records.upsert(value)),
                        5 => drop(records.update(&id, $bucket::patch().code(value.code).group(group))),
                        6 => drop(records.delete(&id)),
                        7 => {
                            let many: Vec<_> =
                                (0..random.below($max * 3 / 2)).map(|_| some(&mut random)).collect();
                            let mut ids: BTreeSet<_> = told.keys().copied().collect();
                            let mut codes: BTreeSet<_> = told.values().map(|(code, _)| *code).collect();
                            let is_new = |value: &$bucket| ids.insert(value.id) && codes.insert(value.code);
                            drop(records.insert_many(many.into_iter().filter(is_new)));
                        }
                        8..=9 => drop(store.transaction(|tx| {
                            let own = tx.bucket::<$bucket>()?;
                            for _ in 0..=random.below(4) {
                                let value = some(&mut random);
                                let id = value.id;
                                // What one of them refuses is left out.
                                match random.below(4) {
                                    0 => drop(own.insert(value)),
                                    1 => drop(own.update(&id, $bucket::patch().group(value.group))),
                                    2 => drop(own.delete(&id)),
                                    _ => {
                                        drop(own.delete(&id));
                                        drop(own.insert(value));
                                    }
                                }
                            }
                            Ok::<_, Error>(())
                        })),
                        10 => drop(records.delete_where($bucket::GROUP.eq(group))),
                        11 if random.below(5) == 0 => drop(records.clear()),
                        12 => drop(store.purge_ttl()),
                        13 if random.below(3) == 0 => {
                            // What is kept is what was there, with all that is known of it.
                            let all = |store: &Store| -> Result<Vec<_>, Error> {
                                let own = store.snapshot().bucket::<$bucket>()?.all();
                                let parts = |record: &Record<$bucket>| {
                                    let times =
                                        (record.created_at(), record.updated_at(), record.expires_at());
                                    (record.value().clone(), record.version(), times)
                                };
                                Ok(own.iter().map(parts).collect())
                            };
                            wait(store.stop())?;
                            let before = (store.snapshot().version(), all(&store)?);
                            let durability = [Durability::Immediate, Durability::default()];
                            store = open(durability[random.below(2) as usize])?;
                            assert_eq!((store.snapshot().version(), all(&store)?), before, "seed {seed}");
                            records = store.bucket::<$bucket>()?;
                            commits = store.commits().after(before.0);
                        }
                        _ => (0..4).for_each(|more| drop(records.get(&(id + more)))),
                    }
                    while let Some(commit) = commits.try_next().expect("not missed") {
                        for change in commit.changes::<$bucket>() {
                            let parts = |record: &$bucket| (record.code, record.group);
                            match change {
                                Change::Inserted(new) => assert_eq!(told.insert(new.id, parts(new)), None),
                                Change::Updated { old, new } => {
                                    assert_eq!(told.insert(new.id, parts(new)), Some(parts(old)));
                                }
                                Change::Deleted { record, .. } => {
                                    assert_eq!(told.remove(&record.id), Some(parts(record)));
                                }
                            }
                        }
                        assert!(told.len() <= $max, "the limit holds in every commit");
                    }
                    kept.push((store.snapshot(), told.clone()));
                    if kept.len() > 3 {
                        kept.remove(random.below(3) as usize);
                    }
                    if step % 7 != 0 && $max > 100 {
                        continue;
                    }
                    for (snapshot, told) in &kept {
                        let own = snapshot.bucket::<$bucket>()?;
                        let all: Told =
                            own.all().iter().map(|record| (record.id, (record.code, record.group))).collect();
                        assert_eq!(&all, told, "seed {seed}, step {step}");
                        assert_eq!(own.count(), told.len());
                        for id in 0..KEYS {
                            let found = own.get(&id).map(|record| (record.code, record.group));
                            assert_eq!(found, told.get(&id).copied(), "{id}, seed {seed}, step {step}");
                        }
                        for code in 0..CODES {
                            let found = own.by_code(&code).map(|record| record.id);
                            let there = told.iter().find(|(_, (other, _))| *other == code);
                            assert_eq!(found, there.map(|(id, _)| *id), "seed {seed}, step {step}");
                        }
                        for group in 0..5 {
                            let found: BTreeSet<_> =
                                own.by_group(&group).iter().map(|record| record.id).collect();
                            let there = told.iter().filter(|(_, (_, other))| *other == group);
                            assert_eq!(found, there.map(|(id, _)| *id).collect(), "seed {seed}, step {step}");
                        }
                    }
                }
            }
            Ok(())
        }
    };
}

leaving!(of_a_few_the_oldest, FewOldest, "few_oldest", 5, "oldest", 40);
leaving!(of_a_few_the_unused, FewUnused, "few_unused", 5, "lru", 40);
leaving!(of_many_the_oldest, ManyOldest, "many_oldest", 300, "oldest", 3);
leaving!(of_many_the_unused, ManyUnused, "many_unused", 300, "lru", 3);
