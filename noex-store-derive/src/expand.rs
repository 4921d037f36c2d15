//! From the model to code. Only this module holds quoted code; what is quoted is data and calls, and the runtime does the
//! work.
//!
//! Everything is quoted with [`Span::mixed_site`]: local variables cannot be seen by the user's expressions, and items can.

mod bucket;
mod checks;
mod draft;
mod patch;
mod reads;
mod schema;
mod stub;
mod tokens;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Path, Visibility};

pub(crate) use self::stub::hopeless;
use crate::model::{Bucket, Field};

/// All that is generated for a bucket.
pub(crate) fn expand(bucket: &Bucket) -> TokenStream {
    let names = Names::new(bucket);
    [
        tokens::expand(&names, bucket),
        draft::expand(&names, bucket),
        patch::expand(&names, bucket),
        reads::expand(&names, bucket),
        bucket::expand(&names, bucket),
    ]
    .into_iter()
    .collect()
}

/// The names that all generated items share.
struct Names<'a> {
    /// The struct.
    record: &'a Ident,
    /// The struct's name, for documentation.
    shown: String,
    /// The runtime.
    root: &'a Path,
    /// The runtime's hidden module.
    private: TokenStream,
    /// The condition of every item that needs a bucket. It always holds, or [`bucket`] reports why not; the
    /// lifetime keeps the compiler from checking it at once, and from reporting the same at each of them.
    bound: TokenStream,
    draft: Ident,
    /// What a draft holds.
    values: Ident,
    /// The module of the traits that say what a draft still needs.
    needs: Ident,
    patch: Ident,
    reads: Ident,
}

impl<'a> Names<'a> {
    fn new(bucket: &'a Bucket) -> Self {
        let root = &bucket.runtime;
        let plain = bucket.ident.unraw().to_string();
        let name = |name: String| Ident::new(&name, Span::mixed_site().located_at(bucket.ident.span()));
        let (record, private) = (&bucket.ident, quote_spanned!(site()=> #root::__private));
        Self {
            record,
            root,
            bound: quote_spanned!(site()=> where for<'any> #record: #private::BucketRecord),
            private,
            draft: name(format!("{plain}Draft")),
            values: name(format!("{plain}DraftValues")),
            needs: name(format!("{}_draft_needs", crate::names::snake(&plain))),
            patch: name(format!("{plain}Patch")),
            reads: name(format!("{plain}Reads")),
            shown: plain,
        }
    }
}

impl Names<'_> {
    /// The runtime's hidden module, as if it were written at another place. Only a call that lies at one place as a whole
    /// is shown there when it is at fault.
    fn private_at(&self, span: Span) -> TokenStream {
        self.private
            .clone()
            .into_iter()
            .map(|mut token| {
                // What the user wrote resolves where the user wrote it: `$crate`.
                token.set_span(span.resolved_at(token.span()));
                token
            })
            .collect()
    }
}

/// Where local variables live.
fn site() -> Span {
    Span::mixed_site()
}

/// Where an error about the field's type should point.
fn at_type(field: &Field) -> Span {
    Span::mixed_site().located_at(field.inner.span())
}

/// The path of `Option`, `Some` and the like, whatever the user's module calls by these names.
fn option() -> TokenStream {
    quote_spanned!(site()=> ::core::option::Option)
}

/// A reference to the field's value in `it`, in an `Option`.
fn value(field: &Field) -> TokenStream {
    let ident = &field.ident;
    if field.optional {
        quote_spanned!(at_type(field)=> ::core::option::Option::as_ref(&it.#ident))
    } else {
        quote_spanned!(at_type(field)=> ::core::option::Option::Some(&it.#ident))
    }
}

/// The function that reads the field from a record.
fn getter(names: &Names<'_>, field: &Field) -> TokenStream {
    let (record, value) = (names.record, value(field));
    quote_spanned!(at_type(field)=> |it: &#record| #value)
}

/// The function that gives the field of a record to be changed.
fn getter_mut(names: &Names<'_>, field: &Field) -> TokenStream {
    let (record, ident) = (names.record, &field.ident);
    quote_spanned!(at_type(field)=> |it: &mut #record| &mut it.#ident)
}

/// The function of the runtime that puts a value into the field of a draft or a patch.
fn give(field: &Field) -> Ident {
    Ident::new(if field.optional { "give_optional" } else { "give" }, site())
}

/// Lints that look at names, and names come from fields; and that all is used, which need not be. The compiler spares
/// generated code these and others, but not where a macro of the user's own has written the derive.
fn allow() -> TokenStream {
    quote!(#[allow(dead_code, non_camel_case_types, non_snake_case)])
}

/// The visibility of a method that shows several fields: the narrowest, as far as that can be told.
fn narrowest<'a>(visibilities: impl IntoIterator<Item = &'a Visibility>) -> TokenStream {
    let rank = |vis: &Visibility| match vis {
        Visibility::Public(_) => 2,
        Visibility::Restricted(_) => 1,
        Visibility::Inherited => 0,
    };
    visibilities.into_iter().min_by_key(|vis| rank(vis)).map(ToTokens::to_token_stream).unwrap_or_default()
}
