//! What a bucket is to the rest of the crate: the trait that the derive implements, its records, fields, drafts, patches.

pub(crate) mod convert;
pub(crate) mod definition;
pub(crate) mod field;
pub(crate) mod increments;
pub(crate) mod json;
pub(crate) mod record;

use std::fmt::Debug;
use std::hash::Hash;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::schema::Schema;
use crate::schema::check::Report;
use crate::schema::generate::Fill;
use crate::store::Reader;
use convert::IntoField;
use definition::Definition;
use field::Field;
use increments::{Addable, HasValue, Increments, Outcome};

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
    /// The version of the struct: 1 unless given.
    const VERSION: u32 = 1;

    /// The primary key.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(*users.require(&1)?.value().key(), 1);
    /// # Ok(()) }
    /// ```
    fn key(&self) -> &Self::Key;

    /// What the annotations say, as data and functions.
    #[doc(hidden)]
    fn definition() -> &'static Definition<Self>;

    /// What the annotations say, as data.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(User::schema().fields.len(), 5);
    /// # Ok(()) }
    /// ```
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
pub trait Patch<B: Bucket>: Sized {
    /// What an update in a transaction gives: the record, which then counts as read; or `()`, where the changes need not
    /// know the record.
    type Outcome: Outcome<B>;

    /// Writes the changes into a record. May be called more than once when writers meet.
    ///
    /// # Errors
    /// [`Error::Validation`] if an increment leaves the range of its field's type.
    fn apply(&self, record: &mut B) -> Result<(), Error>;

    /// Whether the patch changes nothing.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert!(User::patch().is_empty());
    /// assert!(!User::patch().age(31).is_empty());
    /// # Ok(()) }
    /// ```
    fn is_empty(&self) -> bool;

    /// Adds to a field of numbers, whatever it is when the change is made. So writers that only add do not conflict with
    /// each other, in a transaction neither; and `max` and the other rules are checked on the sum.
    ///
    /// The update is [`Error::Validation`] if the sum does not fit the type or breaks a rule; and where a number's type has the name of
    /// something else (`type Uuid = u64`), since the derive then takes the field for that.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct User { #[bucket(key)] id: u64, logins: u32, name: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<User>().start().await?;
    /// # let users = store.bucket::<User>()?;
    /// users.insert(User { id: 1, logins: 0, name: "Al".into() })?;
    /// users.update(&1, User::patch().add(User::LOGINS, 1))?;
    /// users.update(&1, User::patch().name("Alice").add(User::LOGINS, 1))?;
    /// assert_eq!(users.require(&1)?.logins, 2);
    /// # Ok(())
    /// # }
    /// ```
    fn add<T: Addable, P: HasValue>(
        self,
        field: Field<B, T, P>,
        by: impl IntoField<T>,
    ) -> Increments<B, Self> {
        Increments::new(self).add(field, by)
    }

    /// Takes from a field of numbers: see [`add`](Self::add).
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Shop { #[bucket(key)] id: u32, stock: u32, sold: u32 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Shop>().start().await?;
    /// # let shops = store.bucket::<Shop>()?;
    /// shops.insert(Shop { id: 1, stock: 10, sold: 0 })?;
    /// shops.update(&1, Shop::patch().sub(Shop::STOCK, 3))?;
    /// assert_eq!(shops.require(&1)?.stock, 7);
    /// assert!(shops.update(&1, Shop::patch().sub(Shop::STOCK, 8)).is_err(), "it would be below zero");
    /// # Ok(())
    /// # }
    /// ```
    fn sub<T: Addable, P: HasValue>(
        self,
        field: Field<B, T, P>,
        by: impl IntoField<T>,
    ) -> Increments<B, Self> {
        Increments::new(self).sub(field, by)
    }
}

/// Every rule of the schema that a value breaks.
pub(crate) fn validate<B: Bucket>(value: &B) -> Result<(), Error> {
    let mut report = Report::new(B::schema());
    B::definition().checks.iter().for_each(|check| check(value, &mut report));
    let issues = report.into_issues();
    if issues.is_empty() { Ok(()) } else { Err(Error::Validation { bucket: B::NAME, issues }) }
}
