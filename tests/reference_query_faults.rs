//! The faults that were observed in the queries of the JavaScript noex-store, one test each: here they are right.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{ready, start};
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "items")]
struct Item {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    group: u8,
    value: u32,
}

fn item(id: u32) -> Item {
    Item { id, group: (id % 2) as u8, value: id }
}

fn items() -> (Store, BucketHandle<Item>, Query<u8, u32>) {
    let store = start(Store::builder().bucket::<Item>());
    let items = store.bucket::<Item>().expect("defined");
    items.insert_many((0..10).map(item)).expect("good");
    let sum = store
        .define_query("sum", |ctx: &QueryCtx<'_>, group: &u8| {
            Ok(ctx.bucket::<Item>()?.by_group(group).iter().map(|item| item.value).sum())
        })
        .expect("new");
    (store, items, sum)
}

/// Waits for a future that other threads bring to its end.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        assert!(Instant::now() < end, "in time");
        thread::yield_now();
    }
}

fn next(live: &mut Subscription<u32>) -> u32 {
    *wait(live.next()).expect("open").expect("no fault").value
}

#[test]
fn a_new_subscriber_gets_no_first_value() -> Result<(), Error> {
    let (_store, _, sum) = items();
    let mut live = sum.subscribe(0)?;
    assert_eq!(*ready(live.next()).expect("open")?.value, 20, "at once");
    Ok(())
}

#[test]
fn each_event_runs_every_subscription_again() -> Result<(), Error> {
    let (store, _, sum) = items();
    let (mut a, mut b, mut other) = (sum.subscribe(0)?, sum.subscribe(0)?, sum.subscribe(1)?);
    assert_eq!((next(&mut a), next(&mut b), next(&mut other)), (20, 20, 25));
    let before = sum.stats().runs;
    // Ten inserts and two equal subscriptions: twenty runs there, also in one transaction.
    store.transaction(|tx| {
        let items = tx.bucket::<Item>()?;
        (0..10).try_for_each(|n| items.insert(Item { id: 100 + n, group: 0, value: 1 }).map(drop))
    })?;
    wait(store.settle());
    assert_eq!((next(&mut a), next(&mut b)), (30, 30));
    assert!(other.try_next().is_none());
    assert_eq!(sum.stats().runs - before, 1);
    Ok(())
}

#[test]
fn errors_of_a_run_are_swallowed() -> Result<(), Error> {
    let (store, items, _) = items();
    let picky = store
        .define_query("picky", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<Item>()?.require(&3)?.value))?;
    let mut live = picky.subscribe(())?;
    assert_eq!(next(&mut live), 3);
    items.delete(&3)?;
    let error = wait(live.next()).expect("open").expect_err("told");
    assert_eq!(error, Error::NotFound { bucket: "items", key: "3".into() });
    items.insert(item(3))?;
    assert_eq!(next(&mut live), 3);
    Ok(())
}

#[test]
fn writes_during_the_first_run_are_missed() -> Result<(), Error> {
    let (store, items, sum) = items();
    // The first run waits until a write was made behind its back.
    let (running, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (tell, told) = (Arc::clone(&running), Arc::clone(&written));
    let slow = store.define_query("slow", move |ctx: &QueryCtx<'_>, (): &()| {
        let sum: u32 = ctx.bucket::<Item>()?.all().iter().map(|item| item.value).sum();
        tell.store(true, Ordering::SeqCst);
        while !told.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        Ok(sum)
    })?;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !running.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            items.update(&1, Item::patch().value(1001_u32)).expect("there");
            // Somebody else asks, so that the commit is noted before the slow run tells what it has read.
            sum.run(&1).expect("no fault");
            written.store(true, Ordering::SeqCst);
        });
        let mut live = slow.subscribe(()).expect("subscribes");
        let mut last = next(&mut live);
        while last != 1045 {
            assert_eq!(last, 45, "of the snapshot before, or of the one after");
            last = next(&mut live);
        }
    });
    Ok(())
}

#[test]
fn an_older_result_is_delivered_last() -> Result<(), Error> {
    let (store, items, sum) = items();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            // Others ask at the same time, on whatever snapshot is the latest then.
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    sum.run(&0).expect("no fault");
                }
            });
        }
        let mut live = sum.subscribe(0).expect("subscribes");
        let mut version = Version::default();
        for n in 0..2000_u32 {
            items.update(&0, Item::patch().value(n)).expect("there");
            while let Some(update) = live.try_next() {
                let update = update.expect("no fault");
                assert!(update.version > version, "versions only grow");
                version = update.version;
            }
        }
        wait(store.settle());
        let last = live.try_next().map_or(version, |update| update.expect("no fault").version);
        stop.store(true, Ordering::Relaxed);
        assert!(last >= version);
        assert_eq!(*sum.run(&0).expect("no fault"), 20 + 1999);
    });
    Ok(())
}

#[test]
fn a_callback_that_throws_ends_the_process() -> Result<(), Error> {
    let (store, items, sum) = items();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let _guard = sum.on_change(0, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        std::panic::resume_unwind(Box::new("thrown"));
    })?;
    let end = Instant::now() + Duration::from_secs(20);
    let until = |wanted: usize| {
        while calls.load(Ordering::SeqCst) < wanted {
            assert!(Instant::now() < end, "in time");
            thread::yield_now();
        }
    };
    until(1);
    items.update(&0, Item::patch().value(7_u32))?;
    until(2);
    let mut calm = sum.subscribe(0)?;
    assert_eq!(next(&mut calm), 27);
    wait(store.settle());
    Ok(())
}
