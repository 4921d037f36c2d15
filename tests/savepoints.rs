//! Savepoints: parts of a transaction that are taken back alone.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{ready, store_of};
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "items")]
struct Item {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    size: u32,
    #[bucket(unique)]
    label: String,
}

fn item(id: u32) -> Item {
    Item { id, size: id * 10, label: format!("item {id}") }
}

fn items(n: u32) -> (Store, BucketHandle<Item>) {
    let (store, items) = store_of::<Item>();
    items.insert_many((1..=n).map(item)).expect("good");
    (store, items)
}

fn seen(items: &ItemReads) -> Vec<(u32, u32)> {
    let all: Vec<_> = items.all().iter().map(|item| (item.id, item.size)).collect();
    let mut by_index: Vec<_> = items
        .filter(Item::SIZE.ge(0_u32))
        .order_by(Item::SIZE.asc())
        .collect()
        .iter()
        .map(|item| item.id)
        .collect();
    let mut ids: Vec<_> = all.iter().map(|(id, _)| *id).collect();
    by_index.sort_unstable();
    ids.sort_unstable();
    assert_eq!(by_index, ids);
    for (id, size) in &all {
        let record = items.require(id).expect("listed");
        assert_eq!((record.size, items.by_label(&record.label).map(|found| found.id)), (*size, Some(*id)));
    }
    all
}

#[test]
fn what_fails_is_taken_back_alone() -> Result<(), Error> {
    for look in [true, false] {
        let (store, items) = items(3);
        store.transaction(|tx| {
            let own = tx.bucket::<Item>()?;
            own.insert(item(4))?;
            own.update(&1, Item::patch().size(11_u32))?;
            let before = look.then(|| seen(&own));
            let failed: Result<(), Error> = tx.savepoint(|_| {
                own.delete(&4)?;
                own.delete(&2)?;
                own.update(&1, Item::patch().size(12_u32).label("other"))?;
                own.insert(item(5))?;
                own.insert(item(4))?;
                if look {
                    seen(&own);
                }
                own.insert(item(3)).map(drop)
            });
            assert_eq!(failed, Err(Error::DuplicateKey { bucket: "items", key: "3".into() }));
            if let Some(before) = before {
                assert_eq!(seen(&own), before);
            }
            assert_eq!((own.by_label("other"), own.get(&5)), (None, None));
            own.insert(Item { label: "other".into(), ..item(6) }).map(drop)
        })?;
        assert_eq!(seen(&items), [(1, 11), (2, 20), (3, 30), (4, 40), (6, 60)], "looked: {look}");
        assert_eq!(items.require(&1)?.version(), 2);
    }
    Ok(())
}

#[test]
fn what_succeeds_stays() -> Result<(), Error> {
    let (store, items) = items(1);
    let size = store.transaction(|tx| {
        let own = tx.bucket::<Item>()?;
        let size = tx.savepoint(|tx| Ok::<_, Error>(tx.bucket::<Item>()?.insert(item(2))?.size))?;
        own.update(&2, Item::patch().size(size + 1))?;
        Ok::<_, Error>(size)
    })?;
    assert_eq!((size, seen(&items)), (20, vec![(1, 10), (2, 21)]));
    Ok(())
}

#[test]
fn savepoints_nest() -> Result<(), Error> {
    let (store, items) = items(0);
    store.transaction(|tx| {
        let own = tx.bucket::<Item>()?;
        let outer: Result<(), Error> = tx.savepoint(|tx| {
            own.insert(item(1))?;
            let inner: Result<(), Error> = tx.savepoint(|_| {
                own.insert(item(2))?;
                Err(Error::Stopped)
            });
            assert!(inner.is_err());
            assert_eq!(seen(&own), [(1, 10)]);
            tx.savepoint(|_| own.insert(item(3)))?;
            assert_eq!(seen(&own), [(1, 10), (3, 30)]);
            Ok(())
        });
        outer?;
        let outer: Result<(), Error> = tx.savepoint(|tx| {
            own.delete(&1)?;
            // Stays only as long as what is around it.
            tx.savepoint(|_| own.insert(item(4)))?;
            Err(Error::Stopped)
        });
        assert!(outer.is_err());
        Ok::<_, Error>(())
    })?;
    assert_eq!(seen(&items), [(1, 10), (3, 30)]);
    Ok(())
}

#[test]
fn a_panic_takes_back_too() -> Result<(), Error> {
    let (store, items) = items(1);
    store.transaction(|tx| {
        let own = tx.bucket::<Item>()?;
        own.insert(item(2))?;
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            tx.savepoint(|_| {
                own.insert(item(3))?;
                own.modify(&1, |_| std::panic::panic_any("inside")).map(drop)?;
                std::panic::resume_unwind(Box::new("out"));
                #[allow(unreachable_code, reason = "gives the closure its type")]
                Ok::<(), Error>(())
            })
        }));
        // The library turns a panic of a closure that it runs into an error; the savepoint's own goes on.
        assert!(matches!(panicked, Ok(Err(Error::Panicked { bucket: "items", .. }))));
        assert_eq!(seen(&own), [(1, 10), (2, 20)]);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            tx.savepoint(|_| {
                own.insert(item(3))?;
                if own.count() == 3 {
                    std::panic::resume_unwind(Box::new("out"));
                }
                Ok::<(), Error>(())
            })
        }));
        assert_eq!(panicked.expect_err("goes on").downcast_ref(), Some(&"out"));
        assert_eq!(seen(&own), [(1, 10), (2, 20)]);
        Ok::<_, Error>(())
    })?;
    assert_eq!(seen(&items), [(1, 10), (2, 20)]);
    Ok(())
}

#[test]
fn what_was_read_in_it_stays_read() -> Result<(), Error> {
    let (store, items) = items(2);
    let tx = store.begin();
    let own = tx.bucket::<Item>()?;
    let chosen: Result<(), u32> = tx.savepoint(|_| Err(own.get(&1).map_or(0, |item| item.size)));
    own.update(&2, Item::patch().size(chosen.expect_err("a size")))?;
    drop(own);
    items.update(&1, Item::patch().size(99_u32))?;
    assert!(matches!(tx.commit(), Err(Error::TransactionConflict { .. })));
    Ok(())
}

#[test]
fn it_takes_back_all_buckets_and_those_that_come_to_it() -> Result<(), Error> {
    #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "marks")]
    struct Mark {
        #[bucket(key)]
        id: u32,
    }
    let (store, items) = items(0);
    let marks = store.define_bucket::<Mark>()?;
    store.transaction(|tx| {
        tx.bucket::<Item>()?.insert(item(1))?;
        let failed: Result<(), Error> = tx.savepoint(|tx| {
            tx.bucket::<Mark>()?.insert(Mark { id: 1 })?;
            tx.bucket::<Item>()?.insert(item(2))?;
            Err(Error::Stopped)
        });
        assert!(failed.is_err());
        Ok::<_, Error>(())
    })?;
    assert_eq!((seen(&items), marks.count()), (vec![(1, 10)], 0));
    Ok(())
}

#[test]
fn an_async_one_is_taken_back_when_it_is_dropped() -> Result<(), Error> {
    let (store, items) = items(0);
    let tx = store.begin();
    {
        let waits = tx.savepoint_async(async |tx: &Transaction| {
            tx.bucket::<Item>()?.insert(item(1))?;
            std::future::pending::<()>().await;
            Ok::<_, Error>(())
        });
        let mut waits = std::pin::pin!(waits);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        assert_eq!(tx.bucket::<Item>()?.count(), 1);
    }
    assert_eq!(tx.bucket::<Item>()?.count(), 0);
    ready(tx.savepoint_async(async |tx: &Transaction| tx.bucket::<Item>()?.insert(item(2)).map(drop)))?;
    tx.commit()?;
    assert_eq!(seen(&items), [(2, 20)]);
    Ok(())
}

#[test]
fn what_was_taken_back_has_no_place_in_the_order_of_the_commit() -> Result<(), Error> {
    let (store, _) = items(3);
    let tx = store.begin();
    let own = tx.bucket::<Item>()?;
    let failed: Result<(), Error> = tx.savepoint(|_| {
        own.update(&2, Item::patch().size(1_u32))?;
        own.delete(&3)?;
        Err(Error::Stopped)
    });
    failed.expect_err("taken back");
    for id in [1, 3, 2] {
        own.update(&id, Item::patch().size(7_u32))?;
    }
    // A second change of the same record keeps the first one's place.
    own.update(&1, Item::patch().size(8_u32))?;
    let commit = tx.commit()?.commit.expect("it wrote");
    let keys: Vec<u32> =
        commit.changes::<Item>().iter().filter_map(|change| change.new().map(|new| new.id)).collect();
    assert_eq!(keys, [1, 3, 2]);
    Ok(())
}

#[test]
fn a_record_whose_change_was_taken_back_still_holds_its_unique_value() -> Result<(), Error> {
    type Work = fn(&TransactionBucket<'_, Item>) -> Result<(), Error>;
    let works: [Work; 2] = [
        |own| own.delete(&1).map(drop),
        |own| own.update(&1, Item::patch().label("another").size(5_u32)).map(drop),
    ];
    for work in works {
        let (store, _) = items(2);
        let tx = store.begin();
        let own = tx.bucket::<Item>()?;
        let failed: Result<(), Error> = tx.savepoint(|_| {
            work(&own)?;
            Err(Error::Stopped)
        });
        failed.expect_err("taken back");
        let taken = |refused: Result<(), Error>| {
            assert!(matches!(refused, Err(Error::UniqueConstraint { field: "label", .. })), "{refused:?}");
        };
        taken(own.update(&2, Item::patch().label("item 1")).map(drop));
        taken(own.insert(Item { id: 3, size: 1, label: "item 1".into() }).map(drop));
        own.delete(&1)?;
        own.update(&2, Item::patch().label("item 1"))?;
    }
    Ok(())
}
