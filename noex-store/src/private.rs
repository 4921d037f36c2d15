//! What generated code calls. Not for users: it changes without notice.

use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bucket::convert::{IndexValue, UniqueKey};
pub use crate::bucket::definition::{Counter, Definition, KeptDefault, Previous, Unique, UniqueTogether};
pub use crate::bucket::field::{field, number_field};
pub use crate::bucket::{BucketRecord, Key};
pub use crate::engine::{CodecOfPlain, Probe, each, index, optional, required};
pub use crate::schema::check::{self, Pattern, Report};
pub use crate::schema::generate::{AutoIncrement, Fill};
pub use crate::schema::traits::Collection;
pub use crate::schema::{
    Constraint, Evict, FieldKind, FieldSchema, Format, Generated, IndexSchema, Schema, UniqueSchema,
};
pub use crate::store::{by_compound, by_index, by_unique, by_unique_together, sought};

use crate::IntoField;
use crate::bucket::Bucket;
use crate::bucket::json::json_of;
use crate::store::Reader;

/// A required field of a draft that was given.
#[expect(missing_debug_implementations, missing_copy_implementations, reason = "never seen by users")]
pub struct Given;

/// A required field of a draft that is still to be given.
#[expect(missing_debug_implementations, missing_copy_implementations, reason = "never seen by users")]
pub struct Missing;

/// What `default` without a value needs.
#[diagnostic::on_unimplemented(
    message = "`default` takes the type's own default, and `{Self}` has none",
    label = "needs `Default`",
    note = "derive or implement `Default` for `{Self}`, or give a value: `#[bucket(default = …)]`"
)]
pub trait OwnDefault: Default {}
#[diagnostic::do_not_recommend]
impl<T: Default> OwnDefault for T {}

/// The given value, or the type's own default.
pub fn or_default<T: OwnDefault>(given: Option<T>) -> T {
    given.unwrap_or_default()
}

/// The JSON of a default.
///
/// # Errors
/// If it has none.
pub fn json<T: Serialize>(value: &T) -> serde_json::Result<String> {
    json_of(value)
}

/// The condition of a method that is there only to say why it cannot be called: nothing fulfils it.
#[diagnostic::on_unimplemented(
    message = "this field has no index to read by",
    label = "neither `index` nor `unique`",
    note = "write `#[bucket(index)]` or `#[bucket(unique)]` on the field, or ask without an index: `filter(…)`"
)]
pub trait ReadByIndex {}

/// As [`ReadByIndex`].
#[diagnostic::on_unimplemented(
    message = "the key has no method of its own: a record is read by its key with `get`",
    label = "write `get`",
    note = "`require` does the same, and makes an error of a record that is not there"
)]
pub trait ReadByKey {}

/// As [`ReadByIndex`].
#[diagnostic::on_unimplemented(
    message = "a patch cannot change the key of a record",
    label = "the key never changes",
    note = "delete the record, and insert one with the other key"
)]
pub trait ChangeKey {}

/// Puts a value into the field of a draft or a patch.
pub fn give<T>(field: &mut Option<T>, value: impl IntoField<T>) {
    *field = Some(value.into_field());
}

/// The same for a field that may be empty.
pub fn give_optional<T>(field: &mut Option<Option<T>>, value: impl IntoField<T>) {
    *field = Some(Some(value.into_field()));
}

/// Writes a change of a patch.
pub fn assign<T: Clone>(change: &Option<T>, field: &mut T) {
    if let Some(value) = change {
        field.clone_from(value);
    }
}

/// Fails to compile, with an explanation for each thing, when the struct lacks what every bucket must be able to do.
/// Which field is not `Send` or `Sync`, the compiler says best.
pub const fn assert_record<T: Copied + Written + Read + Send + Sync>() {}

/// The part of [`BucketRecord`] that copies.
#[diagnostic::on_unimplemented(
    message = "a bucket's struct must be `Clone`, and `{Self}` is not",
    label = "needs `Clone`",
    note = "write `#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]`"
)]
pub trait Copied {}
#[diagnostic::do_not_recommend]
impl<T: Clone> Copied for T {}

/// The part of [`BucketRecord`] that is saved.
#[diagnostic::on_unimplemented(
    message = "a bucket's struct must be `Serialize`, and `{Self}` is not",
    label = "needs `Serialize`",
    note = "write `#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]`"
)]
pub trait Written {}
#[diagnostic::do_not_recommend]
impl<T: Serialize> Written for T {}

/// The part of [`BucketRecord`] that is loaded.
#[diagnostic::on_unimplemented(
    message = "a bucket's struct must be `Deserialize`, and `{Self}` is not",
    label = "needs `Deserialize`",
    note = "write `#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]`"
)]
pub trait Read {}
#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Read for T {}

/// What has the type of a key.
#[diagnostic::on_unimplemented(
    message = "the key of the bucket that is referenced is `{Key}`, and this field is `{Self}`",
    label = "expected `{Key}`, found `{Self}`",
    note = "`references` stands on a field that holds a key of the other bucket"
)]
pub trait Holds<Key> {}
#[diagnostic::do_not_recommend]
impl<Key> Holds<Key> for Key {}

/// The name of the bucket that a field of type `T` references.
pub const fn reference<B: Bucket, T: Holds<B::Key>>() -> &'static str {
    B::NAME
}

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
