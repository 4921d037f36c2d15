//! The record's code may panic at any call of it, wherever in a write that is: for each operation, the first call of its run
//! panics, then the second, and so on until it is through. Each time nothing has happened, now and to those who come later.

mod common;

use std::fmt::Debug;

use common::fused::{Fused, MESSAGE, OWN_FUSE};
use common::start;
use noex_store::TestClock;
use noex_store::prelude::*;

const FULL: u32 = 40;

macro_rules! buckets {
    ($($bucket:ident $module:ident $name:literal $($attribute:ident = $value:literal),*;)*) => { $(
        mod $module {
            use super::*;

            #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
            #[bucket(name = $name $(, $attribute = $value)*)]
            pub struct $bucket {
                #[bucket(key)]
                pub key: Fused,
                #[bucket(unique)]
                pub code: Fused,
                #[bucket(index)]
                pub size: Fused,
                #[bucket(default)]
                pub number: u32,
            }

            impl $bucket {
                pub fn new(key: u32) -> Self {
                    Self { key: Fused(key), code: Fused(key + 1000), size: Fused(key % 5), number: 0 }
                }
            }

            fn fresh() -> (Store, TestClock, BucketHandle<$bucket>) {
                let clock = TestClock::at(1);
                let builder = Store::builder().clock(clock.clone()).ttl_check_interval(Duration::ZERO);
                let store = start(builder.bucket::<$bucket>());
                let handle = store.bucket().expect("defined");
                (store, clock, handle)
            }

            /// Makes the bucket as full as it may be.
            fn fill(clock: &TestClock, handle: &BucketHandle<$bucket>) -> Result<(), Error> {
                handle.clear()?;
                handle.insert_many((0..FULL).map($bucket::new))?;
                if $name == "fleeting" {
                    for key in (0..FULL).step_by(4) {
                        handle.touch_with_ttl(&Fused(key), Duration::from_secs(1))?;
                    }
                    clock.advance(Duration::from_secs(2));
                }
                Ok(())
            }

            fn contents(handle: &BucketHandle<$bucket>) -> Vec<(u32, u32, u32, u32, u64)> {
                let row = |record: Record<$bucket>| {
                    (record.key.0, record.code.0, record.size.0, record.number, record.version())
                };
                handle.iter().map(row).collect()
            }

            fn check(handle: &BucketHandle<$bucket>) {
                let rows = contents(handle);
                assert_eq!(handle.count(), rows.len());
                for key in (0..FULL).chain(100..104).chain(198..199) {
                    let expected = rows.iter().find(|row| row.0 == key);
                    let found = handle.get(&Fused(key));
                    assert_eq!(found.map(|record| record.version()), expected.map(|row| row.4), "the key {key}");
                    let expected = rows.iter().find(|row| row.1 == key + 1000);
                    let found = handle.by_code(&Fused(key + 1000));
                    assert_eq!(found.map(|record| record.key.0), expected.map(|row| row.0), "the code of {key}");
                }
                for size in 0..5 {
                    let expected: Vec<u32> =
                        rows.iter().filter(|row| row.2 == size).map(|row| row.0).collect();
                    let found = handle.by_size(&Fused(size));
                    assert_eq!(found.iter().map(|record| record.key.0).collect::<Vec<_>>(), expected);
                }
            }

            /// Runs an operation with fuses of many lengths: all the short ones. How many of them burnt down. `is_whole`: nothing of it
            /// is to have happened then.
            fn each_call<T: Debug>(
                name: &str,
                is_whole: bool,
                operation: impl Fn(&Store, &BucketHandle<$bucket>) -> Result<T, Error>,
            ) -> u32 {
                let (store, clock, handle) = fresh();
                let (mut fuse, mut burnt) = (0, 0);
                loop {
                    fuse += 1 + fuse / 50;
                    fill(&clock, &handle).expect("good");
                    let before = contents(&handle);
                    OWN_FUSE.set(fuse);
                    let done = operation(&store, &handle);
                    let is_over = OWN_FUSE.replace(0) > 0;
                    if let Err(error) = done {
                        let panicked = Error::Panicked {
                            bucket: $name,
                            message: MESSAGE.to_owned(),
                        };
                        assert_eq!(error, panicked, "{name}, call {fuse}");
                        assert_eq!(contents(&handle), before, "{name}, call {fuse}");
                    } else {
                        // What has expired is taken out before, in a commit that need not succeed.
                        assert!(is_over || !is_whole || $name == "fleeting", "{name}, call {fuse}");
                        assert_ne!(contents(&handle), before, "{name}, call {fuse}");
                    }
                    check(&handle);
                    // Whoever comes next gets the rows of what was given up.
                    handle.insert($bucket::new(198)).expect("the store goes on");
                    check(&handle);
                    handle.delete(&Fused(198)).expect("good").expect("there");
                    check(&handle);
                    if is_over {
                        return burnt;
                    }
                    burnt += 1;
                }
            }

            fn every_call<T: Debug>(
                name: &str,
                operation: impl Fn(&BucketHandle<$bucket>) -> Result<T, Error>,
            ) -> u32 {
                each_call(name, true, |_, handle| operation(handle))
            }

            /// What a transaction does. `each` gets the calls one by one, and runs them or not.
            fn work(
                tx: &Transaction,
                each: &mut dyn FnMut(&dyn Fn() -> Result<(), Error>) -> Result<(), Error>,
            ) -> Result<(), Error> {
                let own = tx.bucket::<$bucket>()?;
                each(&|| own.insert($bucket::new(100)).map(drop))?;
                each(&|| own.update(&Fused(30), $bucket::patch().size(Fused(1))).map(drop))?;
                each(&|| own.update(&Fused(31), $bucket::patch().code(Fused(1150))).map(drop))?;
                each(&|| own.update_where($bucket::SIZE.eq(Fused(2)), $bucket::patch().number(7_u32)).map(drop))?;
                each(&|| {
                    let part = tx.savepoint(|_| {
                        own.delete(&Fused(32))?;
                        own.upsert($bucket { number: 3, ..$bucket::new(33) })?;
                        own.insert($bucket::new(21)).map(drop)
                    });
                    // That key is taken.
                    if let Err(Error::DuplicateKey { .. }) = part { Ok(()) } else { part }
                })?;
                each(&|| own.delete(&Fused(34)).map(drop))?;
                each(&|| own.insert_many((101..103).map($bucket::new)).map(drop))?;
                each(&|| own.modify(&Fused(35), |record| record.size = Fused(0)).map(drop))?;
                each(&|| own.delete_where($bucket::CODE.eq(Fused(1036))).map(drop))
            }

            #[test]
            fn nothing_has_happened() {
                let mut burnt = 0;
                burnt += every_call("insert", |handle| handle.insert($bucket::new(100)));
                burnt += every_call("insert_many", |handle| {
                    handle.insert_many((100..104).map($bucket::new))
                });
                burnt += every_call("insert of most", |handle| {
                    handle.insert_many((100..190).map($bucket::new))
                });
                burnt += every_call("upsert", |handle| {
                    handle.upsert($bucket { number: 1, size: Fused(3), ..$bucket::new(1) })
                });
                burnt += every_call("update", |handle| {
                    handle.update(&Fused(7), $bucket::patch().code(Fused(1150)).size(Fused(1)))
                });
                burnt += every_call("update_where", |handle| {
                    handle.update_where($bucket::SIZE.eq(Fused(2)), $bucket::patch().size(Fused(4)))
                });
                burnt += every_call("delete", |handle| handle.delete(&Fused(7)));
                burnt += every_call("delete_many", |handle| handle.delete_many((3..30).map(Fused)));
                burnt += every_call("delete_where", |handle| {
                    handle.delete_where($bucket::SIZE.lt(Fused(2)))
                });
                burnt += every_call("modify", |handle| {
                    handle.modify(&Fused(7), |record| record.code = Fused(1150))
                });
                burnt += each_call("transaction", true, |store, _| {
                    store.transaction(|tx| work(tx, &mut |call| call()))
                });
                assert!(burnt > 500, "the record's code is called: {burnt}");
            }

            #[test]
            fn a_call_of_a_transaction_happens_or_not() {
                let burnt = each_call("careless transaction", false, |store, handle| {
                    let mut failed = Vec::new();
                    store.transaction(|tx| {
                        work(tx, &mut |call| {
                            let done = call();
                            failed.push(done.is_err());
                            if let Err(Error::Panicked { .. }) = done { Ok(()) } else { done }
                        })
                    })?;
                    // The same without the calls that failed.
                    let fuse = OWN_FUSE.replace(0);
                    let (other, clock, same) = fresh();
                    fill(&clock, &same)?;
                    let mut failed = failed.into_iter();
                    other.transaction(|tx| {
                        work(tx, &mut |call| if failed.next() == Some(true) { Ok(()) } else { call() })
                    })?;
                    // What was used is no part of the contents, and makes a difference to what leaves.
                    if $name != "lru" {
                        assert_eq!(contents(handle), contents(&same));
                    }
                    OWN_FUSE.set(fuse);
                    Ok(())
                });
                assert!(burnt > 150, "the record's code is called: {burnt}");
            }
        }
    )* };
}

buckets! {
    Free free "free";
    Oldest oldest "oldest" max_size = 40, evict = "oldest";
    Lru lru "lru" max_size = 40, evict = "lru";
    Fleeting fleeting "fleeting" ttl = "1h";
}
