//! How much memory a table takes: an estimate that costs no walk over it.
//!
//! The structures are taken to be filled as they are on average; the records are sized by their type, and what they own by a
//! few of them. The bench `memory` holds the estimate against what is really allocated.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use super::{RowId, Table};
use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::schema::{FieldKind, Schema};

/// How many records are looked at.
const SAMPLE: u64 = 32;
/// The bytes of an entry of a leaf that is in use, for each byte of its size: leaves are between half full and full.
const FILL: f64 = 1.45;
/// What nodes above leaves, and leaves themselves, take for each entry.
const NODES: f64 = 6.0;
/// What a slot of the record table takes, with its part of the nodes.
const ROW: f64 = 20.0;

impl<B: Bucket> Table<B> {
    /// The estimated bytes of this version of the bucket, without what only older ones hold. O(log n).
    pub(crate) fn memory(&self) -> usize {
        let entry = |size: usize| size as f64 * FILL + NODES;
        // Beside the hash of each entry stands whether its slot is taken.
        let hashed = |size: usize| entry(size + 16);
        let uniques = B::definition().uniques.len() as f64 * hashed(size_of::<RowId>());
        let per_record =
            Record::<B>::size() as f64 + self.owned() + ROW + hashed(self.keys_entry_size()) + uniques;
        let indexes: f64 =
            self.all_indexes().map(|index| index.len() as f64 * entry(index.entry_size())).sum();
        (self.len() as f64 * per_record + indexes) as usize
    }

    /// The mean of what a record owns on the heap, of some that stand at equal distances.
    fn owned(&self) -> f64 {
        let (mut seen, mut bytes) = (0_u32, 0);
        let next = self.rows().next().0;
        let step = (next / SAMPLE).max(1);
        for from in (0..next).step_by(step as usize) {
            let _ = self.rows().visit(RowId(from), &mut |_, record| {
                seen += 1;
                // Its code is the user's.
                let json = catch_unwind(AssertUnwindSafe(|| serde_json::to_value(record.value())));
                bytes += json.map_or(0, |json| owned_by(B::schema(), &json.unwrap_or_default()));
                ControlFlow::Break(())
            });
        }
        if seen == 0 { 0.0 } else { bytes as f64 / f64::from(seen) }
    }
}

/// What a record owns, by its JSON: the text of strings, and the elements of collections. What is text only in JSON (a UUID, an
/// enum) owns nothing.
fn owned_by(schema: &Schema, record: &Value) -> usize {
    let fields = schema.fields.iter().filter(|field| {
        field.kind != FieldKind::String
            || field.rust_type.contains("String")
            || field.rust_type.contains("str")
    });
    fields.filter(|field| field.kind != FieldKind::Date).map(|field| owned(&record[field.name])).sum()
}

fn owned(value: &Value) -> usize {
    const ELEMENT: usize = 16;
    match value {
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(|element| ELEMENT + owned(element)).sum(),
        Value::Object(fields) => fields.values().map(owned).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
