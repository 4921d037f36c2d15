//! Tests of what users see: the messages, and where they point.

mod errors;
mod expansions;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{DeriveInput, Error};

/// The expansion of a struct given as text.
fn derive(source: &str) -> (TokenStream, Vec<Error>) {
    let input: DeriveInput = syn::parse_str(source).expect("the test's struct parses");
    crate::derive(&input)
}

/// The errors of a struct, each as its message and the text it points at. Whatever is wrong, the code must parse.
fn errors(source: &str) -> Vec<(String, String)> {
    let (items, errors) = derive(source);
    syn::parse2::<syn::File>(items.clone()).unwrap_or_else(|error| panic!("{error}: {items}"));
    errors
        .into_iter()
        .map(|error| (error.to_string(), error.span().source_text().unwrap_or_default()))
        .collect()
}

/// The expansion as formatted code.
fn pretty(source: &str) -> String {
    let (items, errors) = derive(source);
    assert!(errors.is_empty(), "{}", errors.iter().map(Error::to_compile_error).collect::<TokenStream>());
    prettyplease::unparse(&syn::parse2(items.to_token_stream()).expect("the expansion parses"))
}
