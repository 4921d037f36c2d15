//! The annotations of the struct.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Expr, Lit, LitStr, Path, Token, Type};

use super::args::{Item, items, literal};
use super::unknown::unknown;
use super::{field_attrs, ttl};
use crate::ctxt::Ctxt;
use crate::model::{Compound, Evict, Given};

/// The names of all annotations of the struct.
pub(super) const NAMES: [&str; 12] = [
    "name",
    "ttl",
    "max_size",
    "evict",
    "persistent",
    "index",
    "unique",
    "validate",
    "version",
    "migrate",
    "rename_from",
    "crate",
];

/// What the struct's annotations say.
#[derive(Default)]
pub(super) struct BucketAttrs {
    pub name: Option<LitStr>,
    pub ttl: Option<Given<u64>>,
    pub max_size: Option<Given<u64>>,
    pub evict: Option<Given<Evict>>,
    pub persistent: Option<bool>,
    pub version: Option<Given<u32>>,
    pub migrate: Option<Given<Type>>,
    pub rename_from: Option<LitStr>,
    pub validate: Option<Given<Path>>,
    pub runtime: Option<Path>,
    pub compounds: Vec<Compound>,
    pub together: Vec<Compound>,
}

/// Reads the annotations of the struct; those that cannot be read are reported, and missing in the result.
pub(super) fn parse(ctxt: &Ctxt, attributes: &[syn::Attribute]) -> BucketAttrs {
    let mut attrs = BucketAttrs::default();
    items(ctxt, attributes, |name, item| one(&mut attrs, name, item));
    attrs
}

fn one(attrs: &mut BucketAttrs, name: &str, item: &Item<'_>) -> syn::Result<()> {
    match name {
        "name" => item.fill(&mut attrs.name, item.string("name = \"users\"")?.value),
        "ttl" => item.fill(&mut attrs.ttl, time_to_live(item)?),
        "max_size" => item.fill(&mut attrs.max_size, max_size(item)?),
        "evict" => item.fill(&mut attrs.evict, item.choice(&Evict::ALL, "evict = \"oldest\"")?),
        "persistent" => item.fill(&mut attrs.persistent, item.boolean("persistent = false")?.value.value),
        "index" => {
            attrs.compounds.push(compound(item, "an index")?);
            Ok(())
        }
        "unique" => {
            attrs.together.push(compound(item, "a unique rule")?);
            Ok(())
        }
        "validate" => item.fill(&mut attrs.validate, field_attrs::function(item)?),
        "version" => item.fill(&mut attrs.version, version(item)?),
        "migrate" => item.fill(&mut attrs.migrate, migrate(item)?),
        "rename_from" => item.fill(&mut attrs.rename_from, item.string("rename_from = \"people\"")?.value),
        "crate" => item.fill(&mut attrs.runtime, runtime(item)?),
        _ => Err(unknown(item, "struct", &NAMES, "field", &field_attrs::NAMES)),
    }
}

fn time_to_live(item: &Item<'_>) -> syn::Result<Given<u64>> {
    let example = "ttl = \"30m\"";
    let Given { name, value } = item.value::<Expr>(example)?;
    let millis = match literal(&value) {
        Some(Lit::Str(text)) => ttl::millis(&text.value()),
        Some(Lit::Int(number)) if number.suffix().is_empty() => ttl::millis(number.base10_digits()),
        _ => Err(ttl::GRAMMAR.to_owned()),
    };
    millis.map(|value| Given { name, value }).map_err(|message| syn::Error::new_spanned(&value, message))
}

fn max_size(item: &Item<'_>) -> syn::Result<Given<u64>> {
    let Given { name, value: literal } = item.integer("max_size = 10_000")?;
    match field_attrs::whole(&literal)? {
        0 => Err(syn::Error::new(
            literal.span(),
            "`max_size` must be at least 1: a bucket of size 0 can hold nothing",
        )),
        value => Ok(Given { name, value }),
    }
}

fn version(item: &Item<'_>) -> syn::Result<Given<u32>> {
    let Given { name, value: literal } = item.integer("version = 2")?;
    match field_attrs::whole(&literal)? {
        0 => Err(syn::Error::new(
            literal.span(),
            "versions are counted from 1, which a bucket has that is given none",
        )),
        value => Ok(Given { name, value }),
    }
}

fn migrate(item: &Item<'_>) -> syn::Result<Given<Type>> {
    let needs = "`migrate` needs the struct of the version before: write `migrate(from = UserV1)`";
    if !item.input.peek(syn::token::Paren) {
        return Err(item.error(needs));
    }
    let content;
    syn::parenthesized!(content in item.input);
    let earlier = |input: ParseStream<'_>| {
        let word: Ident = input.call(Ident::parse_any)?;
        if word != "from" {
            return Err(syn::Error::new(word.span(), needs));
        }
        input.parse::<Token![=]>()?;
        let value: Type = input.parse()?;
        if input.is_empty() { Ok(value) } else { Err(input.error(needs)) }
    };
    let value = earlier(&content).map_err(|error| {
        // What is left would be a second mistake.
        let _ = content.parse::<proc_macro2::TokenStream>();
        syn::Error::new(error.span(), needs)
    })?;
    Ok(Given { name: item.name.clone(), value })
}

/// `what` it is, for people.
fn compound(item: &Item<'_>, what: &str) -> syn::Result<Compound> {
    let word = &item.name;
    let example = format!("{word}(first_field, second_field)");
    if !item.input.peek(syn::token::Paren) {
        let message = format!("on the struct, `{word}` takes the names of its fields: write `{example}`");
        return Err(item.error(message));
    }
    let content;
    syn::parenthesized!(content in item.input);
    let names: Punctuated<Ident, Token![,]> = content.parse_terminated(Ident::parse_any, Token![,])?;
    let names: Vec<Ident> = names.into_iter().collect();
    match names.as_slice() {
        [] => Err(item.error(format!("{what} needs fields: write `{example}`"))),
        [one] => Err(syn::Error::new(
            one.span(),
            format!("{what} over one field stands on the field: write `#[bucket({word})]` on `{one}`"),
        )),
        [_, _, _, _, _, _, seventh, ..] => {
            let message = format!("{what} takes at most 6 fields: leave out the last ones");
            Err(syn::Error::new(seventh.span(), message))
        }
        _ => Ok(Compound { at: item.name.clone(), names, fields: Vec::new(), accessor: None }),
    }
}

fn runtime(item: &Item<'_>) -> syn::Result<Path> {
    let example = "crate = path::to::noex_store";
    match item.value::<Expr>(example)?.value {
        Expr::Path(path) if path.qself.is_none() => Ok(path.path),
        other => Err(syn::Error::new_spanned(
            other,
            format!("`crate` takes a path, without quotes: write `{example}`"),
        )),
    }
}
