//! The writes that a handle and a transaction have in common, done to one of them and to the naive store.

use noex_store::prelude::*;

use super::bucket::Item;
use super::machine::Pick;
use super::reference::{Model, Refusal, Row};
use super::same;

/// What the store said to a write.
pub(crate) enum Answer {
    Records(Result<Vec<Record<Item>>, Error>),
    Count(Result<usize, Error>),
}

/// What the naive store says.
pub(crate) enum Expected {
    Rows(Result<Vec<Row>, Refusal>),
    Count(Result<usize, Refusal>),
}

impl Answer {
    pub(crate) fn compare(self, expected: Expected) {
        match (self, expected) {
            (Self::Records(Ok(records)), Expected::Rows(Ok(rows))) => {
                same(&records, &rows.iter().collect::<Vec<_>>());
            }
            (Self::Records(Err(error)), Expected::Rows(Err(refusal))) => {
                assert_eq!(Refusal::from(error), refusal);
            }
            (Self::Count(count), Expected::Count(expected)) => {
                assert_eq!(count.map_err(Refusal::from), expected);
            }
            (Self::Records(records), Expected::Rows(rows)) => panic!("{records:?} instead of {rows:?}"),
            _ => panic!("another kind of answer"),
        }
    }
}

/// The key that is meant.
pub(crate) fn key(model: &Model, pick: Pick) -> u32 {
    match pick {
        Pick::Key(id) => id,
        Pick::There(_) if model.rows.is_empty() => 7,
        Pick::There(number) => model.rows[usize::from(number) % model.rows.len()].item.id,
    }
}

pub(crate) fn one(
    record: Result<Record<Item>, Error>,
    row: Result<Row, Refusal>,
) -> Option<(Answer, Expected)> {
    many(record.map(|record| vec![record]), row.map(|row| vec![row]))
}

pub(crate) fn many(
    records: Result<Vec<Record<Item>>, Error>,
    rows: Result<Vec<Row>, Refusal>,
) -> Option<(Answer, Expected)> {
    Some((Answer::Records(records), Expected::Rows(rows)))
}

pub(crate) fn count(
    count: Result<usize, Error>,
    expected: Result<usize, Refusal>,
) -> Option<(Answer, Expected)> {
    Some((Answer::Count(count), Expected::Count(expected)))
}

/// Does a write to a handle or to a transaction's bucket, and to the naive store; `None` for what is no such write. A macro,
/// since the two have the same methods and no trait.
macro_rules! write {
    ($items:expr, $model:expr, $op:expr, $now:expr) => {{
        use $crate::bucket::{DraftData, PatchData};
        use $crate::machine::Op;
        use $crate::write::{count, key, many, one};
        let (items, model, now) = ($items, $model, $now);
        match $op {
            Op::Insert(draft) => one(items.insert(draft.draft()), model.insert(draft, now)),
            Op::InsertItem(id, draft) => {
                let item = draft.item(*id, draft.made.unwrap_or(5));
                one(items.insert(item.clone()), model.insert_item(item, now))
            }
            Op::InsertMany(drafts) => {
                let records = items.insert_many(drafts.iter().map(DraftData::draft));
                many(records, model.insert_many(drafts, now))
            }
            Op::Upsert(draft) => one(items.upsert(draft.draft()), model.upsert(draft, now)),
            Op::Update(pick, patch) => {
                let id = key(model, *pick);
                one(items.update(&id, patch.patch()), model.update(id, patch, now))
            }
            Op::UpdateMany(changes) => {
                let changes: Vec<(u32, PatchData)> =
                    changes.iter().map(|(pick, patch)| (key(model, *pick), patch.clone())).collect();
                let records = items.update_many(changes.iter().map(|(id, patch)| (*id, patch.patch())));
                many(records, model.update_many(&changes, now))
            }
            Op::UpdateWhere(condition, patch) => {
                let updated = items.update_where(condition.filter(), patch.patch());
                count(updated, model.update_where(condition, patch, now))
            }
            Op::Modify(pick, patch, other) => {
                let id = key(model, *pick);
                let record = items.modify(&id, |item| {
                    patch.apply(item);
                    item.id = other.unwrap_or(item.id);
                });
                one(record, model.modify(id, patch, *other, now))
            }
            Op::Delete(pick) => {
                let id = key(model, *pick);
                let removed = items.delete(&id).map(|record| record.into_iter().collect());
                many(removed, model.delete_many(&[id]))
            }
            Op::DeleteMany(picks) => {
                let ids: Vec<u32> = picks.iter().map(|pick| key(model, *pick)).collect();
                many(items.delete_many(ids.clone()), model.delete_many(&ids))
            }
            Op::DeleteWhere(condition) => {
                many(items.delete_where(condition.filter()), model.delete_where(condition))
            }
            Op::Clear => count(items.clear(), model.clear()),
            _ => None,
        }
    }};
}
pub(crate) use write;
