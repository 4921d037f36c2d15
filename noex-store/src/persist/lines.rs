//! Buckets as JSON Lines: a line that says what it is, for each bucket one that begins it and one for each record, and a last one that
//! says how many there were, so that a text that was cut off is known.

use std::collections::BTreeSet;
use std::io::{BufRead, BufWriter, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::adapter::{LoadSink, SnapshotPart, SnapshotSource};
use crate::engine::{PackedRecords, StoredRecord, StoredRef, StoredSchema, Version};
use crate::error::Error;

/// The version of the format.
const FORMAT: u32 = 1;
/// Records that are given to the sink at once.
const PART: usize = 256;
/// Bytes that are written at once.
pub(crate) const BUFFER: usize = 64 << 10;

/// A line; its one key says which.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    NoexStore {
        format: u32,
        version: Version,
        time: u64,
    },
    Bucket {
        name: String,
        schema: Option<StoredSchema>,
        counters: Vec<(String, u64)>,
    },
    #[serde(borrow)]
    Record(RecordLine<'a>),
    End {
        buckets: u64,
        records: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct RecordLine<'a> {
    #[serde(borrow)]
    key: &'a RawValue,
    #[serde(borrow)]
    value: &'a RawValue,
    version: u64,
    created_at: u64,
    updated_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

fn transfer(reason: impl ToString) -> Error {
    Error::Transfer { reason: reason.to_string() }
}

/// Writes all that the source has; how many records. Buffers, so that `to` need not.
pub(crate) fn write(source: &mut dyn SnapshotSource, to: &mut dyn Write) -> Result<u64, Error> {
    let to = &mut BufWriter::with_capacity(BUFFER, to);
    let (mut buckets, mut records) = (0, 0);
    put(to, &Line::NoexStore { format: FORMAT, version: source.version(), time: source.time() })?;
    while let Some(part) = source.next_part()? {
        match part {
            SnapshotPart::Begin { name, schema, counters } => {
                buckets += 1;
                put(to, &Line::Bucket { name, schema, counters })?;
            }
            SnapshotPart::Records(part) => {
                records += part.len() as u64;
                part.iter().try_for_each(|record| put_record(to, record))?;
            }
        }
    }
    put(to, &Line::End { buckets, records })?;
    to.flush().map_err(transfer)?;
    Ok(records)
}

fn put(to: &mut dyn Write, line: &Line<'_>) -> Result<(), Error> {
    serde_json::to_writer(&mut *to, line).map_err(transfer)?;
    to.write_all(b"\n").map_err(transfer)
}

fn put_record(to: &mut dyn Write, record: &StoredRecord) -> Result<(), Error> {
    let StoredRecord { key, value, version, created_at, updated_at, expires_at } = record;
    let (key, value) =
        (serde_json::from_str(key).map_err(transfer)?, serde_json::from_str(value).map_err(transfer)?);
    let (version, created_at, updated_at, expires_at) = (*version, *created_at, *updated_at, *expires_at);
    put(to, &Line::Record(RecordLine { key, value, version, created_at, updated_at, expires_at }))
}

/// Reads what [`write`] wrote; all of it, or it is an error.
pub(crate) fn read(mut from: impl BufRead, sink: &mut dyn LoadSink) -> Result<(), Error> {
    let (mut has_begun, mut is_over) = (false, false);
    let (mut names, mut records) = (BTreeSet::new(), 0);
    let (mut text, mut part) = (String::new(), PackedRecords::default());
    for number in 1_u64.. {
        let at = |reason: String| Error::Transfer { reason: format!("line {number}: {reason}") };
        text.clear();
        let bytes = from.read_line(&mut text).map_err(|error| at(error.to_string()))?;
        if bytes == 0 && is_over {
            return Ok(());
        }
        if bytes == 0 {
            return Err(at("the text ends here, without its last line: it was cut off".to_owned()));
        }
        sink.read_bytes(bytes as u64);
        if text.trim().is_empty() {
            continue;
        }
        if is_over {
            return Err(at("the export is over, and there is more: is it two of them?".to_owned()));
        }
        let line = serde_json::from_str(text.trim_end()).map_err(|error| at(error.to_string()))?;
        if !has_begun && !matches!(line, Line::NoexStore { .. }) {
            return Err(at("it does not begin as the export of a store".to_owned()));
        }
        if (!matches!(line, Line::Record(_)) || part.len() == PART) && !part.is_empty() {
            sink.packed(std::mem::take(&mut part))?;
        }
        match line {
            Line::NoexStore { .. } if has_begun => return Err(at("another export begins here".to_owned())),
            Line::NoexStore { format: FORMAT, version, time } => {
                has_begun = true;
                sink.snapshot(version, time);
            }
            Line::NoexStore { format, .. } => {
                return Err(at(format!(
                    "its format is {format}, and this version reads those up to {FORMAT}"
                )));
            }
            Line::Bucket { name, schema, counters } => {
                if !names.insert(name.clone()) {
                    return Err(at(format!("the bucket `{name}` begins for the second time")));
                }
                sink.part(SnapshotPart::Begin { name, schema, counters })?;
            }
            Line::Record(_) if names.is_empty() => {
                return Err(at("there is a record before any bucket".to_owned()));
            }
            Line::Record(RecordLine { key, value, version, created_at, updated_at, expires_at }) => {
                records += 1;
                let (key, value) = (key.get(), value.get());
                part.push(StoredRef { key, value, version, created_at, updated_at, expires_at });
            }
            Line::End { buckets: all_buckets, records: all_records } => {
                let buckets = names.len() as u64;
                if (all_buckets, all_records) != (buckets, records) {
                    return Err(at(format!(
                        "there should be {all_records} records in {all_buckets} buckets, and there are {records} in {buckets}: \
                         lines are missing"
                    )));
                }
                is_over = true;
            }
        }
    }
    Ok(())
}
