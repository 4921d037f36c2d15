//! Keeping commits: those who wait for a disk, those who lead them, and those who stop the store.
//!
//! Time does not pass in the checker: whoever waits until some time is woken by news alone, and a wake that is lost shows as a
//! deadlock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use noex_store::prelude::*;
use shuttle::future::block_on;
use shuttle::thread;

use super::{Left, check_times};
use crate::common::Fixed;
use crate::common::keeping::Flaky;

/// Fewer than of others: each starts a store twice.
const TIMES: usize = 600;

fn open(flaky: &Flaky, durability: Durability) -> Store {
    let persistence = Persistence::new(flaky.clone()).durability(durability);
    let builder = Store::builder().clock(Fixed::at(1)).bucket::<Left>().persistence(persistence);
    block_on(builder.start()).expect("starts")
}

/// The keys that are kept, in order.
fn kept(flaky: &Flaky) -> Vec<u32> {
    let store = open(flaky, Durability::Immediate);
    let lefts = store.bucket::<Left>().expect("defined");
    let mut keys: Vec<u32> = lefts.iter().map(|left| left.id).collect();
    keys.sort_unstable();
    block_on(store.stop()).expect("stops");
    keys
}

fn insert(store: &Store, id: u32) -> Result<(), Error> {
    store.bucket::<Left>()?.insert(Left { id, value: 0 }).map(drop)
}

async fn insert_async(store: &Store, id: u32) -> Result<(), Error> {
    let write = async move |tx: &Transaction| tx.bucket::<Left>()?.insert(Left { id, value: 0 });
    store.transaction_async(write).await.map(drop)
}

#[test]
fn what_can_be_seen_of_a_durable_store_is_durable() {
    check_times(TIMES, || {
        let flaky = Flaky::default();
        let store = open(&flaky, Durability::Immediate);
        let writers = (1..=3).map(|id| {
            let own = store.clone();
            thread::spawn(move || insert(&own, id).expect("new"))
        });
        let writers: Vec<_> = writers.collect();
        for _ in 0..3 {
            let seen = store.snapshot().version();
            assert!(store.durable_version() >= seen, "{seen}");
        }
        writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
        assert_eq!(store.durable_version(), store.snapshot().version());
        block_on(store.stop()).expect("stops");
        assert_eq!(kept(&flaky), [1, 2, 3]);
    });
}

#[test]
fn tasks_and_threads_are_led_and_told() {
    check_times(TIMES, || {
        let flaky = Flaky::default();
        let store = open(&flaky, Durability::Immediate);
        let tasks = (1..=2).map(|id| {
            let own = store.clone();
            thread::spawn(move || block_on(insert_async(&own, id)).expect("new"))
        });
        let mut writers: Vec<_> = tasks.collect();
        let own = store.clone();
        writers.push(thread::spawn(move || insert(&own, 3).expect("new")));
        writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
        block_on(store.stop()).expect("stops");
        assert_eq!(kept(&flaky), [1, 2, 3]);
    });
}

#[test]
fn what_is_refused_was_never_there_and_what_is_not_is_kept() {
    check_times(TIMES, || {
        let flaky = Flaky::default();
        let store = open(&flaky, Durability::Immediate);
        let writers = (1..=3).map(|id| {
            let own = store.clone();
            thread::spawn(move || {
                let done = if id == 3 { block_on(insert_async(&own, id)) } else { insert(&own, id) };
                let there = own.bucket::<Left>().expect("defined").contains_key(&id);
                assert_eq!(done.is_ok(), there, "{done:?}");
                done.is_ok().then_some(id)
            })
        });
        let writers: Vec<_> = writers.collect();
        flaky.fails.store(true, Ordering::SeqCst);
        thread::yield_now();
        flaky.fails.store(false, Ordering::SeqCst);
        let told: Vec<u32> =
            writers.into_iter().filter_map(|writer| writer.join().expect("no panic")).collect();
        block_on(store.stop()).expect("stops");
        assert_eq!(kept(&flaky), told);
    });
}

#[test]
fn a_flush_ends_however_it_meets_the_keeper() {
    check_times(TIMES, || {
        let flaky = Flaky::default();
        let store = open(&flaky, Durability::Debounced(Duration::from_secs(3600)));
        let own = store.clone();
        let writer = thread::spawn(move || {
            for id in 1..=2 {
                insert(&own, id).expect("new");
            }
        });
        insert(&store, 3).expect("new");
        flaky.fails.store(true, Ordering::SeqCst);
        let first = block_on(store.flush());
        flaky.fails.store(false, Ordering::SeqCst);
        // It may have met a write of the other thread's, and that try may have ended before.
        drop(first);
        while block_on(store.flush()).is_err() {}
        assert!(kept_of(&store, &flaky).contains(&3));
        writer.join().expect("no panic");
        block_on(store.stop()).expect("all is kept");
        assert_eq!(kept(&flaky), [1, 2, 3]);
    });
}

#[test]
fn what_is_committed_is_kept_by_itself() {
    check_times(TIMES, || {
        let flaky = Flaky::default();
        let store = open(&flaky, Durability::Debounced(Duration::ZERO));
        let own = store.clone();
        let writer = thread::spawn(move || insert(&own, 1).expect("new"));
        insert(&store, 2).expect("new");
        writer.join().expect("no panic");
        // Nobody asks for it: where the keeper sleeps, the checker gives up after a million steps.
        while store.durable_version() < store.snapshot().version() {
            thread::yield_now();
        }
        block_on(store.stop()).expect("stops");
    });
}

/// The keys of the commits that are kept, without opening them.
fn kept_of(store: &Store, flaky: &Flaky) -> Vec<u32> {
    let commits = flaky.commits();
    assert!(commits.last().is_some_and(|last| last.version <= store.durable_version()));
    let inserted = commits.iter().flat_map(|commit| &commit.buckets).flat_map(|bucket| match bucket {
        noex_store::StoredChanges::Changed { changes, .. } => changes.as_slice(),
        _ => &[],
    });
    let keys = inserted.filter_map(|change| match change {
        noex_store::StoredChange::Put(record) => record.key.parse().ok(),
        _ => None,
    });
    keys.collect()
}

#[test]
fn a_stop_keeps_what_was_told_to_be_done() {
    check_times(TIMES, || {
        for durability in [Durability::Immediate, Durability::Debounced(Duration::from_secs(3600))] {
            let flaky = Flaky::default();
            let store = Arc::new(open(&flaky, durability));
            let writers = (1..=2).map(|id| {
                let own = Arc::clone(&store);
                thread::spawn(move || {
                    let done = if id == 1 { block_on(insert_async(&own, id)) } else { insert(&own, id) };
                    done.is_ok().then_some(id)
                })
            });
            let writers: Vec<_> = writers.collect();
            block_on(store.stop()).expect("stops");
            let told: Vec<u32> =
                writers.into_iter().filter_map(|writer| writer.join().expect("no panic")).collect();
            assert_eq!(kept(&flaky), told);
        }
    });
}
