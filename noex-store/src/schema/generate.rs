//! Values that are made when a draft does not give them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use smallvec::SmallVec;
use uuid::{ContextV7, Timestamp, Uuid};

use super::Schema;
use crate::error::{Error, IssueCode, ValidationIssue};

/// What drafts are completed with: the time of the write and the bucket's counters.
#[derive(Debug)]
pub struct Fill<'a> {
    pub(crate) schema: &'static Schema,
    /// The fields of the counters, and the last number that each has given.
    pub(crate) counters: &'a [(u16, AtomicU64)],
    /// The greatest number that a draft before this one in the batch was given for each counter; shorter if there was none.
    pub(crate) given: SmallVec<[u64; 2]>,
    /// The counters that gave the draft a number.
    pub(crate) drawn: SmallVec<[usize; 1]>,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) now: u64,
}

impl<'a> Fill<'a> {
    pub(crate) fn new(schema: &'static Schema, counters: &'a [(u16, AtomicU64)], now: u64) -> Self {
        Self { schema, counters, given: SmallVec::new(), drawn: SmallVec::new(), now }
    }

    /// The given value of a required field. A draft that can be inserted has it: its type says so.
    ///
    /// # Errors
    /// [`Error::Validation`] otherwise.
    pub fn required<T>(&self, field: u16, given: Option<T>) -> Result<T, Error> {
        given.ok_or_else(|| {
            let field = self.schema.fields.get(usize::from(field)).map_or("", |field| field.name);
            let issue = ValidationIssue {
                field: field.into(),
                code: IssueCode::Required,
                message: "must be given".to_owned(),
                value: None,
            };
            Error::Validation { bucket: self.schema.name, issues: vec![issue] }
        })
    }

    /// The given value, or a new UUID.
    pub fn uuid<T: UuidField>(&mut self, given: Option<T>) -> T {
        given.unwrap_or_else(|| T::from_uuid(new_uuid(self.now)))
    }

    /// The given value, or a new CUID2.
    pub fn cuid<T: CuidField>(&mut self, given: Option<T>) -> T {
        given.unwrap_or_else(|| T::from_cuid(cuid2::create_id()))
    }

    /// The given value, or the time.
    pub fn timestamp<T: TimestampField>(&mut self, given: Option<T>) -> T {
        given.unwrap_or_else(|| T::from_millis(self.now))
    }

    /// The given value, or the counter's next number.
    ///
    /// # Errors
    /// [`Error::AutoIncrementExhausted`] when the next number does not fit the field's type.
    pub fn autoincrement<T: AutoIncrement>(&mut self, counter: usize, given: Option<T>) -> Result<T, Error> {
        if let Some(given) = given {
            if let Some(number) = given.to_u64() {
                self.given.resize(self.given.len().max(counter + 1), 0);
                self.given[counter] = self.given[counter].max(number);
            }
            return Ok(given);
        }
        let Some((field, last)) = self.counters.get(counter) else {
            return Err(Error::BucketNotDefined { bucket: self.schema.name });
        };
        // A given number moves the counter when it is committed, which is too late for the drafts of its own batch.
        let given = self.given.get(counter).copied().unwrap_or_default();
        self.drawn.push(counter);
        draw(self.schema, *field, last, given, T::from_u64)
    }
}

/// Takes the next number of a counter that is greater than `given`.
pub(crate) fn draw<T>(
    schema: &'static Schema,
    field: u16,
    last: &AtomicU64,
    given: u64,
    mut fit: impl FnMut(u64) -> Option<T>,
) -> Result<T, Error> {
    let mut after = |last: u64| {
        let next = last.max(given).checked_add(1)?;
        Some((next, fit(next)?))
    };
    // A number that does not fit is not taken: the counter stays where it is, whatever becomes of the batch.
    let taken =
        last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| after(last).map(|(next, _)| next));
    let last = taken.unwrap_or_else(|last| last);
    after(last).map(|(_, number)| number).ok_or_else(|| Error::AutoIncrementExhausted {
        bucket: schema.name,
        field: schema.fields.get(usize::from(field)).map_or("", |field| field.name),
        next: last.max(given).saturating_add(1),
    })
}

/// A UUID of version 7 for this millisecond; those of one process grow strictly.
fn new_uuid(now: u64) -> Uuid {
    static CONTEXT: LazyLock<Mutex<ContextV7>> = LazyLock::new(|| Mutex::new(ContextV7::new()));
    let context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner);
    Uuid::new_v7(Timestamp::from_unix(&*context, now / 1000, (now % 1000) as u32 * 1_000_000))
}

/// What `generated = "uuid"` can fill.
#[diagnostic::on_unimplemented(
    message = "`generated = \"uuid\"` cannot fill `{Self}`",
    label = "must be `Uuid` or `String`",
    note = "for numbers use `generated = \"autoincrement\"` or `\"timestamp\"`"
)]
pub trait UuidField {
    /// Takes the UUID.
    fn from_uuid(uuid: Uuid) -> Self;
}

#[diagnostic::do_not_recommend]
impl UuidField for Uuid {
    fn from_uuid(uuid: Uuid) -> Self {
        uuid
    }
}

#[diagnostic::do_not_recommend]
impl UuidField for String {
    fn from_uuid(uuid: Uuid) -> Self {
        uuid.to_string()
    }
}

/// What `generated = "cuid"` can fill.
#[diagnostic::on_unimplemented(
    message = "`generated = \"cuid\"` cannot fill `{Self}`",
    label = "must be `String`"
)]
pub trait CuidField {
    /// Takes the id.
    fn from_cuid(cuid: String) -> Self;
}

#[diagnostic::do_not_recommend]
impl CuidField for String {
    fn from_cuid(cuid: String) -> Self {
        cuid
    }
}

/// What `generated = "timestamp"` can fill.
#[diagnostic::on_unimplemented(
    message = "`generated = \"timestamp\"` cannot fill `{Self}`",
    label = "must be `u64`, `i64`, `u128`, `i128`, `f64` or `SystemTime`"
)]
pub trait TimestampField {
    /// Takes the time, in milliseconds since 1970-01-01 UTC.
    fn from_millis(millis: u64) -> Self;
}

macro_rules! timestamps {
    ($($number:ty),*) => { $(#[diagnostic::do_not_recommend]
    impl TimestampField for $number {
        fn from_millis(millis: u64) -> Self {
            millis as Self
        }
    })* };
}
timestamps!(u64, i64, u128, i128, f64);

#[diagnostic::do_not_recommend]
impl TimestampField for std::time::SystemTime {
    fn from_millis(millis: u64) -> Self {
        Self::UNIX_EPOCH + std::time::Duration::from_millis(millis)
    }
}

/// What `generated = "autoincrement"` can fill.
#[diagnostic::on_unimplemented(
    message = "`generated = \"autoincrement\"` cannot fill `{Self}`",
    label = "must be an integer",
    note = "for ids of text use `generated = \"uuid\"` or `\"cuid\"`"
)]
pub trait AutoIncrement: Sized {
    /// The number as this type, if it fits.
    fn from_u64(number: u64) -> Option<Self>;
    /// The value as a number, if it is one that the counter could give.
    fn to_u64(&self) -> Option<u64>;
    /// Gives a field another number; `false` if it does not fit.
    fn put(number: u64, field: &mut Self) -> bool {
        Self::from_u64(number).is_some_and(|number| {
            *field = number;
            true
        })
    }
    /// As [`put`](Self::put), for an optional field.
    fn put_some(number: u64, field: &mut Option<Self>) -> bool {
        Self::from_u64(number).is_some_and(|number| {
            *field = Some(number);
            true
        })
    }
    /// As [`Fill::autoincrement`]. Generated code calls methods of this trait only, so that a type without it is reported
    /// once.
    ///
    /// # Errors
    /// As there.
    fn fill(fill: &mut Fill<'_>, counter: usize, given: Option<Self>) -> Result<Self, Error> {
        fill.autoincrement(counter, given)
    }
}

macro_rules! autoincrement {
    ($($number:ty),*) => { $(#[diagnostic::do_not_recommend]
    impl AutoIncrement for $number {
        fn from_u64(number: u64) -> Option<Self> {
            number.try_into().ok()
        }
        fn to_u64(&self) -> Option<u64> {
            (*self).try_into().ok()
        }
    })* };
}
autoincrement!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
