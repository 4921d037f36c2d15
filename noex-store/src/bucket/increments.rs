//! Changes that need not know what they change: they commute, so writers who make only such changes never conflict.

use std::borrow::Cow;
use std::fmt::{self, Debug};
use std::sync::Arc;

use super::convert::IntoField;
use super::field::{Field, Required};
use super::record::Record;
use super::{Bucket, Patch};
use crate::error::{Error, IssueCode, ValidationIssue};

/// What `add` and `sub` can count with: integers, and floating-point numbers, whose sums depend on their order in the last digits.
#[diagnostic::on_unimplemented(
    message = "`add` and `sub` need numbers, and `{Self}` is not one",
    label = "not a number",
    note = "change the record in a closure instead: `modify`"
)]
pub trait Addable: Copy + Debug + Send + Sync + 'static {
    /// The sum, if it fits.
    fn plus(self, by: Self) -> Option<Self>;
    /// The difference, if it fits.
    fn minus(self, by: Self) -> Option<Self>;
    /// Whether it is below 0.
    fn is_below_zero(self) -> bool;
}

macro_rules! addable {
    ($($number:ty),*; $below:expr; $plus:expr; $minus:expr) => { $(#[diagnostic::do_not_recommend]
    impl Addable for $number {
        fn plus(self, by: Self) -> Option<Self> {
            $plus(self, by)
        }

        fn minus(self, by: Self) -> Option<Self> {
            $minus(self, by)
        }

        fn is_below_zero(self) -> bool {
            $below(self)
        }
    })* };
}
addable!(u8, u16, u32, u64, u128, usize; |_| false; Self::checked_add; Self::checked_sub);
addable!(i8, i16, i32, i64, i128, isize; |it| it < 0; Self::checked_add; Self::checked_sub);
// What is not finite the schema refuses.
addable!(f32, f64; |it| it < 0.0; |a, b| Some(a + b); |a, b| Some(a - b));

/// The presence of a field that can be added to.
#[diagnostic::on_unimplemented(
    message = "this field may be `None`, and there is nothing to add to then",
    label = "the field is an `Option`",
    note = "say what becomes of a `None` in a closure: `modify`"
)]
pub trait HasValue: Send + Sync + 'static {}
impl HasValue for Required {}

/// What an update in a transaction gives. See [`Patch::Outcome`].
pub trait Outcome<B> {
    /// Whether nothing of the record is given, so that it need not be read.
    #[doc(hidden)]
    const BLIND: bool;
    #[doc(hidden)]
    fn of(record: Record<B>) -> Self;
}

impl<B> Outcome<B> for Record<B> {
    const BLIND: bool = false;

    fn of(record: Self) -> Self {
        record
    }
}

impl<B> Outcome<B> for () {
    const BLIND: bool = true;

    fn of(_: Record<B>) {}
}

/// A patch that also adds to fields: made by [`Patch::add`] and [`Patch::sub`].
///
/// In a transaction an update with it gives `()`: the record is not read, and the change is made on whatever it is when the
/// transaction commits.
#[must_use = "a patch does nothing until it is given to `update`"]
pub struct Increments<B, P> {
    patch: P,
    steps: Vec<Arc<dyn Increment<B>>>,
}

trait Increment<B>: Send + Sync {
    fn apply(&self, record: &mut B) -> Result<(), ValidationIssue>;
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

struct Step<B, T, F> {
    field: Field<B, T, F>,
    by: T,
    minus: bool,
}

impl<B: Bucket, P> Increments<B, P> {
    pub(super) const fn new(patch: P) -> Self {
        Self { patch, steps: Vec::new() }
    }

    /// Adds to a field: see [`Patch::add`].
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
    /// shops.update(&1, Shop::patch().sub(Shop::STOCK, 1).add(Shop::SOLD, 1))?;
    /// assert_eq!(shops.require(&1)?.sold, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn add<T: Addable, F: HasValue>(self, field: Field<B, T, F>, by: impl IntoField<T>) -> Self {
        self.step(Step { field, by: by.into_field(), minus: false })
    }

    /// Takes from a field: see [`Patch::add`].
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
    /// shops.update(&1, Shop::patch().add(Shop::SOLD, 2).sub(Shop::STOCK, 2))?;
    /// assert_eq!(shops.require(&1)?.stock, 8);
    /// # Ok(())
    /// # }
    /// ```
    pub fn sub<T: Addable, F: HasValue>(self, field: Field<B, T, F>, by: impl IntoField<T>) -> Self {
        self.step(Step { field, by: by.into_field(), minus: true })
    }

    fn step(mut self, step: impl Increment<B> + 'static) -> Self {
        self.steps.push(Arc::new(step));
        self
    }
}

impl<B: Bucket, T: Addable, F: HasValue> Increment<B> for Step<B, T, F> {
    fn apply(&self, record: &mut B) -> Result<(), ValidationIssue> {
        let Some(get_mut) = self.field.get_mut else {
            return Err(ValidationIssue {
                field: Cow::Borrowed(self.field.name()),
                code: IssueCode::Type,
                message: format!(
                    "nothing can be added to it: its type is a `{}` under a name that is not a number's",
                    std::any::type_name::<T>()
                ),
                value: None,
            });
        };
        let value = get_mut(record);
        let (sum, sign) = match self.minus {
            false => (value.plus(self.by), '+'),
            true => (value.minus(self.by), '-'),
        };
        let Some(sum) = sum else {
            let down = self.minus != self.by.is_below_zero();
            return Err(ValidationIssue {
                field: Cow::Borrowed(self.field.name()),
                code: if down { IssueCode::Min } else { IssueCode::Max },
                message: format!(
                    "{value:?} {sign} {:?} does not fit `{}`",
                    self.by,
                    std::any::type_name::<T>()
                ),
                value: Some(format!("{value:?}")),
            });
        };
        *value = sum;
        Ok(())
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.field.name(), if self.minus { "-=" } else { "+=" }, self.by)
    }
}

impl<B: Bucket, P: Patch<B>> Patch<B> for Increments<B, P> {
    type Outcome = ();

    fn apply(&self, record: &mut B) -> Result<(), Error> {
        self.patch.apply(record)?;
        let issues: Vec<_> = self.steps.iter().filter_map(|step| step.apply(record).err()).collect();
        if issues.is_empty() { Ok(()) } else { Err(Error::Validation { bucket: B::NAME, issues }) }
    }

    fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.patch.is_empty()
    }
}

impl<B, P: Clone> Clone for Increments<B, P> {
    fn clone(&self) -> Self {
        Self { patch: self.patch.clone(), steps: self.steps.clone() }
    }
}

impl<B, P> Debug for Increments<B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Shown<'a, B>(&'a dyn Increment<B>);
        impl<B> Debug for Shown<'_, B> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.describe(f)
            }
        }
        f.debug_list().entries(self.steps.iter().map(|step| Shown(step.as_ref()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_that_do_not_fit_are_told() {
        assert_eq!(250_u8.plus(5), Some(255));
        assert_eq!(250_u8.plus(6), None);
        assert_eq!(3_u8.minus(4), None);
        assert_eq!((-128_i8).plus(-1), None);
        assert_eq!(i64::MAX.minus(-1), None);
        assert_eq!(0.5_f64.minus(1.0), Some(-0.5));
        assert!((-1_i8).is_below_zero() && !1_u8.is_below_zero() && (-0.5_f32).is_below_zero());
    }
}
