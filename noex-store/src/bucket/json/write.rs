//! JSON that loses no float: NaN and the infinities, for which JSON has no numbers, are written as text, where serde_json alone
//! writes `null`, which no float is read of. And none that is nested too deeply to be read.

use std::cell::{Cell, RefCell};

use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// The names of the floats that JSON has no numbers for.
pub(super) const NAN: &str = "NaN";
pub(super) const INFINITE: &str = "inf";
pub(super) const NEGATIVE: &str = "-inf";

/// How many lists and structs within each other serde_json reads.
const DEEPEST: usize = 127;

/// How many names of fields a fault shows.
const LONGEST: usize = 8;

/// A value's JSON.
pub(super) struct Written {
    pub(super) text: String,
    /// How many floats in it are written as text.
    pub(super) not_finite: usize,
}

/// Why a value has no JSON.
#[derive(Debug)]
pub(super) struct Fault {
    /// The path of the field; empty if it is the whole value.
    pub(super) field: String,
    pub(super) reason: String,
}

/// As serde_json writes it, but for floats that are not finite.
pub(super) fn write<T: Serialize + ?Sized>(value: &T) -> Result<Written, Fault> {
    let notes = Notes::default();
    let text = notes.text_of(value)?;
    Ok(Written { text, not_finite: notes.not_finite.get() })
}

/// What is told of a value whose floats would not be read again as they are: where the first one is.
pub(super) fn refuse<T: Serialize + ?Sized>(value: &T) -> Fault {
    let notes = Notes { refuses: true, ..Notes::default() };
    let nowhere = |_| Fault { field: String::new(), reason: "a float in it is not finite".to_owned() };
    notes.text_of(value).map_or_else(|fault| fault, nowhere)
}

/// What is noted on the way.
#[derive(Default)]
struct Notes {
    not_finite: Cell<usize>,
    /// In how many lists and structs the writer is.
    depth: Cell<usize>,
    /// Whether floats that are not finite are refused.
    refuses: bool,
    /// The names of the fields around what failed, from within.
    fields: RefCell<Vec<&'static str>>,
}

impl Notes {
    fn text_of<T: Serialize + ?Sized>(&self, value: &T) -> Result<String, Fault> {
        let mut text = Vec::with_capacity(128);
        let done = value.serialize(Exact { to: &mut serde_json::Serializer::new(&mut text), notes: self });
        done.map_err(|error| self.fault(error.to_string()))?;
        String::from_utf8(text).map_err(|error| self.fault(error.to_string()))
    }

    fn fault(&self, reason: String) -> Fault {
        let fields = self.fields.take();
        let mut field = fields.iter().rev().take(LONGEST).copied().collect::<Vec<_>>().join(".");
        if fields.len() > LONGEST {
            field.push_str(".…");
        }
        Fault { field, reason }
    }

    /// Notes that so many lists or structs begin.
    #[inline]
    fn enter<E: Error>(&self, levels: usize) -> Result<(), E> {
        let depth = self.depth.get() + levels;
        self.depth.set(depth);
        if depth > DEEPEST {
            return Err(E::custom(format_args!(
                "it has more than {DEEPEST} lists and structs within each other, and would not be read again"
            )));
        }
        Ok(())
    }

    #[inline]
    fn leave(&self, levels: usize) {
        self.depth.set(self.depth.get() - levels);
    }

    /// The text of a float that is not finite.
    fn name<E: Error>(&self, float: f64) -> Result<Option<&'static str>, E> {
        if float.is_finite() {
            return Ok(None);
        }
        let name = match float {
            f64::INFINITY => INFINITE,
            f64::NEG_INFINITY => NEGATIVE,
            _ => NAN,
        };
        if self.refuses {
            return Err(E::custom(format_args!(
                "JSON has no number for {name}, and text, in its place, is not read as one here: below `flatten`, or in an \
                 untagged enum"
            )));
        }
        self.not_finite.set(self.not_finite.get() + 1);
        Ok(Some(name))
    }
}

/// A serializer, or what is left of one in the midst of a list or struct.
struct Exact<'n, S> {
    to: S,
    notes: &'n Notes,
}

/// A value within another.
struct Inner<'n, 'v, T: ?Sized> {
    value: &'v T,
    notes: &'n Notes,
}

impl<T: Serialize + ?Sized> Serialize for Inner<'_, '_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Exact { to, notes: self.notes })
    }
}

impl<'n, S> Exact<'n, S> {
    #[inline]
    fn inner<'v, T: ?Sized>(&self, value: &'v T) -> Inner<'n, 'v, T> {
        Inner { value, notes: self.notes }
    }

    #[inline]
    fn list<L>(notes: &'n Notes) -> impl FnOnce(L) -> Exact<'n, L> {
        move |to| Exact { to, notes }
    }
}

/// The methods for values that have none within.
macro_rules! plain {
    ($($method:ident($($value:ident: $type:ty),*);)*) => { $(
        #[inline]
        fn $method(self, $($value: $type),*) -> Result<S::Ok, S::Error> {
            self.to.$method($($value),*)
        }
    )* };
}

impl<'n, S: Serializer> Serializer for Exact<'n, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Exact<'n, S::SerializeSeq>;
    type SerializeTuple = Exact<'n, S::SerializeTuple>;
    type SerializeTupleStruct = Exact<'n, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Exact<'n, S::SerializeTupleVariant>;
    type SerializeMap = Exact<'n, S::SerializeMap>;
    type SerializeStruct = Exact<'n, S::SerializeStruct>;
    type SerializeStructVariant = Exact<'n, S::SerializeStructVariant>;

    plain! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, number: u32, variant: &'static str);
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        match self.notes.name(value.into())? {
            None => self.to.serialize_f32(value),
            Some(name) => self.to.serialize_str(name),
        }
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        match self.notes.name(value)? {
            None => self.to.serialize_f64(value),
            Some(name) => self.to.serialize_str(name),
        }
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let value = self.inner(value);
        self.to.serialize_some(&value)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = self.inner(value);
        self.to.serialize_newtype_struct(name, &value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        number: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.notes.enter(1)?;
        let done =
            self.to.serialize_newtype_variant(name, number, variant, &Inner { value, notes: self.notes })?;
        self.notes.leave(1);
        Ok(done)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.notes.enter(1)?;
        self.to.serialize_seq(len).map(Self::list(self.notes))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.notes.enter(1)?;
        self.to.serialize_tuple(len).map(Self::list(self.notes))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.notes.enter(1)?;
        self.to.serialize_tuple_struct(name, len).map(Self::list(self.notes))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        number: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.notes.enter(2)?;
        self.to.serialize_tuple_variant(name, number, variant, len).map(Self::list(self.notes))
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.notes.enter(1)?;
        self.to.serialize_map(len).map(Self::list(self.notes))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.notes.enter(1)?;
        self.to.serialize_struct(name, len).map(Self::list(self.notes))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        number: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.notes.enter(2)?;
        self.to.serialize_struct_variant(name, number, variant, len).map(Self::list(self.notes))
    }

    fn is_human_readable(&self) -> bool {
        self.to.is_human_readable()
    }
}

/// Lists, whose elements have no names.
macro_rules! list {
    ($($list:ident $method:ident $levels:literal;)*) => { $(
        impl<S: $list> $list for Exact<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                let value = self.inner(value);
                self.to.$method(&value)
            }

            #[inline]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.notes.leave($levels);
                self.to.end()
            }
        }
    )* };
}
list! {
    SerializeSeq serialize_element 1;
    SerializeTuple serialize_element 1;
    SerializeTupleStruct serialize_field 1;
    SerializeTupleVariant serialize_field 2;
}

impl<S: SerializeMap> SerializeMap for Exact<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;

    // A key is text, and a float that is not finite is none.
    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.to.serialize_key(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        let value = self.inner(value);
        self.to.serialize_value(&value)
    }

    #[inline]
    fn end(self) -> Result<S::Ok, S::Error> {
        self.notes.leave(1);
        self.to.end()
    }
}

/// Lists, whose elements have names.
macro_rules! fields {
    ($($fields:ident $levels:literal;)*) => { $(
        impl<S: $fields> $fields for Exact<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), S::Error> {
                let value = self.inner(value);
                let done = self.to.serialize_field(name, &value);
                if done.is_err() {
                    self.notes.fields.borrow_mut().push(name);
                }
                done
            }

            #[inline]
            fn skip_field(&mut self, name: &'static str) -> Result<(), S::Error> {
                self.to.skip_field(name)
            }

            #[inline]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.notes.leave($levels);
                self.to.end()
            }
        }
    )* };
}
fields! {
    SerializeStruct 1;
    SerializeStructVariant 2;
}
