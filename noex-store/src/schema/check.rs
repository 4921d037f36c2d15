//! The checks of a record. Generated code calls them with the field's number; they do nothing on a good value, and build
//! an issue on a bad one.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::OnceLock;

use regex::Regex;

use super::traits::{Bounded, Choice, Finite, Lengthy, Refusal, Texts};
use super::{Format, Schema};
use crate::error::{IssueCode, ValidationIssue};

/// Collects the issues of one record. Allocates nothing while there are none.
#[derive(Debug)]
pub struct Report {
    schema: &'static Schema,
    issues: Vec<ValidationIssue>,
}

impl Report {
    pub(crate) fn new(schema: &'static Schema) -> Self {
        Self { schema, issues: Vec::new() }
    }

    pub(crate) fn into_issues(self) -> Vec<ValidationIssue> {
        self.issues
    }

    #[cold]
    fn add(
        &mut self,
        field: u16,
        at: Option<usize>,
        code: IssueCode,
        message: String,
        value: Option<String>,
    ) {
        let name = self.schema.fields.get(usize::from(field)).map_or("", |field| field.name);
        let field = match at {
            Some(at) => Cow::Owned(format!("{name}[{at}]")),
            None => Cow::Borrowed(name),
        };
        self.issues.push(ValidationIssue { field, code, message, value });
    }
}

/// A regular expression that is compiled once, at its first use. The derive has compiled it before.
#[derive(Debug)]
pub struct Pattern {
    source: &'static str,
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// Takes the source; the derive has made sure that it compiles.
    pub const fn new(source: &'static str) -> Self {
        Self { source, regex: OnceLock::new() }
    }

    fn is_match(&self, text: &str) -> bool {
        self.regex
            .get_or_init(|| Regex::new(self.source).ok())
            .as_ref()
            .is_some_and(|regex| regex.is_match(text))
    }
}

/// `min = limit`.
pub fn min<T: Bounded>(report: &mut Report, field: u16, value: Option<&T>, limit: &T) {
    if let Some(value) = value
        && value < limit
    {
        report.add(
            field,
            None,
            IssueCode::Min,
            format!("must be at least {limit:?}"),
            Some(format!("{value:?}")),
        );
    }
}

/// `max = limit`.
pub fn max<T: Bounded>(report: &mut Report, field: u16, value: Option<&T>, limit: &T) {
    if let Some(value) = value
        && value > limit
    {
        report.add(
            field,
            None,
            IssueCode::Max,
            format!("must be at most {limit:?}"),
            Some(format!("{value:?}")),
        );
    }
}

fn units<T: Lengthy + ?Sized>(limit: usize) -> String {
    format!("{limit} {}{}", T::UNIT, if limit == 1 { "" } else { "s" })
}

/// `min_length = limit`: characters of text, items of a collection.
pub fn min_length<T: Lengthy>(report: &mut Report, field: u16, value: Option<&T>, limit: usize) {
    if let Some(length) = value.map(Lengthy::length)
        && length < limit
    {
        let message = format!("must have at least {}, has {length}", units::<T>(limit));
        report.add(field, None, IssueCode::MinLength, message, value.and_then(Lengthy::shown));
    }
}

/// `max_length = limit`: characters of text, items of a collection.
pub fn max_length<T: Lengthy>(report: &mut Report, field: u16, value: Option<&T>, limit: usize) {
    if let Some(length) = value.map(Lengthy::length)
        && length > limit
    {
        let message = format!("must have at most {}, has {length}", units::<T>(limit));
        report.add(field, None, IssueCode::MaxLength, message, value.and_then(Lengthy::shown));
    }
}

/// `pattern = "…"`: the text, or each of them, must match somewhere.
pub fn pattern<T: Texts>(report: &mut Report, field: u16, value: Option<&T>, pattern: &'static Pattern) {
    texts(value, |at, text| {
        if !pattern.is_match(text) {
            let message = format!("must match the pattern {}", pattern.source);
            report.add(field, at, IssueCode::Pattern, message, Some(format!("{text:?}")));
        }
    });
}

/// `format = "…"`: the text, or each of them, must have it.
pub fn format<T: Texts>(report: &mut Report, field: u16, value: Option<&T>, format: Format) {
    texts(value, |at, text| {
        if !format.accepts(text) {
            let message = format!("must be {}", format.describe());
            report.add(field, at, IssueCode::Format, message, Some(format!("{text:?}")));
        }
    });
}

/// `one_of = ["…"]`: the text, or each of them, must be one of these.
pub fn one_of_text<T: Texts>(report: &mut Report, field: u16, value: Option<&T>, allowed: &[&str]) {
    texts(value, |at, text| {
        if !allowed.contains(&text) {
            let message = format!("must be one of {}", listed(allowed));
            report.add(field, at, IssueCode::OneOf, message, Some(format!("{text:?}")));
        }
    });
}

/// `one_of = […]` of values.
pub fn one_of<T: Choice>(report: &mut Report, field: u16, value: Option<&T>, allowed: &[T]) {
    if let Some(value) = value
        && !allowed.contains(value)
    {
        let message = format!("must be one of {}", listed(allowed));
        report.add(field, None, IssueCode::OneOf, message, Some(format!("{value:?}")));
    }
}

/// A floating-point number must be finite, unless the field allows others.
pub fn finite<T: Finite + ?Sized>(report: &mut Report, field: u16, value: Option<&T>) {
    if let Some(value) = value {
        value.not_finite(&mut |at, text| {
            report.add(field, at, IssueCode::Type, "must be a finite number".to_owned(), Some(text));
        });
    }
}

/// `validate = path` on a field.
pub fn custom<T, M: Refusal>(
    report: &mut Report,
    field: u16,
    value: Option<&T>,
    check: impl FnOnce(&T) -> Result<(), M>,
) {
    if let Some(Err(message)) = value.map(check) {
        report.add(field, None, IssueCode::Custom, message.to_string(), None);
    }
}

/// `validate = path` on the struct.
pub fn custom_record<B, M: Refusal>(
    report: &mut Report,
    record: &B,
    check: impl FnOnce(&B) -> Result<(), M>,
) {
    if let Err(message) = check(record) {
        report.add(u16::MAX, None, IssueCode::Custom, message.to_string(), None);
    }
}

fn texts<T: Texts>(value: Option<&T>, mut check: impl FnMut(Option<usize>, &str)) {
    if let Some(value) = value {
        value.texts(&mut check);
    }
}

fn listed<T: Debug>(allowed: &[T]) -> String {
    allowed.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ")
}
