//! What generated code calls. Not for users: it changes without notice.

use std::fmt;
use std::ops::Deref;

pub use crate::bucket::convert::{IndexValue, UniqueKey};
pub use crate::bucket::definition::{Counter, Definition, Unique};
pub use crate::bucket::field::{field, optional_field};
pub use crate::bucket::{BucketRecord, Key};
pub use crate::engine::{CodecOfPlain, Probe, each, index, optional, required};
pub use crate::schema::check::{self, Pattern, Report};
pub use crate::schema::generate::{AutoIncrement, Fill};
pub use crate::schema::traits::Collection;
pub use crate::schema::{Constraint, Evict, FieldKind, FieldSchema, Format, Generated, IndexSchema, Schema};
pub use crate::store::{by_compound, by_index, by_unique};

use crate::bucket::Bucket;
use crate::store::Reader;

/// A required field of a draft that was given.
#[expect(missing_debug_implementations, reason = "holds a value of any type")]
pub struct Set<T>(pub T);

/// What a draft must have in the place of a required field to be inserted. The missing ones are named after their fields.
#[diagnostic::on_unimplemented(
    message = "the draft lacks the required field `{Self}`",
    label = "incomplete draft",
    note = "call the setter of the field that the type is named after; a field is not required when it is an `Option`, \
            generated, or has a `default`"
)]
pub trait Provided<T> {
    /// The value.
    fn provide(self) -> T;
}

impl<T> Provided<T> for Set<T> {
    fn provide(self) -> T {
        self.0
    }
}

/// Writes a change of a patch.
pub fn assign<T: Clone>(change: &Option<T>, field: &mut T) {
    if let Some(value) = change {
        field.clone_from(value);
    }
}

/// Fails to compile, with an explanation, when the struct lacks what every bucket must be able to do.
pub const fn assert_record<T: BucketRecord>() {}

/// What has the type of a bucket's key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the type of the key of the bucket `{B}`",
    label = "must have the type of the key of `{B}`",
    note = "`references = {B}` stands on a field that holds a key of that bucket"
)]
pub trait KeyOf<B: Bucket> {}
impl<B: Bucket> KeyOf<B> for B::Key {}

/// Fails to compile, with an explanation, when a reference has not the type of the other bucket's key.
pub const fn assert_reference<B: Bucket, T: KeyOf<B>>() {}

/// Stands where the derive has reported an error, so that the rest compiles.
pub fn stub<T>() -> T {
    unreachable!("the derive has reported an error, so this was never compiled into a program")
}

/// The read surface of a bucket that the derive has reported an error of.
pub struct StubReads<B: Bucket>(Reader<B>);

impl<B: Bucket> Deref for StubReads<B> {
    type Target = Reader<B>;

    fn deref(&self) -> &Reader<B> {
        &self.0
    }
}

impl<B: Bucket> From<Reader<B>> for StubReads<B> {
    fn from(reader: Reader<B>) -> Self {
        Self(reader)
    }
}

impl<B: Bucket> Clone for StubReads<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Bucket> fmt::Debug for StubReads<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
