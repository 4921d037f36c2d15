//! Events and streams of changes.

mod common;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{start, store_of, within_seconds};
use noex_store::prelude::*;
use noex_store::{EventKind, Lagged, TestClock};
use serde_json::json;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
struct User {
    #[bucket(key)]
    id: u32,
    name: String,
    #[serde(rename = "yearsOld")]
    age: u8,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "orders")]
struct Order {
    #[bucket(key)]
    id: String,
}

fn user(id: u32) -> User {
    User { id, name: format!("user {id}"), age: 30 }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn shop() -> (Store, BucketHandle<User>, BucketHandle<Order>) {
    let store = start(Store::builder().clock(TestClock::at(1000)).bucket::<User>().bucket::<Order>());
    let (users, orders) = (store.bucket().expect("defined"), store.bucket().expect("defined"));
    (store, users, orders)
}

fn topics(events: &mut noex_store::EventStream) -> Vec<String> {
    let all = std::iter::from_fn(|| events.try_next());
    all.map(|event| event.map(|event| format!("{} {}", event.topic(), event.key())).expect("none missed"))
        .collect()
}

#[test]
fn a_pattern_gets_its_topics_in_the_order_of_the_calls() -> Result<(), Error> {
    let (store, users, orders) = shop();
    users.insert(user(1))?;
    let mut all = store.events("**")?;
    let mut of_users = store.events("bucket.users.*")?;
    let mut deleted = store.events("bucket.*.deleted")?;
    store.transaction(|tx| {
        let users = tx.bucket::<User>()?;
        users.insert(user(2))?;
        tx.bucket::<Order>()?.insert(Order { id: "o-1".into() })?;
        users.update(&1, User::patch().age(31))?;
        Ok::<_, Error>(())
    })?;
    orders.delete("o-1")?;
    users.clear()?;
    wait(store.settle());
    assert_eq!(
        topics(&mut of_users),
        [
            "bucket.users.inserted 2",
            "bucket.users.updated 1",
            "bucket.users.deleted 1",
            "bucket.users.deleted 2"
        ]
    );
    assert_eq!(
        topics(&mut deleted),
        ["bucket.orders.deleted o-1", "bucket.users.deleted 1", "bucket.users.deleted 2"]
    );
    // Those of one commit come together.
    assert_eq!(topics(&mut all).len(), 6);
    Ok(())
}

#[test]
fn an_event_tells_all_about_its_change() -> Result<(), Error> {
    let (store, users, _) = shop();
    let mut events = store.events("bucket.users.**")?;
    users.insert(user(1))?;
    users.update(&1, User::patch().age(31))?;
    users.delete(&1)?;
    let mut next = || wait(events.next()).expect("open").expect("none missed");
    let (inserted, updated, deleted) = (next(), next(), next());
    assert_eq!((inserted.kind(), inserted.bucket(), inserted.time()), (EventKind::Inserted, "users", 1000));
    assert_eq!(inserted.record::<User>().map(|user| user.age), Some(30));
    assert_eq!(inserted.old_record::<User>(), None);
    assert_eq!(inserted.record::<Order>(), None, "another type");
    assert_eq!(updated.changed_fields(), ["yearsOld"]);
    assert_eq!(
        (updated.record::<User>().map(|u| u.age), updated.old_record::<User>().map(|u| u.age)),
        (Some(31), Some(30))
    );
    assert_eq!(updated.version().get(), inserted.version().get() + 1);
    assert_eq!((deleted.reason(), updated.reason()), (Some(Reason::Deleted), None));
    assert_eq!(deleted.record::<User>().map(|user| user.age), Some(31), "its last state");
    let record = |age: u8, version: u32| json!({"id": 1, "name": "user 1", "yearsOld": age, "_version": version, "_createdAt": 1000, "_updatedAt": 1000});
    assert_eq!(
        updated.to_json(),
        json!({
            "topic": "bucket.users.updated", "type": "updated", "bucket": "users", "key": 1, "time": 1000,
            "version": updated.version(), "changed_fields": ["yearsOld"], "record": record(31, 2), "old_record": record(30, 1),
        })
    );
    assert_eq!(deleted.to_json()["reason"], "deleted");
    assert_eq!(deleted.to_json()["record"], record(31, 2));
    Ok(())
}

#[test]
fn bad_patterns_are_refused() {
    let (store, ..) = shop();
    for pattern in
        ["", "users.*", "bucket.users", "bucket.us*.inserted", "bucket.**.deleted", "bucket.users.removed"]
    {
        let refused = store.events(pattern).map(drop);
        assert!(
            matches!(&refused, Err(Error::InvalidPattern { pattern: named, .. }) if named == pattern),
            "{refused:?}"
        );
        assert!(store.on(pattern, |_: &Event| ()).is_err());
    }
}

#[test]
fn a_handler_that_panics_or_is_slow_disturbs_nobody() {
    within_seconds(60, || {
        let (store, users, _) = shop();
        let (go, gate) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let (tell_bad, told_bad) = mpsc::channel();
        let guards = [
            store.on("**", move |event: &Event| {
                let _ = tell_bad.send(event.key());
                assert!(event.key() != "1", "a panic of the test's");
            }),
            store.on("**", move |_: &Event| {
                let _ = gate.recv();
            }),
            store.on("**", move |event: &Event| drop(tell.send(event.key()))),
        ];
        for id in 1..=3 {
            users.insert(user(id)).expect("writers wait for nobody");
        }
        let three = |told: &mpsc::Receiver<String>| -> Vec<String> { told.iter().take(3).collect() };
        assert_eq!(three(&told), ["1", "2", "3"]);
        assert_eq!(three(&told_bad), ["1", "2", "3"], "the one that panicked goes on");
        drop(go);
        wait(store.settle());
        assert!(guards.iter().all(Result::is_ok));
    });
}

#[test]
fn a_guard_ends_its_calls() -> Result<(), Error> {
    let (store, users, _) = shop();
    let (tell, told) = mpsc::channel();
    let guard = store.on("**", move |event: &Event| drop(tell.send(event.key())))?;
    users.insert(user(1))?;
    wait(store.settle());
    drop(guard);
    users.insert(user(2))?;
    wait(store.settle());
    assert_eq!(told.iter().collect::<Vec<_>>(), ["1"]);
    Ok(())
}

#[test]
fn a_stream_that_falls_behind_is_told_and_goes_on() -> Result<(), Error> {
    let (store, users, _) = shop();
    let (mut events, mut changes) = (store.events("**")?, users.changes());
    for batch in 0..5 {
        users.insert_many((batch * 1000..(batch + 1) * 1000).map(user))?;
        wait(store.settle());
    }
    assert_eq!(events.try_next().expect("there is").map(drop), Err(Lagged(904)));
    assert_eq!(events.try_next().expect("there is").map(|event| event.key()), Ok("904".into()));
    // Changes go by whole commits.
    assert_eq!(changes.try_next().expect("there is").map(drop), Err(Lagged(1000)));
    assert!(matches!(changes.try_next(), Some(Ok(Change::Inserted(user))) if user.id == 1000));
    users.insert(user(9999))?;
    wait(store.settle());
    assert_eq!(std::iter::from_fn(|| events.try_next()).filter(Result::is_ok).count(), 4096);
    Ok(())
}

#[test]
fn changes_go_on_where_an_earlier_stream_was() -> Result<(), Error> {
    let store = start(Store::builder().commit_log_capacity(10).bucket::<User>().bucket::<Order>());
    let users = store.bucket::<User>()?;
    let mut changes = users.changes();
    users.insert(user(1))?;
    wait(changes.next()).expect("open").expect("none missed");
    let version = changes.version();
    drop(changes);
    users.insert(user(2))?;
    users.update(&2, User::patch().age(3))?;
    store.bucket::<Order>()?.insert(Order { id: "x".into() })?;
    let mut again = users.changes_since(version)?;
    users.delete(&1)?;
    wait(store.settle());
    let seen: Vec<_> = std::iter::from_fn(|| again.try_next())
        .map(|change| match change.expect("none missed") {
            Change::Inserted(new) => ("inserted", new.id),
            Change::Updated { new, .. } => ("updated", new.id),
            Change::Deleted { record, .. } => ("deleted", record.id),
        })
        .collect();
    assert_eq!(seen, [("inserted", 2), ("updated", 2), ("deleted", 1)]);
    let mut events = store.events_since("bucket.orders.*", version)?;
    assert_eq!(topics(&mut events), ["bucket.orders.inserted x"]);
    for id in 100..120 {
        users.insert(user(id))?;
    }
    let gone = users.changes_since(version).map(drop);
    assert!(matches!(gone, Err(Error::CommitsGone { asked, .. }) if asked == version), "{gone:?}");
    let (ahead, _) = store_of::<User>();
    assert!(ahead.bucket::<User>()?.changes_since(store.snapshot().version()).is_err(), "yet to come");
    Ok(())
}

#[test]
fn stop_ends_streams_with_what_was_committed() -> Result<(), Error> {
    let (store, users, _) = shop();
    let count =
        store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    let (mut events, mut changes, mut live) = (store.events("**")?, users.changes(), count.subscribe(())?);
    let (tell, told) = mpsc::channel();
    let _guard = store.on("**", move |event: &Event| drop(tell.send(event.key())))?;
    users.insert(user(1))?;
    wait(store.stop())?;
    wait(store.stop())?;
    assert_eq!(topics(&mut events), ["bucket.users.inserted 1"]);
    assert!(wait(events.next()).is_none());
    assert!(wait(changes.next()).is_some_and(|change| change.is_ok()));
    assert!(wait(changes.next()).is_none());
    assert_eq!(wait(live.next()).expect("the last value")?.value.as_ref(), &1);
    assert!(wait(live.next()).is_none());
    assert_eq!(told.try_recv().as_deref(), Ok("1"));
    let stopped = Some(Error::Stopped);
    assert_eq!(users.insert(user(2)).err(), stopped);
    assert_eq!(store.events("**").err(), stopped);
    assert_eq!(store.on("**", |_: &Event| ()).err(), stopped);
    assert_eq!(count.subscribe(()).err(), stopped);
    assert!(wait(users.changes().next()).is_none());
    assert_eq!(users.count(), 1);
    Ok(())
}

#[test]
fn stop_waits_no_longer_than_it_may() {
    within_seconds(60, || {
        let builder = Store::builder().stop_timeout(Duration::from_millis(50));
        let store = start(builder.bucket::<User>());
        let (go, gate) = mpsc::channel::<()>();
        let guard = store.on("**", move |_: &Event| {
            let _ = gate.recv();
        });
        store.bucket::<User>().and_then(|users| users.insert(user(1))).expect("good");
        let began = Instant::now();
        let late = Err(Error::StopTimedOut { services: vec!["event handlers"] });
        assert_eq!(wait(store.stop()), late);
        assert!(began.elapsed() >= Duration::from_millis(50));
        // Nor does anybody else wait for it from then on.
        wait(store.settle());
        drop((go, guard));
    });
}
