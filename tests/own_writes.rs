//! A transaction sees its own writes, wherever it looks; and only what they come to is committed.

mod common;

use common::{Fixed, store_of};
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "items", index(kind, score))]
struct Item {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    kind: u8,
    score: i64,
    #[bucket(unique)]
    label: String,
    #[bucket(index(each))]
    tags: Vec<String>,
}

fn item(id: u32) -> Item {
    let (kind, score) = ((id % 4) as u8, i64::from(id * 13 % 20));
    Item { id, kind, score, label: format!("item {id}"), tags: vec![format!("t{}", id % 3)] }
}

fn items(n: u32) -> (Store, BucketHandle<Item>) {
    let (store, items) = store_of::<Item>();
    items.insert_many((1..=n).map(item)).expect("good");
    (store, items)
}

/// Everything that can be asked, without times and versions.
fn answers(items: &ItemReads) -> Vec<String> {
    let ids =
        |records: Vec<Record<Item>>| format!("{:?}", records.iter().map(|it| it.value()).collect::<Vec<_>>());
    let mut pages = Vec::new();
    let by_score = || items.filter(Item::KIND.ne(9)).order_by(Item::SCORE.desc());
    let mut page = by_score().paginate(Page::first(7));
    loop {
        pages.extend(page.records.iter().map(|it| it.id));
        let Some(cursor) = page.next_cursor else { break };
        page = by_score().paginate(Page::first(7).after(cursor)).expect("its own cursor");
    }
    vec![
        (0..60).map(|id| format!("{:?}", items.get(&id).map(|it| it.value().clone()))).collect(),
        (0..60).map(|id| items.contains_key(&id).to_string()).collect(),
        (0..60).map(|id| format!("{:?}", items.by_label(&format!("item {id}")).map(|it| it.id))).collect(),
        format!("{:?}", items.by_label("moved").map(|it| it.id)),
        (0..5).map(|kind| ids(items.by_kind(&kind))).collect(),
        (0..5).map(|kind| ids(items.by_kind_and_score(&kind, 3..12))).collect(),
        ids(items.by_tags("t1")),
        ids(items.all()),
        ids(items.first(5)),
        ids(items.last(5)),
        ids(items.iter().collect()),
        ids(items.filter(Item::SCORE.between(2..9)).collect()),
        ids(items.filter(Item::KIND.eq(1)).order_by(Item::SCORE.asc()).offset(1).limit(3).collect()),
        ids(items.order_by((Item::SCORE.desc(), Item::ID.asc())).limit(6).collect()),
        format!("{pages:?}"),
        format!("{} {}", items.count(), items.filter(Item::KIND.eq(1)).count()),
        format!("{} {:?}", items.sum(Item::SCORE), items.avg(Item::SCORE)),
        format!("{:?} {:?}", items.min(Item::SCORE), items.max(Item::SCORE)),
        format!("{:?}", items.group_by(Item::KIND).sum(Item::SCORE)),
        format!("{:?}", items.find_one(Item::TAGS.contains("t2")).map(|it| it.id)),
    ]
}

#[test]
fn every_read_sees_what_will_be_committed() -> Result<(), Error> {
    type Step = fn(&TransactionBucket<'_, Item>) -> Result<(), Error>;
    let steps: [Step; 10] = [
        |items| items.insert(item(50)).map(drop),
        |items| items.update(&50, Item::patch().kind(1).label("moved")).map(drop),
        |items| items.update_where(Item::KIND.eq(2), Item::patch().score(4)).map(drop),
        |items| items.delete(&7).map(drop),
        |items| items.insert_many([item(51), item(52)]).map(drop),
        |items| items.delete_where(Item::SCORE.gt(15)).map(drop),
        |items| items.upsert(Item { score: -5, ..item(3) }).map(drop),
        |items| items.modify(&4, |it| it.tags = vec!["t1".into(), "t2".into()]).map(drop),
        |items| items.delete(&50).map(drop),
        |items| items.insert(Item { label: "moved".into(), ..item(53) }).map(drop),
    ];
    // Looking in between must not change what comes out: the view is kept up, or made at the end.
    for look in [true, false] {
        for empty in [true, false] {
            let (store, items) = items(if empty { 0 } else { 30 });
            let tx = store.begin();
            let own = tx.bucket::<Item>()?;
            for step in steps {
                match step(&own) {
                    Ok(()) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
                if look {
                    answers(&own);
                }
            }
            let seen = answers(&own);
            let reads = (*own).clone();
            drop(own);
            tx.commit()?;
            assert_eq!(answers(&items), seen, "looked between: {look}, empty: {empty}");
            assert_eq!(answers(&reads), seen, "what was seen stays as it was");
        }
    }
    Ok(())
}

#[test]
fn inserting_changing_and_deleting_is_nothing() -> Result<(), Error> {
    let (store, items) = items(3);
    let version = store.snapshot().version();
    store.transaction(|tx| {
        let own = tx.bucket::<Item>()?;
        own.insert(item(9))?;
        own.update(&9, Item::patch().score(1))?;
        assert_eq!(own.count(), 4);
        own.delete(&9)?;
        own.delete(&77).map(drop)
    })?;
    assert_eq!((store.snapshot().version(), items.count()), (version, 3));
    Ok(())
}

#[test]
fn a_record_has_one_change_and_one_version_more() -> Result<(), Error> {
    let (store, items) = items(2);
    let tx = store.begin();
    let own = tx.bucket::<Item>()?;
    for score in 1..=5 {
        assert_eq!(own.update(&1, Item::patch().score(score))?.version(), 2);
    }
    own.insert(item(9))?;
    assert_eq!(own.update(&9, Item::patch().score(7))?.version(), 1);
    drop(own);
    let commit = tx.commit()?.commit.expect("written");
    let changes = commit.changes::<Item>();
    assert_eq!(changes.len(), 2);
    assert!(matches!(&changes[0], Change::Updated { old, new } if old.version() == 1 && new.score == 5));
    assert!(matches!(&changes[1], Change::Inserted(new) if new.score == 7));
    assert_eq!((items.require(&1)?.version(), items.require(&9)?.version()), (2, 1));
    Ok(())
}

#[test]
fn a_key_that_is_deleted_and_inserted_is_replaced_in_its_place() -> Result<(), Error> {
    let clock = Fixed::at(1000);
    let store = common::start(Store::builder().clock(clock.clone()).bucket::<Item>());
    let items = store.bucket::<Item>()?;
    items.insert_many((1..=3).map(item))?;
    clock.set(2000);
    let tx = store.begin();
    let own = tx.bucket::<Item>()?;
    own.delete(&1)?;
    own.insert(Item { score: 99, ..item(1) })?;
    assert_eq!(own.all().iter().map(|it| it.id).collect::<Vec<_>>(), [1, 2, 3]);
    drop(own);
    let commit = tx.commit()?.commit.expect("written");
    assert!(matches!(commit.changes::<Item>(), [Change::Updated { .. }]));
    let replaced = items.require(&1)?;
    assert_eq!((replaced.version(), replaced.created_at(), replaced.updated_at()), (2, 2000, 2000));
    assert_eq!(items.all().iter().map(|it| it.id).collect::<Vec<_>>(), [1, 2, 3]);
    Ok(())
}

#[test]
fn changes_come_in_the_order_of_the_calls() -> Result<(), Error> {
    let (store, _) = items(4);
    let tx = store.begin();
    let own = tx.bucket::<Item>()?;
    own.update(&3, Item::patch().score(1))?;
    own.insert(item(9))?;
    own.delete(&1)?;
    own.insert(item(8))?;
    own.update(&2, Item::patch().score(1))?;
    drop(own);
    let commit = tx.commit()?.commit.expect("written");
    let order = commit.changes::<Item>().iter().map(|change| match change {
        Change::Inserted(new) => ("inserted", new.id),
        Change::Updated { new, .. } => ("updated", new.id),
        Change::Deleted { record: old, .. } => ("deleted", old.id),
    });
    assert_eq!(
        order.collect::<Vec<_>>(),
        [("updated", 3), ("inserted", 9), ("deleted", 1), ("inserted", 8), ("updated", 2)]
    );
    Ok(())
}

#[test]
fn unique_values_are_checked_against_what_is_seen() -> Result<(), Error> {
    let (store, items) = items(3);
    store.transaction(|tx| {
        let own = tx.bucket::<Item>()?;
        let taken = |value: &str| {
            Err(Error::UniqueConstraint { bucket: "items", field: "label", value: format!("{value:?}") })
        };
        assert_eq!(own.update(&1, Item::patch().label("item 2")), taken("item 2"));
        assert_eq!(own.insert(Item { label: "item 3".into(), ..item(9) }), taken("item 3"));
        own.insert(Item { label: "own".into(), ..item(9) })?;
        assert_eq!(own.update(&1, Item::patch().label("own")), taken("own"));
        assert_eq!(own.insert(item(9)), Err(Error::DuplicateKey { bucket: "items", key: "9".into() }));
        // What is given up can be taken, also in a circle.
        own.delete(&3)?;
        own.update(&1, Item::patch().label("item 3"))?;
        own.update(&2, Item::patch().label("item 1"))?;
        own.update(&1, Item::patch().label("item 2"))?;
        own.update(&9, Item::patch().label("item 3"))?;
        assert_eq!(own.by_label("own"), None);
        Ok::<_, Error>(())
    })?;
    let labels = items.all().iter().map(|it| (it.id, it.label.clone())).collect::<Vec<_>>();
    assert_eq!(labels, [(1, "item 2".into()), (2, "item 1".into()), (9, "item 3".into())]);
    for (id, label) in labels {
        assert_eq!(items.by_label(&label).map(|it| it.id), Some(id));
    }
    Ok(())
}

#[test]
fn two_transactions_that_take_one_unique_value_conflict() -> Result<(), Error> {
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        let (store, items) = items(2);
        let (a, b) = (store.begin_with(isolation), store.begin_with(isolation));
        a.bucket::<Item>()?.insert(Item { label: "one".into(), ..item(8) })?;
        b.bucket::<Item>()?.insert(Item { label: "one".into(), ..item(9) })?;
        a.commit()?;
        let Err(Error::TransactionConflict { field: Some("label"), .. }) = b.commit() else {
            panic!("a conflict")
        };
        assert_eq!((items.count(), items.get(&9)), (3, None));
    }
    Ok(())
}

#[test]
fn a_batch_that_fails_takes_back_only_itself() -> Result<(), Error> {
    let (store, items) = items(3);
    store.transaction(|tx| {
        let own = tx.bucket::<Item>()?;
        own.insert(item(10))?;
        let failed = own.insert_many([item(11), item(12), item(1), item(13)]);
        assert!(matches!(failed, Err(Error::Batch { row: 2, .. })), "{failed:?}");
        let failed = own.update_many([(1, Item::patch().score(50)), (99, Item::patch().score(50))]);
        assert!(matches!(failed, Err(Error::Batch { row: 1, .. })), "{failed:?}");
        assert!(own.update_where(Filter::all(), Item::patch().label("same for all")).is_err());
        assert_eq!(own.all().iter().map(|it| it.id).collect::<Vec<_>>(), [1, 2, 3, 10]);
        assert_eq!(own.filter(Item::SCORE.eq(50)).count(), 0);
        // A key that comes twice gets both patches.
        let twice = own.update_many([(1, Item::patch().score(50)), (1, Item::patch().kind(3))])?;
        assert!(twice.iter().all(|it| it.score == 50 && it.kind == 3 && it.version() == 2), "{twice:?}");
        own.insert(item(11)).map(drop)
    })?;
    assert_eq!(items.all().iter().map(|it| it.id).collect::<Vec<_>>(), [1, 2, 3, 10, 11]);
    Ok(())
}

#[test]
fn clearing_is_seen_and_conflicts_with_inserts() -> Result<(), Error> {
    let (store, items) = items(5);
    let tx = store.begin();
    assert_eq!(tx.bucket::<Item>()?.clear()?, 5);
    assert!(tx.bucket::<Item>()?.is_empty());
    tx.bucket::<Item>()?.insert(item(2))?;
    items.insert(item(40))?;
    assert!(matches!(tx.commit(), Err(Error::TransactionConflict { .. })));
    store.transaction(|tx| {
        tx.bucket::<Item>()?.clear()?;
        tx.bucket::<Item>()?.insert(item(2))
    })?;
    assert_eq!(items.all().iter().map(|it| (it.id, it.version())).collect::<Vec<_>>(), [(2, 2)]);
    Ok(())
}

#[test]
fn a_big_load_in_a_transaction_is_as_one_by_hand() -> Result<(), Error> {
    let (store, loaded) = items(0);
    store.transaction(|tx| tx.bucket::<Item>()?.insert_many((1..=2000).map(item)).map(drop))?;
    let (_store, by_hand) = items(2000);
    assert_eq!(answers(&loaded), answers(&by_hand));
    Ok(())
}
