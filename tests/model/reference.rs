//! The naive store: a vector of rows in the order of insertion, searched from front to back.

use noex_store::prelude::*;

use std::collections::BTreeSet;

use super::bucket::{DraftData, Item, PatchData, issues};
use super::condition::Condition;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Where it stands in the order of insertion.
    pub(crate) place: u64,
    pub(crate) item: Item,
    pub(crate) version: u64,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
}

/// Why a write was refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    NotDefined,
    /// The field and the code of each issue.
    Validation(Vec<(String, String)>),
    Duplicate(String),
    Unique(String, String),
    NotFound(String),
    KeyChanged(String, String),
    Row(usize, Box<Refusal>),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::BucketNotDefined { bucket: "items" } => Self::NotDefined,
            Error::Validation { bucket: "items", issues } => Self::Validation(
                issues.iter().map(|issue| (issue.field.to_string(), issue.code.to_string())).collect(),
            ),
            Error::DuplicateKey { bucket: "items", key } => Self::Duplicate(key),
            Error::UniqueConstraint { bucket: "items", field, value } => {
                Self::Unique(field.to_owned(), value)
            }
            Error::NotFound { bucket: "items", key } => Self::NotFound(key),
            Error::KeyChanged { bucket: "items", from, to } => Self::KeyChanged(from, to),
            Error::Batch { row, error } => Self::Row(row, Box::new((*error).into())),
            error => panic!("no write of these tests should end so: {error}"),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) rows: Vec<Row>,
    pub(crate) defined: bool,
    next_place: u64,
    /// The last automatic number.
    pub(crate) counter: u32,
    /// Whether these are the rows that a transaction sees: then numbers that are given by hand do not move the counter, and
    /// one that is drawn is drawn again if it is taken.
    transaction: bool,
}

type Outcome<T> = Result<T, Refusal>;

impl Model {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new(), defined: true, next_place: 0, counter: 0, transaction: false }
    }

    /// That of a bucket that is not there.
    pub(crate) fn dropped() -> Self {
        Self { defined: false, ..Self::new() }
    }

    /// What a transaction that begins now sees.
    pub(crate) fn within_transaction(&self) -> Self {
        Self { transaction: true, ..self.clone() }
    }

    /// The numbers that another one drew are used up.
    pub(crate) fn take_numbers_of(&mut self, other: &Self) {
        self.counter = other.counter;
    }

    /// What is left of a transaction that commits now: the times of what it wrote are those of the commit.
    pub(crate) fn committed(mut self, touched: &BTreeSet<u32>, inserted: &BTreeSet<u32>, now: u64) -> Self {
        self.transaction = false;
        for row in &mut self.rows {
            if touched.contains(&row.item.id) {
                row.updated_at = now;
            }
            if inserted.contains(&row.item.id) {
                row.created_at = now;
            }
        }
        let rows = std::mem::take(&mut self.rows);
        self.commit(rows);
        self
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Row> {
        self.rows.iter().find(|row| row.item.id == id)
    }

    fn known(&self) -> Outcome<()> {
        if self.defined { Ok(()) } else { Err(Refusal::NotDefined) }
    }

    /// Numbers and checks a draft. The number is used up, whatever comes after. `given`: the greatest id that a draft before
    /// it in the batch was given.
    fn complete(&mut self, draft: &DraftData, given: &mut u32, now: u64) -> Outcome<Item> {
        let id = match draft.id {
            Some(id) => {
                *given = id.max(*given);
                id
            }
            None => {
                self.counter = self.counter.max(*given) + 1;
                self.counter
            }
        };
        checked(draft.item(id, draft.made.unwrap_or(now)))
    }

    /// Keeps the rows of a write that went well.
    fn commit(&mut self, rows: Vec<Row>) {
        self.rows = rows;
        self.next_place = self.rows.iter().map(|row| row.place + 1).fold(self.next_place, u64::max);
        if !self.transaction {
            self.counter = self.rows.iter().map(|row| row.item.id).fold(self.counter, u32::max);
        }
    }

    /// Draws again as long as the number is one that the transaction sees.
    fn redrawn(&mut self, rows: &[Row], drawn: bool, item: &mut Item) {
        while self.transaction && drawn && rows.iter().any(|row| row.item.id == item.id) {
            self.counter += 1;
            item.id = self.counter;
        }
    }

    fn added(&self, rows: &mut Vec<Row>, item: Item, now: u64) -> Outcome<Row> {
        if rows.iter().any(|row| row.item.id == item.id) {
            return Err(Refusal::Duplicate(item.id.to_string()));
        }
        unique(rows, &item)?;
        let place = rows.last().map_or(self.next_place, |last| self.next_place.max(last.place + 1));
        let row = Row { place, item, version: 1, created_at: now, updated_at: now };
        rows.push(row.clone());
        Ok(row)
    }

    pub(crate) fn insert(&mut self, draft: &DraftData, now: u64) -> Outcome<Row> {
        self.known()?;
        let mut item = self.complete(draft, &mut 0, now)?;
        self.redrawn(&self.rows.clone(), draft.id.is_none(), &mut item);
        self.insert_item(item, now)
    }

    pub(crate) fn insert_item(&mut self, item: Item, now: u64) -> Outcome<Row> {
        self.known()?;
        let item = checked(item)?;
        let mut rows = self.rows.clone();
        let row = self.added(&mut rows, item, now)?;
        self.commit(rows);
        Ok(row)
    }

    pub(crate) fn insert_many(&mut self, drafts: &[DraftData], now: u64) -> Outcome<Vec<Row>> {
        self.known()?;
        let mut given = 0;
        let mut items = Vec::new();
        for (at, draft) in drafts.iter().enumerate() {
            items.push(self.complete(draft, &mut given, now).map_err(|refusal| in_row(at, refusal))?);
        }
        let mut rows = self.rows.clone();
        let mut added = Vec::new();
        for (at, mut item) in items.into_iter().enumerate() {
            self.redrawn(&rows, drafts[at].id.is_none(), &mut item);
            added.push(self.added(&mut rows, item, now).map_err(|refusal| in_row(at, refusal))?);
        }
        self.commit(rows);
        Ok(added)
    }

    pub(crate) fn upsert(&mut self, draft: &DraftData, now: u64) -> Outcome<Row> {
        self.known()?;
        let mut item = self.complete(draft, &mut 0, now)?;
        self.redrawn(&self.rows.clone(), draft.id.is_none(), &mut item);
        if self.get(item.id).is_none() {
            return self.insert_item(item, now);
        }
        let mut rows = self.rows.clone();
        let row = replaced(&mut rows, item.id, item, now)?;
        self.commit(rows);
        Ok(row)
    }

    pub(crate) fn update(&mut self, id: u32, patch: &PatchData, now: u64) -> Outcome<Row> {
        self.known()?;
        let mut rows = self.rows.clone();
        let row = patched(&mut rows, id, patch, now)?;
        self.commit(rows);
        Ok(row)
    }

    pub(crate) fn update_many(&mut self, changes: &[(u32, PatchData)], now: u64) -> Outcome<Vec<Row>> {
        self.known()?;
        let mut rows = self.rows.clone();
        for (at, (id, patch)) in changes.iter().enumerate() {
            patched(&mut rows, *id, patch, now).map_err(|refusal| in_row(at, refusal))?;
        }
        // However often it is changed in a commit, a record gets one version more, and is given as it is in the end.
        for row in &mut rows {
            if let Some(before) = self.get(row.item.id)
                && row.version > before.version
            {
                row.version = before.version + 1;
            }
        }
        let last = |(id, _): &(u32, PatchData)| rows.iter().find(|row| row.item.id == *id).cloned();
        let changed = changes.iter().filter_map(last).collect();
        self.commit(rows);
        Ok(changed)
    }

    pub(crate) fn update_where(
        &mut self,
        condition: &Condition,
        patch: &PatchData,
        now: u64,
    ) -> Outcome<usize> {
        self.known()?;
        let mut rows = self.rows.clone();
        let found: Vec<u32> = self.passing(condition).map(|row| row.item.id).collect();
        for id in &found {
            patched(&mut rows, *id, patch, now)?;
        }
        self.commit(rows);
        Ok(found.len())
    }

    pub(crate) fn modify(&mut self, id: u32, patch: &PatchData, key: Option<u32>, now: u64) -> Outcome<Row> {
        self.known()?;
        let mut item = self.get(id).ok_or_else(|| Refusal::NotFound(id.to_string()))?.item.clone();
        patch.apply(&mut item);
        item.id = key.unwrap_or(item.id);
        let mut rows = self.rows.clone();
        let row = replaced(&mut rows, id, checked(item)?, now)?;
        self.commit(rows);
        Ok(row)
    }

    pub(crate) fn delete_many(&mut self, ids: &[u32]) -> Outcome<Vec<Row>> {
        self.known()?;
        let mut removed = Vec::new();
        for id in ids {
            if let Some(at) = self.rows.iter().position(|row| row.item.id == *id) {
                removed.push(self.rows.remove(at));
            }
        }
        Ok(removed)
    }

    pub(crate) fn delete_where(&mut self, condition: &Condition) -> Outcome<Vec<Row>> {
        self.known()?;
        let found: Vec<u32> = self.passing(condition).map(|row| row.item.id).collect();
        self.delete_many(&found)
    }

    pub(crate) fn clear(&mut self) -> Outcome<usize> {
        self.known()?;
        Ok(std::mem::take(&mut self.rows).len())
    }

    pub(crate) fn passing<'a>(&'a self, condition: &'a Condition) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(|row| condition.passes(&row.item))
    }
}

fn in_row(at: usize, refusal: Refusal) -> Refusal {
    Refusal::Row(at, Box::new(refusal))
}

fn checked(item: Item) -> Outcome<Item> {
    let issues = issues(&item);
    if issues.is_empty() { Ok(item) } else { Err(Refusal::Validation(issues)) }
}

fn unique(rows: &[Row], item: &Item) -> Outcome<()> {
    let taken =
        |same: &dyn Fn(&Item) -> bool| rows.iter().any(|row| row.item.id != item.id && same(&row.item));
    if let Some(code) = &item.code
        && taken(&|other| other.code.as_ref() == Some(code))
    {
        return Err(Refusal::Unique("code".to_owned(), format!("{code:?}")));
    }
    if let (Some(note), Some(rank)) = (&item.note, item.rank)
        && taken(&|other| other.note.as_ref() == Some(note) && other.rank == Some(rank))
    {
        return Err(Refusal::Unique("note, rank".to_owned(), format!("({note:?}, {rank})")));
    }
    Ok(())
}

fn patched(rows: &mut [Row], id: u32, patch: &PatchData, now: u64) -> Outcome<Row> {
    let row = rows.iter().find(|row| row.item.id == id).ok_or_else(|| Refusal::NotFound(id.to_string()))?;
    if patch.is_empty() {
        return Ok(row.clone());
    }
    let mut item = row.item.clone();
    patch.apply(&mut item);
    replaced(rows, id, checked(item)?, now)
}

fn replaced(rows: &mut [Row], id: u32, item: Item, now: u64) -> Outcome<Row> {
    if item.id != id {
        return Err(Refusal::KeyChanged(id.to_string(), item.id.to_string()));
    }
    unique(rows, &item)?;
    let row =
        rows.iter_mut().find(|row| row.item.id == id).ok_or_else(|| Refusal::NotFound(id.to_string()))?;
    *row = Row { item, version: row.version + 1, updated_at: now, ..row.clone() };
    Ok(row.clone())
}
