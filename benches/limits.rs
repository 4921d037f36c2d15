//! Size limits: what they cost an insert, and how good the choice of what makes room is.
//!
//! `cargo bench --bench limits`

mod common;

use std::collections::{BTreeMap, HashMap};

use common::{Bound, Group, time, wanted};
use noex_store::prelude::*;

const MAX: usize = 10_000;

macro_rules! buckets {
    ($($bucket:ident $name:literal $(, $limit:ident = $value:literal)*;)*) => { $(
        #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
        #[bucket(name = $name $(, $limit = $value)*)]
        struct $bucket {
            #[bucket(key)]
            id: u64,
            #[bucket(index)]
            size: u64,
            text: String,
        }

        impl $bucket {
            fn new(id: u64) -> Self {
                Self { id, size: id % 100, text: "some text of a usual length".to_owned() }
            }
        }
    )* };
}
buckets! {
    Free "free";
    CutBack "cut_back";
    Oldest "oldest", max_size = 10_000, evict = "oldest";
    Lru "lru", max_size = 10_000, evict = "lru";
    Cache "cache", max_size = 1_000, evict = "lru";
}

/// Inserts the record of a key.
type Insert<'i> = &'i dyn Fn(u64) -> Result<(), Error>;

/// Exact LRU, for the keys alone.
struct Exact {
    size: usize,
    clock: u64,
    last: HashMap<u64, u64>,
    order: BTreeMap<u64, u64>,
}

impl Exact {
    fn hit(&mut self, key: u64) -> bool {
        self.clock += 1;
        let before = self.last.insert(key, self.clock);
        if let Some(before) = before {
            self.order.remove(&before);
        } else if self.last.len() > self.size
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.last.remove(&oldest);
        }
        self.order.insert(self.clock, key);
        before.is_some()
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Keys by a Zipf law with this exponent, by inversion.
fn zipf(keys: usize, exponent: f64) -> impl FnMut(&mut Random) -> u64 {
    let mut sums = Vec::with_capacity(keys);
    let mut sum = 0.0;
    for rank in 1..=keys {
        sum += (rank as f64).powf(-exponent);
        sums.push(sum);
    }
    move |random| {
        let at = random.next() * sum;
        sums.partition_point(|sum| *sum < at) as u64
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let builder = Store::builder()
        .bucket::<Free>()
        .bucket::<CutBack>()
        .bucket::<Oldest>()
        .bucket::<Lru>()
        .bucket::<Cache>();
    let store = runtime.block_on(builder.start()).expect("good");
    let (free, cut_back, oldest, lru) = (
        store.bucket::<Free>().expect("defined"),
        store.bucket::<CutBack>().expect("defined"),
        store.bucket::<Oldest>().expect("defined"),
        store.bucket::<Lru>().expect("defined"),
    );
    if wanted("insert") {
        oldest.insert_many((0..MAX as u64).map(Oldest::new)).expect("new");
        lru.insert_many((0..MAX as u64).map(Lru::new)).expect("new");
        let insert_oldest = |id| oldest.insert(Oldest::new(id)).map(drop);
        let insert_lru = |id| lru.insert(Lru::new(id)).map(drop);
        let limits: [(&str, Insert<'_>); 2] =
            [("full, the oldest goes", &insert_oldest), ("full, what was not used goes", &insert_lru)];
        for (what, insert) in limits {
            free.clear().expect("good");
            cut_back.clear().expect("good");
            free.insert_many((0..MAX as u64).map(Free::new)).expect("new");
            cut_back.insert_many((0..MAX as u64).map(CutBack::new)).expect("new");
            let mut last = [1_000_000_u64; 3];
            let [a, b, c] = &mut last;
            let next = |id: &mut u64| {
                *id += 1;
                *id
            };
            Group::new("60,000 inserts one by one, beside 10,000 records")
                .subject(what, |_| time(1_000, |_| insert(next(a)).expect("new")))
                .subject("no limit", |_| time(1_000, |_| free.insert(Free::new(next(b))).expect("new")))
                .target(Bound::AtMost, 1.5)
                // Not what a program would do instead: its records and nodes lie in memory that was in use a moment ago.
                .subject("no limit, cut back to 10,000 between", |_| {
                    let spent = time(1_000, |_| cut_back.insert(CutBack::new(next(c))).expect("new"));
                    cut_back.delete_many(*c - 999..=*c).expect("there");
                    spent
                })
                .run(60);
        }
    }

    if wanted("hits") {
        println!("\nhit rate of a cache of 1,000 records, 300,000 requests by a Zipf law");
        println!("  keys     exponent   evict = \"lru\"   exact LRU");
        let cache = store.bucket::<Cache>().expect("defined");
        for (keys, exponent) in [(10_000, 0.7), (10_000, 1.0), (100_000, 0.9), (100_000, 1.2)] {
            cache.clear().expect("good");
            let mut exact = Exact { size: 1_000, clock: 0, last: HashMap::new(), order: BTreeMap::new() };
            let (mut random, mut draw) = (Random(42), zipf(keys, exponent));
            let (mut ours, mut theirs, all) = (0_u32, 0_u32, 300_000_u32);
            for _ in 0..all {
                let key = draw(&mut random);
                theirs += u32::from(exact.hit(key));
                if cache.get(&key).is_some() {
                    ours += 1;
                } else {
                    cache.insert(Cache::new(key)).expect("missing");
                }
            }
            let rate = |hits: u32| f64::from(hits) / f64::from(all) * 100.0;
            println!("  {keys:<8} {exponent:<10} {:>10.1} %   {:>7.1} %", rate(ours), rate(theirs));
        }
    }
}
