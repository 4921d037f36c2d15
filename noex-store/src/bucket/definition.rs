//! A bucket's schema with the functions that carry it out: what the derive hands to the runtime.

use std::any::Any;
use std::fmt::{Debug, Display};
use std::hash::Hash;

use crate::bucket::Bucket;
use crate::engine::{HashState, OrderedIndex, ReadOne, StoredSchema, migrated};
use crate::schema::Schema;
use crate::schema::check::Report;

/// Makes an empty ordered index.
pub(crate) type MakeIndex<B> = fn() -> Box<dyn OrderedIndex<B>>;

/// All that the runtime needs to know of a bucket; a constant of the generated code.
#[expect(missing_debug_implementations, reason = "holds functions; never seen by users")]
pub struct Definition<B: 'static> {
    /// The data.
    pub schema: Schema,
    /// The checks, a field's in one function.
    pub checks: &'static [fn(&B, &mut Report)],
    /// The unique fields: those that are so alone, then those that are so together.
    pub uniques: &'static [&'static dyn UniqueRule<B>],
    /// Makers of the empty ordered indexes.
    pub indexes: &'static [MakeIndex<B>],
    /// The fields that are numbered automatically.
    pub counters: &'static [Counter<B>],
    /// The defaults that records get which were kept without the field.
    pub defaults: &'static [KeptDefault],
    /// The type that the bucket had before.
    pub previous: Option<Previous<B>>,
}

/// The default of a field, for records that were kept without it.
#[expect(missing_debug_implementations, reason = "holds functions; never seen by users")]
pub struct KeptDefault {
    pub(crate) field: u16,
    pub(crate) json: fn() -> serde_json::Result<String>,
}

impl KeptDefault {
    /// Takes the field's number and what makes the JSON.
    pub const fn new(field: u16, json: fn() -> serde_json::Result<String>) -> Self {
        Self { field, json }
    }
}

/// The type that a bucket had before its version was raised.
#[expect(missing_debug_implementations, reason = "holds functions; never seen by users")]
pub struct Previous<B> {
    pub(crate) reader: fn(Option<&StoredSchema>) -> ReadOne<B>,
}

impl<B: Bucket> Previous<B> {
    /// Takes the type, whose version must be less.
    pub const fn of<P: Bucket>() -> Self
    where
        B: MigratesFrom<P>,
    {
        assert!(
            P::VERSION < B::VERSION,
            "`migrate(from = …)` takes an earlier version of the bucket: raise `version`, or give the other type a lower one"
        );
        Self { reader: migrated::<P, B> }
    }
}

/// What `migrate(from = …)` needs.
#[diagnostic::on_unimplemented(
    message = "there is no conversion from `{P}`, which the bucket migrates from, to `{Self}`",
    label = "needs `From<{P}>` or `TryFrom<{P}>`",
    note = "write `impl From<{P}> for {Self}`"
)]
pub trait MigratesFrom<P>: TryFrom<P, Error: Display> {}
#[diagnostic::do_not_recommend]
impl<P, B: TryFrom<P, Error: Display>> MigratesFrom<P> for B {}

/// A field that is numbered automatically.
#[expect(missing_debug_implementations, reason = "holds functions; never seen by users")]
pub struct Counter<B> {
    pub(crate) field: u16,
    pub(crate) read: fn(&B) -> Option<u64>,
    /// Gives a record another number; `false` if it does not fit.
    pub(crate) write: fn(&mut B, u64) -> bool,
}

impl<B> Counter<B> {
    /// Takes the field's number and how to read and write it.
    pub const fn new(field: u16, read: fn(&B) -> Option<u64>, write: fn(&mut B, u64) -> bool) -> Self {
        Self { field, read, write }
    }
}

/// A unique field, or fields that are unique together, without their types.
pub trait UniqueRule<B>: Sync {
    /// The fields' numbers.
    fn fields(&self) -> &[u16];
    /// The hash of a record's value; `None` does not collide with anything.
    fn hash(&self, record: &B, hash: &HashState) -> Option<u64>;
    /// Whether two records have the same value.
    fn same(&self, a: &B, b: &B) -> bool;
    /// The hash of values of the fields' types; `None` for other types.
    fn hash_values(&self, values: &[&dyn Any], hash: &HashState) -> Option<u64>;
    /// Whether a record has these values.
    fn matches(&self, record: &B, values: &[&dyn Any]) -> bool;
    /// The value as text.
    fn show(&self, record: &B) -> String;
}

/// The name of a unique field, or of several.
pub(crate) fn unique_name<B: Bucket>(unique: &dyn UniqueRule<B>) -> &'static str {
    let Schema { fields, uniques, .. } = B::schema();
    match unique.fields() {
        [one] => fields.get(usize::from(*one)).map_or("", |field| field.name),
        several => uniques.iter().find(|unique| unique.fields == several).map_or("", |unique| unique.name),
    }
}

/// What `unique` can compare.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be unique",
    label = "needs `Eq + Hash + Debug`",
    note = "derive them for `{Self}`; floating-point numbers cannot be unique: use an integer or text"
)]
pub trait UniqueField: Eq + Hash + Debug + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Eq + Hash + Debug + 'static> UniqueField for T {}

/// A unique field.
#[expect(missing_debug_implementations, reason = "holds functions; never seen by users")]
pub struct Unique<B, T> {
    field: u16,
    get: fn(&B) -> Option<&T>,
}

impl<B, T: UniqueField> Unique<B, T> {
    /// Takes the field's number and how to read it.
    pub const fn new(field: u16, get: fn(&B) -> Option<&T>) -> Self {
        Self { field, get }
    }
}

impl<B, T: UniqueField> UniqueRule<B> for Unique<B, T> {
    fn fields(&self) -> &[u16] {
        std::slice::from_ref(&self.field)
    }

    fn hash(&self, record: &B, hash: &HashState) -> Option<u64> {
        (self.get)(record).map(|value| hash.hash(value))
    }

    fn same(&self, a: &B, b: &B) -> bool {
        match ((self.get)(a), (self.get)(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        }
    }

    fn hash_values(&self, values: &[&dyn Any], hash: &HashState) -> Option<u64> {
        let [value] = values else { return None };
        value.downcast_ref::<T>().map(|value| hash.hash(value))
    }

    fn matches(&self, record: &B, values: &[&dyn Any]) -> bool {
        let own = (self.get)(record);
        own.is_some() && values.first().and_then(|value| value.downcast_ref::<T>()) == own
    }

    fn show(&self, record: &B) -> String {
        (self.get)(record).map_or_else(String::new, |value| format!("{value:?}"))
    }
}

/// Fields that are unique together. Where one of them has no value, the record collides with nothing, as in SQL.
#[expect(missing_debug_implementations, reason = "holds functions; never seen by users")]
pub struct UniqueTogether<B: 'static> {
    /// The fields' numbers.
    pub fields: &'static [u16],
    /// The fields, in the same order.
    pub parts: &'static [&'static dyn UniqueRule<B>],
}

/// The hash of values that are unique together, of their own hashes.
pub(crate) fn hash_together(hash: &HashState, mut parts: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    parts.try_fold(0, |before, part| Some(hash.hash(&(before, part?))))
}

impl<B> UniqueRule<B> for UniqueTogether<B> {
    fn fields(&self) -> &[u16] {
        self.fields
    }

    fn hash(&self, record: &B, hash: &HashState) -> Option<u64> {
        hash_together(hash, self.parts.iter().map(|part| part.hash(record, hash)))
    }

    fn same(&self, a: &B, b: &B) -> bool {
        self.parts.iter().all(|part| part.same(a, b))
    }

    fn hash_values(&self, values: &[&dyn Any], hash: &HashState) -> Option<u64> {
        if values.len() != self.parts.len() {
            return None;
        }
        let parts = self.parts.iter().zip(values);
        hash_together(hash, parts.map(|(part, value)| part.hash_values(&[*value], hash)))
    }

    fn matches(&self, record: &B, values: &[&dyn Any]) -> bool {
        values.len() == self.parts.len()
            && self.parts.iter().zip(values).all(|(part, value)| part.matches(record, &[*value]))
    }

    fn show(&self, record: &B) -> String {
        let values: Vec<String> = self.parts.iter().map(|part| part.show(record)).collect();
        format!("({})", values.join(", "))
    }
}
