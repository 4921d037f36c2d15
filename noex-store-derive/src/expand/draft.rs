//! The draft: a builder whose type knows which required fields are still missing.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::Expr;

use super::{Names, allow, at_type, give, option, site};
use crate::model::{Bucket, Field, FieldDefault, Generated};

/// The type parameter that tells whether a required field is set.
fn parameter(field: &Field) -> Ident {
    format_ident!("{}_", field.name, span = Span::mixed_site().located_at(field.ident.span()))
}

/// An empty draft.
pub(super) fn new(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { draft, values, .. } = names;
    let (option, fields) = (option(), bucket.fields.iter().map(|field| &field.ident));
    quote_spanned! {site()=>
        #draft { __values: #values { #(#fields: #option::None,)* }, __given: ::core::marker::PhantomData }
    }
}

/// The draft's types and their methods.
pub(super) fn expand(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let types = types(names, bucket);
    let setters = setters(names, bucket);
    let build = build(names, bucket);
    quote_spanned!(site()=> #types #setters #build)
}

fn types(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { private, shown, draft, values, .. } = names;
    let (vis, allow, option) = (&bucket.vis, allow(), option());
    let parameters: Vec<Ident> = bucket.required().map(parameter).collect();
    let needs = (!parameters.is_empty()).then(|| needs(names, bucket));
    let generics =
        (!parameters.is_empty()).then(|| quote_spanned!(site()=> <#(#parameters = #private::Missing),*>));
    let fields = bucket.fields.iter().map(|field| &field.ident);
    let types = bucket.fields.iter().map(|field| &field.ty);
    let doc = format!("A draft of a [`{shown}`]: set the required fields, and any others, then insert it.");
    quote_spanned! {site()=>
        #needs

        #[doc = #doc]
        #[must_use = "a draft does nothing until it is inserted"]
        #allow
        #vis struct #draft #generics {
            __values: #values,
            __given: ::core::marker::PhantomData<(#(#parameters,)*)>,
        }

        #allow
        struct #values {
            #(#fields: #option<#types>,)*
        }
    }
}

/// A trait for each required field, which is there when the field is set. They are many, and not one, because the trait that
/// a draft lacks is what the compiler words its error by.
fn needs(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { private, shown, needs, .. } = names;
    let (vis, allow) = (&bucket.vis, allow());
    let required: Vec<&Ident> = bucket.required().map(|field| &field.ident).collect();
    let traits = bucket.required().map(|field| {
        let Field { ident, name, .. } = field;
        let message = format!("the draft of `{shown}` lacks the required field `{name}`");
        let label = format!("add `.{name}(…)` to the draft");
        quote_spanned! {site()=>
            #[diagnostic::on_unimplemented(
                message = #message,
                label = #label,
                note = "a field is not required when it is an `Option`, generated, or has a `default`"
            )]
            pub trait #ident {}
        }
    });
    let doc = format!("What a draft of a [`{shown}`](super::{shown}) still needs.");
    quote_spanned! {site()=>
        #[doc = #doc]
        #[doc(hidden)]
        #[allow(missing_docs)]
        #allow
        #vis mod #needs {
            #(#traits)*
        }

        #(
            #[automatically_derived]
            impl #needs::#required for #private::Given {}
        )*
    }
}

fn setters(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { draft, .. } = names;
    let allow = allow();
    let parameters: Vec<Ident> = bucket.required().map(parameter).collect();
    let generics = (!parameters.is_empty()).then(|| quote_spanned!(site()=> <#(#parameters),*>));
    let methods = bucket.fields.iter().map(|field| match field.required() {
        true => required_setter(names, bucket, field),
        false => other_setter(names, field),
    });
    quote_spanned! {site()=>
        #[automatically_derived]
        #allow
        impl #generics #draft #generics {
            #(#methods)*
        }
    }
}

fn required_setter(names: &Names<'_>, bucket: &Bucket, field: &Field) -> TokenStream {
    let Names { root, private, draft, .. } = names;
    let Field { ident, vis, ty, .. } = field;
    let doc = format!("Sets `{}`, which is required.", field.name);
    let arguments = bucket.required().map(|other| {
        if other.ident == *ident {
            quote_spanned!(site()=> #private::Given)
        } else {
            parameter(other).into_token_stream()
        }
    });
    quote_spanned! {site()=>
        #[doc = #doc]
        #vis fn #ident(mut self, value: impl #root::IntoField<#ty>) -> #draft<#(#arguments),*> {
            #private::give(&mut self.__values.#ident, value);
            #draft { __values: self.__values, __given: ::core::marker::PhantomData }
        }
    }
}

fn other_setter(names: &Names<'_>, field: &Field) -> TokenStream {
    let Names { root, private, .. } = names;
    let Field { ident, vis, inner, .. } = field;
    let option = option();
    let doc = format!("Sets `{}`.", field.name);
    let give = give(field);
    let maybe = field.maybe.as_ref().map(|maybe| {
        let doc = format!("Sets `{}` if there is a value.", field.name);
        quote_spanned! {site()=>
            #[doc = #doc]
            #vis fn #maybe(mut self, value: #option<impl #root::IntoField<#inner>>) -> Self {
                if let #option::Some(value) = value {
                    #private::#give(&mut self.__values.#ident, value);
                }
                self
            }
        }
    });
    let clear = field.clear.as_ref().map(|clear| {
        let doc = format!("Leaves `{}` empty, even if it has a default.", field.name);
        quote_spanned! {site()=>
            #[doc = #doc]
            #[inline]
            #vis fn #clear(mut self) -> Self {
                self.__values.#ident = #option::Some(#option::None);
                self
            }
        }
    });
    quote_spanned! {site()=>
        #[doc = #doc]
        #vis fn #ident(mut self, value: impl #root::IntoField<#inner>) -> Self {
            #private::#give(&mut self.__values.#ident, value);
            self
        }

        #maybe

        #clear
    }
}

fn build(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { record, root, private, bound, draft, needs, .. } = names;
    let allow = allow();
    let parameters: Vec<Ident> = bucket.required().map(parameter).collect();
    let conditions = bucket.required().map(|field| {
        let ident = &field.ident;
        let mut needs = needs.clone();
        needs.set_span(ident.span());
        // As if the user had written it at the field, which is then shown as the place of the condition.
        quote_spanned!(ident.span()=> #needs::#ident)
    });
    let (declared, used) = if parameters.is_empty() {
        (None, None)
    } else {
        (
            Some(quote_spanned!(site()=> <#(#parameters: #conditions),*>)),
            Some(quote_spanned!(site()=> <#(#parameters),*>)),
        )
    };
    let mut counter = 0_usize..;
    let values = (0_u16..).zip(&bucket.fields).map(|(number, field)| {
        let (ident, value) = (&field.ident, value(names, number, field, &mut counter));
        quote_spanned!(site()=> #ident: #value)
    });
    quote_spanned! {site()=>
        #[automatically_derived]
        #allow
        impl #declared #root::Insertable<#record> for #draft #used #bound {
            #[allow(unused_variables)]
            #[inline]
            fn build(self, fill: &mut #private::Fill<'_>) -> ::core::result::Result<#record, #root::Error> {
                ::core::result::Result::Ok(#record { #(#values,)* })
            }
        }
    }
}

/// What a field gets when the draft is complete.
fn value(
    names: &Names<'_>,
    number: u16,
    field: &Field,
    counter: &mut impl Iterator<Item = usize>,
) -> TokenStream {
    let Names { root, private, .. } = names;
    let (ident, inner, option) = (&field.ident, &field.inner, option());
    let given = quote_spanned!(site()=> self.__values.#ident);
    if field.required() {
        return quote_spanned!(site()=> #private::Fill::required(fill, #number, #given)?);
    }
    let filled = field.rules.generated.as_ref().map(|generated| {
        let given =
            if field.optional { quote_spanned!(site()=> #option::flatten(#given)) } else { given.clone() };
        let number = matches!(generated.value, Generated::Autoincrement).then(|| counter.next()).flatten();
        let method = Ident::new(
            match generated.value {
                Generated::Uuid => "uuid",
                Generated::Cuid => "cuid",
                Generated::Autoincrement => "autoincrement",
                Generated::Timestamp => "timestamp",
            },
            site(),
        );
        let span = at_type(field);
        let private = names.private_at(span);
        let call = match number {
            Some(number) => {
                quote_spanned!(span=> <#inner as #private::AutoIncrement>::fill(fill, #number, #given)?)
            }
            None => quote_spanned!(span=> #private::Fill::#method::<#inner>(fill, #given)),
        };
        if field.optional { quote_spanned!(site()=> #option::Some(#call)) } else { call }
    });
    match (filled, field.rules.default.as_ref().map(|default| &default.value)) {
        (Some(filled), _) => filled,
        (None, Some(FieldDefault::Value(default))) => {
            let ty = &field.ty;
            let default = typed(root, inner, default);
            let default =
                if field.optional { quote_spanned!(site()=> #option::Some(#default)) } else { default };
            quote_spanned!(site()=> #option::unwrap_or_else(#given, || -> #ty { #default }))
        }
        (None, Some(FieldDefault::Stub)) => {
            quote_spanned!(site()=> #option::unwrap_or_else(#given, || #private::stub()))
        }
        (None, Some(FieldDefault::OfType)) if !field.optional => {
            // All of it lies at the type, which is at fault when it has no default.
            let span = at_type(field);
            let private = names.private_at(span);
            quote_spanned!(span=> #private::or_default::<#inner>(self.__values.#ident))
        }
        (None, _) => quote_spanned!(site()=> #option::unwrap_or_default(#given)),
    }
}

/// The default that a record gets which was kept without the field; `None` where serde knows better how it is read.
pub(super) fn kept_default(names: &Names<'_>, field: &Field) -> Option<TokenStream> {
    if field.serde.with || field.serde.skip.is_some() {
        return None;
    }
    let inner = &field.inner;
    match &field.rules.default.as_ref()?.value {
        FieldDefault::Value(default) => {
            let default = typed(names.root, inner, default);
            Some(quote_spanned!(site()=> (|| -> #inner { #default })()))
        }
        // The draft's call says what the type lacks.
        FieldDefault::OfType if !field.optional => {
            let (span, option) = (at_type(field), option());
            let private = names.private_at(span);
            Some(quote_spanned!(span=> #private::or_default::<#inner>(#option::None)))
        }
        FieldDefault::OfType | FieldDefault::Stub => None,
    }
}

/// A default as a value of the field's type. What may be text, or an array for a `Vec`, is turned into it; a call is not,
/// so that its result can be inferred (`"x".into()`).
fn typed(root: &syn::Path, ty: &syn::Type, default: &Expr) -> TokenStream {
    match default {
        Expr::Lit(_)
        | Expr::Path(_)
        | Expr::Array(_)
        | Expr::Reference(_)
        | Expr::Macro(_)
        | Expr::Group(_)
        | Expr::Paren(_)
        | Expr::Unary(_) => quote_spanned!(site()=> #root::IntoField::<#ty>::into_field(#default)),
        _ => default.to_token_stream(),
    }
}
