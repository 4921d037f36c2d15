//! Transactions as their users see them: one commit or nothing, conflicts found, told and retried.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{Fixed, ready, start};
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
struct User {
    #[bucket(key)]
    id: u32,
    #[bucket(unique)]
    email: String,
    #[bucket(index, max = 150)]
    age: u8,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "orders")]
struct Order {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(index)]
    user: u32,
    total: u32,
}

fn shop() -> (Store, BucketHandle<User>, BucketHandle<Order>) {
    let store = start(Store::builder().clock(Fixed::at(1000)).bucket::<User>().bucket::<Order>());
    let (users, orders) = (store.bucket().expect("defined"), store.bucket().expect("defined"));
    (store, users, orders)
}

fn user(id: u32) -> User {
    User { id, email: format!("{id}@x.y"), age: 20 }
}

/// What a transaction that came to nothing must not have touched.
#[derive(Debug, PartialEq)]
struct State {
    version: Version,
    users: Vec<Record<User>>,
    by_age: Vec<Record<User>>,
    orders: Vec<Record<Order>>,
}

fn state(store: &Store) -> State {
    let snapshot = store.snapshot();
    let users = snapshot.bucket::<User>().expect("defined");
    State {
        version: snapshot.version(),
        users: users.all(),
        by_age: users.order_by(User::AGE.asc()).collect(),
        orders: snapshot.bucket::<Order>().expect("defined").all(),
    }
}

#[test]
fn two_buckets_change_in_one_commit() -> Result<(), Error> {
    let (store, users, orders) = shop();
    users.insert(user(1))?;
    let before = store.snapshot();
    let mut commits = store.commits().after(before.version());
    let order = store.transaction(|tx| {
        let users = tx.bucket::<User>()?;
        let orders = tx.bucket::<Order>()?;
        let user = users.require(&1)?;
        users.update(&user.id, User::patch().age(user.age + 1))?;
        orders.insert(Order::draft().user(user.id).total(99_u32))
    })?;
    assert_eq!(users.require(&1)?.age, 21);
    assert_eq!(orders.get(&order.id), Some(order));
    let commit = commits.try_next().expect("nothing missed").expect("one commit");
    assert_eq!(commit.version(), store.snapshot().version());
    assert_eq!(commit.buckets().collect::<Vec<_>>(), [("users", 1), ("orders", 1)]);
    assert!(commits.try_next().expect("nothing missed").is_none());
    assert_eq!(before.bucket::<Order>()?.count(), 0);
    Ok(())
}

#[test]
fn a_commit_by_hand_tells_what_it_was() -> Result<(), Error> {
    let (store, users, _) = shop();
    let tx = store.begin();
    tx.bucket::<User>()?.insert(user(1))?;
    assert_eq!(users.count(), 0);
    let base = tx.base_version();
    let info = tx.commit()?;
    assert_eq!((info.version.get(), info.time), (base.get() + 1, 1000));
    let commit = info.commit.expect("something was written");
    assert_eq!(commit.changes::<User>()[0].new(), users.get(&1).as_ref());

    let tx = store.begin();
    assert_eq!(tx.bucket::<User>()?.count(), 1);
    let info = tx.commit()?;
    assert_eq!((info.version, info.commit.is_none()), (store.snapshot().version(), true));
    Ok(())
}

#[test]
fn what_comes_to_nothing_leaves_nothing() -> Result<(), Error> {
    #[derive(Debug)]
    enum Own {
        Refused,
        Store,
    }
    impl From<Error> for Own {
        fn from(_: Error) -> Self {
            Self::Store
        }
    }
    let (store, users, orders) = shop();
    users.insert_many([user(1), user(2)])?;
    let work = |tx: &Transaction| -> Result<(), Error> {
        let users = tx.bucket::<User>()?;
        users.insert(user(3))?;
        users.update(&1, User::patch().age(99).email("new@x.y"))?;
        users.delete(&2)?;
        assert_eq!(users.filter(User::AGE.ge(0)).count(), 2);
        tx.bucket::<Order>()?.insert(Order::draft().user(1_u32).total(1_u32)).map(drop)
    };
    let before = state(&store);
    let failed: Result<(), Own> = store.transaction(|tx| {
        work(tx)?;
        Err(Own::Refused)
    });
    assert!(matches!(failed, Err(Own::Refused)));
    let failed: Result<(), Own> =
        store.transaction(|tx| Ok(tx.bucket::<User>()?.insert(user(1)).map(drop)?));
    assert!(matches!(failed, Err(Own::Store)));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        store.transaction(|tx| {
            work(tx)?;
            if tx.base_version().get() > 0 {
                std::panic::panic_any("the closure's own");
            }
            Ok::<_, Error>(())
        })
    }));
    assert_eq!(panicked.expect_err("goes on").downcast_ref(), Some(&"the closure's own"));
    let dropped = store.begin();
    work(&dropped)?;
    drop(dropped);
    let rolled_back = store.begin();
    work(&rolled_back)?;
    rolled_back.rollback();
    assert_eq!(state(&store), before);

    let refused = store.begin();
    work(&refused)?;
    users.update(&1, User::patch().age(30))?;
    let between = state(&store);
    assert!(matches!(refused.commit(), Err(Error::TransactionConflict { .. })));
    assert_eq!(state(&store), between);
    // Nothing is taken that was not committed: not the unique value, not the key.
    users.insert(User { email: "new@x.y".into(), ..user(3) })?;
    // The numbers that were drawn are gaps.
    assert!(orders.insert(Order::draft().user(1_u32).total(1_u32))?.id > 1);
    Ok(())
}

#[test]
fn a_conflict_names_what_was_in_the_way() -> Result<(), Error> {
    type Look = fn(&Transaction) -> Result<(), Error>;
    let cases: [(Look, &str, Option<&str>); 5] = [
        (|tx| tx.bucket::<User>()?.require(&1).map(drop), "1", None),
        (|tx| tx.bucket::<User>().map(|users| drop(users.get(&7))), "7", None),
        (|tx| tx.bucket::<User>().map(|users| drop(users.by_email("7@x.y"))), "7", Some("email")),
        (|tx| tx.bucket::<User>().map(|users| drop(users.by_age(&77))), "7", Some("age")),
        (
            |tx| tx.bucket::<User>().map(|users| drop(users.filter(User::AGE.gt(50)).collect())),
            "7",
            Some("age"),
        ),
    ];
    for (look, key, field) in cases {
        let (store, users, _) = shop();
        users.insert(user(1))?;
        let mut runs = 0;
        let refused = store.transaction_with(TxOptions::new().retries(0), |tx| {
            runs += 1;
            look(tx)?;
            tx.bucket::<Order>()?.insert(Order::draft().user(1_u32).total(1_u32))?;
            // Another thread is faster.
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    users.insert(User { age: 77, ..user(7) }).expect("new");
                    users.update(&1, User::patch().age(21)).expect("there");
                });
            });
            Ok::<_, Error>(())
        });
        let expected =
            Error::TransactionConflict { bucket: "users", key: key.to_owned(), field: None, attempts: 1 };
        let Err(Error::TransactionConflict { bucket, key: found, field: by, attempts }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((bucket, found.as_str(), by, attempts, runs), ("users", key, field, 1, 1));
        if field.is_none() {
            let words = format!(
                "bucket `users`: another writer was faster at the key {key}; the transaction was given up after 1 attempt"
            );
            assert_eq!(expected.to_string(), words);
        }
    }
    Ok(())
}

#[test]
fn a_conflict_is_retried_until_it_is_none() -> Result<(), Error> {
    let (store, users, _) = shop();
    users.insert(user(1))?;
    let mut runs = 0;
    let age = store.transaction(|tx| {
        runs += 1;
        let own = tx.bucket::<User>()?;
        let age = own.require(&1)?.age + 1;
        if runs <= 2 {
            std::thread::scope(|scope| {
                scope.spawn(|| users.modify(&1, |user| user.age += 10).expect("there"));
            });
        }
        own.update(&1, User::patch().age(age))?;
        Ok::<_, Error>(age)
    })?;
    assert_eq!((runs, age, users.require(&1)?.age), (3, 41, 41));
    Ok(())
}

#[test]
fn a_stopped_store_takes_no_commit() -> Result<(), Error> {
    let (store, users, _) = shop();
    let tx = store.begin();
    tx.bucket::<User>()?.insert(user(1))?;
    ready(store.stop())?;
    assert_eq!(tx.commit().map(drop), Err(Error::Stopped));
    assert_eq!(users.count(), 0);
    // One that only reads does not need the store to run.
    let tx = store.begin();
    assert_eq!(tx.bucket::<User>()?.count(), 0);
    tx.commit().map(drop)
}

#[test]
fn a_bucket_that_is_dropped_is_a_conflict_and_then_not_there() -> Result<(), Error> {
    for again in [false, true] {
        let (store, users, _) = shop();
        users.insert(user(1))?;
        let reader = store.begin();
        reader.bucket::<User>()?.get(&1);
        reader.bucket::<Order>()?.insert(Order::draft().user(1_u32).total(1_u32))?;
        let writer = store.begin();
        writer.bucket::<User>()?.insert(user(2))?;
        store.drop_bucket::<User>()?;
        if again {
            store.define_bucket::<User>()?;
        }
        for tx in [reader, writer] {
            let Err(Error::TransactionConflict { bucket, key, .. }) = tx.commit() else {
                panic!("a conflict")
            };
            assert_eq!((bucket, key.as_str()), ("users", ""));
        }
        let retried: Result<(), Error> =
            store.transaction(|tx| tx.bucket::<User>()?.insert(user(2)).map(drop));
        assert_eq!(retried.is_ok(), again);
    }
    Ok(())
}

#[test]
fn a_bucket_that_is_defined_later_is_not_in_the_transaction() -> Result<(), Error> {
    let store = start(Store::builder().bucket::<User>());
    let tx = store.begin();
    store.define_bucket::<Order>()?;
    assert_eq!(tx.bucket::<Order>().map(drop), Err(Error::BucketNotDefined { bucket: "orders" }));
    tx.bucket::<User>()?.insert(user(1))?;
    tx.commit().map(drop)
}

#[test]
fn transactions_over_different_records_do_not_meet() -> Result<(), Error> {
    let (store, users, _) = shop();
    users.insert_many((1..=3).map(user))?;
    let (a, b, c) = (store.begin(), store.begin(), store.begin());
    for (tx, id) in [(&a, 1), (&b, 2), (&c, 3)] {
        let users = tx.bucket::<User>()?;
        let age = users.require(&id)?.age;
        users.update(&id, User::patch().age(age + 1))?;
        users.insert(user(10 + id))?;
    }
    a.commit()?;
    b.commit()?;
    c.commit()?;
    assert_eq!(
        users.all().iter().map(|user| (user.id, user.age)).collect::<Vec<_>>(),
        [(1, 21), (2, 21), (3, 21), (11, 20), (12, 20), (13, 20)]
    );
    Ok(())
}

#[test]
fn what_was_refused_was_read() -> Result<(), Error> {
    type Try = fn(&TransactionBucket<'_, User>) -> Result<(), Error>;
    type Change = fn(&BucketHandle<User>) -> Result<(), Error>;
    let cases: [(Try, Change); 5] = [
        (|users| users.insert(user(1)).map(drop), |users| users.delete(&1).map(drop)),
        (
            |users| users.insert(User { email: "1@x.y".into(), ..user(5) }).map(drop),
            |users| users.update(&1, User::patch().email("other")).map(drop),
        ),
        (
            |users| users.update(&2, User::patch().email("1@x.y")).map(drop),
            |users| users.delete(&1).map(drop),
        ),
        (|users| users.update(&7, User::patch().age(1)).map(drop), |users| users.insert(user(7)).map(drop)),
        (
            |users| users.delete(&7).map(drop).and(Err(Error::Stopped)),
            |users| users.insert(user(7)).map(drop),
        ),
    ];
    for (number, (attempt, change)) in cases.into_iter().enumerate() {
        let (store, users, orders) = shop();
        users.insert_many([user(1), user(2)])?;
        let tx = store.begin();
        attempt(&tx.bucket::<User>()?).expect_err("refused");
        // It goes on, and does something else instead.
        tx.bucket::<Order>()?.insert(Order::draft().user(1_u32).total(1_u32))?;
        change(&users)?;
        assert!(matches!(tx.commit(), Err(Error::TransactionConflict { .. })), "case {number}");
        assert_eq!(orders.count(), 0);
    }
    Ok(())
}

#[test]
fn a_transaction_whose_writes_come_to_nothing_never_conflicts() -> Result<(), Error> {
    type Work = fn(&Transaction) -> Result<(), Error>;
    let cases: [Work; 2] = [
        |tx| {
            let users = tx.bucket::<User>()?;
            users.insert(user(9))?;
            users.delete(&9).map(drop)
        },
        |tx| {
            let refused: Result<(), Error> = tx.savepoint(|tx| {
                tx.bucket::<User>()?.update(&2, User::patch().age(99))?;
                Err(Error::Stopped)
            });
            refused.expect_err("taken back");
            Ok(())
        },
    ];
    for work in cases {
        let (store, users, _) = shop();
        users.insert_many([user(1), user(2)])?;
        let tx = store.begin();
        tx.bucket::<User>()?.require(&1)?;
        work(&tx)?;
        users.update(&1, User::patch().age(50))?;
        let before = store.snapshot().version();
        assert!(tx.commit()?.commit.is_none());
        assert_eq!(store.snapshot().version(), before);
    }
    Ok(())
}

#[test]
fn a_read_only_transaction_sees_one_commit_and_writes_nothing() -> Result<(), Error> {
    let (store, users, orders) = shop();
    users.insert_many([user(1), user(2)])?;
    let read_only = TxOptions::new().read_only().retries(0);
    let before = users.all();
    let seen = store.transaction_with(read_only.clone(), |tx| {
        let own = tx.bucket::<User>()?;
        let first = own.all();
        // Another writer in the middle: no conflict, and nothing of it is seen.
        std::thread::scope(|scope| {
            let other = scope.spawn(|| users.update(&1, User::patch().age(77)));
            other.join().expect("no panic").map(drop)
        })?;
        assert_eq!(first, own.all());
        Ok::<_, Error>(first)
    })?;
    assert_eq!(seen, before);

    type Write = fn(&Transaction) -> Result<(), Error>;
    let writes: [Write; 13] = [
        // Also where there is nothing to write to.
        |tx| tx.bucket::<User>()?.delete(&99).map(drop),
        |tx| tx.bucket::<User>()?.update(&99, User::patch().age(5)).map(drop),
        |tx| tx.bucket::<User>()?.update(&1, User::patch()).map(drop),
        |tx| tx.bucket::<Order>()?.clear().map(drop),
        |tx| tx.bucket::<User>()?.insert(user(9)).map(drop),
        |tx| tx.bucket::<User>()?.insert_many([user(9)]).map(drop),
        |tx| tx.bucket::<User>()?.upsert(user(1)).map(drop),
        |tx| tx.bucket::<User>()?.update(&1, User::patch().age(5)).map(drop),
        |tx| tx.bucket::<User>()?.modify(&1, |user| user.age = 5).map(drop),
        |tx| tx.bucket::<User>()?.delete(&1).map(drop),
        |tx| tx.bucket::<User>()?.clear().map(drop),
        |tx| tx.bucket::<User>()?.delete_where(User::AGE.gt(1)).map(drop),
        |tx| tx.bucket::<Order>()?.insert(Order::draft().user(1_u32).total(5_u32)).map(drop),
    ];
    let untouched = state(&store);
    for (number, write) in writes.iter().enumerate() {
        let refused = store.transaction_with(read_only.clone(), write);
        assert!(matches!(refused, Err(Error::ReadOnly { .. })), "{number}: {refused:?}");
    }
    assert_eq!(state(&store), untouched);
    // No number was drawn.
    assert_eq!(orders.insert(Order::draft().user(1_u32).total(5_u32))?.id, 1);
    Ok(())
}
