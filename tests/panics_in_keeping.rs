//! Where a record's `Serialize` or `Deserialize` panics, at whatever call of it, a durable write has not happened, a store does not
//! open, and what is kept later is written again; and all goes well when nothing panics any more.

mod common;

use std::sync::atomic::Ordering;

use common::fused::{FUSE, MESSAGE, burn};
use common::keeping::wait;
use noex_store::prelude::*;
use serde::{Deserializer, Serializer};

/// Runs something with a fuse. What it gives, and whether the fuse has burnt down.
fn with_fuse<T>(fuse: u32, run: impl FnOnce() -> T) -> (T, bool) {
    FUSE.store(fuse, Ordering::SeqCst);
    let done = run();
    (done, FUSE.swap(0, Ordering::SeqCst) == 0)
}

#[derive(Clone, Debug, PartialEq)]
struct Fused(u32);

impl Serialize for Fused {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        burn();
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fused {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        burn();
        u32::deserialize(deserializer).map(Self)
    }
}

macro_rules! bucket {
    ($bucket:ident $name:literal) => {
        #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[bucket(name = $name, max_size = 20, evict = "oldest")]
        struct $bucket {
            #[bucket(key)]
            id: u32,
            #[bucket(unique)]
            code: u32,
            #[bucket(default = Fused(0))]
            value: Fused,
        }

        impl $bucket {
            fn new(id: u32) -> Self {
                Self { id, code: id + 1000, value: Fused(id) }
            }
        }
    };
}
bucket!(Left "left");
bucket!(Right "right");

type Both = (BucketHandle<Left>, BucketHandle<Right>);

fn open(kept: &MemoryAdapter, durability: Durability) -> Result<(Store, Both), Error> {
    let persistence = Persistence::new(kept.clone()).durability(durability);
    let builder = Store::builder().bucket::<Left>().bucket::<Right>().persistence(persistence);
    let store = wait(builder.start())?;
    let both = (store.bucket()?, store.bucket()?);
    Ok((store, both))
}

type Rows = Vec<(u32, u32, u32, u64)>;

fn contents((left, right): &Both) -> (Rows, Rows) {
    let left = left.iter().map(|it| (it.id, it.code, it.value.0, it.version())).collect();
    (left, right.iter().map(|it| (it.id, it.code, it.value.0, it.version())).collect())
}

/// Every record is found in every way, and no other is.
fn check((left, right): &Both) {
    let (rows, _) = contents(&(left.clone(), right.clone()));
    for id in 0..60 {
        let row = rows.iter().find(|row| row.0 == id);
        assert_eq!(left.get(&id).map(|it| it.version()), row.map(|row| row.3));
        let row = rows.iter().find(|row| row.1 == id + 1000);
        assert_eq!(left.by_code(&(id + 1000)).map(|it| it.id), row.map(|row| row.0));
    }
}

/// The next start finds what was there.
fn is_kept(store: Store, both: &Both, kept: &MemoryAdapter) {
    let last = contents(both);
    wait(store.stop()).expect("all is kept");
    let (_store, again) = open(kept, Durability::Immediate).expect("good");
    assert_eq!(contents(&again), last);
}

fn is_over(error: &Error) -> bool {
    matches!(error, Error::Panicked { message, .. } if message == MESSAGE)
}

type Write = fn(&Store, &Both) -> Result<(), Error>;

const WRITES: [Write; 8] = [
    |_, (left, _)| left.insert(Left::new(50)).map(drop),
    |_, (left, _)| left.insert_many((50..56).map(Left::new)).map(drop),
    |_, (left, _)| left.upsert(Left { code: 1050, ..Left::new(3) }).map(drop),
    |_, (left, _)| left.update(&4, Left::patch().value(Fused(7)).code(1051_u32)).map(drop),
    |_, (left, _)| left.update_where(Left::ID.lt(9_u32), Left::patch().value(Fused(7))).map(drop),
    |_, (left, _)| left.delete(&5).map(drop),
    |_, (left, _)| left.delete_many(3..15_u32).map(drop),
    |store, _| {
        store.transaction(|tx| {
            let (left, right) = (tx.bucket::<Left>()?, tx.bucket::<Right>()?);
            left.insert(Left::new(50))?;
            left.update(&19, Left::patch().value(Fused(7)))?;
            right.insert(Right::new(51))?;
            right.delete(&19).map(drop)
        })
    },
];

fn fill((left, right): &Both) {
    left.insert_many((0..20).map(Left::new)).expect("good");
    right.insert_many((0..20).map(Right::new)).expect("good");
}

/// One test, for the fuse is all threads'.
#[test]
fn what_panics_is_told_and_nothing_is_lost() {
    // Kept before it is published.
    let mut burnt = 0;
    for write in WRITES {
        for fuse in 1.. {
            let kept = MemoryAdapter::new();
            let (store, both) = open(&kept, Durability::Immediate).expect("good");
            fill(&both);
            let before = contents(&both);
            let (done, is_burnt) = with_fuse(fuse, || write(&store, &both));
            match done {
                Ok(()) => assert!(!is_burnt, "told"),
                Err(error) => {
                    assert!(is_burnt && is_over(&error), "{error}");
                    assert_eq!(contents(&both), before);
                    burnt += 1;
                }
            }
            check(&both);
            both.0.insert(Left::new(59)).expect("the store goes on");
            check(&both);
            is_kept(store, &both, &kept);
            if !is_burnt {
                break;
            }
        }
    }
    assert!(burnt > 15, "{burnt}");

    // Kept a while later: the service begins again.
    let mut burnt = 0;
    for fuse in (1..).step_by(5) {
        let kept = MemoryAdapter::new();
        let (store, both) = open(&kept, Durability::Debounced(Duration::from_secs(3600))).expect("good");
        fill(&both);
        WRITES[7](&store, &both).expect("memory is not the disk's");
        let (flushed, is_burnt) = with_fuse(fuse, || wait(store.flush()));
        flushed.expect("nothing panics any more");
        burnt += u32::from(is_burnt);
        is_kept(store, &both, &kept);
        if !is_burnt {
            break;
        }
    }
    assert!(burnt > 5, "{burnt}");

    // Read.
    let kept = MemoryAdapter::new();
    let (store, both) = open(&kept, Durability::Immediate).expect("good");
    fill(&both);
    let last = contents(&both);
    wait(store.stop()).expect("all is kept");
    for fuse in 1.. {
        let (opened, is_burnt) = with_fuse(fuse, || open(&kept, Durability::Immediate));
        match opened {
            Ok((_store, again)) => assert_eq!(contents(&again), last),
            Err(error) => assert!(is_burnt && is_over(&error), "{error}"),
        }
        if !is_burnt {
            assert!(fuse > 30, "{fuse}");
            break;
        }
    }
}
