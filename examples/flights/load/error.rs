//! What can go wrong while loading, told so that one finds the place in the file.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use noex_store::ValidationIssue;

use super::row::Fault;

#[derive(Debug)]
pub enum LoadError {
    NoFolder {
        folder: PathBuf,
    },
    NoFile {
        folder: PathBuf,
        table: &'static str,
    },
    Unreadable {
        file: PathBuf,
        error: io::Error,
    },
    Bad {
        file: PathBuf,
        line: u64,
        problem: Problem,
    },
    /// The store refused for a reason that no row has caused.
    Store(noex_store::Error),
}

/// What is wrong with one line.
#[derive(Debug)]
pub enum Problem {
    NoHeader,
    NoColumn(&'static str),
    /// The line has another number of fields than the header.
    Fields {
        found: u64,
        expected: u64,
    },
    NotText {
        column: String,
    },
    Value {
        column: &'static str,
        value: String,
        expected: String,
    },
    /// The record breaks rules of its bucket: for each, the text of the column if it is one, and what is wrong.
    Rules(Vec<(Option<String>, ValidationIssue)>),
    /// The record clashes with another.
    Refused(noex_store::Error),
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoColumn(column) => Self::NoColumn(column),
            Fault::Value { column, value, expected } => Self::Value { column, value, expected },
        }
    }
}

impl From<noex_store::Error> for LoadError {
    fn from(error: noex_store::Error) -> Self {
        Self::Store(error)
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            Self::Bad { problem: Problem::Refused(error), .. } | Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFolder { folder } => write!(f, "there is no folder {}", folder.display()),
            Self::NoFile { folder, table } => {
                write!(f, "there is neither {table}.csv nor {table}.csv.gz in {}", folder.display())
            }
            Self::Unreadable { file, error } => write!(f, "{} cannot be read: {error}", file.display()),
            Self::Bad { file, line, problem } => write!(f, "{}, line {line}: {problem}", file.display()),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader => {
                f.write_str("the file is empty, and should start with the names of its columns")
            }
            Self::NoColumn(column) => write!(f, "the file has no column `{column}`"),
            Self::Fields { found, expected } => {
                write!(f, "the line has {found} fields, and the header {expected}")
            }
            Self::NotText { column } => write!(f, "`{column}` is not text in UTF-8"),
            Self::Value { column, value, expected } => {
                write!(f, "`{column}` is {value:?}: expected {expected}")
            }
            Self::Rules(issues) => {
                for (number, (text, issue)) in issues.iter().enumerate() {
                    let start = if number > 0 { "; " } else { "" };
                    let (field, message) = (&issue.field, &issue.message);
                    match text {
                        Some(text) => write!(f, "{start}`{field}` is {text:?}: {message}")?,
                        None if field.is_empty() => write!(f, "{start}{message}")?,
                        None => write!(f, "{start}`{field}` {message}")?,
                    }
                }
                Ok(())
            }
            Self::Refused(error) => error.fmt(f),
        }
    }
}
