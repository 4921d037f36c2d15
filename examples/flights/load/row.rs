//! One row of a CSV file, read by the names of its columns.

use std::cell::Cell;

use csv::StringRecord;

use crate::time::Minute;

/// A row, and the names of its columns.
pub struct Row<'r> {
    header: &'r StringRecord,
    record: &'r StringRecord,
    /// Where the next column is looked for first: they are mostly asked for in the order of the file.
    next: Cell<usize>,
}

/// Why a row cannot be read.
#[derive(Debug)]
pub enum Fault {
    /// The file has no such column.
    NoColumn(&'static str),
    /// The text of a column is not what the column holds.
    Value { column: &'static str, value: String, expected: String },
}

impl<'r> Row<'r> {
    pub fn new(header: &'r StringRecord, record: &'r StringRecord) -> Self {
        Self { header, record, next: Cell::new(0) }
    }

    /// The text of a column, if there is one of this name.
    pub fn text(&self, column: &str) -> Option<&'r str> {
        let count = self.header.len();
        let at = (self.next.get()..count)
            .chain(0..self.next.get().min(count))
            .find(|at| self.header.get(*at) == Some(column))?;
        self.next.set(at + 1);
        self.record.get(at)
    }

    /// The value of a column, which must have one.
    pub fn get<T: Cellular>(&self, column: &'static str) -> Result<T, Fault> {
        let text = self.text(column).ok_or(Fault::NoColumn(column))?;
        let value = if is_missing(text) { None } else { T::read(text) };
        value.ok_or_else(|| Fault::Value { column, value: text.to_owned(), expected: T::expected() })
    }

    /// The value of a column that may have none: `NA`, or nothing at all.
    pub fn get_or_na<T: Cellular>(&self, column: &'static str) -> Result<Option<T>, Fault> {
        let text = self.text(column).ok_or(Fault::NoColumn(column))?;
        if is_missing(text) {
            return Ok(None);
        }
        let fault =
            || Fault::Value { column, value: text.to_owned(), expected: format!("{}, or NA", T::expected()) };
        T::read(text).map(Some).ok_or_else(fault)
    }
}

fn is_missing(text: &str) -> bool {
    matches!(text, "" | "NA")
}

/// What a cell can hold.
pub trait Cellular: Sized {
    fn read(text: &str) -> Option<Self>;
    /// What such a cell looks like, for people.
    fn expected() -> String;
}

impl Cellular for String {
    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn expected() -> String {
        "text".to_owned()
    }
}

impl Cellular for f64 {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn expected() -> String {
        "a number".to_owned()
    }
}

impl Cellular for Minute {
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn expected() -> String {
        "a time such as 2013-01-01T10:00:00Z".to_owned()
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => { $(impl Cellular for $number {
        fn read(text: &str) -> Option<Self> {
            text.parse().ok()
        }

        fn expected() -> String {
            format!("a whole number from {} to {}", <$number>::MIN, <$number>::MAX)
        }
    })* };
}
whole_numbers!(u8, u16, i8, i16);
