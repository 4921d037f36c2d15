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

/// A record of its JSON. Not validated. Floats that are not finite may be written as [`to_json`] does.
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

/// The JSON of a record, or of a part of it, of which [`from_json`] makes the same again. Floats that are not finite are written as text:
/// `"NaN"`, `"inf"`, `"-inf"`.
///
/// # Errors
/// [`Error::NotStorable`] if it has none, or a float in it could not be read again.
pub(crate) fn to_json<T: Serialize + DeserializeOwned>(
    bucket: &'static str,
    key: &dyn Debug,
    value: &T,
) -> Result<String, Error> {
    let written = write::write(value).map_err(|fault| not_storable(bucket, key, fault))?;
    if written.not_finite != 0 && !is_read_again::<T>(&written) {
        return Err(not_storable(bucket, key, write::refuse(value)));
    }
    Ok(written.text)
}

/// The JSON of a value that is not a record's yet: of a default.
///
/// # Errors
/// If it has none.
pub(crate) fn json_of<T: Serialize>(value: &T) -> serde_json::Result<String> {
    let written = write::write(value).map_err(|fault| serde_json::Error::custom(fault.reason))?;
    Ok(written.text)
}

/// Whether the same floats that are not finite are read of it, in the way of [`from_json`].
fn is_read_again<T: Serialize + DeserializeOwned>(written: &write::Written) -> bool {
    let again: Result<T, _> = serde_json::from_str(&written.text);
    let again =
        again.ok().or_else(|| read_exactly(&mut serde_json::Deserializer::from_str(&written.text)).ok());
    let written_again = again.and_then(|again| write::write(&again).ok());
    written_again.is_some_and(|again| again.not_finite == written.not_finite)
}

fn not_storable(bucket: &'static str, key: &dyn Debug, fault: write::Fault) -> Error {
    let write::Fault { field, reason } = fault;
    Error::NotStorable { bucket, key: format!("{key:?}"), field, reason }
}

impl JsonFault {
    fn new(schema: &Schema, path: &str, error: &serde_json::Error) -> Self {
        let reason = error.to_string();
        // The text is one line, and nobody has it before them.
        let reason = reason.split(" at line ").next().unwrap_or_default();
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
