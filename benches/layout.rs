//! The structures that a bucket is made of, beside the persistent maps that could stand in their place:
//! `cargo bench --bench layout [part of a name]`. These figures decided the layout (see `engine/table.rs`).
//!
//! "Insert, one a commit" puts one entry into a structure that a published root also holds, and publishes the result: what a
//! single write pays. "In groups" publishes once for a thousand.

#![allow(dead_code, unreachable_pub, reason = "the engine's modules are taken in whole, and partly used")]

mod common;

/// The engine's own structures, which are not public.
#[path = ".."]
mod engine {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct RowId(pub u64);

    /// Cargo compiles benches as tests, and with them the modules' own tests, which nobody runs here.
    pub mod tests {
        pub use crate::common::Random;
    }

    #[path = "noex-store/src/engine/counted.rs"]
    pub mod counted;
    #[path = "noex-store/src/engine/rows.rs"]
    pub mod rows;
    #[path = "noex-store/src/engine/tree.rs"]
    pub mod tree;
    #[path = "noex-store/src/engine/trie.rs"]
    pub mod trie;
}

use std::hash::BuildHasher;
use std::ops::ControlFlow;
use std::sync::Arc;

use arc_swap::ArcSwap;
use common::{Group, Random, sizes, time, wanted};
use engine::RowId;
use engine::rows::Rows;
use engine::tree::Tree;
use engine::trie::HashTrie;
use foldhash::fast::RandomState;

type Key = [u8; 16];

/// As large as a record of six fields.
struct Rec {
    key: Key,
    city: u32,
    _fields: [u64; 10],
}

fn recs(count: usize, seed: u64) -> Vec<Arc<Rec>> {
    let mut random = Random::new(seed);
    let one = |_| {
        let key = u128::from(random.next()) << 64 | u128::from(random.next());
        let city = random.below(count / 100 + 1) as u32;
        Arc::new(Rec { key: key.to_le_bytes(), city, _fields: [0; 10] })
    };
    (0..count).map(one).collect()
}

fn main() {
    for size in sizes() {
        println!("\n== {size} entries");
        let recs = recs(size, 1);
        if wanted("keys") {
            keys(&recs);
        }
        if wanted("rows") {
            rows(&recs);
        }
        if wanted("postings") {
            postings(&recs);
        }
    }
}

/// A structure under test: how an entry gets in.
trait Subject: Clone {
    fn add(&mut self, rec: &Arc<Rec>, row: u64);
}

fn built<S: Subject>(mut empty: S, recs: &[Arc<Rec>]) -> S {
    recs.iter().zip(0..).for_each(|(rec, row)| empty.add(rec, row));
    empty
}

/// Inserts into a published structure, `group` at a time.
fn insert<S: Subject>(root: &ArcSwap<S>, fresh: &[Arc<Rec>], mut row: u64, group: usize) -> f64 {
    time(fresh.len() / group, |n| {
        let mut next = S::clone(&root.load());
        for rec in &fresh[n * group..(n + 1) * group] {
            next.add(rec, row);
            row += 1;
        }
        root.store(Arc::new(next));
    }) / group as f64
}

/// Times inserts into each structure, one a commit and in groups.
macro_rules! inserts {
    ($what:expr, $recs:expr, $($name:expr => $root:expr),* $(,)?) => {
        for (words, count, group) in [("one a commit", 2_000, 1), ("in groups of 1,000", 20_000, 1_000)] {
            let size = $recs.len();
            Group::new(format!("{}: insert, {words}, into {size}", $what))
                $(.subject($name, |round| insert(&$root, &recs(count, 77 + round as u64), (size + round * count) as u64, group)))*
                .run(9);
        }
    };
}

#[derive(Clone)]
struct HashMapOfRecs(im::GenericHashMap<Key, Arc<Rec>, RandomState, im::shared_ptr::DefaultSharedPtr>);
#[derive(Clone)]
struct OrdMapOfRecs(im::OrdMap<Key, Arc<Rec>>);
#[derive(Clone)]
struct HashMapOfRows(im::GenericHashMap<Key, RowId, RandomState, im::shared_ptr::DefaultSharedPtr>);
#[derive(Clone)]
struct TrieOfRows(HashTrie<RowId, 4>, RandomState);
#[derive(Clone)]
struct TrieOfRecs(HashTrie<Arc<Rec>, 5>, RandomState);
#[derive(Clone)]
struct TreeOfHashes(Tree<(u64, RowId)>, RandomState);
#[derive(Clone)]
struct RowsOfRecs(Rows<Arc<Rec>>);
#[derive(Clone)]
struct OrdMapOfRows(im::OrdMap<u64, Arc<Rec>>);
#[derive(Clone)]
struct VectorOfRecs(im::Vector<Arc<Rec>>);
#[derive(Clone)]
struct TreeOfPostings(Tree<(u32, RowId)>);
#[derive(Clone)]
struct OrdSetOfPostings(im::OrdSet<(u32, u64)>);
#[derive(Clone)]
struct MapOfSets(im::OrdMap<u32, im::OrdSet<u64>>);
#[derive(Clone)]
struct OrdMapWithRecs(im::OrdMap<(u32, u64), Arc<Rec>>);

impl Subject for HashMapOfRecs {
    fn add(&mut self, rec: &Arc<Rec>, _: u64) {
        self.0.insert(rec.key, Arc::clone(rec));
    }
}
impl Subject for OrdMapOfRecs {
    fn add(&mut self, rec: &Arc<Rec>, _: u64) {
        self.0.insert(rec.key, Arc::clone(rec));
    }
}
impl Subject for HashMapOfRows {
    fn add(&mut self, rec: &Arc<Rec>, row: u64) {
        self.0.insert(rec.key, RowId(row));
    }
}
impl Subject for TrieOfRows {
    fn add(&mut self, rec: &Arc<Rec>, row: u64) {
        self.0.insert(self.1.hash_one(rec.key), RowId(row));
    }
}
impl Subject for TrieOfRecs {
    fn add(&mut self, rec: &Arc<Rec>, _: u64) {
        self.0.insert(self.1.hash_one(rec.key), Arc::clone(rec));
    }
}
impl Subject for TreeOfHashes {
    fn add(&mut self, rec: &Arc<Rec>, row: u64) {
        self.0.insert((self.1.hash_one(rec.key), RowId(row)));
    }
}
impl Subject for RowsOfRecs {
    fn add(&mut self, rec: &Arc<Rec>, _: u64) {
        self.0.push(Arc::clone(rec));
    }
}
impl Subject for OrdMapOfRows {
    fn add(&mut self, rec: &Arc<Rec>, row: u64) {
        self.0.insert(row, Arc::clone(rec));
    }
}
impl Subject for VectorOfRecs {
    fn add(&mut self, rec: &Arc<Rec>, _: u64) {
        self.0.push_back(Arc::clone(rec));
    }
}
impl Subject for TreeOfPostings {
    fn add(&mut self, rec: &Arc<Rec>, row: u64) {
        self.0.insert((rec.city, RowId(row)));
    }
}
impl Subject for OrdSetOfPostings {
    fn add(&mut self, rec: &Arc<Rec>, row: u64) {
        self.0.insert((rec.city, row));
    }
}
impl Subject for MapOfSets {
    fn add(&mut self, rec: &Arc<Rec>, row: u64) {
        self.0.entry(rec.city).or_default().insert(row);
    }
}
impl Subject for OrdMapWithRecs {
    fn add(&mut self, rec: &Arc<Rec>, row: u64) {
        self.0.insert((rec.city, row), Arc::clone(rec));
    }
}

fn keys(all: &[Arc<Rec>]) {
    let hash = RandomState::default();
    let trie_of_rows = ArcSwap::from_pointee(built(TrieOfRows(HashTrie::default(), hash.clone()), all));
    let trie_of_recs = ArcSwap::from_pointee(built(TrieOfRecs(HashTrie::default(), hash.clone()), all));
    let tree_of_hashes = ArcSwap::from_pointee(built(TreeOfHashes(Tree::default(), hash.clone()), all));
    let hash_map =
        ArcSwap::from_pointee(built(HashMapOfRecs(im::GenericHashMap::with_hasher(hash.clone())), all));
    let hash_map_of_rows =
        ArcSwap::from_pointee(built(HashMapOfRows(im::GenericHashMap::with_hasher(hash.clone())), all));
    let ord_map = ArcSwap::from_pointee(built(OrdMapOfRecs(im::OrdMap::new()), all));
    let rows = built(RowsOfRecs(Rows::starting_at(0)), all);
    let papaya: papaya::HashMap<Key, Arc<Rec>, RandomState> = papaya::HashMap::with_hasher(hash);
    for rec in all {
        papaya.pin().insert(rec.key, Arc::clone(rec));
    }

    let mut random = Random::new(5);
    let asked: Vec<Key> = (0..20_000).map(|_| all[random.below(all.len())].key).collect();
    let count = asked.len();
    Group::new(format!("keys: get, {} entries", all.len()))
        .subject("HashTrie<Arc<Rec>>", |_| {
            time(count, |n| {
                let root = trie_of_recs.load();
                root.0.find(root.1.hash_one(asked[n]), |rec| rec.key == asked[n]).cloned()
            })
        })
        .subject("HashTrie<RowId>, then Rows", |_| {
            time(count, |n| {
                let root = trie_of_rows.load();
                let matches = |row: &RowId| rows.0.get(*row).is_some_and(|rec| rec.key == asked[n]);
                root.0.find(root.1.hash_one(asked[n]), matches).and_then(|row| rows.0.get(*row)).cloned()
            })
        })
        .subject("im::HashMap<Key, Arc<Rec>>", |_| time(count, |n| hash_map.load().0.get(&asked[n]).cloned()))
        .subject("im::HashMap<Key, RowId>, then Rows", |_| {
            time(count, |n| {
                let root = hash_map_of_rows.load();
                root.0.get(&asked[n]).and_then(|row| rows.0.get(*row)).cloned()
            })
        })
        .subject("im::OrdMap<Key, Arc<Rec>>", |_| time(count, |n| ord_map.load().0.get(&asked[n]).cloned()))
        .subject("papaya (no snapshots)", |_| time(count, |n| papaya.pin().get(&asked[n]).cloned()))
        .run(15);

    inserts!("keys", all,
        "HashTrie<Arc<Rec>>" => trie_of_recs,
        "HashTrie<RowId>" => trie_of_rows,
        "Tree<(hash, RowId)>" => tree_of_hashes,
        "im::HashMap<Key, Arc<Rec>>" => hash_map,
        "im::HashMap<Key, RowId>" => hash_map_of_rows,
        "im::OrdMap<Key, Arc<Rec>>" => ord_map,
    );
}

fn rows(all: &[Arc<Rec>]) {
    let rows = ArcSwap::from_pointee(built(RowsOfRecs(Rows::starting_at(0)), all));
    let ord_map = ArcSwap::from_pointee(built(OrdMapOfRows(im::OrdMap::new()), all));
    let vector = ArcSwap::from_pointee(built(VectorOfRecs(im::Vector::new()), all));
    let mut random = Random::new(5);
    let asked: Vec<u64> = (0..20_000).map(|_| random.below(all.len()) as u64).collect();
    let count = asked.len();
    Group::new(format!("rows: get, {} rows", all.len()))
        .subject("Rows", |_| time(count, |n| rows.load().0.get(RowId(asked[n])).map(|rec| rec.city)))
        .subject("im::OrdMap<u64, Arc<Rec>>", |_| {
            time(count, |n| ord_map.load().0.get(&asked[n]).map(|rec| rec.city))
        })
        .subject("im::Vector<Arc<Rec>> (no holes)", |_| {
            time(count, |n| vector.load().0.get(asked[n] as usize).map(|rec| rec.city))
        })
        .run(15);
    let replace = recs(2_000, 9);
    Group::new(format!("rows: replace, one a commit, {} rows", all.len()))
        .subject("Rows", |_| {
            time(replace.len(), |n| {
                let mut next = RowsOfRecs::clone(&rows.load());
                next.0.replace(RowId(asked[n]), Arc::clone(&replace[n]));
                rows.store(Arc::new(next));
            })
        })
        .subject("im::OrdMap<u64, Arc<Rec>>", |_| {
            time(replace.len(), |n| {
                let mut next = OrdMapOfRows::clone(&ord_map.load());
                next.0.insert(asked[n], Arc::clone(&replace[n]));
                ord_map.store(Arc::new(next));
            })
        })
        .subject("im::Vector<Arc<Rec>>", |_| {
            time(replace.len(), |n| {
                let mut next = VectorOfRecs::clone(&vector.load());
                next.0.set(asked[n] as usize, Arc::clone(&replace[n]));
                vector.store(Arc::new(next));
            })
        })
        .run(9);
    inserts!("rows", all,
        "Rows" => rows,
        "im::OrdMap<u64, Arc<Rec>>" => ord_map,
        "im::Vector<Arc<Rec>>" => vector,
    );
}

fn postings(all: &[Arc<Rec>]) {
    let tree = ArcSwap::from_pointee(built(TreeOfPostings(Tree::default()), all));
    let ord_set = ArcSwap::from_pointee(built(OrdSetOfPostings(im::OrdSet::new()), all));
    let map_of_sets = ArcSwap::from_pointee(built(MapOfSets(im::OrdMap::new()), all));
    let with_recs = ArcSwap::from_pointee(built(OrdMapWithRecs(im::OrdMap::new()), all));
    let rows = built(RowsOfRecs(Rows::starting_at(0)), all);
    let cities = (all.len() / 100).max(1);
    let mut random = Random::new(5);
    let asked: Vec<u32> = (0..500).map(|_| random.below(cities) as u32).collect();
    let count = asked.len();
    Group::new(format!("postings: look-up of 100 records, {} entries", all.len()))
        .subject("Tree<(u32, RowId)>, then Rows", |_| {
            time(count, |n| {
                let tree = &tree.load().0;
                let ranks = tree.rank(|entry| entry.0 < asked[n])..tree.rank(|entry| entry.0 <= asked[n]);
                let mut found = Vec::with_capacity(ranks.len());
                let _ = tree.visit(ranks, &mut |entry| {
                    found.extend(rows.0.get(entry.1).cloned());
                    ControlFlow::Continue(())
                });
                found
            })
        })
        .subject("im::OrdSet<(u32, u64)>, then Rows", |_| {
            time(count, |n| {
                let root = ord_set.load();
                let range = root.0.range((asked[n], 0)..=(asked[n], u64::MAX));
                range.filter_map(|entry| rows.0.get(RowId(entry.1)).cloned()).collect::<Vec<_>>()
            })
        })
        .subject("im::OrdMap<(u32, u64), Arc<Rec>>", |_| {
            time(count, |n| {
                let root = with_recs.load();
                root.0
                    .range((asked[n], 0)..=(asked[n], u64::MAX))
                    .map(|(_, rec)| Arc::clone(rec))
                    .collect::<Vec<_>>()
            })
        })
        .run(15);
    inserts!("postings", all,
        "Tree<(u32, RowId)>" => tree,
        "im::OrdSet<(u32, u64)>" => ord_set,
        "im::OrdMap<u32, im::OrdSet<u64>>" => map_of_sets,
        "im::OrdMap<(u32, u64), Arc<Rec>>" => with_recs,
    );
}
