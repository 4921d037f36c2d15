//! The schema as data.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned;

use super::{Names, option, site};
use crate::model::{Bucket, Evict, Field, FieldDefault, Format, Generated};
use crate::source;
use crate::types::Shape;

/// The value of the definition's `schema`.
pub(super) fn expand(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { private, shown, .. } = names;
    let name = &bucket.name;
    let fields =
        bucket.fields.iter().enumerate().map(|(at, field)| field_schema(names, field, at == bucket.key));
    let indexes = bucket.indexes().into_iter().map(|index| {
        let (name, each) = (index.name, index.each);
        let fields = index.fields.iter().map(|&(at, _)| number(at));
        quote_spanned!(site()=> #private::IndexSchema { name: #name, fields: &[#(#fields),*], each: #each })
    });
    let uniques = bucket.together.iter().map(|together| {
        let fields = bucket.fields_of(together);
        let name = fields.iter().map(|(_, field)| field.stored.as_str()).collect::<Vec<_>>().join(", ");
        let fields = fields.iter().map(|&(at, _)| number(at));
        quote_spanned!(site()=> #private::UniqueSchema { name: #name, fields: &[#(#fields),*] })
    });
    let ttl = optional(bucket.ttl.as_ref().map(|given| {
        let millis = given.value;
        quote_spanned!(site()=> ::core::time::Duration::from_millis(#millis))
    }));
    let max_size = optional(
        bucket
            .max_size
            .as_ref()
            .map(|given| proc_macro2::Literal::u64_unsuffixed(given.value).into_token_stream()),
    );
    let evict = match bucket.evict.as_ref().map_or(Evict::Oldest, |given| given.value) {
        Evict::Oldest => quote!(Oldest),
        Evict::Lru => quote!(Lru),
    };
    let (persistent, version) = (bucket.persistent, proc_macro2::Literal::u32_unsuffixed(bucket.version));
    let renamed_from =
        optional(bucket.rename_from.as_ref().map(|earlier| earlier.value().into_token_stream()));
    quote_spanned! {site()=>
        #private::Schema {
            name: #name,
            rust_type: #shown,
            version: #version,
            renamed_from: #renamed_from,
            fields: &[#(#fields),*],
            indexes: &[#(#indexes),*],
            uniques: &[#(#uniques),*],
            ttl: #ttl,
            max_size: #max_size,
            evict: #private::Evict::#evict,
            persistent: #persistent,
        }
    }
}

/// A field: what is said of it. The rest is as of a plain field, which keeps the code of many fields small.
fn field_schema(names: &Names<'_>, field: &Field, key: bool) -> TokenStream {
    let private = &names.private;
    let Field { stored, name, .. } = field;
    let (rust_type, kind, rules) = (source::text(&field.ty), kind(&field.shape), &field.rules);
    let mut said = Vec::new();
    for (name, holds) in [
        ("required", field.required()),
        ("optional", field.optional),
        ("key", key),
        ("unique", rules.unique.is_some()),
    ] {
        let name = Ident::new(name, site());
        said.extend(holds.then(|| quote_spanned!(site()=> #name: true)));
    }
    let earlier: Vec<String> =
        rules.rename_from.iter().map(syn::LitStr::value).chain(field.serde.aliases.iter().cloned()).collect();
    if !earlier.is_empty() {
        said.push(quote_spanned!(site()=> renamed_from: &[#(#earlier),*]));
    }
    if let Some(given) = &rules.generated {
        let generated = match given.value {
            Generated::Uuid => quote!(Uuid),
            Generated::Cuid => quote!(Cuid),
            Generated::Autoincrement => quote!(Autoincrement),
            Generated::Timestamp => quote!(Timestamp),
        };
        let generated = optional(Some(quote_spanned!(site()=> #private::Generated::#generated)));
        said.push(quote_spanned!(site()=> generated: #generated));
    }
    if let Some(given) = &rules.default {
        let default = match &given.value {
            FieldDefault::Value(value) => source::text(value),
            FieldDefault::OfType | FieldDefault::Stub => "Default::default()".to_owned(),
        };
        let default = optional(Some(default.into_token_stream()));
        said.push(quote_spanned!(site()=> default: #default));
    }
    let constraints: Vec<TokenStream> = constraints(field)
        .into_iter()
        .map(|(name, value)| {
            let value = value.map(|value| quote!((#value)));
            quote_spanned!(site()=> #private::Constraint::#name #value)
        })
        .chain(rules.format.as_ref().map(|given| {
            let format = format(given.value);
            quote_spanned!(site()=> #private::Constraint::Format(#private::Format::#format))
        }))
        .collect();
    if !constraints.is_empty() {
        said.push(quote_spanned!(site()=> constraints: &[#(#constraints),*]));
    }
    if let Some(given) = &rules.references {
        let (bucket, ty) = (&given.value, &field.inner);
        let span = site().located_at(bucket.span());
        let private = names.private_at(span);
        let references = optional(Some(quote_spanned!(span=> #private::reference::<#bucket, #ty>())));
        said.push(quote_spanned!(site()=> references: #references));
    }
    quote_spanned! {site()=>
        #private::FieldSchema {
            name: #stored,
            rust_name: #name,
            rust_type: #rust_type,
            kind: #private::FieldKind::#kind,
            #(#said,)*
            ..#private::FieldSchema::PLAIN
        }
    }
}

/// The rules as data: the variant and its value.
fn constraints(field: &Field) -> Vec<(Ident, Option<TokenStream>)> {
    let rules = &field.rules;
    let variant = |name: &str| Ident::new(name, site());
    let text = |value: &Expr| Some(source::text(value).into_token_stream());
    let length = |value: usize| Some(proc_macro2::Literal::usize_unsuffixed(value).into_token_stream());
    let mut found = Vec::new();
    found.extend(rules.min.as_ref().map(|given| (variant("Min"), text(&given.value))));
    found.extend(rules.max.as_ref().map(|given| (variant("Max"), text(&given.value))));
    found.extend(rules.min_length.as_ref().map(|given| (variant("MinLength"), length(given.value.value))));
    found.extend(rules.max_length.as_ref().map(|given| (variant("MaxLength"), length(given.value.value))));
    found.extend(
        rules
            .pattern
            .as_ref()
            .map(|given| (variant("Pattern"), Some(given.value.value().into_token_stream()))),
    );
    found.extend(rules.one_of.as_ref().map(|given| {
        let members = given.value.iter().map(source::text);
        (variant("OneOf"), Some(quote!(&[#(#members),*])))
    }));
    found.extend(field.finite().then(|| (variant("Finite"), None)));
    found.extend(
        rules
            .validate
            .as_ref()
            .map(|given| (variant("Custom"), Some(source::text(&given.value).into_token_stream()))),
    );
    found
}

/// The variant of the runtime's `Format`.
pub(super) fn format(format: Format) -> TokenStream {
    match format {
        Format::Email => quote!(Email),
        Format::Url => quote!(Url),
        Format::IsoDate => quote!(IsoDate),
    }
}

fn kind(shape: &Shape) -> TokenStream {
    match shape {
        Shape::Text | Shape::Char | Shape::Uuid => quote!(String),
        Shape::Integer { .. } | Shape::Float => quote!(Number),
        Shape::Bool => quote!(Boolean),
        Shape::List { .. } => quote!(Array),
        Shape::Date => quote!(Date),
        Shape::Map | Shape::Unknown => quote!(Object),
    }
}

/// A field's or an index's number, as the runtime counts.
pub(super) fn number(at: usize) -> proc_macro2::Literal {
    proc_macro2::Literal::usize_unsuffixed(at)
}

fn optional(value: Option<TokenStream>) -> TokenStream {
    let option = option();
    match value {
        Some(value) => quote_spanned!(site()=> #option::Some(#value)),
        None => quote_spanned!(site()=> #option::None),
    }
}
