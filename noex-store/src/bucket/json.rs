//! Records as JSON, from others: what is wrong with it is told with the field.

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

/// A record of its JSON. Not validated.
pub(crate) fn from_json<B: Bucket>(text: &str) -> Result<B, JsonFault> {
    // The path costs time, and is of interest only if it fails.
    serde_json::from_str(text).map_err(|error| {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        match serde_path_to_error::deserialize::<_, B>(&mut deserializer) {
            Err(error) => JsonFault::new(B::schema(), &error.path().to_string(), error.inner()),
            // There is something behind it.
            Ok(_) => JsonFault::new(B::schema(), ".", &error),
        }
    })
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
