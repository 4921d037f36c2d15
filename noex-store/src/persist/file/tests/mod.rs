//! Crash images: for random workloads the machine is stopped at any operation, any part of what was not synced is kept, and
//! what is read then must be the state after some commit, with all that was durable: also after a crash within that reading.
//!
//! `NOEX_CRASH_IMAGES=1000000 cargo test --release -p noex-store crash_images` looks at so many.

mod decoders;
mod disk;
mod formats;
mod salvage;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use disk::{CrashDisk, Lie};

use super::disk::Disk;
use super::{FORMAT, FileAdapter, Sizes, frame};
use crate::engine::tests::Random;
use crate::engine::{
    StoredChange, StoredChanges, StoredCommit, StoredField, StoredRecord, StoredSchema, Version,
};
use crate::error::Error;
use crate::persist::adapter::{LoadSink, SnapshotPart, SnapshotSource, StorageAdapter};
use crate::persist::image::Image;
use crate::service::Parker;

/// Small, so that segments end and snapshots are written all the time.
const SIZES: Sizes = Sizes { segment: 1500, small: 3000, room: 700 };

fn now<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    Arc::new(Parker::default()).block_on(future, None, || false).unwrap_or(Err(Error::Stopped))
}

/// The buckets, with their schemas, and with their records in order.
type Contents = Vec<(String, Option<StoredSchema>, Vec<(String, String)>)>;

fn contents(image: &Image) -> Contents {
    let buckets = image.buckets.iter().map(|(name, bucket)| {
        let records = bucket.clone().into_records();
        (name.clone(), bucket.schema.clone(), records.map(|record| (record.key, record.value)).collect())
    });
    buckets.collect()
}

fn record(random: &mut Random) -> StoredRecord {
    let value = "v".repeat(random.below(90) * random.below(8)) + &random.below(1000).to_string();
    let key = random.below(12).to_string();
    StoredRecord { key, value, version: 1, created_at: 5, updated_at: 5, expires_at: None }
}

fn schema(random: &mut Random) -> Option<StoredSchema> {
    let field = |number: usize| StoredField {
        name: format!("f{number}"),
        kind: "number".to_owned(),
        rust_type: "u64".to_owned(),
    };
    let fields = (0..random.below(4)).map(field).collect();
    (random.below(4) > 0).then(|| StoredSchema { version: random.below(3) as u32, fields })
}

fn commit(version: u64, random: &mut Random) -> StoredCommit {
    let mut buckets = Vec::new();
    for bucket in ["a", "b"] {
        let bucket = bucket.to_owned();
        match random.below(12) {
            0 => buckets.push(StoredChanges::Dropped { bucket }),
            1..=9 => {
                let changes = (0..random.below(4)).map(|_| match random.below(3) {
                    0 => StoredChange::Delete(random.below(12).to_string()),
                    _ => StoredChange::Put(record(random)),
                });
                let changes = changes.collect();
                buckets.push(StoredChanges::Changed { bucket, counters: Vec::new(), changes });
            }
            10 => buckets.push(StoredChanges::Defined { bucket, schema: schema(random) }),
            _ => {}
        }
    }
    StoredCommit { version: Version(version), time: version, buckets }
}

/// The same with other values.
fn converted(image: &Image) -> Image {
    let mut new = Image::default();
    new.snapshot(image.version, image.time);
    for (name, bucket) in &image.buckets {
        let (schema, counters) = (bucket.schema.clone(), bucket.counters.clone());
        new.part(SnapshotPart::Begin { name: name.clone(), schema, counters }).expect("a bucket");
        let change = |record: StoredRecord| StoredRecord { value: format!("new {}", record.value), ..record };
        let records = bucket.clone().into_records().map(change).collect();
        new.part(SnapshotPart::Records(records)).expect("of the bucket");
    }
    new
}

/// A state as a snapshot.
struct Source {
    version: Version,
    parts: std::vec::IntoIter<SnapshotPart>,
}

impl Source {
    fn of(image: &Image) -> Self {
        let mut parts = Vec::new();
        for (name, bucket) in &image.buckets {
            let (schema, counters) = (bucket.schema.clone(), bucket.counters.clone());
            parts.push(SnapshotPart::Begin { name: name.clone(), schema, counters });
            let records: Vec<_> = bucket.clone().into_records().collect();
            parts.extend(records.chunks(3).map(|records| SnapshotPart::Records(records.to_vec())));
        }
        Self { version: image.version, parts: parts.into_iter() }
    }
}

impl SnapshotSource for Source {
    fn version(&self) -> Version {
        self.version
    }

    fn time(&self) -> u64 {
        self.version.get()
    }

    fn next_part(&mut self) -> Result<Option<SnapshotPart>, Error> {
        Ok(self.parts.next())
    }
}

/// What was given to the adapter, and what it has promised.
struct Run {
    image: Image,
    /// The contents after each version.
    states: Vec<Contents>,
    durable: u64,
    /// What may be there instead of the last state: a snapshot that should have taken its place, and of which nobody knows whether it has.
    instead: Option<Contents>,
}

impl Run {
    fn new() -> Self {
        let image = Image::default();
        Self { states: vec![contents(&image)], image, durable: 0, instead: None }
    }

    /// Has the adapter do random things, until it has crashed or there have been so many.
    fn work(&mut self, adapter: &FileAdapter, random: &mut Random, steps: usize) {
        for _ in 0..steps {
            if random.below(9) == 0 || adapter.wants_snapshot() {
                let _ = now(adapter.write_snapshot(&mut Source::of(&self.image)))
                    .and_then(|()| now(adapter.truncate(self.image.version)));
                continue;
            }
            if random.below(12) == 0 && self.image.version.get() > 0 {
                if !self.convert(adapter) {
                    return;
                }
                continue;
            }
            let first = self.image.version.get() + 1;
            let commits: Vec<_> =
                (first..=first + random.below(3) as u64).map(|v| commit(v, random)).collect();
            let mut next = self.states.clone();
            let mut image = std::mem::take(&mut self.image);
            for commit in &commits {
                image.commit(commit.clone()).expect("dense");
                next.push(contents(&image));
            }
            self.image = image;
            self.states = next;
            // One that fails is tried again, and then has all that is not durable.
            let mut tries = 0;
            while now(adapter.append(&commits)).is_err() {
                tries += 1;
                if tries == 5 {
                    return;
                }
            }
            self.durable = self.image.version.get();
        }
    }

    /// Has all records written anew, at the same version, as those of a struct that has changed; `false` if that failed.
    fn convert(&mut self, adapter: &FileAdapter) -> bool {
        let image = converted(&self.image);
        let new = contents(&image);
        if now(adapter.write_snapshot(&mut Source::of(&image))).is_err() {
            self.instead = Some(new);
            return false;
        }
        self.durable = image.version.get();
        self.states[self.durable as usize] = new;
        self.image = image;
        let _ = now(adapter.truncate(self.image.version));
        true
    }

    /// Reads what is there; what is wrong with it.
    fn check(&self, disk: &CrashDisk) -> Result<Image, String> {
        let adapter = open(disk).map_err(|error| error.to_string())?;
        let mut image = Image::default();
        now(adapter.load(&mut image)).map_err(|error| error.to_string())?;
        let version = image.version.get();
        if version < self.durable {
            return Err(format!("commit {} was durable, and {version} is the last", self.durable));
        }
        match self.states.get(version as usize) {
            Some(state) if *state == contents(&image) => Ok(image),
            Some(_) if version + 1 == self.states.len() as u64 && self.instead == Some(contents(&image)) => {
                Ok(image)
            }
            Some(_) => Err(format!("what is there is not what commit {version} left")),
            None => Err(format!("commit {version} never was")),
        }
    }
}

fn open(disk: &CrashDisk) -> Result<FileAdapter, Error> {
    FileAdapter::on(Arc::new(disk.clone()), PathBuf::from("data"), SIZES)
}

/// Looks at some images of one run; how many, or what was wrong.
fn images(seed: u64, each: usize, lie: Lie) -> Result<usize, String> {
    let mut random = Random::new(seed);
    let mut run = Run::new();
    // The first run is over after so many operations; on some disks operations fail before that, too.
    let fails = if random.below(3) == 0 { 20 } else { 0 };
    let disk = CrashDisk::new(1 + random.below(140) as u64, fails, seed, lie);
    let Ok(adapter) = open(&disk) else { return Ok(0) };
    if now(adapter.load(&mut Image::default())).is_ok() {
        run.work(&adapter, &mut random, 40);
    }
    let mut seen = 0;
    for _ in 0..each {
        // A crash while it is read, and then another reading.
        let again = disk.crashed(&mut random, random_limit(seed, seen));
        let _ = run.check(&again);
        let left = again.crashed(&mut random, u64::MAX);
        let image = run.check(&left).map_err(|reason| format!("seed {seed}, image {seen}: {reason}"))?;
        // It goes on from there.
        let mut states = run.states[..=image.version.get() as usize].to_vec();
        if let Some(last) = states.last_mut() {
            *last = contents(&image);
        }
        let mut next = Run { states, durable: 0, image, instead: None };
        let adapter = open(&left).map_err(|error| error.to_string())?;
        now(adapter.load(&mut Image::default())).map_err(|error| error.to_string())?;
        next.work(&adapter, &mut random, 3);
        next.check(&left).map_err(|reason| format!("seed {seed}, after image {seen}: {reason}"))?;
        seen += 1;
    }
    Ok(seen)
}

fn random_limit(seed: u64, number: usize) -> u64 {
    1 + (seed.wrapping_mul(31).wrapping_add(number as u64 * 7)) % 12
}

#[test]
fn crash_images_have_all_that_was_durable() {
    let wanted = std::env::var("NOEX_CRASH_IMAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000);
    let (mut seen, mut seed) = (0, 0);
    while seen < wanted {
        seen += images(seed, 20, Lie::None).unwrap_or_else(|reason| panic!("{reason}"));
        seed += 1;
    }
    println!("{seen} images of {seed} runs");
}

#[test]
fn a_sync_that_is_left_out_is_caught() {
    for lie in [Lie::Files, Lie::Folders] {
        let caught = (0..300).filter(|seed| images(*seed, 20, lie).is_err()).count();
        assert!(caught > 10, "{caught} of 300 runs");
    }
}

#[test]
fn the_runs_have_segments_and_snapshots() {
    let disk = CrashDisk::new(u64::MAX, 0, 7, Lie::None);
    let adapter = open(&disk).expect("a good disk");
    let mut run = Run::new();
    let mut random = Random::new(7);
    now(adapter.load(&mut run.image)).expect("empty");
    run.work(&adapter, &mut random, 200);
    assert!(run.durable > 150 && disk.operations() > 500);
    assert!(adapter.versions("snapshot-").expect("listed") > vec![Version(100)]);
    assert!(adapter.versions("log-").expect("listed").len() <= 6, "truncated");
    run.check(&disk).expect("all of it");
}

#[test]
fn what_another_format_has_written_is_left_alone() {
    let folder = std::path::Path::new("data");
    let head = |format: u32| {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, &(format, Version(0))).expect("small");
        bytes
    };
    // A later format; one with other frames; and what may be left of a segment whose beginning was cut off.
    let cases = [
        (head(FORMAT + 1), Some("its format is 3, and this version reads those up to 2")),
        (b"something else ".repeat(20), Some("damaged at byte 0")),
        (head(FORMAT)[..9].to_vec(), None),
        (head(FORMAT), None),
    ];
    for (bytes, expected) in cases {
        let disk = CrashDisk::new(u64::MAX, 0, 1, Lie::None);
        let path = folder.join("log-00000000000000000000");
        disk.create(&path).and_then(|mut file| file.write_at(0, &bytes)).expect("written");
        let loaded = open(&disk).and_then(|adapter| now(adapter.load(&mut Image::default())));
        match (loaded, expected) {
            (Ok(()), None) => {}
            (Err(error), Some(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
                let mut left = Vec::new();
                disk.read(&path).and_then(|mut file| file.read_to_end(&mut left)).expect("there");
                assert_eq!(left, bytes, "as it was");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_commit_that_is_missing_is_told_and_nothing_is_cut() {
    let disk = CrashDisk::new(u64::MAX, 0, 1, Lie::None);
    let adapter = open(&disk).expect("a good disk");
    now(adapter.load(&mut Image::default())).expect("empty");
    let mut random = Random::new(1);
    now(adapter.append(&[commit(1, &mut random)])).expect("written");
    now(adapter.append(&[commit(3, &mut random)])).expect("the adapter takes what it is given");
    let loaded = open(&disk).and_then(|adapter| now(adapter.load(&mut Image::default())));
    let Err(Error::Corrupt { after, reason, .. }) = loaded else { panic!("2 is missing") };
    assert!(reason.contains("commit 3 follows commit 1"), "{after} {reason}");
}

/// Commits of about a hundred bytes, until a snapshot is wanted; how many.
fn append_until_wanted(adapter: &FileAdapter, from: u64) -> u64 {
    let put = |version: u64| StoredCommit {
        version: Version(version),
        time: version,
        buckets: vec![StoredChanges::Changed {
            bucket: "a".to_owned(),
            counters: Vec::new(),
            changes: vec![StoredChange::Put(StoredRecord {
                key: version.to_string(),
                value: "v".repeat(80),
                version: 1,
                created_at: 5,
                updated_at: 5,
                expires_at: None,
            })],
        }],
    };
    let mut count = 0;
    while !adapter.wants_snapshot() {
        count += 1;
        now(adapter.append(&[put(from + count)])).expect("written");
    }
    count
}

/// The part of a log that a snapshot has stays for as long as its segment is written to. It counted once as if it were new: from
/// the first snapshot to the end of the segment each append was followed by another one.
#[test]
fn a_snapshot_is_wanted_for_what_came_after_the_last_one() {
    struct Fails(Source);
    impl SnapshotSource for Fails {
        fn version(&self) -> Version {
            self.0.version()
        }

        fn time(&self) -> u64 {
            self.0.time()
        }

        fn next_part(&mut self) -> Result<Option<SnapshotPart>, Error> {
            Err(Error::Stopped)
        }
    }
    let disk = CrashDisk::new(u64::MAX, 0, 1, Lie::None);
    let open = || {
        let sizes = Sizes { segment: 1 << 20, small: 10_000, room: 700 };
        FileAdapter::on(Arc::new(disk.clone()), PathBuf::from("data"), sizes).expect("free")
    };
    let adapter = open();
    now(adapter.load(&mut Image::default())).expect("empty");
    let small = append_until_wanted(&adapter, 0);
    assert!((80..120).contains(&small), "{small} commits of a hundred bytes");
    let snapshot = |adapter: &FileAdapter, version: u64| {
        let mut source = Source { version: Version(version), parts: Vec::new().into_iter() };
        now(adapter.write_snapshot(&mut source)).expect("written");
        now(adapter.truncate(Version(version))).expect("truncated");
        assert!(!adapter.wants_snapshot());
    };
    snapshot(&adapter, small);
    let again = append_until_wanted(&adapter, small);
    assert!(again.abs_diff(small) <= 2, "{again} as {small}");

    let failed = now(adapter.write_snapshot(&mut Fails(Source::of(&Image::default()))));
    assert_eq!(failed.err(), Some(Error::Stopped));
    assert!(adapter.wants_snapshot(), "still, since it was not written");
    snapshot(&adapter, small + again);

    drop(adapter);
    let adapter = open();
    let mut image = Image::default();
    now(adapter.load(&mut image)).expect("whole");
    assert_eq!(image.version, Version(small + again));
    assert!(!adapter.wants_snapshot(), "the segment is read, and holds nothing new");
    let last = append_until_wanted(&adapter, small + again);
    assert!(last.abs_diff(small) <= 2, "{last} as {small}");
}
