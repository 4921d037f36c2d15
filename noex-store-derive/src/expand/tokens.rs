//! The constants of the fields.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;

use super::{Names, allow, at_type, getter, getter_mut, site};
use crate::model::Bucket;

/// `impl User { pub const AGE: Field<User, u8, Optional> = …; pub fn draft() …; pub fn patch() … }`
pub(super) fn expand(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { record, shown, root, private, draft, patch, .. } = names;
    let constants = (0_u16..).zip(&bucket.fields).filter_map(|(number, field)| {
        let (token, vis, inner) = (field.token.as_ref()?, &field.vis, &field.inner);
        let doc = format!("The `{}` field of [`{shown}`], for filters and orders.", field.name);
        let get = getter(names, field);
        // What cannot be added to needs no function that changes it.
        let get_mut = (!field.optional && field.shape.may_be_number()).then(|| {
            let get_mut = getter_mut(names, field);
            quote_spanned!(site()=> , #get_mut)
        });
        let presence = field.optional.then(|| quote_spanned!(site()=> , #root::Optional));
        let make = Ident::new(if get_mut.is_some() { "number_field" } else { "field" }, at_type(field));
        Some(quote_spanned! {site()=>
            #[doc = #doc]
            #vis const #token: #root::Field<#record, #inner #presence> = #private::#make(#number, #get #get_mut);
        })
    });
    let (vis, allow) = (&bucket.vis, allow());
    let new_draft = super::draft::new(names, bucket);
    let new_patch = super::patch::new(names, bucket);
    let draft_doc = format!(
        "Starts a draft: a [`{shown}`] to be inserted, of which only what is required must be given."
    );
    let patch_doc = format!("Starts a patch: a set of changes to a [`{shown}`].");
    quote_spanned! {site()=>
        #[automatically_derived]
        #allow
        impl #record {
            #(#constants)*

            #[doc = #draft_doc]
            #[inline]
            #vis fn draft() -> #draft {
                #new_draft
            }

            #[doc = #patch_doc]
            #[inline]
            #vis fn patch() -> #patch {
                #new_patch
            }
        }
    }
}
