//! What stands for a bucket that cannot be: one mistake should not be reported again by every use of the struct.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Path};

use super::{allow, site};

/// An implementation for what has no model.
pub(crate) fn hopeless(runtime: &Path, input: &DeriveInput) -> TokenStream {
    let private = quote!(#runtime::__private);
    let (record, allow) = (&input.ident, allow());
    let name = record.to_string();
    let (declared, used, own) = input.generics.split_for_impl();
    // Put off until the bucket is used: other traits may be missing for the same reason as the bucket.
    let mut condition = quote_spanned!(site()=> where for<'any> Self: #private::BucketRecord);
    if let Some(own) = own {
        let predicates = &own.predicates;
        condition = quote_spanned!(site()=> #condition, #predicates);
    }
    quote_spanned! {site()=>
        #allow
        const _: () = {
            #[automatically_derived]
            impl #declared #runtime::Bucket for #record #used #condition {
                type Key = ();
                type Reads = #private::StubReads<Self>;
                const NAME: &'static str = #name;

                fn key(&self) -> &() {
                    #private::stub()
                }

                fn definition() -> &'static #private::Definition<Self> {
                    #private::stub()
                }
            }
        };
    }
}
