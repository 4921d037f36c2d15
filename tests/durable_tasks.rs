//! Tasks whose commits wait for a disk: they block no runtime, share syncs and one thread, and end with the store.

mod common;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::keeping::{Flaky, wait};
use common::within_seconds;
use futures_util::future::join_all;
use noex_store::StorageAdapter;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "counters")]
struct Counter {
    #[bucket(key)]
    id: u32,
    value: u64,
}

/// Has no JSON as soon as there is anything in `odd`.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "odds")]
struct Odd {
    #[bucket(key)]
    id: u32,
    #[bucket(unique)]
    name: String,
    odd: BTreeMap<(u8, u8), u8>,
}

fn odd(id: u32, is_odd: bool) -> Odd {
    let odd = if is_odd { BTreeMap::from([((1, 2), 3)]) } else { BTreeMap::new() };
    Odd { id, name: format!("n{id}"), odd }
}

async fn immediate(adapter: impl StorageAdapter + 'static) -> Result<Store, Error> {
    let persistence = Persistence::new(adapter).durability(Durability::Immediate);
    Store::builder().bucket::<Counter>().bucket::<Odd>().persistence(persistence).start().await
}

async fn insert(store: &Store, id: u32) -> Result<(), Error> {
    let write = async move |tx: &Transaction| tx.bucket::<Counter>()?.insert(Counter { id, value: 0 });
    store.transaction_async(write).await.map(drop)
}

/// How many threads wait for disks in the place of tasks.
#[cfg(target_os = "linux")]
fn committers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("noex-store comm")).count()
}

#[cfg(not(target_os = "linux"))]
fn committers() -> usize {
    1
}

#[tokio::test(flavor = "current_thread")]
async fn other_tasks_have_their_turns_while_one_waits_for_the_disk() -> Result<(), Error> {
    let store = immediate(Flaky::slow(Duration::from_millis(50))).await?;
    let own = store.clone();
    let done = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&done);
    let task = tokio::spawn(async move {
        let inserted = insert(&own, 1).await;
        set.store(true, Ordering::SeqCst);
        inserted
    });
    let mut turns = 0;
    while !done.load(Ordering::SeqCst) {
        turns += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(turns > 5, "other tasks had {turns} turns meanwhile");
    assert!(task.await.is_ok_and(|inserted| inserted.is_ok()));
    assert_eq!(store.durable_version(), store.snapshot().version());
    store.stop().await
}

#[test]
fn many_tasks_share_their_syncs_and_one_thread() {
    within_seconds(60, || {
        let slow = Flaky::slow(Duration::from_millis(2));
        let most = Mutex::new(0);
        wait(async {
            let store = immediate(slow.clone()).await.expect("starts");
            let tasks = (0..200).map(async |task| {
                for number in 0..5 {
                    insert(&store, task * 5 + number).await.expect("new");
                    let seen = store.snapshot().version();
                    assert!(store.durable_version() >= seen, "nobody sees what is not on the disk");
                    let mut most = most.lock().unwrap();
                    *most = committers().max(*most);
                }
            });
            join_all(tasks).await;
            assert_eq!(store.bucket::<Counter>().expect("defined").count(), 1000);
            store.stop().await.expect("written");
        });
        let appends = slow.appends.load(Ordering::SeqCst);
        assert!(appends < 200, "{appends} appends of 1000 commits");
        // Other tests of this process may have theirs.
        assert!(*most.lock().unwrap() < 20, "a thread for each would be two hundred");
    });
}

#[test]
fn a_record_that_cannot_be_kept_is_refused_alone() {
    within_seconds(60, || {
        wait(async {
            let flaky = Flaky::default();
            let store = immediate(flaky.clone()).await.expect("starts");
            let odds = store.bucket::<Odd>().expect("defined");
            let writes = (0..30).map(async |id| {
                let write = async |tx: &Transaction| tx.bucket::<Odd>()?.insert(odd(id, id % 3 == 0));
                store.transaction_async(write).await.map(drop)
            });
            for (id, done) in (0..30).zip(join_all(writes).await) {
                match done {
                    Ok(()) => assert_ne!(id % 3, 0, "{id}"),
                    Err(error) => {
                        assert_eq!(id % 3, 0, "{id}: {error}");
                        assert!(matches!(error, Error::NotStorable { bucket: "odds", .. }), "{error}");
                    }
                }
            }
            assert_eq!(odds.count(), 20);
            // The values that it was refused with are free, and lead nowhere.
            assert!(odds.get(&3).is_none() && odds.by_name("n3").is_none());
            odds.insert(odd(3, false)).expect("free");
            assert_eq!(odds.by_name("n3").map(|found| found.id), Some(3));
            assert!(odds.update(&4, Odd::patch().odd(odd(4, true).odd)).is_err());
            assert_eq!(odds.require(&4).expect("there").odd, BTreeMap::new());
            let kept: usize = flaky.commits().iter().map(|commit| commit.buckets.len()).sum();
            assert_eq!(kept, 2 + 21, "the two definitions, and the commits");
            let before = odds.all();
            assert_eq!(store.stats().persistence.failing, None, "the disk is well");
            store.stop().await.expect("written");
            let again = immediate(flaky).await.expect("starts");
            assert_eq!(again.bucket::<Odd>().expect("defined").all().len(), before.len());
        });
    });
}

#[test]
fn tasks_that_meet_at_one_record_all_count() {
    within_seconds(120, || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        runtime.block_on(async {
            let store = immediate(Flaky::slow(Duration::from_micros(200))).await.expect("starts");
            insert(&store, 1).await.expect("new");
            let tasks: Vec<_> = (0..20)
                .map(|_| {
                    let store = store.clone();
                    tokio::spawn(async move {
                        for _ in 0..10 {
                            let add = async |tx: &Transaction| {
                                let counters = tx.bucket::<Counter>()?;
                                let value = counters.require(&1)?.value + 1;
                                counters.update(&1, Counter::patch().value(value)).map(drop)
                            };
                            let options = TxOptions::new().retries(10_000);
                            store.transaction_async_with(options, add).await.expect("in the end");
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
            assert_eq!(store.bucket::<Counter>().expect("defined").require(&1).expect("there").value, 200);
            assert!(store.stats().commits.conflicts > 0, "they met");
            store.stop().await.expect("written");
        });
    });
}

#[tokio::test(flavor = "current_thread")]
async fn a_commit_that_nobody_waits_for_any_more_is_made_or_refused_whole() -> Result<(), Error> {
    let flaky = Flaky::default();
    let store = immediate(flaky.clone()).await?;
    {
        let mut dropped = pin!(insert(&store, 1));
        let first = poll_fn(|context| Poll::Ready(dropped.as_mut().poll(context))).await;
        assert!(first.is_pending(), "it waits for the disk");
    }
    // It stood in the queue before this one.
    insert(&store, 2).await?;
    assert_eq!(store.bucket::<Counter>()?.count(), 2);
    assert_eq!(flaky.commits().last().map(|commit| commit.version), Some(store.snapshot().version()));
    store.stop().await
}

#[tokio::test(flavor = "current_thread")]
async fn one_that_was_begun_by_hand_waits_as_a_task_too() -> Result<(), Error> {
    let store = immediate(Flaky::slow(Duration::from_millis(20))).await?;
    let tx = store.begin();
    tx.bucket::<Counter>()?.insert(Counter { id: 1, value: 0 })?;
    let mut commit = pin!(tx.commit_async());
    assert!(commit.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(store.bucket::<Counter>()?.count(), 0, "it is not on the disk yet");
    let info = commit.await?;
    assert_eq!((info.version, store.durable_version()), (store.snapshot().version(), info.version));
    // Nothing to wait for.
    let reads = store.begin();
    assert_eq!(reads.bucket::<Counter>()?.count(), 1);
    assert!(reads.commit_async().await?.commit.is_none());
    let (first, second) = (store.begin(), store.begin());
    for tx in [&first, &second] {
        tx.bucket::<Counter>()?.modify(&1, |counter| counter.value += 1)?;
    }
    first.commit_async().await?;
    assert!(matches!(second.commit_async().await, Err(Error::TransactionConflict { .. })));
    store.stop().await
}

#[test]
fn whoever_waits_when_the_store_stops_is_told() {
    within_seconds(60, || {
        for _ in 0..20 {
            wait(async {
                let store = immediate(Flaky::slow(Duration::from_millis(1))).await.expect("starts");
                let outcomes = Mutex::new(Vec::new());
                let tasks = (0..100).map(async |id| {
                    let done = insert(&store, id).await;
                    outcomes.lock().unwrap().push((id, done));
                });
                let stop = async {
                    insert(&store, 1000).await.expect("new");
                    store.stop().await.expect("written");
                };
                futures_util::future::join(join_all(tasks), stop).await;
                let counters = store.bucket::<Counter>().expect("defined");
                for (id, done) in outcomes.into_inner().unwrap() {
                    match done {
                        Ok(()) => assert!(counters.contains_key(&id)),
                        Err(error) => assert_eq!((error, counters.get(&id)), (Error::Stopped, None)),
                    }
                }
                assert_eq!(store.durable_version(), store.snapshot().version());
                assert_eq!(insert(&store, 2000).await, Err(Error::Stopped));
            });
        }
    });
}

#[test]
fn a_stop_does_not_block_the_runtime_that_the_disk_needs() {
    within_seconds(60, || {
        wait(async {
            let slow = Flaky::slow_in_its_runtime(Duration::from_millis(20));
            let store = immediate(slow).await.expect("starts");
            let write = insert(&store, 1);
            let stop = async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                store.stop().await.expect("in time");
                store.bucket::<Counter>().expect("defined").contains_key(&1)
            };
            // If it has begun, it is on the disk when the store has stopped.
            let (written, there) = futures_util::future::join(write, stop).await;
            assert_eq!(there, written.is_ok());
        });
    });
}

#[test]
fn a_stop_waits_for_a_disk_that_hangs_as_long_as_it_may() {
    within_seconds(60, || {
        wait(async {
            let slow = Flaky::slow_in_its_runtime(Duration::from_millis(400));
            let persistence = Persistence::new(slow).durability(Durability::Immediate);
            let builder = Store::builder().stop_timeout(Duration::from_millis(20)).persistence(persistence);
            // The bucket's definition is a commit, too.
            let store = builder.bucket::<Counter>().start().await.expect("starts");
            let stop = async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let Err(Error::StopTimedOut { services }) = store.stop().await else { panic!("too slow") };
                assert_eq!(services.first(), Some(&"writes"));
            };
            let (written, ()) = futures_util::future::join(insert(&store, 1), stop).await;
            // It is made or refused, as soon as the disk goes on.
            let there = store.bucket::<Counter>().expect("defined").contains_key(&1);
            assert_eq!(there, written.is_ok());
        });
    });
}

/// Waits for a task in the middle of a write, when it is told to.
#[test]
fn a_write_cannot_wait_for_a_task_that_waits_for_it() {
    use serde::Serializer;

    static STORE: Mutex<Option<Store>> = Mutex::new(None);

    #[derive(Clone, Debug, PartialEq, Deserialize)]
    struct Nested(u8);

    impl Serialize for Nested {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let store = STORE.lock().unwrap().clone();
            let nested = store.map(|store| wait(insert(&store, 7)));
            if let Some(nested) = nested {
                assert_eq!(nested, Err(Error::NestedWrite { bucket: "counters" }));
            }
            serializer.serialize_u8(self.0)
        }
    }

    #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "holders")]
    struct Holder {
        #[bucket(key)]
        id: u32,
        nested: Nested,
    }

    within_seconds(30, || {
        let persistence = Persistence::new(MemoryAdapter::new()).durability(Durability::Immediate);
        let builder = Store::builder().bucket::<Counter>().bucket::<Holder>().persistence(persistence);
        let store = wait(builder.start()).expect("starts");
        *STORE.lock().unwrap() = Some(store.clone());
        let holders = store.bucket::<Holder>().expect("defined");
        holders.insert(Holder { id: 1, nested: Nested(1) }).expect("told of, and no deadlock");
        *STORE.lock().unwrap() = None;
        wait(store.stop()).expect("written");
    });
}
