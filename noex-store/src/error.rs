//! The error of every fallible call, and the issues of a failed validation.

use std::borrow::Cow;
use std::fmt;

use crate::engine::Version;
use crate::event::PatternFault;

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// All that can go wrong, one variant for each kind, with its data as fields.
///
/// An error always means that nothing was changed: no record, no index entry, no commit. Keys and values are given as
/// their `Debug` text, because an error outlives the bucket's types.
///
/// ```
#[doc = include_str!("../doc/users.txt")]
/// match users.insert(User::draft().name("").email("ann@x.cz").age(200)) {
///     Err(Error::Validation { bucket, issues }) => {
///         let of: Vec<&str> = issues.iter().map(|issue| &*issue.field).collect();
///         assert_eq!((bucket, of), ("users", vec!["name", "age"]));
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A bucket of this name is there already.
    #[error("bucket `{bucket}` is already defined")]
    BucketAlreadyExists {
        /// The bucket's name.
        bucket: &'static str,
    },
    /// No bucket of this name is defined, or it was dropped.
    #[error("bucket `{bucket}` is not defined: name it at the builder, or call `define_bucket`")]
    BucketNotDefined {
        /// The bucket's name.
        bucket: &'static str,
    },
    /// The bucket of this name was defined with another Rust type.
    #[error("bucket `{bucket}` holds `{defined}`, and was asked for as `{asked}`")]
    SchemaMismatch {
        /// The bucket's name.
        bucket: &'static str,
        /// The type that it was defined with.
        defined: &'static str,
        /// The type that it was asked for.
        asked: &'static str,
    },
    /// A record breaks rules of its schema; all of them are listed.
    #[error("bucket `{bucket}`: {}", Each(.issues))]
    Validation {
        /// The bucket's name.
        bucket: &'static str,
        /// Every rule that is broken, in the order of the fields.
        issues: Vec<ValidationIssue>,
    },
    /// A record with this primary key is there already.
    #[error("bucket `{bucket}` already has a record with the key {key}; `upsert` replaces it")]
    DuplicateKey {
        /// The bucket's name.
        bucket: &'static str,
        /// The key.
        key: String,
    },
    /// Another record has this value in a unique field, or these values in fields that are unique together.
    #[error("bucket `{bucket}`: another record has {value} in the {}", unique_fields(field))]
    UniqueConstraint {
        /// The bucket's name.
        bucket: &'static str,
        /// The field's stored name; of several, their names with `, ` between them.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// No record has this key.
    #[error("bucket `{bucket}` has no record with the key {key}")]
    NotFound {
        /// The bucket's name.
        bucket: &'static str,
        /// The key.
        key: String,
    },
    /// A change would have given a record another primary key.
    #[error(
        "bucket `{bucket}`: the key of a record cannot change (from {from} to {to}); delete and insert instead"
    )]
    KeyChanged {
        /// The bucket's name.
        bucket: &'static str,
        /// The record's key.
        from: String,
        /// The key that the change would have given it.
        to: String,
    },
    /// A row of a batch failed, and with it the batch.
    #[error("row {row} of the batch: {error}")]
    Batch {
        /// The row's number in the batch, from 0.
        row: usize,
        /// What is wrong with it.
        #[source]
        error: Box<Self>,
    },
    /// An automatic number does not fit its field's type any more.
    #[error("bucket `{bucket}`: the next automatic number {next} does not fit the field `{field}`")]
    AutoIncrementExhausted {
        /// The bucket's name.
        bucket: &'static str,
        /// The field's stored name.
        field: &'static str,
        /// The number that would have been next.
        next: u64,
    },
    /// A cursor is not one of this query's, or is not a cursor at all.
    #[error("the cursor cannot be used: {reason}")]
    InvalidCursor {
        /// Why not.
        reason: CursorFault,
    },
    /// Code of the record's type (its `Ord`, `Eq`, `Hash`, `Clone`, or a validator) panicked during a write.
    #[error("bucket `{bucket}`: a write was given up because the record's code panicked: {message}")]
    Panicked {
        /// The bucket's name.
        bucket: &'static str,
        /// The panic's message, where it was text.
        message: String,
    },
    /// Another writer changed what a transaction read or wrote, as often as it was tried.
    #[error(
        "bucket `{bucket}`: another writer was faster at {}; the transaction was given up after {attempts} {}",
        Place(.key, *.field),
        if *.attempts == 1 { "attempt" } else { "attempts" }
    )]
    TransactionConflict {
        /// The bucket's name.
        bucket: &'static str,
        /// The key of a record that was changed; the value, where two records met in a unique `field`; empty if the bucket was
        /// dropped.
        key: String,
        /// The field by which the record was found, if it was not its key.
        field: Option<&'static str>,
        /// How often the transaction was run.
        attempts: u32,
    },
    /// A query of this name is there already.
    #[error("query `{query}` is already defined")]
    QueryAlreadyDefined {
        /// The query's name.
        query: String,
    },
    /// No query of this name is defined.
    #[error("query `{query}` is not defined")]
    QueryNotDefined {
        /// The query's name.
        query: String,
    },
    /// The query of this name has other types.
    #[error("query `{query}` is a `{defined}`, and was asked for as a `{asked}`")]
    QueryMismatch {
        /// The query's name.
        query: String,
        /// The type that it was defined with.
        defined: &'static str,
        /// The type that it was asked for.
        asked: &'static str,
    },
    /// A query asked, by others, for its own answer.
    #[error("a query cannot need its own answer: {path}")]
    QueryCycle {
        /// The queries on the way.
        path: String,
    },
    /// A query's function panicked.
    #[error("query `{query}` panicked: {message}")]
    QueryPanicked {
        /// The query's name.
        query: String,
        /// The panic's message, where it was text.
        message: String,
    },
    /// A transaction was started in the closure of another one of the same store.
    #[error(
        "a transaction of this store is running here: use it, or `savepoint` for a part that can fail alone"
    )]
    NestedTransaction,
    /// A write that could not be part of what is going on: the record's code (a validator, an `Ord`, a patch) wrote to a
    /// store in the middle of a write, or a handle was written to in the closure of a transaction.
    #[error(
        "bucket `{bucket}`: a write from within another write or transaction; in a transaction, write to \
         `tx.bucket::<…>()`"
    )]
    NestedWrite {
        /// The bucket that the inner write was for.
        bucket: &'static str,
    },
    /// A write in a transaction that was said to only read.
    #[error("bucket `{bucket}`: a write in a transaction that is read-only")]
    ReadOnly {
        /// The bucket that the write was for.
        bucket: &'static str,
    },
    /// A pattern of topics that is malformed, or that no topic can match.
    #[error(
        "the pattern `{pattern}` cannot be used: {reason}; topics are `bucket.{{name}}.{{inserted|updated|deleted}}`"
    )]
    InvalidPattern {
        /// The pattern.
        pattern: String,
        /// Why not.
        reason: PatternFault,
    },
    /// The commits that somebody wants to go on from are not in the log any more, or not yet.
    #[error("the commits after {asked} are not kept: the log has those after {oldest}, up to {latest}")]
    CommitsGone {
        /// The version to go on from.
        asked: Version,
        /// The least version that can be gone on from.
        oldest: Version,
        /// The latest version.
        latest: Version,
    },
    /// A service has panicked so often that it was given up; the store goes on without it.
    #[error("the service `{service}` has panicked too often and was given up: the store is degraded")]
    Degraded {
        /// The service's name.
        service: &'static str,
    },
    /// The store has stopped, but not all of its services and handlers were done within the time.
    #[error("the store was stopped, and these were not done in time: {}", .services.join(", "))]
    StopTimedOut {
        /// Their names.
        services: Vec<&'static str>,
    },
    /// A time to live of no length.
    #[error("bucket `{bucket}`: a time to live must be longer than nothing; `Ttl::Never` is for ever")]
    InvalidTtl {
        /// The bucket's name.
        bucket: &'static str,
    },
    /// A record has no JSON that could be read again, and so cannot be kept: a map in it has keys that are neither text nor numbers, its
    /// `Deserialize` does not read what its `Serialize` writes, or it has more than 127 lists and structs within each other.
    #[error(
        "bucket `{bucket}`: the record with the key {key} has no JSON{}: {reason}; `persistent = false` keeps a bucket in memory \
         alone",
        in_field(field)
    )]
    NotStorable {
        /// The bucket's name.
        bucket: &'static str,
        /// The key.
        key: String,
        /// The path of the field, but for places in lists and maps; empty if no field is to blame.
        field: String,
        /// What serde says.
        reason: String,
    },
    /// Records that were kept are not of the bucket's type any more, or break its rules. They are left as they are.
    #[error(
        "bucket `{bucket}`: records that were kept do not fit it: {}; a new field takes a `default`, and a bucket of another \
         `version` can `migrate`",
        Each(.problems)
    )]
    IncompatibleRecords {
        /// The bucket's name.
        bucket: &'static str,
        /// Every field, or rule, that records do not fit.
        problems: Vec<RecordProblem>,
    },
    /// The store keeps nothing.
    #[error("the store has no persistence: give it some at the builder")]
    PersistenceRequired,
    /// Whatever keeps the commits has failed.
    #[error("persistence: {reason}")]
    Persistence {
        /// Why.
        reason: String,
    },
    /// What was kept is damaged, and not at the end, where a write that was cut off would have left it. It is left as it is.
    #[error("`{file}` is damaged at byte {offset}, after commit {after}: {reason}")]
    Corrupt {
        /// The file.
        file: String,
        /// Where.
        offset: u64,
        /// The last commit that can be read.
        after: Version,
        /// What is wrong.
        reason: String,
    },
    /// An export could not be written, or what is to be imported is none, or is not whole.
    #[error("export or import: {reason}")]
    Transfer {
        /// Why, and in which line.
        reason: String,
    },
    /// An inspector cannot listen.
    #[error("the inspector cannot listen at {address}: {reason}")]
    Inspector {
        /// Where it was to listen.
        address: std::net::SocketAddr,
        /// Why not.
        reason: String,
    },
    /// A line that is to be imported is not a record that can be: nothing is imported.
    #[error("line {line}: {error}")]
    Import {
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        error: Box<Self>,
    },
    /// The store was stopped, or the last `Store` of it dropped; it can still be read.
    #[error("the store is stopped, or its last `Store` was dropped: it can be read, not written")]
    Stopped,
}

fn in_field(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!(" in the field `{field}`") }
}

fn unique_fields(fields: &str) -> String {
    match fields.rsplit_once(", ") {
        None => format!("unique field `{fields}`"),
        Some((first, last)) => {
            format!("fields `{}` and `{last}`, which are unique together", first.replace(", ", "`, `"))
        }
    }
}

/// One thing that is wrong with records that were kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct RecordProblem {
    /// The path of the value, in stored names; empty if it is the whole record.
    pub field: String,
    /// What is wrong with the first of them, for people.
    pub reason: String,
    /// The keys of the first ten, as JSON.
    pub keys: Vec<String>,
    /// How many there are.
    pub records: usize,
}

impl fmt::Display for RecordProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "`{}` ", self.field)?;
        }
        let (records, keys) = (self.records, self.keys.join(", "));
        let (s, more) =
            (if records == 1 { "" } else { "s" }, if records > self.keys.len() { ", …" } else { "" });
        write!(f, "{} ({records} record{s}: {keys}{more})", self.reason)
    }
}

/// Why a cursor was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CursorFault {
    /// The text is no cursor.
    Malformed,
    /// The cursor comes from a query with another bucket, filter or order.
    OtherQuery,
    /// The values in the cursor are not of the types of this query's order.
    OtherTypes,
}

impl fmt::Display for CursorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "its text is malformed",
            Self::OtherQuery => "it belongs to a query with another bucket, filter or order",
            Self::OtherTypes => "its values are not of the types that this query orders by",
        })
    }
}

/// One broken rule of one field.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ValidationIssue {
    /// The path of the value, in stored names: `age`, `tags[2]`, `address.zip`. Empty for a rule of the whole record.
    pub field: Cow<'static, str>,
    /// Which rule.
    pub code: IssueCode,
    /// What is wrong, for people.
    pub message: String,
    /// The value, as its `Debug` text.
    pub value: Option<String>,
}

impl fmt::Display for ValidationIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            write!(f, "{} ({})", self.message, self.code)
        } else {
            write!(f, "`{}` {} ({})", self.field, self.message, self.code)
        }
    }
}

/// The kinds of broken rules. Serialises as the lower-case text that `Display` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IssueCode {
    /// A required field has no value.
    Required,
    /// The value is not of the field's type, or is a number that is not finite.
    Type,
    /// The value is not one of those that are allowed.
    #[serde(rename = "enum")]
    OneOf,
    /// The value is below the minimum.
    Min,
    /// The value is above the maximum.
    Max,
    /// The text or the collection is too short.
    MinLength,
    /// The text or the collection is too long.
    MaxLength,
    /// The text does not match the pattern.
    Pattern,
    /// The text is not of the format.
    Format,
    /// A check of the user's own refused the value.
    Custom,
    /// The input has a field that the schema does not know.
    Unknown,
}

impl IssueCode {
    /// The code as text: `required`, `type`, `enum`, `min`, `max`, `min_length`, `max_length`, `pattern`, `format`,
    /// `custom`, `unknown`.
    ///
    /// ```
    /// assert_eq!(noex_store::IssueCode::OneOf.as_str(), "enum");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Type => "type",
            Self::OneOf => "enum",
            Self::Min => "min",
            Self::Max => "max",
            Self::MinLength => "min_length",
            Self::MaxLength => "max_length",
            Self::Pattern => "pattern",
            Self::Format => "format",
            Self::Custom => "custom",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for IssueCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

struct Place<'a>(&'a str, Option<&'static str>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            ("", _) => f.write_str("dropping it"),
            (key, None) => write!(f, "the key {key}"),
            (key, Some(field)) => write!(f, "{key} (found by `{field}`)"),
        }
    }
}

struct Each<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Each<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, issue) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            issue.fmt(f)?;
        }
        Ok(())
    }
}
