//! serde does not promise that what a type writes it reads: a record whose JSON is not read again as it was is refused when it is
//! written, and not found at the next start.

mod common;

use common::keeping::wait;
use noex_store::StoreBuilder;
use noex_store::prelude::*;

/// A store whose commits are durable before they are told.
fn durable(kept: &MemoryAdapter, builder: StoreBuilder) -> Store {
    let persistence = Persistence::new(kept.clone()).durability(Durability::Immediate);
    wait(builder.persistence(persistence).start()).expect("starts")
}

/// In JSON a list is two levels, `{"List": []}`; so are all of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Struct(Box<Branch>),
    List(Vec<Tree>),
    Pair(Box<Tree>, u8),
    Named { child: Box<Tree> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Branch {
    child: Tree,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "trees")]
struct Nested {
    #[bucket(key)]
    id: u32,
    tree: Tree,
    /// Side by side is not within each other.
    beside: Vec<Vec<u8>>,
}

#[test]
fn what_is_nested_deeply_is_read_again_or_refused() {
    let grow: [fn(Tree) -> Tree; 4] = [
        |tree| Tree::Struct(Box::new(Branch { child: tree })),
        |tree| Tree::List(vec![Tree::Leaf, tree]),
        |tree| Tree::Pair(Box::new(tree), 1),
        |tree| Tree::Named { child: Box::new(tree) },
    ];
    let mut refused = 0;
    for grow in grow {
        for depth in [0, 10, 60, 61, 62, 63, 64, 65, 66, 124, 125, 126, 127, 128, 1_000] {
            let tree = (0..depth).fold(Tree::Leaf, |tree, _| grow(tree));
            let nested = Nested { id: 1, tree, beside: vec![vec![1]; 300] };
            let kept = MemoryAdapter::new();
            let open = || durable(&kept, Store::builder().bucket::<Nested>());
            let store = open();
            let trees = store.bucket::<Nested>().expect("defined");
            let done = trees.insert(nested.clone()).map(drop);
            let mut lines = Vec::new();
            if done.is_ok() {
                trees.export_lines(&mut lines).expect("written");
            }
            wait(store.stop()).expect("stops");
            let again = open();
            let trees = again.bucket::<Nested>().expect("defined");
            match done {
                Ok(()) => {
                    assert_eq!(*trees.require(&1).expect("kept").value(), nested, "{depth}");
                    trees.clear().expect("good");
                    assert_eq!(trees.import_lines(lines.as_slice()), Ok(1), "{depth}");
                }
                Err(Error::NotStorable { bucket: "trees", key, field, reason }) => {
                    assert!(key == "1" && field.starts_with("tree") && depth > 60, "{key} {field} {depth}");
                    assert!(reason.contains("more than 127") && field.len() < 100, "{reason} {field}");
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    // 63 times two levels, in the record, are 127: of each kind what is more is refused, and nothing else.
    assert_eq!(refused, 4 * 9);
}

/// What its `Serialize` writes its `Deserialize` does not read, in three ways that serde has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum OneWay {
    Fine(u8),
    Renamed(Renamed),
    Left(Left),
    /// What is buffered loses the keys' type.
    Buffered(Buffered),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Renamed {
    #[serde(rename(serialize = "out"))]
    value: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Left {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Buffered {
    #[serde(flatten)]
    inner: Wide,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wide {
    value: u128,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "ways")]
struct Way {
    #[bucket(key)]
    id: u32,
    way: OneWay,
}

#[test]
fn what_is_not_read_again_is_refused_when_it_is_written() {
    let kept = MemoryAdapter::new();
    let open = || durable(&kept, Store::builder().bucket::<Way>());
    let store = open();
    let ways = store.bucket::<Way>().expect("defined");
    let put = |id, way| ways.insert(Way { id, way }).map(drop);
    put(1, OneWay::Fine(1)).expect("good");
    put(2, OneWay::Left(Left { values: vec![1] })).expect("only what is left out is not read");
    for way in [
        OneWay::Renamed(Renamed { value: 1 }),
        OneWay::Left(Left { values: Vec::new() }),
        OneWay::Buffered(Buffered { inner: Wide { value: 1 } }),
    ] {
        match put(3, way) {
            Err(Error::NotStorable { bucket: "ways", key, field, reason }) => {
                assert!(key == "3" && field.starts_with("way"), "{field}");
                assert!(reason.starts_with("its JSON is not read again: "), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ways.count(), 2);
    wait(store.stop()).expect("stops");
    assert_eq!(open().bucket::<Way>().expect("defined").count(), 2);

    // In memory alone anything goes.
    let store = wait(Store::builder().bucket::<Way>().start()).expect("starts");
    let ways = store.bucket::<Way>().expect("defined");
    ways.insert(Way { id: 3, way: OneWay::Renamed(Renamed { value: 1 }) }).expect("nothing is kept");
}

/// A time to the millisecond, of which serde keeps the seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u64", from = "u64")]
struct Millis(u64);

impl From<Millis> for u64 {
    fn from(Millis(millis): Millis) -> Self {
        millis / 1000
    }
}

impl From<u64> for Millis {
    fn from(seconds: u64) -> Self {
        Self(seconds * 1000)
    }
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "ticks")]
struct Tick {
    #[bucket(key)]
    at: Millis,
}

/// The key itself is written wholly, and not where it is a field.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "stamps")]
struct Stamp {
    #[bucket(key)]
    #[serde(serialize_with = "tens")]
    number: u32,
}

fn tens<S: serde::Serializer>(number: &u32, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u32(number / 10 * 10)
}

#[test]
fn a_key_that_is_read_as_another_one_is_refused() {
    let kept = MemoryAdapter::new();
    let open = || durable(&kept, Store::builder().bucket::<Tick>().bucket::<Stamp>());
    let store = open();
    let ticks = store.bucket::<Tick>().expect("defined");
    ticks.insert(Tick { at: Millis(7_000) }).expect("a whole second");
    for at in [7_001, 7_999] {
        match ticks.insert(Tick { at: Millis(at) }) {
            Err(Error::NotStorable { bucket: "ticks", key, reason, .. }) => {
                assert_eq!(key, format!("Millis({at})"));
                assert!(reason.ends_with("as another one, Millis(7000)"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    let stamps = store.bucket::<Stamp>().expect("defined");
    stamps.insert(Stamp { number: 20 }).expect("a ten");
    let refused = stamps.insert(Stamp { number: 21 }).expect_err("no ten");
    assert!(
        refused.to_string().contains("the key 21") && refused.to_string().contains("another one, 20"),
        "{refused}"
    );
    wait(store.stop()).expect("stops");
    let again = open();
    assert_eq!(again.bucket::<Tick>().expect("defined").count(), 1);
    assert_eq!(again.bucket::<Stamp>().expect("defined").count(), 1);
}
