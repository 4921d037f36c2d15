//! After random commits every subscription stands where its question, asked from scratch, would: also those that were not run
//! again. With a fault put into the recording of reads, that is found not to be so.

use std::sync::Arc;
use std::thread;

use super::ask::{Ask, Item, KEYS, define, item};
use crate::bucket::Patch as _;
use crate::engine::Fault;
use crate::engine::tests::Random;
use crate::error::Error;
use crate::live::{Query, Subscription};
use crate::store::{BucketHandle, Store};

struct Oracle {
    store: Store,
    items: BucketHandle<Item>,
    query: Query<Ask, String>,
    live: Vec<(Ask, Subscription<String>, Result<String, Error>)>,
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let waker = std::task::Waker::noop();
    loop {
        if let std::task::Poll::Ready(value) =
            future.as_mut().poll(&mut std::task::Context::from_waker(waker))
        {
            return value;
        }
        thread::yield_now();
    }
}

/// One commit, or a transaction of several writes.
fn write(store: &Store, items: &BucketHandle<Item>, random: &mut Random) {
    let id = random.below(KEYS) as u32;
    let new = item(id, random);
    match random.below(15) {
        0 | 1 => drop(items.insert(new)),
        2 => drop(items.delete(&id)),
        3 => drop(items.update(&id, Item::patch().note(random.below(5) as u32))),
        4 => drop(items.update(&id, Item::patch().group(new.group))),
        5 => drop(items.modify(&id, |it| (it.rank, it.score) = (new.rank, new.score))),
        6 => drop(items.update(&id, Item::patch().add(Item::SCORE, 1))),
        7 => drop(items.update_where(Item::GROUP.eq(new.group), Item::patch().score(new.score))),
        8 => drop(items.upsert(new)),
        9 => drop(items.delete_where(Item::RANK.lt(random.below(12) as i16))),
        10 => drop(items.delete_many((0..random.below(KEYS) as u32).map(|at| at * 3 % KEYS as u32))),
        11 => {
            let free = (0..KEYS as u32).filter(|id| !items.contains_key(id));
            let new: Vec<_> = free.take(random.below(KEYS)).map(|id| item(id, random)).collect();
            // Others may have been faster.
            drop(items.insert_many(new));
        }
        12 if random.below(10) == 0 => drop(items.clear()),
        12 | 13 => {
            drop(items.modify(&id, |it| {
                let Item { name, nick, tags, .. } = new.clone();
                (it.name, it.nick, it.tags) = (name, nick, tags);
            }));
        }
        _ => {
            let mut inner = Random::new(random.next());
            let _: Result<(), Error> = store.transaction(|tx| {
                let items = tx.bucket::<Item>()?;
                for _ in 0..3 {
                    let id = inner.below(KEYS) as u32;
                    let new = item(id, &mut inner);
                    items.upsert(Item { note: 7, ..new })?;
                    items.delete(&(inner.below(KEYS) as u32))?;
                }
                Ok(())
            });
        }
    }
}

impl Oracle {
    fn new(random: &mut Random, subscriptions: usize, fault: Option<Fault>) -> Self {
        let store = now(Store::builder().bucket::<Item>().start()).expect("starts");
        store.put_fault(fault);
        let items = store.bucket::<Item>().expect("defined");
        for id in 0..KEYS as u32 / 2 {
            items.insert(item(id, random)).expect("new");
        }
        let query = define(&store);
        let live = (0..subscriptions).map(|_| {
            let ask = Ask::random(random, 1);
            let live = query.subscribe(ask.clone()).expect("subscribes");
            (ask, live, Ok(String::new()))
        });
        let live = live.collect();
        Self { store, items, query, live }
    }

    /// The first question whose subscriber stands elsewhere than it should, once all is quiet.
    fn violation(&mut self) -> Option<String> {
        now(self.store.settle());
        let snapshot = self.store.snapshot();
        let items = snapshot.bucket::<Item>().expect("defined");
        for (ask, live, last) in &mut self.live {
            let mut version = None;
            while let Some(update) = live.try_next() {
                if let Ok(update) = &update {
                    assert!(version < Some(update.version), "versions grow");
                    assert!(update.version <= snapshot.version());
                    version = Some(update.version);
                }
                *last = update.map(|update| (*update.value).clone());
            }
            let expected = ask.of(&items);
            if *last != expected {
                return Some(format!("{ask:?}: subscriber has {last:?}, and it is {expected:?}"));
            }
            let run = self.query.run(ask).map(|answer| (*answer).clone());
            if run != expected {
                return Some(format!("{ask:?}: run gives {run:?}, and it is {expected:?}"));
            }
        }
        None
    }
}

fn alone(seed: u64, rounds: usize, fault: Option<Fault>) -> Option<String> {
    let mut random = Random::new(seed);
    let mut oracle = Oracle::new(&mut random, 60, fault);
    for round in 0..rounds {
        for _ in 0..=random.below(3) {
            write(&oracle.store, &oracle.items, &mut random);
        }
        if let Some(violation) = oracle.violation() {
            return Some(format!("seed {seed}, round {round}: {violation}"));
        }
    }
    None
}

/// How much is done: more in a release run.
fn effort(few: u64, many: u64) -> u64 {
    if cfg!(debug_assertions) { few } else { many }
}

#[test]
fn every_subscription_stands_where_it_should() {
    for seed in 0..effort(12, 200) {
        if let Some(violation) = alone(seed, 60, None) {
            panic!("{violation}");
        }
    }
}

#[test]
fn also_after_writers_in_several_threads() {
    for seed in 0..effort(8, 100) {
        let mut random = Random::new(seed);
        let mut oracle = Oracle::new(&mut random, 80, None);
        for round in 0..4 {
            thread::scope(|scope| {
                for number in 0..3 {
                    let (store, items) = (&oracle.store, &oracle.items);
                    scope.spawn(move || {
                        let mut random = Random::new(seed * 1000 + round * 10 + number);
                        (0..effort(80, 1000)).for_each(|_| write(store, items, &mut random));
                    });
                }
                let query = &oracle.query;
                let asks: Arc<[Ask]> = oracle.live.iter().map(|(ask, ..)| ask.clone()).collect();
                scope.spawn(move || {
                    for ask in asks.iter() {
                        query.run(ask).expect("no fault");
                    }
                });
            });
            if let Some(violation) = oracle.violation() {
                panic!("seed {seed}, round {round}: {violation}");
            }
        }
        let stats = oracle.query.stats();
        assert!(stats.runs > 100 && stats.cut_offs > 0, "{stats:?}");
    }
}

fn is_caught(fault: Fault) -> bool {
    (0..60).any(|seed| alone(seed, 30, Some(fault)).is_some())
}

#[test]
fn a_miss_that_is_not_recorded_is_caught() {
    assert!(is_caught(Fault::Misses));
}

#[test]
fn a_condition_that_is_not_recorded_is_caught() {
    assert!(is_caught(Fault::Conditions));
}

#[test]
fn a_range_end_that_is_off_by_one_is_caught() {
    assert!(is_caught(Fault::RangeEnd));
}
