//! Records whose values JSON has no form for: floats that are not finite are kept and read again, what has no JSON at all is told
//! with its field, and holds nothing up longer than it is there.

mod common;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::keeping::{Folder, wait};
use common::within_seconds;
use noex_store::prelude::*;
use serde::Serializer;
use serde_json::value::RawValue;
use serde_json::{Value, json};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: Option<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Circle(f64),
    Line(Point, Point),
    Box { of: Vec<Point> },
}

/// Floats wherever a type can have them.
#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "floats")]
struct Floats {
    #[bucket(key)]
    id: u32,
    #[bucket(allow_non_finite)]
    one: f64,
    #[bucket(allow_non_finite)]
    maybe: Option<f32>,
    #[bucket(allow_non_finite)]
    many: Vec<f64>,
    point: Point,
    shape: Shape,
    named: BTreeMap<String, f64>,
    pair: (f32, i128, Option<f64>),
    text: String,
    any: Value,
    raw: Box<RawValue>,
}

fn floats(id: u32, of: f64) -> Floats {
    let point = || Point { x: of, y: Some(of as f32) };
    Floats {
        id,
        one: of,
        maybe: Some(of as f32),
        many: vec![0.1, of, -0.0],
        point: point(),
        shape: match id % 4 {
            0 => Shape::Nothing,
            1 => Shape::Circle(of),
            2 => Shape::Line(point(), Point::default()),
            _ => Shape::Box { of: vec![point(), Point::default()] },
        },
        named: BTreeMap::from([("a".to_owned(), of), ("NaN".to_owned(), 1.5)]),
        pair: (of as f32, i128::MIN, None),
        text: "NaN".to_owned(),
        any: json!({ "NaN": ["NaN", 0.1, null, { "x": "inf" }] }),
        raw: RawValue::from_string("[ 1.00, \"NaN\" ]".to_owned()).expect("JSON"),
    }
}

/// What a record says, of which even NaN equals itself.
fn told(record: &Floats) -> String {
    format!("{record:?}")
}

fn all() -> Vec<Floats> {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.25];
    (0..16).map(|id| floats(id, odd[id as usize / 4])).collect()
}

/// Where text is not read as a float: serde reads such a field by way of a type of its own.
#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "flat")]
struct Flat {
    #[bucket(key)]
    id: u32,
    at: At,
    any: Any,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct At {
    #[serde(flatten)]
    point: Point,
}

/// Text is one of its values.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Any {
    Number(f64),
    Text(String),
}

fn flat(id: u32, x: f64) -> Flat {
    Flat { id, at: At { point: Point { x, y: None } }, any: Any::Text("NaN".to_owned()) }
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "maps")]
struct Maps {
    #[bucket(key)]
    id: u32,
    inner: Inner,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    map: BTreeMap<(u8, u8), u8>,
    panics: Panics,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Panics(bool);

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(!self.0, "cannot be written");
        self.0.serialize(serializer)
    }
}

fn maps(id: u32) -> Maps {
    Maps { id, inner: Inner { map: BTreeMap::new(), panics: Panics(false) } }
}

fn without_json(id: u32) -> Maps {
    let mut maps = maps(id);
    maps.inner.map.insert((1, 2), 3);
    maps
}

fn panics(id: u32) -> Maps {
    let mut maps = maps(id);
    maps.inner.panics = Panics(true);
    maps
}

fn open(persistence: Persistence) -> Result<Store, Error> {
    let builder = Store::builder().bucket::<Floats>().bucket::<Flat>().bucket::<Maps>();
    wait(builder.persistence(persistence).start())
}

fn check(store: &Store) -> Result<(), Error> {
    let kept: Vec<String> = store.bucket::<Floats>()?.iter().map(|record| told(&record)).collect();
    assert_eq!(kept, all().iter().map(told).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn floats_that_are_not_finite_are_read_again() -> Result<(), Error> {
    let (memory, folder, other) = (MemoryAdapter::new(), Folder::new(), Folder::new());
    std::fs::create_dir_all(other.path()).expect("a folder");
    let kept: [&dyn Fn() -> Persistence; 3] =
        [&|| Persistence::new(memory.clone()), &|| Persistence::new(folder.adapter()), &|| {
            Persistence::new(other.sqlite())
        }];
    for kept in kept {
        for durability in [Durability::Immediate, Durability::Debounced(Duration::from_millis(1))] {
            let store = open(kept().durability(durability))?;
            store.bucket::<Floats>()?.clear()?;
            store.bucket::<Floats>()?.insert_many(all())?;
            wait(store.stop())?;
            let again = open(kept())?;
            check(&again)?;
            wait(again.stop())?;
        }
    }
    Ok(())
}

#[test]
fn floats_that_are_not_finite_are_exported_and_imported() -> Result<(), Error> {
    let open = || wait(Store::builder().bucket::<Floats>().start());
    let store = open()?;
    store.bucket::<Floats>()?.insert_many(all())?;
    let (mut lines, mut whole) = (Vec::new(), Vec::new());
    assert_eq!(store.bucket::<Floats>()?.export_lines(&mut lines)?, 16);
    let text = String::from_utf8(lines).expect("text");
    assert!(
        text.starts_with(r#"{"id":0,"one":"NaN","maybe":"NaN","many":[0.1,"NaN",-0.0],"point":{"x":"#),
        "{text}"
    );
    let second = open()?;
    second.bucket::<Floats>()?.import_lines(text.as_bytes())?;
    check(&second)?;
    store.snapshot().export(&mut whole)?;
    check(&wait(Store::builder().bucket::<Floats>().import(Cursor::new(whole)).start())?)?;
    // Other text is no float, and is told where it stands.
    let wrong = text.lines().next().unwrap_or_default().replace(r#"{"x":"NaN""#, r#"{"x":"Nan""#);
    let Err(Error::Import { line: 1, error }) = open()?.bucket::<Floats>()?.import_lines(wrong.as_bytes())
    else {
        panic!("it is no float");
    };
    assert_eq!(
        error.to_string(),
        "bucket `floats`: `point.x` cannot be read: invalid type: string \"Nan\", expected f64 (type)"
    );
    Ok(())
}

#[test]
fn a_float_that_could_not_be_read_again_is_refused() -> Result<(), Error> {
    let kept = MemoryAdapter::new();
    let store = open(Persistence::new(kept.clone()).durability(Durability::Immediate))?;
    let own = store.bucket::<Flat>()?;
    own.insert(flat(1, 0.5))?;
    let refused = own.insert(flat(2, f64::NAN)).map(drop);
    let Err(error) = refused else { panic!("it would be lost") };
    assert_eq!(
        error.to_string(),
        "bucket `flat`: the record with the key 2 has no JSON in the field `at`: JSON has no number for NaN, and text, in its \
         place, is not read as one here: below `flatten`, or in an untagged enum; `persistent = false` keeps a bucket in memory \
         alone"
    );
    // What it would be read as is another value.
    let other = own.insert(Flat { any: Any::Number(f64::INFINITY), ..flat(3, 0.5) }).map(drop);
    assert!(matches!(&other, Err(Error::NotStorable { field, .. }) if field == "any"), "{other:?}");
    assert_eq!(own.count(), 1);
    wait(store.stop())?;
    let again = open(Persistence::new(kept))?;
    assert!(matches!(&again.bucket::<Flat>()?.require(&1)?.any, Any::Text(text) if text == "NaN"));
    Ok(())
}

#[test]
fn what_has_no_json_is_told_with_its_key_and_field() -> Result<(), Error> {
    let store = open(Persistence::new(MemoryAdapter::new()).durability(Durability::Immediate))?;
    let own = store.bucket::<Maps>()?;
    let refused = own.insert(without_json(7)).map(drop);
    assert_eq!(
        refused,
        Err(Error::NotStorable {
            bucket: "maps",
            key: "7".to_owned(),
            field: "inner.map".to_owned(),
            reason: "key must be a string".to_owned(),
        })
    );
    assert_eq!(
        refused.map_err(|error| error.to_string()),
        Err("bucket `maps`: the record with the key 7 has no JSON in the field `inner.map`: key must be a string; \
             `persistent = false` keeps a bucket in memory alone"
            .to_owned())
    );
    assert!(matches!(own.insert(panics(7)), Err(Error::Panicked { bucket: "maps", .. })));
    assert_eq!(own.count(), 0);
    Ok(())
}

/// In a store that keeps its commits later, nobody can refuse the write any more.
#[test]
fn what_has_no_json_holds_up_nothing_before_it_and_nothing_once_it_is_gone() {
    within_seconds(60, || {
        for (bad, panics) in [(without_json as fn(u32) -> Maps, false), (panics, true)] {
            for mends in [true, false] {
                let kept = MemoryAdapter::new();
                let told = Arc::new(Mutex::new(Vec::new()));
                let own = Arc::clone(&told);
                let persistence = Persistence::new(kept.clone())
                    .debounce(Duration::from_secs(3600))
                    .on_error(move |error| own.lock().expect("sound").push(error.clone()));
                let store = open(persistence).expect("starts");
                let all = store.bucket::<Maps>().expect("defined");
                for id in 0..5 {
                    all.insert(maps(id)).expect("good");
                }
                let before = store.snapshot().version();
                all.insert(bad(5)).expect("good in memory");
                all.insert(maps(6)).expect("good");
                let is_it = |error: &Error| match error {
                    Error::NotStorable { bucket: "maps", key, field, .. } => {
                        !panics && key == "5" && field == "inner.map"
                    }
                    Error::Panicked { bucket: "maps", .. } => panics,
                    _ => false,
                };
                // Each flush tells; however often it fails, the service goes on.
                for _ in 0..20 {
                    let error = wait(store.flush()).expect_err("not all can be kept");
                    assert!(is_it(&error), "{error}");
                    assert_eq!(store.durable_version(), before, "those before it are kept");
                }
                assert!(told.lock().expect("sound").iter().all(is_it));
                assert!(!store.stats().degraded);
                if mends {
                    all.update(&5, Maps::patch().inner(maps(5).inner)).expect("good");
                } else {
                    all.delete(&5).expect("good");
                }
                all.insert(maps(7)).expect("good");
                wait(store.flush()).expect("all can be kept");
                assert_eq!(store.durable_version(), store.snapshot().version());
                all.insert(maps(8)).expect("good");
                let last: Vec<_> =
                    all.iter().map(|record| (record.value().clone(), record.version())).collect();
                wait(store.stop()).expect("all is kept");
                let again = open(Persistence::new(kept)).expect("starts");
                let all = again.bucket::<Maps>().expect("defined");
                let now: Vec<_> =
                    all.iter().map(|record| (record.value().clone(), record.version())).collect();
                assert_eq!(now, last);
            }
        }
    });
}

/// Nothing is durable that comes after what cannot be.
#[test]
fn a_transaction_that_is_to_be_durable_at_once_is_told_of_a_record_before_it_that_has_no_json() {
    within_seconds(60, || {
        let kept = MemoryAdapter::new();
        let store = open(Persistence::new(kept.clone()).debounce(Duration::from_secs(3600))).expect("starts");
        let all = store.bucket::<Maps>().expect("defined");
        all.insert(without_json(5)).expect("good in memory");
        let at_once = |id: u32| {
            store.transaction_with(TxOptions::new().durability(Durability::Immediate), |tx| {
                tx.bucket::<Maps>()?.upsert(maps(id)).map(drop)
            })
        };
        // That of its own is no exception: it is the one before it that is not kept.
        for id in [6, 5] {
            let before = store.snapshot().version();
            let error = at_once(id).expect_err("what is before it cannot be kept");
            assert!(matches!(&error, Error::NotStorable { key, .. } if key == "5"), "{error}");
            assert_eq!(store.snapshot().version(), before, "nothing of it is there");
        }
        assert!(all.get(&6).is_none());
        all.upsert(maps(5)).expect("good");
        at_once(6).expect("all can be kept");
        assert_eq!(store.durable_version(), store.snapshot().version());
        wait(store.stop()).expect("all is kept");
        let again = open(Persistence::new(kept)).expect("starts");
        let ids: Vec<_> = again.bucket::<Maps>().expect("defined").iter().map(|record| record.id).collect();
        assert_eq!(ids, [5, 6]);
    });
}
