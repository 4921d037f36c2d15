//! What a bucket is to the rest of the crate: the trait that the derive implements, its records, fields, drafts, patches.

pub(crate) mod convert;
pub(crate) mod definition;
pub(crate) mod field;
pub(crate) mod record;

use std::fmt::Debug;
use std::hash::Hash;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::schema::Schema;
use crate::schema::generate::Fill;
use crate::store::Reader;
use definition::Definition;

/// A struct whose values a store keeps. Implemented by `#[derive(Bucket)]`, never by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a bucket",
    label = "not a bucket",
    note = "annotate the struct with `#[derive(Bucket)]` and mark its key with `#[bucket(key)]`"
)]
pub trait Bucket: BucketRecord {
    /// The primary key's type.
    type Key: Key;
    /// The read surface: [`Reader`] and the accessors of the indexes (`by_email`, …).
    type Reads: Deref<Target = Reader<Self>> + From<Reader<Self>> + Clone + Send + Sync + 'static;
    /// The bucket's name.
    const NAME: &'static str;

    /// The primary key.
    fn key(&self) -> &Self::Key;

    /// What the annotations say, as data and functions.
    #[doc(hidden)]
    fn definition() -> &'static Definition<Self>;

    /// What the annotations say, as data.
    fn schema() -> &'static Schema {
        &Self::definition().schema
    }
}

/// What every struct that is a bucket must be able to do.
#[diagnostic::on_unimplemented(
    message = "a bucket's struct must be `Clone`, `Serialize` and `Deserialize`, and `{Self}` is not",
    label = "a derive is missing here, or a field is not `Send + Sync`",
    note = "write `#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]`; fields must own thread-safe data"
)]
pub trait BucketRecord: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> BucketRecord for T {}

/// What a primary key must be able to do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a primary key",
    label = "a key needs `Clone + Debug + Eq + Ord + Hash + Serialize + Deserialize`",
    note = "derive them for `{Self}`; floating-point numbers cannot be keys: use an integer or text"
)]
pub trait Key:
    Clone + Debug + Eq + Ord + Hash + Serialize + DeserializeOwned + Send + Sync + 'static
{
}
#[diagnostic::do_not_recommend]
impl<T: Clone + Debug + Eq + Ord + Hash + Serialize + DeserializeOwned + Send + Sync + 'static> Key for T {}

/// What can be inserted into a bucket: a whole value, or a complete draft.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be inserted into the bucket of `{B}`",
    label = "neither a `{B}` nor a draft of it",
    note = "give a whole `{B}`, or build one: `{B}::draft()`"
)]
pub trait Insertable<B: Bucket> {
    /// The whole value, with defaults and generated fields filled in.
    ///
    /// # Errors
    /// [`Error::AutoIncrementExhausted`] when a generated number does not fit its field.
    fn build(self, fill: &mut Fill<'_>) -> Result<B, Error>;
}

impl<B: Bucket> Insertable<B> for B {
    fn build(self, _fill: &mut Fill<'_>) -> Result<B, Error> {
        Ok(self)
    }
}

/// A set of changes to a record, made by `User::patch()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a patch of `{B}`",
    label = "not a patch",
    note = "build one: `{B}::patch()`, or change the record in a closure: `modify`"
)]
pub trait Patch<B: Bucket> {
    /// Writes the changes into a record. May be called more than once when writers meet.
    fn apply(&self, record: &mut B);

    /// Whether the patch changes nothing.
    fn is_empty(&self) -> bool;
}
