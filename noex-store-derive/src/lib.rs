//! The derive macro of noex-store. Use it through `noex_store`, which exports it.

mod check;
mod ctxt;
mod expand;
mod model;
mod names;
mod parse;
mod serde_names;
mod source;
mod types;

#[cfg(test)]
mod tests;

use ctxt::Ctxt;
use parse::Parsed;
use proc_macro2::TokenStream;
use syn::DeriveInput;

/// x
#[proc_macro_derive(Bucket, attributes(bucket))]
pub fn derive_bucket(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    let (items, errors) = derive(&input);
    errors.iter().map(syn::Error::to_compile_error).chain([items]).collect::<TokenStream>().into()
}

/// The generated items, and what is wrong with the input.
fn derive(input: &DeriveInput) -> (TokenStream, Vec<syn::Error>) {
    let (parsed, errors) = Ctxt::collect(|ctxt| {
        let mut parsed = parse::parse(ctxt, input);
        if let Parsed::Bucket(bucket) = &mut parsed {
            check::check(ctxt, bucket);
        }
        parsed
    });
    let items = match &parsed {
        Parsed::Bucket(bucket) => expand::expand(bucket),
        Parsed::Hopeless { runtime } => expand::hopeless(runtime, input),
    };
    (items, errors)
}
