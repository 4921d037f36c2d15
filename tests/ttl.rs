//! Time to live: what expires is out of sight at once, and out of the store when it is due.

mod common;

use std::time::Duration;

use common::keeping::wait;
use common::{ready, start, within_seconds};
use noex_store::prelude::*;
use noex_store::{TestClock, Ttl};

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "sessions", ttl = "10s")]
struct Session {
    #[bucket(key)]
    id: u32,
    #[bucket(unique)]
    token: String,
    #[bucket(index)]
    user: u32,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "notes")]
struct Note {
    #[bucket(key)]
    id: u32,
}

fn session(id: u32) -> Session {
    Session { id, token: format!("t{id}"), user: id % 2 }
}

const SECOND: Duration = Duration::from_secs(1);

fn by_hand() -> (TestClock, Store, BucketHandle<Session>) {
    store_with(Duration::ZERO)
}

fn store_with(interval: Duration) -> (TestClock, Store, BucketHandle<Session>) {
    let clock = TestClock::at(1_000_000);
    let builder = Store::builder().clock(clock.clone()).ttl_check_interval(interval);
    let store = start(builder.bucket::<Session>().bucket::<Note>());
    let sessions = store.bucket().expect("defined");
    (clock, store, sessions)
}

#[test]
fn no_read_of_a_handle_gives_what_has_expired() -> Result<(), Error> {
    let (clock, store, sessions) = by_hand();
    sessions.insert_many([session(1), session(2)])?;
    clock.advance(5 * SECOND);
    sessions.insert(session(3))?;
    let before = store.snapshot();
    clock.advance(5 * SECOND - Duration::from_millis(1));
    assert_eq!(sessions.count(), 3, "a millisecond before");
    clock.advance(Duration::from_millis(1));

    let ids = |found: Vec<Record<Session>>| found.iter().map(|session| session.id).collect::<Vec<_>>();
    assert_eq!(sessions.get(&1), None);
    assert!(sessions.require(&1).is_err() && !sessions.contains_key(&2));
    assert_eq!(sessions.by_token("t1"), None);
    assert_eq!(ids(sessions.by_user(&1)), [3]);
    assert_eq!(ids(sessions.all()), [3]);
    assert_eq!((ids(sessions.first(5)), ids(sessions.last(5))), (vec![3], vec![3]));
    assert_eq!(ids(sessions.iter().collect()), [3]);
    assert_eq!(ids(sessions.filter(Session::USER.ge(0_u32)).collect()), [3]);
    assert_eq!(sessions.filter(Session::USER.eq(1)).count(), 1);
    assert_eq!((sessions.count(), sessions.sum(Session::ID), sessions.max(Session::ID)), (1, 3, Some(3)));
    assert_eq!(ids(sessions.paginate(noex_store::Page::first(9)).records), [3]);
    assert_eq!(sessions.find_one(Session::ID.eq(2)), None);
    // A snapshot is what it was; so is one that is made before the purge.
    assert_eq!(before.bucket::<Session>()?.count(), 3);
    assert_eq!(store.snapshot().bucket::<Session>()?.count(), 3);

    assert_eq!(store.purge_ttl(), 2);
    assert_eq!(store.purge_ttl(), 0);
    assert_eq!(store.snapshot().bucket::<Session>()?.count(), 1);
    assert_eq!(ids(sessions.all()), [3]);
    Ok(())
}

#[test]
fn what_has_expired_is_in_no_write_s_way() -> Result<(), Error> {
    let (clock, _store, sessions) = by_hand();
    sessions.insert_many([session(1), session(2), session(3)])?;
    clock.advance(10 * SECOND);
    let missing = |error: Error| matches!(error, Error::NotFound { .. });
    assert!(sessions.update(&1, Session::patch().user(9_u32)).is_err_and(missing));
    assert!(sessions.modify(&1, |session| session.user = 9).is_err_and(missing));
    assert!(sessions.touch(&1).is_err_and(missing));
    assert_eq!(sessions.delete(&1)?, None);
    assert_eq!(sessions.update_where(Session::ID.ge(0_u32), Session::patch().user(1_u32))?, 0);
    // Key and unique value are free.
    sessions.insert(session(1))?;
    sessions.insert(Session { token: "t2".into(), ..session(7) })?;
    assert_eq!(sessions.clear()?, 2);
    Ok(())
}

#[test]
fn an_update_does_not_prolong_and_touch_and_upsert_do() -> Result<(), Error> {
    let (clock, store, sessions) = by_hand();
    for id in 1..=4 {
        assert_eq!(sessions.insert(session(id))?.expires_at(), Some(1_010_000));
    }
    clock.advance(5 * SECOND);
    assert_eq!(sessions.update(&1, Session::patch().user(9_u32))?.expires_at(), Some(1_010_000));
    let touched = sessions.touch(&2)?;
    assert_eq!(
        (touched.expires_at(), touched.version(), touched.updated_at()),
        (Some(1_015_000), 2, 1_005_000)
    );
    assert_eq!(sessions.upsert(session(3))?.expires_at(), Some(1_015_000));
    assert_eq!(sessions.touch_with_ttl(&4, Ttl::Never)?.expires_at(), None);
    clock.advance(5 * SECOND);
    assert_eq!(sessions.all().iter().map(|session| session.id).collect::<Vec<_>>(), [2, 3, 4]);
    clock.advance(1000 * SECOND);
    assert_eq!(sessions.all().iter().map(|session| session.id).collect::<Vec<_>>(), [4]);

    // The same in a transaction, where all is reckoned from the commit.
    store.transaction(|tx| {
        let sessions = tx.bucket::<Session>()?;
        sessions.insert(session(5))?;
        sessions.insert_with_ttl(session(6), 3 * SECOND)?;
        sessions.touch_with_ttl(&4, SECOND)?;
        clock.advance(SECOND);
        Ok::<_, Error>(())
    })?;
    let expiries: Vec<_> = sessions.all().iter().map(|session| (session.id, session.expires_at())).collect();
    assert_eq!(expiries, [(4, Some(2_012_000)), (5, Some(2_021_000)), (6, Some(2_014_000))]);
    Ok(())
}

#[test]
fn a_record_can_have_a_time_of_its_own() -> Result<(), Error> {
    let (clock, store, sessions) = by_hand();
    sessions.insert_with_ttl(session(1), Duration::from_micros(1))?;
    sessions.insert_with_ttl(session(2), Ttl::Never)?;
    let notes = store.bucket::<Note>()?;
    notes.insert(Note { id: 1 })?;
    notes.insert_with_ttl(Note { id: 2 }, 2 * SECOND)?;
    assert_eq!(sessions.require(&1)?.expires_at(), Some(1_000_001), "a part of a millisecond counts as one");
    let refused = sessions.insert_with_ttl(session(3), Duration::ZERO);
    assert_eq!(refused.map(drop), Err(Error::InvalidTtl { bucket: "sessions" }));
    clock.advance(2 * SECOND);
    assert_eq!((sessions.count(), notes.count()), (1, 1));
    assert_eq!(store.purge_ttl(), 2);
    Ok(())
}

#[test]
fn the_store_purges_when_it_is_due() -> Result<(), Error> {
    let (clock, store, sessions) = store_with(Duration::from_secs(3600));
    let alive =
        store.define_query("alive", |ctx: &QueryCtx<'_>, (): &()| Ok(ctx.bucket::<Session>()?.count()))?;
    let mut live = alive.subscribe(())?;
    let mut changes = sessions.changes();
    sessions.insert_many([session(1), session(2)])?;
    ready_settle(&store);
    assert_eq!(live.try_next().expect("told")?.value.as_ref(), &2);
    clock.advance(10 * SECOND);
    ready_settle(&store);
    assert_eq!(store.snapshot().bucket::<Session>()?.count(), 0);
    assert_eq!(live.try_next().expect("told")?.value.as_ref(), &0);
    let reasons: Vec<_> = std::iter::from_fn(|| changes.try_next())
        .map(|change| match change.expect("nothing missed") {
            Change::Deleted { reason, record } => (record.id, Some(reason)),
            change => (change.new().map_or(0, |new| new.id), None),
        })
        .collect();
    assert_eq!(reasons, [(1, None), (2, None), (1, Some(Reason::Expired)), (2, Some(Reason::Expired))]);
    Ok(())
}

fn ready_settle(store: &Store) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(store.settle());
}

#[test]
fn the_sweeper_does_it_alone_in_real_time() {
    within_seconds(60, || {
        // Nothing but the expiry itself wakes it.
        let builder = Store::builder().ttl_check_interval(3600 * SECOND);
        let store = start(builder.bucket::<Note>());
        let notes = store.bucket::<Note>().expect("defined");
        // The second one is due before the sweeper means to wake for the first.
        notes.insert_with_ttl(Note { id: 1 }, 3600 * SECOND).expect("good");
        std::thread::sleep(Duration::from_millis(20));
        notes.insert_with_ttl(Note { id: 2 }, Duration::from_millis(20)).expect("good");
        while store.snapshot().bucket::<Note>().expect("defined").count() > 1 {
            std::thread::yield_now();
        }
        assert_eq!(notes.count(), 1);
    });
}

#[test]
fn a_transaction_sees_what_was_alive_when_it_began() -> Result<(), Error> {
    let (clock, store, sessions) = by_hand();
    sessions.insert(session(1))?;
    let tx = store.begin();
    clock.advance(10 * SECOND);
    // For it the record is there until it is purged; and then the transaction has read what is gone.
    let own = tx.bucket::<Session>()?;
    assert_eq!(own.count(), 1);
    own.insert(session(2))?;
    let refused = tx.commit();
    assert!(matches!(refused, Err(Error::TransactionConflict { .. })), "{refused:?}");
    // A closure is run again, on what is there.
    let seen = store.transaction(|tx| {
        let own = tx.bucket::<Session>()?;
        own.insert(session(1)).map(|_| own.count())
    })?;
    assert_eq!(seen, 1);
    Ok(())
}

#[test]
fn a_failed_write_leaves_the_bucket_consistent() -> Result<(), Error> {
    let (clock, store, sessions) = by_hand();
    sessions.insert_many([session(1), session(2)])?;
    clock.advance(10 * SECOND);
    sessions.insert(session(3))?;
    let refused = sessions.insert_many([session(4), session(3)]);
    assert!(matches!(refused, Err(Error::Batch { row: 1, .. })));
    assert_eq!(sessions.count(), 1);
    clock.advance(10 * SECOND);
    assert_eq!((sessions.count(), store.purge_ttl()), (0, 1));
    assert_eq!(ready(store.bucket::<Session>().map(|sessions| async move { sessions.count() })?), 0);
    Ok(())
}

/// A clock was a year ahead for a moment. What is written afterwards lives as long as it would have, and not for a year more.
#[test]
fn records_expire_by_the_clock_also_after_it_was_set_back() -> Result<(), Error> {
    const YEAR: u64 = 365 * 24 * 3_600_000;
    let kept = MemoryAdapter::new();
    let clock = TestClock::at(1_000_000);
    let open = || {
        let builder = Store::builder().clock(clock.clone()).ttl_check_interval(Duration::ZERO);
        let builder = builder.bucket::<Session>().bucket::<Note>();
        wait(builder.persistence(Persistence::new(kept.clone())).start())
    };
    let store = open()?;
    let sessions = store.bucket::<Session>()?;
    sessions.insert(session(1))?;
    clock.advance(Duration::from_millis(YEAR));
    store.bucket::<Note>()?.insert(Note { id: 1 })?;
    assert_eq!(sessions.insert(session(2))?.expires_at(), Some(YEAR + 1_010_000));
    clock.set(1_000_000);

    // Commits and records still tell no time before that of the last commit.
    let third = sessions.insert(session(3))?;
    assert_eq!((third.created_at(), third.expires_at()), (YEAR + 1_000_000, Some(1_010_000)));
    assert_eq!(sessions.insert_many([session(4)])?[0].expires_at(), Some(1_010_000));
    store.transaction(|tx| {
        let own = tx.bucket::<Session>()?;
        assert_eq!(own.insert(session(5))?.expires_at(), Some(1_010_000));
        own.upsert(session(2))?;
        own.touch(&4)
    })?;
    assert_eq!(sessions.require(&5)?.expires_at(), Some(1_010_000));
    assert_eq!(sessions.require(&2)?.expires_at(), Some(1_010_000));
    clock.advance(9 * SECOND);
    // No other write takes out what is not due.
    store.bucket::<Note>()?.insert(Note { id: 2 })?;
    sessions.touch(&3)?;
    assert_eq!((sessions.count(), store.purge_ttl()), (4, 0));
    wait(store.stop())?;

    let store = open()?;
    let sessions = store.bucket::<Session>()?;
    assert_eq!(sessions.insert(session(6))?.expires_at(), Some(1_019_000));
    clock.advance(SECOND);
    assert_eq!((sessions.count(), store.purge_ttl()), (2, 3));
    clock.advance(9 * SECOND);
    assert_eq!((sessions.count(), store.purge_ttl()), (0, 2));
    Ok(())
}
