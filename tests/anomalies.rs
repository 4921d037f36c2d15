//! The public isolation anomalies, one test each, for both isolation levels. The names and most of the scenarios are those of
//! Adya (*Weak Consistency*, 1999) and of Hermitage, the suite that compares databases by them.

mod common;

use common::start;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "registers")]
struct Register {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    value: i64,
}

/// Another bucket, so that what holds in one holds over two.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "others")]
struct Other {
    #[bucket(key)]
    id: u32,
    value: i64,
}

const LEVELS: [Isolation; 2] = [Isolation::Serializable, Isolation::Snapshot];

/// Registers 1 and 2 hold 10 and 20, and so do the others.
fn registers() -> Store {
    let store = start(Store::builder().bucket::<Register>().bucket::<Other>());
    store
        .transaction(|tx| {
            for (id, value) in [(1, 10), (2, 20)] {
                tx.bucket::<Register>()?.insert(Register { id, value })?;
                tx.bucket::<Other>()?.insert(Other { id, value })?;
            }
            Ok::<_, Error>(())
        })
        .expect("empty");
    store
}

fn get(tx: &Transaction, id: u32) -> i64 {
    tx.bucket::<Register>().expect("defined").require(&id).expect("there").value
}

fn other(tx: &Transaction, id: u32) -> i64 {
    tx.bucket::<Other>().expect("defined").require(&id).expect("there").value
}

fn set(tx: &Transaction, id: u32, value: i64) {
    tx.bucket::<Register>().expect("defined").update(&id, Register::patch().value(value)).expect("there");
}

fn set_other(tx: &Transaction, id: u32, value: i64) {
    tx.bucket::<Other>().expect("defined").update(&id, Other::patch().value(value)).expect("there");
}

fn values(store: &Store) -> [i64; 4] {
    let tx = store.begin();
    [get(&tx, 1), get(&tx, 2), other(&tx, 1), other(&tx, 2)]
}

/// The values that pass a condition which no index serves alone: divisible by three.
fn thirds(tx: &Transaction) -> Vec<i64> {
    let all = tx.bucket::<Register>().expect("defined").all();
    all.iter().map(|register| register.value).filter(|value| value % 3 == 0).collect()
}

fn is_conflict(done: Result<CommitInfo, Error>) -> bool {
    match done {
        Ok(_) => false,
        Err(Error::TransactionConflict { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn g0_dirty_write() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        set(&a, 1, 11);
        set(&b, 1, 12);
        set_other(&a, 2, 21);
        assert!(!is_conflict(a.commit()));
        set_other(&b, 2, 22);
        assert!(is_conflict(b.commit()), "{level:?}: the first to commit wins");
        assert_eq!(values(&store), [11, 20, 10, 21], "{level:?}: no mixture of both");
    }
}

#[test]
fn g1a_aborted_read() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        set(&a, 1, 101);
        assert_eq!(get(&b, 1), 10);
        a.rollback();
        assert_eq!(get(&b, 1), 10);
        assert!(!is_conflict(b.commit()));
        assert_eq!(values(&store), [10, 20, 10, 20]);
    }
}

#[test]
fn g1b_intermediate_read() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        set(&a, 1, 101);
        assert_eq!(get(&b, 1), 10);
        set(&a, 1, 11);
        assert!(!is_conflict(a.commit()));
        assert_eq!(get(&b, 1), 10);
        assert!(!is_conflict(b.commit()));
        assert_eq!(get(&store.begin(), 1), 11);
    }
}

#[test]
fn g1c_circular_information_flow() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        set(&a, 1, 11);
        set_other(&b, 2, 22);
        // Neither sees what the other wrote.
        assert_eq!((other(&a, 2), get(&b, 1)), (20, 10));
        assert!(!is_conflict(a.commit()));
        assert_eq!(is_conflict(b.commit()), level == Isolation::Serializable);
    }
}

#[test]
fn otv_observed_transaction_vanishes() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        set(&a, 1, 11);
        set_other(&a, 2, 19);
        set(&b, 1, 12);
        assert!(!is_conflict(a.commit()));
        let c = store.begin_with(level);
        assert_eq!(get(&c, 1), 11);
        set_other(&b, 2, 18);
        assert_eq!(other(&c, 2), 19);
        assert!(is_conflict(b.commit()));
        // What was seen once stays seen.
        assert_eq!((get(&c, 1), other(&c, 2)), (11, 19));
        assert!(!is_conflict(c.commit()));
    }
}

#[test]
fn pmp_predicate_many_preceders() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        assert!(thirds(&a).is_empty());
        b.bucket::<Register>().expect("defined").insert(Register { id: 3, value: 30 }).expect("new");
        assert!(!is_conflict(b.commit()));
        assert!(thirds(&a).is_empty(), "{level:?}: the condition is answered by one snapshot");
        assert!(!is_conflict(a.commit()), "a reader never conflicts");

        // The same with a write that depends on a condition.
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        let add = Register::patch().value(40_i64);
        a.bucket::<Register>().expect("defined").update_where(Register::VALUE.eq(20), add).expect("one");
        b.bucket::<Register>().expect("defined").delete_where(Register::VALUE.eq(20)).expect("one");
        assert!(!is_conflict(a.commit()));
        assert!(is_conflict(b.commit()), "{level:?}");
        assert_eq!(values(&store)[..2], [10, 40]);
    }
}

#[test]
fn p4_lost_update() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        let (x, y) = (get(&a, 1), get(&b, 1));
        set(&a, 1, x + 1);
        set(&b, 1, y + 1);
        assert!(!is_conflict(a.commit()));
        assert!(is_conflict(b.commit()), "{level:?}");
        assert_eq!(get(&store.begin(), 1), 11);
    }
}

#[test]
fn g_single_read_skew() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        assert_eq!(get(&a, 1), 10);
        assert_eq!((get(&b, 1), other(&b, 2)), (10, 20));
        set(&b, 1, 12);
        set_other(&b, 2, 18);
        assert!(!is_conflict(b.commit()));
        assert_eq!(other(&a, 2), 20, "{level:?}: of the same snapshot as the first read");
        assert!(!is_conflict(a.commit()));
    }
}

#[test]
fn g_single_read_skew_by_a_condition() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        let counted = |tx: &Transaction| {
            tx.bucket::<Register>().expect("defined").filter(Register::VALUE.between(10..25)).count()
        };
        assert_eq!(counted(&a), 2);
        set(&b, 1, 12);
        set(&b, 2, 100);
        assert!(!is_conflict(b.commit()));
        assert_eq!(counted(&a), 2, "{level:?}");
    }
}

#[test]
fn g_single_read_skew_by_a_write() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        assert_eq!(get(&a, 1), 10);
        set(&b, 1, 12);
        set(&b, 2, 18);
        assert!(!is_conflict(b.commit()));
        // It writes where the other one wrote, by what it saw before.
        a.bucket::<Register>().expect("defined").delete_where(Register::VALUE.eq(20)).expect("seen");
        assert!(is_conflict(a.commit()), "{level:?}");
        assert_eq!(values(&store)[..2], [12, 18]);
    }
}

#[test]
fn g2_item_write_skew() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        // Each takes from one as long as both hold enough together.
        assert_eq!(get(&a, 1) + other(&a, 2), 30);
        assert_eq!(get(&b, 1) + other(&b, 2), 30);
        set(&a, 1, -15);
        set_other(&b, 2, -5);
        assert!(!is_conflict(a.commit()));
        assert_eq!(is_conflict(b.commit()), level == Isolation::Serializable);
        let sum = values(&store)[0] + values(&store)[3];
        assert_eq!(sum < 0, level == Isolation::Snapshot, "{level:?}: {sum}");
    }
}

#[test]
fn g2_predicate_anti_dependency() {
    for level in LEVELS {
        let store = registers();
        let (a, b) = (store.begin_with(level), store.begin_with(level));
        assert_eq!((thirds(&a).len(), thirds(&b).len()), (0, 0));
        a.bucket::<Register>().expect("defined").insert(Register { id: 3, value: 30 }).expect("new");
        b.bucket::<Register>().expect("defined").insert(Register { id: 4, value: 42 }).expect("new");
        assert!(!is_conflict(a.commit()));
        assert_eq!(is_conflict(b.commit()), level == Isolation::Serializable);
        assert_eq!(thirds(&store.begin()).len(), if level == Isolation::Snapshot { 2 } else { 1 });
    }
}

#[test]
fn g2_two_anti_dependencies() {
    // Fekete, O'Neil, O'Neil, *A Read-Only Transaction Anomaly Under Snapshot Isolation* (2004).
    for level in LEVELS {
        let store = registers();
        let a = store.begin_with(level);
        assert_eq!((get(&a, 1), other(&a, 2)), (10, 20));
        let b = store.begin_with(level);
        set_other(&b, 2, other(&b, 2) + 5);
        assert!(!is_conflict(b.commit()));
        let reader = store.begin_with(level);
        assert_eq!((get(&reader, 1), other(&reader, 2)), (10, 25));
        assert!(!is_conflict(reader.commit()));
        set(&a, 1, 0);
        assert_eq!(is_conflict(a.commit()), level == Isolation::Serializable);
    }
}
