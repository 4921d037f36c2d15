//! The checks: for each field with rules, one function that calls the runtime's checks.

use proc_macro2::{Literal, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Expr, Lit};

use super::{Names, at_type, schema, site, value};
use crate::model::{Bucket, Field};
use crate::parse::literal;

/// The members of the definition's `checks`.
pub(super) fn expand(names: &Names<'_>, bucket: &Bucket) -> Vec<TokenStream> {
    let Names { record, private, .. } = names;
    let fields = bucket.fields.iter().enumerate().filter_map(|(at, field)| {
        let calls = calls(names, at, field);
        (!calls.is_empty())
            .then(|| quote_spanned!(site()=> |it: &#record, report: &mut #private::Report| { #(#calls)* }))
    });
    let whole = bucket.validate.iter().map(|path| {
        let span = site().located_at(path.span());
        let at = names.private_at(span);
        let call = quote_spanned!(span=> #at::check::custom_record(report, it, #path););
        quote_spanned!(site()=> |it: &#record, report: &mut #private::Report| { #call })
    });
    fields.chain(whole).collect()
}

/// The calls for one field. They are located at its type, which is at fault when a call does not suit it.
fn calls(names: &Names<'_>, at: usize, field: &Field) -> Vec<TokenStream> {
    let (rules, inner) = (&field.rules, &field.inner);
    let (number, value, span) = (Literal::usize_unsuffixed(at), value(field), at_type(field));
    let private = &names.private_at(span);
    let check = quote_spanned!(span=> #private::check);
    let mut calls = Vec::new();
    let mut limit = |name: TokenStream, limit: &Expr| {
        let limit = borrowed(limit);
        calls.push(quote_spanned!(span=> #check::#name::<#inner>(report, #number, #value, #limit);));
    };
    if let Some(min) = &rules.min {
        limit(quote_spanned!(span=> min), &min.value);
    }
    if let Some(max) = &rules.max {
        limit(quote_spanned!(span=> max), &max.value);
    }
    if let Some(length) = rules.min_length.as_ref().map(|given| Literal::usize_unsuffixed(given.value.value))
    {
        calls.push(quote_spanned!(span=> #check::min_length::<#inner>(report, #number, #value, #length);));
    }
    if let Some(length) = rules.max_length.as_ref().map(|given| Literal::usize_unsuffixed(given.value.value))
    {
        calls.push(quote_spanned!(span=> #check::max_length::<#inner>(report, #number, #value, #length);));
    }
    if let Some(pattern) = rules.pattern.as_ref().map(|given| given.value.value()) {
        calls.push(quote_spanned! {span=>
            static PATTERN: #private::Pattern = #private::Pattern::new(#pattern);
            #check::pattern::<#inner>(report, #number, #value, &PATTERN);
        });
    }
    if let Some(given) = &rules.format {
        let format = schema::format(given.value);
        calls.push(quote_spanned! {span=>
            #check::format::<#inner>(report, #number, #value, #private::Format::#format);
        });
    }
    if let Some(given) = &rules.one_of {
        let members = &given.value;
        let texts = members.iter().all(|member| matches!(literal(member), Some(Lit::Str(_))));
        calls.push(if texts || field.shape.is_texts() {
            quote_spanned!(span=> #check::one_of_text::<#inner>(report, #number, #value, &[#(#members),*]);)
        } else {
            quote_spanned!(span=> #check::one_of::<#inner>(report, #number, #value, &[#(#members),*]);)
        });
    }
    if field.finite() {
        calls.push(quote_spanned!(span=> #check::finite::<#inner>(report, #number, #value);));
    }
    if let Some(path) = rules.validate.as_ref().map(|given| &given.value) {
        // The function is at fault when it does not suit the field.
        let span = site().located_at(path.span());
        let private = names.private_at(span);
        calls.push(quote_spanned!(span=> #private::check::custom(report, #number, #value, #path);));
    }
    calls
}

/// A reference to an expression, which is at fault when it has not the field's type.
fn borrowed(expr: &Expr) -> TokenStream {
    let value = match expr {
        Expr::Lit(_)
        | Expr::Path(_)
        | Expr::Call(_)
        | Expr::MethodCall(_)
        | Expr::Unary(_)
        | Expr::Paren(_)
        | Expr::Macro(_) => quote_spanned!(site()=> #expr),
        _ => quote_spanned!(site()=> (#expr)),
    };
    quote_spanned!(expr.span()=> &#value)
}
