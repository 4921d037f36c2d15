//! Live queries: memoized answers, subscriptions, sub-queries, and what goes wrong in them.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{start, within_seconds};
use futures_util::StreamExt;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
struct User {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    role: u8,
    #[bucket(index)]
    age: u8,
    #[bucket(unique)]
    email: String,
    note: String,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "marks")]
struct Mark {
    #[bucket(key)]
    id: u32,
}

fn user(id: u32) -> User {
    User { id, role: (id % 3) as u8, age: id as u8, email: format!("{id}@x"), note: String::new() }
}

fn people() -> (Store, BucketHandle<User>) {
    let store = start(Store::builder().bucket::<User>().bucket::<Mark>());
    let users = store.bucket::<User>().expect("defined");
    users.insert_many((1..=9).map(user)).expect("good");
    (store, users)
}

type Ids = Vec<u32>;

fn by_role(store: &Store) -> Query<u8, Ids> {
    let query = |ctx: &QueryCtx<'_>, role: &u8| {
        Ok(ctx.bucket::<User>()?.by_role(role).iter().map(|user| user.id).collect())
    };
    store.define_query("by-role", query).expect("new")
}

fn next<T>(live: &mut Subscription<T>) -> Update<T> {
    common_block(live.next()).expect("open").expect("no fault")
}

/// Waits for a future in this thread.
fn common_block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(async { tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time") })
}

#[test]
fn an_answer_is_kept_until_it_is_touched() -> Result<(), Error> {
    let (store, users) = people();
    let query = by_role(&store);
    assert_eq!(*query.run(&1)?, [1, 4, 7]);
    let again = query.run(&1)?;
    assert!(Arc::ptr_eq(&again, &query.run(&1)?));
    assert_eq!(query.stats().runs, 1);
    // Another role, another bucket: nothing to do.
    users.update(&2, User::patch().note("x"))?;
    store.bucket::<Mark>()?.insert(Mark { id: 1 })?;
    assert!(Arc::ptr_eq(&again, &query.run(&1)?));
    assert_eq!(query.stats().runs, 1);
    // A record of the answer was changed, but the answer is equal.
    users.update(&1, User::patch().note("x"))?;
    assert!(Arc::ptr_eq(&again, &query.run(&1)?));
    assert_eq!((query.stats().runs, query.stats().cut_offs), (2, 1));
    users.update(&2, User::patch().role(1))?;
    assert_eq!(*query.run(&1)?, [1, 2, 4, 7]);
    assert_eq!(query.stats().runs, 3);
    assert_eq!(query.stats().hits, 3);
    Ok(())
}

#[test]
fn a_subscription_begins_with_the_answer_and_follows_it() -> Result<(), Error> {
    let (store, users) = people();
    let query = by_role(&store);
    let mut live = query.subscribe(1)?;
    let first = next(&mut live);
    assert_eq!((&*first.value, first.version), (&vec![1, 4, 7], store.snapshot().version()));
    assert!(first.cause().is_none());
    users.insert(user(10))?;
    let second = next(&mut live);
    assert_eq!((&*second.value, second.version), (&vec![1, 4, 7, 10], store.snapshot().version()));
    let cause = second.cause().expect("there is one");
    assert_eq!((cause.bucket, cause.key.as_str(), cause.field), ("users", "10", Some("role")));
    assert_eq!(cause.to_string(), "bucket `users`, key 10, found by `role`");
    // What does not touch it is not told.
    users.insert(user(11))?;
    users.update(&10, User::patch().note("x"))?;
    common_block(store.settle());
    assert!(live.try_next().is_none());
    assert_eq!(query.stats().subscriptions, 1);
    drop(live);
    assert_eq!(query.stats().subscriptions, 0);
    Ok(())
}

#[test]
fn a_burst_is_one_update_and_a_transaction_at_most_one() -> Result<(), Error> {
    let (store, users) = people();
    let query = by_role(&store);
    let mut live = query.subscribe(1)?;
    next(&mut live);
    store.transaction(|tx| {
        let users = tx.bucket::<User>()?;
        (20..40).try_for_each(|id| users.insert(User { role: 1, ..user(id) }).map(drop))
    })?;
    common_block(store.settle());
    assert_eq!(next(&mut live).value.len(), 23);
    assert!(live.try_next().is_none());
    for id in 40..80 {
        users.insert(User { role: 1, ..user(id) })?;
    }
    common_block(store.settle());
    let last = next(&mut live);
    assert_eq!((last.value.len(), last.version), (63, store.snapshot().version()));
    assert!(live.try_next().is_none(), "only the latest is kept");
    Ok(())
}

#[test]
fn there_and_back_again_is_nothing() -> Result<(), Error> {
    let (store, users) = people();
    let mut live = by_role(&store).subscribe(1)?;
    next(&mut live);
    users.insert(user(10))?;
    common_block(store.settle());
    users.delete(&10)?;
    common_block(store.settle());
    assert!(live.try_next().is_none());
    Ok(())
}

#[test]
fn a_query_may_ask_another() -> Result<(), Error> {
    let (store, users) = people();
    let inner = by_role(&store);
    let asked = inner.clone();
    let outer = store
        .define_query("count", move |ctx: &QueryCtx<'_>, role: &u8| Ok(ctx.query(&asked, role)?.len()))?;
    assert_eq!(*outer.run(&1)?, 3);
    let mut live = outer.subscribe(1)?;
    assert_eq!(*next(&mut live).value, 3);
    // The inner answer is equal: the outer one is not run.
    users.update(&1, User::patch().note("x"))?;
    assert_eq!(*outer.run(&1)?, 3);
    assert_eq!((outer.stats().runs, inner.stats().runs), (1, 2));
    users.insert(user(10))?;
    assert_eq!(*next(&mut live).value, 4);
    assert_eq!(*outer.run(&1)?, 4);
    let again: Query<u8, usize> = store.query("count")?;
    assert_eq!(*again.run(&1)?, 4);
    Ok(())
}

#[test]
fn names_and_types_are_checked() -> Result<(), Error> {
    let (store, _) = people();
    by_role(&store);
    let twice = store.define_query("by-role", |_: &QueryCtx<'_>, (): &()| Ok(1));
    assert_eq!(twice.map(drop), Err(Error::QueryAlreadyDefined { query: "by-role".into() }));
    assert_eq!(
        store.query::<u8, Ids>("other").map(drop),
        Err(Error::QueryNotDefined { query: "other".into() })
    );
    assert!(matches!(store.query::<u8, usize>("by-role"), Err(Error::QueryMismatch { .. })));
    assert_eq!(store.queries(), ["by-role"]);
    store.undefine_query("by-role")?;
    assert_eq!(store.undefine_query("by-role"), Err(Error::QueryNotDefined { query: "by-role".into() }));
    by_role(&store);
    Ok(())
}

#[test]
fn a_cycle_is_refused_with_its_path() -> Result<(), Error> {
    within_seconds(30, || {
        let (store, users) = people();
        let handle = store.clone();
        let a = store
            .define_query("a", move |ctx: &QueryCtx<'_>, n: &u32| {
                let b: Query<u32, u32> = handle.query("b")?;
                Ok(*ctx.query(&b, n)? + 1)
            })
            .expect("new");
        let handle = store.clone();
        store
            .define_query("b", move |ctx: &QueryCtx<'_>, n: &u32| {
                if ctx.bucket::<User>()?.contains_key(&99) {
                    return Ok(0);
                }
                let a: Query<u32, u32> = handle.query("a")?;
                Ok(*ctx.query(&a, n)? + 1)
            })
            .expect("new");
        assert_eq!(a.run(&1), Err(Error::QueryCycle { path: "a -> b -> a".into() }));
        // When it is none any more, it is found to be none.
        users.insert(user(99)).expect("new");
        assert_eq!(*a.run(&1).expect("no cycle"), 1);
        users.delete(&99).expect("there");
        assert!(matches!(a.run(&1), Err(Error::QueryCycle { .. })));
    });
    Ok(())
}

#[test]
fn a_fault_is_told_to_its_own_subscribers_and_passes() -> Result<(), Error> {
    let (store, users) = people();
    let picky = store.define_query("picky", |ctx: &QueryCtx<'_>, (): &()| {
        let user = ctx.bucket::<User>()?.require(&1)?;
        assert!(user.note != "panic", "a bad note");
        Ok(user.note.clone())
    })?;
    let other = by_role(&store);
    let (mut live, mut calm) = (picky.subscribe(())?, other.subscribe(1)?);
    assert_eq!((next(&mut live).value.as_str(), next(&mut calm).value.len()), ("", 3));
    users.update(&1, User::patch().note("panic"))?;
    let fault = common_block(live.next()).expect("open").expect_err("it panicked");
    assert_eq!(fault, Error::QueryPanicked { query: "picky".into(), message: "a bad note".into() });
    users.delete(&1)?;
    let fault = common_block(live.next()).expect("open").expect_err("it failed");
    assert_eq!(fault, Error::NotFound { bucket: "users", key: "1".into() });
    users.insert(User { note: "good".into(), ..user(1) })?;
    assert_eq!(next(&mut live).value.as_str(), "good");
    // The other one goes on: its record went, and came back as the last.
    common_block(store.settle());
    assert_eq!(*next(&mut calm).value, [4, 7, 1]);
    Ok(())
}

#[test]
fn a_bucket_that_goes_is_a_fault_until_it_is_back() -> Result<(), Error> {
    let (store, _) = people();
    let mut live = by_role(&store).subscribe(1)?;
    next(&mut live);
    store.drop_bucket::<User>()?;
    let fault = common_block(live.next()).expect("open").expect_err("no bucket");
    assert_eq!(fault, Error::BucketNotDefined { bucket: "users" });
    let users = store.define_bucket::<User>()?;
    assert_eq!(next(&mut live).value.len(), 0);
    users.insert(user(4))?;
    assert_eq!(*next(&mut live).value, [4]);
    Ok(())
}

#[test]
fn a_query_cannot_write() -> Result<(), Error> {
    let (store, users) = people();
    let writer = users.clone();
    let query =
        store.define_query("writes", move |_: &QueryCtx<'_>, (): &()| writer.delete(&1).map(|_| 0))?;
    assert_eq!(query.run(&()), Err(Error::NestedWrite { bucket: "users" }));
    assert_eq!(users.count(), 9);
    Ok(())
}

#[test]
fn a_callback_is_called_with_each_change_and_may_panic() -> Result<(), Error> {
    let (store, users) = people();
    let calls = Arc::new(AtomicUsize::new(0));
    let last = Arc::new(AtomicUsize::new(0));
    let (count, length) = (Arc::clone(&calls), Arc::clone(&last));
    let guard = by_role(&store).on_change(1, move |ids| {
        count.fetch_add(1, Ordering::SeqCst);
        length.store(ids.len(), Ordering::SeqCst);
        assert!(ids.len() != 4, "four is too many");
    })?;
    let until = |wanted: usize| {
        let end = Instant::now() + Duration::from_secs(20);
        while last.load(Ordering::SeqCst) != wanted {
            assert!(Instant::now() < end, "never {wanted}");
            thread::yield_now();
        }
    };
    until(3);
    users.insert(user(10))?;
    until(4);
    users.insert(user(13))?;
    until(5);
    drop(guard);
    let before = calls.load(Ordering::SeqCst);
    users.insert(user(16))?;
    common_block(store.settle());
    assert_eq!(calls.load(Ordering::SeqCst), before);
    Ok(())
}

#[test]
fn a_slow_subscriber_slows_nobody() -> Result<(), Error> {
    let (store, users) = people();
    let query = by_role(&store);
    let mut slow = query.subscribe(1)?;
    let mut quick = query.subscribe(1)?;
    next(&mut quick);
    for id in 100..200 {
        users.insert(User { role: 1, ..user(id) })?;
        common_block(store.settle());
        assert_eq!(next(&mut quick).value.len(), id as usize - 96);
    }
    assert_eq!(next(&mut slow).value.len(), 103, "one, the latest");
    assert!(slow.try_next().is_none());
    Ok(())
}

#[test]
fn nothing_is_missed_between_the_first_answer_and_the_next() -> Result<(), Error> {
    let (store, users) = people();
    let query = by_role(&store);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for id in 1000.. {
                users.insert(User { role: 1, age: 0, ..user(id) }).expect("new");
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..50 {
            let mut live = query.subscribe(1).expect("subscribes");
            let (mut version, mut length) = (Version::default(), 0);
            for _ in 0..3 {
                let update = next(&mut live);
                assert!(update.version > version && update.value.len() > length, "versions and answers grow");
                (version, length) = (update.version, update.value.len());
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut live = query.subscribe(1)?;
    assert_eq!(next(&mut live).value.len(), users.by_role(&1).len());
    Ok(())
}

#[test]
fn answers_that_nobody_asks_for_are_forgotten() -> Result<(), Error> {
    let (store, _) = people();
    let query = store
        .define_query("many", |ctx: &QueryCtx<'_>, n: &u32| Ok(ctx.bucket::<User>()?.get(n).is_some()))?;
    for n in 0..20_000 {
        query.run(&n)?;
    }
    assert!(query.stats().memos <= 4096, "{}", query.stats().memos);
    let subscriptions: Vec<_> = (0..5000).map(|n| query.subscribe(n)).collect::<Result<_, _>>()?;
    assert!(query.stats().memos >= 5000);
    drop(subscriptions);
    assert!(query.stats().memos <= 4096, "{}", query.stats().memos);
    Ok(())
}

#[test]
fn several_queries_are_followed_as_one() -> Result<(), Error> {
    let (store, users) = people();
    let by_role = by_role(&store);
    let count =
        store.define_query("count", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<User>()?.count()))?;
    let mut both = store.watch_together(((by_role.clone(), 1), (count, ())))?;
    let first = next(&mut both);
    assert_eq!((first.value.0.len(), *first.value.1), (3, 9));
    // A transaction that changes both answers is one update.
    store.transaction(|tx| {
        tx.bucket::<User>()?.insert(user(10))?;
        tx.bucket::<User>()?.insert(user(13)).map(drop)
    })?;
    common_block(store.settle());
    let second = next(&mut both);
    assert_eq!((second.value.0.len(), *second.value.1), (5, 11));
    assert_eq!(second.version, store.snapshot().version());
    assert!(both.try_next().is_none());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| (1000..2500).for_each(|id| drop(users.insert(User { role: 1, age: 0, ..user(id) }))));
        // Somebody else has the parts brought up to later commits meanwhile.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                by_role.run(&1).expect("no fault");
            }
        });
        let mut seen = 0;
        while seen < 1505 {
            let frame = next(&mut both);
            assert_eq!(frame.value.0.len() + 6, *frame.value.1, "both of one commit");
            seen = frame.value.0.len();
        }
        done.store(true, Ordering::Relaxed);
    });
    Ok(())
}

#[test]
fn records_are_followed_by_steps() -> Result<(), Error> {
    let (store, users) = people();
    let oldest = store.define_query("oldest", |ctx: &QueryCtx<'_>, (): &()| {
        Ok(ctx.bucket::<User>()?.order_by(User::AGE.desc()).limit(4).collect())
    })?;
    let mut diffs = oldest.subscribe(())?.diffs();
    let mut list: Vec<Record<User>> = Vec::new();
    type Change = fn(&BucketHandle<User>) -> Result<(), Error>;
    let changes: [Change; 6] = [
        |_| Ok(()),
        |users| users.insert(User { age: 100, ..user(20) }).map(drop),
        |users| users.update(&9, User::patch().note("x")).map(drop),
        |users| users.update(&8, User::patch().age(120)).map(drop),
        |users| users.delete(&20).map(drop),
        |users| users.delete_where(User::AGE.gt(100)).map(drop),
    ];
    for change in changes {
        change(&users)?;
        common_block(store.settle());
        let diff = diffs.try_next().expect("a change")?;
        diff.steps.iter().for_each(|step| step.apply(&mut list));
        assert_eq!(list, *diff.value);
        assert_eq!(list, users.order_by(User::AGE.desc()).limit(4).collect());
    }
    // Beyond the end of the window nothing happens.
    users.update(&1, User::patch().note("x"))?;
    users.delete(&2)?;
    common_block(store.settle());
    assert!(diffs.try_next().is_none());
    // As a stream, for whatever takes one.
    users.delete(&list[0].id)?;
    let diff = common_block(StreamExt::next(&mut diffs)).expect("a change")?;
    diff.steps.iter().for_each(|step| step.apply(&mut list));
    assert_eq!(list, users.order_by(User::AGE.desc()).limit(4).collect());
    common_block(store.stop())?;
    assert!(common_block(StreamExt::collect::<Vec<_>>(diffs)).is_empty(), "it ends");
    Ok(())
}

#[test]
fn a_stop_tells_the_last_commit_first() -> Result<(), Error> {
    let (store, users) = people();
    let mut live = by_role(&store).subscribe(1)?;
    next(&mut live);
    users.insert(user(10))?;
    common_block(store.stop())?;
    assert_eq!(live.try_next().expect("told before the stop ended")?.value.len(), 4);
    Ok(())
}

#[test]
fn a_subscription_ends_with_the_last_store() -> Result<(), Error> {
    let (store, users) = people();
    let query = by_role(&store);
    let mut live = query.subscribe(1)?;
    let another = store.clone();
    drop(store);
    next(&mut live);
    users.insert(user(10))?;
    assert_eq!(next(&mut live).value.len(), 4);
    drop(another);
    assert!(common_block(live.next()).is_none());
    assert_eq!(query.subscribe(1).err(), Some(Error::Stopped));
    // Reads go on; writes would be followed by nobody.
    assert_eq!(users.insert(user(13)).err(), Some(Error::Stopped));
    assert_eq!(query.run(&1)?.len(), 4);
    Ok(())
}

/// Lets a query stop in the middle of its first run, until something was done meanwhile.
#[derive(Clone, Default)]
struct Gate {
    reached: Arc<AtomicBool>,
    open: Arc<AtomicBool>,
}

impl Gate {
    fn pass(&self) {
        self.reached.store(true, Ordering::SeqCst);
        wait_for(&self.open);
    }

    fn meanwhile(&self, work: impl FnOnce()) {
        wait_for(&self.reached);
        work();
        self.open.store(true, Ordering::SeqCst);
    }
}

fn wait_for(flag: &AtomicBool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !flag.load(Ordering::SeqCst) {
        assert!(Instant::now() < end, "in time");
        thread::yield_now();
    }
}

#[test]
fn a_sub_query_that_changes_during_the_run_is_not_missed() -> Result<(), Error> {
    let (store, users) = people();
    let (inner, gate) = (by_role(&store), Gate::default());
    let (asked, stop) = (inner.clone(), gate.clone());
    let outer = store.define_query("outer", move |ctx: &QueryCtx<'_>, (): &()| {
        let count = ctx.query(&asked, &1)?.len();
        stop.pass();
        Ok(count)
    })?;
    thread::scope(|scope| {
        scope.spawn(|| {
            gate.meanwhile(|| {
                users.insert(user(10)).expect("new");
                assert_eq!(inner.run(&1).expect("no fault").len(), 4);
            });
        });
        let mut live = outer.subscribe(()).expect("subscribes");
        let mut last = *next(&mut live).value;
        if last == 3 {
            last = *next(&mut live).value;
        }
        assert_eq!(last, 4);
    });
    Ok(())
}

#[test]
fn a_sub_query_is_asked_of_the_same_snapshot() -> Result<(), Error> {
    let (store, users) = people();
    let (inner, gate) = (by_role(&store), Gate::default());
    inner.run(&1)?;
    let (asked, stop) = (inner.clone(), gate.clone());
    let outer = store.define_query("outer", move |ctx: &QueryCtx<'_>, (): &()| {
        let own = ctx.bucket::<User>()?.by_role(&1).len();
        stop.pass();
        Ok((own, ctx.query(&asked, &1)?.len()))
    })?;
    thread::scope(|scope| {
        scope.spawn(|| {
            gate.meanwhile(|| {
                users.insert(user(10)).expect("new");
                // The kept answer is one of a later commit now.
                assert_eq!(inner.run(&1).expect("no fault").len(), 4);
            });
        });
        let (own, asked) = *outer.run(&()).expect("no fault");
        assert_eq!(own, asked, "of one snapshot");
    });
    assert_eq!(*outer.run(&())?, (4, 4));
    Ok(())
}

/// A value whose comparison can be made to panic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Touchy(u32);

static TOUCHY: AtomicBool = AtomicBool::new(false);

impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        assert!(!TOUCHY.load(Ordering::SeqCst), "touchy");
        self.0.partial_cmp(&other.0)
    }
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "touchies")]
struct Touchies {
    #[bucket(key)]
    id: u32,
    value: Touchy,
}

#[test]
fn a_comparison_that_panics_ends_nothing() -> Result<(), Error> {
    within_seconds(60, || {
        let store = start(Store::builder().bucket::<Touchies>());
        let touchies = store.bucket::<Touchies>().expect("defined");
        let query = store
            .define_query("greater", |ctx: &QueryCtx<'_>, least: &u32| {
                Ok(ctx.bucket::<Touchies>()?.filter(Touchies::VALUE.ge(Touchy(*least))).count())
            })
            .expect("new");
        let mut live = query.subscribe(5).expect("subscribes");
        assert_eq!(*next(&mut live).value, 0);
        TOUCHY.store(true, Ordering::SeqCst);
        touchies.insert(Touchies { id: 1, value: Touchy(7) }).expect("no order is needed to insert");
        let fault = common_block(live.next()).expect("open").expect_err("it panicked");
        assert_eq!(fault, Error::QueryPanicked { query: "greater".into(), message: "touchy".into() });
        TOUCHY.store(false, Ordering::SeqCst);
        touchies.insert(Touchies { id: 2, value: Touchy(9) }).expect("new");
        assert_eq!(*next(&mut live).value, 2);
    });
    Ok(())
}

#[test]
fn conditions_with_an_open_end_are_followed() -> Result<(), Error> {
    let (store, users) = people();
    type Condition = fn() -> Filter<User>;
    let conditions: [Condition; 7] = [
        || User::AGE.lt(100),
        || User::AGE.le(100),
        || User::AGE.gt(0),
        || User::AGE.ge(0),
        || User::AGE.between(..100),
        || User::AGE.between(1..),
        || User::AGE.between(..),
    ];
    let count = move |ctx: &QueryCtx<'_>, number: &usize| {
        Ok(ctx.bucket::<User>()?.filter(conditions[*number]()).count())
    };
    let query = store.define_query("count", count)?;
    let mut live: Vec<_> = (0..7).map(|number| query.subscribe(number)).collect::<Result<_, _>>()?;
    assert!(live.iter_mut().all(|live| *next(live).value == 9));
    users.insert(user(20))?;
    assert!(live.iter_mut().all(|live| *next(live).value == 10), "each of them");
    users.delete(&20)?;
    assert!((0..7).all(|number| query.run(&number).is_ok_and(|count| *count == 9)));
    Ok(())
}
