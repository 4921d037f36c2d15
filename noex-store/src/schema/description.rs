//! A schema as plain data, which can be listed at run time.

use std::time::Duration;

use serde::Serialize;

/// All that a bucket's annotations say.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let schema = User::schema();
/// let age = schema.field("age").expect("a field");
/// assert_eq!((age.rust_type, age.optional, age.unique), ("Option<u8>", true, false));
/// assert_eq!(schema.key().map(|key| key.name), Some("id"));
/// assert_eq!(schema.indexes[0].name, "name");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Schema {
    /// The bucket's name.
    pub name: &'static str,
    /// The struct's name.
    pub rust_type: &'static str,
    /// The version of the struct: 1 unless given.
    pub version: u32,
    /// The name that the bucket had before, under which its records may still be kept.
    pub renamed_from: Option<&'static str>,
    /// The fields, in the order of the struct.
    pub fields: &'static [FieldSchema],
    /// The ordered indexes: those of single fields first, then compound ones.
    pub indexes: &'static [IndexSchema],
    /// The fields that are unique together.
    pub uniques: &'static [UniqueSchema],
    /// How long a record lives, if not for ever.
    pub ttl: Option<Duration>,
    /// How many records the bucket holds at most.
    pub max_size: Option<usize>,
    /// Which record leaves a full bucket.
    pub evict: Evict,
    /// Whether persistence, where there is one, keeps the bucket.
    pub persistent: bool,
}

impl Schema {
    /// The field with this stored name. O(fields).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(User::schema().field("age").map(|age| age.rust_type), Some("Option<u8>"));
    /// assert!(User::schema().field("height").is_none());
    /// # Ok(()) }
    /// ```
    pub fn field(&self, name: &str) -> Option<&'static FieldSchema> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The primary key's field.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(User::schema().key().map(|key| key.name), Some("id"));
    /// # Ok(()) }
    /// ```
    pub fn key(&self) -> Option<&'static FieldSchema> {
        self.fields.iter().find(|field| field.key)
    }
}

/// One field of a bucket.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldSchema {
    /// The stored name: the one that serde gives it.
    pub name: &'static str,
    /// The names that the field had before: `rename_from`, and serde's aliases. Records may still be kept with one of them.
    pub renamed_from: &'static [&'static str],
    /// The name in the struct.
    pub rust_name: &'static str,
    /// The type, as it is written in the struct.
    pub rust_type: &'static str,
    /// Which of the six kinds of values it holds.
    pub kind: FieldKind,
    /// Whether a draft must give it: it is neither an `Option`, nor generated, nor has it a default.
    pub required: bool,
    /// Whether it is an `Option`.
    pub optional: bool,
    /// Whether it is the primary key.
    pub key: bool,
    /// How it is generated when it is not given.
    pub generated: Option<Generated>,
    /// The default's source text.
    pub default: Option<&'static str>,
    /// Whether no two records may have the same value.
    pub unique: bool,
    /// The rules for its value.
    pub constraints: &'static [Constraint],
    /// The bucket whose key it holds.
    pub references: Option<&'static str>,
}

impl FieldSchema {
    /// A field of which nothing is said.
    #[doc(hidden)]
    pub const PLAIN: Self = Self {
        name: "",
        renamed_from: &[],
        rust_name: "",
        rust_type: "",
        kind: FieldKind::Object,
        required: false,
        optional: false,
        key: false,
        generated: None,
        default: None,
        unique: false,
        constraints: &[],
        references: None,
    };
}

/// An ordered index.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IndexSchema {
    /// The index's name: its fields' names, joined by `_and_`.
    pub name: &'static str,
    /// The numbers of its fields in [`Schema::fields`].
    pub fields: &'static [u16],
    /// Whether each element of a collection has its own entry.
    pub each: bool,
}

/// Fields that are unique together: no two records may have the same values in all of them.
///
/// ```
/// # use noex_store::prelude::*;
/// #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// #[bucket(name = "members", unique(team, email))]
/// struct Member { #[bucket(key)] id: u64, team: u32, email: String }
///
/// let unique = &Member::schema().uniques[0];
/// assert_eq!((unique.name, unique.fields), ("team, email", [1, 2].as_slice()));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UniqueSchema {
    /// The stored names of the fields, with `, ` between them: so errors and plans name it.
    pub name: &'static str,
    /// The numbers of the fields in [`Schema::fields`].
    pub fields: &'static [u16],
}

/// The six kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FieldKind {
    /// Text, ids.
    String,
    /// Integers and floating-point numbers.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Anything with fields of its own, and user enums.
    Object,
    /// Collections.
    Array,
    /// Points in time.
    Date,
}

impl FieldKind {
    /// The kind as text: `string`, `number`, `boolean`, `object`, `array`, `date`.
    ///
    /// ```
    /// assert_eq!(noex_store::FieldKind::Boolean.as_str(), "boolean");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Object => "object",
            Self::Array => "array",
            Self::Date => "date",
        }
    }
}

/// How a field's value is made when a draft does not give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Generated {
    /// A UUID of version 7 (RFC 9562): random, and ordered by time.
    Uuid,
    /// A CUID2.
    Cuid,
    /// The next number of the bucket, from 1.
    Autoincrement,
    /// The current time in milliseconds since 1970-01-01 UTC.
    Timestamp,
}

/// Which record leaves a bucket that is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Evict {
    /// The one that was created first.
    #[default]
    Oldest,
    /// One that was not used for long, by SIEVE. A full bucket makes room for one of 256 of its records at once, and for 64 at most.
    Lru,
}

/// A format that text must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Format {
    /// An e-mail address (RFC 5321), with a dot in its domain.
    Email,
    /// An absolute URL with the scheme `http` or `https`, and a host.
    Url,
    /// An ISO 8601 date, or a date and time as in RFC 3339, with or without an offset.
    IsoDate,
}

/// A rule for a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Constraint {
    /// At least this (source text).
    Min(&'static str),
    /// At most this (source text).
    Max(&'static str),
    /// At least so many characters, or items.
    MinLength(usize),
    /// At most so many characters, or items.
    MaxLength(usize),
    /// Matches this regular expression somewhere.
    Pattern(&'static str),
    /// Has this format.
    Format(Format),
    /// Is one of these (source texts).
    OneOf(&'static [&'static str]),
    /// Is neither infinite nor NaN.
    Finite,
    /// Passes this function.
    Custom(&'static str),
}
