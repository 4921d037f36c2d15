//! Those who follow the commits: live queries, events, handlers, bridges, and the sweeper. Each must come to the last commit,
//! however it meets the writers.
//!
//! Time does not pass in the checker: a wake that is lost shows as a deadlock.

use std::sync::{Arc, Mutex};

use noex_store::TestClock;
use noex_store::prelude::*;
use shuttle::future::block_on;
use shuttle::thread;

use super::{Left, Right, check_times, pairs};

/// Fewer than of others: each has the threads of a service.
const TIMES: usize = 1500;

type Ids = Vec<u32>;

/// The keys of all lefts.
fn ids(store: &Store) -> Query<(), Ids> {
    let query =
        |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<Left>()?.all().iter().map(|left| left.id).collect());
    store.define_query("ids", query).expect("new")
}

/// Threads that insert one left each, from 10 on.
fn inserting(store: &Store, threads: u32) -> Vec<thread::JoinHandle<()>> {
    inserting_from(10, store, threads)
}

fn inserting_from(first: u32, store: &Store, threads: u32) -> Vec<thread::JoinHandle<()>> {
    let insert = |id: u32| {
        let lefts = store.bucket::<Left>().expect("defined");
        thread::spawn(move || drop(lefts.insert(Left { id, value: 0 }).expect("new")))
    };
    (first..first + threads).map(insert).collect()
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
}

fn stop(store: &Store) {
    block_on(store.stop()).expect("stops");
}

#[test]
fn a_subscription_comes_to_the_last_answer() {
    check_times(TIMES, || {
        let store = pairs();
        let writers = inserting(&store, 2);
        let mut live = ids(&store).subscribe(()).expect("open");
        let mut before = None;
        loop {
            let update = block_on(live.next()).expect("open").expect("no fault");
            assert!(before < Some(update.version), "{before:?}, then {}", update.version);
            before = Some(update.version);
            if update.value.len() == 3 {
                break;
            }
        }
        join(writers);
        stop(&store);
        assert!(block_on(live.next()).is_none(), "it ends with the store");
    });
}

#[test]
fn a_query_answers_no_less_than_was_committed_before() {
    check_times(TIMES, || {
        let store = pairs();
        let query = ids(&store);
        // Whoever subscribes has the worker refresh the answer, too.
        let mut live = query.subscribe(()).expect("open");
        let writers: Vec<_> = (10..12)
            .map(|id| {
                let (lefts, query) = (store.bucket::<Left>().expect("defined"), query.clone());
                thread::spawn(move || {
                    lefts.insert(Left { id, value: 0 }).expect("new");
                    assert!(query.run(&()).expect("no fault").contains(&id), "one sees what one has written");
                })
            })
            .collect();
        assert!(!query.run(&()).expect("no fault").is_empty());
        join(writers);
        block_on(store.settle());
        let last = std::iter::from_fn(|| live.try_next()).last().expect("told").expect("no fault");
        assert_eq!(last.value.len(), 3);
        stop(&store);
    });
}

#[test]
fn a_callback_is_told_the_last_answer() {
    check_times(TIMES, || {
        let store = pairs();
        let last = Arc::new(Mutex::new(0));
        let own = Arc::clone(&last);
        let guard = ids(&store).on_change((), move |ids: &Ids| *own.lock().expect("sound") = ids.len());
        let writers = inserting(&store, 2);
        join(writers);
        while *last.lock().expect("sound") < 3 {
            thread::yield_now();
        }
        drop(guard);
        stop(&store);
    });
}

#[test]
fn events_come_in_their_order_and_end_with_the_store() {
    check_times(TIMES, || {
        let store = pairs();
        let mut events = store.events("bucket.lefts.*").expect("good");
        let writers = inserting(&store, 3);
        let mut before = None;
        for _ in 0..3 {
            let event = block_on(events.next()).expect("open").expect("none is lost");
            assert!(before < Some(event.version()), "{before:?}, then {}", event.version());
            before = Some(event.version());
        }
        join(writers);
        stop(&store);
        assert!(block_on(events.next()).is_none());
    });
}

#[test]
fn whoever_subscribes_is_told_of_all_from_there_on() {
    check_times(TIMES, || {
        let store = pairs();
        let writers = inserting(&store, 3);
        let version = || store.snapshot().version().get();
        let before = version();
        let mut events = store.events("bucket.lefts.*").expect("good");
        let after = version();
        join(writers);
        let last = version();
        let mut told = Vec::new();
        while told.last().map_or(after, |last| *last) < last {
            told.push(block_on(events.next()).expect("open").expect("none is lost").version().get());
        }
        // Each of these commits is an event.
        let first = told.first().copied().unwrap_or(last + 1);
        assert!(before < first && first <= after + 1, "{before} < {first} <= {after} + 1");
        assert!(told.iter().copied().eq(first..=last), "{told:?}");
        stop(&store);
    });
}

#[test]
fn a_handler_has_seen_all_when_the_store_has_settled() {
    check_times(TIMES, || {
        let store = pairs();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&seen);
        let guard =
            store.on("bucket.lefts.*", move |event: &Event| own.lock().expect("sound").push(event.version()));
        join(inserting(&store, 2));
        block_on(store.settle());
        let seen = seen.lock().expect("sound").clone();
        assert!(seen.len() == 2 && seen.is_sorted(), "{seen:?}");
        drop(guard);
        stop(&store);
    });
}

#[derive(Default)]
struct Count(Mutex<usize>);

impl EventReceiver for Count {
    async fn emit(&self, _: &str, _: serde_json::Value) -> Result<(), ReceiverError> {
        *self.0.lock().expect("sound") += 1;
        Ok(())
    }
}

#[test]
fn a_bridge_has_sent_all_when_the_store_has_settled_or_stopped() {
    check_times(TIMES, || {
        let store = pairs();
        let count = Arc::new(Count::default());
        let options = BridgeOptions::new().pattern("bucket.lefts.*");
        let bridge = bridge_to_rules(&store, Arc::clone(&count), options).expect("good");
        join(inserting(&store, 2));
        block_on(store.settle());
        assert_eq!(*count.0.lock().expect("sound"), 2);
        join(inserting_from(20, &store, 2));
        stop(&store);
        assert_eq!(*count.0.lock().expect("sound"), 4);
        drop(bridge);
    });
}

/// The versions of what a bridge has sent.
#[derive(Default)]
struct Versions(Mutex<Vec<u64>>);

impl EventReceiver for Versions {
    async fn emit(&self, _: &str, version: serde_json::Value) -> Result<(), ReceiverError> {
        self.0.lock().expect("sound").extend(version.as_u64());
        Ok(())
    }
}

#[test]
fn whoever_begins_at_an_earlier_commit_is_told_of_each_once() {
    check_times(TIMES, || {
        let store = pairs();
        let since = store.snapshot().version();
        // Some commits have been made when the bridge and the stream come, and some have not.
        let writers = inserting(&store, 3);
        let sent = Arc::new(Versions::default());
        let options = BridgeOptions::new().pattern("bucket.lefts.*").since(since);
        let options = options.map_data(|event| event.version().get().into());
        let bridge = bridge_to_rules(&store, Arc::clone(&sent), options).expect("in the log");
        let mut events = store.events_since("bucket.lefts.*", since).expect("in the log");
        join(writers);
        block_on(store.settle());
        let all: Vec<_> = (since.get() + 1..=since.get() + 3).collect();
        assert_eq!(*sent.0.lock().expect("sound"), all);
        for version in all {
            let event = block_on(events.next()).expect("open").expect("none is lost");
            assert_eq!(event.version().get(), version);
        }
        drop(bridge);
        stop(&store);
    });
}

#[test]
fn answers_that_are_watched_together_are_of_one_commit() {
    check_times(TIMES, || {
        let store = pairs();
        let left = |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<Left>()?.require(&1)?.value);
        let right = |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<Right>()?.require(&1)?.value);
        let left = store.define_query("left", left).expect("new");
        let right = store.define_query("right", right).expect("new");
        let mut both = store.watch_together(((left.clone(), ()), (right.clone(), ()))).expect("open");
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let store = store.clone();
                thread::spawn(move || {
                    let add = |tx: &Transaction| {
                        tx.bucket::<Left>()?.update(&1, Left::patch().add(Left::VALUE, 1))?;
                        tx.bucket::<Right>()?.update(&1, Right::patch().add(Right::VALUE, 1)).map(drop)
                    };
                    store.transaction(add).expect("there");
                })
            })
            .collect();
        // Whoever asks for one of them alone has a newer answer remembered, maybe, than those who watch are at.
        let asks = thread::spawn(move || {
            let value = *right.run(&()).expect("no fault");
            assert!(*left.run(&()).expect("no fault") >= value);
        });
        let mut before = None;
        loop {
            let update = block_on(both.next()).expect("open").expect("no fault");
            assert!(before < Some(update.version), "{before:?}, then {}", update.version);
            before = Some(update.version);
            let (left, right) = &*update.value;
            assert_eq!(left, right, "at {}", update.version);
            if **left == 2 {
                break;
            }
        }
        join(writers);
        asks.join().expect("no panic");
        stop(&store);
    });
}

#[test]
fn what_has_expired_is_taken_out_however_it_meets_the_sweeper() {
    check_times(TIMES, || {
        let clock = TestClock::at(1_000);
        let store = block_on(Store::builder().clock(clock.clone()).bucket::<Left>().start()).expect("good");
        let lefts = store.bucket::<Left>().expect("defined");
        let own = lefts.clone();
        let writer = thread::spawn(move || {
            for id in 1..=2 {
                let short = Duration::from_secs(u64::from(id));
                own.insert_with_ttl(Left { id, value: 0 }, short).expect("new");
            }
        });
        clock.advance(Duration::from_secs(1));
        writer.join().expect("no panic");
        clock.advance(Duration::from_secs(2));
        assert!(lefts.is_empty(), "for whoever asks now");
        // The sweeper is told of the clock; in the checker nothing else would wake it.
        while !store.snapshot().bucket::<Left>().expect("defined").is_empty() {
            thread::yield_now();
        }
        block_on(store.settle());
        stop(&store);
    });
}

#[test]
fn whoever_waits_is_told_of_the_end() {
    check_times(TIMES, || {
        for drops in [true, false] {
            let store = pairs();
            let mut live = ids(&store).subscribe(()).expect("open");
            let mut events = store.events("**").expect("good");
            let mut changes = store.bucket::<Left>().expect("defined").changes();
            let first = block_on(live.next()).expect("open").expect("no fault");
            assert_eq!(first.value.len(), 1);
            let ends = thread::spawn(move || if drops { drop(store) } else { stop(&store) });
            assert!(block_on(live.next()).is_none());
            assert!(block_on(events.next()).is_none());
            assert!(block_on(changes.next()).is_none());
            ends.join().expect("no panic");
        }
    });
}

#[test]
fn subscribers_come_and_go_beside_writers() {
    check_times(TIMES, || {
        let store = pairs();
        let query = ids(&store);
        let writers = inserting(&store, 2);
        let subscribers: Vec<_> = (0..2)
            .map(|_| {
                let query = query.clone();
                thread::spawn(move || {
                    let mut live = query.subscribe(()).expect("open");
                    let first = block_on(live.next()).expect("open").expect("no fault");
                    assert!((1..=3).contains(&first.value.len()));
                })
            })
            .collect();
        join(writers);
        join(subscribers);
        assert_eq!(
            query.run(&()).expect("no fault").len(),
            3,
            "the answer that nobody follows is not an old one"
        );
        stop(&store);
    });
}
