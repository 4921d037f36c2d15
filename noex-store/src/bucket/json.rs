//! Records as JSON, to be read again, and from others: what is wrong with it is told with the field.

mod read;
mod write;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde_json::de::StrRead;

use crate::bucket::Bucket;
use crate::error::{Error, IssueCode, ValidationIssue};
use crate::schema::Schema;

/// Why a text is not the JSON of a record.
pub(crate) struct JsonFault {
    /// The path of the value; empty if it is the whole text.
    pub(crate) field: String,
    /// `required`, `unknown` or `type`.
    pub(crate) code: IssueCode,
    pub(crate) reason: String,
}

/// A record of its JSON. Not validated. Floats that are not finite may be written as [`record_json`] does.
pub(crate) fn from_json<B: Bucket>(text: &str) -> Result<B, JsonFault> {
    // The other way costs time, and is of interest only if this one fails.
    serde_json::from_str(text).or_else(|_| {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = read_exactly::<B>(&mut deserializer)
            .map_err(|error| JsonFault::new(B::schema(), &error.path().to_string(), error.inner()))?;
        let end = deserializer.end().map(|()| value);
        end.map_err(|error| JsonFault::new(B::schema(), ".", &error))
    })
}

/// A value of its JSON, in which floats may be text, or the path to what is wrong with it.
fn read_exactly<T: DeserializeOwned>(
    from: &mut serde_json::Deserializer<StrRead<'_>>,
) -> Result<T, serde_path_to_error::Error<serde_json::Error>> {
    serde_path_to_error::deserialize(read::Exact(from))
}

/// The JSON of a record, of which [`from_json`] makes one with the same key again. Floats that are not finite are written as text:
/// `"NaN"`, `"inf"`, `"-inf"`.
///
/// It is read once, to see, which takes as long as a start takes for it.
///
/// # Errors
/// [`Error::NotStorable`] if it has none, or none that could be read again.
pub(crate) fn record_json<B: Bucket>(value: &B) -> Result<String, Error> {
    let key = value.key();
    let (text, again) = written_and_read(B::NAME, key, value)?;
    same_key(B::NAME, key, again.key())?;
    Ok(text)
}

/// The JSON of a record's key, likewise.
///
/// # Errors
/// As [`record_json`].
pub(crate) fn key_json<B: Bucket>(key: &B::Key) -> Result<String, Error> {
    let (text, again) = written_and_read(B::NAME, key, key)?;
    same_key(B::NAME, key, &again)?;
    Ok(text)
}

/// Another key may be that of another record.
fn same_key<K: Eq + Debug>(bucket: &'static str, key: &K, again: &K) -> Result<(), Error> {
    if key == again {
        return Ok(());
    }
    let reason = format!("its key is read again as another one, {again:?}");
    Err(not_storable(bucket, key, write::Fault { field: String::new(), reason }))
}

/// A value's JSON, and what is read of it.
fn written_and_read<T: Serialize + DeserializeOwned>(
    bucket: &'static str,
    key: &dyn Debug,
    value: &T,
) -> Result<(String, T), Error> {
    let written = written(bucket, key, value)?;
    // serde does not promise that what a type writes it reads, and at the next start it would be too late.
    match read_again::<T>(&written.text) {
        // Elsewhere text may be read in a float's place: below `flatten`, as another variant of an untagged enum.
        Ok(again) if written.not_finite == 0 || has_as_many(&again, &written) => Ok((written.text, again)),
        Err(fault) if written.not_finite == 0 => Err(not_storable(bucket, key, fault)),
        _ => Err(not_storable(bucket, key, write::refuse(value))),
    }
}

/// The JSON of a record, or of a part of it, for whoever looks at it: nobody reads it again.
///
/// # Errors
/// [`Error::NotStorable`] if it has none.
pub(crate) fn shown_json<T: Serialize>(
    bucket: &'static str,
    key: &dyn Debug,
    value: &T,
) -> Result<String, Error> {
    Ok(written(bucket, key, value)?.text)
}

fn written<T: Serialize>(bucket: &'static str, key: &dyn Debug, value: &T) -> Result<write::Written, Error> {
    write::write(value).map_err(|fault| not_storable(bucket, key, fault))
}

/// The JSON of a value that is not a record's yet: of a default.
///
/// # Errors
/// If it has none.
pub(crate) fn json_of<T: Serialize>(value: &T) -> serde_json::Result<String> {
    let written = write::write(value).map_err(|fault| serde_json::Error::custom(fault.reason))?;
    Ok(written.text)
}

/// What is read of a value's JSON, in the way of [`from_json`].
fn read_again<T: DeserializeOwned>(text: &str) -> Result<T, write::Fault> {
    serde_json::from_str(text).or_else(|_| {
        read_exactly(&mut serde_json::Deserializer::from_str(text)).map_err(|error| {
            let path = error.path().to_string();
            let reason =
                format!("its JSON is not read again: {}", without_place(&error.into_inner().to_string()));
            write::Fault { field: if path == "." { String::new() } else { path }, reason }
        })
    })
}

/// Whether a value has as many floats that are not finite as the one that was written.
fn has_as_many<T: Serialize>(again: &T, written: &write::Written) -> bool {
    write::write(again).is_ok_and(|again| again.not_finite == written.not_finite)
}

/// A fault of serde_json's without line and column: the text is one line, and nobody has it before them.
fn without_place(reason: &str) -> &str {
    reason.split(" at line ").next().unwrap_or_default()
}

fn not_storable(bucket: &'static str, key: &dyn Debug, fault: write::Fault) -> Error {
    let write::Fault { field, reason } = fault;
    Error::NotStorable { bucket, key: format!("{key:?}"), field, reason }
}

impl JsonFault {
    fn new(schema: &Schema, path: &str, error: &serde_json::Error) -> Self {
        let reason = error.to_string();
        let reason = without_place(&reason);
        let field = |start: &str| reason.strip_prefix(start)?.split('`').next();
        if let Some(name) = field("missing field `").filter(|name| schema.field(name).is_some()) {
            let reason = "is missing, and has no default".to_owned();
            return Self { field: name.to_owned(), code: IssueCode::Required, reason };
        }
        if let Some(name) = field("unknown field `") {
            let reason = "is not a field of the bucket".to_owned();
            return Self { field: name.to_owned(), code: IssueCode::Unknown, reason };
        }
        let field = if path == "." { String::new() } else { path.to_owned() };
        Self { field, code: IssueCode::Type, reason: format!("cannot be read: {reason}") }
    }

    pub(crate) fn into_error(self, bucket: &'static str) -> Error {
        let Self { field, code, reason } = self;
        let issue = ValidationIssue { field: field.into(), code, message: reason, value: None };
        Error::Validation { bucket, issues: vec![issue] }
    }
}
