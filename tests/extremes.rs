//! Options, counts and times at their ends: none makes anything panic, and the longest time is for ever.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::keeping::{Folder, wait};
use common::within_seconds;
use noex_store::prelude::*;
use noex_store::{TestClock, Ttl, Version};

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "notes", ttl = "1h")]
struct Note {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    size: u32,
}

fn note(id: u32) -> Note {
    Note { id, size: id % 3 }
}

const TIMES: [Duration; 3] = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];

struct Counter(AtomicUsize);

impl EventReceiver for Counter {
    async fn emit(&self, _: &str, _: serde_json::Value) -> Result<(), ReceiverError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn no_time_is_too_long_or_too_short_for_a_store() {
    within_seconds(60, || {
        for time in TIMES {
            let kept = MemoryAdapter::new();
            let open = || {
                let persistence = Persistence::new(kept.clone()).debounce(time);
                let builder = Store::builder().bucket::<Note>().persistence(persistence);
                wait(builder.ttl_check_interval(time).stop_timeout(time).restart_intensity(0, time).start())
            };
            let store = open().expect("starts");
            let notes = store.bucket::<Note>().expect("defined");
            notes.insert(note(1)).expect("new");
            wait(store.flush()).expect("written, however long it might have waited");
            // Without any time to stop in, it may say that it is late; what is kept stays so.
            let stopped = wait(store.stop());
            assert!(stopped.is_ok() || time < Duration::from_secs(1), "{time:?}: {stopped:?}");
            drop(store);
            let again = loop {
                match open() {
                    Ok(store) => break store,
                    // The first one is still letting go.
                    Err(Error::Persistence { .. }) => std::thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            };
            assert_eq!(again.bucket::<Note>().expect("defined").count(), 1);
            // Dropped without a stop.
        }
    });
}

#[test]
fn no_time_is_too_long_or_too_short_for_a_record() {
    let store = wait(Store::builder().bucket::<Note>().start()).expect("starts");
    let notes = store.bucket::<Note>().expect("defined");
    let far = notes.insert_with_ttl(note(1), Duration::MAX).expect("for ever");
    assert_eq!(far.expires_at(), None);
    let long = notes.insert_with_ttl(note(2), Duration::from_secs(1 << 50)).expect("nearly for ever");
    assert!(long.expires_at().is_none_or(|at| at > 1 << 59), "{:?}", long.expires_at());
    notes.touch_with_ttl(&1, Ttl::For(Duration::MAX)).expect("there");
    let none = notes.insert_with_ttl(note(3), Duration::ZERO).map(drop);
    assert_eq!(none, Err(Error::InvalidTtl { bucket: "notes" }));
    assert!(notes.contains_key(&1) && notes.contains_key(&2));
    wait(store.settle());
    wait(store.stop()).expect("stops");
}

#[test]
fn no_option_of_a_transaction_is_too_much() {
    within_seconds(60, || {
        let persistence = Persistence::new(MemoryAdapter::new());
        let store = wait(Store::builder().bucket::<Note>().persistence(persistence).start()).expect("starts");
        store.bucket::<Note>().expect("defined").insert(note(1)).expect("new");
        for (time, retries) in TIMES.into_iter().zip([0, 3, u32::MAX]) {
            let durability = Durability::Debounced(time);
            let options = TxOptions::new().retries(retries).lease(time).durability(durability);
            let mut runs = 0;
            let done = store.transaction_with(options, |tx| {
                runs += 1;
                let notes = tx.bucket::<Note>()?;
                let size = notes.require(&1)?.size;
                // Somebody else is faster, twice: then the others wait for this one.
                if runs <= 2 {
                    let other = store.bucket::<Note>()?;
                    let change = move || other.update(&1, Note::patch().add(Note::SIZE, 1)).map(drop);
                    std::thread::spawn(change).join().expect("no panic")?;
                }
                notes.update(&1, Note::patch().size(size + 1)).map(drop)
            });
            let conflict = matches!(done, Err(Error::TransactionConflict { attempts: 1, .. }));
            assert_eq!(conflict, retries == 0, "{done:?}");
            assert!(done.is_ok() || retries == 0, "{done:?}");
        }
    });
}

#[test]
fn no_bridge_is_too_slow_or_too_large() {
    within_seconds(60, || {
        let store = wait(Store::builder().bucket::<Note>().start()).expect("starts");
        let notes = store.bucket::<Note>().expect("defined");
        for (number, capacity) in (1..).zip([0, 1, usize::MAX]) {
            let counter = Arc::new(Counter(AtomicUsize::new(0)));
            let options = BridgeOptions::new().capacity(capacity).timeout(Duration::MAX);
            let bridge = bridge_to_rules(&store, Arc::clone(&counter), options).expect("good");
            notes.insert(note(number)).expect("new");
            wait(store.settle());
            let (stats, sent) = (bridge.stats(), counter.0.load(Ordering::SeqCst));
            assert_eq!(sent as u64 + stats.missed, 1, "{stats:?}");
            assert_eq!(stats.failed, 0, "{stats:?}");
        }
    });
}

#[test]
fn no_count_is_too_much_for_a_question() {
    let builder = Store::builder().bucket::<Note>().commit_log_capacity(usize::MAX);
    let store = wait(builder.start()).expect("starts");
    let notes = store.bucket::<Note>().expect("defined");
    notes.insert_many((1..=9).map(note)).expect("new");
    let small = || notes.filter(Note::SIZE.le(1));
    assert_eq!(small().limit(usize::MAX).offset(1).collect().len(), 5);
    assert_eq!(small().limit(usize::MAX).offset(usize::MAX).collect().len(), 0);
    assert_eq!(small().limit(0).count(), 0);
    assert_eq!(small().order_by(Note::ID.desc()).limit(usize::MAX).offset(5).collect().len(), 1);
    assert_eq!((notes.first(usize::MAX).len(), notes.last(usize::MAX).len()), (9, 9));
    assert_eq!((notes.first(0).len(), notes.last(0).len()), (0, 0));
    let page = notes.paginate(Page::first(usize::MAX));
    assert_eq!((page.records.len(), page.has_more), (9, false));
    assert_eq!(store.answers(usize::MAX).len(), 0);
    let none = wait(Store::builder().bucket::<Note>().commit_log_capacity(0).start()).expect("starts");
    let notes = none.bucket::<Note>().expect("defined");
    let mut changes = notes.changes();
    notes.insert(note(1)).expect("new");
    wait(none.settle());
    assert!(changes.try_next().is_some(), "told, or told that it was missed");
    assert!(matches!(none.commits().after(Version::default()).try_next(), Err(1)));
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "stamped", ttl = "1d", max_size = 3)]
struct Stamped {
    #[bucket(key, generated = "uuid")]
    id: Uuid,
    #[bucket(unique, generated = "cuid")]
    code: String,
    #[bucket(generated = "timestamp")]
    millis: u64,
    #[bucket(generated = "autoincrement")]
    number: u8,
}

#[test]
fn no_time_of_day_is_too_early_or_too_late() {
    within_seconds(60, || {
        for start in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let (kept, clock) = (MemoryAdapter::new(), TestClock::at(start));
            let open = || {
                let persistence = Persistence::new(kept.clone()).durability(Durability::Immediate);
                wait(
                    Store::builder()
                        .clock(clock.clone())
                        .bucket::<Stamped>()
                        .persistence(persistence)
                        .start(),
                )
            };
            let store = open().expect("starts");
            let all = store.bucket::<Stamped>().expect("defined");
            let insert = || all.insert(Stamped::draft());
            for _ in 0..2 {
                insert().expect("new");
                clock.advance(Duration::from_millis(1));
            }
            wait(store.settle());
            let before = all.count();
            assert_eq!(before, 2, "{start}");
            wait(store.stop()).expect("stops");
            let again = open().expect("starts");
            let all = again.bucket::<Stamped>().expect("defined");
            assert_eq!(all.count(), before);
            // As far back, and as far on, as a clock can be set.
            for time in [0, u64::MAX] {
                clock.set(time);
                drop(all.insert(Stamped::draft()).expect("new"));
                wait(again.settle());
            }
            assert!(all.count() <= 3);
            wait(again.stop()).expect("stops");
        }
    });
}

#[test]
fn numbers_end_with_their_type() {
    let store = wait(Store::builder().bucket::<Stamped>().start()).expect("starts");
    let all = store.bucket::<Stamped>().expect("defined");
    let mut refused = None;
    for number in 0..300 {
        if let Err(error) = all.insert(Stamped::draft()) {
            refused = Some((number, error));
            break;
        }
    }
    let (number, error) = refused.expect("255 is the last");
    let exhausted = Error::AutoIncrementExhausted { bucket: "stamped", field: "number", next: 256 };
    assert_eq!((number, error), (255, exhausted));
}

/// An export of one note, with these numbers.
fn an_export(version: u64, time: u64, of_record: u64, at: u64, expires_at: u64) -> String {
    let record = format!(
        r#"{{"key":7,"value":{{"id":7,"size":1}},"version":{of_record},"created_at":{at},"updated_at":{at},"expires_at":{expires_at}}}"#
    );
    format!(
        "{{\"noex_store\":{{\"format\":1,\"version\":{version},\"time\":{time}}}}}\n\
         {{\"bucket\":{{\"name\":\"notes\",\"schema\":null,\"counters\":[]}}}}\n\
         {{\"record\":{record}}}\n\
         {{\"end\":{{\"buckets\":1,\"records\":1}}}}\n"
    )
}

#[test]
fn a_store_goes_on_after_whatever_was_imported_or_says_that_it_cannot() {
    const MOST: u64 = u64::MAX;
    let start = |text: String, kept: Persistence| {
        let builder = Store::builder().bucket::<Note>().persistence(kept);
        wait(builder.import(std::io::Cursor::new(text)).start())
    };
    let texts = [
        an_export(MOST / 4, 5, 1, 5, MOST),
        an_export(3, MOST, 1, 5, MOST),
        an_export(3, 5, MOST, 5, MOST),
        an_export(3, 5, 1, MOST, MOST),
    ];
    for (text, number) in texts.iter().flat_map(|text| (0..3).map(move |number| (text, number))) {
        let (memory, folder) = (MemoryAdapter::new(), Folder::new());
        let kept = || match number {
            0 => Persistence::new(memory.clone()),
            1 => folder.persistence(),
            _ => Persistence::new(folder.sqlite()),
        };
        let store = start(text.clone(), kept()).unwrap_or_else(|error| panic!("{error}: {text}"));
        let notes = store.bucket::<Note>().expect("defined");
        let before = notes.get(&7).map(|note| note.version());
        for size in 2..4_u32 {
            let note = notes.update(&7, Note::patch().size(size)).expect("there");
            assert!(Some(note.version()) >= before, "{text}");
        }
        let again = |tx: &Transaction| tx.bucket::<Note>()?.update(&7, Note::patch().size(4_u32)).map(drop);
        store.transaction(again).expect("there");
        notes.insert(note(8)).expect("new");
        let version = store.snapshot().version();
        wait(store.stop()).expect("written");
        let builder = Store::builder().bucket::<Note>().persistence(kept());
        let store = wait(builder.start()).expect("as it was");
        let sizes: Vec<_> = store.bucket::<Note>().expect("defined").iter().map(|note| note.size).collect();
        assert_eq!((sizes, store.snapshot().version()), (vec![4, 2], version), "{text}");
        wait(store.stop()).expect("stops");
    }
    // There would be no number for a commit, or none for SQLite, whose numbers have a sign.
    for version in [MOST, MOST - 1, MOST / 2, MOST / 4 + 1] {
        let refused = start(an_export(version, 5, 1, 5, MOST), Persistence::new(MemoryAdapter::new()));
        let reason = format!("commit {version} is none after which a store could go on");
        assert_eq!(refused.map(drop), Err(Error::Transfer { reason }));
    }
}

#[test]
fn a_filter_may_be_made_of_many() {
    let store = wait(Store::builder().bucket::<Note>().start()).expect("starts");
    let notes = store.bucket::<Note>().expect("defined");
    notes.insert_many((1..=9).map(note)).expect("new");
    let many = 100_000;
    let any = (0..many).map(|id| Note::ID.eq(id * 2)).reduce(|any, one| any.or(one)).expect("some");
    assert_eq!(notes.filter(any.clone()).count(), 4);
    let all = (0..many).map(|id| Note::ID.ne(id * 2)).reduce(|all, one| all.and(one)).expect("some");
    assert_eq!(notes.filter(all.clone()).collect().len(), 5);
    // The other way round.
    let right = (0..many).map(|id| Note::ID.eq(id * 2)).reduce(|any, one| one.or(any)).expect("some");
    assert_eq!(notes.filter(right).count(), 4);
    let right = (0..many).map(|id| Note::ID.ne(id * 2)).reduce(|all, one| one.and(all)).expect("some");
    assert_eq!(notes.filter(right).count(), 5);
    // By an index.
    let sizes =
        (0..many).map(|size| Note::SIZE.ne(size * 2 + 1)).reduce(|all, one| one.and(all)).expect("some");
    assert_eq!(notes.filter(sizes).count(), 6);
    let sizes =
        (0..many).map(|size| Note::SIZE.eq(size * 2 + 1)).reduce(|any, one| one.or(any)).expect("some");
    assert_eq!(notes.filter(sizes.clone()).count(), 3);
    assert_eq!(notes.filter(!sizes).count(), 6);
    // In turns it is nested.
    let turns = (0..1_000).map(|id| Note::ID.eq(id * 2)).zip([true, false].into_iter().cycle());
    let turns = turns.reduce(|(all, _), (one, or)| (if or { all.or(one) } else { one.and(all) }, or));
    let (turns, _) = turns.expect("some");
    let pairs = (0..1_000).zip([true, false].into_iter().cycle());
    let holds = |id: u32| {
        let one = pairs.clone().map(|(other, or)| (id == other * 2, or));
        one.reduce(|(all, _), (one, or)| (if or { all || one } else { one && all }, or)).expect("some").0
    };
    let expected: Vec<u32> = (1..=9).filter(|id| holds(*id)).collect();
    let found: Vec<u32> = notes.filter(turns).collect().iter().map(|note| note.id).collect();
    assert_eq!(found, expected);
    let mut not = Note::ID.eq(1);
    for _ in 0..many {
        not = !not;
    }
    assert_eq!(notes.filter(not).count(), 1);
    let shown = any.to_string();
    assert!(shown.starts_with("id = 0 or id = 2 or ") && shown.ends_with(" or id = 199998"));
    assert!(notes.filter(all).explain().to_string().contains("notes"));
}
