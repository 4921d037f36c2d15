//! Orders of records.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::field_name;
use crate::bucket::Bucket;
use crate::bucket::field::{OrderedValue, SortValue};
use crate::engine::KeyPoint;

/// One key of an order: a field and a direction, made by `User::AGE.asc()` or `.desc()`.
pub struct OrderKey<B> {
    pub(crate) field: u16,
    pub(crate) desc: bool,
    compare: Arc<dyn Compare<B>>,
}

/// A value of an order key that is kept in a cursor; `None` for a field that has none.
pub(crate) type OrderValue = Option<Box<dyn Any + Send + Sync>>;

trait Compare<B>: Send + Sync {
    fn records(&self, a: &B, b: &B) -> Ordering;
    fn with_value(&self, record: &B, value: &OrderValue) -> Ordering;
    fn value(&self, record: &B) -> OrderValue;
    fn encode(&self, value: &OrderValue) -> Value;
    fn decode(&self, value: &Value) -> Option<OrderValue>;
}

struct FieldOrder<B, T> {
    get: fn(&B) -> Option<&T>,
    encode: fn(&T) -> Value,
    decode: fn(&Value) -> Option<T>,
}

impl<B: Bucket> OrderKey<B> {
    pub(crate) fn new<T: SortValue>(field: u16, get: fn(&B) -> Option<&T>, desc: bool) -> Self {
        Self { field, desc, compare: Arc::new(FieldOrder { get, encode: encode::<T>, decode: decode::<T> }) }
    }

    /// An order that is not put into cursors, so that its values need not be serialisable.
    pub(crate) fn unsaved<T: OrderedValue + Clone>(
        field: u16,
        get: fn(&B) -> Option<&T>,
        desc: bool,
    ) -> Self {
        Self { field, desc, compare: Arc::new(FieldOrder { get, encode: |_| Value::Null, decode: |_| None }) }
    }

    pub(crate) fn compare(&self, a: &B, b: &B) -> Ordering {
        let order = self.compare.records(a, b);
        if self.desc { order.reverse() } else { order }
    }

    pub(crate) fn compare_value(&self, record: &B, value: &OrderValue) -> Ordering {
        let order = self.compare.with_value(record, value);
        if self.desc { order.reverse() } else { order }
    }

    /// The value that a record is ordered by.
    pub(crate) fn value(&self, record: &B) -> OrderValue {
        self.compare.value(record)
    }

    pub(crate) fn encode(&self, value: &OrderValue) -> Value {
        self.compare.encode(value)
    }

    pub(crate) fn decode(&self, value: &Value) -> Option<OrderValue> {
        self.compare.decode(value)
    }
}

impl<B> Clone for OrderKey<B> {
    fn clone(&self) -> Self {
        Self { field: self.field, desc: self.desc, compare: Arc::clone(&self.compare) }
    }
}

impl<B: Bucket> fmt::Debug for OrderKey<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", field_name::<B>(self.field), if self.desc { "desc" } else { "asc" })
    }
}

/// A value as text of JSON, which holds numbers of 128 bits, as `Value` does not; and the numbers that JSON has no word for.
fn encode<T: SortValue>(value: &T) -> Value {
    let any: &dyn Any = value;
    let small = any.downcast_ref::<f32>().map(|small| f64::from(*small));
    match any.downcast_ref::<f64>().copied().or(small) {
        Some(float) if !float.is_finite() => Value::String(float.to_string()),
        _ => serde_json::to_string(value).map_or(Value::Null, Value::String),
    }
}

fn decode<T: SortValue>(value: &Value) -> Option<T> {
    let text = value.as_str()?;
    let not_finite = || {
        let float: f64 = text.parse().ok()?;
        let forms: [&dyn Any; 2] = [&float, &(float as f32)];
        forms.into_iter().find_map(|form| form.downcast_ref::<T>().cloned())
    };
    serde_json::from_str(text).ok().or_else(not_finite)
}

pub(crate) fn point(value: &OrderValue) -> KeyPoint<'_> {
    match value {
        None => KeyPoint::Absent,
        Some(value) => KeyPoint::Value(value.as_ref()),
    }
}

/// A total order for whatever is partially ordered: what does not even equal itself (NaN) comes last.
pub(crate) fn total<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    #[allow(clippy::eq_op, reason = "NaN is what does not equal itself")]
    a.partial_cmp(b).unwrap_or_else(|| (a != a).cmp(&(b != b)))
}

fn compare_fields<T: PartialOrd>(a: Option<&T>, b: Option<&T>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => total(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn typed<T: 'static>(value: &OrderValue) -> Option<&T> {
    value.as_ref().and_then(|value| value.downcast_ref())
}

fn boxed<T: Send + Sync + 'static>(value: Option<T>) -> OrderValue {
    value.map(|value| Box::new(value) as Box<dyn Any + Send + Sync>)
}

impl<B: Bucket, T: OrderedValue + Clone> Compare<B> for FieldOrder<B, T> {
    fn records(&self, a: &B, b: &B) -> Ordering {
        compare_fields((self.get)(a), (self.get)(b))
    }

    fn with_value(&self, record: &B, value: &OrderValue) -> Ordering {
        compare_fields((self.get)(record), typed(value))
    }

    fn value(&self, record: &B) -> OrderValue {
        boxed((self.get)(record).cloned())
    }

    fn encode(&self, value: &OrderValue) -> Value {
        match typed(value) {
            None => Value::Null,
            // In a list, so that a value which cannot be written is not taken for a missing one.
            Some(value) => Value::Array(vec![(self.encode)(value)]),
        }
    }

    fn decode(&self, value: &Value) -> Option<OrderValue> {
        match value {
            Value::Null => Some(None),
            Value::Array(values) => match values.as_slice() {
                [value] => Some(boxed(Some((self.decode)(value)?))),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What `order_by` takes: a key, or a tuple, an array or a `Vec` of keys, the most significant first.
#[diagnostic::on_unimplemented(
    message = "records of `{B}` cannot be ordered by this",
    label = "expected a field with a direction, `.asc()` or `.desc()`, or a tuple of up to six of them"
)]
pub trait OrderBy<B> {
    /// The keys, the most significant first.
    fn into_keys(self) -> Vec<OrderKey<B>>;
}

#[diagnostic::do_not_recommend]
impl<B> OrderBy<B> for OrderKey<B> {
    fn into_keys(self) -> Vec<Self> {
        vec![self]
    }
}

#[diagnostic::do_not_recommend]
impl<B> OrderBy<B> for Vec<OrderKey<B>> {
    fn into_keys(self) -> Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<B, const N: usize> OrderBy<B> for [OrderKey<B>; N] {
    fn into_keys(self) -> Vec<OrderKey<B>> {
        self.into()
    }
}

macro_rules! order_by {
    ($($key:ident $number:tt),+) => {
        #[diagnostic::do_not_recommend]
        impl<B, $($key: OrderBy<B>),+> OrderBy<B> for ($($key,)+) {
            fn into_keys(self) -> Vec<OrderKey<B>> {
                let mut keys = Vec::new();
                $(keys.extend(self.$number.into_keys());)+
                keys
            }
        }
    };
}
order_by!(K0 0);
order_by!(K0 0, K1 1);
order_by!(K0 0, K1 1, K2 2);
order_by!(K0 0, K1 1, K2 2, K3 3);
order_by!(K0 0, K1 1, K2 2, K3 3, K4 4);
order_by!(K0 0, K1 1, K2 2, K3 3, K4 4, K5 5);
