//! Many records at once: where most of a bucket comes or leaves in one commit, its indexes are built anew, and nobody sees that.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{start, store_of};
use noex_store::TestClock;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "sessions")]
struct Session {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    user: u32,
    #[bucket(unique)]
    token: String,
}

fn session(id: u32) -> Session {
    Session { id, token: format!("token {id}"), user: id % 10 }
}

/// Each way to find a record finds what is there, and nothing else.
fn check(sessions: &BucketHandle<Session>, expected: &[u32]) {
    assert_eq!(sessions.count(), expected.len());
    let ids: Vec<u32> = sessions.all().iter().map(|session| session.id).collect();
    assert_eq!(ids, expected, "in the order of their insertion");
    let mut by_user = BTreeMap::<u32, Vec<u32>>::new();
    for id in expected {
        assert_eq!(sessions.get(id).as_deref(), Some(&session(*id)));
        let token = format!("token {id}");
        assert_eq!(sessions.by_token(token.as_str()).map(|found| found.id), Some(*id));
        by_user.entry(id % 10).or_default().push(*id);
    }
    for user in 0..10 {
        let found: Vec<u32> = sessions.by_user(&user).iter().map(|session| session.id).collect();
        assert_eq!(found, by_user.remove(&user).unwrap_or_default());
    }
}

#[test]
fn most_of_a_bucket_leaves_at_once() -> Result<(), Error> {
    let (store, sessions) = store_of::<Session>();
    sessions.insert_many((0..2000).map(session))?;
    let before = store.snapshot();
    let gone = sessions.delete_where(Session::USER.ne(3))?;
    assert_eq!((gone.len(), gone[0].id, gone[3].id), (1800, 0, 4));
    let rest: Vec<u32> = (0..2000).filter(|id| id % 10 == 3).collect();
    check(&sessions, &rest);
    assert_eq!(before.bucket::<Session>()?.count(), 2000);
    assert_eq!(before.bucket::<Session>()?.by_token("token 17").map(|found| found.id), Some(17));

    // What is free now can be taken, once; and a key may be named twice.
    sessions.insert(session(7))?;
    assert!(matches!(sessions.insert(session(7)), Err(Error::DuplicateKey { .. })));
    assert_eq!(sessions.delete_many([7, 8, 7])?.len(), 1);
    let gone = sessions.delete_many(rest.iter().chain(&rest[..5]).skip(5).copied())?;
    assert_eq!((gone.len(), sessions.count()), (rest.len(), 0));
    assert_eq!(gone.last().map(|session| session.id), Some(rest[4]));
    sessions.insert_many((0..10).map(session))?;
    check(&sessions, &(0..10).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn more_than_a_bucket_holds_comes_at_once() -> Result<(), Error> {
    let (store, sessions) = store_of::<Session>();
    sessions.insert_many((0..300).map(session))?;
    let before = store.snapshot();
    // Two that are the same as others: the first of them is told, and nothing is there.
    let twice = [session(299), session(600)].map(|other| Session { id: 9000 + other.id, ..other });
    let mut many: Vec<Session> = (300..900).map(session).collect();
    many.extend(twice);
    let Err(Error::Batch { row, error, .. }) = sessions.insert_many(many.clone()) else { panic!("taken") };
    assert_eq!(row, 600);
    let value = "\"token 299\"".to_owned();
    assert_eq!(*error, Error::UniqueConstraint { bucket: "sessions", field: "token", value });
    check(&sessions, &(0..300).collect::<Vec<_>>());
    many.truncate(600);
    sessions.insert_many(many)?;
    check(&sessions, &(0..900).collect::<Vec<_>>());
    assert_eq!(before.bucket::<Session>()?.count(), 300);

    // The same in a transaction, with much that leaves, and a value that one gives up for another.
    let failed = store.transaction(|tx| {
        let own = tx.bucket::<Session>()?;
        (900..3000).try_for_each(|id| own.insert(session(id)).map(drop))?;
        (0..500).try_for_each(|id| own.delete(&id).map(drop))?;
        Err::<(), _>(Error::Stopped)
    });
    assert_eq!(failed, Err(Error::Stopped));
    check(&sessions, &(0..900).collect::<Vec<_>>());
    store.transaction(|tx| {
        let own = tx.bucket::<Session>()?;
        (0..500).try_for_each(|id| own.delete(&id).map(drop))?;
        own.update(&501, Session::patch().token("token 0"))?;
        own.update(&501, Session::patch().token("token 501"))?;
        (900..3000).try_for_each(|id| own.insert(session(id)).map(drop))
    })?;
    check(&sessions, &(500..3000).collect::<Vec<_>>());
    Ok(())
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "guests", ttl = "1m")]
struct Guest {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    room: u32,
}

#[test]
fn most_of_a_bucket_expires_at_once() -> Result<(), Error> {
    let clock = TestClock::at(0);
    let builder = Store::builder().bucket::<Guest>().clock(clock.clone()).ttl_check_interval(Duration::ZERO);
    let store = start(builder);
    let guests = store.bucket::<Guest>()?;
    guests.insert_many((0..1000).map(|id| Guest { id, room: id % 7 }))?;
    clock.advance(Duration::from_secs(30));
    guests.insert_many((1000..1010).map(|id| Guest { id, room: id % 7 }))?;
    clock.advance(Duration::from_secs(31));
    let rest =
        |guests: &BucketHandle<Guest>| -> Vec<u32> { guests.all().iter().map(|guest| guest.id).collect() };
    // Before they are purged, and after it.
    assert_eq!((guests.count(), guests.by_room(&6).len()), (10, 2));
    assert_eq!(rest(&guests), (1000..1010).collect::<Vec<_>>());
    assert_eq!(store.purge_ttl(), 1000);
    assert_eq!((guests.count(), guests.by_room(&6).len()), (10, 2));
    guests.insert(Guest { id: 5, room: 1 })?;
    assert_eq!(rest(&guests).last(), Some(&5));
    clock.advance(Duration::from_secs(30));
    assert_eq!((rest(&guests), store.purge_ttl()), (vec![5], 10));
    Ok(())
}
