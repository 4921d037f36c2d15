//! The names under which serde stores fields.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Expr, Lit, LitStr, Meta, Token};

use crate::model::SerdeField;
use crate::parse::literal;

/// The cases of `#[serde(rename_all = "…")]`.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Case {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => return None,
        })
    }

    /// The field's name in this case. Like serde's, it takes the Rust name to be in snake case.
    fn apply(self, field: &str) -> String {
        match self {
            Self::Lower | Self::Snake => field.to_owned(),
            Self::Upper | Self::ScreamingSnake => field.to_ascii_uppercase(),
            Self::Pascal => pascal(field),
            Self::Camel => {
                let pascal = pascal(field);
                let mut letters = pascal.chars();
                letters.next().map_or_else(String::new, |first| {
                    first.to_ascii_lowercase().to_string() + letters.as_str()
                })
            }
            Self::Kebab => field.replace('_', "-"),
            Self::ScreamingKebab => field.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn pascal(field: &str) -> String {
    let mut name = String::new();
    let mut capital = true;
    for letter in field.chars() {
        if letter == '_' {
            capital = true;
        } else if capital {
            name.push(letter.to_ascii_uppercase());
            capital = false;
        } else {
            name.push(letter);
        }
    }
    name
}

/// What serde's attributes on the struct say of the names of its fields.
#[derive(Default, Clone, Copy)]
pub(crate) struct SerdeStruct {
    serialize: Option<Case>,
    deserialize: Option<Case>,
    /// Whether missing fields are taken from the struct's own `Default`.
    pub default: bool,
}

impl SerdeStruct {
    /// Reads the attributes. What serde would refuse is left for serde to report.
    pub(crate) fn parse(attributes: &[Attribute]) -> Self {
        let mut names = Self::default();
        each(attributes, |name, input| {
            match name.to_string().as_str() {
                "rename_all" => {
                    let (serialize, deserialize) = renames(input)?;
                    names.serialize =
                        serialize.and_then(|case| Case::parse(&case.value())).or(names.serialize);
                    names.deserialize =
                        deserialize.and_then(|case| Case::parse(&case.value())).or(names.deserialize);
                }
                "default" => names.default = true,
                _ => {}
            }
            Ok(())
        });
        names
    }

    /// The names under which a field is written and read.
    pub(crate) fn names(&self, field: &SerdeField, rust: &str) -> (String, String) {
        let name = |renamed: &Option<String>, case: Option<Case>| {
            renamed.clone().unwrap_or_else(|| case.map_or_else(|| rust.to_owned(), |case| case.apply(rust)))
        };
        (name(&field.serialize, self.serialize), name(&field.deserialize, self.deserialize))
    }
}

impl SerdeField {
    /// Reads the attributes. What serde would refuse is left for serde to report.
    pub(crate) fn parse(attributes: &[Attribute]) -> Self {
        let mut field = Self::default();
        each(attributes, |name, input| {
            match name.to_string().as_str() {
                "rename" => {
                    let (serialize, deserialize) = renames(input)?;
                    field.name_at = serialize.as_ref().or(deserialize.as_ref()).map(LitStr::span);
                    field.serialize = serialize.map(|name| name.value()).or(field.serialize.take());
                    field.deserialize = deserialize.map(|name| name.value()).or(field.deserialize.take());
                }
                "alias" => field.aliases.extend(string(input)?.map(|alias| alias.value())),
                "skip" | "skip_serializing" | "skip_deserializing" => field.skip = Some(name),
                "with" | "serialize_with" | "deserialize_with" => field.with = true,
                "skip_serializing_if" => field.skip_if = Some(name),
                "default" => field.default = true,
                "flatten" => field.flatten = Some(name),
                _ => {}
            }
            Ok(())
        });
        field
    }
}

/// Calls `read` with every item of every `#[serde(…)]`; what `read` leaves of an item is passed over.
fn each(attributes: &[Attribute], mut read: impl FnMut(Ident, ParseStream<'_>) -> syn::Result<()>) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let Meta::List(list) = &attribute.meta else { continue };
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if input.peek(syn::Ident::peek_any) {
                    read(input.call(Ident::parse_any)?, input)?;
                }
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<proc_macro2::TokenTree>()?;
                }
                input.parse::<Option<Token![,]>>()?;
            }
            Ok(())
        };
        // Serde's derive reads the same attribute and reports what is wrong with it.
        let _ = parser.parse2(list.tokens.clone());
    }
}

fn string(input: ParseStream<'_>) -> syn::Result<Option<LitStr>> {
    if input.parse::<Option<Token![=]>>()?.is_none() {
        return Ok(None);
    }
    let value: Expr = input.parse()?;
    Ok(match literal(&value) {
        Some(Lit::Str(string)) => Some(string.clone()),
        _ => None,
    })
}

/// `= "name"`, or `(serialize = "name", deserialize = "name")`.
fn renames(input: ParseStream<'_>) -> syn::Result<(Option<LitStr>, Option<LitStr>)> {
    if !input.peek(syn::token::Paren) {
        let name = string(input)?;
        return Ok((name.clone(), name));
    }
    let content;
    syn::parenthesized!(content in input);
    let (mut serialize, mut deserialize) = (None, None);
    while !content.is_empty() {
        let name = content.call(Ident::parse_any)?;
        let value = string(&content)?;
        match name.to_string().as_str() {
            "serialize" => serialize = value,
            "deserialize" => deserialize = value,
            _ => {}
        }
        content.parse::<Option<Token![,]>>()?;
    }
    Ok((serialize, deserialize))
}

/// Where a stored name is given: in serde's attribute, or at the field itself.
pub(crate) fn name_span(field: &SerdeField, ident: &Ident) -> Span {
    field.name_at.unwrap_or_else(|| ident.span())
}

#[cfg(test)]
mod tests {
    use super::Case;

    #[test]
    fn cases_are_serdes() {
        for (case, expected) in [
            ("lowercase", "placed_at"),
            ("UPPERCASE", "PLACED_AT"),
            ("PascalCase", "PlacedAt"),
            ("camelCase", "placedAt"),
            ("snake_case", "placed_at"),
            ("SCREAMING_SNAKE_CASE", "PLACED_AT"),
            ("kebab-case", "placed-at"),
            ("SCREAMING-KEBAB-CASE", "PLACED-AT"),
        ] {
            assert_eq!(Case::parse(case).map(|case| case.apply("placed_at")).as_deref(), Some(expected));
        }
        assert!(Case::parse("Train-Case").is_none());
    }
}
