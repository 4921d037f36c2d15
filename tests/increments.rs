//! Patches that add: bounds, overflow, and writers that never conflict.

mod common;

use std::thread;

use common::{start, store_of};
use noex_store::IssueCode;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "counters")]
struct Counter {
    #[bucket(key)]
    id: u32,
    hits: u64,
    #[bucket(min = -10, max = 100)]
    level: i8,
    small: u8,
    #[bucket(default)]
    ratio: f64,
    name: String,
}

fn counter(id: u32) -> Counter {
    Counter { id, hits: 0, level: 0, small: 0, ratio: 0.0, name: String::new() }
}

fn issues(error: &Error) -> Vec<(&str, IssueCode)> {
    let Error::Validation { bucket: "counters", issues } = error else { panic!("{error:?}") };
    issues.iter().map(|issue| (issue.field.as_ref(), issue.code)).collect()
}

#[test]
fn sums_are_made_on_what_is_there() -> Result<(), Error> {
    let (_store, counters) = store_of::<Counter>();
    counters.insert(counter(1))?;
    let patch = Counter::patch().add(Counter::HITS, 3).sub(Counter::LEVEL, 4).add(Counter::RATIO, 0.5);
    let first = counters.update(&1, patch.clone())?;
    let second = counters.update(&1, patch)?;
    assert_eq!((first.hits, first.level, first.ratio, first.version()), (3, -4, 0.5, 2));
    assert_eq!((second.hits, second.level, second.ratio, second.version()), (6, -8, 1.0, 3));
    Ok(())
}

#[test]
fn fields_can_be_set_before() -> Result<(), Error> {
    let (_store, counters) = store_of::<Counter>();
    counters.insert(counter(1))?;
    let updated = counters.update(&1, Counter::patch().hits(10_u64).name("ten").add(Counter::HITS, 1))?;
    assert_eq!((updated.hits, updated.name.as_str()), (11, "ten"));
    Ok(())
}

#[test]
fn rules_are_checked_on_the_sum() -> Result<(), Error> {
    let (_store, counters) = store_of::<Counter>();
    counters.insert(counter(1))?;
    let error = counters.update(&1, Counter::patch().add(Counter::LEVEL, 101)).expect_err("above max");
    assert_eq!(issues(&error), [("level", IssueCode::Max)]);
    let error = counters.update(&1, Counter::patch().add(Counter::LEVEL, -11)).expect_err("below min");
    assert_eq!(issues(&error), [("level", IssueCode::Min)]);
    let error =
        counters.update(&1, Counter::patch().add(Counter::RATIO, f64::INFINITY)).expect_err("not finite");
    assert_eq!(issues(&error), [("ratio", IssueCode::Type)]);
    assert_eq!(counters.require(&1)?.version(), 1);
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error_that_names_all_fields() -> Result<(), Error> {
    let (_store, counters) = store_of::<Counter>();
    counters.insert(Counter { small: 250, hits: 1, ..counter(1) })?;
    let patch = Counter::patch().add(Counter::SMALL, 10).sub(Counter::HITS, 2);
    let error = counters.update(&1, patch).expect_err("neither fits");
    assert_eq!(issues(&error), [("small", IssueCode::Max), ("hits", IssueCode::Min)]);
    let Error::Validation { issues, .. } = &error else { panic!("{error:?}") };
    assert_eq!(issues[0].message, "250 + 10 does not fit `u8`");
    assert_eq!(issues[0].value.as_deref(), Some("250"));
    assert_eq!(issues[1].message, "1 - 2 does not fit `u64`");
    assert_eq!(counters.require(&1)?.small, 250);
    Ok(())
}

#[test]
fn they_work_in_batches() -> Result<(), Error> {
    let (_store, counters) = store_of::<Counter>();
    counters.insert_many((1..=3).map(counter))?;
    let add = || Counter::patch().add(Counter::HITS, 1);
    counters.update_many([(1, add()), (2, add()), (1, add())])?;
    assert_eq!(counters.update_where(Counter::ID.ge(2_u32), add())?, 2);
    let state = counters.all().iter().map(|counter| (counter.hits, counter.version())).collect::<Vec<_>>();
    assert_eq!(state, [(2, 2), (2, 3), (1, 2)], "one version more in each commit");
    assert_eq!(counters.update(&9, add()), Err(Error::NotFound { bucket: "counters", key: "9".into() }));
    Ok(())
}

#[test]
fn nothing_to_add_is_no_change() -> Result<(), Error> {
    let (store, counters) = store_of::<Counter>();
    counters.insert(counter(1))?;
    let version = store.snapshot().version();
    counters.update(&1, Counter::patch())?;
    assert_eq!(store.snapshot().version(), version);
    Ok(())
}

#[test]
fn writers_that_add_lose_nothing() {
    let store = start(Store::builder().bucket::<Counter>());
    let counters = store.bucket::<Counter>().expect("defined");
    counters.insert(counter(1)).expect("empty");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    counters.update(&1, Counter::patch().add(Counter::HITS, 1)).expect("no conflict");
                    let once = TxOptions::new().retries(0);
                    let added: Result<(), Error> = store.transaction_with(once, |tx| {
                        tx.bucket::<Counter>()?.update(&1, Counter::patch().add(Counter::HITS, 1))
                    });
                    added.expect("no conflict");
                }
            });
        }
    });
    let counter = counters.require(&1).expect("there");
    assert_eq!((counter.hits, counter.version()), (4000, 4001));
}

#[test]
fn in_a_transaction_a_sum_is_made_when_it_commits() -> Result<(), Error> {
    let (store, counters) = store_of::<Counter>();
    counters.insert(counter(1))?;
    let tx = store.begin();
    tx.bucket::<Counter>()?.update(&1, Counter::patch().add(Counter::HITS, 1))?;
    tx.bucket::<Counter>()?.update(&1, Counter::patch().name("new").add(Counter::HITS, 1))?;
    counters.update(&1, Counter::patch().hits(10_u64).level(5_i8))?;
    tx.commit()?;
    let counter = counters.require(&1)?;
    assert_eq!((counter.hits, counter.level, counter.name.as_str(), counter.version()), (12, 5, "new", 3));
    Ok(())
}

#[test]
fn a_sum_that_was_looked_at_was_read() -> Result<(), Error> {
    type Look = fn(&TransactionBucket<'_, Counter>) -> u64;
    let looks: [Look; 4] = [
        |counters| counters.get(&1).map_or(0, |counter| counter.hits),
        |counters| counters.all()[0].hits,
        |counters| counters.filter(Counter::HITS.ge(1_u64)).count() as u64,
        |counters| counters.iter().map(|counter| counter.hits).sum(),
    ];
    for look in looks {
        let (store, counters) = store_of::<Counter>();
        counters.insert(counter(1))?;
        let tx = store.begin();
        let own = tx.bucket::<Counter>()?;
        own.update(&1, Counter::patch().add(Counter::HITS, 1))?;
        assert_eq!(look(&own), 1);
        counters.update(&1, Counter::patch().add(Counter::HITS, 1))?;
        let refused = tx.commit().expect_err("what was seen is not so any more");
        assert!(matches!(refused, Error::TransactionConflict { bucket: "counters", .. }), "{refused:?}");
    }
    Ok(())
}

#[test]
fn a_sum_that_made_a_record_pass_was_read() -> Result<(), Error> {
    let (store, counters) = store_of::<Counter>();
    counters.insert(counter(1))?;
    let tx = store.begin();
    let own = tx.bucket::<Counter>()?;
    own.update(&1, Counter::patch().add(Counter::HITS, 5))?;
    // Only with the sum it passes, so nobody else's change of it is one of a record that passes.
    assert_eq!(own.filter(Counter::HITS.ge(5_u64)).collect()[0].hits, 5);
    drop(own);
    counters.update(&1, Counter::patch().add(Counter::HITS, 1))?;
    assert!(matches!(tx.commit(), Err(Error::TransactionConflict { .. })));
    Ok(())
}

#[test]
fn a_sum_conflicts_with_the_end_of_its_record_and_of_its_room() -> Result<(), Error> {
    let (store, counters) = store_of::<Counter>();
    counters.insert(counter(1))?;
    let add = |by: i8| -> Result<Transaction, Error> {
        let tx = store.begin();
        tx.bucket::<Counter>()?.update(&1, Counter::patch().add(Counter::LEVEL, by))?;
        Ok(tx)
    };
    let (first, second) = (add(60)?, add(60)?);
    first.commit()?;
    // The sum is above the maximum now; run again, the update itself would say so.
    assert!(matches!(second.commit(), Err(Error::TransactionConflict { .. })));
    assert_eq!(counters.require(&1)?.level, 60);
    let third = add(1)?;
    counters.delete(&1)?;
    assert!(matches!(third.commit(), Err(Error::TransactionConflict { .. })));
    Ok(())
}

#[test]
fn a_record_that_was_set_in_the_transaction_is_not_added_to_blindly() -> Result<(), Error> {
    let (store, counters) = store_of::<Counter>();
    counters.insert(counter(1))?;
    let tx = store.begin();
    let own = tx.bucket::<Counter>()?;
    own.update(&1, Counter::patch().hits(5_u64))?;
    own.update(&1, Counter::patch().add(Counter::HITS, 1))?;
    own.insert(counter(2))?;
    own.update(&2, Counter::patch().add(Counter::HITS, 7))?;
    tx.commit()?;
    assert_eq!((counters.require(&1)?.hits, counters.require(&2)?.hits), (6, 7));
    assert_eq!(counters.require(&2)?.version(), 1);
    Ok(())
}

/// Types whose names say nothing, or the wrong thing, of the numbers that they are.
mod named {
    pub type Count = u32;
    pub type Timestamp = i64;
    pub type Uuid = u64;
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "counters")]
struct Aliased {
    #[bucket(key)]
    id: u32,
    count: named::Count,
    at: named::Timestamp,
    odd: named::Uuid,
}

#[test]
fn numbers_may_have_other_names_but_not_those_of_what_is_no_number() -> Result<(), Error> {
    let (_store, counters) = store_of::<Aliased>();
    counters.insert(Aliased { id: 1, count: 1, at: 2, odd: 3 })?;
    let sums = counters.update(&1, Aliased::patch().add(Aliased::COUNT, 10_u32).sub(Aliased::AT, 10_i64))?;
    assert_eq!((sums.count, sums.at), (11, -8));

    let patch = Aliased::patch().add(Aliased::COUNT, 1_u32).add(Aliased::ODD, 1_u64);
    let error = counters.update(&1, patch).expect_err("not known to be a number");
    assert_eq!(issues(&error), [("odd", IssueCode::Type)]);
    assert!(error.to_string().contains("nothing can be added to it"), "{error}");
    assert_eq!(counters.require(&1)?.count, 11, "and nothing was");
    Ok(())
}
