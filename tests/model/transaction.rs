//! Transactions: random writes and questions within, savepoints that are kept or taken back, and one of three ends.

use std::collections::BTreeSet;

use noex_store::Clock;
use noex_store::prelude::*;
use proptest::prelude::*;

use super::bucket::Item;
use super::machine::{Op, TestClock, change, check_items};
use super::question::{Question, question};
use super::reference::{Model, Row};
use super::write::{Answer, Expected, write};

#[derive(Clone, Debug)]
pub(crate) struct Transacted {
    steps: Vec<Step>,
    end: End,
}

#[derive(Clone, Debug)]
enum Step {
    Write(Op),
    Ask(Box<Question>),
    /// Whether it is kept.
    Savepoint(Vec<Step>, bool),
}

#[derive(Clone, Copy, Debug)]
enum End {
    Commit,
    Fail,
    Drop,
    /// Committed by hand.
    ByHand,
}

pub(crate) fn transacted() -> impl Strategy<Value = Transacted> {
    let step = prop_oneof![
        5 => change().prop_map(Step::Write),
        1 => question().prop_map(|question| Step::Ask(Box::new(question))),
    ];
    let steps = step.prop_recursive(2, 12, 5, |inner| {
        (prop::collection::vec(inner, 0..5), any::<bool>())
            .prop_map(|(steps, kept)| Step::Savepoint(steps, kept))
    });
    let end = prop_oneof![4 => Just(End::Commit), 1 => Just(End::Fail), 1 => Just(End::Drop), 2 => Just(End::ByHand)];
    (prop::collection::vec(steps, 0..10), end).prop_map(|(steps, end)| Transacted { steps, end })
}

/// What the transaction sees: the rows of before, with what it has written.
struct Seen<'m> {
    base: &'m Model,
    model: Model,
    /// The keys that were written.
    touched: BTreeSet<u32>,
    /// The keys that were inserted, also those of before that were deleted first.
    inserted: BTreeSet<u32>,
}

impl Transacted {
    /// Runs it; whether it made a commit.
    pub(crate) fn run(&self, store: &Store, model: &mut Model, clock: &TestClock) -> bool {
        if !model.defined {
            return false;
        }
        let base = model.clone();
        let mut seen = Seen {
            model: base.within_transaction(),
            base: &base,
            touched: BTreeSet::new(),
            inserted: BTreeSet::new(),
        };
        let mut work = |tx: &Transaction| -> Result<(), Error> {
            let items = tx.bucket::<Item>()?;
            self.steps.iter().for_each(|step| seen.step(tx, &items, step, clock));
            check_items(&items, &seen.model);
            Ok(())
        };
        let committed = match self.end {
            End::Commit => {
                store.transaction(work).expect("nobody else writes");
                true
            }
            End::Fail => {
                let failed = store.transaction(|tx| work(tx).and(Err::<(), _>(Error::Stopped)));
                assert_eq!(failed, Err(Error::Stopped));
                false
            }
            End::Drop => {
                let tx = store.begin();
                work(&tx).expect("the bucket is defined");
                false
            }
            End::ByHand => {
                let tx = store.begin();
                work(&tx).expect("the bucket is defined");
                tx.commit().expect("nobody else writes");
                true
            }
        };
        let Seen { model: after, touched, inserted, .. } = seen;
        if !committed {
            // Numbers that were drawn are gone.
            model.take_numbers_of(&after);
            return false;
        }
        let changed = touched.iter().any(|id| base.get(*id).is_some() || after.get(*id).is_some());
        *model = after.committed(&touched, &inserted, clock.now_millis());
        changed
    }
}

impl Seen<'_> {
    fn step(
        &mut self,
        tx: &Transaction,
        items: &TransactionBucket<'_, Item>,
        step: &Step,
        clock: &TestClock,
    ) {
        match step {
            Step::Write(Op::Wait(millis)) => clock.wait(*millis),
            Step::Write(op) => self.write(items, op, clock.now_millis()),
            Step::Ask(question) => {
                check_items(items, &self.model);
                question.check(items, &self.model.rows);
            }
            Step::Savepoint(steps, kept) => {
                let before = (self.model.clone(), self.touched.clone(), self.inserted.clone());
                let done = tx.savepoint(|tx| {
                    steps.iter().for_each(|step| self.step(tx, items, step, clock));
                    if *kept { Ok(()) } else { Err(()) }
                });
                assert_eq!(done.is_ok(), *kept);
                if !kept {
                    let drawn = std::mem::replace(&mut self.model, before.0);
                    (self.touched, self.inserted) = (before.1, before.2);
                    self.model.take_numbers_of(&drawn);
                }
            }
        }
    }

    fn write(&mut self, items: &TransactionBucket<'_, Item>, op: &Op, now: u64) {
        let before = self.model.rows.clone();
        let Some((answer, expected)) = write!(items, &mut self.model, op, now) else { return };
        self.settle(&before);
        // What is told of a record is what the transaction now sees; of one that is gone, what it saw.
        let told = |row: Row| {
            let own =
                self.model.get(row.item.id).or_else(|| before.iter().find(|old| old.item.id == row.item.id));
            own.cloned().unwrap_or(row)
        };
        let expected = match expected {
            Expected::Rows(Ok(rows)) if !is_delete(op) => {
                Expected::Rows(Ok(rows.into_iter().map(told).collect()))
            }
            expected => expected,
        };
        Answer::compare(answer, expected);
    }

    /// Brings the naive rows to what a transaction makes of them: one version more, however often they were written; and in
    /// the place of before, if their key was there.
    fn settle(&mut self, before: &[Row]) {
        let was = |id: u32| before.iter().find(|row| row.item.id == id);
        for row in before {
            if self.model.get(row.item.id).is_none() {
                self.touched.insert(row.item.id);
                self.inserted.remove(&row.item.id);
            }
        }
        for row in &mut self.model.rows {
            let id = row.item.id;
            let old = was(id);
            if old == Some(row) {
                continue;
            }
            self.touched.insert(id);
            if old.is_none() {
                self.inserted.insert(id);
            }
            match self.base.get(id) {
                Some(base) => (row.version, row.place) = (base.version + 1, base.place),
                None => row.version = 1,
            }
        }
        self.model.rows.sort_by_key(|row| row.place);
    }
}

fn is_delete(op: &Op) -> bool {
    matches!(op, Op::Delete(_) | Op::DeleteMany(_) | Op::DeleteWhere(_))
}
