//! Random transactions of several threads over three buckets, and what they saw.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;

use serde::{Deserialize, Serialize};

use super::checker::{Op, Place, Run, group_of};
use crate::bucket::record::Record;
use crate::engine::tests::Random;
use crate::engine::{Fault, Tracking};
use crate::error::Error;
use crate::store::{BucketHandle, Isolation, Store, Transaction, TxOptions};
use crate::{Bucket, Clock};

/// A bucket of lists.
pub(super) trait Lists: Bucket<Key = u32> {
    fn new(id: u32, items: Vec<u32>) -> Self;
    fn items(&self) -> &Vec<u32>;
    fn set(&mut self, items: Vec<u32>);
    fn by_group(reads: &Self::Reads, group: u8) -> Vec<Record<Self>>;
    fn long(reads: &Self::Reads, length: usize) -> Vec<Record<Self>>;
}

macro_rules! lists {
    ($($bucket:ident $name:literal),*) => { $(
        #[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[bucket(name = $name, crate = crate)]
        pub(super) struct $bucket {
            #[bucket(key)]
            id: u32,
            #[bucket(index)]
            group: u8,
            length: u32,
            items: Vec<u32>,
        }

        impl Lists for $bucket {
            fn new(id: u32, items: Vec<u32>) -> Self {
                Self { id, group: group_of(id), length: items.len() as u32, items }
            }

            fn items(&self) -> &Vec<u32> {
                &self.items
            }

            fn set(&mut self, items: Vec<u32>) {
                (self.length, self.items) = (items.len() as u32, items);
            }

            fn by_group(reads: &Self::Reads, group: u8) -> Vec<Record<Self>> {
                reads.by_group(&group)
            }

            fn long(reads: &Self::Reads, length: usize) -> Vec<Record<Self>> {
                reads.filter(Self::LENGTH.ge(length as u32)).collect()
            }
        }
    )* };
}
lists!(First "first", Second "second", Third "third");

/// Keys of a bucket: few, so that transactions meet.
const KEYS: u32 = 6;

/// A clock that stands: times are of no account here.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now_millis(&self) -> u64 {
        1
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) isolation: Isolation,
    pub(super) deletes: bool,
    /// Whether lists are also written as registers.
    pub(super) registers: bool,
    pub(super) fault: Option<Fault>,
    pub(super) threads: u64,
    pub(super) runs: usize,
}

struct Shared {
    store: Store,
    clock: AtomicU64,
    values: AtomicU32,
}

/// Lets the threads run, and gives what they did, and what is in the store after it.
pub(super) fn run(plan: Plan) -> (Vec<Run>, super::checker::Lists) {
    let builder = Store::builder().clock(Still).bucket::<First>().bucket::<Second>().bucket::<Third>();
    let mut started = std::pin::pin!(builder.start());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Ok(store)) = started.as_mut().poll(&mut context) else {
        panic!("starts at once")
    };
    let shared = Arc::new(Shared { store, clock: AtomicU64::new(1), values: AtomicU32::new(1) });
    let threads: Vec<_> = (0..plan.threads)
        .map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut random = Random::new(plan.seed * 64 + number);
                (0..plan.runs).flat_map(|_| shared.one(plan, &mut random)).collect::<Vec<Run>>()
            })
        })
        .collect();
    let history = threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
    let mut last = super::checker::Lists::new();
    let store = &shared.store;
    last.extend(all(0, &store.bucket::<First>().expect("defined")));
    last.extend(all(1, &store.bucket::<Second>().expect("defined")));
    last.extend(all(2, &store.bucket::<Third>().expect("defined")));
    (history, last)
}

fn all<B: Lists>(bucket: usize, lists: &BucketHandle<B>) -> Vec<(Place, Vec<u32>)> {
    lists.all().iter().map(|record| ((bucket, *record.key()), record.items().clone())).collect()
}

impl Shared {
    fn moment(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// One transaction of one of the kinds that there are, until it is over.
    fn one(&self, plan: Plan, random: &mut Random) -> Option<Run> {
        let began = self.moment();
        let options = TxOptions::new().isolation(plan.isolation);
        let mut ops = Vec::new();
        let (version, wrote, committed) = match random.below(8) {
            // A handle's write is a transaction of one operation.
            0 if plan.fault.is_none() => {
                let place = (random.below(3), random.below(KEYS as usize) as u32);
                let value = self.values.fetch_add(1, Ordering::Relaxed);
                let (list, version) = self.append_by_handle(place, value)?;
                ops.push(Op::Read(place, Some(list[..list.len() - 1].to_vec())));
                ops.push(Op::Append(place, value));
                (version, true, true)
            }
            1 | 2 if plan.fault.is_none() && !plan.deletes => {
                let by_closure: Result<Option<u64>, Error> = self.store.transaction_with(options, |tx| {
                    ops.clear();
                    self.work(tx, plan, random, &mut ops)?;
                    // Its version is not told; it is found by what it appended, which is still there without deletes.
                    Ok(ops.iter().all(|op| !is_write(op)).then(|| tx.base_version().get()))
                });
                match by_closure {
                    Ok(Some(version)) => (version, false, true),
                    Ok(None) => (self.version_of(&ops)?, true, true),
                    Err(_) => (0, false, false),
                }
            }
            kind => {
                let tracking = Tracking {
                    fault: plan.fault,
                    ..Tracking::new(plan.isolation == Isolation::Serializable)
                };
                let tx = Transaction::with_tracking(Arc::clone(&self.store.engine), tracking);
                self.work(&tx, plan, random, &mut ops).expect("no rule is broken");
                let wrote = ops.iter().any(is_write);
                if kind == 3 {
                    drop(tx);
                    (0, wrote, false)
                } else {
                    match tx.commit() {
                        Ok(info) => (info.version.get(), info.commit.is_some(), true),
                        Err(Error::TransactionConflict { .. }) => (0, wrote, false),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        };
        Some(Run { began, ended: self.moment(), version, wrote, committed, ops })
    }

    fn work(
        &self,
        tx: &Transaction,
        plan: Plan,
        random: &mut Random,
        ops: &mut Vec<Op>,
    ) -> Result<(), Error> {
        for _ in 0..1 + random.below(4) {
            let (bucket, key) = (random.below(3), random.below(KEYS as usize) as u32);
            match bucket {
                0 => self.step::<First>(tx, (0, key), plan, random, ops)?,
                1 => self.step::<Second>(tx, (1, key), plan, random, ops)?,
                _ => self.step::<Third>(tx, (2, key), plan, random, ops)?,
            }
            thread::yield_now();
        }
        Ok(())
    }

    fn step<B: Lists>(
        &self,
        tx: &Transaction,
        place: Place,
        plan: Plan,
        random: &mut Random,
        ops: &mut Vec<Op>,
    ) -> Result<(), Error> {
        let own = tx.bucket::<B>()?;
        let (bucket, key) = place;
        let map = |records: Vec<Record<B>>| -> BTreeMap<u32, Vec<u32>> {
            records.iter().map(|record| (*record.key(), record.items().clone())).collect()
        };
        match random.below(8) {
            0 | 1 => ops.push(Op::Read(place, own.get(&key).map(|record| record.items().clone()))),
            2 => {
                let group = group_of(key);
                ops.push(Op::Group(bucket, group, map(B::by_group(&own, group))));
            }
            3 => {
                let length = 1 + random.below(8);
                ops.push(Op::Long(bucket, length, map(B::long(&own, length))));
            }
            4 if plan.deletes => {
                let found = own.delete(&key)?;
                ops.push(Op::Read(place, found.as_ref().map(|record| record.items().clone())));
                if found.is_some() {
                    ops.push(Op::Delete(place));
                }
            }
            5 if plan.registers => {
                let value = self.values.fetch_add(1, Ordering::Relaxed);
                own.upsert(B::new(key, vec![value]))?;
                ops.push(Op::Set(place, value));
            }
            _ => {
                let value = self.values.fetch_add(1, Ordering::Relaxed);
                let before = own.get(&key).map(|record| record.items().clone());
                let mut items = before.clone().unwrap_or_default();
                items.push(value);
                match before {
                    Some(_) => own.modify(&key, |record| record.set(items)).map(drop)?,
                    None => own.insert(B::new(key, items)).map(drop)?,
                }
                ops.push(Op::Read(place, before));
                ops.push(Op::Append(place, value));
            }
        }
        Ok(())
    }

    fn append_by_handle(&self, place: Place, value: u32) -> Option<(Vec<u32>, u64)> {
        fn append<B: Lists>(lists: &BucketHandle<B>, key: u32, value: u32) -> Option<Vec<u32>> {
            let change = |record: &mut B| {
                let mut items = record.items().clone();
                items.push(value);
                record.set(items);
            };
            lists.modify(&key, change).ok().map(|record| record.items().clone())
        }
        let list = match place.0 {
            0 => append(&self.store.bucket::<First>().expect("defined"), place.1, value),
            1 => append(&self.store.bucket::<Second>().expect("defined"), place.1, value),
            _ => append(&self.store.bucket::<Third>().expect("defined"), place.1, value),
        }?;
        let version = self.version_of(&[Op::Append(place, value)])?;
        Some((list, version))
    }

    /// The commit that appended a value.
    fn version_of(&self, ops: &[Op]) -> Option<u64> {
        fn appended<B: Lists>(commit: &crate::Commit, value: u32) -> bool {
            let mut lists = commit.changes::<B>().iter().filter_map(crate::Change::new);
            lists.any(|record| record.items().contains(&value))
        }
        let value = ops.iter().rev().find_map(|op| match op {
            Op::Append(_, value) | Op::Set(_, value) => Some(*value),
            _ => None,
        })?;
        let mut commits = self.store.commits().after(crate::engine::Version(0));
        // The first commit whose list has the value is the one that put it there.
        loop {
            match commits.try_next() {
                Ok(Some(commit)) => {
                    if appended::<First>(&commit, value)
                        || appended::<Second>(&commit, value)
                        || appended::<Third>(&commit, value)
                    {
                        return Some(commit.version().get());
                    }
                }
                Ok(None) => return None,
                Err(_) => {}
            }
        }
    }
}

fn is_write(op: &Op) -> bool {
    matches!(op, Op::Append(..) | Op::Set(..) | Op::Delete(_))
}
