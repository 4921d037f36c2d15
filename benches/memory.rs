//! The memory of a record, beside the same rows in std's maps: `cargo bench --bench memory`.
//!
//! Bytes that were asked of the allocator (counted by dhat), without the allocator's own overhead.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use common::sizes;
use common::users::{User, filled, store, users};
use noex_store::prelude::*;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// The bytes that stay allocated after `make`, divided by the records.
fn bytes<T>(records: usize, make: impl FnOnce() -> T) -> (f64, T) {
    let before = dhat::HeapStats::get().curr_bytes;
    let made = make();
    let after = dhat::HeapStats::get().curr_bytes;
    ((after - before) as f64 / records as f64, made)
}

/// What a program without a store would keep: the records by key, and an ordered map for each index.
#[derive(Default)]
struct Plain {
    by_id: HashMap<Uuid, Arc<User>>,
    by_email: BTreeMap<String, Uuid>,
    by_role: BTreeMap<u8, BTreeSet<Uuid>>,
    by_city: BTreeMap<u32, BTreeSet<Uuid>>,
}

fn plain(users: &[User]) -> Plain {
    let mut plain = Plain::default();
    for user in users {
        plain.by_id.insert(user.id, Arc::new(user.clone()));
        plain.by_email.insert(user.email.clone(), user.id);
        plain.by_role.entry(user.role).or_default().insert(user.id);
        plain.by_city.entry(user.city).or_default().insert(user.id);
    }
    plain
}

fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    println!("bytes a record, with one unique and two plain indexes");
    for size in sizes() {
        let users = users(size);
        let (alone, kept) = bytes(size, || users.clone());
        drop(kept);
        let (std, kept) = bytes(size, || plain(&users));
        assert_eq!(kept.by_id.len() + kept.by_email.len(), 2 * size);
        drop(kept);
        let (batch, kept) = bytes(size, || {
            let kept = filled(&users);
            // A small commit after it, so that the log lets go of the batch.
            kept.1.update(&users[0].id, User::patch().score(1.0)).expect("the user is there");
            kept
        });
        drop(kept);
        let (single, kept) = bytes(size, || {
            let (store, handle) = store();
            users.iter().for_each(|user| {
                handle.insert(user.clone()).expect("the user is new");
            });
            (store, handle)
        });
        let estimate = kept.0.stats().memory.total as f64 / size as f64;
        drop(kept);
        println!("\n{size} records");
        println!("  {:<40} {alone:>7.1}", "the structs and their text alone");
        println!("  {:<40} {std:>7.1}", "std HashMap and BTreeMaps");
        for (name, figure) in
            [("noex-store, inserted in one commit", batch), ("noex-store, one a commit", single)]
        {
            let kept = if figure <= 2.0 * std { "kept" } else { "MISSED" };
            println!("  {name:<40} {figure:>7.1}  {:.2} x std  [at most 2: {kept}]", figure / std);
        }
        println!(
            "  {:<40} {estimate:>7.1}  {:.2} x one a commit",
            "as estimated by stats()",
            estimate / single
        );
    }
}
