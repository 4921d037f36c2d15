//! When what could not be written is tried again.

mod common;

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use common::keeping::{Flaky, wait};
use common::within_seconds;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "notes")]
struct Note {
    #[bucket(key)]
    id: u32,
}

fn open(persistence: Persistence) -> (Store, BucketHandle<Note>) {
    let store = wait(Store::builder().bucket::<Note>().persistence(persistence).start()).expect("starts");
    let notes = store.bucket().expect("defined");
    (store, notes)
}

#[test]
fn a_flush_does_not_wait_for_the_pause_between_two_tries() {
    // The pauses alone, of up to five seconds each, would take longer.
    within_seconds(30, || {
        let flaky = Flaky::default();
        let (failed, failures) = mpsc::channel();
        let persistence =
            Persistence::new(flaky.clone()).debounce(Duration::from_millis(1)).on_error(move |_| {
                let _ = failed.send(());
                // Whoever flushes now comes after this try, and before the pause.
                std::thread::sleep(Duration::from_millis(5));
            });
        let (store, notes) = open(persistence);
        flaky.fails.store(true, Ordering::SeqCst);
        notes.insert(Note { id: 1 }).expect("good in memory");
        for _ in 0..20 {
            failures.recv().expect("it fails");
            wait(store.flush()).expect_err("it fails again");
        }
        flaky.fails.store(false, Ordering::SeqCst);
        wait(store.flush()).expect("it is mended");
        assert_eq!(store.durable_version(), store.snapshot().version());

        flaky.fails.store(true, Ordering::SeqCst);
        notes.insert(Note { id: 2 }).expect("good in memory");
        for _ in 0..20 {
            wait(store.flush()).expect_err("it fails");
        }
        flaky.fails.store(false, Ordering::SeqCst);
        wait(store.stop()).expect("a stop does not wait either");
        let (_, notes) = open(Persistence::new(flaky));
        assert_eq!(notes.count(), 2);
    });
}

#[test]
fn commits_do_not_have_a_snapshot_tried_again_that_has_just_failed() {
    let flaky = Flaky::default();
    let (store, notes) = open(Persistence::new(flaky.clone()).durability(Durability::Immediate));
    let before = flaky.snapshots_tried.load(Ordering::SeqCst);
    flaky.no_snapshots.store(true, Ordering::SeqCst);
    for id in 0..200 {
        notes.insert(Note { id }).expect("a snapshot is nothing to a commit");
        std::thread::sleep(Duration::from_micros(100));
    }
    let tried = flaky.snapshots_tried.load(Ordering::SeqCst) - before;
    // One in five seconds: more than a few would be a try for each commit.
    assert!((1..20).contains(&tried), "{tried}");
    assert_eq!(store.durable_version(), store.snapshot().version());
    wait(store.stop()).expect("all is in the log");
}
