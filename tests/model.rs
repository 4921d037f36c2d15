//! The store against a naive one: random writes, each done to both, and after each of them every read must agree; random
//! questions to a large bucket; walks over pages while records change; records that expire or make room. `PROPTEST_CASES=1000 cargo test --test model` looks
//! deeper. A failure is shrunk, and printed as plain data.

#[path = "model/bucket.rs"]
mod bucket;
#[path = "model/condition.rs"]
mod condition;
#[path = "model/cursor.rs"]
mod cursor;
#[path = "model/leaving.rs"]
mod leaving;
#[path = "model/machine.rs"]
mod machine;
#[path = "model/question.rs"]
mod question;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/transaction.rs"]
mod transaction;
#[path = "model/walk.rs"]
mod walk;
#[path = "model/write.rs"]
mod write;

use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use noex_store::prelude::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use bucket::{DraftData, Item, good_draft, patch};
use machine::{Machine, Op, op};
use question::{question, way};
use reference::Row;

/// The value of a future that has nothing to wait for.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        std::thread::yield_now();
    }
}

/// Records are what the rows are, in the same order.
fn same(records: &[Record<Item>], rows: &[&Row]) {
    assert_eq!(
        records.iter().map(|record| record.id).collect::<Vec<_>>(),
        rows.iter().map(|row| row.item.id).collect::<Vec<_>>()
    );
    for (record, row) in records.iter().zip(rows) {
        assert_eq!(record.value(), &row.item);
        let meta = (record.version(), record.created_at(), record.updated_at());
        assert_eq!(meta, (row.version, row.created_at, row.updated_at));
    }
}

/// So many cases, unless `PROPTEST_CASES` says another number.
fn cases(cases: u32) -> Config {
    let config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { Config { cases, ..config } }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn every_read_agrees_after_every_write(steps in prop::collection::vec((op(), question()), 1..40)) {
        let mut machine = Machine::new();
        for (op, question) in &steps {
            machine.apply(op);
            machine.check(question);
        }
        let (_, question) = &steps[0];
        machine.check_kept(question);
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn walks_over_pages_resume_at_their_place(walk in walk::walk()) {
        walk.run();
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn what_leaves_by_itself_leaves_as_it_must(run in leaving::run()) {
        run.run::<leaving::Aged>();
        run.run::<leaving::Used>();
    }
}

/// A bucket that is large enough for the planner to have a choice, with holes and changed records. The same in each run.
fn large() -> Machine {
    let mut runner = TestRunner::deterministic();
    let mut machine = Machine::new();
    for _ in 0..12 {
        let drafts = prop::collection::vec(good_draft(), 250).new_tree(&mut runner);
        machine.apply(&Op::InsertMany(drafts.expect("nothing is filtered").current()));
        machine.apply(&Op::Wait(1));
    }
    for _ in 0..150 {
        let change = (0..3000_u32, patch()).new_tree(&mut runner).expect("nothing is filtered").current();
        machine.apply(&Op::Update(machine::Pick::Key(change.0), change.1));
        machine.apply(&Op::Delete(machine::Pick::Key(change.0 / 2)));
    }
    machine
}

#[test]
fn questions_to_a_large_bucket() {
    let machine = large();
    assert!(machine.model.rows.len() > 2500);
    let mut runner = TestRunner::new(cases(160));
    let run = runner.run(&question(), |question| {
        question.check(&machine.items, &machine.model.rows);
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("{failure}"));
}

/// The random questions are worth something only if they take every way that the planner has.
#[test]
fn the_questions_take_every_way_in() {
    let machine = large();
    let mut runner = TestRunner::deterministic();
    let mut ways = BTreeSet::new();
    for _ in 0..3000 {
        let question = question().new_tree(&mut runner).expect("nothing is filtered").current();
        let explanation = question.select(&machine.items).explain();
        ways.insert(way(&explanation.access));
        ways.insert(way(&explanation.order));
    }
    let all = [
        "Index",
        "IndexOrder",
        "Insertion",
        "Intersection",
        "Key",
        "Nothing",
        "Scan",
        "Sort",
        "Union",
        "Unique",
    ];
    assert_eq!(ways, all.map(str::to_owned).into());
}

#[test]
fn a_key_that_comes_twice_gets_both_patches() {
    let machine = Machine::new();
    let item = machine.items.insert(sample().draft()).expect("it breaks no rule");
    let patches = [Item::patch().group(3), Item::patch().name("b")];
    machine.items.update_many(patches.map(|patch| (item.id, patch))).expect("it is there");
    let item = machine.items.require(&item.id).expect("it is there");
    assert_eq!((item.group, item.name.as_str()), (3, "b"));
}

fn sample() -> DraftData {
    good_draft().new_tree(&mut TestRunner::deterministic()).expect("nothing is filtered").current()
}
