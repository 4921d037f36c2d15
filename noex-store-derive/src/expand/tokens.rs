//! The constants of the fields.

use proc_macro2::TokenStream;
use quote::quote_spanned;

use super::{Names, allow, at_type, getter, getter_mut, site};
use crate::model::Bucket;

/// `impl User { pub const AGE: Field<User, u8, Optional> = …; pub fn draft() …; pub fn patch() … }`
pub(super) fn expand(names: &Names<'_>, bucket: &Bucket) -> TokenStream {
    let Names { record, shown, root, private, draft, patch, .. } = names;
    let constants = (0_u16..).zip(&bucket.fields).filter_map(|(number, field)| {
        let (token, vis, inner) = (field.token.as_ref()?, &field.vis, &field.inner);
        let doc = format!("The `{}` field of [`{shown}`], for filters and orders.", field.name);
        let (get, get_mut) = (getter(names, field), getter_mut(names, field));
        let (presence, make) = if field.optional {
            (
                Some(quote_spanned!(site()=> , #root::Optional)),
                quote_spanned!(at_type(field)=> optional_field),
            )
        } else {
            (None, quote_spanned!(at_type(field)=> field))
        };
        Some(quote_spanned! {site()=>
            #[doc = #doc]
            #vis const #token: #root::Field<#record, #inner #presence> = #private::#make(#number, #get, #get_mut);
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
            #vis fn draft() -> #draft {
                #new_draft
            }

            #[doc = #patch_doc]
            #vis fn patch() -> #patch {
                #new_patch
            }
        }
    }
}
