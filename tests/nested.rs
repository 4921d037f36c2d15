//! Transactions in transactions, handles in transactions, other threads, and async ones: right, or a clear error, and never a
//! deadlock.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{ready, start, store_of, within_seconds};
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "counters")]
struct Counter {
    #[bucket(key)]
    id: u32,
    value: u64,
}

fn counters() -> (Store, BucketHandle<Counter>) {
    let (store, counters) = store_of::<Counter>();
    counters.insert_many((1..=3).map(|id| Counter { id, value: 0 })).expect("good");
    (store, counters)
}

fn add(tx: &Transaction, id: u32) -> Result<u64, Error> {
    let counters = tx.bucket::<Counter>()?;
    let value = counters.require(&id)?.value + 1;
    Ok(counters.update(&id, Counter::patch().value(value))?.value)
}

#[test]
fn a_handle_cannot_write_in_the_closure() {
    within_seconds(30, || {
        let (store, counters) = counters();
        let refused = Err(Error::NestedWrite { bucket: "counters" });
        store
            .transaction(|tx| {
                add(tx, 1)?;
                assert_eq!(counters.insert(Counter { id: 9, value: 0 }).map(drop), refused);
                assert_eq!(counters.update(&2, Counter::patch().value(5_u64)).map(drop), refused);
                assert_eq!(counters.modify(&2, |counter| counter.value = 5).map(drop), refused);
                assert_eq!(counters.delete(&2).map(drop), refused);
                assert_eq!(counters.delete(&99).map(drop), refused);
                assert_eq!(
                    counters.update_where(Filter::all(), Counter::patch().value(1_u64)).map(drop),
                    refused
                );
                assert_eq!(counters.clear().map(drop), refused);
                assert_eq!(store.drop_bucket::<Counter>(), refused);
                // Reads see the latest commit.
                assert_eq!(counters.require(&1)?.value, 0);
                Ok::<_, Error>(())
            })
            .expect("the transaction itself is fine");
        assert_eq!(counters.all().iter().map(|counter| counter.value).collect::<Vec<_>>(), [1, 0, 0]);
        counters.delete(&2).expect("outside it is fine");
    });
}

#[test]
fn a_transaction_cannot_begin_in_the_closure_of_another() {
    within_seconds(30, || {
        let (store, counters) = counters();
        store
            .transaction(|tx| {
                add(tx, 1)?;
                let nested: Result<u64, Error> = store.transaction(|tx| add(tx, 2));
                assert_eq!(nested, Err(Error::NestedTransaction));
                let nested: Result<u64, Error> = ready(store.transaction_async(async |tx| add(tx, 2)));
                assert_eq!(nested, Err(Error::NestedTransaction));
                // One by hand may read here, and be committed elsewhere.
                let by_hand = store.begin();
                add(&by_hand, 2)?;
                assert_eq!(by_hand.commit().map(drop), Err(Error::NestedWrite { bucket: "counters" }));
                Ok::<_, Error>(())
            })
            .expect("the transaction itself is fine");
        assert_eq!(counters.all().iter().map(|counter| counter.value).collect::<Vec<_>>(), [1, 0, 0]);
        let words = Error::NestedTransaction.to_string();
        assert_eq!(
            words,
            "a transaction of this store is running here: use it, or `savepoint` for a part that can fail alone"
        );
    });
}

#[test]
fn another_store_is_another_matter() {
    within_seconds(30, || {
        let ((one, ones), (two, twos)) = (counters(), counters());
        let sum: Result<u64, Error> = one.transaction(|tx| {
            let inner = two.transaction(|tx| add(tx, 1))?;
            twos.update(&2, Counter::patch().add(Counter::VALUE, 1))?;
            Ok(add(tx, 1)? + inner)
        });
        assert_eq!(sum, Ok(2));
        assert_eq!((ones.require(&1).expect("there").value, twos.require(&2).expect("there").value), (1, 1));
    });
}

#[test]
fn stores_in_each_others_transactions_do_not_wait_for_each_other() {
    within_seconds(60, || {
        let ((one, ones), (two, twos)) = (counters(), counters());
        let crosswise = |outer: &Store, inner: &Store| {
            for _ in 0..200 {
                let options = TxOptions::new().retries(1000).lease(Duration::from_millis(5));
                let done: Result<u64, Error> = outer.transaction_with(options.clone(), |tx| {
                    inner.transaction_with(options.clone(), |tx| add(tx, 1))?;
                    add(tx, 2)
                });
                done.expect("comes to an end");
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| crosswise(&one, &two));
            scope.spawn(|| crosswise(&two, &one));
        });
        let value = |counters: &BucketHandle<Counter>| counters.require(&2).expect("there").value;
        assert_eq!((value(&ones), value(&twos)), (200, 200));
    });
}

#[test]
fn a_write_of_another_thread_that_is_waited_for_gets_through() {
    within_seconds(60, || {
        let (store, counters) = counters();
        let mut runs = 0;
        let options = TxOptions::new().retries(5).lease(Duration::from_millis(50));
        let began = Instant::now();
        let done: Result<u64, Error> = store.transaction_with(options, |tx| {
            runs += 1;
            let value = add(tx, 1)?;
            if runs <= 4 {
                // From the third run on the others wait for this transaction, which waits for one of them.
                thread::scope(|scope| {
                    scope.spawn(|| {
                        counters.update(&1, Counter::patch().add(Counter::VALUE, 1)).expect("gets through")
                    });
                });
            }
            Ok(value)
        });
        assert_eq!((done, runs), (Ok(5), 5));
        assert!(began.elapsed() >= Duration::from_millis(50), "it was waited for");
    });
}

#[test]
fn a_long_transaction_among_short_ones_comes_to_an_end() {
    within_seconds(60, || {
        let (store, counters) = counters();
        let stop = std::sync::atomic::AtomicBool::new(false);
        let runs = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        counters.update(&1, Counter::patch().add(Counter::VALUE, 1)).expect("no conflict");
                    }
                });
            }
            // Longer than a thread may be kept from its core.
            let options = TxOptions::new().lease(Duration::from_secs(50));
            let done: Result<(), Error> = store.transaction_with(options, |tx| {
                let run = runs.fetch_add(1, Ordering::Relaxed) + 1;
                let before = store.snapshot().version();
                add(tx, 1)?;
                if run <= 2 {
                    while store.snapshot().version() == before {
                        thread::yield_now();
                    }
                }
                // Long enough for many others, if they did not wait.
                let end = Instant::now() + Duration::from_millis(5);
                while Instant::now() < end {
                    thread::yield_now();
                }
                Ok(())
            });
            stop.store(true, Ordering::Relaxed);
            done.expect("the others wait for it");
        });
        assert_eq!(runs.into_inner(), 3, "after the second conflict it has its turn");
    });
}

fn assert_send_and_sync<T: Send + Sync>() {}

#[test]
fn a_transaction_may_go_anywhere() {
    assert_send_and_sync::<Transaction>();
    assert_send_and_sync::<TransactionBucket<'_, Counter>>();
    assert_send_and_sync::<CommitInfo>();
    let (store, counters) = counters();
    let tx = store.begin();
    add(&tx, 1).expect("there");
    thread::spawn(move || tx.commit().expect("no conflict")).join().expect("no panic");
    assert_eq!(counters.require(&1).expect("there").value, 1);
}

#[test]
fn async_transactions_of_many_tasks_all_count() {
    for workers in [1, 3] {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().expect("a runtime");
        let (store, counters) = counters();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let store = store.clone();
                    tokio::spawn(async move {
                        for _ in 0..20 {
                            let options = TxOptions::new().retries(10_000);
                            let done: Result<u64, Error> = store
                                .transaction_async_with(options, async |tx| {
                                    let counters = tx.bucket::<Counter>()?;
                                    let value = counters.require(&1)?.value;
                                    tokio::task::yield_now().await;
                                    Ok(counters.update(&1, Counter::patch().value(value + 1))?.value)
                                })
                                .await;
                            done.expect("comes to an end");
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
        });
        assert_eq!(counters.require(&1).expect("there").value, 160, "{workers} workers");
    }
}

#[tokio::test]
async fn an_async_closure_is_watched_over_its_awaits() {
    let (store, counters) = counters();
    let inner = store.clone();
    let done: Result<(), Error> = store
        .transaction_async(async |tx| {
            add(tx, 1)?;
            tokio::task::yield_now().await;
            assert_eq!(counters.delete(&2).map(drop), Err(Error::NestedWrite { bucket: "counters" }));
            let nested: Result<u64, Error> = inner.transaction(|tx| add(tx, 2));
            assert_eq!(nested, Err(Error::NestedTransaction));
            Ok(())
        })
        .await;
    done.expect("the transaction itself is fine");
    counters.delete(&2).expect("outside it is fine");
}

#[tokio::test]
async fn other_tasks_of_the_thread_write_while_a_transaction_waits() {
    let (store, counters) = counters();
    let go_on = Arc::new(tokio::sync::Notify::new());
    let (own, told) = (store.clone(), Arc::clone(&go_on));
    let waits = tokio::spawn(async move {
        own.transaction_async(async move |tx| {
            add(tx, 1)?;
            told.notified().await;
            Ok::<_, Error>(())
        })
        .await
    });
    tokio::task::yield_now().await;
    counters.update(&2, Counter::patch().value(7_u64)).expect("not in the closure");
    let other: Result<u64, Error> = store.transaction(|tx| add(tx, 3));
    assert_eq!(other, Ok(1));
    go_on.notify_one();
    waits.await.expect("no panic").expect("no conflict");
    let values = counters.all().iter().map(|counter| counter.value).collect::<Vec<_>>();
    assert_eq!(values, [1, 7, 1]);
}

#[tokio::test]
async fn a_task_that_is_cancelled_leaves_nothing() {
    let (store, counters) = counters();
    let version = store.snapshot().version();
    let reached = Arc::new(tokio::sync::Notify::new());
    let (own, tell) = (store.clone(), Arc::clone(&reached));
    let task = tokio::spawn(async move {
        own.transaction_async(async move |tx| {
            add(tx, 1)?;
            tell.notify_one();
            std::future::pending::<()>().await;
            Ok::<_, Error>(())
        })
        .await
    });
    reached.notified().await;
    task.abort();
    assert!(task.await.expect_err("cancelled").is_cancelled());
    assert_eq!(store.snapshot().version(), version);
    assert_eq!(counters.require(&1).expect("there").value, 0);
    let again: Result<u64, Error> = store.transaction(|tx| add(tx, 1));
    assert_eq!(again, Ok(1), "nobody is in the way");
}

#[test]
fn the_builders_store_can_be_used_at_once() {
    let store = start(Store::builder().bucket::<Counter>());
    let done: Result<(), Error> = store.transaction(|tx| {
        tx.bucket::<Counter>()?.insert(Counter { id: 1, value: 0 })?;
        Ok(())
    });
    assert_eq!(done, Ok(()));
}
