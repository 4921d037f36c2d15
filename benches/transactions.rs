//! The cost of transactions: `cargo bench --bench transactions [part of a name]`.
//!
//! Each group is measured in one run, in turns; targets are printed with whether they were reached.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::users::{User, filled, sqlite_filled, sqlite_get, users};
use common::{Bound, Group, Random, nanos, show, sizes, time, wanted};
use noex_store::prelude::*;
use rusqlite::params;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "orders")]
struct Order {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(index)]
    user: Uuid,
    cents: u64,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "counters")]
struct Counter {
    #[bucket(key)]
    id: u32,
    value: u64,
}

fn main() {
    for size in sizes() {
        println!("\n== {size} records");
        let users = users(size);
        if wanted("two buckets") {
            two_buckets(&users);
        }
        if wanted("read only") {
            read_only(&users);
        }
    }
    if wanted("validation") {
        validation();
    }
    if wanted("hot record") {
        hot_record();
    }
    if wanted("group commit") {
        group_commit();
    }
}

/// A get and an update in one bucket, an insert into another.
fn two_buckets(users: &[User]) {
    const OPERATIONS: usize = 2_000;
    let (store, handle) = filled(users);
    let orders = store.define_bucket::<Order>().expect("new");
    let connection = sqlite_filled(users);
    connection
        .execute_batch(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, user BLOB NOT NULL, cents INTEGER NOT NULL);
             CREATE INDEX by_user ON orders (user);",
        )
        .expect("the table is made");
    let mut random = Random::new(7);
    let keys: Vec<Uuid> = (0..OPERATIONS).map(|_| users[random.below(users.len())].id).collect();
    let draft = |user: Uuid| Order::draft().user(user).cents(100_u64);
    Group::new(format!("transaction over two buckets: get, update, insert; {} users", users.len()))
        .subject("noex-store, transaction", |_| {
            time(OPERATIONS, |n| {
                let done: Result<(), Error> = store.transaction(|tx| {
                    let users = tx.bucket::<User>()?;
                    let user = users.require(&keys[n])?;
                    users.update(&user.id, User::patch().score(user.score + 1.0))?;
                    tx.bucket::<Order>()?.insert(draft(user.id)).map(drop)
                });
                done.is_ok()
            })
        })
        .subject("rusqlite in memory", |_| {
            time(OPERATIONS, |n| {
                connection.prepare_cached("BEGIN")?.execute([])?;
                let user = sqlite_get(&connection, &keys[n]);
                let mut update = connection.prepare_cached("UPDATE users SET score = ?2 WHERE id = ?1")?;
                update.execute(params![keys[n].as_bytes(), user.score + 1.0])?;
                let mut insert =
                    connection.prepare_cached("INSERT INTO orders (user, cents) VALUES (?1, 100)")?;
                insert.execute([keys[n].as_bytes()])?;
                connection.prepare_cached("COMMIT")?.execute([])
            })
        })
        .target(Bound::FasterBy, 2.0)
        .subject("the same writes alone", |_| {
            time(OPERATIONS, |n| {
                let user = handle.require(&keys[n])?;
                handle.update(&user.id, User::patch().score(user.score + 1.0))?;
                orders.insert(draft(user.id)).map(drop)
            })
        })
        .target(Bound::AtMost, 1.5)
        .run(15);
}

/// How many of the keys are there. The same code for all: what the compiler makes of a get in a closure differs by a third from
/// one closure to the next.
#[inline(never)]
fn found(own: &<User as Bucket>::Reads, keys: &[Uuid]) -> usize {
    keys.iter().filter(|key| own.get(*key).is_some()).count()
}

/// A hundred gets, and an index look-up, of one state.
fn read_only(users: &[User]) {
    const OPERATIONS: usize = 20_000;
    let (store, _) = filled(users);
    let mut random = Random::new(9);
    let keys: Vec<Uuid> = (0..OPERATIONS + 100).map(|_| users[random.below(users.len())].id).collect();
    Group::new(format!("100 gets of one state, each get, {} records", users.len()))
        .subject("read-only transaction", |_| {
            let each = time(OPERATIONS / 10, |n| {
                let read = store.transaction_with(TxOptions::new().read_only(), |tx| {
                    let own = tx.bucket::<User>()?;
                    Ok::<_, Error>(found(&own, &keys[n..n + 100]))
                });
                read.is_ok()
            });
            each / 100.0
        })
        .subject("snapshot", |_| {
            let each = time(OPERATIONS / 10, |n| {
                let snapshot = store.snapshot();
                let own = snapshot.bucket::<User>().expect("defined");
                found(&own, &keys[n..n + 100])
            });
            each / 100.0
        })
        .target(Bound::AtMost, 1.0)
        .subject("transaction that only reads", |_| {
            let each = time(OPERATIONS / 10, |n| {
                let tx = store.begin();
                let own = tx.bucket::<User>().expect("defined");
                let found = found(&own, &keys[n..n + 100]);
                drop(own);
                (found, tx.commit().is_ok())
            });
            each / 100.0
        })
        .run(31);
    Group::new(format!("index look-up of 100 rows of one state, {} records", users.len()))
        .subject("read-only transaction", |_| {
            time(OPERATIONS / 4, |n| {
                let read = store.transaction_with(TxOptions::new().read_only(), |tx| {
                    Ok::<_, Error>(tx.bucket::<User>()?.by_city(&(n as u32 % 100)).len())
                });
                read.is_ok()
            })
        })
        .subject("snapshot", |_| {
            time(OPERATIONS / 4, |n| {
                store.snapshot().bucket::<User>().expect("defined").by_city(&(n as u32 % 100)).len()
            })
        })
        .target(Bound::AtMost, 1.0)
        .run(31);
}

/// How long a commit takes that has read `reads` things, when `commits` others were made since it began.
fn validated(reads: usize, commits: usize, read: &dyn Fn(&Transaction, usize)) -> f64 {
    let mut times = Vec::new();
    for round in 0..7 {
        let users = users(20_000);
        let (store, handle) = filled(&users);
        let orders = store.define_bucket::<Order>().expect("new");
        let tx = store.begin();
        (0..reads).for_each(|at| read(&tx, at));
        tx.bucket::<Order>()
            .expect("defined")
            .insert(Order::draft().user(users[0].id).cents(1_u64))
            .expect("good");
        // Of users that were not read: what is read is found to be as it was.
        for at in 0..commits {
            let id = users[10_000 + (at + round) % 10_000].id;
            handle.update(&id, User::patch().score(at as f64)).expect("there");
        }
        let start = Instant::now();
        tx.commit().expect("nothing that was read has changed");
        times.push(nanos(start.elapsed(), 1));
        assert_eq!(orders.count(), 1);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn validation() {
    let users = users(20_000);
    // Cities of which no changed user is one; there are two hundred.
    let key = |tx: &Transaction, at: usize| {
        tx.bucket::<User>().expect("defined").get(&users[at % 10_000].id);
    };
    let miss = |tx: &Transaction, at: usize| {
        tx.bucket::<User>().expect("defined").by_city(&(1_000_000 + at as u32));
    };
    grow("keys", &key);
    grow("look-ups in an index", &miss);
}

fn grow(kind: &str, read: &dyn Fn(&Transaction, usize)) {
    println!("\nvalidation of r {kind} against c commits since, in µs a commit");
    println!("  {:>10} {:>10} {:>10} {:>10}", "r \\ c", 1000, 2000, 4000);
    let mut corner = Vec::new();
    for reads in [1000, 2000, 4000] {
        let row: Vec<f64> = [1000, 2000, 4000].map(|commits| validated(reads, commits, read)).to_vec();
        let cells: Vec<String> = row.iter().map(|time| format!("{:>10.0}", time / 1e3)).collect();
        println!("  {reads:>10} {}", cells.join(" "));
        corner.extend([row[0], row[2]]);
    }
    let growth = corner[5] / corner[0];
    let kept = if growth <= 6.0 { "kept" } else { "MISSED" };
    println!(
        "  four times both is {growth:.1} times the time  [r + c: about 4, r x c: 16; at most 6: {kept}]"
    );
}

/// Lets threads work for a while; returns how often each came to an end.
fn race(threads: usize, work: impl Fn(usize) + Sync) -> Vec<usize> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|number| {
                let (stop, work) = (&stop, &work);
                scope.spawn(move || {
                    let mut done = 0;
                    while !stop.load(Ordering::Relaxed) {
                        work(number);
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(1500));
        stop.store(true, Ordering::Relaxed);
        running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn tell(name: &str, done: &[usize]) -> f64 {
    let (sum, least, most) = (
        done.iter().sum::<usize>(),
        done.iter().min().copied().unwrap_or_default(),
        done.iter().max().copied().unwrap_or_default(),
    );
    let each = 1.5e9 / sum as f64;
    println!(
        "  {name:<44} {:>10} each, threads from {least} to {most} ({:.2} x)",
        show(each),
        most as f64 / least.max(1) as f64
    );
    each
}

/// Eight threads that change one record, in transactions that do nothing else, in some that compute, for which the cores are the
/// limit, and in some that wait for something.
fn hot_record() {
    let compute = || {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(20) {
            std::hint::spin_loop();
        }
    };
    let wait = || thread::sleep(Duration::from_micros(200));
    let work: [(&str, &(dyn Fn() + Sync)); 3] =
        [("no other work", &|| ()), ("20 µs of computing", &compute), ("200 µs of waiting", &wait)];
    for (what, other_work) in work {
        println!("\nhot record, 8 threads, {what} in each transaction");
        let (store, _) = common::users::store();
        let counters = store.define_bucket::<Counter>().expect("new");
        counters.insert(Counter { id: 1, value: 0 }).expect("empty");
        let many = || TxOptions::new().retries(u32::MAX);
        let retried = race(8, |_| {
            let done: Result<(), Error> = store.transaction_with(many(), |tx| {
                let counters = tx.bucket::<Counter>()?;
                let value = counters.require(&1)?.value;
                other_work();
                counters.update(&1, Counter::patch().value(value + 1)).map(drop)
            });
            done.expect("comes to an end");
        });
        let added = race(8, |_| {
            let done: Result<(), Error> = store.transaction_with(many(), |tx| {
                tx.bucket::<Counter>()?.update(&1, Counter::patch().add(Counter::VALUE, 1))?;
                other_work();
                Ok(())
            });
            done.expect("no conflict");
        });
        let by_handle = race(8, |_| {
            other_work();
            counters.update(&1, Counter::patch().add(Counter::VALUE, 1)).expect("no conflict");
        });
        let total: usize = [&retried, &added, &by_handle].iter().flat_map(|done| done.iter()).sum();
        assert_eq!(counters.require(&1).expect("there").value, total as u64, "nothing is lost");
        let first = tell("read, then write, in transactions", &retried);
        let (least, most) = (retried.iter().min().expect("8"), retried.iter().max().expect("8"));
        println!("    [within 3 x: {}]", if *most <= least * 3 { "kept" } else { "MISSED" });
        let second = tell("add in transactions", &added);
        let kept = if second * 2.0 <= first { "kept" } else { "MISSED" };
        println!("    [faster by 2: {kept}, {:.1} x]", first / second);
        tell("add by a handle", &by_handle);
    }
}

/// Threads that insert records of their own.
fn group_commit() {
    println!("\ngroup commit: inserts of a bucket with one index");
    let mut alone = 0.0;
    for threads in [1, 2, 4, 8] {
        let (store, _) = common::users::store();
        let orders = store.define_bucket::<Order>().expect("new");
        let user = Uuid::from_u128(7);
        let done = race(threads, |_| {
            orders.insert(Order::draft().user(user).cents(1_u64)).expect("good");
        });
        assert_eq!(orders.count(), done.iter().sum::<usize>());
        let each = tell(&format!("{threads} threads"), &done);
        if threads == 1 {
            alone = each;
        } else {
            println!("    {:.2} x the time of one thread alone", each / alone);
        }
    }
}
