//! Interleavings of publishing, reading, committing and dropping, in orders that the checker chooses: it runs each test
//! many times, and switches threads at every lock, wait and load of the root. It also finds threads that wait for ever.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test --test interleavings --target-dir target/shuttle`; with `NOEX_INTERLEAVINGS=10`, ten times
//! as many.

#![cfg(shuttle)]

mod common;
#[path = "interleavings/following.rs"]
mod following;
#[path = "interleavings/keeping.rs"]
mod keeping;

use std::sync::Arc;

use common::{Fixed, ready, start};
use noex_store::prelude::*;
use shuttle::thread;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "lefts")]
struct Left {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    value: u32,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "rights")]
struct Right {
    #[bucket(key)]
    id: u32,
    value: u32,
}

const TIMES: usize = 2000;

fn check(test: impl Fn() + Send + Sync + 'static) {
    check_times(TIMES, test);
}

fn check_times(times: usize, test: impl Fn() + Send + Sync + 'static) {
    let more = std::env::var("NOEX_INTERLEAVINGS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let (times, test) = (times * more, Arc::new(test));
    let random = Arc::clone(&test);
    shuttle::check_random(move || random(), times);
    // Few switches at the worst places: Burckhardt et al., *A Randomized Scheduler with Probabilistic Guarantees of Finding
    // Bugs* (2010).
    shuttle::check_pct(move || test(), times / 2, 3);
}

fn pairs() -> Store {
    let store = start(Store::builder().clock(Fixed::at(1)).bucket::<Left>().bucket::<Right>());
    store.bucket::<Left>().expect("defined").insert(Left { id: 1, value: 0 }).expect("empty");
    store.bucket::<Right>().expect("defined").insert(Right { id: 1, value: 0 }).expect("empty");
    store
}

fn add_to_both(store: &Store, options: TxOptions) -> Result<(), Error> {
    store.transaction_with(options, |tx| {
        let (lefts, rights) = (tx.bucket::<Left>()?, tx.bucket::<Right>()?);
        let value = lefts.require(&1)?.value + 1;
        lefts.update(&1, Left::patch().value(value))?;
        rights.update(&1, Right::patch().value(value)).map(drop)
    })
}

fn both(store: &Store) -> (u32, u32) {
    let snapshot = store.snapshot();
    let left = snapshot.bucket::<Left>().expect("defined").require(&1).expect("there").value;
    (left, snapshot.bucket::<Right>().expect("defined").require(&1).expect("there").value)
}

#[test]
fn a_commit_is_seen_whole() {
    check(|| {
        let store = pairs();
        let writer = {
            let store = store.clone();
            thread::spawn(move || (0..2).for_each(|_| add_to_both(&store, TxOptions::new()).expect("alone")))
        };
        let mut last = 0;
        for _ in 0..3 {
            let (left, right) = both(&store);
            assert_eq!(left, right);
            assert!(left >= last, "versions only grow");
            last = left;
        }
        writer.join().expect("no panic");
        assert_eq!(both(&store), (2, 2));
    });
}

#[test]
fn no_update_is_lost_and_all_come_to_an_end() {
    check(|| {
        let store = pairs();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let store = store.clone();
                thread::spawn(move || {
                    add_to_both(&store, TxOptions::new().retries(20)).expect("comes to an end");
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(both(&store), (3, 3));
    });
}

#[test]
fn writes_that_wait_are_made_once_and_told() {
    check(|| {
        let store = pairs();
        let before = store.snapshot().version();
        let mut commits = store.commits().after(before);
        let threads: Vec<_> = (10..14)
            .map(|id| {
                let lefts = store.bucket::<Left>().expect("defined");
                thread::spawn(move || {
                    lefts.insert(Left { id, value: id }).expect("its own key");
                    // What is acknowledged is published.
                    assert!(lefts.contains_key(&id));
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        let mut versions = Vec::new();
        while let Some(commit) = commits.try_next().expect("nothing missed") {
            assert_eq!(commit.len(), 1, "each write is a commit of its own");
            versions.push(commit.version().get());
        }
        assert_eq!(versions, (before.get() + 1..=before.get() + 4).collect::<Vec<_>>());
        assert_eq!(store.bucket::<Left>().expect("defined").filter(Left::VALUE.ge(10_u32)).count(), 4);
    });
}

#[test]
fn a_reserved_turn_and_writes_of_handles_do_not_wait_for_each_other() {
    check(|| {
        let store = pairs();
        let adders: Vec<_> = (0..2)
            .map(|_| {
                let lefts = store.bucket::<Left>().expect("defined");
                thread::spawn(move || {
                    for _ in 0..2 {
                        lefts.update(&1, Left::patch().add(Left::VALUE, 1)).expect("no conflict");
                        lefts.modify(&1, |left| left.value += 1).expect("no conflict");
                    }
                })
            })
            .collect();
        // The third run has the turn to itself, so it is the last.
        let added = store.transaction_with(TxOptions::new().retries(2), |tx| {
            let lefts = tx.bucket::<Left>()?;
            let value = lefts.require(&1)?.value;
            thread::yield_now();
            lefts.update(&1, Left::patch().value(value + 100))
        });
        added.expect("the others wait for it");
        adders.into_iter().for_each(|adder| adder.join().expect("no panic"));
        assert_eq!(both(&store).0, 108);
    });
}

#[test]
fn what_was_only_read_is_checked_too() {
    check(|| {
        let store = pairs();
        // Each takes the only place that is left, and writes another record.
        let take = |store: &Store, own: u32| -> Result<(), Error> {
            store.transaction(|tx| {
                let lefts = tx.bucket::<Left>()?;
                if lefts.filter(Left::VALUE.eq(50)).count() == 0 {
                    lefts.insert(Left { id: own, value: 50 })?;
                }
                Ok(())
            })
        };
        let threads: Vec<_> = (20..22)
            .map(|id| {
                let store = store.clone();
                thread::spawn(move || take(&store, id).expect("comes to an end"))
            })
            .collect();
        take(&store, 22).expect("comes to an end");
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(store.bucket::<Left>().expect("defined").by_value(&50).len(), 1);
    });
}

#[test]
fn what_is_dropped_or_refused_leaves_nothing() {
    check(|| {
        let store = pairs();
        let insert = |tx: &Transaction, id: u32| -> bool {
            tx.bucket::<Left>().expect("defined").insert(Left { id, value: 7 }).is_ok()
        };
        let other = {
            let store = store.clone();
            thread::spawn(move || {
                let tx = store.begin();
                insert(&tx, 5) && tx.commit().is_ok()
            })
        };
        let dropped = store.begin();
        assert!(insert(&dropped, 6));
        drop(dropped);
        let tx = store.begin();
        let own = insert(&tx, 5) && tx.commit().is_ok();
        let theirs = other.join().expect("no panic");
        assert!(own != theirs, "one of the two");
        let lefts = store.bucket::<Left>().expect("defined");
        assert_eq!((lefts.get(&6), lefts.by_value(&7).len()), (None, 1));
    });
}

#[test]
fn a_bucket_may_go_at_any_moment() {
    check(|| {
        let store = pairs();
        let writer = {
            let store = store.clone();
            thread::spawn(move || match add_to_both(&store, TxOptions::new()) {
                Ok(()) | Err(Error::BucketNotDefined { .. } | Error::NotFound { .. }) => {}
                Err(error) => panic!("{error}"),
            })
        };
        store.drop_bucket::<Right>().expect("defined");
        let left = store.bucket::<Left>().expect("defined").require(&1).expect("there").value;
        store.define_bucket::<Right>().expect("dropped");
        writer.join().expect("no panic");
        let rights = store.bucket::<Right>().expect("defined");
        assert!(rights.is_empty(), "what was dropped does not come back");
        assert_eq!(store.bucket::<Left>().expect("defined").require(&1).expect("there").value, left);
    });
}

#[test]
fn a_stop_lets_what_has_begun_end_and_nothing_begin() {
    check(|| {
        let store = pairs();
        let threads: Vec<_> = (10..12)
            .map(|id| {
                let lefts = store.bucket::<Left>().expect("defined");
                thread::spawn(move || lefts.insert(Left { id, value: 1 }).is_ok())
            })
            .collect();
        ready(store.stop()).expect("stops");
        let after = store.snapshot().version();
        let inserted = threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|ok| *ok).count();
        assert_eq!(store.snapshot().version(), after, "nothing is published after the stop");
        assert_eq!(store.bucket::<Left>().expect("defined").count(), 1 + inserted);
    });
}

#[test]
fn one_unique_key_goes_to_one() {
    check(|| {
        let store = pairs();
        let threads: Vec<_> = (0..3)
            .map(|value| {
                let lefts = store.bucket::<Left>().expect("defined");
                thread::spawn(move || match lefts.insert(Left { id: 9, value }) {
                    Ok(_) => true,
                    Err(Error::DuplicateKey { .. }) => false,
                    Err(error) => panic!("{error}"),
                })
            })
            .collect();
        let won = threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|won| *won).count();
        assert_eq!(won, 1);
    });
}

#[test]
fn async_transactions_all_count() {
    check_times(TIMES / 2, || {
        let store = pairs();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let own = store.clone();
                thread::spawn(move || {
                    for _ in 0..2 {
                        let add = async |tx: &Transaction| {
                            let lefts = tx.bucket::<Left>()?;
                            let value = lefts.require(&1)?.value + 1;
                            shuttle::future::yield_now().await;
                            lefts.update(&1, Left::patch().value(value)).map(drop)
                        };
                        let done: Result<(), Error> = shuttle::future::block_on(own.transaction_async(add));
                        done.expect("in the end");
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(both(&store).0, 4);
    });
}
