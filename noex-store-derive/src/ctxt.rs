//! Collects the errors of one derive, so that the user sees all of them at once.

use std::cell::RefCell;
use std::fmt::Display;

use proc_macro2::Span;
use quote::ToTokens;

/// The errors found so far.
///
/// There is no way to lose them: [`Ctxt::collect`] is the only source of a `Ctxt`, and hands them out at its end.
pub(crate) struct Ctxt {
    errors: RefCell<Vec<syn::Error>>,
}

impl Ctxt {
    /// Runs `work`, and gives its result with all the errors it found.
    pub(crate) fn collect<T>(work: impl FnOnce(&Self) -> T) -> (T, Vec<syn::Error>) {
        let ctxt = Self { errors: RefCell::default() };
        let result = work(&ctxt);
        (result, ctxt.errors.into_inner())
    }

    /// Adds an error that spans all of `tokens`.
    pub(crate) fn error(&self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds an error at a span.
    pub(crate) fn error_at(&self, span: Span, message: impl Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Adds an error that was made elsewhere.
    pub(crate) fn push(&self, error: syn::Error) {
        self.errors.borrow_mut().push(error);
    }

    /// Takes the value, or adds the error.
    pub(crate) fn take<T>(&self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }
}
