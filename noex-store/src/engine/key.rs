//! The keys of ordered indexes: how a field's value is kept, and how keys are made of parts.
//!
//! What is kept and compared ([`Layout`]) knows no bucket, and what reads a record ([`KeyParts`]) does nothing else: so the
//! code of the indexes is compiled once for each type of key, and not for each bucket.

use std::any::Any;
use std::cmp::Ordering;
use std::marker::PhantomData;

use super::index::KeyPoint;
use super::text::TextKey;

/// What a field's type must be able to do to be indexed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be indexed",
    label = "an index needs `Ord + Clone + Send + Sync`",
    note = "derive `PartialEq, Eq, PartialOrd, Ord, Clone` for `{Self}`; floating-point numbers have no total order: \
            index an integer instead (cents, milliseconds), or filter without an index"
)]
pub trait IndexKey: Ord + Clone + Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Ord + Clone + Send + Sync + 'static> IndexKey for T {}

/// How a value is kept in an index. Copied nodes clone their keys, so a key should be small and cheap to clone.
pub trait Codec: Copy + Send + Sync + 'static {
    /// The field's type.
    type Value: Clone + Send + Sync + 'static;
    /// What the index holds; ordered as the values are.
    type Stored: Ord + Clone + Send + Sync + 'static;
    /// The value as the index holds it.
    fn store(value: &Self::Value) -> Self::Stored;
    /// Compares a kept key with a value.
    fn compare(stored: &Self::Stored, value: &Self::Value) -> Ordering;
}

/// Keeps a value as it is.
pub struct Plain<T>(PhantomData<fn() -> T>);

impl<T> Clone for Plain<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Plain<T> {}

impl<T: IndexKey> Codec for Plain<T> {
    type Value = T;
    type Stored = T;

    fn store(value: &T) -> T {
        value.clone()
    }

    fn compare(stored: &T, value: &T) -> Ordering {
        stored.cmp(value)
    }
}

/// Keeps text inline up to 23 bytes, shared beyond: a copied leaf then copies no heap text, and comparing follows no pointer.
#[derive(Clone, Copy)]
pub struct Text;

impl Codec for Text {
    type Value = String;
    type Stored = TextKey;

    fn store(value: &String) -> TextKey {
        TextKey::new(value)
    }

    fn compare(stored: &TextKey, value: &String) -> Ordering {
        stored.cmp_text(value)
    }
}

/// Finds the codec of a type at compile time: `String` has a method of its own, all others get the trait's.
pub struct Probe<T>(PhantomData<fn() -> T>);

impl<T> Default for Probe<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Probe<T> {
    /// A probe of a type.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl Probe<String> {
    /// The codec of text.
    pub fn codec(&self) -> Text {
        Text
    }
}

/// The codec of everything but `String`.
pub trait CodecOfPlain<T> {
    /// The codec.
    fn codec(&self) -> Plain<T>;
}

impl<T> CodecOfPlain<T> for Probe<T> {
    fn codec(&self) -> Plain<T> {
        Plain(PhantomData)
    }
}

/// One part of an index's key.
pub trait Part<B>: Copy + Send + Sync + 'static {
    /// How it is kept.
    type Layout: PartLayout;
    /// A record's value.
    fn read(&self, record: &B) -> Option<<Self::Layout as PartLayout>::Stored>;
}

/// How a part of a key is kept and compared.
pub trait PartLayout: 'static {
    /// What the index holds of it.
    type Stored: Ord + Clone + Send + Sync + 'static;
    /// Compares a kept part with a point.
    fn compare(stored: &Self::Stored, point: KeyPoint<'_>) -> Ordering;
    /// A copy of a point's value; `None` if it is of another type.
    fn own(value: &dyn Any) -> Option<OwnedValue>;
    /// A point as the index holds it; `None` if it is of another type.
    fn of_point(point: KeyPoint<'_>) -> Option<Self::Stored>;
}

fn store_point<C: Codec>(point: KeyPoint<'_>) -> Option<C::Stored> {
    match point {
        KeyPoint::Absent => None,
        KeyPoint::Value(value) => value.downcast_ref::<C::Value>().map(C::store),
    }
}

/// A value of one part of a key.
pub(crate) type OwnedValue = Box<dyn Any + Send + Sync>;

fn own_value<C: Codec>(value: &dyn Any) -> Option<OwnedValue> {
    value.downcast_ref::<C::Value>().map(|value| Box::new(value.clone()) as OwnedValue)
}

/// A part that every record has.
pub struct Req<B: 'static, C: Codec> {
    get: fn(&B) -> Option<&C::Value>,
}

/// A part that is `None` in some records, which come first.
pub struct Opt<B: 'static, C: Codec> {
    get: fn(&B) -> Option<&C::Value>,
}

/// Calls its second argument with each element of a record's collection.
type VisitItems<B, C> = fn(&B, &mut dyn FnMut(&<C as Codec>::Value));

/// A collection, each element of which has its own entry.
pub struct Each<B: 'static, C: Codec> {
    visit: VisitItems<B, C>,
}

macro_rules! copy_parts {
    ($($part:ident),*) => { $(
        impl<B, C: Codec> Clone for $part<B, C> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<B, C: Codec> Copy for $part<B, C> {}
    )* };
}
copy_parts!(Req, Opt, Each);

/// A part that every record has.
pub fn required<B, C: Codec>(get: fn(&B) -> Option<&C::Value>, _codec: C) -> Req<B, C> {
    Req { get }
}

/// A part that is `None` in some records.
pub fn optional<B, C: Codec>(get: fn(&B) -> Option<&C::Value>, _codec: C) -> Opt<B, C> {
    Opt { get }
}

/// A collection, each element of which has its own entry.
pub fn each<B, C: Codec>(visit: VisitItems<B, C>, _codec: C) -> Each<B, C> {
    Each { visit }
}

fn compare_value<C: Codec>(stored: &C::Stored, point: KeyPoint<'_>) -> Ordering {
    match point {
        KeyPoint::Absent => Ordering::Greater,
        // The derive pairs every index with the tokens of its fields, so the types agree.
        KeyPoint::Value(value) => {
            value.downcast_ref::<C::Value>().map_or(Ordering::Greater, |value| C::compare(stored, value))
        }
    }
}

impl<B: 'static, C: Codec> Part<B> for Req<B, C> {
    type Layout = Always<C>;

    fn read(&self, record: &B) -> Option<C::Stored> {
        (self.get)(record).map(C::store)
    }
}

impl<B: 'static, C: Codec> Part<B> for Opt<B, C> {
    type Layout = Sometimes<C>;

    fn read(&self, record: &B) -> Option<Option<C::Stored>> {
        Some((self.get)(record).map(C::store))
    }
}

/// The layout of values that every record has: of a part of a key, and of the elements of a collection.
pub struct Always<C>(PhantomData<fn() -> C>);

/// The layout of values that some records have.
pub struct Sometimes<C>(PhantomData<fn() -> C>);

impl<C: Codec> PartLayout for Always<C> {
    type Stored = C::Stored;

    fn compare(stored: &C::Stored, point: KeyPoint<'_>) -> Ordering {
        compare_value::<C>(stored, point)
    }

    fn own(value: &dyn Any) -> Option<OwnedValue> {
        own_value::<C>(value)
    }

    fn of_point(point: KeyPoint<'_>) -> Option<C::Stored> {
        store_point::<C>(point)
    }
}

impl<C: Codec> PartLayout for Sometimes<C> {
    type Stored = Option<C::Stored>;

    fn compare(stored: &Option<C::Stored>, point: KeyPoint<'_>) -> Ordering {
        match (stored, point) {
            (None, KeyPoint::Absent) => Ordering::Equal,
            (None, KeyPoint::Value(_)) => Ordering::Less,
            (Some(stored), point) => compare_value::<C>(stored, point),
        }
    }

    fn own(value: &dyn Any) -> Option<OwnedValue> {
        own_value::<C>(value)
    }

    fn of_point(point: KeyPoint<'_>) -> Option<Option<C::Stored>> {
        match point {
            KeyPoint::Absent => Some(None),
            point => store_point::<C>(point).map(Some),
        }
    }
}

/// The whole key of an index: one to six parts, or the elements of a collection.
pub trait KeyParts<B>: Copy + Send + Sync + 'static {
    /// How the key is kept.
    type Layout: Layout;
    /// Calls `emit` with a record's keys.
    fn keys(&self, record: &B, emit: &mut dyn FnMut(<Self::Layout as Layout>::Stored));
    /// Whether two records have the same keys.
    fn same(&self, a: &B, b: &B) -> bool;
}

/// How the keys of an index are kept and compared.
pub trait Layout: 'static {
    /// What the index holds.
    type Stored: Ord + Clone + Send + Sync + 'static;
    /// Compares a part of a kept key with a point.
    fn compare(stored: &Self::Stored, part: usize, point: KeyPoint<'_>) -> Ordering;
    /// A copy of a value of a part; `None` if it is of another type.
    fn own(part: usize, value: &dyn Any) -> Option<OwnedValue>;
    /// The first part of the key.
    type First: Ord + Clone + Send + Sync + 'static;
    /// The first part of a kept key.
    fn first(stored: &Self::Stored) -> Self::First;
    /// A point of the first part; `None` if it is of another type.
    fn first_of(point: KeyPoint<'_>) -> Option<Self::First>;
}

impl<B: 'static, C: Codec> KeyParts<B> for Each<B, C> {
    type Layout = Always<C>;

    fn keys(&self, record: &B, emit: &mut dyn FnMut(C::Stored)) {
        (self.visit)(record, &mut |value| emit(C::store(value)));
    }

    fn same(&self, a: &B, b: &B) -> bool {
        let keys = |record: &B| {
            let mut keys = Vec::new();
            self.keys(record, &mut |key| keys.push(key));
            keys
        };
        keys(a) == keys(b)
    }
}

impl<C: Codec> Layout for Always<C> {
    type Stored = C::Stored;

    fn compare(stored: &C::Stored, _part: usize, point: KeyPoint<'_>) -> Ordering {
        compare_value::<C>(stored, point)
    }

    fn own(_part: usize, value: &dyn Any) -> Option<OwnedValue> {
        own_value::<C>(value)
    }

    type First = C::Stored;

    fn first(stored: &C::Stored) -> C::Stored {
        stored.clone()
    }

    fn first_of(point: KeyPoint<'_>) -> Option<C::Stored> {
        store_point::<C>(point)
    }
}

macro_rules! key_parts {
    ($first:ident $zero:tt $(, $part:ident $number:tt)*) => {
        key_parts!(@all $first; $first $zero $(, $part $number)*);
    };
    (@all $first:ident; $($part:ident $number:tt),+) => {
        impl<B: 'static, $($part: Part<B>),+> KeyParts<B> for ($($part,)+) {
            type Layout = ($($part::Layout,)+);

            fn keys(&self, record: &B, emit: &mut dyn FnMut(<Self::Layout as Layout>::Stored)) {
                if let ($(Some($part),)+) = ($(self.$number.read(record),)+) {
                    emit(($($part,)+));
                }
            }

            fn same(&self, a: &B, b: &B) -> bool {
                $(self.$number.read(a) == self.$number.read(b))&&+
            }
        }

        impl<$($part: PartLayout),+> Layout for ($($part,)+) {
            type Stored = ($($part::Stored,)+);

            fn compare(stored: &Self::Stored, part: usize, point: KeyPoint<'_>) -> Ordering {
                match part {
                    $($number => $part::compare(&stored.$number, point),)+
                    _ => Ordering::Equal,
                }
            }

            fn own(part: usize, value: &dyn Any) -> Option<OwnedValue> {
                match part {
                    $($number => $part::own(value),)+
                    _ => None,
                }
            }

            type First = $first::Stored;

            fn first(stored: &Self::Stored) -> Self::First {
                stored.0.clone()
            }

            fn first_of(point: KeyPoint<'_>) -> Option<Self::First> {
                $first::of_point(point)
            }
        }
    };
}
#[allow(non_snake_case, reason = "the type parameters name the values too")]
mod tuples {
    use super::{Any, KeyParts, KeyPoint, Layout, Ordering, OwnedValue, Part, PartLayout};

    key_parts!(P0 0);
    key_parts!(P0 0, P1 1);
    key_parts!(P0 0, P1 1, P2 2);
    key_parts!(P0 0, P1 1, P2 2, P3 3);
    key_parts!(P0 0, P1 1, P2 2, P3 3, P4 4);
    key_parts!(P0 0, P1 1, P2 2, P3 3, P4 4, P5 5);
}
