//! The speed of the store beside that of its peers: `cargo bench --bench speed [part of a name]`.
//!
//! Each group is measured in one run, in turns; targets are printed with whether they were reached. Sizes are records in
//! the bucket, of six fields with one unique and two plain indexes.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use common::users::{
    User, filled, sqlite, sqlite_by_city, sqlite_filled, sqlite_get, sqlite_insert, store, user, users,
};
use common::{Bound, Group, Random, nanos, show, sizes, time, wanted};
use noex_store::prelude::*;

fn main() {
    for size in sizes() {
        println!("\n== {size} records");
        let users = users(size);
        if wanted("get") {
            get(&users);
        }
        if wanted("insert") {
            insert(&users);
        }
        if wanted("batch") {
            insert_many(&users);
        }
        if wanted("update") {
            update(&users);
        }
        if wanted("delete") {
            delete_where(&users);
        }
        if wanted("index") {
            index(&users);
        }
        if wanted("count") {
            count(&users);
        }
        if wanted("page") {
            page(&users);
        }
        if wanted("snapshot") {
            snapshot(&users);
        }
        if wanted("beside") {
            beside_a_writer(&users);
        }
    }
    if wanted("scan") {
        scan();
    }
}

fn keys(users: &[User], count: usize) -> Vec<Uuid> {
    let mut random = Random::new(7);
    (0..count).map(|_| users[random.below(users.len())].id).collect()
}

/// Each peer beside ours alone: more copies of the records would only share out the processor's cache.
fn get(users: &[User]) {
    let (_store, handle) = filled(users);
    let keys = keys(users, 20_000);
    {
        let papaya: papaya::HashMap<Uuid, Arc<User>, foldhash::fast::RandomState> =
            papaya::HashMap::default();
        users.iter().for_each(|user| {
            papaya.pin().insert(user.id, Arc::new(user.clone()));
        });
        Group::new(format!("get by key, {} records", users.len()))
            .subject("noex-store", |_| time(keys.len(), |n| handle.get(&keys[n])))
            .subject("papaya", |_| time(keys.len(), |n| papaya.pin().get(&keys[n]).cloned()))
            .target(Bound::AtMost, 2.0)
            .run(31);
    }
    let connection = sqlite_filled(users);
    Group::new(format!("get by key, {} records", users.len()))
        .subject("noex-store", |_| time(keys.len(), |n| handle.get(&keys[n])))
        .subject("rusqlite in memory", |_| time(keys.len(), |n| sqlite_get(&connection, &keys[n])))
        .target(Bound::FasterBy, 8.0)
        .run(31);
}

fn insert(users: &[User]) {
    let (_store, handle) = filled(users);
    let connection = sqlite_filled(users);
    let count = 2_000;
    let fresh = |round: usize| -> Vec<User> {
        let mut random = Random::new(round as u64 + 1_000_003);
        (0..count).map(|n| user(&mut random, users.len() + round * count + n, users.len())).collect()
    };
    Group::new(format!("insert, one a commit, into {} records", users.len()))
        .subject("noex-store", |round| {
            let mut fresh = fresh(round).into_iter();
            time(count, |_| fresh.next().map(|user| handle.insert(user).expect("the user is new")))
        })
        .subject("rusqlite in memory", |round| {
            let fresh = fresh(round);
            time(count, |n| sqlite_insert(&connection, &fresh[n]))
        })
        .target(Bound::FasterBy, 2.0)
        .run(9);
}

fn insert_many(users: &[User]) {
    let rounds = if users.len() > 100_000 { 5 } else { 15 };
    Group::new(format!("insert of {} records in one commit into an empty bucket, each record", users.len()))
        .subject("noex-store", |_| {
            let (_store, handle) = store();
            let users = users.to_vec();
            let start = Instant::now();
            let records = handle.insert_many(users).expect("the users are good");
            nanos(start.elapsed(), records.len())
        })
        .subject("rusqlite, one transaction", |_| {
            let connection = sqlite();
            let start = Instant::now();
            connection.execute_batch("BEGIN").expect("a transaction begins");
            users.iter().for_each(|user| sqlite_insert(&connection, user));
            connection.execute_batch("COMMIT").expect("it ends");
            nanos(start.elapsed(), users.len())
        })
        .target(Bound::FasterBy, 4.0)
        .run(rounds);
}

fn update(users: &[User]) {
    let (_store, handle) = filled(users);
    let connection = sqlite_filled(users);
    let keys = keys(users, 2_000);
    let mut score = 0.0;
    Group::new(format!("update of one field without index, one a commit, {} records", users.len()))
        .subject("noex-store", |round| {
            time(keys.len(), |n| {
                handle.update(&keys[n], User::patch().score(round as f64 + n as f64)).is_ok()
            })
        })
        .subject("rusqlite in memory", |_| {
            time(keys.len(), |n| {
                score += 1.0;
                let mut statement = connection.prepare_cached("UPDATE users SET score = ?2 WHERE id = ?1")?;
                statement.execute(rusqlite::params![keys[n].as_bytes(), score])
            })
        })
        .run(9);
}

/// Of two roles.
fn delete_where(users: &[User]) {
    let rounds = if users.len() > 100_000 { 3 } else { 9 };
    Group::new(format!("delete of the half of {} records in one commit, each of them", users.len()))
        .subject("noex-store", |_| {
            let (_store, handle) = filled(users);
            let start = Instant::now();
            let gone = handle.delete_where(User::ROLE.eq(0)).expect("deleted");
            nanos(start.elapsed(), gone.len())
        })
        .subject("rusqlite in memory", |_| {
            let connection = sqlite_filled(users);
            let start = Instant::now();
            let gone = connection.execute("DELETE FROM users WHERE role = 0", []).expect("deleted");
            nanos(start.elapsed(), gone)
        })
        .run(rounds);
}

fn index(users: &[User]) {
    let (_store, handle) = filled(users);
    let connection = sqlite_filled(users);
    let cities = (users.len() / 100).max(1);
    let mut random = Random::new(3);
    let asked: Vec<u32> = (0..500).map(|_| random.below(cities) as u32).collect();
    let rows: usize = asked.iter().map(|city| handle.by_city(city).len()).sum();
    Group::new(format!("index look-up of {} rows, {} records", rows / asked.len(), users.len()))
        .subject("noex-store, by_city", |_| time(asked.len(), |n| handle.by_city(&asked[n])))
        .subject("rusqlite in memory", |_| time(asked.len(), |n| sqlite_by_city(&connection, asked[n])))
        .target(Bound::FasterBy, 10.0)
        .subject("noex-store, filter", |_| {
            time(asked.len(), |n| handle.filter(User::CITY.eq(asked[n])).collect())
        })
        .run(15);
}

fn count(users: &[User]) {
    let (_store, handle) = filled(users);
    let cities = (users.len() / 100).max(2) as u32;
    let count = |from: u32, to: u32| handle.filter(User::CITY.between(from..to)).count();
    Group::new(format!("count of a range, {} records", users.len()))
        .subject("1 % of the records", |_| time(2_000, |_| count(0, (cities / 100).max(1))))
        .subject("all but a few", |_| time(2_000, |_| count(1, cities)))
        .target(Bound::AtMost, 1.0 / 0.5)
        .run(15);
}

fn page(users: &[User]) {
    let (_store, handle) = filled(users);
    let keys = keys(users, 20_000);
    // A cursor in the middle: that of a page which ends there.
    let middle = handle.paginate(Page::first(users.len() / 2)).next_cursor.expect("there is more");
    let ordered = handle.order_by(User::CITY.asc());
    let ordered_middle = ordered.paginate(Page::first(users.len() / 2)).next_cursor.expect("there is more");
    Group::new(format!("page of 20 from the middle, {} records", users.len()))
        .subject("insertion order", |_| {
            time(2_000, |_| {
                handle.paginate(Page::first(20).after(middle.clone())).map(|page| page.records.len())
            })
        })
        .subject("get by key", |_| time(keys.len(), |n| handle.get(&keys[n])))
        .target(Bound::AtMost, 5.0)
        .subject("order of an index", |_| {
            time(2_000, |_| {
                ordered.paginate(Page::first(20).after(ordered_middle.clone())).map(|page| page.records.len())
            })
        })
        .run(15);
}

fn snapshot(users: &[User]) {
    let (store, _handle) = filled(users);
    let swap = ArcSwap::from_pointee(0_u64);
    Group::new(format!("snapshot(), {} records", users.len()))
        .subject("noex-store", |_| time(100_000, |_| store.snapshot()))
        .subject("ArcSwap::load_full", |_| time(100_000, |_| swap.load_full()))
        .subject("ArcSwap::load", |_| time(100_000, |_| swap.load()))
        .target(Bound::AtMost, 3.0)
        .run(15);
}

/// Gets with and without a thread that commits without pause: each get is timed, for its percentiles.
fn beside_a_writer(users: &[User]) {
    let (_store, handle) = filled(users);
    let keys = keys(users, 200_000);
    let stop = AtomicBool::new(false);
    let busy = AtomicBool::new(false);
    let commits = std::sync::atomic::AtomicU64::new(0);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(11);
            while !stop.load(Ordering::Relaxed) {
                if !busy.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                    continue;
                }
                let user = &users[random.below(users.len())];
                let changed = handle.update(&user.id, User::patch().city(random.below(users.len()) as u32));
                commits.fetch_add(u64::from(changed.is_ok()), Ordering::Relaxed);
            }
        });
        for _ in 0..6 {
            for (writes, times) in [(false, &mut alone), (true, &mut beside)] {
                busy.store(writes, Ordering::Relaxed);
                for key in &keys {
                    let start = Instant::now();
                    std::hint::black_box(handle.get(key));
                    times.push(nanos(start.elapsed(), 1));
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("\nget beside a writer, {} records ({} commits)", users.len(), commits.load(Ordering::Relaxed));
    for (name, part, target) in [("median", 0.5, 1.3), ("p99", 0.99, f64::MAX), ("p99.9", 0.999, 3.0)] {
        let percentile = |times: &mut Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[((times.len() - 1) as f64 * part) as usize]
        };
        let (alone, beside) = (percentile(&mut alone), percentile(&mut beside));
        let ratio = beside / alone;
        let kept = if ratio <= target { "kept" } else { "MISSED" };
        print!("  {name:<10} alone {:>10}  beside {:>10}  {ratio:.2} x", show(alone), show(beside));
        if target < f64::MAX { println!("  [at most {target}: {kept}]") } else { println!() }
    }
}

fn scan() {
    let users = users(10_000);
    let (_store, handle) = filled(&users);
    let plain: Vec<Arc<User>> = users.iter().cloned().map(Arc::new).collect();
    Group::new("filter without index over 10,000 rows, 10 % pass".to_owned())
        .subject("noex-store, collect", |_| time(20, |_| handle.filter(User::SCORE.lt(100.0)).collect()))
        .subject("loop over Vec<Arc<_>>", |_| {
            time(20, |_| plain.iter().filter(|user| user.score < 100.0).cloned().collect::<Vec<_>>())
        })
        .target(Bound::AtMost, 3.0)
        .subject("noex-store, count", |_| time(20, |_| handle.filter(User::SCORE.lt(100.0)).count()))
        .subject("loop, count", |_| time(20, |_| plain.iter().filter(|user| user.score < 100.0).count()))
        .run(25);
}
