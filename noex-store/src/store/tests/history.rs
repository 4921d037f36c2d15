//! The histories of random transactions are strictly serializable; and with a fault put into the store, they are found not to
//! be.

use std::collections::BTreeMap;

use super::checker::{Op, Run, cycles, replay};
use super::workload::{Plan, run};
use crate::engine::Fault;
use crate::store::Isolation;

const PLAN: Plan = Plan {
    seed: 0,
    isolation: Isolation::Serializable,
    deletes: false,
    registers: false,
    fault: None,
    threads: 4,
    runs: 60,
};

/// What is wrong with a history and what it left in the store, by any checker.
fn violation(plan: Plan) -> Option<String> {
    let (history, last) = run(plan);
    match replay(&history) {
        // Whatever nobody read again must be there too: what was acknowledged, and nothing else.
        Ok(lists) if lists != last => return Some(format!("left {last:?} instead of {lists:?}")),
        Ok(_) => {}
        Err(violation) => return Some(format!("replay: {violation}")),
    }
    if plan.deletes || plan.registers {
        None
    } else {
        cycles(&history, &last).err().map(|cycle| format!("cycle: {cycle}"))
    }
}

#[test]
fn histories_are_strictly_serializable() {
    for seed in 0..100 {
        for (deletes, registers) in [(false, false), (true, false), (false, true), (true, true)] {
            let plan = Plan { seed, deletes, registers, ..PLAN };
            if let Some(violation) = violation(plan) {
                panic!("{plan:?}: {violation}");
            }
        }
    }
}

#[test]
fn histories_are_not_idle() {
    let (history, _) = run(PLAN);
    let committed = history.iter().filter(|run| run.committed && run.wrote).count();
    let refused = history.iter().filter(|run| !run.committed).count();
    assert!(committed > 60 && refused > 10, "{committed} committed, {refused} not");
}

/// Whether a fault is noticed in one of many histories, by each of the checkers where it can be.
fn is_caught(fault: Fault) -> bool {
    (0..200)
        .any(|seed| violation(Plan { seed, fault: Some(fault), deletes: seed % 2 == 0, ..PLAN }).is_some())
}

#[test]
fn faults_are_caught_on_registers_too() {
    for fault in [Fault::Keys, Fault::Turn, Fault::Conditions, Fault::Misses] {
        let plan = Plan { fault: Some(fault), registers: true, ..PLAN };
        assert!((0..400).any(|seed| violation(Plan { seed, ..plan }).is_some()), "{fault:?}");
    }
}

/// Whether the search for cycles notices it alone, without knowing the order of the commits.
fn is_caught_as_a_cycle(fault: Fault) -> bool {
    (0..400).any(|seed| {
        let (history, last) = run(Plan { seed, fault: Some(fault), ..PLAN });
        cycles(&history, &last).is_err()
    })
}

#[test]
fn the_search_for_cycles_catches_faults_alone() {
    for fault in [Fault::Keys, Fault::Turn, Fault::Conditions, Fault::Misses] {
        assert!(is_caught_as_a_cycle(fault), "{fault:?}");
    }
}

/// A transaction that ran beside all others of its history.
fn beside(version: u64, ops: &[Op]) -> Run {
    let wrote = ops.iter().any(|op| matches!(op, Op::Append(..)));
    Run { began: 1, ended: 9, version, wrote, committed: true, ops: ops.to_vec() }
}

#[test]
fn hand_made_anomalies_are_cycles() {
    const X: (usize, u32) = (0, 1);
    const Y: (usize, u32) = (1, 1);
    let none = |place| Op::Read(place, None);
    let read = |place, list: &[u32]| Op::Read(place, Some(list.to_vec()));
    let cases = [
        (
            "write skew",
            vec![beside(1, &[none(X), Op::Append(Y, 1)]), beside(2, &[none(Y), Op::Append(X, 2)])],
        ),
        (
            "read skew",
            vec![beside(1, &[Op::Append(X, 1), Op::Append(Y, 2)]), beside(2, &[read(X, &[1]), none(Y)])],
        ),
        (
            "writes in two orders",
            vec![
                beside(1, &[Op::Append(X, 1), Op::Append(Y, 2)]),
                beside(2, &[Op::Append(X, 3), Op::Append(Y, 4)]),
            ],
        ),
        (
            "long fork",
            vec![
                beside(1, &[Op::Append(X, 1)]),
                beside(2, &[Op::Append(Y, 2)]),
                beside(2, &[read(X, &[1]), none(Y)]),
                beside(2, &[none(X), read(Y, &[2])]),
            ],
        ),
        (
            "a condition that missed what was inserted",
            vec![
                beside(1, &[Op::Group(0, 1, BTreeMap::new()), Op::Append(Y, 1)]),
                beside(2, &[none(Y), Op::Append(X, 2)]),
            ],
        ),
        (
            "stale read",
            vec![
                Run { ended: 2, ..beside(1, &[Op::Append(X, 1)]) },
                Run { began: 3, ..beside(2, &[none(X), Op::Append(Y, 2)]) },
            ],
        ),
    ];
    for (name, history) in cases {
        // Each list with its appends in the order of the history, but for the one that tells two orders.
        let mut last: BTreeMap<_, Vec<u32>> = BTreeMap::new();
        for op in history.iter().flat_map(|run| &run.ops) {
            if let Op::Append(place, value) = op {
                last.entry(*place).or_default().push(*value);
            }
        }
        if name == "writes in two orders"
            && let Some(list) = last.get_mut(&Y)
        {
            list.reverse();
        }
        assert!(cycles(&history, &last).is_err(), "{name}");
    }
    let good =
        [beside(1, &[none(X), Op::Append(X, 1)]), beside(2, &[read(X, &[1]), none(Y), Op::Append(Y, 2)])];
    cycles(&good, &BTreeMap::from([(X, vec![1]), (Y, vec![2])])).expect("one after the other");
}

#[test]
fn a_store_that_does_not_check_conditions_and_ranges_is_caught() {
    assert!(is_caught(Fault::Conditions));
}

#[test]
fn a_store_that_does_not_check_misses_is_caught() {
    assert!(is_caught(Fault::Misses));
}

#[test]
fn a_store_that_does_not_check_keys_is_caught() {
    assert!(is_caught(Fault::Keys));
}

#[test]
fn a_store_that_does_not_check_in_the_turn_is_caught() {
    assert!(is_caught(Fault::Turn));
}

#[test]
fn snapshot_isolation_shows_write_skew_and_nothing_else() {
    let (mut skewed, mut lost) = (0, 0);
    for seed in 0..60 {
        let (history, _) = run(Plan { seed, isolation: Isolation::Snapshot, ..PLAN });
        // An append reads the list that it writes, so none may be lost, whatever else was read; and one that wrote nothing
        // has read a snapshot.
        let mut promised = history.clone();
        for run in promised.iter_mut().filter(|run| run.wrote) {
            let appended = |op: &Op| if let Op::Append(place, _) = op { Some(*place) } else { None };
            let written: Vec<_> = run.ops.iter().filter_map(appended).collect();
            run.ops.retain(|op| match op {
                Op::Read(place, _) => written.contains(place),
                Op::Append(..) => true,
                _ => false,
            });
        }
        lost += usize::from(replay(&promised).is_err());
        skewed += usize::from(replay(&history).is_err());
    }
    assert_eq!(lost, 0);
    assert!(skewed > 0, "snapshot isolation is weaker, and the checker sees it");
}
