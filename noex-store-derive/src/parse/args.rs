//! The items of `#[bucket(…)]`, read one by one: a bad one is reported and skipped, and the rest still read.

use proc_macro2::{Ident, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Expr, ExprLit, Lit, LitBool, LitInt, LitStr, Meta, Token};

use crate::ctxt::Ctxt;
use crate::model::Given;
use crate::names::{did_you_mean, listed};
use crate::source;

/// One name of an attribute, before what follows it is read.
pub(crate) struct Item<'a> {
    pub name: Ident,
    pub input: ParseStream<'a>,
}

/// Calls `each` with every item of every `#[bucket(…)]` among the attributes.
pub(crate) fn items(
    ctxt: &Ctxt,
    attributes: &[Attribute],
    mut each: impl FnMut(&str, &Item<'_>) -> syn::Result<()>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("bucket")) {
        let list = match &attribute.meta {
            Meta::List(list) if matches!(list.delimiter, syn::MacroDelimiter::Paren(_)) => list,
            meta => {
                ctxt.error(meta, "the attribute takes a list in parentheses: `#[bucket(key)]`");
                continue;
            }
        };
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                item(ctxt, input, &mut each);
            }
            Ok(())
        };
        // The loop reports its own errors; the parser only turns the tokens into a stream.
        ctxt.take(parser.parse2(list.tokens.clone()));
    }
}

fn item(ctxt: &Ctxt, input: ParseStream<'_>, each: &mut impl FnMut(&str, &Item<'_>) -> syn::Result<()>) {
    if !input.peek(syn::Ident::peek_any) {
        ctxt.push(input.error("expected the name of an attribute, like `key` or `min = 0`"));
        skip(input);
    } else if let Some(name) = ctxt.take(input.call(Ident::parse_any)) {
        let word = name.to_string();
        if let Err(error) = each(&word, &Item { name, input }) {
            ctxt.push(error);
            skip(input);
        }
    }
    if input.is_empty() {
        return;
    }
    if input.parse::<Option<Token![,]>>().is_ok_and(|comma| comma.is_none()) {
        ctxt.push(input.error("expected `,` between two attributes"));
        if !input.peek(syn::Ident::peek_any) {
            skip(input);
            // The comma after what was skipped is its own.
            let _ = input.parse::<Option<Token![,]>>();
        }
    }
}

/// Passes over the rest of an item.
fn skip(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) && input.parse::<TokenTree>().is_ok() {}
}

impl Item<'_> {
    pub(crate) fn error(&self, message: impl std::fmt::Display) -> syn::Error {
        syn::Error::new(self.name.span(), message)
    }

    /// A word on its own.
    pub(crate) fn word(&self) -> syn::Result<Ident> {
        if self.input.peek(Token![=]) || self.input.peek(syn::token::Paren) {
            let (mark, takes) =
                (self.input.span(), format!("`{0}` takes no value: write `{0}` alone", self.name));
            return Err(syn::Error::new(mark, takes));
        }
        Ok(self.name.clone())
    }

    /// Reads the `=` of a value.
    fn equals(&self, example: &str) -> syn::Result<()> {
        if self.input.peek(Token![=]) {
            return self.input.parse::<Token![=]>().and_then(|equals| match self.at_end() {
                true => Err(syn::Error::new(equals.span, self.needs(example))),
                false => Ok(()),
            });
        }
        let at = if self.input.peek(syn::token::Paren) { self.input.span() } else { self.name.span() };
        Err(syn::Error::new(at, self.needs(example)))
    }

    fn needs(&self, example: &str) -> String {
        format!("`{}` needs a value: write `{example}`", self.name)
    }

    fn at_end(&self) -> bool {
        self.input.is_empty() || self.input.peek(Token![,])
    }

    /// A value of any syntax.
    pub(crate) fn value<T: Parse>(&self, example: &str) -> syn::Result<Given<T>> {
        self.equals(example)?;
        let value = self.input.parse()?;
        if !self.at_end() {
            let rest = self.input.error(format!("unexpected token after the value of `{}`", self.name));
            return Err(rest);
        }
        Ok(Given { name: self.name.clone(), value })
    }

    /// A value that is a literal of one kind.
    fn literal<T>(
        &self,
        what: &str,
        example: &str,
        take: impl FnOnce(&Lit) -> Option<T>,
    ) -> syn::Result<Given<T>> {
        let given: Given<Expr> = self.value(example)?;
        let taken = literal(&given.value).and_then(take);
        taken.map(|value| Given { name: given.name, value }).ok_or_else(|| {
            syn::Error::new_spanned(
                &given.value,
                format!(
                    "`{}` takes {what}, not `{}`: write `{example}`",
                    self.name,
                    source::text(&given.value)
                ),
            )
        })
    }

    pub(crate) fn string(&self, example: &str) -> syn::Result<Given<LitStr>> {
        self.literal("a string literal", example, |literal| match literal {
            Lit::Str(string) => Some(string.clone()),
            _ => None,
        })
    }

    pub(crate) fn integer(&self, example: &str) -> syn::Result<Given<LitInt>> {
        self.literal("a whole number that is not negative", example, |literal| match literal {
            Lit::Int(integer) => Some(integer.clone()),
            _ => None,
        })
    }

    pub(crate) fn boolean(&self, example: &str) -> syn::Result<Given<LitBool>> {
        self.literal("`true` or `false`", example, |literal| match literal {
            Lit::Bool(boolean) => Some(boolean.clone()),
            _ => None,
        })
    }

    /// One of several words in a string.
    pub(crate) fn choice<T: Copy>(
        &self,
        choices: &[(&'static str, T)],
        example: &str,
    ) -> syn::Result<Given<T>> {
        let given = self.string(example)?;
        let wanted = given.value.value();
        let names = || choices.iter().map(|(name, _)| *name);
        choices
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|&(_, value)| Given { name: given.name, value })
            .ok_or_else(|| {
                let guess = did_you_mean(&wanted, names());
                let end = if guess.is_empty() { "." } else { "" };
                let message = format!(
                    "unknown value `{wanted}` of `{}`{guess}{end} It is one of: {}",
                    self.name,
                    listed(names())
                );
                syn::Error::new(given.value.span(), message)
            })
    }

    /// Puts a value in its place, which must be empty.
    pub(crate) fn fill<T>(&self, place: &mut Option<T>, value: T) -> syn::Result<()> {
        if place.is_some() {
            return Err(self.error(format!("`{}` is given twice: keep one of them", self.name)));
        }
        *place = Some(value);
        Ok(())
    }
}

/// The literal that an expression is, through the invisible groups that `macro_rules` leaves.
pub(crate) fn literal(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Group(group) => literal(&group.expr),
        Expr::Paren(paren) => literal(&paren.expr),
        _ => None,
    }
}
