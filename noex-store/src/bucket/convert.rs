//! What may stand where a field's value, a key or a range of values is asked for.

use std::borrow::Cow;
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use std::sync::Arc;

/// What a field of type `T` takes: a `T`; for `String` anything that is text; for `Vec` an array or a slice.
///
/// Numbers are taken by their own type only, so that a literal needs no suffix.
#[diagnostic::on_unimplemented(
    message = "this field holds `{T}`, and `{Self}` is not one",
    label = "expected `{T}`, found `{Self}`",
    note = "a number is taken by its own type (write `1.0` for a float), text by anything that is text",
    note = "an `Option` field takes the value itself, without `Some`"
)]
pub trait IntoField<T> {
    /// The field's value.
    fn into_field(self) -> T;
}

impl<T> IntoField<T> for T {
    fn into_field(self) -> T {
        self
    }
}

// By hand, since the compiler shows it to whoever gives text to a number.
#[diagnostic::do_not_recommend]
impl IntoField<String> for &str {
    fn into_field(self) -> String {
        self.to_owned()
    }
}

macro_rules! into_string {
    ($($text:ty => |$it:ident| $string:expr),* $(,)?) => { $(#[diagnostic::do_not_recommend]
    impl IntoField<String> for $text {
        fn into_field(self) -> String {
            let $it = self;
            $string
        }
    })* };
}
into_string! {
    &String => |it| it.clone(),
    char => |it| it.to_string(),
    Box<str> => |it| it.into_string(),
    Arc<str> => |it| it.to_string(),
    Cow<'_, str> => |it| it.into_owned(),
}

#[diagnostic::do_not_recommend]
impl<T, U: IntoField<T>, const N: usize> IntoField<Vec<T>> for [U; N] {
    fn into_field(self) -> Vec<T> {
        self.into_iter().map(IntoField::into_field).collect()
    }
}

#[diagnostic::do_not_recommend]
impl<T: Clone> IntoField<Vec<T>> for &[T] {
    fn into_field(self) -> Vec<T> {
        self.to_vec()
    }
}

/// What `between` takes: any of the range types, of what the field takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a range of `{T}`",
    label = "expected a range of `{T}`: `a..b`, `a..=b`, `a..`, `..b`, `..=b` or `..`"
)]
pub trait IntoRange<T> {
    /// The bounds.
    fn into_range(self) -> (Bound<T>, Bound<T>);
}

macro_rules! into_range {
    ($($range:ident |$it:ident| $bounds:expr;)*) => { $(impl<T, U: IntoField<T>> IntoRange<T> for $range<U> {
        fn into_range(self) -> (Bound<T>, Bound<T>) {
            let $it = self;
            $bounds
        }
    })* };
}
into_range! {
    Range |it| (Bound::Included(it.start.into_field()), Bound::Excluded(it.end.into_field()));
    RangeFrom |it| (Bound::Included(it.start.into_field()), Bound::Unbounded);
    RangeTo |it| (Bound::Unbounded, Bound::Excluded(it.end.into_field()));
    RangeToInclusive |it| (Bound::Unbounded, Bound::Included(it.end.into_field()));
}

impl<T, U: IntoField<T>> IntoRange<T> for RangeInclusive<U> {
    fn into_range(self) -> (Bound<T>, Bound<T>) {
        let (start, end) = self.into_inner();
        (Bound::Included(start.into_field()), Bound::Included(end.into_field()))
    }
}

impl<T> IntoRange<T> for RangeFull {
    fn into_range(self) -> (Bound<T>, Bound<T>) {
        (Bound::Unbounded, Bound::Unbounded)
    }
}

impl<T, U: IntoField<T>> IntoRange<T> for (Bound<U>, Bound<U>) {
    fn into_range(self) -> (Bound<T>, Bound<T>) {
        (self.0.map(IntoField::into_field), self.1.map(IntoField::into_field))
    }
}

/// What a key or a unique value can be looked up by: itself, or `str` for `String`.
#[diagnostic::on_unimplemented(message = "`{T}` cannot be looked up by `{Self}`", label = "expected `&{T}`")]
pub trait UniqueKey<T>: Hash + Debug {
    /// Whether this is the value.
    fn matches(&self, value: &T) -> bool;
}

impl<T: Hash + Eq + Debug> UniqueKey<T> for T {
    fn matches(&self, value: &T) -> bool {
        self == value
    }
}

// `Hash` of a `str` and of its `String` agree: `Borrow` promises it.
#[diagnostic::do_not_recommend]
impl UniqueKey<String> for str {
    fn matches(&self, value: &String) -> bool {
        self == value
    }
}

/// What an index can be asked for: a value, or `str` for `String`.
#[diagnostic::on_unimplemented(
    message = "an index of `{T}` cannot be asked for `{Self}`",
    label = "expected `&{T}`"
)]
pub trait IndexValue<T> {
    /// The value as the index has it.
    fn to_value(&self) -> T;
}

impl<T: Clone> IndexValue<T> for T {
    fn to_value(&self) -> T {
        self.clone()
    }
}

#[diagnostic::do_not_recommend]
impl IndexValue<String> for str {
    fn to_value(&self) -> String {
        self.to_owned()
    }
}
