//! What a field's type must be able to do for each annotation. Each trait explains itself when a type cannot.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt::{Debug, Display};
use std::sync::Arc;

/// Text, or collections of text: what `pattern`, `format` and a `one_of` of strings can check.
#[diagnostic::on_unimplemented(
    message = "`pattern`, `format` and `one_of` with strings check text, and `{Self}` is not text",
    label = "not text, nor a collection of text",
    note = "use them on `String`, `Vec<String>` and their like, or write a check of your own: `#[bucket(validate = path)]`"
)]
pub trait Texts {
    /// Calls `visit` with each text and, in a collection, its place.
    fn texts(&self, visit: &mut dyn FnMut(Option<usize>, &str));
}

macro_rules! texts {
    (one: $($one:ty),*; many: $($many:ty),*) => {
        $(#[diagnostic::do_not_recommend]
        impl Texts for $one {
            fn texts(&self, visit: &mut dyn FnMut(Option<usize>, &str)) {
                visit(None, self);
            }
        })*
        $(#[diagnostic::do_not_recommend]
        impl<T: AsRef<str>> Texts for $many {
            fn texts(&self, visit: &mut dyn FnMut(Option<usize>, &str)) {
                self.iter().enumerate().for_each(|(at, text)| visit(Some(at), text.as_ref()));
            }
        })*
    };
}
texts!(one: String, Box<str>, Arc<str>, std::borrow::Cow<'static, str>; many: Vec<T>, VecDeque<T>, BTreeSet<T>, Box<[T]>);

/// What has a length: characters of text, items of a collection.
#[diagnostic::on_unimplemented(
    message = "`min_length` and `max_length` need a length, and `{Self}` has none",
    label = "neither text nor a collection",
    note = "for numbers use `min` and `max`"
)]
pub trait Lengthy {
    /// What is counted, for messages.
    const UNIT: &'static str;
    /// The number of characters or items.
    fn length(&self) -> usize;
    /// The value for messages, where it is text.
    fn shown(&self) -> Option<String> {
        None
    }
}

/// A collection whose elements can be indexed one by one: `index(each)`, and asked for: `contains`.
#[diagnostic::on_unimplemented(
    message = "`index(each)` makes an entry for each element, and `{Self}` is not a collection that noex-store knows",
    label = "not a known collection",
    note = "use `Vec`, `VecDeque`, `BTreeSet`, `HashSet`, `Box<[T]>` or an array, or plain `#[bucket(index)]` for the whole value"
)]
pub trait Collection {
    /// The elements.
    type Item: 'static;
    /// Calls `visit` with each element.
    fn visit(&self, visit: &mut dyn FnMut(&Self::Item));
}

macro_rules! text_length {
    ($($text:ty),*) => { $(#[diagnostic::do_not_recommend]
    impl Lengthy for $text {
        const UNIT: &'static str = "character";
        fn length(&self) -> usize {
            self.chars().count()
        }
        fn shown(&self) -> Option<String> {
            Some(format!("{self:?}"))
        }
    })* };
}
text_length!(String, Box<str>, Arc<str>, std::borrow::Cow<'static, str>);

macro_rules! collections {
    ($([$($param:tt)*] $collection:ty),* $(,)?) => { $(
        #[diagnostic::do_not_recommend]
        impl<T: 'static, $($param)*> Lengthy for $collection {
            const UNIT: &'static str = "item";
            fn length(&self) -> usize {
                self.len()
            }
        }
        #[diagnostic::do_not_recommend]
        impl<T: 'static, $($param)*> Collection for $collection {
            type Item = T;
            fn visit(&self, visit: &mut dyn FnMut(&T)) {
                self.iter().for_each(visit);
            }
        }
    )* };
}
collections!([] Vec<T>, [] VecDeque<T>, [] BTreeSet<T>, [S: std::hash::BuildHasher] HashSet<T, S>, [] Box<[T]>, [const N: usize] [T; N]);

#[diagnostic::do_not_recommend]
impl<K, V, S> Lengthy for std::collections::HashMap<K, V, S> {
    const UNIT: &'static str = "item";
    fn length(&self) -> usize {
        self.len()
    }
}

#[diagnostic::do_not_recommend]
impl<K, V> Lengthy for std::collections::BTreeMap<K, V> {
    const UNIT: &'static str = "item";
    fn length(&self) -> usize {
        self.len()
    }
}

/// What `min` and `max` can compare.
#[diagnostic::on_unimplemented(
    message = "`min` and `max` compare values, and `{Self}` has no order",
    label = "needs `PartialOrd` and `Debug`",
    note = "derive `PartialOrd` and `Debug` for `{Self}`"
)]
pub trait Bounded: PartialOrd + Debug {}
#[diagnostic::do_not_recommend]
impl<T: PartialOrd + Debug> Bounded for T {}

/// What a `one_of` of values can compare.
#[diagnostic::on_unimplemented(
    message = "`one_of` compares values, and `{Self}` cannot be compared",
    label = "needs `PartialEq` and `Debug`",
    note = "derive `PartialEq` and `Debug` for `{Self}`"
)]
pub trait Choice: PartialEq + Debug {}
#[diagnostic::do_not_recommend]
impl<T: PartialEq + Debug> Choice for T {}

/// What a `validate` function may refuse with.
#[diagnostic::on_unimplemented(
    message = "what a `validate` function refuses with becomes a message, and `{Self}` is not `Display`",
    label = "its error must be `Display`",
    note = "return `Result<(), String>`, or implement `std::fmt::Display` for `{Self}`"
)]
pub trait Refusal: Display {}
#[diagnostic::do_not_recommend]
impl<T: Display> Refusal for T {}

/// Floating-point numbers, and collections of them.
pub trait Finite {
    /// Calls `visit` with the place of each number that is not finite, and its text.
    fn not_finite(&self, visit: &mut dyn FnMut(Option<usize>, String));
}

macro_rules! finite {
    ($($float:ty),*) => { $(
        impl Finite for $float {
            fn not_finite(&self, visit: &mut dyn FnMut(Option<usize>, String)) {
                if !self.is_finite() {
                    visit(None, self.to_string());
                }
            }
        }
    )* };
}
finite!(f32, f64);

impl<T: Finite> Finite for [T] {
    fn not_finite(&self, visit: &mut dyn FnMut(Option<usize>, String)) {
        for (at, number) in self.iter().enumerate() {
            number.not_finite(&mut |_, text| visit(Some(at), text));
        }
    }
}

impl<T: Finite> Finite for Vec<T> {
    fn not_finite(&self, visit: &mut dyn FnMut(Option<usize>, String)) {
        self.as_slice().not_finite(visit);
    }
}

impl<T: Finite, const N: usize> Finite for [T; N] {
    fn not_finite(&self, visit: &mut dyn FnMut(Option<usize>, String)) {
        self.as_slice().not_finite(visit);
    }
}
