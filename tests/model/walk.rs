//! Walks over pages while the records change in between.

use std::collections::BTreeMap;

use noex_store::prelude::*;
use proptest::prelude::*;

use super::machine::{Machine, Op, change};
use super::question::{Question, question, through_text};
use super::reference::Row;
use super::{bucket, same};

#[derive(Clone, Debug)]
pub(crate) struct Walk {
    start: Vec<bucket::DraftData>,
    question: Question,
    /// The size of each page, and what happens after it; the last size goes on to the end.
    pages: Vec<(usize, Vec<Op>)>,
}

pub(crate) fn walk() -> impl Strategy<Value = Walk> {
    let page = (prop_oneof![1 => Just(0_usize), 20 => 1..12_usize], prop::collection::vec(change(), 0..4));
    (prop::collection::vec(bucket::good_draft(), 0..120), question(), prop::collection::vec(page, 1..12))
        .prop_map(|(start, question, pages)| Walk { start, question, pages })
}

impl Walk {
    pub(crate) fn run(&self) {
        let mut machine = Machine::new();
        machine.apply(&Op::InsertMany(self.start.clone()));
        let question = &self.question;
        let first = machine.model.rows.clone();
        let mut untouched: BTreeMap<u64, Row> = first.iter().map(|row| (row.place, row.clone())).collect();
        let mut seen: Vec<Row> = Vec::new();
        let mut cursor: Option<Cursor> = None;
        let mut left = question.limit;
        for at in 0.. {
            let (size, changes) = match self.pages.get(at) {
                Some((size, changes)) => (*size, changes.as_slice()),
                None => (self.pages.last().map_or(1, |(size, _)| *size).max(1), &[][..]),
            };
            let select = question.select(&machine.items);
            let page = match &cursor {
                None => select.paginate(Page::first(size)),
                Some(cursor) => select
                    .paginate(Page::first(size).after(through_text(cursor)))
                    .expect("the cursor is of this question"),
            };
            // What is left now, after the place of the last record that was seen, as it was then.
            let mut rest = question.sorted(&machine.model.rows);
            match seen.last() {
                Some(last) => rest
                    .retain(|row| question.compare((&row.item, row.place), (&last.item, last.place)).is_gt()),
                None => drop(rest.drain(..question.offset.min(rest.len()))),
            }
            rest.truncate(left.unwrap_or(usize::MAX));
            let expected = &rest[..size.min(rest.len())];
            same(&page.records, expected);
            assert_eq!(page.has_more, rest.len() > size);
            seen.extend(expected.iter().map(|row| (*row).clone()));
            left = left.map(|left| left - expected.len());
            if size == 0 {
                assert_eq!(page.next_cursor, cursor, "a page of nothing stays where it is");
            } else {
                assert_eq!(page.next_cursor.is_some(), page.has_more);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            for change in changes {
                machine.apply(change);
            }
            let now: BTreeMap<u64, &Row> = machine.model.rows.iter().map(|row| (row.place, row)).collect();
            untouched.retain(|place, row| now.get(place) == Some(&&*row));
        }
        if question.limit.is_none() && question.offset == 0 {
            let untouched: Vec<Row> = untouched.into_values().collect();
            let expected = question.sorted(&untouched);
            let is_untouched = |row: &&Row| untouched.contains(row);
            assert_eq!(seen.iter().filter(is_untouched).collect::<Vec<_>>(), expected);
        }
    }
}
