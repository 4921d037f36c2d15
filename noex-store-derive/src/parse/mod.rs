//! From the derive's input to the model. All that can be said of one attribute alone is checked here.

mod args;
mod bucket_attrs;
mod field_attrs;
mod ttl;
mod unknown;

use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Fields, FieldsNamed, GenericParam, Path, parse_quote_spanned};

pub(crate) use self::args::literal;
use crate::ctxt::Ctxt;
use crate::model::{Bucket, Field, SerdeField};
use crate::names;
use crate::serde_names::SerdeStruct;
use crate::types::{Shape, option_inner};

/// The outcome of reading the input.
pub(crate) enum Parsed {
    /// A struct with fields; its annotations may still contradict each other.
    Bucket(Box<Bucket>),
    /// Something that can never be a bucket; the reason is reported.
    Hopeless {
        /// Where the runtime is.
        runtime: Path,
    },
}

/// Reads the input.
pub(crate) fn parse(ctxt: &Ctxt, input: &DeriveInput) -> Parsed {
    let attrs = bucket_attrs::parse(ctxt, &input.attrs);
    let runtime =
        attrs.runtime.clone().unwrap_or_else(|| parse_quote_spanned!(Span::mixed_site()=> ::noex_store));
    let generic = generics(ctxt, input);
    let Some(named) = named_fields(ctxt, input) else { return Parsed::Hopeless { runtime } };
    let serde = SerdeStruct::parse(&input.attrs);
    let fields: Vec<Field> =
        named.named.iter().filter_map(|field| parse_field(ctxt, &serde, field)).collect();
    if fields.is_empty() {
        ctxt.error(&input.ident, "a bucket needs a key: add a field, and mark it with `#[bucket(key)]`");
    }
    if generic || fields.is_empty() {
        return Parsed::Hopeless { runtime };
    }
    let plain_name = input.ident.unraw().to_string();
    let name = attrs.name.as_ref().map_or_else(|| names::snake(&plain_name), syn::LitStr::value);
    check_name(ctxt, &name, attrs.name.as_ref(), &input.ident);
    let (key, sound) = find_key(ctxt, &input.ident, &fields);
    Parsed::Bucket(Box::new(Bucket {
        vis: input.vis.clone(),
        ident: input.ident.clone(),
        runtime,
        name,
        fields,
        key,
        compounds: attrs.compounds,
        together: attrs.together,
        ttl: attrs.ttl,
        max_size: attrs.max_size,
        evict: attrs.evict,
        persistent: attrs.persistent.unwrap_or(true),
        version: attrs.version.map_or(1, |given| given.value),
        migrate: attrs.migrate,
        rename_from: attrs.rename_from,
        validate: attrs.validate.map(|given| given.value),
        serde_default: serde.default,
        sound,
    }))
}

/// Reports generics; whether there were any.
fn generics(ctxt: &Ctxt, input: &DeriveInput) -> bool {
    let generics = &input.generics;
    let at = match generics.params.first() {
        Some(GenericParam::Lifetime(lifetime)) => Some(lifetime.lifetime.to_token_stream()),
        Some(GenericParam::Type(ty)) => Some(ty.ident.to_token_stream()),
        Some(GenericParam::Const(constant)) => Some(constant.ident.to_token_stream()),
        None => generics.where_clause.as_ref().map(|clause| clause.where_token.to_token_stream()),
    };
    let Some(at) = at else { return false };
    ctxt.error(
        at,
        "a bucket holds values of one type for ever: generic and borrowed structs are not supported; use owned types \
         (`String` instead of `&str`) in a concrete struct",
    );
    true
}

fn named_fields<'a>(ctxt: &Ctxt, input: &'a DeriveInput) -> Option<&'a FieldsNamed> {
    let (at, what) = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => return Some(named),
            Fields::Unnamed(_) => (input.ident.to_token_stream(), "a tuple struct"),
            Fields::Unit => (input.ident.to_token_stream(), "a unit struct"),
        },
        Data::Enum(data) => (data.enum_token.to_token_stream(), "an enum"),
        Data::Union(data) => (data.union_token.to_token_stream(), "a union"),
    };
    let message = format!(
        "{what} cannot be a bucket: use a struct with named fields, `struct {} {{ #[bucket(key)] id: u64 }}`",
        input.ident
    );
    ctxt.error(at, message);
    // Annotations of fields are read all the same, so that mistakes in them do not wait for the next compile.
    if let Data::Struct(data) = &input.data {
        for field in &data.fields {
            field_attrs::parse(ctxt, &field.attrs);
        }
    }
    None
}

fn parse_field(ctxt: &Ctxt, serde_struct: &SerdeStruct, field: &syn::Field) -> Option<Field> {
    let ident = field.ident.clone()?;
    let name = ident.unraw().to_string();
    let inner = option_inner(&field.ty);
    let mut serde = SerdeField::parse(&field.attrs);
    let (written, read) = serde_struct.names(&serde, &name);
    serde.serialize = Some(written.clone());
    serde.deserialize = Some(read);
    Some(Field {
        stored: written,
        vis: field.vis.clone(),
        optional: inner.is_some(),
        shape: Shape::of(inner.unwrap_or(&field.ty)),
        inner: inner.unwrap_or(&field.ty).clone(),
        ty: field.ty.clone(),
        rules: field_attrs::parse(ctxt, &field.attrs),
        serde,
        token: None,
        clear: None,
        maybe: None,
        accessor: None,
        ident,
        name,
    })
}

/// The place of the key, and whether it is really one.
fn find_key(ctxt: &Ctxt, ident: &Ident, fields: &[Field]) -> (usize, bool) {
    let mut keys =
        fields.iter().enumerate().filter_map(|(at, field)| Some((at, field, field.rules.key.as_ref()?)));
    let Some((at, first, _)) = keys.next() else {
        let likely = fields.iter().position(|field| field.name == "id");
        let hint = match likely.and_then(|at| fields.get(at)) {
            Some(field) => format!("mark `{}` with `#[bucket(key)]`", field.name),
            None => "mark the field that identifies a record with `#[bucket(key)]`".to_owned(),
        };
        ctxt.error(ident, format!("the bucket has no key: {hint}"));
        return (likely.unwrap_or_default(), false);
    };
    for (_, _, second) in keys {
        let message = format!(
            "a bucket has one key, and `{}` is it: remove one of the two (for an alternate key use `unique`)",
            first.name
        );
        ctxt.error(second, message);
    }
    (at, true)
}

fn check_name(ctxt: &Ctxt, name: &str, literal: Option<&syn::LitStr>, ident: &Ident) {
    let (at, hint) = match literal {
        Some(literal) => (literal.span(), ""),
        None => (ident.span(), ": give it one, `#[bucket(name = \"…\")]`"),
    };
    let stray = name.chars().find(|letter| !letter.is_ascii_alphanumeric() && !matches!(letter, '_' | '-'));
    if name.is_empty() {
        ctxt.error_at(at, format!("the bucket's name is empty{hint}"));
    } else if let Some(stray) = stray {
        let message = format!(
            "the bucket's name `{name}` contains `{}`: it takes ASCII letters, digits, `_` and `-`{hint}",
            stray.escape_default()
        );
        ctxt.error_at(at, message);
    } else if name.len() > 64 {
        let message = format!("the bucket's name has {} characters, more than 64{hint}", name.len());
        ctxt.error_at(at, message);
    }
}
