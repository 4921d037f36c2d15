//! Services that panic under load go on at the commit where they were: nobody misses anything, and nobody is told twice.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wait;
use crate::engine::tests::Random;
use crate::live::QueryCtx;
use crate::store::{BucketHandle, Store};
use crate::sync::Mutex;
use crate::{
    BridgeOptions, Change, Event, EventReceiver, MemoryAdapter, Persistence, ReceiverError, Ttl,
    bridge_to_rules,
};

#[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "items", crate = crate)]
pub(super) struct Item {
    #[bucket(key)]
    pub(super) id: u64,
}

pub(super) fn store(restarts: u32) -> (Store, BucketHandle<Item>) {
    let builder = Store::builder().bucket::<Item>().restart_intensity(restarts, Duration::from_secs(600));
    let mut started = std::pin::pin!(builder.start());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Ok(store)) = started.as_mut().poll(&mut context) else {
        panic!("starts at once")
    };
    let items = store.bucket().expect("defined");
    (store, items)
}

/// Notes the keys that it is sent.
#[derive(Default)]
struct Sent(Mutex<Vec<u64>>);

impl EventReceiver for Sent {
    async fn emit(&self, _: &str, data: Value) -> Result<(), ReceiverError> {
        self.0.lock().push(data["key"].as_u64().ok_or("no key")?);
        Ok(())
    }
}

#[test]
fn killed_services_lose_no_commit() {
    for seed in 0..4 {
        let (store, items) = store(10_000);
        let told = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&told);
        let guard = store
            .on("bucket.items.inserted", move |event: &Event| {
                own.lock().push(event.record::<Item>().map_or(0, |item| item.id));
            })
            .expect("a good pattern");
        let sent = Arc::new(Sent::default());
        let options = BridgeOptions::new().pattern("bucket.items.inserted");
        let bridge = bridge_to_rules(&store, Arc::clone(&sent), options).expect("good options");
        let mut changes = items.changes();
        let count = store
            .define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<Item>()?.count()))
            .expect("a new name");
        let mut live = count.subscribe(()).expect("running");
        let mut random = Random::new(seed);
        for id in 0..600 {
            // Every third expires, soon or later.
            let ttl = if id % 3 == 0 { Ttl::For(Duration::from_millis(1 + id % 9)) } else { Ttl::Never };
            items.insert_with_ttl(Item { id }, ttl).expect("new");
            if random.below(4) == 0 {
                store.kill_a_service(random.below(4));
            }
            if random.below(16) == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        thread::sleep(Duration::from_millis(12));
        wait(store.settle());
        assert_eq!(*told.lock(), (0..600).collect::<Vec<_>>(), "seed {seed}");
        assert_eq!(*sent.0.lock(), (0..600).collect::<Vec<_>>(), "seed {seed}");
        assert_eq!((bridge.stats().delivered, bridge.stats().failed), (600, 0));
        assert_eq!(items.count(), 400);
        assert_eq!(store.snapshot().bucket::<Item>().expect("defined").count(), 400);
        let (mut inserted, mut expired) = (0, 0);
        while let Some(change) = changes.try_next() {
            match change.expect("nothing is missed") {
                Change::Inserted(item) => {
                    assert_eq!(item.id, inserted);
                    inserted += 1;
                }
                _ => expired += 1,
            }
        }
        assert_eq!((inserted, expired), (600, 200));
        let last = live.try_next().expect("told").expect("good");
        assert_eq!((*last.value, last.version), (400, store.snapshot().version()));
        let services = store.stats().services;
        assert!(services.len() == 4 && services.iter().all(|service| service.restarts > 0), "{services:?}");
        drop(guard);
        assert_eq!(wait(store.stop()), Ok(()));
    }
}

#[test]
fn a_keeper_that_is_killed_keeps_all_commits_once() {
    for seed in 0..4 {
        let kept = MemoryAdapter::new();
        let persistence = || Persistence::new(kept.clone()).debounce(Duration::from_micros(200));
        let builder = |log| Store::builder().persistence(persistence()).commit_log_capacity(log);
        // With a short log it has to write snapshots, too.
        let log = if seed % 2 == 0 { 4096 } else { 8 };
        let store =
            wait(builder(log).bucket::<Item>().restart_intensity(10_000, Duration::from_secs(600)).start())
                .expect("starts");
        let items = store.bucket::<Item>().expect("defined");
        let mut random = Random::new(seed);
        for id in 0..600 {
            items.insert(Item { id }).expect("new");
            if id % 5 == 4 {
                items.delete(&(id - 2)).expect("running");
            }
            if random.below(4) == 0 {
                store.kill_a_service(3 + random.below(2));
            }
            if random.below(16) == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        wait(store.flush()).expect("written");
        let services = store.stats().services;
        assert!(services[3].name == "persistence" && services[3].restarts > 0, "{services:?}");
        let (before, version) = (items.all(), store.snapshot().version());
        wait(store.stop()).expect("written");
        let store = wait(builder(log).bucket::<Item>().start()).expect("starts");
        let after = store.bucket::<Item>().expect("defined").all();
        assert!(after == before && store.snapshot().version() >= version, "seed {seed}");
        wait(store.stop()).expect("written");
    }
}

#[test]
fn a_keeper_that_is_given_up_says_so_and_the_store_goes_on() {
    let kept = MemoryAdapter::new();
    let persistence = Persistence::new(kept).debounce(Duration::from_micros(200));
    let builder = Store::builder().persistence(persistence).bucket::<Item>();
    let store = wait(builder.restart_intensity(0, Duration::from_secs(600)).start()).expect("starts");
    let items = store.bucket::<Item>().expect("defined");
    store.kill_a_service(3);
    items.insert(Item { id: 1 }).expect("writes go on");
    let degraded = Err(crate::Error::Degraded { service: "persistence" });
    while wait(store.flush()) != degraded {
        thread::yield_now();
    }
    items.insert(Item { id: 2 }).expect("writes go on");
    assert!(store.stats().degraded && store.stats().persistence.behind > 0);
    assert_eq!(wait(store.stop()), degraded, "it does not hide that something is not on the disk");
}

#[test]
fn a_service_that_is_given_up_says_so() {
    let (store, items) = store(0);
    let count = store
        .define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<Item>()?.count()))
        .expect("a new name");
    let mut live = count.subscribe(()).expect("running");
    assert!(live.try_next().is_some());
    let mut events = store.events("**").expect("a good pattern");
    (0..3).for_each(|number| store.kill_a_service(number));
    items.insert(Item { id: 1 }).expect("writes go on");
    // The subscription is told why it ends; the stream ends.
    let degraded = |service| crate::Error::Degraded { service };
    loop {
        match wait(live.next()) {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                assert_eq!(error, degraded("live queries"));
                break;
            }
            None => panic!("it must say why"),
        }
    }
    assert!(wait(live.next()).is_none());
    while wait(events.next()).is_some() {}
    while count.subscribe(()).is_ok() || store.on("**", |_: &Event| ()).is_ok() {
        thread::yield_now();
    }
    assert_eq!(count.subscribe(()).map(drop), Err(degraded("live queries")));
    assert_eq!(store.events("**").map(drop), Err(degraded("events")));
    assert!(store.stats().degraded);
    // What needs no service goes on.
    assert_eq!((items.count(), count.run(&()).map(|count| *count)), (1, Ok(1)));
    wait(store.settle());
    assert_eq!(wait(store.stop()), Ok(()));
}
