//! The annotations of a field.

use syn::{Expr, ExprArray, LitInt, Path, Token, Type};

use super::args::{Item, items};
use super::bucket_attrs;
use super::unknown::{guess, unknown};
use crate::ctxt::Ctxt;
use crate::model::{FieldDefault, Format, Generated, Given, Index, Length, Rules};

/// The names of all annotations of fields.
pub(super) const NAMES: [&str; 16] = [
    "key",
    "generated",
    "default",
    "unique",
    "index",
    "one_of",
    "format",
    "min",
    "max",
    "min_length",
    "max_length",
    "pattern",
    "references",
    "validate",
    "allow_non_finite",
    "rename_from",
];

/// Reads the annotations of a field; those that cannot be read are reported, and missing in the result.
pub(super) fn parse(ctxt: &Ctxt, attributes: &[syn::Attribute]) -> Rules {
    let mut rules = Rules::default();
    items(ctxt, attributes, |name, item| one(&mut rules, name, item));
    rules
}

fn one(rules: &mut Rules, name: &str, item: &Item<'_>) -> syn::Result<()> {
    match name {
        "key" => item.fill(&mut rules.key, item.word()?),
        "generated" => item.fill(&mut rules.generated, item.choice(&Generated::ALL, "generated = \"uuid\"")?),
        "default" => item.fill(&mut rules.default, default(item)?),
        "unique" => item.fill(&mut rules.unique, item.word()?),
        "index" => item.fill(&mut rules.index, index(item)?),
        "one_of" => item.fill(&mut rules.one_of, one_of(item)?),
        "format" => item.fill(&mut rules.format, item.choice(&Format::ALL, "format = \"email\"")?),
        "min" => item.fill(&mut rules.min, item.value("min = 0")?),
        "max" => item.fill(&mut rules.max, item.value("max = 100")?),
        "min_length" => item.fill(&mut rules.min_length, length(item, "min_length = 1")?),
        "max_length" => item.fill(&mut rules.max_length, length(item, "max_length = 200")?),
        "pattern" => item.fill(&mut rules.pattern, item.string("pattern = \"^[A-Z]{2}$\"")?),
        "references" => item.fill(&mut rules.references, references(item)?),
        "validate" => item.fill(&mut rules.validate, function(item)?),
        "allow_non_finite" => item.fill(&mut rules.allow_non_finite, item.word()?),
        "rename_from" => item.fill(&mut rules.rename_from, item.string("rename_from = \"mail\"")?.value),
        _ => {
            // One mistake: that there is no key need not be said too.
            if guess(name, &NAMES) == Some("key") {
                rules.key.get_or_insert_with(|| item.name.clone());
            }
            Err(unknown(item, "field", &NAMES, "struct", &bucket_attrs::NAMES))
        }
    }
}

fn default(item: &Item<'_>) -> syn::Result<Given<FieldDefault>> {
    if item.input.is_empty() || item.input.peek(Token![,]) {
        return Ok(Given { name: item.name.clone(), value: FieldDefault::OfType });
    }
    let Given { name, value } = item.value::<Expr>("default = 0")?;
    Ok(Given { name, value: FieldDefault::Value(Box::new(value)) })
}

fn index(item: &Item<'_>) -> syn::Result<Given<Index>> {
    let given = |value| Given { name: item.name.clone(), value };
    if !item.input.peek(syn::token::Paren) {
        item.word().map_err(|error| {
            syn::Error::new(
                error.span(),
                "`index` takes no value: write `index`, or `index(each)` for a collection",
            )
        })?;
        return Ok(given(Index::Whole));
    }
    let content;
    syn::parenthesized!(content in item.input);
    let each: proc_macro2::TokenStream = content.parse()?;
    if each.to_string() == "each" {
        return Ok(given(Index::Each));
    }
    let message = "on a field, `index` stands alone or as `index(each)`: an index over several fields stands on the \
                   struct, `#[bucket(index(a, b))]`";
    Err(if each.is_empty() { item.error(message) } else { syn::Error::new_spanned(each, message) })
}

fn one_of(item: &Item<'_>) -> syn::Result<Given<Vec<Expr>>> {
    let example = "one_of = [\"a\", \"b\"]";
    let Given { name, value } = item.value::<Expr>(example)?;
    match value {
        Expr::Array(ExprArray { elems, bracket_token, .. }) => {
            if elems.is_empty() {
                let message = "`one_of` without members refuses every value: list what is allowed";
                return Err(syn::Error::new(bracket_token.span.join(), message));
            }
            Ok(Given { name, value: elems.into_iter().collect() })
        }
        other => Err(syn::Error::new_spanned(
            other,
            format!("`one_of` takes a list in brackets: write `{example}`"),
        )),
    }
}

fn length(item: &Item<'_>, example: &str) -> syn::Result<Given<Length>> {
    let Given { name, value: literal } = item.integer(example)?;
    let value = whole(&literal)?;
    Ok(Given { name, value: Length { literal, value } })
}

/// A number that fits its type, whatever suffix it has not.
pub(super) fn whole<T: std::str::FromStr<Err: std::fmt::Display>>(literal: &LitInt) -> syn::Result<T> {
    if !matches!(literal.suffix(), "" | "usize") {
        return Err(syn::Error::new(literal.span(), "write the number without a suffix"));
    }
    literal.base10_parse()
}

fn references(item: &Item<'_>) -> syn::Result<Given<Type>> {
    let example = "references = User";
    let message =
        "`references` takes the struct of another bucket, without quotes: write `references = User`";
    let Given { name, value } = item.value::<Expr>(example)?;
    // Read as an expression first, so that a literal or a call is named as such, and not as a broken type.
    match value {
        Expr::Path(path) if path.attrs.is_empty() => Ok(Given {
            name,
            value: Type::Path(syn::TypePath { attrs: path.attrs, qself: path.qself, path: path.path }),
        }),
        other => Err(syn::Error::new_spanned(other, message)),
    }
}

/// The path of a function.
pub(super) fn function(item: &Item<'_>) -> syn::Result<Given<Path>> {
    let Given { name, value } = item.value::<Expr>("validate = path::to::function")?;
    match value {
        Expr::Path(path) if path.qself.is_none() => Ok(Given { name, value: path.path }),
        other => Err(syn::Error::new_spanned(
            other,
            "`validate` takes the path of a function, without quotes or arguments: write `validate = path::to::function`",
        )),
    }
}
