//! The single conditions that filters are made of.

use std::any::Any;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt::{self, Debug};
use std::ops::Bound;
use std::sync::Arc;

use crate::bucket::field::{FieldValue, OrderedValue};
use crate::bucket::record::Record;
use crate::engine::{Chunk, KeyPoint, KeyRange, Slots};

/// What of a field a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Its value.
    Value,
    /// One of its elements.
    Element,
}

/// A condition on one field.
pub(crate) trait Leaf<B>: Send + Sync {
    /// The field's number.
    fn field(&self) -> u16;
    /// Whether a value passes.
    fn test(&self, value: &B) -> bool;
    /// Adds the records that pass. One call for many records: the test is compiled into the loop.
    fn pick<'r>(&self, records: &Slots<'r, Record<B>>, into: &mut Chunk<'r, Record<B>>) {
        into.extend(records.iter().filter(|record| self.test(record)));
    }
    /// Keeps the records that pass.
    fn retain(&self, records: &mut Chunk<'_, Record<B>>) {
        records.retain(|record| self.test(record));
    }
    /// In words.
    fn describe(&self, field: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    /// The ranges of an index's keys that hold exactly what passes; `None` if that cannot be said.
    fn ranges(&self) -> Option<(Target, Vec<KeyRange<'_>>)>;
    /// The single keys, if the ranges are all points.
    fn points(&self) -> Option<Vec<KeyPoint<'_>>> {
        None
    }
}

/// `eq`, `is_in`.
pub(crate) struct OneOf<B, T> {
    pub(crate) field: u16,
    pub(crate) get: fn(&B) -> Option<&T>,
    pub(crate) values: Vec<T>,
}

impl<B, T: FieldValue> Leaf<B> for OneOf<B, T> {
    fn field(&self) -> u16 {
        self.field
    }

    fn test(&self, value: &B) -> bool {
        (self.get)(value).is_some_and(|value| self.values.contains(value))
    }

    fn describe(&self, field: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.values.as_slice() {
            [value] => write!(f, "{field} = {value:?}"),
            values => write!(f, "{field} in {values:?}"),
        }
    }

    fn ranges(&self) -> Option<(Target, Vec<KeyRange<'_>>)> {
        Some((Target::Value, self.points()?.into_iter().map(KeyRange::point).collect()))
    }

    fn points(&self) -> Option<Vec<KeyPoint<'_>>> {
        Some(self.values.iter().map(|value| KeyPoint::Value(value as &dyn Any)).collect())
    }
}

/// `lt`, `le`, `gt`, `ge`, `between`.
pub(crate) struct Within<B, T> {
    pub(crate) field: u16,
    pub(crate) get: fn(&B) -> Option<&T>,
    pub(crate) start: Bound<T>,
    pub(crate) end: Bound<T>,
}

impl<B, T: OrderedValue> Leaf<B> for Within<B, T> {
    fn field(&self) -> u16 {
        self.field
    }

    fn test(&self, value: &B) -> bool {
        let Some(value) = (self.get)(value) else { return false };
        (match &self.start {
            Bound::Unbounded => true,
            Bound::Included(start) => value >= start,
            Bound::Excluded(start) => value > start,
        }) && match &self.end {
            Bound::Unbounded => true,
            Bound::Included(end) => value <= end,
            Bound::Excluded(end) => value < end,
        }
    }

    fn pick<'r>(&self, records: &Slots<'r, Record<B>>, into: &mut Chunk<'r, Record<B>>) {
        fn those<'r, B, T>(
            records: &Slots<'r, Record<B>>,
            into: &mut Chunk<'r, Record<B>>,
            get: fn(&B) -> Option<&T>,
            passes: impl Fn(&T) -> bool,
        ) {
            into.extend(records.iter().filter(|record| get(record).is_some_and(&passes)));
        }
        // Which bounds there are is decided once for all of the records.
        match (&self.start, &self.end) {
            (Bound::Unbounded, Bound::Included(end)) => those(records, into, self.get, |value| value <= end),
            (Bound::Unbounded, Bound::Excluded(end)) => those(records, into, self.get, |value| value < end),
            (Bound::Included(start), Bound::Unbounded) => {
                those(records, into, self.get, |value| value >= start);
            }
            (Bound::Excluded(start), Bound::Unbounded) => {
                those(records, into, self.get, |value| value > start);
            }
            _ => into.extend(records.iter().filter(|record| self.test(record))),
        }
    }

    fn describe(&self, field: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.start, &self.end) {
            (Bound::Unbounded, Bound::Unbounded) => write!(f, "{field} has a value"),
            (Bound::Unbounded, Bound::Included(end)) => write!(f, "{field} <= {end:?}"),
            (Bound::Unbounded, Bound::Excluded(end)) => write!(f, "{field} < {end:?}"),
            (Bound::Included(start), Bound::Unbounded) => write!(f, "{field} >= {start:?}"),
            (Bound::Excluded(start), Bound::Unbounded) => write!(f, "{field} > {start:?}"),
            (Bound::Included(start), Bound::Included(end)) => write!(f, "{field} in {start:?}..={end:?}"),
            (Bound::Included(start), Bound::Excluded(end)) => write!(f, "{field} in {start:?}..{end:?}"),
            (Bound::Excluded(start), Bound::Included(end)) => write!(f, "{start:?} < {field} <= {end:?}"),
            (Bound::Excluded(start), Bound::Excluded(end)) => write!(f, "{start:?} < {field} < {end:?}"),
        }
    }

    fn ranges(&self) -> Option<(Target, Vec<KeyRange<'_>>)> {
        fn point<T: 'static>(bound: &Bound<T>) -> Bound<KeyPoint<'_>> {
            bound.as_ref().map(|value| KeyPoint::Value(value as &dyn Any))
        }
        let start = match point(&self.start) {
            // An open start does not take in the records that have no value.
            Bound::Unbounded => Bound::Excluded(KeyPoint::Absent),
            start => start,
        };
        Some((Target::Value, vec![KeyRange { start, end: point(&self.end) }]))
    }
}

/// `is_none`, `is_some`.
pub(crate) struct Present<B, T> {
    pub(crate) field: u16,
    pub(crate) get: fn(&B) -> Option<&T>,
    pub(crate) present: bool,
}

impl<B, T> Leaf<B> for Present<B, T> {
    fn field(&self) -> u16 {
        self.field
    }

    fn test(&self, value: &B) -> bool {
        (self.get)(value).is_some() == self.present
    }

    fn describe(&self, field: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{field} is {}", if self.present { "some" } else { "none" })
    }

    fn ranges(&self) -> Option<(Target, Vec<KeyRange<'_>>)> {
        let range = if self.present {
            KeyRange { start: Bound::Excluded(KeyPoint::Absent), end: Bound::Unbounded }
        } else {
            KeyRange::point(KeyPoint::Absent)
        };
        Some((Target::Value, vec![range]))
    }

    fn points(&self) -> Option<Vec<KeyPoint<'_>>> {
        (!self.present).then(|| vec![KeyPoint::Absent])
    }
}

/// Text that can be searched.
#[diagnostic::on_unimplemented(
    message = "`starts_with` and `ends_with` need text, and `{Self}` is not text",
    label = "not a text field",
    note = "text is `String`, and what is `AsRef<str> + From<String>`"
)]
pub trait TextValue: AsRef<str> + From<String> + Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<T: AsRef<str> + From<String> + Send + Sync + 'static> TextValue for T {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextTest {
    StartsWith,
    EndsWith,
}

/// `starts_with`, `ends_with`.
pub(crate) struct TextMatch<B, T> {
    field: u16,
    get: fn(&B) -> Option<&T>,
    test: TextTest,
    text: T,
    /// The first text after all that start with `text`, if there is one.
    end: Option<T>,
}

impl<B, T: TextValue> TextMatch<B, T> {
    pub(crate) fn new(field: u16, get: fn(&B) -> Option<&T>, test: TextTest, text: String) -> Self {
        let end = end_of_prefix(&text).map(T::from);
        Self { field, get, test, text: T::from(text), end }
    }
}

/// The least text that is greater than all texts with this prefix.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // A char range steps over the gap of the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

impl<B, T: TextValue> Leaf<B> for TextMatch<B, T> {
    fn field(&self) -> u16 {
        self.field
    }

    fn test(&self, value: &B) -> bool {
        (self.get)(value).is_some_and(|value| match self.test {
            TextTest::StartsWith => value.as_ref().starts_with(self.text.as_ref()),
            TextTest::EndsWith => value.as_ref().ends_with(self.text.as_ref()),
        })
    }

    fn describe(&self, field: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let test = match self.test {
            TextTest::StartsWith => "starts with",
            TextTest::EndsWith => "ends with",
        };
        write!(f, "{field} {test} {:?}", self.text.as_ref())
    }

    fn ranges(&self) -> Option<(Target, Vec<KeyRange<'_>>)> {
        if self.test != TextTest::StartsWith {
            return None;
        }
        let start = if self.text.as_ref().is_empty() {
            Bound::Excluded(KeyPoint::Absent)
        } else {
            Bound::Included(KeyPoint::Value(&self.text))
        };
        let end = self.end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(KeyPoint::Value(end)));
        Some((Target::Value, vec![KeyRange { start, end }]))
    }
}

/// What `contains` can search: text, and collections.
#[diagnostic::on_unimplemented(
    message = "`contains` searches text and collections, and `{Self}` is neither",
    label = "neither text nor a collection whose elements can be compared"
)]
pub trait Contains: Send + Sync + 'static {
    /// What is searched for.
    type Needle: Debug + Send + Sync + 'static;
    /// Whether an index of elements can answer.
    const ELEMENTS: bool;
    /// Brings the needle into the form that is compared.
    fn prepare(needle: Self::Needle) -> Self::Needle {
        needle
    }
    /// Whether it is there.
    fn holds(&self, needle: &Self::Needle) -> bool;
}

/// Lower case letter by letter, with one sigma: `str::to_lowercase` writes a sigma at the end of a word in another way than
/// elsewhere, and a text would lack its own parts.
fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).map(|letter| if letter == 'ς' { 'σ' } else { letter }).collect()
}

#[diagnostic::do_not_recommend]
impl Contains for String {
    type Needle = String;
    const ELEMENTS: bool = false;

    fn prepare(needle: String) -> String {
        lower(&needle)
    }

    fn holds(&self, needle: &String) -> bool {
        if self.is_ascii() && needle.is_ascii() {
            // Short texts: comparing at each place beats an allocation.
            needle.is_empty()
                || self
                    .as_bytes()
                    .windows(needle.len())
                    .any(|part| part.eq_ignore_ascii_case(needle.as_bytes()))
        } else {
            lower(self).contains(needle.as_str())
        }
    }
}

macro_rules! contains {
    ($([$($param:tt)*] $collection:ty),* $(,)?) => { $(
        #[diagnostic::do_not_recommend]
        impl<T: FieldValue, $($param)*> Contains for $collection {
            type Needle = T;
            const ELEMENTS: bool = true;

            fn holds(&self, needle: &T) -> bool {
                self.iter().any(|item| item == needle)
            }
        }
    )* };
}
contains!(
    [] Vec<T>, [] VecDeque<T>, [] Box<[T]>, [] BTreeSet<T>, [const N: usize] [T; N],
    [S: std::hash::BuildHasher + Send + Sync + 'static] HashSet<T, S>,
);

/// `contains`.
pub(crate) struct Holds<B, T: Contains> {
    pub(crate) field: u16,
    pub(crate) get: fn(&B) -> Option<&T>,
    pub(crate) needle: T::Needle,
}

impl<B, T: Contains> Leaf<B> for Holds<B, T> {
    fn field(&self) -> u16 {
        self.field
    }

    fn test(&self, value: &B) -> bool {
        (self.get)(value).is_some_and(|value| value.holds(&self.needle))
    }

    fn describe(&self, field: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{field} contains {:?}", self.needle)
    }

    fn ranges(&self) -> Option<(Target, Vec<KeyRange<'_>>)> {
        Some((Target::Element, self.points()?.into_iter().map(KeyRange::point).collect()))
    }

    fn points(&self) -> Option<Vec<KeyPoint<'_>>> {
        T::ELEMENTS.then(|| vec![KeyPoint::Value(&self.needle as &dyn Any)])
    }
}

#[diagnostic::do_not_recommend]
impl Contains for Arc<str> {
    type Needle = String;
    const ELEMENTS: bool = false;

    fn prepare(needle: String) -> String {
        lower(&needle)
    }

    fn holds(&self, needle: &String) -> bool {
        lower(self).contains(needle.as_str())
    }
}
