//! Every kind of read against every kind of change by somebody else: the transaction conflicts if the read would now have
//! another answer, and, but for the listed cases, only then.
//!
//! Whether the answer is another one is not written down here, it is tried: the same reads are made once more after the change.

mod common;

use std::collections::BTreeSet;

use common::{Fixed, start};
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "items", index(kind, score))]
struct Item {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    kind: u8,
    #[bucket(index)]
    size: Option<i32>,
    score: i64,
    #[bucket(unique)]
    label: String,
    #[bucket(index(each))]
    tags: Vec<String>,
    note: String,
}

/// Written by the transaction, so that it is not one that only reads.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "marks")]
struct Mark {
    #[bucket(key)]
    id: u32,
}

fn item(id: u32) -> Item {
    Item {
        id,
        kind: (id % 4) as u8,
        size: (!id.is_multiple_of(5)).then_some((id * 7 % 30) as i32),
        score: i64::from(id * 13 % 20),
        label: format!("item {id}"),
        tags: vec![format!("t{}", id % 3), format!("u{}", id % 7)],
        note: String::new(),
    }
}

fn fresh() -> (Store, BucketHandle<Item>) {
    let store = start(Store::builder().clock(Fixed::at(1000)).bucket::<Item>().bucket::<Mark>());
    let items = store.bucket::<Item>().expect("defined");
    items.insert_many((1..=40).map(item)).expect("good");
    (store, items)
}

type Read = (&'static str, fn(&ItemReads) -> String);

/// What tells records apart here.
fn ids(records: &[Record<Item>]) -> String {
    let parts = records.iter().map(|record| (record.id, record.version(), &record.note));
    format!("{:?}", parts.collect::<Vec<_>>())
}

fn two_pages(items: &ItemReads) -> String {
    let by_score = || items.order_by((Item::SCORE.asc(), Item::ID.asc()));
    let first = by_score().paginate(Page::first(6));
    let second =
        first.next_cursor.map(|cursor| by_score().paginate(Page::first(6).after(cursor)).expect("its own"));
    ids(&first.records) + &ids(&second.expect("there are more").records)
}

const READS: &[Read] = &[
    ("get", |items| format!("{:?}", items.get(&5))),
    ("get a miss", |items| format!("{:?}", items.get(&50))),
    ("contains_key", |items| items.contains_key(&5).to_string()),
    ("contains_key of a miss", |items| items.contains_key(&50).to_string()),
    ("by unique", |items| format!("{:?}", items.by_label("item 5"))),
    ("by unique, a miss", |items| format!("{:?}", items.by_label("new"))),
    ("by index", |items| ids(&items.by_kind(&1))),
    ("by index, a miss", |items| ids(&items.by_kind(&9))),
    ("by element", |items| ids(&items.by_tags("t1"))),
    ("by compound range", |items| ids(&items.by_kind_and_score(&1, 5..12))),
    ("filter by index", |items| ids(&items.filter(Item::KIND.eq(2)).collect())),
    ("filter by range", |items| ids(&items.filter(Item::SIZE.between(5..12)).collect())),
    ("filter by key", |items| ids(&items.filter(Item::ID.is_in([5_u32, 50])).collect())),
    ("filter without index", |items| ids(&items.filter(Item::SCORE.lt(6)).collect())),
    ("filter by two fields", |items| ids(&items.filter(Item::KIND.eq(1).and(Item::SCORE.ge(8))).collect())),
    ("filter by either", |items| ids(&items.filter(Item::KIND.eq(1).or(Item::SIZE.is_none())).collect())),
    ("filter that nothing passes", |items| ids(&items.filter(Item::SCORE.gt(900)).collect())),
    ("count all", |items| items.count().to_string()),
    ("is_empty", |items| items.is_empty().to_string()),
    ("count", |items| items.filter(Item::KIND.eq(1)).count().to_string()),
    ("exists", |items| items.filter(Item::KIND.eq(1)).exists().to_string()),
    ("exists not", |items| items.filter(Item::KIND.eq(9)).exists().to_string()),
    ("find_one", |items| format!("{:?}", items.find_one(Item::KIND.eq(1)))),
    ("sum", |items| items.filter(Item::KIND.eq(1)).sum(Item::SCORE).to_string()),
    ("sum of all", |items| items.sum(Item::SCORE).to_string()),
    ("avg", |items| format!("{:?}", items.filter(Item::KIND.eq(1)).avg(Item::SIZE))),
    ("min", |items| format!("{:?}", items.min(Item::SIZE))),
    ("max", |items| format!("{:?}", items.filter(Item::KIND.eq(1)).max(Item::SCORE))),
    ("group_by count", |items| format!("{:?}", items.group_by(Item::KIND).count())),
    ("group_by sum", |items| {
        format!("{:?}", items.filter(Item::SCORE.lt(6)).group_by(Item::KIND).sum(Item::SCORE))
    }),
    ("first", |items| ids(&items.first(5))),
    ("first, up to an own one", |items| ids(&items.first(41))),
    ("limit, up to an own one", |items| ids(&items.filter(Item::ID.gt(0_u32)).limit(41).collect())),
    ("last", |items| ids(&items.last(3))),
    ("all", |items| ids(&items.all())),
    ("window by index", |items| ids(&items.order_by(Item::SIZE.desc()).limit(4).collect())),
    ("window by sort", |items| ids(&items.order_by((Item::SCORE.asc(), Item::ID.desc())).limit(4).collect())),
    ("window with offset", |items| ids(&items.order_by(Item::SIZE.asc()).offset(2).limit(4).collect())),
    ("window that is not full", |items| {
        ids(&items.filter(Item::KIND.eq(1)).order_by(Item::SIZE.asc()).limit(99).collect())
    }),
    ("first page", |items| ids(&items.paginate(Page::first(5)).records)),
    ("two pages", two_pages),
    ("iter left early", |items| ids(&items.iter().take(3).collect::<Vec<_>>())),
    ("iter", |items| ids(&items.filter(Item::KIND.eq(1)).iter().collect::<Vec<_>>())),
];

type Change = (&'static str, fn(&BucketHandle<Item>));

fn update(items: &BucketHandle<Item>, id: u32, patch: ItemPatch) {
    items.update(&id, patch).expect("there");
}

const CHANGES: &[Change] = &[
    ("nothing", |_| {}),
    ("note of 5", |items| update(items, 5, Item::patch().note("x"))),
    ("note of 40", |items| update(items, 40, Item::patch().note("x"))),
    ("delete 5", |items| drop(items.delete(&5))),
    ("delete 40", |items| drop(items.delete(&40))),
    ("delete 1", |items| drop(items.delete(&1))),
    ("insert 50", |items| drop(items.insert(Item { size: Some(15), score: 10, ..item(50) }))),
    ("insert 50 of no kind", |items| {
        drop(items.insert(Item { kind: 9, score: 1000, tags: vec![], ..item(50) }))
    }),
    ("insert the label new", |items| drop(items.insert(Item { label: "new".into(), ..item(60) }))),
    ("insert the greatest size", |items| drop(items.insert(Item { size: Some(99), score: 99, ..item(70) }))),
    ("insert the least size", |items| drop(items.insert(Item { size: Some(-9), score: -9, ..item(70) }))),
    ("insert no size", |items| drop(items.insert(Item { size: None, kind: 3, score: 19, ..item(70) }))),
    ("kind of 5 to 2", |items| update(items, 5, Item::patch().kind(2))),
    ("kind of 6 to 1", |items| update(items, 6, Item::patch().kind(1))),
    ("kind of 6 to 9", |items| update(items, 6, Item::patch().kind(9))),
    ("score of 5", |items| update(items, 5, Item::patch().score(7))),
    ("score of 8 far up", |items| update(items, 8, Item::patch().score(100))),
    ("score of 8 far down", |items| update(items, 8, Item::patch().score(-100))),
    ("size of 6", |items| update(items, 6, Item::patch().size(11))),
    ("size of 6 to none", |items| update(items, 6, Item::patch().clear_size())),
    ("label of 5", |items| update(items, 5, Item::patch().label("new"))),
    ("tags of 6", |items| update(items, 6, Item::patch().tags(["t1"]))),
    ("there and back", |items| {
        items.insert(item(50)).expect("new");
        items.delete(&50).expect("there");
    }),
    ("delete and insert 5", |items| {
        items.delete(&5).expect("there");
        items.insert(Item { note: "again".into(), ..item(5) }).expect("gone");
    }),
    ("delete most", |items| drop(items.delete_where(Item::ID.gt(12_u32)))),
];

/// What the transaction itself writes first.
type Own = (&'static str, fn(&TransactionBucket<'_, Item>));

const OWN: &[Own] = &[
    ("nothing", |_| {}),
    ("an insert", |items| drop(items.insert(Item { kind: 1, size: Some(10), score: 3, ..item(80) }))),
    ("inserts at both ends", |items| {
        items.insert(Item { size: Some(-50), score: -50, ..item(81) }).expect("new");
        items.insert(Item { size: Some(200), score: 200, kind: 1, ..item(82) }).expect("new");
    }),
    ("an update and a delete", |items| {
        items.update(&20, Item::patch().kind(1).score(2).size(6)).expect("there");
        items.delete(&21).expect("there");
    }),
];

/// A transaction that writes, reads, and is still to be committed.
fn asked(store: &Store, own: Own, read: Read) -> (Transaction, String) {
    let tx = store.begin();
    let items = tx.bucket::<Item>().expect("defined");
    own.1(&items);
    let answer = read.1(&items);
    tx.bucket::<Mark>().expect("defined").insert(Mark { id: 1 }).expect("new");
    drop(items);
    (tx, answer)
}

/// Reads that may conflict although their answer is the same: aggregates where one record makes up for another or does not
/// count, and what looks at more than it would need to.
const CAUTIOUS: &[&str] = &[
    "exists",
    "is_empty",
    "min",
    "max",
    "sum",
    "sum of all",
    "avg",
    "count",
    "count all",
    "group_by count",
    "group_by sum",
    "window with offset",
    // Records are fetched in batches.
    "iter left early",
];

#[test]
fn a_transaction_conflicts_if_and_only_if_an_answer_changed() {
    let (mut missed, mut needless) = (BTreeSet::new(), BTreeSet::new());
    let (mut conflicts, mut passes) = (0, 0);
    for own in OWN {
        for read in READS {
            for change in CHANGES {
                let (store, items) = fresh();
                let (tx, before) = asked(&store, *own, *read);
                change.1(&items);
                // What the transaction writes needs that too.
                let own_conflicts = {
                    let (store, items) = fresh();
                    let (tx, _) = asked(&store, *own, ("nothing", |_| String::new()));
                    change.1(&items);
                    tx.commit().is_err()
                };
                if own_conflicts {
                    continue;
                }
                let (_, after) = asked(&store, *own, *read);
                let case = format!("{} beside {}, with {} written", read.0, change.0, own.0);
                match (tx.commit(), before == after) {
                    (Ok(_), true) => passes += 1,
                    (Ok(_), false) => drop(missed.insert(case)),
                    (Err(Error::TransactionConflict { bucket: "items", .. }), changed) => {
                        conflicts += 1;
                        if changed && !CAUTIOUS.contains(&read.0) {
                            needless.insert(case);
                        }
                    }
                    (Err(error), _) => panic!("{case}: {error}"),
                }
            }
        }
    }
    assert!(missed.is_empty(), "missed: {missed:#?}");
    assert!(needless.is_empty(), "needless: {needless:#?}");
    assert!(conflicts > 300 && passes > 1000, "{conflicts} conflicts, {passes} passes");
}

#[test]
fn aggregates_look_at_their_fields_only() {
    let aggregates = [
        "sum",
        "sum of all",
        "avg",
        "min",
        "max",
        "count",
        "count all",
        "is_empty",
        "exists",
        "contains_key",
    ];
    for read in READS.iter().filter(|(name, _)| aggregates.contains(name)) {
        for note in ["note of 5", "note of 40", "tags of 6", "label of 5"] {
            let change = CHANGES.iter().find(|(name, _)| *name == note).expect("is listed");
            let (store, items) = fresh();
            let (tx, _) = asked(&store, OWN[0], *read);
            change.1(&items);
            assert!(tx.commit().is_ok(), "{} beside {note}", read.0);
        }
    }
}
