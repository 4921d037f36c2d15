//! What live queries cost: `cargo bench --bench live [part of a name]`.
//!
//! One update is timed to the value that its subscriber gets, and the writer's own share of it, among ever more subscriptions that it
//! does not touch.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::users::{User, filled, users};
use common::{Random, nanos, show, spin, time, wanted};
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "cells", index(board, value))]
struct Cell {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    board: u32,
    value: u64,
}

fn main() {
    if wanted("subscriptions") {
        subscriptions();
    }
    if wanted("window") {
        window();
    }
    if wanted("burst") {
        burst();
    }
    if wanted("subscribe and drop") {
        subscribe_and_drop();
    }
    if wanted("hit") {
        hit();
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn kept(kept: bool) -> &'static str {
    if kept { "kept" } else { "MISSED" }
}

fn cells(count: u32) -> (Store, BucketHandle<Cell>) {
    let (store, _) = common::users::store();
    let cells = store.define_bucket::<Cell>().expect("new");
    cells.insert_many((0..count).map(|id| Cell { id, board: id, value: 0 })).expect("good");
    (store, cells)
}

fn by_board(store: &Store) -> Query<u32, Vec<Record<Cell>>> {
    let query = |ctx: &QueryCtx<'_>, board: &u32| Ok(ctx.bucket::<Cell>()?.by_board(board));
    store.define_query("by-board", query).expect("new")
}

fn by_filter(store: &Store) -> Query<u32, Vec<Record<Cell>>> {
    let query = |ctx: &QueryCtx<'_>, id: &u32| Ok(ctx.bucket::<Cell>()?.filter(Cell::ID.eq(*id)).collect());
    store.define_query("by-filter", query).expect("new")
}

/// How many subscriptions there are at most.
const COUNT: u32 = 100_000;

/// One update to its subscriber's value, among others that ask for other records.
fn updates(define: fn(&Store) -> Query<u32, Vec<Record<Cell>>>) {
    let mut first = None;
    for count in [1, 1_000, COUNT] {
        let (store, cells) = cells(COUNT);
        let query = define(&store);
        let mut live: Vec<_> = (0..count).map(|board| query.subscribe(board).expect("subscribes")).collect();
        live.iter_mut().for_each(|live| drop(live.try_next()));
        spin(store.settle());
        let runs = query.stats().runs;
        let (mut times, mut writes) = (Vec::new(), Vec::new());
        let rounds = 500_u32;
        for round in 0..rounds {
            // The same one in each case, so that all find the same in the processor's caches.
            let board = 0;
            let start = Instant::now();
            cells.update(&board, Cell::patch().value(u64::from(round) + 1)).expect("there");
            writes.push(nanos(start.elapsed(), 1));
            let update = spin(live[0].next()).expect("open").expect("no fault");
            times.push(nanos(start.elapsed(), 1));
            assert_eq!(update.value[0].value, u64::from(round) + 1);
        }
        spin(store.settle());
        assert_eq!(query.stats().runs - runs, u64::from(rounds), "one run for each update");
        let (all, write) = (median(&mut times), median(&mut writes));
        let (base, base_write) = *first.get_or_insert((all, write));
        println!(
            "  {count:>7} subscriptions {:>10}, {:.2} x  [at most 2: {}]; the writer's share {:>9}, {:.2} x",
            show(all),
            all / base,
            kept(all <= base * 2.0),
            show(write),
            write / base_write,
        );
    }
}

fn subscriptions() {
    println!("\none update to the value that its subscriber gets, by an index");
    updates(by_board);
    println!("\none update to the value that its subscriber gets, by a filter on the key");
    updates(by_filter);
    // The writer beside no subscription at all, in turns with one beside all of them.
    let (_alone_store, alone) = cells(COUNT);
    let (store, watched) = cells(COUNT);
    let query = by_board(&store);
    let _live: Vec<_> = (0..COUNT).map(|board| query.subscribe(board).expect("subscribes")).collect();
    let insert = |cells: &BucketHandle<Cell>, from: u32| {
        time(1_000, |n| cells.insert(Cell { id: from + n as u32, board: from + n as u32, value: 0 }).is_ok())
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..15 {
        let from = 1_000_000 + round * 1_000;
        without.push(insert(&alone, from));
        with.push(insert(&watched, from));
        spin(store.settle());
    }
    let (without, with) = (median(&mut without), median(&mut with));
    println!(
        "  insert beside no subscription {}, beside {COUNT} {}, {:.2} x  [at most 1.5: {}]",
        show(without),
        show(with),
        with / without,
        kept(with <= without * 1.5)
    );
}

/// A window of fifty over many rows.
fn window() {
    let users = users(100_000);
    let (store, handle) = filled(&users);
    let query = store
        .define_query("window", |ctx: &QueryCtx<'_>, (): &()| {
            Ok(ctx.bucket::<User>()?.filter(User::ROLE.eq(1)).order_by(User::CITY.asc()).limit(50).collect())
        })
        .expect("new");
    let mut live = query.subscribe(()).expect("subscribes");
    let first = live.try_next().expect("the first").expect("no fault").value;
    let runs = query.stats().runs;
    let end = first.last().expect("fifty").city;
    let outside: Vec<Uuid> =
        users.iter().filter(|user| user.city > end + 10).take(1000).map(|user| user.id).collect();
    outside.iter().enumerate().for_each(|(n, id)| drop(handle.update(id, User::patch().score(n as f64))));
    spin(store.settle());
    let more = query.stats().runs - runs;
    println!("\nwindow of 50 over 100000 rows");
    println!("  1000 updates outside: {more} runs  [none: {}]", kept(more == 0));
    let mut times = Vec::new();
    for round in 0..500 {
        let id = first[round % 50].id;
        let start = Instant::now();
        handle.update(&id, User::patch().score(round as f64 + 0.5)).expect("there");
        spin(live.next()).expect("open").expect("no fault");
        times.push(nanos(start.elapsed(), 1));
    }
    let inside = median(&mut times);
    println!("  an update inside is delivered in {}  [under 50 µs: {}]", show(inside), kept(inside < 50e3));
}

/// Many commits at once, to many subscriptions.
fn burst() {
    let (store, cells) = cells(1_000);
    let query = by_board(&store);
    let mut live: Vec<_> = (0..1_000).map(|board| query.subscribe(board).expect("subscribes")).collect();
    live.iter_mut().for_each(|live| drop(live.try_next()));
    let runs = query.stats().runs;
    let start = Instant::now();
    for n in 0..10_000_u32 {
        cells.update(&(n % 1_000), Cell::patch().value(u64::from(n))).expect("there");
    }
    let written = start.elapsed();
    spin(store.settle());
    let settled = start.elapsed();
    let runs = query.stats().runs - runs;
    println!("\nburst of 10000 commits to 1000 subscriptions, each touched ten times");
    println!(
        "  written in {written:.1?}, all told after {settled:.1?}; {runs} runs  [at most one a commit: {}]",
        kept(runs <= 10_000)
    );
    for (board, live) in live.iter_mut().enumerate() {
        let update = live.try_next().expect("changed").expect("no fault");
        assert_eq!(update.value[0].value, 9_000 + board as u64);
    }
}

fn subscribe_and_drop() {
    let (store, _cells) = cells(100_000);
    let query = by_board(&store);
    let rounds = 200_000_u32;
    let start = Instant::now();
    for n in 0..rounds {
        drop(query.subscribe(n % 100_000).expect("subscribes"));
    }
    let each = nanos(start.elapsed(), rounds as usize);
    println!(
        "\nsubscribe and drop: {} a second  [at least 200000: {}]",
        (1e9 / each) as u64,
        kept(each <= 5_000.0)
    );
    println!("  {} answers are kept", query.stats().memos);
}

/// An answer that is there.
fn hit() {
    let (store, cells) = cells(10_000);
    let query = by_board(&store);
    let mut random = Random::new(5);
    let boards: Vec<u32> = (0..20_000).map(|_| random.below(500) as u32).collect();
    boards.iter().for_each(|board| drop(query.run(board)));
    let (mut gets, mut hits) = (Vec::new(), Vec::new());
    for _ in 0..21 {
        gets.push(time(boards.len(), |n| cells.get(&boards[n])));
        hits.push(time(boards.len(), |n| query.run(&boards[n]).is_ok()));
    }
    let (get, hit) = (median(&mut gets), median(&mut hits));
    println!(
        "\nan answer that is there: {}, a get {}, {:.1} x  [at most 3: {}]",
        show(hit),
        show(get),
        hit / get,
        kept(hit <= get * 3.0)
    );
    let hits = |number: u32| {
        for board in &boards[..1000] {
            // Each thread has answers of its own: what they share is the way there.
            std::hint::black_box(query.run(&(board / 2 * 2 + number)).is_ok());
        }
    };
    let gets = |number: u32| {
        for board in &boards[..1000] {
            std::hint::black_box(cells.get(&(board / 2 * 2 + number)).is_some());
        }
    };
    let (one, two) = (throughput(1, &hits), throughput(2, &hits));
    println!("  one thread {one:.1}, two {two:.1} million a second: {:.2} x", two / one);
    let (one, two) = (throughput(1, &gets), throughput(2, &gets));
    println!("  gets: one thread {one:.1}, two {two:.1} million a second: {:.2} x", two / one);
}

/// Millions a second of what is done a thousand at a time.
fn throughput(threads: u32, thousand: &(dyn Fn(u32) + Sync)) -> f64 {
    let stop = AtomicBool::new(false);
    let done: u64 = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|number| {
                let stop = &stop;
                scope.spawn(move || {
                    let mut done = 0_u64;
                    while !stop.load(Ordering::Relaxed) {
                        thousand(number);
                        done += 1000;
                    }
                    done
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(700));
        stop.store(true, Ordering::Relaxed);
        running.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    done as f64 / 0.7 / 1e6
}
