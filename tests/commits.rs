//! The log of commits: each write as a value, in order, each once.

mod common;

use std::sync::Arc;
use std::thread;

use common::{Fixed, start, store_of};
use noex_store::CommitReader;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "tasks")]
struct Task {
    #[bucket(key)]
    id: u32,
    #[bucket(unique)]
    slug: String,
    #[bucket(index, max = 9, default)]
    level: u8,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "marks")]
struct Mark {
    #[bucket(key)]
    id: u32,
}

fn task(id: u32) -> Task {
    Task { id, slug: format!("task-{id}"), level: 0 }
}

/// A store, its tasks, and a reader of the commits from here on.
fn tasks() -> (Store, BucketHandle<Task>, CommitReader) {
    let (store, tasks) = store_of::<Task>();
    let reader = store.commits().after(store.snapshot().version());
    (store, tasks, reader)
}

#[track_caller]
fn next(reader: &mut CommitReader) -> Arc<Commit> {
    reader.try_next().expect("nothing was missed").expect("there is a commit")
}

#[track_caller]
fn is_at_the_end(reader: &mut CommitReader) {
    assert!(matches!(reader.try_next(), Ok(None)), "no commit more");
}

/// A change in brief: what it is, and the values before and after.
fn brief(commit: &Commit) -> Vec<(&'static str, Option<Task>, Option<Task>)> {
    let value = |record: Option<&Record<Task>>| record.map(|record| record.value().clone());
    commit
        .changes::<Task>()
        .iter()
        .map(|change| {
            let kind = match change {
                Change::Inserted(_) => "inserted",
                Change::Updated { .. } => "updated",
                Change::Deleted { .. } => "deleted",
            };
            (kind, value(change.old()), value(change.new()))
        })
        .collect()
}

#[test]
fn versions_grow_by_one_with_each_commit() {
    let (store, tasks, mut reader) = tasks();
    let start = store.snapshot().version().get();
    for id in 0..50 {
        tasks.insert(task(id)).expect("good");
        let _ = tasks.insert(task(id));
    }
    for step in 1..=50 {
        assert_eq!(next(&mut reader).version().get(), start + step);
    }
    is_at_the_end(&mut reader);
    assert_eq!(store.commits().latest(), store.snapshot().version());
}

#[test]
fn each_definition_is_a_commit_without_changes() {
    let store = start(Store::builder().bucket::<Task>().bucket::<Mark>());
    let mut reader = store.commits().after(Version::default());
    store.drop_bucket::<Mark>().expect("defined");
    store.define_bucket::<Mark>().expect("dropped");
    for version in 1..=4 {
        let commit = next(&mut reader);
        assert_eq!((commit.version().get(), commit.len(), commit.is_empty()), (version, 0, true));
        assert_eq!(commit.buckets().count(), 0);
        assert!(commit.changes::<Mark>().is_empty());
    }
    is_at_the_end(&mut reader);
}

#[test]
fn an_insert_is_a_change_from_nothing() {
    let (_store, tasks, mut reader) = tasks();
    let record = tasks.insert(task(1)).expect("good");
    let commit = next(&mut reader);
    assert_eq!(brief(&commit), [("inserted", None, Some(task(1)))]);
    assert_eq!(commit.changes::<Task>()[0].new(), Some(&record));
    assert_eq!((commit.len(), commit.buckets().collect::<Vec<_>>()), (1, vec![("tasks", 1)]));
    assert!(commit.changes::<Mark>().is_empty(), "nothing of another bucket");
}

#[test]
fn an_update_has_both_states() {
    let (_store, tasks, mut reader) = tasks();
    tasks.insert(task(1)).expect("good");
    tasks.update(&1, Task::patch().level(5)).expect("there");
    tasks.modify(&1, |task| task.level = 6).expect("there");
    tasks.upsert(Task { level: 7, ..task(1) }).expect("there");
    next(&mut reader);
    let at = |level| Some(Task { level, ..task(1) });
    assert_eq!(brief(&next(&mut reader)), [("updated", at(0), at(5))]);
    assert_eq!(brief(&next(&mut reader)), [("updated", at(5), at(6))]);
    let commit = next(&mut reader);
    assert_eq!(brief(&commit), [("updated", at(6), at(7))]);
    let Change::Updated { old, new } = &commit.changes::<Task>()[0] else { panic!("an update") };
    assert_eq!((old.version(), new.version()), (3, 4));
}

#[test]
fn an_upsert_of_what_is_not_there_is_an_insert() {
    let (_store, tasks, mut reader) = tasks();
    tasks.upsert(task(1)).expect("good");
    assert_eq!(brief(&next(&mut reader)), [("inserted", None, Some(task(1)))]);
}

#[test]
fn a_delete_has_the_last_state() {
    let (_store, tasks, mut reader) = tasks();
    tasks.insert(task(1)).expect("good");
    tasks.delete(&1).expect("good");
    next(&mut reader);
    assert_eq!(brief(&next(&mut reader)), [("deleted", Some(task(1)), None)]);
}

#[test]
fn a_batch_is_one_commit_in_the_order_of_its_rows() {
    let (_store, tasks, mut reader) = tasks();
    tasks.insert_many([3, 1, 2].map(task)).expect("good");
    let commit = next(&mut reader);
    assert_eq!(brief(&commit), [3, 1, 2].map(|id| ("inserted", None, Some(task(id)))));
    assert_eq!((commit.len(), commit.buckets().collect::<Vec<_>>()), (3, vec![("tasks", 3)]));
    tasks.update_many([(2, Task::patch().level(2)), (1, Task::patch().level(1))]).expect("there");
    let ids: Vec<u32> =
        next(&mut reader).changes::<Task>().iter().filter_map(|change| Some(change.new()?.id)).collect();
    assert_eq!(ids, [2, 1]);
    tasks.update_where(Task::LEVEL.ge(1), Task::patch().level(9)).expect("good");
    assert_eq!(next(&mut reader).len(), 2);
    tasks.delete_many([1, 3]).expect("good");
    assert_eq!(brief(&next(&mut reader)).len(), 2);
    tasks.delete_where(Filter::all()).expect("good");
    assert_eq!(next(&mut reader).len(), 1);
    is_at_the_end(&mut reader);
}

#[test]
fn clear_is_one_commit_with_every_record() {
    let (_store, tasks, mut reader) = tasks();
    tasks.insert_many((0..5).map(task)).expect("good");
    tasks.clear().expect("good");
    next(&mut reader);
    assert_eq!(brief(&next(&mut reader)), [0, 1, 2, 3, 4].map(|id| ("deleted", Some(task(id)), None)));
}

#[test]
fn a_key_that_comes_twice_in_a_batch_has_one_change_and_one_version_more() {
    let (_store, tasks, mut reader) = tasks();
    tasks.insert(task(1)).expect("good");
    let patches = [(1, Task::patch().level(2)), (1, Task::patch().slug("last"))];
    let updated = tasks.update_many(patches).expect("there");
    next(&mut reader);
    let last = Task { level: 2, slug: "last".to_owned(), ..task(1) };
    assert_eq!(brief(&next(&mut reader)), [("updated", Some(task(1)), Some(last.clone()))]);
    // Both rows of the batch are answered with the record that is there now.
    assert!(updated.iter().all(|record| record.version() == 2 && **record == last), "{updated:?}");
}

#[test]
fn what_changes_nothing_makes_no_commit() {
    let (store, tasks, mut reader) = tasks();
    tasks.insert_many([1, 2].map(task)).expect("good");
    next(&mut reader);
    tasks.update(&1, Task::patch()).expect("an empty patch");
    tasks.update_many([(1, Task::patch())]).expect("an empty patch");
    tasks.update_where(Filter::all(), Task::patch()).expect("an empty patch");
    tasks.update_many(Vec::<(u32, TaskPatch)>::new()).expect("none");
    tasks.insert_many(Vec::<Task>::new()).expect("none");
    tasks.delete(&9).expect("not there");
    tasks.delete_many([8, 9]).expect("not there");
    tasks.delete_where(Task::LEVEL.eq(5)).expect("finds nothing");
    tasks.update_where(Task::LEVEL.eq(5), Task::patch().level(6)).expect("finds nothing");
    let marks = store.define_bucket::<Mark>().expect("new");
    assert!(next(&mut reader).is_empty());
    marks.clear().expect("empty already");
    is_at_the_end(&mut reader);
}

#[test]
fn what_fails_makes_no_commit() {
    let (store, tasks, mut reader) = tasks();
    tasks.insert_many([1, 2].map(task)).expect("good");
    next(&mut reader);
    let taken = Task { id: 3, ..task(1) };
    assert!(tasks.insert(task(1)).is_err());
    assert!(tasks.insert(taken.clone()).is_err());
    assert!(tasks.insert_many([task(5), taken]).is_err());
    assert!(tasks.update(&1, Task::patch().level(10)).is_err());
    assert!(tasks.update_many([(1, Task::patch().level(1)), (9, Task::patch().level(1))]).is_err());
    assert!(tasks.update_where(Filter::all(), Task::patch().slug("one")).is_err());
    assert!(tasks.modify(&1, |_| panic!("no")).is_err());
    assert!(store.define_bucket::<Task>().is_err());
    is_at_the_end(&mut reader);
    assert_eq!(store.commits().latest(), store.snapshot().version());
}

#[test]
fn a_commit_has_the_time_of_its_records() {
    let clock = Fixed::at(7_000);
    let store = start(Store::builder().bucket::<Task>().clock(clock.clone()));
    let tasks = store.bucket::<Task>().expect("defined");
    let mut reader = store.commits().after(store.snapshot().version());
    tasks.insert(task(1)).expect("good");
    clock.set(6_000);
    tasks.insert(task(2)).expect("good");
    clock.set(8_000);
    tasks.insert(task(3)).expect("good");
    let times: Vec<u64> = (0..3).map(|_| next(&mut reader).time()).collect();
    assert_eq!(times, [7_000, 7_000, 8_000], "never less than the one before");
    assert_eq!(tasks.all().iter().map(|task| task.created_at()).collect::<Vec<_>>(), times);
}

// Readers.

#[test]
fn every_reader_sees_every_commit_once() {
    let (store, tasks, mut early) = tasks();
    let version = store.snapshot().version();
    tasks.insert(task(1)).expect("good");
    let mut late = store.commits().after(version);
    let mut later = store.commits().after(store.snapshot().version());
    is_at_the_end(&mut later);
    let mut copy = early.clone();
    tasks.insert(task(2)).expect("good");
    let ids = |reader: &mut CommitReader| {
        let mut ids = Vec::new();
        while let Ok(Some(commit)) = reader.try_next() {
            ids.extend(commit.changes::<Task>().iter().filter_map(|change| Some(change.new()?.id)));
        }
        ids
    };
    assert_eq!(
        (ids(&mut early), ids(&mut late), ids(&mut later), ids(&mut copy)),
        (vec![1, 2], vec![1, 2], vec![2], vec![1, 2])
    );
    is_at_the_end(&mut early);
}

#[test]
fn a_reader_from_the_future_waits_for_its_commit() {
    let (store, tasks, _) = tasks();
    tasks.insert(task(1)).expect("good");
    let version = store.snapshot().version();
    tasks.delete(&1).expect("good");
    let mut ahead = store.commits().after(store.snapshot().version());
    is_at_the_end(&mut ahead);
    tasks.insert(task(2)).expect("good");
    assert_eq!(next(&mut ahead).version().get(), version.get() + 2);
}

#[test]
fn a_commit_is_in_the_log_before_it_is_seen() {
    let (store, tasks, _) = tasks();
    let log = store.commits();
    let writer = thread::spawn(move || (0..5_000).for_each(|id| drop(tasks.insert(task(id)).expect("good"))));
    while !writer.is_finished() {
        let seen = store.snapshot().version();
        assert!(log.latest() >= seen, "what is in a snapshot is in the log");
    }
    writer.join().expect("no panic");
}

#[test]
fn replaying_the_log_gives_the_records() {
    let (_store, tasks, mut reader) = tasks();
    let mut copy = std::collections::BTreeMap::new();
    for round in 0..20_u32 {
        tasks.insert_many((round * 10..round * 10 + 10).map(task)).expect("good");
        tasks.update_where(Task::ID.lt(round * 5), Task::patch().level((round % 9) as u8)).expect("good");
        tasks.delete(&(round * 7)).expect("good");
    }
    while let Some(commit) = reader.try_next().expect("nothing was missed") {
        for change in commit.changes::<Task>() {
            let old = change.old().map(|old| old.value().clone());
            let key = change.old().or(change.new()).map(|record| record.id).expect("one of the two");
            assert_eq!(copy.get(&key).cloned(), old, "each change starts from where the one before ended");
            match change.new() {
                Some(new) => copy.insert(key, new.value().clone()),
                None => copy.remove(&key),
            };
        }
    }
    let records: Vec<Task> =
        tasks.order_by(Task::ID.asc()).collect().iter().map(|task| task.value().clone()).collect();
    assert_eq!(copy.into_values().collect::<Vec<_>>(), records);
}

// Bounds.

/// A store whose log keeps so many changes.
fn bounded(changes: usize) -> (Store, BucketHandle<Task>, CommitReader) {
    let store = start(Store::builder().bucket::<Task>().commit_log_capacity(changes));
    let tasks = store.bucket::<Task>().expect("defined");
    let reader = store.commits().after(store.snapshot().version());
    (store, tasks, reader)
}

#[test]
fn a_reader_that_falls_behind_is_told_once_and_goes_on() {
    let (_store, tasks, mut reader) = bounded(4);
    for id in 0..10 {
        tasks.insert(task(id)).expect("good");
    }
    assert_eq!(reader.try_next().map(|_| ()), Err(6));
    for id in 6..10 {
        assert_eq!(brief(&next(&mut reader)), [("inserted", None, Some(task(id)))]);
    }
    is_at_the_end(&mut reader);
    tasks.insert(task(10)).expect("good");
    assert_eq!(brief(&next(&mut reader)).len(), 1);
}

#[test]
fn a_reader_that_keeps_up_misses_nothing() {
    let (_store, tasks, mut reader) = bounded(1);
    for id in 0..10 {
        tasks.insert(task(id)).expect("good");
        assert_eq!(brief(&next(&mut reader)), [("inserted", None, Some(task(id)))]);
    }
}

#[test]
fn the_log_is_bounded_by_changes_not_by_commits() {
    let (store, tasks, mut reader) = bounded(10);
    let all = store.commits();
    tasks.insert_many((0..4).map(task)).expect("good");
    tasks.insert_many((4..8).map(task)).expect("good");
    assert_eq!((next(&mut reader).len(), next(&mut reader).len()), (4, 4), "eight changes fit");
    tasks.insert_many((8..12).map(task)).expect("good");
    let mut late = all.after(Version::default());
    assert_eq!(late.try_next().map(|_| ()), Err(2), "the definition and the first batch are gone");
    assert_eq!((next(&mut late).len(), next(&mut late).len()), (4, 4));
}

#[test]
fn the_latest_commit_is_kept_however_big_it_is() {
    for capacity in [0, 1, 10] {
        let (_store, tasks, mut reader) = bounded(capacity);
        tasks.insert_many((0..100).map(task)).expect("good");
        assert_eq!(next(&mut reader).len(), 100, "with a capacity of {capacity}");
        tasks.insert(task(100)).expect("good");
        assert_eq!(next(&mut reader).len(), 1);
        is_at_the_end(&mut reader);
    }
}

#[test]
fn commits_without_changes_count_too() {
    let (store, tasks, mut reader) = bounded(3);
    tasks.insert(task(1)).expect("good");
    for _ in 0..5 {
        store.define_bucket::<Mark>().expect("not there");
        store.drop_bucket::<Mark>().expect("there");
    }
    assert_eq!(reader.try_next().map(|_| ()), Err(8));
    assert!((0..3).all(|_| next(&mut reader).is_empty()));
    is_at_the_end(&mut reader);
}

#[test]
fn a_commit_that_is_held_outlives_the_log() {
    let (_store, tasks, mut reader) = bounded(1);
    tasks.insert(task(1)).expect("good");
    let held = next(&mut reader);
    for id in 2..50 {
        tasks.insert(task(id)).expect("good");
    }
    tasks.clear().expect("good");
    assert_eq!(brief(&held), [("inserted", None, Some(task(1)))]);
}
