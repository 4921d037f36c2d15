//! What a store tells about itself in numbers.

mod common;

use std::time::Duration;

use common::{start, store_of};
use noex_store::prelude::*;
use noex_store::{ServiceState, TestClock};

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users", index(city, age))]
struct User {
    #[bucket(key)]
    id: u64,
    #[bucket(unique)]
    email: String,
    #[bucket(index)]
    city: String,
    age: u8,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "sessions", ttl = "1s", max_size = 3)]
struct Session {
    #[bucket(key)]
    id: u64,
}

fn user(id: u64) -> User {
    User { id, email: format!("{id}@example.com"), city: "Brno".to_owned(), age: 7 }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

#[test]
fn what_a_store_holds_and_what_it_did() -> Result<(), Error> {
    let clock = TestClock::default();
    let builder = Store::builder().name("shop").clock(clock.clone()).ttl_check_interval(Duration::ZERO);
    let store = start(builder.bucket::<User>().bucket::<Session>());
    let (users, sessions) = (store.bucket::<User>()?, store.bucket::<Session>()?);
    users.insert_many((0..100).map(user))?;
    for id in 0..5 {
        sessions.insert(Session { id })?;
    }
    let stats = store.stats();
    assert_eq!((stats.name.as_str(), stats.version), ("shop", store.snapshot().version()));
    assert_eq!((stats.buckets.count, stats.buckets.names), (2, vec!["users", "sessions"]));
    assert_eq!((stats.records.total, stats.records.per_bucket["users"]), (103, 100));
    assert_eq!(
        (stats.indexes.total, stats.indexes.per_bucket["users"]),
        (3, 3),
        "a unique field, two indexes"
    );
    assert_eq!((stats.commits.made, stats.evicted, stats.ttl.expired), (8, 2, 0));
    assert_eq!((stats.commits.logged, stats.commits.logged_changes), (8, 2 + 100 + 5 + 2));
    let next = clock.now() + 1000;
    assert_eq!(
        (stats.ttl.enabled, stats.ttl.check_interval_ms, stats.ttl.next_expiry),
        (false, 0, Some(next))
    );
    assert!(!stats.persistence.enabled && !stats.stopped && !stats.degraded);

    clock.advance(Duration::from_secs(1));
    assert_eq!(store.stats().records.per_bucket["sessions"], 3, "not taken out yet");
    assert_eq!(store.purge_ttl(), 3);
    let stats = store.stats();
    assert_eq!((stats.records.total, stats.ttl.expired, stats.ttl.next_expiry), (100, 3, None));
    store.drop_bucket::<Session>()?;
    assert_eq!(store.stats().buckets.names, ["users"]);
    wait(store.stop())?;
    assert!(store.stats().stopped);
    Ok(())
}

/// The time of a clock.
trait Now {
    fn now(&self) -> u64;
}

impl Now for TestClock {
    fn now(&self) -> u64 {
        noex_store::Clock::now_millis(self)
    }
}

#[test]
fn conflicts_and_retries() -> Result<(), Error> {
    let (store, users) = store_of::<User>();
    users.insert(user(1))?;
    let older = |id: u64| move |tx: &Transaction| tx.bucket::<User>()?.modify(&id, |user| user.age += 1);
    let mut runs = 0;
    store.transaction(|tx| {
        runs += 1;
        older(1)(tx)?;
        if runs <= 2 {
            // Another thread is faster.
            let users = users.clone();
            std::thread::scope(|scope| {
                scope.spawn(move || users.modify(&1, |user| user.age += 1)).join().expect("no panic")
            })?;
        }
        Ok::<_, Error>(())
    })?;
    let stats = store.stats().commits;
    assert_eq!((runs, stats.conflicts, stats.retries), (3, 2, 2));
    let tx = store.begin();
    older(1)(&tx)?;
    users.delete(&1)?;
    assert!(matches!(tx.commit(), Err(Error::TransactionConflict { .. })));
    let stats = store.stats().commits;
    assert_eq!((stats.conflicts, stats.retries), (3, 2), "by hand nothing is run again");
    Ok(())
}

#[test]
fn queries_with_a_name_and_without() -> Result<(), Error> {
    let (store, users) = store_of::<User>();
    let count =
        store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    let live = count.subscribe(())?;
    let both = store.watch_together(((count.clone(), ()), (count.clone(), ())))?;
    users.insert(user(1))?;
    wait(store.settle());
    count.run(&())?;
    let stats = store.stats().queries;
    assert_eq!((stats.defined, stats.active_subscriptions, stats.memos, stats.waiting), (1, 2, 2, 0));
    assert_eq!(stats.per_query["count"], count.stats());
    assert!(stats.runs > count.stats().runs && stats.hits >= count.stats().hits, "{stats:?}");

    let before = (stats.runs, stats.hits, stats.cut_offs);
    drop((live, both));
    store.undefine_query("count")?;
    drop(count);
    let stats = store.stats().queries;
    assert_eq!((stats.defined, stats.active_subscriptions, stats.memos), (0, 0, 0));
    assert_eq!((stats.runs, stats.hits, stats.cut_offs), before, "what was done stays done");
    Ok(())
}

#[test]
fn events_that_are_told_wait_and_are_missed() -> Result<(), Error> {
    let (store, users) = store_of::<User>();
    assert_eq!(store.stats().services[1].state, ServiceState::Idle);
    let mut events = store.events("**")?;
    let changes = users.changes();
    let guard = store.on("bucket.users.deleted", |_: &Event| panic!("a handler of a test"))?;
    users.insert_many((0..3).map(user))?;
    users.delete(&0)?;
    wait(store.settle());
    let stats = store.stats();
    assert_eq!((stats.services[1].name, stats.services[1].state), ("events", ServiceState::Running));
    let stats = stats.events;
    assert_eq!((stats.subscribers, stats.behind), (3, 0));
    assert_eq!((stats.told, stats.waiting, stats.panics), (4 + 4 + 1, 8, 1));
    while events.try_next().is_some() {}
    drop((changes, guard));
    assert_eq!((store.stats().events.subscribers, store.stats().events.waiting), (1, 0));
    users.insert_many((100..5100).map(user))?;
    // The log keeps so large a commit only until the next one: whoever has not read it by then misses it as one.
    wait(store.settle());
    users.delete(&1)?;
    wait(store.settle());
    let stats = store.stats().events;
    assert_eq!((stats.waiting, stats.missed), (4096, 5001 - 4096));
    Ok(())
}

#[test]
fn they_serialise_with_the_names_of_their_fields() -> Result<(), Box<dyn std::error::Error>> {
    let (store, users) = store_of::<User>();
    users.insert(user(1))?;
    let json = serde_json::to_value(store.stats())?;
    assert_eq!(json["records"]["per_bucket"]["users"], 1);
    assert_eq!(json["services"][0]["state"], "idle");
    for path in [
        "/name",
        "/buckets/count",
        "/buckets/names",
        "/records/total",
        "/indexes/total",
        "/memory/per_bucket/users",
        "/queries/defined",
        "/queries/active_subscriptions",
        "/persistence/enabled",
        "/ttl/enabled",
        "/ttl/check_interval_ms",
        "/commits/conflicts",
        "/events/waiting",
        "/bridges",
        "/degraded",
    ] {
        assert!(json.pointer(path).is_some(), "{path} in {json}");
    }
    Ok(())
}

#[test]
fn the_memory_grows_with_the_records_and_what_they_own() -> Result<(), Error> {
    let (store, users) = store_of::<User>();
    assert_eq!(store.stats().memory.total, 0);
    users.insert_many((0..1000).map(user))?;
    let small = store.stats().memory.total;
    assert!((200_000..500_000).contains(&small), "{small} for 1,000 records of some 300 bytes");
    users.insert_many((1000..2000).map(user))?;
    let twice = store.stats().memory.total;
    assert!((small * 19 / 10..small * 21 / 10).contains(&twice), "{small}, then {twice}");
    users.update_where(User::ID.ge(0), User::patch().city("x".repeat(1000)))?;
    assert!(store.stats().memory.total > twice + 1_900_000);
    Ok(())
}

#[test]
fn they_go_to_the_recorder_of_the_program() -> Result<(), Error> {
    let (store, users) = store_of::<User>();
    users.insert_many((0..3).map(user))?;
    let recorder = metrics_util::debugging::DebuggingRecorder::new();
    let seen = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || store.stats().record_metrics());
    let seen: Vec<String> = seen
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels: Vec<_> =
                key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            format!("{} {} {value:?}", key.key().name(), labels.join(","))
        })
        .collect();
    for expected in [
        "noex_store_records store=noex-store,bucket=users Gauge(3.0)",
        "noex_store_commits_total store=noex-store Counter(2)",
        "noex_store_service_restarts_total store=noex-store,service=ttl sweeper Counter(0)",
    ] {
        assert!(seen.iter().any(|line| line == expected), "{expected} in {seen:#?}");
    }
    assert_eq!(seen.len(), 2 + 7 + 11 + 3);
    Ok(())
}
