//! The faults that were observed in the transactions of the JavaScript noex-store, one test each: here they are right.

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Fixed, start};
use noex_store::prelude::*;

macro_rules! buckets {
    ($($bucket:ident $name:literal),*) => { $(
        #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[bucket(name = $name)]
        struct $bucket {
            #[bucket(key)]
            id: u32,
            value: i64,
        }
    )* };
}
buckets!(One "one", Two "two", Three "three", Four "four", Five "five");

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
struct User {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(unique)]
    email: String,
    #[bucket(default)]
    age: u32,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "sessions", ttl = "30m")]
struct Session {
    #[bucket(key)]
    id: u32,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "recent", max_size = 5, evict = "oldest")]
struct Recent {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    value: u32,
}

fn users() -> (Store, BucketHandle<User>) {
    let store = start(Store::builder().bucket::<User>());
    let users = store.bucket::<User>().expect("defined");
    users.insert_many(["a", "b"].map(|name| User::draft().email(name))).expect("good");
    (store, users)
}

#[test]
fn torn_reads_over_five_buckets() {
    let builder =
        Store::builder().bucket::<One>().bucket::<Two>().bucket::<Three>().bucket::<Four>().bucket::<Five>();
    let store = start(builder);
    let set = |value: i64| {
        let done: Result<(), Error> = store.transaction(|tx| {
            tx.bucket::<One>()?.upsert(One { id: 1, value })?;
            tx.bucket::<Two>()?.upsert(Two { id: 1, value })?;
            tx.bucket::<Three>()?.upsert(Three { id: 1, value })?;
            tx.bucket::<Four>()?.upsert(Four { id: 1, value })?;
            tx.bucket::<Five>()?.upsert(Five { id: 1, value })?;
            Ok(())
        });
        done.expect("only this thread writes");
    };
    set(0);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut reads = 0;
                    while !stop.load(Ordering::Relaxed) || reads < 100 {
                        let snapshot = store.snapshot();
                        let tx = store.begin();
                        let of_snapshot = [
                            snapshot.bucket::<One>().expect("defined").require(&1).expect("there").value,
                            snapshot.bucket::<Two>().expect("defined").require(&1).expect("there").value,
                            snapshot.bucket::<Three>().expect("defined").require(&1).expect("there").value,
                            snapshot.bucket::<Four>().expect("defined").require(&1).expect("there").value,
                            snapshot.bucket::<Five>().expect("defined").require(&1).expect("there").value,
                        ];
                        assert!(of_snapshot.iter().all(|value| *value == of_snapshot[0]), "{of_snapshot:?}");
                        let of_tx = [
                            tx.bucket::<One>().expect("defined").require(&1).expect("there").value,
                            tx.bucket::<Five>().expect("defined").require(&1).expect("there").value,
                        ];
                        assert_eq!(of_tx[0], of_tx[1]);
                        reads += 1;
                    }
                })
            })
            .collect();
        (1..1500).for_each(set);
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().expect("no torn read"));
    });
}

#[test]
fn a_roll_back_erases_acknowledged_writes_of_others() {
    let (store, users) = users();
    let acknowledged: Vec<u64> = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let insert =
                |at: u32| users.insert(User::draft().email(format!("writer {at}"))).expect("unique").id;
            (0..300).map(insert).collect()
        });
        for at in 0..300_u32 {
            let failed: Result<(), Error> = store.transaction(|tx| {
                let users = tx.bucket::<User>()?;
                users.insert(User::draft().email(format!("rolled back {at}")))?;
                users.update(&1, User::patch().age(at))?;
                Err(Error::Stopped)
            });
            assert_eq!(failed, Err(Error::Stopped));
        }
        writer.join().expect("no panic")
    });
    assert_eq!(acknowledged.len(), 300);
    assert!(acknowledged.iter().all(|id| users.contains_key(id)));
    assert_eq!((users.count(), users.require(&1).expect("there").age), (302, 0));
}

#[test]
fn a_lost_update() -> Result<(), Error> {
    let (store, users) = users();
    let tx = store.begin();
    let age = tx.bucket::<User>()?.require(&1)?.age;
    users.update(&1, User::patch().age(10_u32))?;
    tx.bucket::<User>()?.update(&1, User::patch().age(age + 1))?;
    assert!(matches!(tx.commit(), Err(Error::TransactionConflict { bucket: "users", .. })));
    assert_eq!(users.require(&1)?.age, 10);
    Ok(())
}

#[test]
fn a_write_skew() -> Result<(), Error> {
    let (store, users) = users();
    users.update_where(Filter::all(), User::patch().age(1_u32))?;
    // Each goes off duty as long as another one is on duty.
    let off = |id: u64| -> Result<Transaction, Error> {
        let tx = store.begin();
        let users = tx.bucket::<User>()?;
        if users.filter(User::AGE.eq(1)).count() > 1 {
            users.update(&id, User::patch().age(0_u32))?;
        }
        drop(users);
        Ok(tx)
    };
    let (a, b) = (off(1)?, off(2)?);
    a.commit()?;
    assert!(matches!(b.commit(), Err(Error::TransactionConflict { .. })));
    assert_eq!(users.filter(User::AGE.eq(1)).count(), 1);
    Ok(())
}

#[test]
fn an_update_and_a_delete_of_one_key_conflict_with_each_other() -> Result<(), Error> {
    let (store, users) = users();
    store.transaction_with(TxOptions::new().retries(0), |tx| {
        let users = tx.bucket::<User>()?;
        users.update(&1, User::patch().age(5_u32))?;
        users.delete(&1).map(drop)
    })?;
    assert_eq!(users.all().iter().map(|user| user.id).collect::<Vec<_>>(), [2]);
    Ok(())
}

#[test]
fn a_unique_value_that_was_given_up_cannot_be_used_again() -> Result<(), Error> {
    let (store, users) = users();
    store.transaction_with(TxOptions::new().retries(0), |tx| {
        let users = tx.bucket::<User>()?;
        users.update(&1, User::patch().email("new"))?;
        users.insert(User::draft().email("a"))?;
        users.delete(&2)?;
        users.update(&1, User::patch().email("b")).map(drop)
    })?;
    assert_eq!(users.by_email("a").map(|user| user.id), Some(3));
    assert_eq!(users.by_email("b").map(|user| user.id), Some(1));
    assert_eq!(users.by_email("new"), None);
    Ok(())
}

#[test]
fn automatic_numbers_of_concurrent_inserts_conflict() {
    let (store, users) = users();
    let open: Vec<Transaction> = (0..5).map(|_| store.begin()).collect();
    for (at, tx) in open.iter().enumerate() {
        let insert = User::draft().email(format!("open {at}"));
        tx.bucket::<User>().expect("defined").insert(insert).expect("its own number");
    }
    for tx in open {
        tx.commit().expect("numbers never repeat");
    }
    let ids: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (store, users) = (&store, &users);
                scope.spawn(move || {
                    let insert = |at: u32| -> Result<u64, Error> {
                        let draft = || User::draft().email(format!("{thread} {at}"));
                        if at.is_multiple_of(2) {
                            return Ok(users.insert(draft())?.id);
                        }
                        let once = TxOptions::new().retries(0);
                        store.transaction_with(once, |tx| Ok(tx.bucket::<User>()?.insert(draft())?.id))
                    };
                    (0..200).map(|at| insert(at).expect("no conflict")).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), users.count()), (800, 800, 807));
}

#[test]
fn the_time_to_live_is_ignored_in_a_transaction() -> Result<(), Error> {
    let clock = Fixed::at(1_000);
    let store = start(Store::builder().clock(clock.clone()).bucket::<Session>());
    let sessions = store.bucket::<Session>()?;
    let outside = sessions.insert(Session { id: 1 })?;
    let tx = store.begin();
    let inside = tx.bucket::<Session>()?.insert(Session { id: 2 })?;
    assert_eq!((outside.expires_at(), inside.expires_at()), (Some(1_801_000), Some(1_801_000)));
    clock.set(5_000);
    tx.commit()?;
    let committed = sessions.require(&2)?;
    assert_eq!(
        (committed.created_at(), committed.expires_at()),
        (5_000, Some(1_805_000)),
        "it lives from its commit on"
    );
    Ok(())
}

#[test]
fn the_size_limit_is_ignored_in_a_transaction() -> Result<(), Error> {
    let store = start(Store::builder().bucket::<Recent>());
    let recent = store.bucket::<Recent>()?;
    let ids = || recent.all().iter().map(|record| record.id).collect::<Vec<_>>();
    for id in 0..7 {
        recent.insert(Recent { id, value: id })?;
        assert!(recent.count() <= 5);
    }
    assert_eq!(ids(), [2, 3, 4, 5, 6]);
    let tx = store.begin();
    let own = tx.bucket::<Recent>()?;
    own.update(&2, Recent::patch().value(99_u32))?;
    own.insert_many((10..13).map(|id| Recent { id, value: id }))?;
    drop(own);
    let commit = tx.commit()?.commit.expect("written");
    assert_eq!(ids(), [5, 6, 10, 11, 12]);
    assert_eq!(recent.filter(Recent::VALUE.ge(0_u32)).count(), 5, "indexes too");
    // Evictions are in the commit that causes them, and a record has one change.
    let told = commit.changes::<Recent>().iter().map(|change| match change {
        Change::Inserted(new) => ("inserted", new.id, new.value),
        Change::Updated { new, .. } => ("updated", new.id, new.value),
        Change::Deleted { record: old, .. } => ("deleted", old.id, old.value),
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("deleted", 2, 2),
            ("inserted", 10, 10),
            ("inserted", 11, 11),
            ("inserted", 12, 12),
            ("deleted", 3, 3),
            ("deleted", 4, 4)
        ]
    );
    // More than fits is as if the first of them had never been.
    store.transaction(|tx| {
        tx.bucket::<Recent>()?.insert_many((20..40).map(|id| Recent { id, value: id })).map(drop)
    })?;
    assert_eq!(ids(), [35, 36, 37, 38, 39]);
    recent.insert_many((50..60).map(|id| Recent { id, value: id }))?;
    assert_eq!(ids(), [55, 56, 57, 58, 59]);
    Ok(())
}

#[test]
fn a_conflict_is_not_retried() -> Result<(), Error> {
    let (store, users) = users();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let done: Result<(), Error> = store.transaction(|tx| {
                        let users = tx.bucket::<User>()?;
                        let age = users.require(&1)?.age;
                        thread::yield_now();
                        users.update(&1, User::patch().age(age + 1)).map(drop)
                    });
                    done.expect("retried until it is none");
                }
            });
        }
    });
    assert_eq!((users.require(&1)?.age, users.require(&1)?.version()), (400, 401));
    Ok(())
}
