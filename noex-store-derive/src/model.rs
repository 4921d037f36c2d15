//! What a bucket's annotations mean: made by `parse`, mended by `check`, read by `expand`.

use proc_macro2::{Ident, Span};
use syn::spanned::Spanned;
use syn::{Expr, LitInt, LitStr, Path, Type, Visibility};

use crate::types::Shape;

/// The whole struct.
pub(crate) struct Bucket {
    pub vis: Visibility,
    pub ident: Ident,
    /// The runtime's path, from the root or from where the struct stands.
    pub runtime: Path,
    pub name: String,
    /// Not empty.
    pub fields: Vec<Field>,
    /// The key's place in `fields`. Invariant: lies in it; when there is no key, a likely one, and `sound` is `false`.
    pub key: usize,
    pub compounds: Vec<Compound>,
    /// The fields that are unique together.
    pub together: Vec<Compound>,
    pub ttl: Option<Given<u64>>,
    pub max_size: Option<Given<u64>>,
    pub evict: Option<Given<Evict>>,
    pub persistent: bool,
    /// 1 unless given.
    pub version: u32,
    /// The type that the bucket had before.
    pub migrate: Option<Given<Type>>,
    /// The bucket's earlier name.
    pub rename_from: Option<LitStr>,
    pub validate: Option<Path>,
    /// Whether serde takes missing fields from the struct's `Default`.
    pub serde_default: bool,
    /// Whether the struct is good enough for a definition. Without it the bucket's functions are stubs.
    pub sound: bool,
}

/// Something the user gave, with the name of the attribute by which it was given.
#[derive(Clone)]
pub(crate) struct Given<T> {
    pub name: Ident,
    pub value: T,
}

/// One field.
pub(crate) struct Field {
    pub ident: Ident,
    /// The name without `r#`.
    pub name: String,
    /// The name that serde gives it.
    pub stored: String,
    pub vis: Visibility,
    /// The type as it is written.
    pub ty: Type,
    /// The type inside of the `Option`, or the type itself.
    pub inner: Type,
    pub optional: bool,
    /// What is known of `inner` from its syntax.
    pub shape: Shape,
    pub rules: Rules,
    /// What serde's attributes say.
    pub serde: SerdeField,
    /// The associated constant; `None` when another field has taken its name.
    pub token: Option<Ident>,
    /// The method that empties an optional field; `None` when another field has taken its name.
    pub clear: Option<Ident>,
    /// The draft's method that takes an `Option`, if the field is one.
    pub maybe: Option<Ident>,
    /// The `by_…` method, where the field has one.
    pub accessor: Option<Ident>,
}

impl Field {
    /// Whether a draft must give it.
    pub(crate) fn required(&self) -> bool {
        !self.optional && self.rules.default.is_none() && self.rules.generated.is_none()
    }

    /// Whether the type, without an `Option`, is not known to be unfit for a key.
    pub(crate) fn could_be_key(&self) -> bool {
        self.shape != Shape::Float && crate::types::borrowed(&self.ty).is_none()
    }

    /// Whether NaN and the infinities are refused.
    pub(crate) fn finite(&self) -> bool {
        self.rules.allow_non_finite.is_none() && self.shape.holds_floats()
    }
}

/// A field's annotations.
#[derive(Default)]
pub(crate) struct Rules {
    pub key: Option<Ident>,
    pub generated: Option<Given<Generated>>,
    pub default: Option<Given<FieldDefault>>,
    pub unique: Option<Ident>,
    pub index: Option<Given<Index>>,
    pub one_of: Option<Given<Vec<Expr>>>,
    pub format: Option<Given<Format>>,
    pub min: Option<Given<Expr>>,
    pub max: Option<Given<Expr>>,
    pub min_length: Option<Given<Length>>,
    pub max_length: Option<Given<Length>>,
    pub pattern: Option<Given<LitStr>>,
    pub references: Option<Given<Type>>,
    pub validate: Option<Given<Path>>,
    pub allow_non_finite: Option<Ident>,
    /// The stored name that the field had before.
    pub rename_from: Option<LitStr>,
}

/// A number of characters or items.
#[derive(Clone)]
pub(crate) struct Length {
    pub literal: LitInt,
    pub value: usize,
}

/// A field's default.
pub(crate) enum FieldDefault {
    /// The type's own.
    OfType,
    Value(Box<Expr>),
    /// One that was wrong, and is reported: it keeps the field from being required.
    Stub,
}

/// What an ordered index of a single field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    Whole,
    Each,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generated {
    Uuid,
    Cuid,
    Autoincrement,
    Timestamp,
}

impl Generated {
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("uuid", Self::Uuid),
        ("cuid", Self::Cuid),
        ("autoincrement", Self::Autoincrement),
        ("timestamp", Self::Timestamp),
    ];
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Email,
    Url,
    IsoDate,
}

impl Format {
    pub(crate) const ALL: [(&'static str, Self); 3] =
        [("email", Self::Email), ("url", Self::Url), ("iso-date", Self::IsoDate)];
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evict {
    Oldest,
    Lru,
}

impl Evict {
    pub(crate) const ALL: [(&'static str, Self); 2] = [("oldest", Self::Oldest), ("lru", Self::Lru)];
}

/// An index over several fields: an ordered one, or one of what is unique together.
pub(crate) struct Compound {
    /// The attribute's word.
    pub at: Ident,
    /// The names as they were written.
    pub names: Vec<Ident>,
    /// The fields' places; filled by `check`.
    pub fields: Vec<usize>,
    /// The `by_…` method; `None` when something else has taken its name.
    pub accessor: Option<Ident>,
}

impl Compound {
    /// Whether it says that its fields are unique together.
    pub(crate) fn is_unique(&self) -> bool {
        self.at == "unique"
    }
}

/// What serde's attributes on a field say.
#[derive(Default)]
pub(crate) struct SerdeField {
    /// `rename`, for writing.
    pub serialize: Option<String>,
    /// `rename`, for reading.
    pub deserialize: Option<String>,
    pub aliases: Vec<String>,
    /// Whether the value is written, or read, by a function of the user's own: not as its type is.
    pub with: bool,
    /// The word that keeps the field from being written or read.
    pub skip: Option<Ident>,
    /// The word that has some values not be written.
    pub skip_if: Option<Ident>,
    /// Whether serde has a value where none was written.
    pub default: bool,
    pub flatten: Option<Ident>,
    /// Where to point when the stored name is at fault.
    pub name_at: Option<Span>,
}

/// An ordered index, in the order of their numbers.
pub(crate) struct IndexPlan<'a> {
    pub name: String,
    pub fields: Vec<(usize, &'a Field)>,
    pub each: bool,
    pub accessor: Option<&'a Ident>,
    /// What to point at when it cannot be: the field's type, or the attribute of a compound one.
    pub at: Span,
}

impl Bucket {
    /// All ordered indexes: those of single fields in the order of the fields, then the compound ones.
    pub(crate) fn indexes(&self) -> Vec<IndexPlan<'_>> {
        let single = self.fields.iter().enumerate().filter_map(|(at, field)| {
            let index = field.rules.index.as_ref()?;
            let accessor = field.accessor.as_ref().filter(|_| field.rules.unique.is_none());
            let each = index.value == Index::Each;
            let (name, span) = (field.name.clone(), field.inner.span());
            Some(IndexPlan { name, fields: vec![(at, field)], each, accessor, at: span })
        });
        let compound = self.compounds.iter().map(|compound| {
            let fields = self.fields_of(compound);
            let name = fields.iter().map(|(_, field)| field.name.as_str()).collect::<Vec<_>>().join("_and_");
            let at = compound.at.span();
            IndexPlan { name, fields, each: false, accessor: compound.accessor.as_ref(), at }
        });
        single.chain(compound).collect()
    }

    /// The unique fields, in the order of their numbers. Those that are unique together come after them.
    pub(crate) fn uniques(&self) -> impl Iterator<Item = (usize, &Field)> {
        self.fields.iter().enumerate().filter(|(_, field)| field.rules.unique.is_some())
    }

    /// The fields of a compound index, with their places.
    pub(crate) fn fields_of<'a>(&'a self, compound: &'a Compound) -> Vec<(usize, &'a Field)> {
        compound.fields.iter().filter_map(|&at| Some((at, self.fields.get(at)?))).collect()
    }

    /// The fields that are numbered automatically, in the order of their counters.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (usize, &Field)> {
        self.fields.iter().enumerate().filter(|(_, field)| {
            field.rules.generated.as_ref().is_some_and(|given| given.value == Generated::Autoincrement)
        })
    }

    /// The fields that a draft must give.
    pub(crate) fn required(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.required())
    }
}
