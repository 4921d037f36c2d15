//! Bridges: what the receiver gets, and what becomes of one that fails, panics, stalls or writes back.

mod common;

#[path = "../examples/delay-alerts/rule.rs"]
mod rule;

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{start, store_of, within_seconds};
use noex_store::prelude::*;
use noex_store::{Bridge, PatternFault};
use serde_json::{Value, json};

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "orders")]
struct Order {
    #[bucket(key)]
    id: u64,
    total: f64,
}

fn order(id: u64) -> Order {
    Order { id, total: id as f64 }
}

/// Notes what it is sent; an id of 13 is its bad luck.
#[derive(Default)]
struct Notes {
    seen: Mutex<Vec<(String, Value)>>,
    lagged: Mutex<Vec<u64>>,
    held: AtomicBool,
    began: AtomicBool,
}

impl Notes {
    fn ids(&self) -> Vec<u64> {
        self.seen.lock().unwrap().iter().map(|(_, data)| data.as_u64().unwrap()).collect()
    }
}

impl EventReceiver for Notes {
    async fn emit(&self, topic: &str, data: Value) -> Result<(), ReceiverError> {
        self.began.store(true, Ordering::SeqCst);
        // A receiver that blocks its thread is slow too.
        while self.held.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        match data.as_u64() {
            Some(13) => return Err("unlucky".into()),
            Some(14) => panic!("worse"),
            Some(15) => pending::<()>().await,
            _ => {}
        }
        self.seen.lock().unwrap().push((topic.to_owned(), data));
        Ok(())
    }

    fn lagged(&self, missed: u64) {
        self.lagged.lock().unwrap().push(missed);
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn by_id() -> BridgeOptions {
    BridgeOptions::new().map_data(|event| json!(event.record::<Order>().map(|order| order.id)))
}

fn bridge(store: &Store, options: BridgeOptions) -> (Arc<Notes>, Bridge) {
    let notes = Arc::new(Notes::default());
    let bridge = bridge_to_rules(store, Arc::clone(&notes), options).expect("good options");
    (notes, bridge)
}

#[test]
fn events_come_in_order_as_they_are_or_as_they_are_mapped() -> Result<(), Error> {
    let (store, orders) = store_of::<Order>();
    let (plain, _one) = bridge(&store, BridgeOptions::new());
    let mapped = BridgeOptions::new()
        .filter(|event| event.bucket() == "orders" && event.key() != "2")
        .map_topic(|topic, event| format!("{}:{}", topic.replace('.', ":"), event.key()))
        .map_data(|event| json!({ "key": event.key() }));
    let (mapped, two) = bridge(&store, mapped);
    store.transaction(|tx| {
        let orders = tx.bucket::<Order>()?;
        orders.insert(order(1))?;
        orders.insert(order(2)).map(drop)
    })?;
    orders.update(&1, Order::patch().total(9.0))?;
    orders.delete(&2)?;
    wait(store.settle());
    let seen = plain.seen.lock().unwrap();
    let topics: Vec<_> = seen.iter().map(|(topic, data)| (topic.as_str(), data["key"].as_u64())).collect();
    let inserted = "bucket.orders.inserted";
    assert_eq!(
        topics,
        [
            (inserted, Some(1)),
            (inserted, Some(2)),
            ("bucket.orders.updated", Some(1)),
            ("bucket.orders.deleted", Some(2)),
        ]
    );
    assert_eq!(
        (&seen[2].1["old_record"]["total"], &seen[2].1["record"]["total"]),
        (&json!(1.0), &json!(9.0))
    );
    let mapped = mapped.seen.lock().unwrap();
    let of_one = |kind: &str| (format!("bucket:orders:{kind}:1"), json!({ "key": "1" }));
    assert_eq!(*mapped, [of_one("inserted"), of_one("updated")]);
    assert_eq!((two.stats().delivered, two.stats().filtered, two.stats().waiting), (2, 2, 0));
    Ok(())
}

#[test]
fn what_the_receiver_fails_at_is_counted_and_the_next_is_sent() -> Result<(), Error> {
    let (store, orders) = store_of::<Order>();
    let options = by_id().timeout(Duration::from_millis(5)).filter(|event| {
        assert!(event.key() != "16", "a filter of a test");
        true
    });
    let (notes, bridge) = bridge(&store, options);
    for id in 12..=17 {
        orders.insert(order(id))?;
    }
    wait(store.settle());
    assert_eq!(notes.ids(), [12, 17], "an error, a panic, one that never ends, a filter that panics");
    assert_eq!((bridge.stats().delivered, bridge.stats().failed), (2, 4));
    assert_eq!(store.stats().bridges, [bridge.stats()]);
    assert!(!store.stats().degraded);
    Ok(())
}

#[test]
fn a_receiver_that_stalls_loses_the_oldest_and_is_told() -> Result<(), Error> {
    let (store, orders) = store_of::<Order>();
    let notes = Arc::new(Notes { held: AtomicBool::new(true), ..Notes::default() });
    let bridge = bridge_to_rules(&store, Arc::clone(&notes), by_id().capacity(3))?;
    orders.insert(order(100))?;
    while !notes.began.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    // Nobody waits for it.
    let mut events = store.events("**")?;
    for id in 101..=110 {
        orders.insert(order(id))?;
    }
    for id in 101..=110 {
        assert_eq!(wait(events.next()).expect("open").expect("kept").key(), id.to_string());
    }
    // The bus hands a commit to one after the other: the last has been handed to all when another one comes.
    orders.delete(&100)?;
    wait(events.next());
    while bridge.stats().waiting < 4 || store.stats().events.behind > 0 {
        std::thread::yield_now();
    }
    notes.held.store(false, Ordering::SeqCst);
    wait(store.settle());
    assert_eq!(notes.ids(), [100, 109, 110, 100]);
    assert_eq!(*notes.lagged.lock().unwrap(), [8]);
    assert_eq!((bridge.stats().missed, bridge.stats().delivered), (8, 4));
    assert_eq!(store.stats().events.missed, 8);
    Ok(())
}

#[test]
fn a_bridge_begins_where_it_is_told_and_ends_with_its_guard() -> Result<(), Error> {
    let (store, orders) = store_of::<Order>();
    orders.insert(order(1))?;
    let version = store.snapshot().version();
    orders.insert(order(2))?;
    let (notes, own) = bridge(&store, by_id().since(version).pattern("bucket.orders.inserted"));
    orders.delete(&1)?;
    orders.insert(order(3))?;
    wait(store.settle());
    assert_eq!(notes.ids(), [2, 3]);
    assert_eq!(own.stats().filtered, 0, "what the pattern does not match does not come");
    drop(own);
    orders.insert(order(4))?;
    wait(store.settle());
    assert_eq!(notes.ids(), [2, 3]);
    // Its thread ends by itself.
    within_seconds(60, move || {
        while !store.stats().bridges.is_empty() {
            std::thread::yield_now();
        }
    });
    Ok(())
}

#[test]
fn bad_options_are_refused() {
    let (store, orders) = store_of::<Order>();
    let make = |options| bridge_to_rules(&store, Notes::default(), options).map(drop);
    let bad = make(BridgeOptions::new().pattern("bucket..x"));
    assert!(matches!(bad, Err(Error::InvalidPattern { reason: PatternFault::EmptyPart, .. })), "{bad:?}");
    orders.insert(order(1)).expect("good");
    let ahead = store.snapshot().version();
    let (other, _orders) = store_of::<Order>();
    let gone = bridge_to_rules(&other, Notes::default(), BridgeOptions::new().since(ahead)).map(drop);
    assert!(matches!(gone, Err(Error::CommitsGone { .. })), "{gone:?}");
    wait(store.stop()).expect("in time");
    assert_eq!(make(BridgeOptions::new()), Err(Error::Stopped));
}

#[test]
fn stop_sends_what_was_committed() -> Result<(), Error> {
    let (store, orders) = store_of::<Order>();
    let (notes, _bridge) = bridge(&store, by_id());
    for id in 100..600 {
        orders.insert(order(id))?;
    }
    wait(store.stop())?;
    assert_eq!(notes.ids(), (100..600).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn stop_gives_up_a_receiver_that_does_not_end() {
    within_seconds(60, || {
        let builder = Store::builder().bucket::<Order>().stop_timeout(Duration::from_millis(20));
        let store = start(builder);
        let (notes, bridge) = bridge(&store, by_id().timeout(Duration::from_secs(3600)));
        store.bucket::<Order>().unwrap().insert(order(15)).unwrap();
        while !notes.began.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let late = wait(store.stop());
        assert_eq!(late, Err(Error::StopTimedOut { services: vec!["rules bridge"] }));
        // Its future is dropped all the same, and its thread ends.
        while bridge.stats().failed < 1 {
            std::thread::yield_now();
        }
    });
}

/// Writes back, and waits for the store, and for time to pass.
struct Doubles(Store);

impl EventReceiver for Doubles {
    async fn emit(&self, _: &str, data: Value) -> Result<(), ReceiverError> {
        let id = data.as_u64().ok_or("no id")?;
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.0.bucket::<Order>()?.insert(order(id * 2))?;
        self.0.settle().await;
        Ok(())
    }
}

#[tokio::test]
async fn a_receiver_may_use_the_store_and_the_runtime() -> Result<(), Error> {
    let store = Store::builder().bucket::<Order>().start().await?;
    let options = by_id().filter(|event| event.record::<Order>().is_some_and(|order| order.id % 2 == 1));
    let bridge = bridge_to_rules(&store, Doubles(store.clone()), options)?;
    let orders = store.bucket::<Order>()?;
    for id in [1, 3, 5] {
        orders.insert(order(id))?;
    }
    store.settle().await;
    let mut ids: Vec<u64> = orders.all().iter().map(|order| order.id).collect();
    ids.sort_unstable();
    assert_eq!((ids, bridge.stats().failed), (vec![1, 2, 3, 5, 6, 10], 0));
    Ok(())
}

#[test]
fn the_delay_rule_of_the_example_begins_and_ends_alerts() -> Result<(), Error> {
    let store = start(Store::builder().bucket::<Order>().bucket::<rule::Alert>());
    let fact = |event: &Event| {
        let delay = event.record::<Order>().map(|order| order.total as i64);
        json!({ "airport": "JFK", "flight": event.key(), "delay": delay })
    };
    let _bridge = bridge_to_rules(
        &store,
        rule::DelayRule::new(&store)?,
        BridgeOptions::new().pattern("bucket.orders.inserted").map_data(fact),
    )?;
    let orders = store.bucket::<Order>()?;
    // Ten flights of 45 minutes, and then one on time after the other, until the mean of ten is below 20.
    let delays = [45.0; 10].into_iter().chain([0.0; 10]);
    orders.insert_many((1..).zip(delays).map(|(id, total)| Order { id, total }))?;
    wait(store.settle());
    let alerts = store.bucket::<rule::Alert>()?.all();
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].since.as_str(), alerts[0].minutes), ("10", 45));
    assert_eq!(alerts[0].until.as_deref(), Some("16"), "four of 45 and six of 0 are 18");
    Ok(())
}
