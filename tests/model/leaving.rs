//! Records that leave by themselves, by their time or because their bucket is full, against a naive list: on a clock that the
//! test sets, with the sweeper and without.
//!
//! Every commit is also applied to a mirror, which must be the bucket after it, hold no more than the limit, and have been told
//! for each record why it went.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use noex_store::prelude::*;
use noex_store::{Clock, CommitReader, TestClock, Ttl};
use proptest::prelude::*;

use super::ready;

const MAX: usize = 5;
/// Of the buckets, in milliseconds.
const TTL: u64 = 10;
const KEYS: u8 = 9;

/// A bucket of the test.
pub(crate) trait Kind: Bucket<Key = u8> + Debug + PartialEq {
    /// Whether the oldest makes room, and not one that was not used.
    const OLDEST: bool;
    fn new(id: u8, code: u8) -> Self;
    fn code(&mut self) -> &mut u8;
    fn by_code(items: &BucketHandle<Self>, code: u8) -> Option<Record<Self>>;
}

macro_rules! kind {
    ($name:ident, $evict:literal) => {
        #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[bucket(ttl = 10, max_size = 5, evict = $evict)]
        pub(crate) struct $name {
            #[bucket(key)]
            id: u8,
            #[bucket(unique)]
            code: u8,
            #[bucket(index)]
            group: u8,
        }

        impl Kind for $name {
            const OLDEST: bool = $evict.len() == 6;

            fn new(id: u8, code: u8) -> Self {
                Self { id, code, group: id % 2 }
            }

            fn code(&mut self) -> &mut u8 {
                &mut self.code
            }

            fn by_code(items: &BucketHandle<Self>, code: u8) -> Option<Record<Self>> {
                items.by_code(&code)
            }
        }
    };
}

kind!(Aged, "oldest");
kind!(Used, "lru");

#[derive(Clone, Copy, Debug)]
enum Life {
    OfBucket,
    For(u8),
    Never,
}

#[derive(Clone, Copy, Debug)]
enum Write {
    Insert(u8, u8, Life),
    Upsert(u8, u8),
    SetCode(u8, u8),
    Touch(u8, Life),
    Delete(u8),
}

#[derive(Clone, Debug)]
enum Op {
    Write(Write),
    InsertMany(Vec<(u8, u8)>),
    Clear,
    Wait(u8),
    Purge,
    /// Whether it is committed.
    Transaction(Vec<Write>, bool),
    Read(u8),
}

#[derive(Clone, Debug)]
pub(crate) struct Run {
    ops: Vec<Op>,
    /// Whether nothing expires by itself.
    by_hand: bool,
}

fn life() -> impl Strategy<Value = Life> {
    prop_oneof![3 => Just(Life::OfBucket), 2 => (1..20_u8).prop_map(Life::For), 1 => Just(Life::Never)]
}

fn write() -> impl Strategy<Value = Write> {
    let key = || 0..KEYS;
    prop_oneof![
        5 => (key(), key(), life()).prop_map(|(key, code, life)| Write::Insert(key, code, life)),
        2 => (key(), key()).prop_map(|(key, code)| Write::Upsert(key, code)),
        2 => (key(), key()).prop_map(|(key, code)| Write::SetCode(key, code)),
        1 => (key(), life()).prop_map(|(key, life)| Write::Touch(key, life)),
        2 => key().prop_map(Write::Delete),
    ]
}

pub(crate) fn run() -> impl Strategy<Value = Run> {
    let op = prop_oneof![
        8 => write().prop_map(Op::Write),
        2 => prop::collection::vec((0..KEYS, 0..KEYS), 1..8).prop_map(Op::InsertMany),
        1 => Just(Op::Clear),
        6 => (0..8_u8).prop_map(Op::Wait),
        1 => Just(Op::Purge),
        3 => (prop::collection::vec(write(), 1..5), prop::bool::weighted(0.8))
            .prop_map(|(writes, committed)| Op::Transaction(writes, committed)),
        3 => (0..KEYS).prop_map(Op::Read),
    ];
    (prop::collection::vec(op, 1..60), any::<bool>()).prop_map(|(ops, by_hand)| Run { ops, by_hand })
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    id: u8,
    code: u8,
    version: u64,
    created: u64,
    expires: Option<u64>,
}

impl Row {
    fn of<B: Kind>(record: &Record<B>) -> Self {
        let mut value = record.value().clone();
        Self {
            id: *record.key(),
            code: *value.code(),
            version: record.version(),
            created: record.created_at(),
            expires: record.expires_at(),
        }
    }

    fn is_due(&self, now: u64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

#[derive(Debug, PartialEq)]
enum Refusal {
    Duplicate,
    Unique,
    NotFound,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::DuplicateKey { .. } => Self::Duplicate,
            Error::UniqueConstraint { .. } => Self::Unique,
            Error::NotFound { .. } => Self::NotFound,
            Error::Batch { error, .. } => (*error).into(),
            other => panic!("{other}"),
        }
    }
}

fn ttl(life: Life) -> Ttl {
    match life {
        Life::OfBucket => Ttl::OfBucket,
        Life::For(millis) => Ttl::For(Duration::from_millis(millis.into())),
        Life::Never => Ttl::Never,
    }
}

fn expiry(life: Life, now: u64) -> Option<u64> {
    match life {
        Life::OfBucket => Some(now + TTL),
        Life::For(millis) => Some(now + u64::from(millis)),
        Life::Never => None,
    }
}

/// The write, done to the naive list.
fn naive(rows: &mut Vec<Row>, write: Write, now: u64) -> Result<(), Refusal> {
    let taken = |rows: &[Row], id: u8, code: u8| rows.iter().any(|row| row.id != id && row.code == code);
    let at = |rows: &[Row], id: u8| rows.iter().position(|row| row.id == id);
    match write {
        Write::Insert(id, code, life) => {
            if at(rows, id).is_some() {
                return Err(Refusal::Duplicate);
            }
            if taken(rows, id, code) {
                return Err(Refusal::Unique);
            }
            rows.push(Row { id, code, version: 1, created: now, expires: expiry(life, now) });
        }
        Write::Upsert(id, code) => match at(rows, id) {
            None => return naive(rows, Write::Insert(id, code, Life::OfBucket), now),
            Some(_) if taken(rows, id, code) => return Err(Refusal::Unique),
            Some(at) => {
                (rows[at].code, rows[at].expires) = (code, expiry(Life::OfBucket, now));
                rows[at].version += 1;
            }
        },
        Write::SetCode(id, code) => {
            let at = at(rows, id).ok_or(Refusal::NotFound)?;
            if taken(rows, id, code) {
                return Err(Refusal::Unique);
            }
            rows[at].code = code;
            rows[at].version += 1;
        }
        Write::Touch(id, life) => {
            let at = at(rows, id).ok_or(Refusal::NotFound)?;
            rows[at].expires = expiry(life, now);
            rows[at].version += 1;
        }
        Write::Delete(id) => rows.retain(|row| row.id != id),
    }
    Ok(())
}

/// The write, done to a handle or a transaction's bucket; they have the same methods and no trait.
macro_rules! real {
    ($items:expr, $write:expr) => {
        match $write {
            Write::Insert(id, code, Life::OfBucket) => $items.insert(B::new(id, code)).map(drop),
            Write::Insert(id, code, life) => $items.insert_with_ttl(B::new(id, code), ttl(life)).map(drop),
            Write::Upsert(id, code) => $items.upsert(B::new(id, code)).map(drop),
            Write::SetCode(id, code) => $items.modify(&id, |item| *item.code() = code).map(drop),
            Write::Touch(id, Life::OfBucket) => $items.touch(&id).map(drop),
            Write::Touch(id, life) => $items.touch_with_ttl(&id, ttl(life)).map(drop),
            Write::Delete(id) => $items.delete(&id).map(drop),
        }
    };
}

/// The store, and what it is held against.
struct Machine<B: Kind> {
    store: Store,
    items: BucketHandle<B>,
    clock: TestClock,
    by_hand: bool,
    /// What was not taken out, also of what has expired.
    rows: Vec<Row>,
    log: CommitReader,
    mirror: BTreeMap<u8, Row>,
}

impl Run {
    pub(crate) fn run<B: Kind>(&self) {
        let clock = TestClock::at(1_000);
        let builder = Store::builder().clock(clock.clone()).bucket::<B>();
        let interval = Duration::from_millis(if self.by_hand { 0 } else { 1_000 });
        let store = ready(builder.ttl_check_interval(interval).start()).expect("good");
        let items = store.bucket::<B>().expect("defined");
        let log = store.commits().after(store.snapshot().version());
        let (rows, mirror) = (Vec::new(), BTreeMap::new());
        let mut machine = Machine { store, items, clock, by_hand: self.by_hand, rows, log, mirror };
        for op in &self.ops {
            machine.apply(op);
            machine.check();
        }
    }
}

impl<B: Kind> Machine<B> {
    fn now(&self) -> u64 {
        self.clock.now_millis()
    }

    fn purge(&mut self) -> usize {
        let (now, before) = (self.now(), self.rows.len());
        self.rows.retain(|row| !row.is_due(now));
        before - self.rows.len()
    }

    fn apply(&mut self, op: &Op) {
        let (items, now) = (self.items.clone(), self.now());
        match op {
            Op::Write(write) => {
                let is_there = |id: u8| self.rows.iter().any(|row| row.id == id && !row.is_due(now));
                if let Write::SetCode(id, _) = write
                    && !is_there(*id)
                {
                    // What is not there is not changed, and it does not come to a write.
                    return assert_eq!(real!(items, *write).map_err(Refusal::from), Err(Refusal::NotFound));
                }
                // A write first takes out what is due, also if it fails then.
                self.purge();
                let done = real!(items, *write).map_err(Refusal::from);
                let mut rows = self.rows.clone();
                let expected = naive(&mut rows, *write, now);
                assert_eq!(done, expected);
                if expected.is_ok() {
                    self.rows = rows;
                }
            }
            Op::InsertMany(values) => {
                self.purge();
                let done = items.insert_many(values.iter().map(|(id, code)| B::new(*id, *code)));
                let mut rows = self.rows.clone();
                let expected = values.iter().try_for_each(|(id, code)| {
                    naive(&mut rows, Write::Insert(*id, *code, Life::OfBucket), now)
                });
                assert_eq!(done.map(drop).map_err(Refusal::from), expected);
                if expected.is_ok() {
                    self.rows = rows;
                }
            }
            Op::Clear => {
                self.purge();
                assert_eq!(items.clear(), Ok(std::mem::take(&mut self.rows).len()));
            }
            Op::Wait(millis) => {
                self.clock.advance(Duration::from_millis(u64::from(*millis)));
                if !self.by_hand {
                    ready(self.store.settle());
                    self.purge();
                }
            }
            Op::Purge => assert_eq!(self.store.purge_ttl(), self.purge()),
            Op::Transaction(writes, committed) => self.transaction(writes, *committed),
            // A use, as far as making room is concerned.
            Op::Read(id) => drop(items.get(id)),
        }
    }

    /// A transaction sees all that was not taken out; what is due is taken out when it commits. Where it met that, it runs again.
    fn transaction(&mut self, writes: &[Write], committed: bool) {
        let key = |write: &Write| match *write {
            Write::Insert(id, ..)
            | Write::Upsert(id, _)
            | Write::SetCode(id, _)
            | Write::Touch(id, _)
            | Write::Delete(id) => id,
        };
        // Each key once: what becomes of one that is written twice, the other model says.
        let mut keys = BTreeSet::new();
        let writes: Vec<Write> = writes.iter().filter(|write| keys.insert(key(write))).copied().collect();
        let now = self.now();
        let all = |rows: &mut Vec<Row>| writes.iter().try_for_each(|write| naive(rows, *write, now));
        let done = self.store.transaction(|tx| {
            let items = tx.bucket::<B>()?;
            writes.iter().try_for_each(|write| real!(items, *write))?;
            if committed { Ok(()) } else { Err(Error::NestedTransaction) }
        });
        let mut seen = self.rows.clone();
        if let Err(refusal) = all(&mut seen) {
            return assert_eq!(done.map_err(Refusal::from), Err(refusal));
        }
        if !committed {
            return assert_eq!(done, Err(Error::NestedTransaction));
        }
        if seen == self.rows {
            return assert_eq!(done, Ok(()), "nothing is committed, and nothing taken out");
        }
        self.purge();
        let mut rows = self.rows.clone();
        let expected = all(&mut rows);
        assert_eq!(done.map_err(Refusal::from), expected);
        if expected.is_ok() {
            self.rows = rows;
        }
    }

    /// Applies what was committed to the mirror.
    fn follow(&mut self) {
        while let Some(commit) = self.log.try_next().expect("few commits") {
            let mut evicted = Vec::new();
            let before = self.mirror.clone();
            for change in commit.changes::<B>() {
                match change {
                    Change::Inserted(new) => {
                        assert_eq!(self.mirror.insert(*new.key(), Row::of(new)), None);
                    }
                    Change::Updated { old, new } => {
                        assert_eq!(self.mirror.insert(*new.key(), Row::of(new)), Some(Row::of(old)));
                    }
                    Change::Deleted { record, reason } => {
                        let row = Row::of(record);
                        assert_eq!(self.mirror.remove(record.key()), Some(row.clone()));
                        assert_eq!(
                            *reason == Reason::Expired,
                            row.is_due(commit.time()),
                            "{reason:?} {row:?}"
                        );
                        if *reason == Reason::Evicted {
                            evicted.push(row);
                        }
                    }
                }
            }
            assert!(self.mirror.len() <= MAX);
            if !evicted.is_empty() {
                assert_eq!(self.mirror.len(), MAX, "no more than must go");
            }
            if B::OLDEST {
                let youngest = evicted.iter().map(|row| (row.created, row.id)).max();
                let oldest = self.mirror.values().map(|row| (row.created, row.id)).min();
                assert!(youngest.is_none() || youngest < oldest, "{youngest:?} went, {oldest:?} stays");
            }
            assert!(
                evicted.iter().all(|row| before.contains_key(&row.id)),
                "what was never there does not go"
            );
        }
    }

    fn check(&mut self) {
        self.follow();
        let excess = self.rows.len().saturating_sub(MAX);
        if B::OLDEST {
            let mut ages: Vec<_> = self.rows.iter().map(|row| (row.created, row.id)).collect();
            ages.sort_unstable();
            let gone = &ages[..excess];
            self.rows.retain(|row| !gone.contains(&(row.created, row.id)));
        } else {
            // Which ones go the store says; not how many.
            self.rows.retain(|row| self.mirror.contains_key(&row.id));
            assert!(excess == 0 || self.rows.len() == MAX);
        }
        let snapshot = self.store.snapshot();
        let stored = snapshot.bucket::<B>().expect("defined").all();
        assert_eq!(stored.iter().map(Row::of).collect::<Vec<_>>(), self.rows);
        let by_key: BTreeMap<u8, Row> = self.rows.iter().map(|row| (row.id, row.clone())).collect();
        assert_eq!(self.mirror, by_key);
        let now = self.now();
        let alive: Vec<&Row> = self.rows.iter().filter(|row| !row.is_due(now)).collect();
        assert_eq!(
            self.items.all().iter().map(Row::of).collect::<Vec<_>>().iter().collect::<Vec<_>>(),
            alive
        );
        assert_eq!(self.items.count(), alive.len());
        for key in 0..KEYS {
            let by = |wanted: &dyn Fn(&Row) -> bool| alive.iter().find(|row| wanted(row)).copied().cloned();
            assert_eq!(self.items.contains_key(&key), by(&|row| row.id == key).is_some());
            let by_code = B::by_code(&self.items, key).as_ref().map(Row::of);
            assert_eq!(by_code, by(&|row| row.code == key));
        }
    }
}
