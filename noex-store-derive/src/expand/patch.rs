//! The patch: a set of changes.

use proc_macro2::TokenStream;
use quote::quote_spanned;

use super::{Names, allow, give, option, site};
use crate::model::{Bucket, Field};

fn changeable(bucket: &Bucket) -> impl Iterator<Item = &Field> {
    bucket.fields.iter().enumerate().filter(|(at, _)| *at != bucket.key).map(|(_, field)| field)
}

/// An empty patch.
pub(super) fn new(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let (patch, option) = (&names.patch, option());
    let fields = changeable(bucket).map(|field| &field.ident);
    quote_spanned!(site()=> #patch { #(#fields: #option::None,)* })
}

/// The patch's type and its methods.
pub(super) fn expand(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { record, shown, root, private, bound, patch, .. } = names;
    let (vis, allow, option) = (&bucket.vis, allow(), option());
    let fields: Vec<_> = changeable(bucket).map(|field| &field.ident).collect();
    let types = changeable(bucket).map(|field| &field.ty);
    let setters = changeable(bucket).map(|field| setter(names, field));
    let key = bucket.fields.get(bucket.key).filter(|_| bucket.sound).map(|key| key_setter(names, key));
    let doc = format!("A set of changes to a [`{shown}`]. The key cannot change.");
    let is_empty = if fields.is_empty() {
        quote_spanned!(site()=> true)
    } else {
        quote_spanned!(site()=> #(#option::is_none(&self.#fields))&&*)
    };
    quote_spanned! {site()=>
        #[doc = #doc]
        #[must_use = "a patch does nothing until it is given to `update`"]
        #[derive(::core::clone::Clone)]
        #allow
        #vis struct #patch {
            #(#fields: #option<#types>,)*
        }

        #[automatically_derived]
        #allow
        impl #patch {
            #(#setters)*

            #key
        }

        #[automatically_derived]
        #allow
        impl #root::Patch<#record> for #patch #bound {
            type Outcome = #root::Record<#record>;

            #[allow(unused_variables)]
            #[inline]
            fn apply(&self, it: &mut #record) -> ::core::result::Result<(), #root::Error> {
                #(#private::assign(&self.#fields, &mut it.#fields);)*
                ::core::result::Result::Ok(())
            }

            #[inline]
            fn is_empty(&self) -> bool {
                #is_empty
            }
        }
    }
}

/// What says, when it is called, that the key cannot change.
fn key_setter(names: &Names<'_>, key: &Field) -> TokenStream {
    let private = &names.private;
    let Field { ident, vis, .. } = key;
    quote_spanned! {site()=>
        #[doc(hidden)]
        #vis fn #ident(self, _: impl ::core::marker::Sized) -> Self
        where
            for<'any> Self: #private::ChangeKey,
        {
            self
        }
    }
}

fn setter(names: &Names<'_>, field: &Field) -> TokenStream {
    let Names { root, private, .. } = names;
    let Field { ident, vis, inner, .. } = field;
    let (option, give) = (option(), give(field));
    let doc = format!("Changes `{}`.", field.name);
    let clear = field.clear.as_ref().map(|clear| {
        let doc = format!("Empties `{}`.", field.name);
        quote_spanned! {site()=>
            #[doc = #doc]
            #[inline]
            #vis fn #clear(mut self) -> Self {
                self.#ident = #option::Some(#option::None);
                self
            }
        }
    });
    quote_spanned! {site()=>
        #[doc = #doc]
        #vis fn #ident(mut self, value: impl #root::IntoField<#inner>) -> Self {
            #private::#give(&mut self.#ident, value);
            self
        }

        #clear
    }
}
