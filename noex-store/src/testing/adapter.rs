//! The conformance suite of [`StorageAdapter`]: what a store relies on, case by case.

use std::fmt;

use super::storage::{
    Outcome, Parts, Random, Storage, changed, defined, delete, dropped, put, record, said, wait,
};
use crate::engine::{StoredChange, StoredChanges, StoredCommit};
use crate::error::Error;
use crate::persist::{Image, LoadSink, StorageAdapter};

/// A case that an adapter does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the adapter should do.
    pub case: &'static str,
    /// What it did.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.reason)
    }
}

impl std::error::Error for Failure {}

/// Has an adapter do all that a store relies on; the first case that it does not pass is the error. It blocks: in an async test, call it
/// from a runtime with several threads, if the adapter needs one.
///
/// `open` opens the storage of a name, which is there as long as the suite runs. The first time it is empty; when it is opened
/// again, after the adapter was closed or dropped, what was kept must be there.
///
/// It does not stop the machine in the middle of a write: whether what is acknowledged survives that, an adapter must show by
/// other means.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use noex_store::{MemoryAdapter, testing};
///
/// let storages: Mutex<HashMap<String, MemoryAdapter>> = Mutex::default();
/// testing::adapter::check(|name| {
///     Ok(storages.lock().unwrap().entry(name.to_owned()).or_default().clone())
/// })?;
/// # Ok::<(), testing::adapter::Failure>(())
/// ```
///
/// # Errors
/// The first case that fails.
pub fn check<A: StorageAdapter>(open: impl Fn(&str) -> Result<A, Error> + Sync) -> Result<(), Failure> {
    for (number, (case, run)) in cases::<A>().into_iter().enumerate() {
        let storage = Storage { open: &open, name: format!("case-{number}") };
        run(&storage).map_err(|reason| Failure { case, reason })?;
    }
    Ok(())
}

type Case<A> = (&'static str, fn(&Storage<'_, A>) -> Outcome);

fn cases<A: StorageAdapter>() -> Vec<Case<A>> {
    vec![
        ("what is new is empty, and stays so when it is opened again", empty),
        ("what was appended is there after `close`", reopened),
        ("what was appended is there when the adapter was dropped without `close`", dropped_adapter),
        ("nobody else can use it while it is open", locked),
        ("commits that it has already are passed over", repeated),
        ("a commit without changes counts", without_changes),
        ("records are in the order of insertion", order),
        ("all of a record, a schema and the counters is kept", whole),
        ("buckets whose names differ in their case, or are words of a language, are kept apart", names),
        ("what is dropped is gone, and defined again it is empty", drops),
        ("texts of any length and content are kept", texts),
        ("a snapshot takes the place of what was before it", snapshots),
        ("a snapshot of an earlier commit takes nothing away from what came after", earlier_snapshot),
        ("a snapshot may be ahead of the commits", snapshot_ahead),
        ("a snapshot of the same commit may have other records", snapshot_in_place),
        ("a snapshot that fails changes nothing", failed_snapshot),
        ("commits can be appended while a snapshot is written", beside),
        ("any sequence of all that is there again", random),
    ]
}

fn empty<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    storage.fresh()?.again(storage)?.again(storage).map(drop)
}

fn some<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome<super::storage::Opened<A>> {
    let mut opened = storage.fresh()?;
    opened.commit(vec![defined("a"), defined("b")])?;
    for number in 0..20 {
        let (key, value) = (number.to_string(), format!("{{\"n\":{number}}}"));
        opened.commit(vec![changed("a", vec![put(&key, &value)]), changed("b", vec![put(&key, &value)])])?;
    }
    opened.commit(vec![changed("a", vec![delete("3"), delete("17")])])?;
    Ok(opened)
}

fn reopened<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = some(storage)?.again(storage)?;
    opened.commit(vec![changed("a", vec![put("3", "{}"), put("4", "{}"), delete("5")])])?;
    opened.again(storage)?.again(storage).map(drop)
}

fn dropped_adapter<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let super::storage::Opened { adapter, image } = some(storage)?;
    drop(adapter);
    storage.expecting(&image).map(drop)
}

fn locked<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let opened = some(storage)?;
    let second = (storage.open)(&storage.name).and_then(|adapter| wait(adapter.load(&mut Image::default())));
    if second.is_ok() {
        return Err("it was opened and read a second time".to_owned());
    }
    opened.again(storage).map(drop)
}

fn repeated<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = some(storage)?;
    let first = opened.next(vec![changed("a", vec![put("x", "1")])]);
    opened.append(vec![first.clone()])?;
    let second = opened.next(vec![changed("a", vec![put("x", "2"), delete("1")])]);
    opened.append(vec![second.clone()])?;
    let third = opened.next(vec![changed("a", vec![put("1", "3")])]);
    for commits in
        [vec![first.clone()], vec![first.clone(), second.clone()], vec![first, second, third.clone()]]
    {
        wait(opened.adapter.append(&commits)).map_err(said("`append` failed"))?;
    }
    opened.image.commit(third).map_err(said("the suite"))?;
    wait(opened.adapter.append(&[])).map_err(said("`append` of nothing failed"))?;
    opened.again(storage).map(drop)
}

fn without_changes<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = storage.fresh()?;
    opened.commit(Vec::new())?;
    let mut opened = opened.again(storage)?;
    opened.commit(vec![changed("a", Vec::new())])?;
    opened.commit(Vec::new())?;
    opened.again(storage).map(drop)
}

fn order<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = storage.fresh()?;
    opened.commit(vec![changed(
        "a",
        vec![put("9", "1"), put("10", "1"), put("\"z\"", "1"), put("\"a\"", "1")],
    )])?;
    // An update keeps its place; what was deleted comes last, also within a commit.
    opened.commit(vec![changed("a", vec![put("10", "2"), delete("9"), put("9", "2")])])?;
    opened.commit(vec![changed(
        "a",
        vec![delete("\"a\""), put("\"0\"", "3"), put("\"a\"", "3"), put("10", "3")],
    )])?;
    let opened = opened.again(storage)?;
    opened.snapshot(&opened.image)?;
    opened.again(storage).map(drop)
}

fn whole<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = storage.fresh()?;
    let most = i64::MAX as u64;
    let mut first = record("1", "{\"a\":1}");
    (first.version, first.created_at, first.updated_at, first.expires_at) = (most, 0, most, Some(most));
    let mut second = record("2", "{\"a\":2}");
    second.expires_at = Some(1);
    let changes = vec![StoredChange::Put(first), StoredChange::Put(second)];
    let counters = vec![("id".to_owned(), u64::MAX), ("zähler".to_owned(), 0)];
    opened.commit(vec![
        defined("a"),
        StoredChanges::Defined { bucket: "without".to_owned(), schema: None },
        StoredChanges::Changed { bucket: "a".to_owned(), counters: counters.clone(), changes },
    ])?;
    let mut opened = opened.again(storage)?;
    let mut again = record("2", "{\"a\":3}");
    again.version = 2;
    let changes = vec![StoredChange::Put(again)];
    opened.commit(vec![
        StoredChanges::Changed { bucket: "a".to_owned(), counters, changes },
        // A schema may change without any record.
        StoredChanges::Defined { bucket: "a".to_owned(), schema: None },
    ])?;
    let opened = opened.again(storage)?;
    opened.snapshot(&opened.image)?;
    opened.again(storage).map(drop)
}

fn names<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    const NAMES: [&str; 14] = [
        "users",
        "Users",
        "USERS",
        "users_2",
        "select",
        "table",
        "sqlite_master",
        "noex_store",
        "-",
        "_",
        "con",
        "0",
        "a-b",
        "a_b",
    ];
    let mut opened = storage.fresh()?;
    for name in NAMES {
        opened.commit(vec![defined(name), changed(name, vec![put("\"name\"", &format!("\"{name}\""))])])?;
    }
    let mut opened = opened.again(storage)?;
    opened.commit(vec![dropped("Users"), changed("users", vec![put("1", "1")])])?;
    let opened = opened.again(storage)?;
    opened.snapshot(&opened.image)?;
    opened.again(storage).map(drop)
}

fn drops<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = some(storage)?;
    opened.commit(vec![dropped("a")])?;
    let mut opened = opened.again(storage)?;
    opened.commit(vec![defined("a"), changed("a", vec![put("1", "\"new\"")])])?;
    opened.commit(vec![dropped("b"), defined("b"), dropped("b")])?;
    let opened = opened.again(storage)?;
    opened.snapshot(&opened.image)?;
    let mut opened = opened.again(storage)?;
    opened.commit(vec![defined("b"), dropped("a")])?;
    opened.again(storage).map(drop)
}

fn texts<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = storage.fresh()?;
    let long = format!("\"{}\"", "löng ".repeat(300_000));
    let odd = ["\"\"", "\"'\"", "\"\\u0000\"", "\"a\\nb\\\"c\"", "\"😀 %_\"", "[1,[2,\"x\"]]", "null"];
    opened.commit(vec![changed("a", odd.iter().map(|text| put(text, text)).collect())])?;
    opened.commit(vec![changed("a", vec![put(&long[..2002], &long[..2002]), put("7", &long)])])?;
    let many = |value: &str| (0..3000).map(|number| put(&number.to_string(), value)).collect();
    opened.commit(vec![changed("b", many("{\"x\":1}"))])?;
    opened.commit(vec![changed("b", many("{\"x\":2}"))])?;
    let opened = opened.again(storage)?;
    opened.snapshot(&opened.image)?;
    opened.again(storage).map(drop)
}

fn snapshots<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = some(storage)?;
    opened.snapshot(&opened.image)?;
    opened.commit(vec![changed("a", vec![put("new", "1"), delete("1")])])?;
    let mut opened = opened.again(storage)?;
    // One that is not followed by `truncate`.
    wait(opened.adapter.write_snapshot(&mut Parts::of(&opened.image)))
        .map_err(said("`write_snapshot` failed"))?;
    opened.commit(vec![changed("a", vec![put("newer", "1"), delete("new")])])?;
    let mut opened = opened.again(storage)?;
    opened.snapshot(&opened.image)?;
    opened.snapshot(&opened.image)?;
    let _ = opened.adapter.wants_snapshot();
    opened.commit(vec![dropped("b")])?;
    opened.again(storage)?.again(storage).map(drop)
}

fn earlier_snapshot<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = some(storage)?;
    let earlier = opened.image.copy();
    opened.commit(vec![changed("a", vec![delete("1"), put("later", "1")]), dropped("b")])?;
    opened.snapshot(&earlier)?;
    opened.commit(vec![defined("b")])?;
    opened.again(storage).map(drop)
}

fn snapshot_ahead<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = some(storage)?;
    for number in 0..5 {
        // The store has them, and could not have them appended.
        let commit =
            opened.next(vec![changed("a", vec![put(&format!("missed {number}"), "1"), delete("1")])]);
        opened.image.commit(commit).map_err(said("the suite"))?;
    }
    opened.snapshot(&opened.image)?;
    opened.commit(vec![changed("a", vec![put("later", "1")])])?;
    opened.again(storage).map(drop)
}

fn snapshot_in_place<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = some(storage)?;
    opened.snapshot(&opened.image)?;
    let mut other = Image::default();
    (other.version, other.time) = (opened.image.version, opened.image.time);
    if let Some(bucket) = opened.image.buckets.remove("a") {
        other.buckets.insert("renamed".to_owned(), bucket);
    }
    opened.snapshot(&other)?;
    opened.image = other;
    let mut opened = opened.again(storage)?;
    opened.commit(vec![changed("renamed", vec![put("later", "1")])])?;
    opened.again(storage).map(drop)
}

fn failed_snapshot<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = some(storage)?;
    for after in [0, 1, 2, 4] {
        let mut parts = Parts::of(&opened.image);
        parts.fails_after = Some(after);
        if wait(opened.adapter.write_snapshot(&mut parts)).is_ok() {
            return Err(format!("a source that failed after {after} parts was taken for a whole one"));
        }
        opened.commit(vec![changed("a", vec![put("more", &after.to_string())])])?;
        opened = opened.again(storage)?;
    }
    Ok(())
}

fn beside<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    let mut opened = some(storage)?;
    let mut later = opened.image.copy();
    let mut commits: Vec<StoredCommit> = Vec::new();
    for number in 0..200_u64 {
        let version = later.version.next();
        let buckets = vec![changed("a", vec![put(&(number % 40).to_string(), &number.to_string())])];
        commits.push(StoredCommit { version, time: 1_000 + version.get(), buckets });
        later.commit(commits[number as usize].clone()).map_err(said("the suite"))?;
    }
    let (adapter, image) = (&opened.adapter, &opened.image);
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            commits.iter().try_for_each(|commit| wait(adapter.append(std::slice::from_ref(commit))))
        });
        for _ in 0..10 {
            wait(adapter.write_snapshot(&mut Parts::of(image))).map_err(said("`write_snapshot` failed"))?;
        }
        let appended = appending.join().map_err(|_| "`append` panicked".to_owned())?;
        appended.map_err(said("`append` failed beside a snapshot"))
    })?;
    opened.image = later;
    opened.again(storage).map(drop)
}

fn random<A: StorageAdapter>(storage: &Storage<'_, A>) -> Outcome {
    for seed in 0..6 {
        let own = Storage { open: storage.open, name: format!("{}-{seed}", storage.name) };
        let mut random = Random(seed);
        let mut opened = own.fresh()?;
        for _ in 0..80 {
            let context = |reason: String| format!("seed {seed}: {reason}");
            match random.below(12) {
                0 => opened = opened.again(&own).map_err(context)?,
                1 => opened.snapshot(&opened.image).map_err(context)?,
                _ => {
                    let commits = 1 + random.below(3);
                    let mut later = opened.image.copy();
                    let mut batch = Vec::new();
                    for _ in 0..commits {
                        let version = later.version.next();
                        let commit = StoredCommit {
                            version,
                            time: version.get(),
                            buckets: random_changes(&mut random),
                        };
                        later.commit(commit.clone()).map_err(said("the suite"))?;
                        batch.push(commit);
                    }
                    opened.append(batch).map_err(context)?;
                }
            }
        }
        opened.again(&own).map_err(|reason| format!("seed {seed}: {reason}"))?;
    }
    Ok(())
}

fn random_changes(random: &mut Random) -> Vec<StoredChanges> {
    let mut all = Vec::new();
    for bucket in ["a", "b", "A"] {
        match random.below(14) {
            0 => all.push(dropped(bucket)),
            1 => all.push(defined(bucket)),
            2..8 => {
                let change = |random: &mut Random| {
                    let key = random.below(15).to_string();
                    match random.below(3) {
                        0 => delete(&key),
                        _ => put(&key, &"v".repeat(random.below(200) as usize)),
                    }
                };
                all.push(changed(bucket, (0..random.below(5)).map(|_| change(random)).collect()));
            }
            _ => {}
        }
    }
    all
}
