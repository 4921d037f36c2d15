//! A page of the records of any bucket.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::value::RawValue;

use super::condition::Condition;
use crate::engine::{AnyTable, RowId, StoredRecord, Version, catch};
use crate::error::Error;

/// How long one request looks for records that pass; the next goes on from there.
const PATIENCE: Duration = Duration::from_millis(200);

/// Some records, in the order of insertion.
#[derive(Debug, Serialize)]
pub(super) struct RecordPage {
    version: Version,
    records: Vec<Line>,
    /// Where the next page begins; `None` if there is nothing more.
    next: Option<u64>,
    /// How many records were looked at.
    looked_at: usize,
}

#[derive(Debug, Serialize)]
struct Line {
    key: Box<RawValue>,
    value: Box<RawValue>,
    version: u64,
    created_at: u64,
    updated_at: u64,
    expires_at: Option<u64>,
}

impl Line {
    fn of(record: StoredRecord) -> Option<Self> {
        Some(Self {
            key: RawValue::from_string(record.key).ok()?,
            value: RawValue::from_string(record.value).ok()?,
            version: record.version,
            created_at: record.created_at,
            updated_at: record.updated_at,
            expires_at: record.expires_at,
        })
    }
}

/// Up to `limit` records that pass, from a row on. O(records looked at).
///
/// # Errors
/// [`Error::NotStorable`], [`Error::Panicked`]: the records' `Serialize` runs here.
pub(super) fn page(
    table: &dyn AnyTable,
    version: Version,
    condition: &Condition,
    from: u64,
    limit: usize,
) -> Result<RecordPage, Error> {
    let start = Instant::now();
    let (mut records, mut looked_at) = (Vec::new(), 0);
    let mut next = Some(RowId(from));
    while let Some(at) = next
        && records.len() < limit
        && (looked_at == 0 || start.elapsed() < PATIENCE)
    {
        // No more than are wanted, so that the next page begins behind the last one of this.
        let max = limit - records.len();
        let (chunk, after) = catch(table.schema().name, || table.stored(at, max, true))?;
        looked_at += chunk.len();
        next = after;
        records
            .extend(chunk.into_iter().filter(|record| condition.holds(&record.value)).filter_map(Line::of));
    }
    Ok(RecordPage { version, records, next: next.map(|row| row.0), looked_at })
}
