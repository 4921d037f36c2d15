//! Export, import, backup, and how far a start is.

mod common;

use std::io::{self, BufReader, Cursor, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::keeping::{Flaky, Folder, wait};
use noex_store::prelude::*;
use noex_store::{Hashing, IssueCode, LoadProgress, Ttl};

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
struct User {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(unique, format = "email")]
    email: String,
    score: f64,
    note: Option<String>,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "sessions", ttl = "1h")]
struct Session {
    #[bucket(key)]
    id: (u32, String),
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "scratch", persistent = false)]
struct Scratch {
    #[bucket(key)]
    id: u32,
}

fn builder() -> StoreBuilder {
    Store::builder().bucket::<User>().bucket::<Session>().bucket::<Scratch>()
}

fn filled() -> Result<Store, Error> {
    let store = wait(builder().start())?;
    let users = store.bucket::<User>()?;
    for number in 0..700 {
        let draft = User::draft().email(format!("{number}@example.com")).score(number as f64 / 3.0);
        users.insert(draft.maybe_note((number % 3 == 0).then(|| format!("line\n\"{number}\" ü\u{2028}"))))?;
    }
    users.update(&7, User::patch().score(0.1 + 0.2))?;
    users.delete(&700)?;
    store.bucket::<Session>()?.insert(Session { id: (1, "x".to_owned()) })?;
    store.bucket::<Session>()?.insert_with_ttl(Session { id: (2, "y".to_owned()) }, Ttl::Never)?;
    store.bucket::<Scratch>()?.insert(Scratch { id: 1 })?;
    Ok(store)
}

fn exported(store: &Store) -> Vec<u8> {
    let mut lines = Vec::new();
    store.snapshot().export(&mut lines).expect("written");
    lines
}

/// All but the first line: a start makes a commit, which defines the bucket that is never kept.
fn body(lines: &[u8]) -> String {
    let text = String::from_utf8_lossy(lines);
    text.split_once('\n').expect("lines").1.to_owned()
}

#[test]
fn an_export_is_imported_as_it_was() -> Result<(), Error> {
    let store = filled()?;
    let lines = exported(&store);
    assert!(!String::from_utf8_lossy(&lines).contains("scratch"), "not what is in memory alone");
    let other = wait(builder().hashing(Hashing::HostileInput).import(Cursor::new(lines.clone())).start())?;
    assert!(other.snapshot().version() > store.snapshot().version(), "versions go on");
    assert_eq!(body(&exported(&other)), body(&lines));
    let (users, others) = (store.bucket::<User>()?, other.bucket::<User>()?);
    assert_eq!(others.all(), users.all());
    assert_eq!(others.by_email("6@example.com"), users.by_email("6@example.com"));
    assert_eq!(others.insert(User::draft().email("new@example.com").score(0.0))?.id, 701, "700 was drawn");
    assert_eq!(other.bucket::<Session>()?.all(), store.bucket::<Session>()?.all());

    // With persistence it is kept from the beginning.
    let folder = Folder::new();
    let open = |import: bool| {
        let builder = builder().persistence(folder.persistence());
        wait(if import { builder.import(Cursor::new(lines.clone())) } else { builder }.start())
    };
    wait(open(true)?.stop())?;
    let again = open(false)?;
    assert_eq!(body(&exported(&again)), body(&lines));
    wait(again.stop())?;
    let refused = open(true).map(drop);
    assert!(
        matches!(refused, Err(Error::Transfer { ref reason }) if reason.contains("kept already")),
        "{refused:?}"
    );
    assert_eq!(body(&exported(&open(false)?)), body(&lines), "as it was");
    Ok(())
}

#[test]
fn an_export_that_is_not_whole_or_does_not_fit_is_refused() -> Result<(), Error> {
    let store = filled()?;
    let text = String::from_utf8(exported(&store)).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    let import = |text: String| wait(builder().import(Cursor::new(text)).start()).map(drop);
    let refused = |text: String| match import(text) {
        Err(error @ Error::Transfer { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let cut = refused(lines[..300].join("\n"));
    assert!(cut.ends_with("line 301: the text ends here, without its last line: it was cut off"), "{cut}");
    let half = refused(text[..20_000].to_owned());
    assert!(half.contains("line ") && half.contains("EOF"), "{half}");
    let mut missing = lines.clone();
    missing.remove(400);
    let missing = refused(missing.join("\n"));
    assert!(
        missing
            .ends_with("there should be 701 records in 2 buckets, and there are 700 in 2: lines are missing"),
        "{missing}"
    );
    assert!(refused(String::new()).contains("line 1: the text ends here"));
    assert!(refused("{\"id\":1}\n".to_owned()).contains("line 1: unknown variant"));
    assert!(refused(lines[1..].join("\n")).contains("line 1: it does not begin as the export of a store"));
    assert!(refused(format!("{text}{text}").replace("{\"end\":", "{\"end \":")).contains("unknown variant"));
    let two = refused(format!("{text}\n{text}"));
    assert!(two.ends_with("line 707: the export is over, and there is more: is it two of them?"), "{two}");
    import(format!("\n{text} \n\n"))?;
    let again = refused(text.replace("\"name\":\"users\"", "\"name\":\"sessions\""));
    assert!(again.ends_with(": the bucket `sessions` begins for the second time"), "{again}");
    let another = refused(text.replacen("{\"bucket\":", &format!("{}\n{{\"bucket\":", lines[0]), 1));
    assert!(another.ends_with("line 2: another export begins here"), "{another}");
    assert!(refused(text.replace("\"format\":1", "\"format\":9")).contains("its format is 9"));

    let unfit = import(text.replace("\"6@example.com\"", "\"5@example.com\""));
    assert!(matches!(unfit, Err(Error::IncompatibleRecords { bucket: "users", .. })), "{unfit:?}");
    let undefined =
        wait(Store::builder().bucket::<User>().import(Cursor::new(text.clone())).start()).map(drop);
    assert!(undefined.is_err_and(|error| error.to_string().contains("`sessions`, which is not defined")));
    // With persistence it is kept for later.
    let kept = MemoryAdapter::new();
    let some = Store::builder().bucket::<User>().import(Cursor::new(text));
    let some = wait(some.persistence(Persistence::new(kept)).start())?;
    assert_eq!(some.define_bucket::<Session>()?.count(), 2);
    Ok(())
}

/// Fails after so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or_else(|| io::Error::other("no space left"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts the calls.
#[derive(Default)]
struct Counting(usize);

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += 1;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_need_not_be_buffered() -> Result<(), Error> {
    let store = filled()?;
    let (mut all, mut lines) = (Counting::default(), Counting::default());
    store.snapshot().export(&mut all)?;
    store.bucket::<User>()?.export_lines(&mut lines)?;
    assert!(all.0 < 10 && lines.0 < 10, "{} and {} writes for 700 records", all.0, lines.0);
    Ok(())
}

#[test]
fn lines_of_a_bucket_are_values_and_come_in_together_or_not_at_all() -> Result<(), Error> {
    let store = filled()?;
    let users = store.bucket::<User>()?;
    let mut lines = Vec::new();
    assert_eq!(users.export_lines(&mut lines)?, 699);
    assert_eq!(store.snapshot().bucket::<User>()?.export_lines(io::sink())?, 699);
    let full = users.export_lines(Full(1000));
    assert!(matches!(full, Err(Error::Transfer { ref reason }) if reason == "no space left"), "{full:?}");
    assert!(store.snapshot().export(Full(1000)).is_err());

    let other = wait(builder().start())?;
    let others = other.bucket::<User>()?;
    let before = other.snapshot().version();
    assert_eq!(others.import_lines(lines.as_slice())?, 699);
    assert_eq!(other.snapshot().version().get(), before.get() + 1, "one commit");
    let values =
        |users: &BucketHandle<User>| users.all().iter().map(|user| user.value().clone()).collect::<Vec<_>>();
    assert_eq!(values(&others), values(&users));

    let good = r#"{"id":1000,"email":"a@example.com","score":1,"note":null}"#;
    let refused = |line: &str| {
        let text = format!("\n{good}\n\n{line}\n");
        match others.import_lines(text.as_bytes()) {
            Err(Error::Import { line: 4, error }) => *error,
            other => panic!("{other:?}"),
        }
    };
    let issue = |line: &str| match refused(line) {
        Error::Validation { bucket: "users", issues } => (issues[0].field.to_string(), issues[0].code),
        other => panic!("{other:?}"),
    };
    assert_eq!(issue(r#"{"id":1001,"email":"b@example.com"}"#), ("score".to_owned(), IssueCode::Required));
    assert_eq!(issue(r#"{"id":-1,"email":"b@example.com","score":1}"#), ("id".to_owned(), IssueCode::Type));
    assert_eq!(issue(r#"{"id":1001,"email":"b","score":1}"#), ("email".to_owned(), IssueCode::Format));
    assert_eq!(issue("{\"id\":"), ("id".to_owned(), IssueCode::Type));
    assert_eq!(issue(&format!("{good}{good}")), (String::new(), IssueCode::Type));
    assert!(matches!(refused(&good.replace("1000", "5")), Error::DuplicateKey { .. }));
    assert!(matches!(refused(&good.replace("1000", "1001")), Error::UniqueConstraint { field: "email", .. }));
    assert_eq!(others.count(), 699, "nothing of it");
    let broken = others.import_lines(BufReader::new(good.as_bytes().chain(Broken)));
    assert!(matches!(broken, Err(Error::Transfer { .. })), "{broken:?}");
    Ok(())
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("unplugged"))
    }
}

#[test]
fn a_backup_is_of_one_commit_while_writes_go_on() -> Result<(), Error> {
    #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "later")]
    struct Later {
        #[bucket(key)]
        id: u32,
    }
    let kept = MemoryAdapter::new();
    let store = wait(builder().bucket::<Later>().persistence(Persistence::new(kept.clone())).start())?;
    store.bucket::<Later>()?.insert(Later { id: 7 })?;
    wait(store.stop())?;
    // Without the bucket that is defined later: it is kept, and is in a backup.
    let store = wait(builder().persistence(Persistence::new(kept)).start())?;
    let users = store.bucket::<User>()?;
    let stop = AtomicBool::new(false);
    /// Also when the rest of the test fails.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let folder = Folder::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let two = [0, 1].map(|half| {
                    User::draft().email(format!("{number}-{half}@example.com")).score(number as f64)
                });
                users.insert_many(two).expect("new");
            }
        });
        let _stop = Stop(&stop);
        for number in 0..4 {
            std::thread::sleep(Duration::from_millis(10));
            let version = match number % 2 {
                0 => wait(
                    store.backup(FileAdapter::open(folder.path().join(number.to_string())).expect("free")),
                ),
                _ => wait(
                    store.backup(SqliteAdapter::open(folder.path().join(number.to_string())).expect("free")),
                ),
            };
            let path = folder.path().join(number.to_string());
            let persistence = match number % 2 {
                0 => Persistence::new(FileAdapter::open(path).expect("free")),
                _ => Persistence::new(SqliteAdapter::open(path).expect("free")),
            };
            let backup = wait(builder().persistence(persistence).start()).expect("a good backup");
            assert!(backup.snapshot().version() > version.expect("written"));
            let backed = backup.bucket::<User>().expect("defined");
            assert_eq!(backed.count() % 2, 0, "no half of a commit");
            assert_eq!(
                backed.last(1),
                users.by_email(&backed.last(1)[0].email).into_iter().collect::<Vec<_>>()
            );
            assert!(backup.define_bucket::<Later>().expect("kept").contains_key(&7));
            wait(backup.stop()).expect("stopped");
        }
    });
    let taken = FileAdapter::open(folder.path().join("0"))?;
    let refused = wait(store.backup(taken));
    assert!(matches!(refused, Err(Error::Transfer { .. })), "{refused:?}");
    let failing = Flaky::default();
    failing.fails.store(true, Ordering::SeqCst);
    assert!(matches!(wait(store.backup(failing)), Err(Error::Persistence { .. })));
    // A store that keeps nothing has backups all the same.
    let memory = filled()?;
    let backup = MemoryAdapter::new();
    wait(memory.backup(backup.clone()))?;
    let again = wait(builder().persistence(Persistence::new(backup)).start())?;
    assert_eq!(body(&exported(&again)), body(&exported(&memory)));
    Ok(())
}

#[test]
fn a_start_tells_how_far_it_is() -> Result<(), Error> {
    let folder = Folder::new();
    wait(filled()?.backup(folder.adapter()))?;
    let told: Arc<Mutex<Vec<LoadProgress>>> = Arc::default();
    let own = Arc::clone(&told);
    let persistence = folder.persistence().on_progress(move |progress| own.lock().unwrap().push(progress));
    wait(builder().persistence(persistence).start())?;
    let told = told.lock().unwrap();
    let (first, last) = (told.first().expect("told"), told.last().expect("told"));
    assert!(first.bytes == 0 && first.all_bytes > 30_000 && first.all_buckets == 3, "{first:?}");
    assert_eq!((last.records, last.buckets, last.all_buckets), (701, 3, 3), "{last:?}");
    assert!(
        last.bytes <= last.all_bytes && last.bytes + 200 > last.all_bytes,
        "but for the head and the end: {last:?}"
    );
    assert!(told.windows(2).all(|two| two[0].bytes <= two[1].bytes && two[0].buckets <= two[1].buckets));
    let panicking = Folder::new();
    let persistence = panicking.persistence().on_progress(|_| panic!("a callback of a test"));
    wait(builder().persistence(persistence).start()).map(drop)
}
