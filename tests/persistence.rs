//! What is kept, and what becomes of it: restarts, adapters that fail, files that are damaged.

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::keeping::{Flaky, Folder, wait};
use common::within_seconds;
use noex_store::prelude::*;
use noex_store::{TestClock, Ttl};

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "users")]
struct User {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(unique)]
    email: String,
    #[bucket(index)]
    city: Option<String>,
    score: f64,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "orders")]
struct Order {
    #[bucket(key)]
    id: (u32, String),
    #[bucket(index)]
    user: u64,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "sessions", ttl = "1m")]
struct Session {
    #[bucket(key)]
    id: u32,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "scratch", persistent = false)]
struct Scratch {
    #[bucket(key)]
    id: u32,
    text: String,
}

fn user(number: u64) -> impl Insertable<User> {
    User::draft().email(format!("{number}@example.com")).city("Brno").score(number as f64 / 3.0)
}

fn order(number: u32) -> Order {
    Order { id: (number, format!("o{number}")), user: u64::from(number % 7) }
}

fn builder() -> StoreBuilder {
    Store::builder().bucket::<User>().bucket::<Order>().bucket::<Session>().bucket::<Scratch>()
}

fn open(persistence: Persistence) -> Result<Store, Error> {
    wait(builder().persistence(persistence).start())
}

/// All that a store holds, in its order, with the metadata.
fn contents(store: &Store) -> String {
    let snapshot = store.snapshot();
    let users = snapshot.bucket::<User>().expect("defined").all();
    let orders = snapshot.bucket::<Order>().expect("defined").all();
    let sessions = snapshot.bucket::<Session>().expect("defined").all();
    serde_json::to_string(&(users, orders, sessions)).expect("JSON")
}

fn fill(store: &Store) -> Result<(), Error> {
    let (users, orders) = (store.bucket::<User>()?, store.bucket::<Order>()?);
    for number in 0..20 {
        users.insert(user(number))?;
        orders.insert(order(number as u32))?;
    }
    users.update(&3, User::patch().clear_city())?;
    users.delete(&20)?;
    users.delete(&5)?;
    orders.delete(&(4, "o4".to_owned()))?;
    orders.insert(order(4))?;
    store.transaction(|tx| {
        tx.bucket::<User>()?.update(&1, User::patch().score(0.1 + 0.2))?;
        tx.bucket::<Order>()?.delete(&(1, "o1".to_owned())).map(drop)
    })?;
    store.bucket::<Session>()?.insert_with_ttl(Session { id: 1 }, Ttl::Never)?;
    store.bucket::<Scratch>()?.insert(Scratch { id: 1, text: "not to be kept".to_owned() })?;
    Ok(())
}

fn a_restart_changes_nothing(persistence: impl Fn() -> Persistence) -> Result<(), Error> {
    let store = open(persistence())?;
    fill(&store)?;
    let (before, version) = (contents(&store), store.snapshot().version());
    wait(store.stop())?;

    let store = open(persistence())?;
    assert_eq!(
        (contents(&store), store.snapshot().version()),
        (before, version.max(store.snapshot().version()))
    );
    let users = store.bucket::<User>()?;
    assert_eq!(users.by_email("2@example.com").map(|user| user.id), Some(3));
    assert_eq!(users.by_city("Brno").len(), 17, "indexes are there");
    assert!(matches!(users.insert(user(2)), Err(Error::UniqueConstraint { .. })));
    assert_eq!(users.insert(user(99))?.id, 22, "20 and 21 were drawn: no number comes twice");
    assert_eq!(store.bucket::<Scratch>()?.count(), 0, "never kept");
    let next = store.snapshot().version();
    assert!(next > version, "versions go on");
    let before = contents(&store);
    wait(store.stop())?;
    let store = open(persistence())?;
    assert_eq!(contents(&store), before);
    wait(store.stop())
}

#[test]
fn a_restart_from_memory_changes_nothing() -> Result<(), Error> {
    let kept = MemoryAdapter::new();
    a_restart_changes_nothing(|| Persistence::new(kept.clone()))
}

#[test]
fn a_restart_from_files_changes_nothing() -> Result<(), Error> {
    let folder = Folder::new();
    a_restart_changes_nothing(|| folder.persistence())?;
    let immediate = Folder::new();
    a_restart_changes_nothing(|| immediate.persistence().durability(Durability::Immediate))?;
    let all: Vec<u8> = immediate.files().into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert!(
        !all.windows(14).any(|part| part == b"not to be kept"),
        "`persistent = false` never reaches the disk"
    );
    Ok(())
}

#[test]
fn a_restart_from_sqlite_changes_nothing_and_others_can_read_it() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Folder::new();
    let persistence = || Persistence::new(folder.sqlite());
    a_restart_changes_nothing(persistence)?;
    // While a store uses it.
    let store = open(persistence().durability(Durability::Immediate))?;
    store.bucket::<User>()?.update(&2, User::patch().city("Wien"))?;
    let other = rusqlite::Connection::open(folder.path().join("app.db"))?;
    let mut cities = other.prepare(
        "SELECT record ->> 'city', count(*) FROM users GROUP BY 1 HAVING 1 IS NOT NULL ORDER BY 1",
    )?;
    let cities = cities.query_map([], |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, u32>(1)?)))?;
    let cities = cities.collect::<Result<Vec<_>, _>>()?;
    let named = |name: &str, count| (Some(name.to_owned()), count);
    assert_eq!(cities, [(None, 1), named("Brno", 17), named("Wien", 1)]);
    let keys: Vec<String> = other
        .prepare("SELECT key FROM orders ORDER BY place LIMIT 2")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    assert_eq!(keys, ["[0,\"o0\"]", "[2,\"o2\"]"]);
    let tables: Vec<String> = other
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    assert_eq!(tables, ["noex_buckets", "noex_store", "orders", "sessions", "users"], "not `scratch`");
    wait(store.stop())?;
    Ok(())
}

#[test]
fn what_is_no_database_or_of_a_later_format_is_told_and_left() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Folder::new();
    std::fs::create_dir(folder.path())?;
    let file = folder.path().join("app.db");
    std::fs::write(
        &file,
        "something else, and long enough to be taken for a header of one hundred bytes. ".repeat(9),
    )?;
    let before = std::fs::read(&file)?;
    let Err(Error::Persistence { reason }) = SqliteAdapter::open(&file) else { panic!("it is none") };
    assert!(reason.contains("app.db") && reason.contains("not a database"), "{reason}");
    assert_eq!(std::fs::read(&file)?, before);
    std::fs::remove_file(&file)?;
    wait(open(Persistence::new(folder.sqlite()))?.stop())?;
    rusqlite::Connection::open(&file)?
        .execute("UPDATE noex_store SET value = 7 WHERE name = 'format'", [])?;
    let refused = open(Persistence::new(folder.sqlite())).map(drop).map_err(|error| error.to_string());
    assert_eq!(
        refused,
        Err("persistence: the tables' format is 7, and this version reads those up to 1".to_owned())
    );
    Ok(())
}

/// So many that indexes are built in parts, and by several threads.
#[test]
fn many_records_are_all_there_by_each_index() -> Result<(), Error> {
    let kept = MemoryAdapter::new();
    let store = open(Persistence::new(kept.clone()))?;
    let users = store.bucket::<User>()?;
    // At once, into an empty bucket; then some by some.
    users.insert_many((0..12_000).map(user))?;
    users.insert_many((12_000..12_500).map(user))?;
    let sessions = (0..6_000).map(|id| Session { id });
    store.bucket::<Session>()?.insert_many(sessions)?;
    users.delete_where(User::ID.between(100..2_000))?;
    users.update_where(User::ID.gt(9_000_u64), User::patch().city("Wien"))?;
    let check = |store: &Store| -> Result<(), Error> {
        let users = store.bucket::<User>()?;
        assert_eq!(users.count(), 12_500 - 1_900);
        assert_eq!((users.by_city("Wien").len(), users.by_city("Brno").len()), (3_500, 7_100));
        for user in users.all() {
            assert_eq!(users.get(&user.id).as_ref(), Some(&user));
            assert_eq!(users.by_email(&user.email).as_ref(), Some(&user));
        }
        assert!(users.get(&150).is_none() && users.by_email("149@example.com").is_none());
        assert!(matches!(users.insert(user(0)), Err(Error::UniqueConstraint { .. })));
        Ok(())
    };
    check(&store)?;
    let before = contents(&store);
    wait(store.stop())?;
    let store = open(Persistence::new(kept))?;
    check(&store)?;
    assert_eq!(contents(&store), before);

    // What is refused is told by its row, the first of them.
    let empty = wait(builder().start())?;
    let users = empty.bucket::<User>()?;
    for count in [20_u64, 6_000] {
        let twice = (0..count).map(|number| user(if number == count - 3 { 4 } else { number }));
        let refused = users.insert_many(twice);
        let row = count as usize - 3;
        assert!(
            matches!(&refused, Err(Error::Batch { row: own, error })
                if *own == row && matches!(**error, Error::UniqueConstraint { field: "email", .. })),
            "{refused:?}"
        );
        let sessions = empty.bucket::<Session>()?;
        let same =
            sessions.insert_many((0..count as u32).map(|id| Session { id: if id == 9 { 2 } else { id } }));
        assert!(
            matches!(&same, Err(Error::Batch { row: 9, error }) if matches!(**error, Error::DuplicateKey { .. })),
            "{same:?}"
        );
        assert_eq!((users.count(), sessions.count()), (0, 0));
    }
    Ok(())
}

#[test]
fn expiries_survive_a_restart_and_pass_while_it_is_down() -> Result<(), Error> {
    let (kept, clock) = (MemoryAdapter::new(), TestClock::default());
    let open = || wait(builder().clock(clock.clone()).persistence(Persistence::new(kept.clone())).start());
    let store = open()?;
    let sessions = store.bucket::<Session>()?;
    sessions.insert(Session { id: 1 })?;
    clock.advance(Duration::from_secs(30));
    let later = sessions.insert(Session { id: 2 })?;
    wait(store.stop())?;

    clock.advance(Duration::from_secs(30));
    let store = open()?;
    let sessions = store.bucket::<Session>()?;
    assert_eq!(sessions.all(), [later]);
    // The sweeper knows of it without any commit.
    clock.advance(Duration::from_secs(30));
    wait(store.settle());
    assert_eq!(store.snapshot().bucket::<Session>()?.count(), 0);
    wait(store.stop())
}

#[test]
fn flush_writes_at_once_and_tells_how_far() -> Result<(), Error> {
    let flaky = Flaky::default();
    let store = open(Persistence::new(flaky.clone()).debounce(Duration::from_secs(3600)))?;
    let started = flaky.appends.load(Ordering::SeqCst);
    for number in 0..10 {
        store.bucket::<User>()?.insert(user(number))?;
    }
    let version = store.snapshot().version();
    assert!(store.durable_version() < version);
    wait(store.flush())?;
    assert_eq!(store.durable_version(), version);
    assert_eq!(flaky.appends.load(Ordering::SeqCst), started + 1, "all at once");
    let versions: Vec<u64> = flaky.commits().iter().map(|commit| commit.version.get()).collect();
    assert!(versions.iter().copied().eq(1..=version.get()), "dense: {versions:?}");
    assert_eq!(store.stats().persistence.behind, 0);
    wait(store.stop())?;
    let none = wait(Store::builder().start())?;
    assert_eq!(wait(none.flush()), Err(Error::PersistenceRequired));
    Ok(())
}

#[test]
fn a_transaction_may_be_more_durable_than_its_store() -> Result<(), Error> {
    let flaky = Flaky::default();
    let store = open(Persistence::new(flaky.clone()).debounce(Duration::from_secs(3600)))?;
    let (users, orders) = (store.bucket::<User>()?, store.bucket::<Order>()?);
    let durable = || TxOptions::new().durability(Durability::Immediate);
    // Far more than the log has, so that they cannot be written one by one.
    for number in 0..6000 {
        orders.insert(order(number))?;
    }
    users.insert(user(1))?;
    store.transaction_with(durable(), |tx| tx.bucket::<User>()?.insert(user(2)))?;
    assert_eq!(store.durable_version(), store.snapshot().version(), "with all that was before it");
    users.insert(user(3))?;
    wait(store.transaction_async_with(durable(), async |tx| tx.bucket::<User>()?.insert(user(4))))?;
    assert_eq!(store.durable_version(), store.snapshot().version());
    let tx = store.begin();
    tx.bucket::<User>()?.insert(user(5))?;
    let version = tx.commit_with(Durability::Immediate)?.version;
    assert_eq!(store.durable_version(), version);

    // One that cannot be written was never there; others are, and stay.
    flaky.fails.store(true, Ordering::SeqCst);
    users.insert(user(6))?;
    let refused = store.transaction_with(durable(), |tx| tx.bucket::<User>()?.insert(user(7)));
    assert!(matches!(refused, Err(Error::Persistence { .. })), "{refused:?}");
    assert!(users.by_email("6@example.com").is_some() && users.by_email("7@example.com").is_none());
    flaky.fails.store(false, Ordering::SeqCst);
    assert!(users.insert(user(7)).is_ok(), "its value is free");
    store.transaction_with(durable(), |_| Ok::<_, Error>(()))?;
    store.transaction_with(durable(), |tx| tx.bucket::<User>()?.insert(user(8)))?;
    let before = contents(&store);
    // As a crash leaves it: nothing is flushed.
    std::mem::forget(store);
    let again = open(Persistence::new(flaky.reopened()))?;
    assert_eq!(contents(&again), before);
    Ok(())
}

#[test]
fn a_transaction_need_not_wait_for_the_disk() -> Result<(), Error> {
    let flaky = Flaky::default();
    let store = open(Persistence::new(flaky.clone()).durability(Durability::Immediate))?;
    let users = store.bucket::<User>()?;
    let later = || TxOptions::new().durability(Durability::Debounced(Duration::from_millis(1)));
    flaky.fails.store(true, Ordering::SeqCst);
    store.transaction_with(later(), |tx| tx.bucket::<User>()?.insert(user(1)))?;
    assert!(users.by_email("1@example.com").is_some());
    assert!(matches!(users.insert(user(2)), Err(Error::Persistence { .. })));
    flaky.fails.store(false, Ordering::SeqCst);
    users.insert(user(2))?;
    assert_eq!(store.durable_version(), store.snapshot().version(), "in their order");
    wait(store.stop())?;

    // In a store that takes its time, one may be in a hurry.
    let store = open(Persistence::new(Flaky::default()).debounce(Duration::from_secs(3600)))?;
    store.bucket::<User>()?.insert(user(1))?;
    store.transaction_with(later(), |tx| tx.bucket::<User>()?.insert(user(2)))?;
    within_seconds(20, move || {
        while store.durable_version() < store.snapshot().version() {
            std::thread::yield_now();
        }
    });
    let stopped = open(Persistence::new(MemoryAdapter::new()))?;
    wait(stopped.stop())?;
    let durable = TxOptions::new().durability(Durability::Immediate);
    let refused = stopped.transaction_with(durable, |tx| tx.bucket::<User>()?.insert(user(1)));
    assert_eq!(refused.map(drop), Err(Error::Stopped));
    let none = wait(builder().start())?;
    for options in [later(), TxOptions::new().durability(Durability::Immediate)] {
        let refused = none.transaction_with(options, |tx| tx.bucket::<User>()?.insert(user(1)));
        assert_eq!(refused.map(drop), Err(Error::PersistenceRequired));
    }
    Ok(())
}

#[test]
fn debounced_commits_are_written_by_themselves() -> Result<(), Error> {
    let kept = MemoryAdapter::new();
    let store = open(Persistence::new(kept).debounce(Duration::from_millis(5)))?;
    store.bucket::<User>()?.insert(user(1))?;
    within_seconds(20, move || {
        while store.durable_version() < store.snapshot().version() {
            std::thread::yield_now();
        }
    });
    Ok(())
}

#[test]
fn a_failed_save_is_told_and_tried_again() -> Result<(), Error> {
    let flaky = Flaky::default();
    let errors = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&errors);
    let persistence =
        Persistence::new(flaky.clone()).debounce(Duration::from_millis(1)).on_error(move |error| {
            own.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(error.clone());
            panic!("a callback of a test");
        });
    let store = open(persistence)?;
    flaky.fails.store(true, Ordering::SeqCst);
    let no_space = Error::Persistence { reason: "no space left".to_owned() };
    store.bucket::<User>()?.insert(user(1))?;
    assert_eq!(wait(store.flush()), Err(no_space.clone()));
    assert!(store.bucket::<User>()?.contains_key(&1), "the memory has it all the same");
    let stats = store.stats().persistence;
    assert!(stats.failures > 0 && stats.behind == 1, "{stats:?}");
    assert_eq!(stats.failing, Some(no_space.to_string()));
    assert_eq!(errors.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[0], no_space);
    assert!(!store.stats().degraded, "a callback that panics is nobody else's");
    flaky.fails.store(false, Ordering::SeqCst);
    while store.durable_version() < store.snapshot().version() {
        std::thread::yield_now();
    }
    assert_eq!(store.stats().persistence.failing, None);
    wait(store.stop())?;
    let store = open(Persistence::new(flaky))?;
    assert!(store.bucket::<User>()?.contains_key(&1));
    Ok(())
}

#[test]
fn stop_says_what_is_not_on_the_disk() -> Result<(), Error> {
    let flaky = Flaky::default();
    let store = wait(
        builder()
            .persistence(Persistence::new(flaky.clone()))
            .stop_timeout(Duration::from_millis(30))
            .start(),
    )?;
    flaky.fails.store(true, Ordering::SeqCst);
    store.bucket::<User>()?.insert(user(1))?;
    let no_space = Error::Persistence { reason: "no space left".to_owned() };
    assert_eq!(wait(store.stop()), Err(no_space));
    Ok(())
}

#[test]
fn an_adapter_that_fails_from_the_start_is_told_at_the_start() {
    let flaky = Flaky::default();
    flaky.fails.store(true, Ordering::SeqCst);
    let failed = open(Persistence::new(flaky.clone())).map(drop);
    assert_eq!(failed, Err(Error::Persistence { reason: "no space left".to_owned() }));
    flaky.fails.store(false, Ordering::SeqCst);
    within_seconds(20, move || {
        // The first one lets go of it in its own time.
        while open(Persistence::new(flaky.clone())).is_err() {
            std::thread::yield_now();
        }
    });
}

#[test]
fn an_immediate_commit_that_cannot_be_kept_never_was() -> Result<(), Error> {
    let flaky = Flaky::default();
    let store = open(Persistence::new(flaky.clone()).durability(Durability::Immediate))?;
    let (users, orders) = (store.bucket::<User>()?, store.bucket::<Order>()?);
    users.insert(user(0))?;
    let (before, version) = (contents(&store), store.snapshot().version());
    assert_eq!(store.durable_version(), version);
    let mut events = store.events("**")?;
    for _ in 0..30 {
        flaky.fails.store(true, Ordering::SeqCst);
        let no_space = Error::Persistence { reason: "no space left".to_owned() };
        // Of several kinds: some are added in place to what snapshots share.
        assert_eq!(users.insert(user(1)).err(), Some(no_space.clone()));
        assert_eq!(users.update(&1, User::patch().email("x@example.com")).err(), Some(no_space.clone()));
        assert_eq!(orders.insert_many((0..40).map(order)).err(), Some(no_space.clone()));
        assert_eq!(users.delete(&1).err(), Some(no_space.clone()));
        let failed = store.transaction(|tx| {
            tx.bucket::<User>()?.insert(user(2))?;
            tx.bucket::<Order>()?.insert(order(2))
        });
        assert_eq!(failed.err(), Some(no_space));
        assert_eq!((contents(&store), store.snapshot().version()), (before.clone(), version));
        assert!(users.by_email("1@example.com").is_none() && orders.get(&(2, "o2".to_owned())).is_none());
        assert!(events.try_next().is_none());
        flaky.fails.store(false, Ordering::SeqCst);
    }
    // The rows that were refused are given to others: nothing leads there by the old keys and values.
    flaky.fails.store(true, Ordering::SeqCst);
    let old = Order { id: (77, "same".to_owned()), user: 1 };
    assert!(orders.insert(Order { id: (78, "gone".to_owned()), ..old.clone() }).is_err());
    assert!(orders.insert(old.clone()).is_err());
    assert!(users.insert(user(78)).is_err());
    flaky.fails.store(false, Ordering::SeqCst);
    orders.insert(Order { user: 2, ..old.clone() })?;
    users.insert(user(79))?;
    assert_eq!(orders.require(&old.id)?.user, 2);
    assert!(!orders.contains_key(&(78, "gone".to_owned())));
    assert!(users.by_email("78@example.com").is_none());
    users.insert(user(78))?;
    // What was refused is free, and found where it is put now.
    let one = users.insert(user(1))?;
    orders.insert_many((0..40).map(order))?;
    assert_eq!(users.by_email("1@example.com"), Some(one));
    assert!((0..40).all(|number| orders.contains_key(&(number, format!("o{number}")))));
    let before = contents(&store);
    wait(store.stop())?;
    let store = open(Persistence::new(flaky))?;
    assert_eq!(contents(&store), before);
    Ok(())
}

#[test]
fn immediate_commits_of_many_threads_share_their_appends() -> Result<(), Error> {
    let flaky = Flaky::default();
    let store = open(Persistence::new(flaky.clone()).durability(Durability::Immediate))?;
    let users = store.bucket::<User>()?;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (users, store) = (&users, &store);
            scope.spawn(move || {
                for number in 0..100 {
                    users.insert(user(thread * 1000 + number)).expect("new");
                    let seen = store.snapshot().version();
                    assert!(store.durable_version() >= seen, "nobody sees what is not on the disk");
                }
            });
        }
    });
    let versions: Vec<u64> = flaky.commits().iter().map(|commit| commit.version.get()).collect();
    assert!(versions.iter().copied().eq(1..=store.snapshot().version().get()));
    assert_eq!(users.count(), 800);
    Ok(())
}

#[test]
fn what_the_log_has_lost_is_written_as_a_snapshot() -> Result<(), Error> {
    let flaky = Flaky::default();
    let store = wait(
        builder()
            .commit_log_capacity(16)
            .persistence(Persistence::new(flaky.clone()).debounce(Duration::from_millis(1)))
            .start(),
    )?;
    flaky.fails.store(true, Ordering::SeqCst);
    fill(&store)?;
    flaky.fails.store(false, Ordering::SeqCst);
    wait(store.flush()).or_else(|_| wait(store.flush()))?;
    assert!(store.stats().persistence.snapshots > 0);
    let before = contents(&store);
    wait(store.stop())?;

    // A snapshot has the buckets that nobody has defined, too.
    let few = Store::builder().bucket::<Session>().commit_log_capacity(16);
    let few =
        wait(few.persistence(Persistence::new(flaky.clone()).debounce(Duration::from_millis(1))).start())?;
    flaky.fails.store(true, Ordering::SeqCst);
    for id in 100..150 {
        few.bucket::<Session>()?.insert(Session { id })?;
    }
    few.bucket::<Session>()?.delete_many(100..150)?;
    flaky.fails.store(false, Ordering::SeqCst);
    wait(few.flush()).or_else(|_| wait(few.flush()))?;
    assert!(few.stats().persistence.snapshots > 0);
    wait(few.stop())?;
    let store = open(Persistence::new(flaky))?;
    assert_eq!(contents(&store), before);
    Ok(())
}

#[test]
fn dropped_buckets_do_not_come_back_and_others_wait() -> Result<(), Error> {
    let folder = Folder::new();
    let store = open(folder.persistence())?;
    fill(&store)?;
    store.drop_bucket::<Order>()?;
    store.define_bucket::<Order>()?.insert(order(7))?;
    wait(store.stop())?;

    // Nobody defines the users here.
    let few = wait(Store::builder().bucket::<Order>().persistence(folder.persistence()).start())?;
    assert_eq!(few.bucket::<Order>()?.all().iter().map(|order| order.id.0).collect::<Vec<_>>(), [7]);
    few.bucket::<Order>()?.insert(order(8))?;
    wait(few.stop())?;

    let late = wait(Store::builder().bucket::<Order>().persistence(folder.persistence()).start())?;
    let users = late.define_bucket::<User>()?;
    assert_eq!((users.count(), late.bucket::<Order>()?.count()), (18, 2));
    assert_eq!(users.insert(user(50))?.id, 21);
    late.drop_bucket::<User>()?;
    assert_eq!(late.define_bucket::<User>()?.count(), 0);
    wait(late.stop())?;
    let store = open(folder.persistence())?;
    assert_eq!((store.bucket::<User>()?.count(), store.bucket::<Order>()?.count()), (0, 2));
    wait(store.stop())
}

#[test]
fn one_folder_is_for_one_store() -> Result<(), Error> {
    let folder = Folder::new();
    let store = open(folder.persistence())?;
    let Err(Error::Persistence { reason }) = FileAdapter::open(folder.path()) else { panic!("it is taken") };
    assert!(reason.contains("another store has it open") && reason.contains("noex-store-"), "{reason}");
    wait(store.stop())?;
    drop(FileAdapter::open(folder.path())?);
    Ok(())
}

/// Copies what was kept, cut or changed, into a folder of its own, and opens that.
fn with_files(
    files: &[(PathBuf, Vec<u8>)],
    change: impl Fn(&Path, &mut Vec<u8>),
) -> (Folder, Result<Store, Error>) {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path()).expect("a folder");
    for (path, bytes) in files {
        let mut bytes = bytes.clone();
        change(path, &mut bytes);
        std::fs::write(folder.path().join(path.file_name().expect("a name")), bytes).expect("written");
    }
    let store = open(folder.persistence());
    (folder, store)
}

#[test]
fn a_log_that_was_cut_off_anywhere_gives_whole_transactions() -> Result<(), Error> {
    let folder = Folder::new();
    let store = open(folder.persistence().durability(Durability::Immediate))?;
    let users = store.bucket::<User>()?;
    let mut states = vec![contents(&store)];
    for number in 0..6 {
        store.transaction(|tx| {
            let id = tx.bucket::<User>()?.insert(user(number))?.id;
            tx.bucket::<Order>()?.insert(Order { id: (id as u32, String::new()), user: id })
        })?;
        states.push(contents(&store));
    }
    users.delete(&2)?;
    states.push(contents(&store));
    wait(store.stop())?;
    let files = folder.files();
    assert_eq!(files.len(), 1);
    let mut last = 0;
    for cut in 0..=files[0].1.len() {
        let (_folder, store) = with_files(&files, |_, bytes| bytes.truncate(cut));
        let store = store?;
        let now = contents(&store);
        let state = states.iter().rposition(|state| *state == now).expect("the state after some commit");
        assert!(state >= last, "a longer log has no less");
        last = state;
        // It goes on from there.
        store
            .bucket::<User>()?
            .insert(User { id: 1000, ..(*users.get(&1).expect("there")).clone() })
            .or_else(|error| {
                if matches!(error, Error::UniqueConstraint { .. }) { users.require(&1) } else { Err(error) }
            })?;
        wait(store.stop())?;
    }
    assert_eq!(last, states.len() - 1);
    Ok(())
}

#[test]
fn damage_before_the_end_is_told_and_nothing_is_changed() -> Result<(), Error> {
    let folder = Folder::new();
    let store = open(folder.persistence().durability(Durability::Immediate))?;
    fill(&store)?;
    wait(store.stop())?;
    let files = folder.files();
    let end = files[0].1.len();
    for at in (0..end - 400).step_by(37) {
        let (damaged, store) = with_files(&files, |_, bytes| bytes[at] ^= 0x40);
        let Err(Error::Corrupt { file, offset, .. }) = store.map(drop) else { panic!("damaged at {at}") };
        assert!(file.contains("log-") && offset <= at as u64, "{file} {offset} {at}");
        let left = damaged.files();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].1.len(), end, "it is left as it is");
        // And it is free again.
        drop(FileAdapter::open(damaged.path())?);
    }
    Ok(())
}

#[test]
fn a_long_log_becomes_a_snapshot() -> Result<(), Error> {
    let folder = Folder::new();
    let store = open(folder.persistence().debounce(Duration::from_millis(1)))?;
    let users = store.bucket::<User>()?;
    let text = "x".repeat(10_000);
    users.insert_many((0..50).map(user))?;
    for round in 0..3_000_u64 {
        users.update(&(round % 50 + 1), User::patch().city(format!("{round}{text}")))?;
    }
    wait(store.flush())?;
    within_seconds(60, {
        let store = store.clone();
        move || {
            while store.stats().persistence.snapshots == 0 {
                std::thread::yield_now();
            }
        }
    });
    let before = contents(&store);
    wait(store.stop())?;
    let files = folder.files();
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes < 25_000_000, "{bytes} bytes for half a megabyte of live data, of 30 that were written");
    let store = open(folder.persistence())?;
    assert_eq!(contents(&store), before);
    wait(store.stop())?;

    // A snapshot that is damaged is told as well.
    let (_folder, damaged) = with_files(&files, |path, bytes| {
        if path.to_string_lossy().contains("snapshot-") {
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
        }
    });
    let Err(Error::Corrupt { file, .. }) = damaged.map(drop) else { panic!("damaged") };
    assert!(file.contains("snapshot-"), "{file}");
    Ok(())
}

/// The users once more, with another type and another rule.
mod other {
    use noex_store::prelude::*;

    #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "users")]
    pub(crate) struct Typed {
        #[bucket(key)]
        id: u64,
        email: u32,
    }

    #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "users")]
    pub(crate) struct Ruled {
        #[bucket(key)]
        id: u64,
        #[bucket(max_length = 3)]
        email: String,
    }

    #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "users")]
    pub(crate) struct Fewer {
        #[bucket(key)]
        pub(crate) id: u64,
        pub(crate) score: f32,
        #[bucket(index)]
        pub(crate) nick: Option<String>,
    }
}

#[test]
fn records_that_do_not_fit_are_told_and_left() -> Result<(), Error> {
    let kept = MemoryAdapter::new();
    let persistence = || Persistence::new(kept.clone());
    let store = open(persistence())?;
    fill(&store)?;
    wait(store.stop())?;
    let typed = wait(Store::builder().bucket::<other::Typed>().persistence(persistence()).start()).map(drop);
    assert!(matches!(typed, Err(Error::IncompatibleRecords { bucket: "users", .. })), "{typed:?}");
    let ruled = wait(Store::builder().bucket::<other::Ruled>().persistence(persistence()).start()).map(drop);
    assert!(matches!(ruled, Err(Error::IncompatibleRecords { bucket: "users", .. })), "{ruled:?}");
    // Fields may go, come if they are optional, and have a new index.
    let fewer = wait(Store::builder().bucket::<other::Fewer>().persistence(persistence()).start())?;
    assert_eq!(fewer.bucket::<other::Fewer>()?.count(), 18);
    wait(fewer.stop())?;
    Ok(())
}
