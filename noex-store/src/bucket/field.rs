//! Typed field tokens: what filters, orders and aggregates are built from.

use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::ops::Bound;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Bucket;
use super::convert::{IntoField, IntoRange};
use crate::filter::Filter;
use crate::filter::leaf::{Contains, Holds, OneOf, Present, TextMatch, TextTest, TextValue, Within};
use crate::filter::order::OrderKey;

/// The presence of a field that every record has.
#[derive(Debug, Clone, Copy)]
pub struct Required;

/// The presence of a field that is an `Option`.
#[derive(Debug, Clone, Copy)]
pub struct Optional;

/// The presence of a field that may be `None`.
#[diagnostic::on_unimplemented(
    message = "every record has this field, so it is never `None`",
    label = "the field is not an `Option`",
    note = "`is_none` and `is_some` are for fields of type `Option<…>`"
)]
pub trait MayBeNone {}
impl MayBeNone for Optional {}

/// A field of a bucket, with its type: `User::AGE` is a `Field<User, u8, Optional>`.
///
/// `T` is the type inside of the `Option` for an optional field. Comparisons give a [`Filter`]; a field that is `None`
/// passes only `is_none`, `ne`, `not_in` and what is negated. Tokens are `Copy` and cost nothing.
///
/// ```
/// # use noex_store::prelude::*;
/// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// # struct User { #[bucket(key)] id: u32, name: String, age: Option<u8> }
/// let adults_with_a = User::AGE.ge(18).and(User::NAME.starts_with("A"));
/// let not_told = User::AGE.is_none();
/// # let _ = (adults_with_a, not_told);
/// ```
pub struct Field<B, T, P = Required> {
    pub(crate) number: u16,
    pub(crate) get: fn(&B) -> Option<&T>,
    /// There where the field can be a number, for what adds to it.
    pub(crate) get_mut: Option<fn(&mut B) -> &mut T>,
    presence: PhantomData<P>,
}

/// Makes the token of a field.
pub const fn field<B, T, P>(number: u16, get: fn(&B) -> Option<&T>) -> Field<B, T, P> {
    Field { number, get, get_mut: None, presence: PhantomData }
}

/// Makes the token of a field that can be added to.
pub const fn number_field<B, T>(
    number: u16,
    get: fn(&B) -> Option<&T>,
    get_mut: fn(&mut B) -> &mut T,
) -> Field<B, T> {
    Field { number, get, get_mut: Some(get_mut), presence: PhantomData }
}

impl<B, T, P> Clone for Field<B, T, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B, T, P> Copy for Field<B, T, P> {}

impl<B: Bucket, T, P> Debug for Field<B, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", B::NAME, self.name())
    }
}

impl<B: Bucket, T, P> Field<B, T, P> {
    /// The field's stored name.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(User::AGE.name(), "age");
    /// # Ok(()) }
    /// ```
    pub fn name(&self) -> &'static str {
        B::schema().fields.get(usize::from(self.number)).map_or("", |field| field.name)
    }
}

/// What a filter can compare for equality.
#[diagnostic::on_unimplemented(
    message = "values of `{Self}` cannot be compared in a filter",
    label = "needs `PartialEq + Debug + Send + Sync`",
    note = "derive `Debug` and `PartialEq` for `{Self}`"
)]
pub trait FieldValue: PartialEq + Debug + Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<T: PartialEq + Debug + Send + Sync + 'static> FieldValue for T {}

/// What a filter can compare by order.
#[diagnostic::on_unimplemented(
    message = "values of `{Self}` have no order",
    label = "needs `PartialOrd + Debug + Send + Sync`",
    note = "derive `PartialEq`, `PartialOrd` and `Debug` for `{Self}`, or compare with `eq`, `ne`, `is_in`"
)]
pub trait OrderedValue: FieldValue + PartialOrd {}
#[diagnostic::do_not_recommend]
impl<T: FieldValue + PartialOrd> OrderedValue for T {}

/// What records can be ordered by: the value goes into cursors, so it must also be serialisable.
#[diagnostic::on_unimplemented(
    message = "records cannot be ordered by `{Self}`",
    label = "needs `PartialOrd + Debug + Clone + Serialize + Deserialize`",
    note = "derive them for `{Self}`"
)]
pub trait SortValue: OrderedValue + Clone + Serialize + DeserializeOwned {}
#[diagnostic::do_not_recommend]
impl<T: OrderedValue + Clone + Serialize + DeserializeOwned> SortValue for T {}

// The conditions stand on the methods, where the compiler explains them; on the `impl` it would say that there is no method.
#[allow(
    clippy::should_implement_trait,
    reason = "these are the field's standard words, and they build filters"
)]
impl<B: Bucket, T, P: 'static> Field<B, T, P> {
    /// The field equals the value.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::NAME.eq("Ann")).count(), 1);
    /// assert_eq!(users.filter(User::AGE.eq(30)).count(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn eq(self, value: impl IntoField<T>) -> Filter<B>
    where
        T: FieldValue,
    {
        self.one_of(vec![value.into_field()])
    }

    /// The field does not equal the value; a `None` does not.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::AGE.ne(30)).count(), 1, "Ben, whose age is `None`");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn ne(self, value: impl IntoField<T>) -> Filter<B>
    where
        T: FieldValue,
    {
        !self.eq(value)
    }

    /// The field equals one of the values; with none, nothing passes.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::NAME.is_in(["Ann", "Cy"])).count(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_in<V: IntoField<T>>(self, values: impl IntoIterator<Item = V>) -> Filter<B>
    where
        T: FieldValue,
    {
        self.one_of(values.into_iter().map(IntoField::into_field).collect())
    }

    /// The field equals none of the values.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::NAME.not_in(["Ann", "Cy"])).count(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn not_in<V: IntoField<T>>(self, values: impl IntoIterator<Item = V>) -> Filter<B>
    where
        T: FieldValue,
    {
        !self.is_in(values)
    }

    fn one_of(self, values: Vec<T>) -> Filter<B>
    where
        T: FieldValue,
    {
        Filter::leaf(OneOf { field: self.number, get: self.get, values })
    }
}

impl<B: Bucket, T, P: 'static> Field<B, T, P> {
    /// The field is greater than the value.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::AGE.gt(29)).count(), 1);
    /// assert_eq!(users.filter(User::AGE.gt(30)).count(), 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn gt(self, value: impl IntoField<T>) -> Filter<B>
    where
        T: OrderedValue,
    {
        self.within(Bound::Excluded(value.into_field()), Bound::Unbounded)
    }

    /// The field is greater than the value, or equal to it.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::AGE.ge(30)).count(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn ge(self, value: impl IntoField<T>) -> Filter<B>
    where
        T: OrderedValue,
    {
        self.within(Bound::Included(value.into_field()), Bound::Unbounded)
    }

    /// The field is less than the value.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::AGE.lt(30)).count(), 0, "a `None` is not less");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn lt(self, value: impl IntoField<T>) -> Filter<B>
    where
        T: OrderedValue,
    {
        self.within(Bound::Unbounded, Bound::Excluded(value.into_field()))
    }

    /// The field is less than the value, or equal to it.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::AGE.le(30)).count(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn le(self, value: impl IntoField<T>) -> Filter<B>
    where
        T: OrderedValue,
    {
        self.within(Bound::Unbounded, Bound::Included(value.into_field()))
    }

    /// The field lies in the range: `18..65`, `18..=64`, `18..`, `..65`, `..=64`, or a pair of [`Bound`]s. A range that
    /// ends before it starts holds nothing.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::AGE.between(18..65)).count(), 1);
    /// assert_eq!(users.filter(User::AGE.between(..=29)).count(), 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn between(self, range: impl IntoRange<T>) -> Filter<B>
    where
        T: OrderedValue,
    {
        let (start, end) = range.into_range();
        self.within(start, end)
    }

    fn within(self, start: Bound<T>, end: Bound<T>) -> Filter<B>
    where
        T: OrderedValue,
    {
        Filter::leaf(Within { field: self.number, get: self.get, start, end })
    }
}

impl<B: Bucket, T: 'static, P: 'static> Field<B, T, P> {
    /// The field is `None`.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::AGE.is_none()).first().expect("Ben").name, "Ben");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_none(self) -> Filter<B>
    where
        P: MayBeNone,
    {
        Filter::leaf(Present { field: self.number, get: self.get, present: false })
    }

    /// The field is `Some`.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::AGE.is_some()).first().expect("Ann").name, "Ann");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_some(self) -> Filter<B>
    where
        P: MayBeNone,
    {
        Filter::leaf(Present { field: self.number, get: self.get, present: true })
    }
}

impl<B: Bucket, T, P: 'static> Field<B, T, P> {
    /// The text starts with this, exactly as it is written. An index serves it.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::NAME.starts_with("A")).count(), 1);
    /// assert_eq!(users.filter(User::NAME.starts_with("a")).count(), 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn starts_with(self, prefix: impl IntoField<String>) -> Filter<B>
    where
        T: TextValue,
    {
        Filter::leaf(TextMatch::new(self.number, self.get, TextTest::StartsWith, prefix.into_field()))
    }

    /// The text ends with this, exactly as it is written.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::EMAIL.ends_with("@x.cz")).count(), 2);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn ends_with(self, suffix: impl IntoField<String>) -> Filter<B>
    where
        T: TextValue,
    {
        Filter::leaf(TextMatch::new(self.number, self.get, TextTest::EndsWith, suffix.into_field()))
    }
}

impl<B: Bucket, T, P: 'static> Field<B, T, P> {
    /// A collection has this element; a text has this part, in upper or lower case. `index(each)` serves collections.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::TAGS.contains("vip")).count(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn contains(self, needle: impl IntoField<T::Needle>) -> Filter<B>
    where
        T: Contains,
    {
        let needle = T::prepare(needle.into_field());
        Filter::leaf(Holds { field: self.number, get: self.get, needle })
    }
}

impl<B: Bucket, T, P: 'static> Field<B, T, P> {
    /// Orders by the field, least first, `None` before all.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.order_by(User::AGE.asc()).first().expect("Ben").name, "Ben", "`None` is before all");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn asc(self) -> OrderKey<B>
    where
        T: SortValue,
    {
        OrderKey::new(self.number, self.get, false)
    }

    /// Orders by the field, greatest first, `None` after all.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// // Ties by another field.
    /// let names = users.order_by((User::AGE.desc(), User::NAME.asc())).collect();
    /// assert_eq!(names[0].name, "Ann");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn desc(self) -> OrderKey<B>
    where
        T: SortValue,
    {
        OrderKey::new(self.number, self.get, true)
    }
}
