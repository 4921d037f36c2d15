//! What it costs to keep commits in files, beside bare syncs and SQLite in a file: `cargo bench --bench persistence`.
//!
//! The files are in the folder for temporary files, or in `NOEX_BENCH_FOLDER`: syncs are as slow as the disk under it.

mod common;

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Barrier, Condvar, Mutex};
use std::time::{Duration, Instant};

use common::{Bound, Group, nanos, time, wanted};
use noex_store::prelude::*;
use noex_store::{AdapterFuture, LoadSink, SnapshotSource, StorageAdapter, StoredCommit};

const WRITERS: usize = 16;
/// What each of them commits, so that their start is a small part of it.
const COMMITS: usize = 500;
const RECORDS: usize = 1_000_000;
/// Of these in the log, in one start.
const CHANGES: usize = 100_000;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "notes")]
struct Note {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(index)]
    size: u64,
    text: String,
}

fn note(number: usize) -> impl Insertable<Note> {
    Note::draft().size(number as u64 % 100).text("some text of a usual length, or a bit more than that")
}

fn folder(name: &str) -> PathBuf {
    let base = std::env::var_os("NOEX_BENCH_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = base.join(format!("noex-store-bench-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn open(name: &str, durability: Durability) -> (Store, BucketHandle<Note>) {
    store_of(Persistence::new(FileAdapter::open(folder(name)).expect("free")).durability(durability))
}

fn store_of(persistence: Persistence) -> (Store, BucketHandle<Note>) {
    let store = wait(Store::builder().bucket::<Note>().persistence(persistence).start()).expect("starts");
    let notes = store.bucket().expect("defined");
    (store, notes)
}

fn sqlite(folder: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(folder.join("db")).expect("opens");
    connection.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    connection.pragma_update(None, "synchronous", "FULL").expect("FULL");
    connection.busy_timeout(std::time::Duration::from_secs(60)).expect("waits");
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER, text TEXT);
             CREATE INDEX IF NOT EXISTS by_size ON notes (size);",
        )
        .expect("made");
    connection
}

fn sqlite_insert(connection: &rusqlite::Connection, number: usize) {
    let text = "some text of a usual length, or a bit more than that";
    let mut statement =
        connection.prepare_cached("INSERT INTO notes (size, text) VALUES (?, ?)").expect("good");
    statement.execute((number as i64 % 100, text)).expect("inserted");
}

/// The same for tasks, which one thread runs.
fn tasks_together(store: &Store, tasks: usize, each: usize) -> f64 {
    wait(async {
        let start = Instant::now();
        let mut writers = Vec::new();
        for _ in 0..tasks {
            let store = store.clone();
            writers.push(tokio::spawn(async move {
                for number in 0..each {
                    let insert = async move |tx: &Transaction| tx.bucket::<Note>()?.insert(note(number));
                    let _: Record<Note> = store.transaction_async(insert).await.expect("new");
                }
            }));
        }
        for writer in writers {
            writer.await.expect("no panic");
        }
        nanos(start.elapsed(), each * tasks)
    })
}

/// Takes all records out, before each subject, so that all do the same.
fn empty(notes: &BucketHandle<Note>) {
    notes.clear().expect("written");
}

/// The time of one of so many operations, done by all writers together.
fn together<S: Sync>(shared: &S, each: usize, work: impl Fn(&S, usize, usize) + Sync) -> f64 {
    let barrier = Barrier::new(WRITERS + 1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS)
            .map(|thread| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    barrier.wait();
                    (0..each).for_each(|number| work(shared, thread, number));
                })
            })
            .collect();
        barrier.wait();
        let start = Instant::now();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        nanos(start.elapsed(), each * WRITERS)
    })
}

fn debounced() {
    let (kept, bare) =
        (open("debounced", Durability::default()), wait(Store::builder().bucket::<Note>().start()));
    let bare = bare.expect("starts");
    let bare_notes = bare.bucket::<Note>().expect("defined");
    Group::new("an insert, debounced by 100 ms, as its writer sees it")
        .subject("kept in files", |_| {
            let spent = time(10_000, |number| kept.1.insert(note(number)).expect("new"));
            wait(kept.0.flush()).expect("written");
            spent
        })
        .subject("in memory alone", |_| time(10_000, |number| bare_notes.insert(note(number)).expect("new")))
        .target(Bound::AtMost, 1.3)
        .run(25);
    // Each commit that is written by itself, as far as bytes are concerned.
    wait(kept.0.stop()).expect("written");
}

/// Threads that share a sync, and do nothing else: what ours could reach on this machine.
struct SharedSync {
    file: Mutex<std::fs::File>,
    /// How many have come since the last sync, and how many syncs there were.
    come: Mutex<(usize, u64)>,
    synced: Condvar,
}

impl SharedSync {
    fn new(folder: &Path) -> Self {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("shared"));
        let mut file = file.expect("a file");
        file.write_all(&vec![0; 1 << 20]).expect("written");
        file.sync_all().expect("synced");
        Self { file: Mutex::new(file), come: Mutex::default(), synced: Condvar::new() }
    }

    /// The last of so many that come writes and syncs for all, and wakes them.
    fn commit(&self, writers: usize) {
        let mut come = self.come.lock().expect("no panic");
        let round = come.1;
        come.0 += 1;
        if come.0 < writers {
            drop(self.synced.wait_while(come, |come| come.1 == round).expect("no panic"));
            return;
        }
        drop(come);
        // Nobody else writes now.
        let mut file = self.file.lock().expect("no panic");
        file.seek(SeekFrom::Start(round % 256 * 4096)).expect("there");
        file.write_all(&vec![7; 190 * writers]).expect("written");
        file.sync_data().expect("synced");
        drop(file);
        *self.come.lock().expect("no panic") = (0, round + 1);
        self.synced.notify_all();
    }
}

fn immediate() {
    let (store, notes) = open("immediate", Durability::Immediate);
    let bare = folder("bare");
    let mut file = OpenOptions::new().create(true).append(true).open(bare.join("log")).expect("a file");
    let bytes = [7_u8; 190];
    let alone = folder("sqlite");
    let connection = sqlite(&alone);
    Group::new("a durable insert, one writer")
        .subject("noex-store", |_| time(100, |number| notes.insert(note(number)).expect("new")))
        .subject("bare write and sync of its bytes", |_| {
            time(100, |_| {
                file.write_all(&bytes).expect("written");
                file.sync_data().expect("synced");
            })
        })
        .target(Bound::AtMost, 1.3)
        .subject("SQLite, WAL, FULL", |_| time(100, |number| sqlite_insert(&connection, number)))
        .target(Bound::AtMost, 1.0)
        .run(25);
    let shared = SharedSync::new(&bare);
    let many = Group::new("a durable insert, 16 writers together, each one's part")
        .subject("noex-store, threads", |_| {
            empty(&notes);
            together(&notes, COMMITS, |notes, _, number| drop(notes.insert(note(number)).expect("new")))
        })
        .subject("SQLite, WAL, FULL", |_| {
            let connections: Vec<_> = (0..WRITERS).map(|_| Mutex::new(sqlite(&alone))).collect();
            together(&connections, 10, |connections, thread, number| {
                sqlite_insert(&connections[thread].lock().expect("its own"), number);
            })
        })
        .target(Bound::AtMost, 1.0)
        .subject("noex-store, tasks of one thread", |_| {
            empty(&notes);
            tasks_together(&store, WRITERS, COMMITS)
        })
        .subject("noex-store, one thread", |_| {
            empty(&notes);
            time(COMMITS, |number| notes.insert(note(number)).expect("new"))
        })
        .subject("noex-store, one task", |_| {
            empty(&notes);
            tasks_together(&store, 1, COMMITS)
        })
        .subject("a shared bare write and sync", |_| {
            together(&shared, COMMITS, |shared, _, _| shared.commit(WRITERS))
        })
        .subject("a bare write and sync, one thread", |_| time(COMMITS, |_| shared.commit(1)))
        .run(25);
    for (what, each, one) in [("thread", many[0], many[3]), ("task", many[2], many[4])] {
        let ratio = one / each;
        let kept = if ratio >= 8.0 { "kept" } else { "MISSED" };
        println!("  16 {what}s make {ratio:.1} times the commits of one {what}  [at least 8: {kept}]");
    }
    println!(
        "  16 threads that only share a bare write and sync make {:.1} times as many as one",
        many[6] / many[5]
    );
    wait(store.stop()).expect("written");
}

/// Files on a disk whose syncs take so much longer, as those of many disks do.
struct Slower {
    files: FileAdapter,
    longer: Duration,
}

impl StorageAdapter for Slower {
    fn name(&self) -> &'static str {
        "slower files"
    }

    fn load<'a>(&'a self, sink: &'a mut dyn LoadSink) -> AdapterFuture<'a, ()> {
        self.files.load(sink)
    }

    fn append<'a>(&'a self, commits: &'a [StoredCommit]) -> AdapterFuture<'a, ()> {
        std::thread::sleep(self.longer);
        self.files.append(commits)
    }

    fn write_snapshot<'a>(&'a self, source: &'a mut dyn SnapshotSource) -> AdapterFuture<'a, ()> {
        self.files.write_snapshot(source)
    }

    fn truncate(&self, version: Version) -> AdapterFuture<'_, ()> {
        self.files.truncate(version)
    }

    fn wants_snapshot(&self) -> bool {
        self.files.wants_snapshot()
    }

    fn close(&self) -> AdapterFuture<'_, ()> {
        self.files.close()
    }
}

fn slower() {
    for (what, longer) in [
        ("a tenth of a millisecond", Duration::from_micros(100)),
        ("a millisecond", Duration::from_millis(1)),
    ] {
        let files = FileAdapter::open(folder(&what.replace(' ', "-"))).expect("free");
        let persistence = Persistence::new(Slower { files, longer });
        let (store, notes) = store_of(persistence.durability(Durability::Immediate));
        let writers = Group::new(format!("a durable insert where a sync takes {what} more, each one's part"))
            .subject("16 threads together", |_| {
                empty(&notes);
                together(&notes, 100, |notes, _, number| drop(notes.insert(note(number)).expect("new")))
            })
            .subject("one thread", |_| {
                empty(&notes);
                time(100, |number| notes.insert(note(number)).expect("new"))
            })
            .target(Bound::FasterBy, 8.0)
            .run(15);
        println!("  16 threads make {:.1} times the commits of one", writers[1] / writers[0]);
        wait(store.stop()).expect("written");
    }
}

/// The bytes that were written to the files of a folder, without the zeros behind them.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("there").flatten();
    let written = |path: PathBuf| {
        let bytes = std::fs::read(path).expect("readable");
        bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
    };
    entries.map(|entry| written(entry.path())).sum()
}

fn bytes() {
    let own = folder("bytes");
    let persistence =
        Persistence::new(FileAdapter::open(&own).expect("free")).durability(Durability::Immediate);
    let store = wait(Store::builder().bucket::<Note>().persistence(persistence).start()).expect("starts");
    let notes = store.bucket::<Note>().expect("defined");
    notes.insert_many((0..10_000).map(note)).expect("new");
    let before = size(&own);
    for id in 1..=20_u64 {
        notes.update(&id, Note::patch().size(7_u64)).expect("there");
    }
    let record = serde_json::to_string(notes.get(&1).expect("there").value()).expect("JSON").len();
    println!(
        "\n20 changes of one record each, of 10,000: {} bytes written; a record is {record} bytes of JSON",
        size(&own) - before
    );
    wait(store.stop()).expect("written");
}

/// What a process of its own says that does a part with what is in a folder, as a program does that has just begun.
fn alone(part: &str, folder: &Path) -> Vec<f64> {
    let child = std::process::Command::new(std::env::current_exe().expect("there"))
        .env("NOEX_BENCH_ALONE", part)
        .env("NOEX_BENCH_ALONE_IN", folder)
        .output()
        .expect("started");
    let told = String::from_utf8_lossy(&child.stdout);
    told.split_whitespace().map(|figure| figure.parse().expect("a number")).collect()
}

/// Tells the time of a start, the peak of its memory, and that of the buckets.
fn start_alone(folder: &Path) {
    let peak = || -> f64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        line.and_then(|text| text.trim().parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e3
    };
    let before = peak();
    let persistence = Persistence::new(FileAdapter::open(folder).expect("free"));
    let start = Instant::now();
    let store = wait(Store::builder().bucket::<Note>().persistence(persistence).start()).expect("starts");
    let time = start.elapsed().as_secs_f64();
    assert_eq!(store.bucket::<Note>().expect("defined").count(), RECORDS);
    println!("{time} {} {}", peak() - before, store.stats().memory.total as f64 / 1e6);
}

/// Tells the time that a program of one's own takes to read the same records.
fn decode_alone(folder: &Path) {
    let start = Instant::now();
    let text = std::fs::read_to_string(folder.join("lines")).expect("read");
    let all: Vec<Note> = text.lines().map(|line| serde_json::from_str(line).expect("a note")).collect();
    let time = start.elapsed().as_secs_f64();
    assert_eq!(all.len(), RECORDS);
    println!("{time}");
}

fn recovery() {
    let (own, bare) = (folder("recovery"), folder("decoding"));
    let persistence = Persistence::new(FileAdapter::open(&own).expect("free"));
    let store = wait(Store::builder().bucket::<Note>().persistence(persistence).start()).expect("starts");
    let notes = store.bucket::<Note>().expect("defined");
    for batch in 0..RECORDS / 1000 {
        notes.insert_many((0..1000).map(|number| note(batch * 1000 + number))).expect("new");
    }
    let mut lines = Vec::new();
    for note in notes.iter() {
        serde_json::to_writer(&mut lines, note.value()).expect("JSON");
        lines.push(b'\n');
    }
    std::fs::write(bare.join("lines"), lines).expect("written");
    wait(store.stop()).expect("written");
    drop((store, notes));
    println!("\na start with {RECORDS} records, {:.0} MB of files", size(&own) as f64 / 1e6);
    starts(&own, &bare, "start");
    changes(&own);
    println!("\nthe same, and {CHANGES} changes in the log behind the snapshot");
    starts(&own, &bare, "start with the log");
}

/// In turns with decoding alone; the middle of each figure.
fn starts(own: &Path, bare: &Path, what: &str) {
    const TIMES: usize = 5;
    let (mut starts, mut decoding): (Vec<_>, Vec<_>) =
        (0..TIMES).map(|_| (alone("start", own), alone("decode", bare))).unzip();
    let middle = |told: &mut Vec<Vec<f64>>, figure: usize| {
        told.sort_by(|a, b| a[figure].total_cmp(&b[figure]));
        told[TIMES / 2][figure]
    };
    let most = starts.iter().map(|told| told[1]).fold(0.0, f64::max);
    let (time, peak, data) = (middle(&mut starts, 0), middle(&mut starts, 1), middle(&mut starts, 2));
    println!(
        "  its memory at the peak {peak:.0} MB, {most:.0} at most, the buckets' alone {data:.0} MB: {:.1} times",
        peak / data
    );
    let bare = middle(&mut decoding, 0);
    let ratio = time / bare;
    let kept = if ratio <= 3.0 { "kept" } else { "MISSED" };
    println!(
        "  {what} {time:.2} s; reading and decoding the records alone {bare:.2} s: {ratio:.1} times  [at most 3: {kept}]"
    );
}

/// Changes of records all over the bucket, each kept before the next ones, so that the log has them.
fn changes(folder: &Path) {
    let persistence = Persistence::new(FileAdapter::open(folder).expect("free"));
    let (store, notes) = store_of(persistence);
    for batch in 0..CHANGES / 1000 {
        let keys = (0..1000).map(|number| (number * (RECORDS / 1000) + batch * 7 % 1000 + 1) as u64);
        notes.update_many(keys.map(|key| (key, Note::patch().size(batch as u64)))).expect("there");
        wait(store.flush()).expect("written");
    }
    wait(store.stop()).expect("written");
}

fn main() {
    if let (Ok(part), Some(folder)) =
        (std::env::var("NOEX_BENCH_ALONE"), std::env::var_os("NOEX_BENCH_ALONE_IN"))
    {
        let alone = if part == "start" { start_alone } else { decode_alone };
        return alone(Path::new(&folder));
    }
    if wanted("debounced") {
        debounced();
    }
    if wanted("immediate") {
        immediate();
        slower();
    }
    if wanted("bytes") {
        bytes();
    }
    if wanted("recovery") {
        recovery();
    }
    let base = std::env::var_os("NOEX_BENCH_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let own = format!("noex-store-bench-{}-", std::process::id());
    for entry in std::fs::read_dir(base).expect("there").flatten() {
        if entry.file_name().to_string_lossy().starts_with(&own) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
