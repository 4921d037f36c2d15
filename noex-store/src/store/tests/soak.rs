//! Everything at once, for two seconds, or as long as one likes: `NOEX_SOAK_SECONDS=600 cargo test --release -p noex-store soak --
//! --nocapture`.
//!
//! Writers, transactions, readers, subscribers of all kinds, records that expire and make room, and services that are killed
//! all the while. What must hold is looked at as it goes; the memory is printed, and must not grow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wait;
use crate::engine::tests::Random;
use crate::live::QueryCtx;
use crate::store::Store;
use crate::{
    BridgeOptions, Change, Error, Event, EventReceiver, FileAdapter, Lagged, Persistence, ReceiverError,
    Snapshot, Ttl, bridge_to_rules,
};

const ACCOUNTS: usize = 1_000;
const CENTS: i64 = 100;

#[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "accounts", crate = crate)]
struct Account {
    #[bucket(key)]
    id: usize,
    #[bucket(index)]
    cents: i64,
}

#[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "sessions", ttl = "1s", max_size = 20_000, crate = crate)]
struct Session {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(index)]
    account: usize,
    text: String,
}

#[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "cache", max_size = 2_000, evict = "lru", crate = crate)]
struct Cached {
    #[bucket(key)]
    id: usize,
    #[bucket(unique)]
    text: String,
}

#[derive(Default)]
struct Sent(AtomicU64);

impl EventReceiver for Sent {
    async fn emit(&self, _: &str, _: Value) -> Result<(), ReceiverError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn write(store: &Store, seed: u64, over: &AtomicBool) -> Result<u64, Error> {
    let (sessions, cache) = (store.bucket::<Session>()?, store.bucket::<Cached>()?);
    let mut random = Random::new(seed);
    let mut writes = 0;
    while !over.load(Ordering::Relaxed) {
        let account = random.below(ACCOUNTS);
        match random.below(8) {
            0..=2 => {
                let to = random.below(ACCOUNTS);
                store.transaction(|tx| {
                    let accounts = tx.bucket::<Account>()?;
                    accounts.modify(&account, |own| own.cents -= 1)?;
                    accounts.modify(&to, |own| own.cents += 1)?;
                    let text = format!("{account} to {to}");
                    tx.bucket::<Session>()?.insert(Session::draft().account(account).text(text)).map(drop)
                })?;
            }
            3 => {
                let ttl = Ttl::For(Duration::from_millis(1 + random.below(3_000) as u64));
                sessions.insert_with_ttl(Session::draft().account(account).text("short"), ttl)?;
            }
            4 => drop(sessions.delete_where(Session::ACCOUNT.eq(account))?),
            5 => {
                let id = random.below(20_000);
                cache.upsert(Cached { id, text: format!("{id}") })?;
            }
            6 => drop(cache.get(&random.below(20_000))),
            _ => {
                if let Some(session) = sessions.last(1).first() {
                    // It may be gone by now.
                    let _ = sessions.touch(&session.id);
                }
            }
        }
        writes += 1;
    }
    Ok(writes)
}

/// What holds in every snapshot.
fn look(snapshot: &Snapshot) -> Result<(), Error> {
    let accounts = snapshot.bucket::<Account>()?;
    assert_eq!(accounts.sum(Account::CENTS), i128::from(CENTS) * ACCOUNTS as i128);
    assert_eq!(accounts.count(), accounts.filter(Account::CENTS.ge(i64::MIN)).count());
    assert!(snapshot.bucket::<Session>()?.count() <= 20_000);
    assert!(snapshot.bucket::<Cached>()?.count() <= 2_000);
    Ok(())
}

fn resident_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

#[test]
fn soak() -> Result<(), Error> {
    let seconds = std::env::var("NOEX_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let folder = std::env::temp_dir().join(format!("noex-store-soak-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let start = || {
        let persistence = Persistence::new(FileAdapter::open(&folder)?).debounce(Duration::from_millis(20));
        let builder = Store::builder().bucket::<Account>().bucket::<Session>().bucket::<Cached>();
        wait(builder.persistence(persistence).restart_intensity(u32::MAX, Duration::from_secs(1)).start())
    };
    let store = start()?;
    let accounts = store.bucket::<Account>()?;
    accounts.insert_many((0..ACCOUNTS).map(|id| Account { id, cents: CENTS }))?;
    let over = AtomicBool::new(false);

    let rich = store.define_query("rich", |ctx: &QueryCtx<'_>, least: &i64| {
        Ok(ctx.bucket::<Account>()?.filter(Account::CENTS.ge(*least)).count())
    })?;
    let of_account = store.define_query("sessions", |ctx: &QueryCtx<'_>, id: &usize| {
        Ok(ctx.bucket::<Session>()?.by_account(id).len())
    })?;
    let mut live: Vec<_> = (90..110).map(|cents| rich.subscribe(cents)).collect::<Result<_, _>>()?;
    let mut of_accounts: Vec<_> =
        (0..ACCOUNTS).map(|id| of_account.subscribe(id)).collect::<Result<_, _>>()?;
    let handled = Arc::new(AtomicU64::new(0));
    let own = Arc::clone(&handled);
    let guard = store.on("bucket.sessions.*", move |_: &Event| {
        own.fetch_add(1, Ordering::Relaxed);
    })?;
    let sent = Arc::new(Sent::default());
    let bridge =
        bridge_to_rules(&store, Arc::clone(&sent), BridgeOptions::new().pattern("bucket.accounts.*"))?;

    let begun = Instant::now();
    let mut figures = Vec::new();
    let writes = thread::scope(|scope| {
        let writers: Vec<_> = (1..=2)
            .map(|seed| {
                scope.spawn({
                    let (store, over) = (&store, &over);
                    move || write(store, seed, over)
                })
            })
            .collect();
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                look(&store.snapshot()).expect("the buckets are defined");
            }
        });
        // Follows all changes of a bucket, and begins anew where it has fallen behind.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let mut changes = accounts.changes();
                let snapshot = store.snapshot();
                let rows = snapshot.bucket::<Account>().expect("defined").all();
                let mut own: BTreeMap<usize, i64> = rows.iter().map(|row| (row.id, row.cents)).collect();
                let from = snapshot.version();
                let until = Instant::now() + Duration::from_secs(1);
                while Instant::now() < until && !over.load(Ordering::Relaxed) {
                    match changes.try_next() {
                        None => thread::yield_now(),
                        Some(Err(Lagged(_))) => break,
                        Some(Ok(Change::Updated { old, new })) if changes.version() > from => {
                            assert_eq!(
                                own.insert(new.id, new.cents),
                                Some(old.cents),
                                "each change once, in order"
                            );
                        }
                        Some(Ok(_)) => {}
                    }
                }
            }
        });
        scope.spawn(|| {
            let mut random = Random::new(3);
            while !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(5 + random.below(40) as u64));
                store.kill_a_service(random.below(6));
            }
        });
        let mut next = Duration::ZERO;
        while begun.elapsed() < Duration::from_secs(seconds) {
            thread::sleep(Duration::from_millis(50));
            live.iter_mut().for_each(|live| drop(live.try_next()));
            of_accounts.iter_mut().for_each(|live| drop(live.try_next()));
            if begun.elapsed() >= next {
                next += Duration::from_secs((seconds / 20).max(1));
                let (stats, memory) = (store.stats(), resident_megabytes());
                println!(
                    "{:>4} s {memory:>7.1} MB resident, {:>9} commits, {} conflicts, {} expired, {} evicted, {} runs, \
                     {} events ({} missed), restarts {:?}",
                    begun.elapsed().as_secs(),
                    stats.version,
                    stats.commits.conflicts,
                    stats.ttl.expired,
                    stats.evicted,
                    stats.queries.runs,
                    stats.events.told,
                    stats.events.missed,
                    stats.services.iter().map(|service| service.restarts).collect::<Vec<_>>(),
                );
                figures.push(memory);
            }
        }
        over.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().expect("no panic")).sum::<Result<u64, Error>>()
    })?;

    wait(store.settle());
    look(&store.snapshot())?;
    for (least, live) in (90..110).zip(&mut live) {
        if let Some(update) = live.try_next() {
            assert_eq!(update?.value, rich.run(&least)?, "told of the last commit");
        }
    }
    let stats = store.stats();
    let restarted = stats.services.iter().filter(|service| service.restarts > 0).count();
    // The one that writes snapshots comes by its end only when it has something to do.
    assert!(!stats.degraded && restarted >= 5, "{:?}", stats.services);
    // Sessions go on expiring, and what follows from that is done at once.
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let stats = store.stats();
        if (stats.queries.waiting, stats.events.behind) == (0, 0) {
            break;
        }
        assert!(Instant::now() < until, "{stats:?}");
        thread::yield_now();
    }
    println!(
        "{writes} writes in {seconds} s; {} handled, {} sent, {} missed by the bridge",
        handled.load(Ordering::Relaxed),
        sent.0.load(Ordering::Relaxed),
        bridge.stats().missed,
    );
    // The second half against the first, each by its greatest.
    let greatest = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
    let (first, second) = figures.split_at(figures.len() / 2);
    println!("resident at most: {:.1} MB, then {:.1} MB", greatest(first), greatest(second));
    if seconds >= 60 {
        assert!(greatest(second) < 1.1 * greatest(first), "the memory grows");
    }
    drop(guard);
    wait(store.stop())?;
    let before = (accounts.all(), store.snapshot().version());
    drop(store);
    let again = start()?;
    assert_eq!(again.bucket::<Account>()?.all(), before.0, "all of it is on the disk");
    assert!(again.snapshot().version() >= before.1);
    println!(
        "{:?}, {} files",
        again.stats().persistence,
        std::fs::read_dir(&folder).map_or(0, Iterator::count)
    );
    wait(again.stop())?;
    let _ = std::fs::remove_dir_all(&folder);
    Ok(())
}
