//! A process that is killed while it writes: what it was told is on the disk is there. `NOEX_KILLS=100 cargo test --test kill`
//! kills it so often.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "notes")]
struct Note {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(unique)]
    text: String,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "copies")]
struct Copy {
    #[bucket(key)]
    id: u64,
    text: String,
}

const FOLDER: &str = "NOEX_STORE_KILL_FOLDER";
const ADAPTER: &str = "NOEX_STORE_KILL_ADAPTER";

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn open(folder: &str, adapter: &str) -> Result<Store, Error> {
    let persistence = match adapter {
        "sqlite" => Persistence::new(SqliteAdapter::open(format!("{folder}/app.db"))?),
        _ => Persistence::new(FileAdapter::open(folder)?),
    };
    let persistence = persistence.durability(Durability::Immediate);
    wait(Store::builder().bucket::<Note>().bucket::<Copy>().persistence(persistence).start())
}

/// Writes a note and its copy.
fn write(tx: &Transaction, text: &str) -> Result<Record<Note>, Error> {
    let note = tx.bucket::<Note>()?.insert(Note::draft().text(text))?;
    tx.bucket::<Copy>()?.insert(Copy { id: note.id, text: note.text.clone() })?;
    Ok(note)
}

/// Says that the disk has it.
fn acknowledge(note: Result<Record<Note>, Error>) {
    let note = note.expect("written");
    let line = format!("{} {}\n", note.id, note.text);
    std::io::stdout().lock().write_all(line.as_bytes()).expect("the parent listens");
}

/// What is killed: threads and tasks that write a note and its copy in one commit, and say so when that is done. Does nothing when it is
/// run as a test.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store =
        open(&folder, &std::env::var(ADAPTER).unwrap_or_default()).expect("what was killed can be read");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in 0.. {
                    let text = format!("{}-{thread}-{number}", std::process::id());
                    acknowledge(store.transaction(|tx| write(tx, &text)));
                }
            });
        }
        let tasks = (4..12).map(async |task| {
            for number in 0.. {
                let text = format!("{}-{task}-{number}", std::process::id());
                acknowledge(store.transaction_async(async |tx| write(tx, &text)).await);
            }
        });
        wait(join_all(tasks));
    });
}

#[test]
fn what_was_acknowledged_is_in_the_files_after_a_kill() -> Result<(), Box<dyn std::error::Error>> {
    kill_again_and_again("file")
}

#[test]
fn what_was_acknowledged_is_in_sqlite_after_a_kill() -> Result<(), Box<dyn std::error::Error>> {
    kill_again_and_again("sqlite")
}

/// The number of the thread or task that wrote a text.
fn task_of(text: &str) -> Option<u32> {
    text.split('-').nth(1)?.parse().ok()
}

fn kill_again_and_again(adapter: &str) -> Result<(), Box<dyn std::error::Error>> {
    let kills: u64 = std::env::var("NOEX_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let folder = std::env::temp_dir().join(format!("noex-store-kill-{adapter}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let path = folder.to_str().ok_or("a path of text")?;
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    let mut by_tasks = 0;
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", "child", "--nocapture"])
            .env(FOLDER, path)
            .env(ADAPTER, adapter)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("a pipe")?);
        let reader = std::thread::spawn(move || {
            // The harness writes some lines of its own; the last of ours may be cut off.
            let lines =
                output.split(b'\n').map_while(Result::ok).filter_map(|line| String::from_utf8(line).ok());
            let ours = |line: String| {
                let (id, text) = line.split_once(' ')?;
                (text.split('-').count() == 3).then_some(())?;
                Some((id.parse().ok()?, text.to_owned()))
            };
            lines.filter_map(ours).collect::<Vec<(u64, String)>>()
        });
        std::thread::sleep(Duration::from_millis(60 + kill * 37 % 200));
        child.kill()?;
        child.wait()?;
        acknowledged.extend(reader.join().map_err(|_| "the reader panicked")?);

        let store = open(path, adapter)?;
        let (notes, copies) = (store.bucket::<Note>()?, store.bucket::<Copy>()?);
        for (id, text) in &acknowledged {
            // A line that was cut off has a shorter text, and the right number.
            assert!(notes.get(id).is_some_and(|note| note.text.starts_with(text)), "{id} {text}");
            assert!(copies.get(id).is_some_and(|copy| copy.text.starts_with(text)), "{id} {text}");
        }
        by_tasks =
            notes.all().iter().filter(|note| task_of(&note.text).is_some_and(|task| task >= 4)).count();
        assert_eq!(notes.count(), copies.count(), "no half of a transaction");
        assert!(notes.all().iter().all(|note| notes.by_text(&note.text).as_ref() == Some(note)));
        wait(store.stop())?;
    }
    assert!(acknowledged.len() as u64 > kills, "{} acknowledged", acknowledged.len());
    assert!(by_tasks as u64 > kills, "{by_tasks} by tasks");
    println!(
        "{adapter}: {} commits acknowledged, {kills} kills; {by_tasks} commits by tasks",
        acknowledged.len()
    );
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
