//! What can be known of a type from its syntax alone. The compiler decides in the end; this serves early, clearer errors.

use syn::{GenericArgument, Path, PathArguments, Type};

/// A type, as far as its name tells. A user's own type of the same name is taken for the well-known one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Text,
    Char,
    Uuid,
    Integer {
        name: &'static str,
        min: Option<u128>,
        max: u128,
    },
    Float,
    Bool,
    /// A collection of one kind of elements.
    List {
        element: Box<Shape>,
        finite_checked: bool,
    },
    Map,
    Date,
    Unknown,
}

impl Shape {
    pub(crate) fn of(ty: &Type) -> Self {
        match ungrouped(ty) {
            Type::Array(array) => Self::list(&array.elem, true),
            Type::Slice(slice) => Self::list(&slice.elem, false),
            Type::Path(path) if path.qself.is_none() => Self::of_path(&path.path),
            _ => Self::Unknown,
        }
    }

    fn of_path(path: &Path) -> Self {
        let Some(last) = path.segments.last() else { return Self::Unknown };
        let argument = |at: usize| type_arguments(&last.arguments).nth(at);
        match last.ident.to_string().as_str() {
            "String" | "str" => Self::Text,
            // `Cow<[u8]>`, `Box<f64>` are what they hold.
            "Cow" | "Box" | "Arc" | "Rc" => match argument(0).map(Self::of) {
                Some(Self::List { element, .. }) => Self::List { element, finite_checked: false },
                Some(Self::Text) => Self::Text,
                _ => Self::Unknown,
            },
            "char" => Self::Char,
            "Uuid" => Self::Uuid,
            "bool" => Self::Bool,
            "f32" | "f64" => Self::Float,
            "Vec" => argument(0).map_or(Self::Unknown, |element| Self::list(element, true)),
            "VecDeque" | "BTreeSet" | "HashSet" => {
                argument(0).map_or(Self::Unknown, |element| Self::list(element, false))
            }
            "HashMap" | "BTreeMap" => Self::Map,
            "SystemTime" | "DateTime" | "NaiveDate" | "NaiveDateTime" | "OffsetDateTime" | "Timestamp"
            | "Zoned" | "Date" => Self::Date,
            name => INTEGERS
                .iter()
                .find(|integer| integer.0 == name)
                .map_or(Self::Unknown, |&(name, min, max)| Self::Integer { name, min, max }),
        }
    }

    fn list(element: &Type, finite_checked: bool) -> Self {
        Self::List { element: Box::new(Self::of(element)), finite_checked }
    }

    /// Whether it is a number, or could be one under a name of the user's own.
    pub(crate) fn may_be_number(&self) -> bool {
        matches!(self, Self::Integer { .. } | Self::Float | Self::Date | Self::Unknown)
    }

    /// Whether it is a floating-point number, or a collection of them that the runtime can check.
    pub(crate) fn holds_floats(&self) -> bool {
        match self {
            Self::Float => true,
            Self::List { element, finite_checked: true } => element.holds_floats(),
            _ => false,
        }
    }

    /// Whether it is known to have no total order: a floating-point number, or a collection of them.
    pub(crate) fn has_no_total_order(&self) -> bool {
        match self {
            Self::Float => true,
            Self::List { element, .. } => element.has_no_total_order(),
            _ => false,
        }
    }

    /// Whether it is not known to be free of floating-point numbers.
    pub(crate) fn may_hold_floats(&self) -> bool {
        match self {
            Self::Float | Self::Map | Self::Unknown => true,
            Self::List { element, .. } => element.may_hold_floats(),
            _ => false,
        }
    }

    /// Text, or a collection of it.
    pub(crate) fn is_texts(&self) -> bool {
        match self {
            Self::Text => true,
            Self::List { element, .. } => **element == Self::Text,
            _ => false,
        }
    }

    /// Whether it is known to be neither text nor a collection of what may be text.
    pub(crate) fn cannot_be_texts(&self) -> bool {
        match self {
            Self::Text | Self::Unknown => false,
            Self::List { element, .. } => !matches!(**element, Self::Text | Self::Unknown),
            _ => true,
        }
    }

    /// Whether it is known to have no length.
    pub(crate) fn has_no_length(&self) -> bool {
        !matches!(self, Self::Text | Self::List { .. } | Self::Map | Self::Unknown)
    }

    /// Whether it is known not to be a collection.
    pub(crate) fn is_no_collection(&self) -> bool {
        !matches!(self, Self::List { .. } | Self::Unknown)
    }

    /// What to call it in a message.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Char => "a character",
            Self::Uuid => "a UUID",
            Self::Integer { .. } => "an integer",
            Self::Float => "a floating-point number",
            Self::Bool => "a `bool`",
            Self::List { .. } => "a collection",
            Self::Map => "a map",
            Self::Date => "a point in time",
            Self::Unknown => "a value",
        }
    }
}

/// Name, the magnitude of the least value where it is negative, the greatest value. `usize` counts as 64 bits: a limit
/// that fits there is for the compiler to judge.
const INTEGERS: [(&str, Option<u128>, u128); 12] = [
    ("u8", None, u8::MAX as u128),
    ("u16", None, u16::MAX as u128),
    ("u32", None, u32::MAX as u128),
    ("u64", None, u64::MAX as u128),
    ("u128", None, u128::MAX),
    ("usize", None, u64::MAX as u128),
    ("i8", Some(1 << 7), i8::MAX as u128),
    ("i16", Some(1 << 15), i16::MAX as u128),
    ("i32", Some(1 << 31), i32::MAX as u128),
    ("i64", Some(1 << 63), i64::MAX as u128),
    ("i128", Some(1 << 127), i128::MAX as u128),
    ("isize", Some(1 << 63), i64::MAX as u128),
];

/// The type inside of an `Option`, however its path is written.
pub(crate) fn option_inner(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    if path.qself.is_some() {
        return None;
    }
    let names: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if !matches!(names.as_slice(), ["Option"] | ["std" | "core", "option", "Option"] | ["option", "Option"]) {
        return None;
    }
    type_arguments(&path.path.segments.last()?.arguments).next()
}

/// The type without the invisible groups that `macro_rules` leaves, and without parentheses.
fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        ty => ty,
    }
}

fn type_arguments(arguments: &PathArguments) -> impl Iterator<Item = &Type> {
    let arguments = match arguments {
        PathArguments::AngleBracketed(arguments) => Some(arguments.args.iter()),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The first part of a type that is borrowed: a reference, or a lifetime argument.
pub(crate) fn borrowed(ty: &Type) -> Option<Borrowed<'_>> {
    match ungrouped(ty) {
        Type::Reference(reference) => Some(Borrowed::Reference(&reference.elem)),
        Type::Array(array) => borrowed(&array.elem),
        Type::Slice(slice) => borrowed(&slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(borrowed),
        Type::Path(path) => path.path.segments.iter().find_map(|segment| {
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Lifetime(lifetime) if lifetime.ident != "static" => Some(Borrowed::Lifetime),
                GenericArgument::Type(ty) => borrowed(ty),
                _ => None,
            })
        }),
        _ => None,
    }
}

/// What is borrowed in a type.
pub(crate) enum Borrowed<'a> {
    /// A reference to this.
    Reference(&'a Type),
    /// A lifetime argument.
    Lifetime,
}
