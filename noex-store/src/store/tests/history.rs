//! The histories of random transactions are strictly serializable; and with a fault put into the store, they are found not to
//! be.

use super::checker::{cycles, replay};
use super::workload::{Plan, run};
use crate::engine::Fault;
use crate::store::Isolation;

const PLAN: Plan =
    Plan { seed: 0, isolation: Isolation::Serializable, deletes: false, fault: None, threads: 4, runs: 60 };

/// What is wrong with a history, by either checker.
fn violation(plan: Plan) -> Option<String> {
    let history = run(plan);
    let lists = match replay(&history) {
        Ok(lists) => lists,
        Err(violation) => return Some(format!("replay: {violation}")),
    };
    if plan.deletes { None } else { cycles(&history, &lists).err().map(|cycle| format!("cycle: {cycle}")) }
}

#[test]
fn histories_are_strictly_serializable() {
    for seed in 0..100 {
        for deletes in [false, true] {
            let plan = Plan { seed, deletes, ..PLAN };
            if let Some(violation) = violation(plan) {
                panic!("{plan:?}: {violation}");
            }
        }
    }
}

#[test]
fn histories_are_not_idle() {
    let history = run(PLAN);
    let committed = history.iter().filter(|run| run.committed && run.wrote).count();
    let refused = history.iter().filter(|run| !run.committed).count();
    assert!(committed > 60 && refused > 10, "{committed} committed, {refused} not");
}

/// Whether a fault is noticed in one of many histories.
fn is_caught(fault: Fault) -> bool {
    (0..200)
        .any(|seed| violation(Plan { seed, fault: Some(fault), deletes: seed % 2 == 0, ..PLAN }).is_some())
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
        let history = run(Plan { seed, isolation: Isolation::Snapshot, ..PLAN });
        // An append reads the list that it writes, so no append may be lost, whatever else was read.
        let mut appends_only = history.clone();
        for run in &mut appends_only {
            let written: Vec<_> = run
                .ops
                .iter()
                .filter_map(|op| match op {
                    super::checker::Op::Append(place, _) => Some(*place),
                    _ => None,
                })
                .collect();
            run.ops.retain(|op| match op {
                super::checker::Op::Read(place, _) => written.contains(place),
                super::checker::Op::Append(..) => true,
                _ => false,
            });
        }
        lost += usize::from(replay(&appends_only).is_err());
        skewed += usize::from(replay(&history).is_err());
    }
    assert_eq!(lost, 0);
    assert!(skewed > 0, "snapshot isolation is weaker, and the checker sees it");
}
