//! Keys, generated fields, and annotations that do not suit the field's type.

use quote::ToTokens;

use crate::ctxt::Ctxt;
use crate::model::{Field, Generated, Index};
use crate::names::listed;
use crate::source;
use crate::types::{Borrowed, Shape, borrowed};

/// Checks one field. Whether the field leaves the bucket sound.
pub(super) fn check(ctxt: &Ctxt, field: &mut Field, is_key: bool) -> bool {
    let sound = owned(ctxt, field) & (!is_key || key(ctxt, field));
    generated(ctxt, field);
    suits_type(ctxt, field);
    sound
}

fn owned(ctxt: &Ctxt, field: &Field) -> bool {
    let Some(borrowed) = borrowed(&field.ty) else { return true };
    let instead = match borrowed {
        Borrowed::Reference(to) => match source::text(to).as_str() {
            "str" => "`String`".to_owned(),
            to if to.starts_with('[') => {
                format!("`Vec<{}>`", to.trim_start_matches('[').trim_end_matches(']'))
            }
            to => format!("`{to}`"),
        },
        Borrowed::Lifetime => "an owned type".to_owned(),
    };
    let message =
        format!("a bucket owns its data, and `{}` is borrowed: use {instead}", source::text(&field.ty));
    ctxt.error(&field.ty, message);
    false
}

fn key(ctxt: &Ctxt, field: &mut Field) -> bool {
    if field.rules.key.is_none() {
        return true;
    }
    if let Some(unique) = field.rules.unique.take() {
        ctxt.error(unique, "a key is unique by itself: remove `unique`");
    }
    if let Some(default) = field.rules.default.take_if(|_| field.rules.generated.is_none()) {
        let message = "a key has no default, since no two records have the same: remove `default`, or have it made, \
                       `generated = \"uuid\"`";
        ctxt.error(default.name, message);
    }
    if field.shape == Shape::Float {
        let message = format!(
            "`{}` cannot be a key: floating-point numbers are neither `Eq` nor `Ord`; use an integer or text",
            source::text(&field.inner)
        );
        ctxt.error(&field.inner, message);
        return false;
    }
    if field.optional {
        let message =
            format!("a key is never missing: use `{}` instead of the `Option`", source::text(&field.inner));
        ctxt.error(&field.ty, message);
        return false;
    }
    true
}

fn generated(ctxt: &Ctxt, field: &mut Field) {
    let Some(given) = &field.rules.generated else { return };
    let (suits, wants) = match given.value {
        Generated::Uuid => {
            (matches!(field.shape, Shape::Uuid | Shape::Text | Shape::Unknown), "`Uuid` or `String`")
        }
        Generated::Cuid => (matches!(field.shape, Shape::Text | Shape::Unknown), "`String`"),
        Generated::Autoincrement => {
            (matches!(field.shape, Shape::Integer { .. } | Shape::Unknown), "an integer, like `u64`")
        }
        Generated::Timestamp => (
            match field.shape {
                Shape::Integer { name, .. } => matches!(name, "u64" | "i64" | "u128" | "i128"),
                Shape::Float => source::text(&field.inner) == "f64",
                Shape::Date | Shape::Unknown => true,
                _ => false,
            },
            "`u64`, `i64`, `u128`, `i128`, `f64` (milliseconds) or `SystemTime`",
        ),
    };
    let kind = Generated::ALL.iter().find(|(_, value)| *value == given.value).map_or("", |(name, _)| name);
    if let Some(default) = field.rules.default.take() {
        let message = format!(
            "the field is generated (`{kind}`) when it is not given, so its default would never be used: remove \
             `default` or `generated`"
        );
        ctxt.error(default.name, message);
    }
    if !suits {
        let message =
            format!("`generated = \"{kind}\"` needs {wants}, and this is `{}`", source::text(&field.inner));
        ctxt.error(&field.ty, message);
        // Without the rule the field would be required, and each draft that leaves it out a second error.
        field.rules.generated = None;
        field.rules.default =
            Some(crate::model::Given { name: field.ident.clone(), value: crate::model::FieldDefault::Stub });
    }
}

/// Takes out, and reports, what the type is known not to allow.
fn suits_type(ctxt: &Ctxt, field: &mut Field) {
    let Field { rules, shape, inner, .. } = field;
    let what = || format!("`{}` is {}", source::text(&*inner), shape.describe());

    if matches!(shape, Shape::Text | Shape::Bool | Shape::List { .. } | Shape::Map) {
        let instead = match shape {
            Shape::Bool => "remove it",
            Shape::Map | Shape::List { .. } => "for the number of items use `min_length` and `max_length`",
            _ => "for its length use `min_length` and `max_length`",
        };
        for (word, given) in [("min", rules.min.take()), ("max", rules.max.take())] {
            if let Some(given) = given {
                ctxt.error(given.name, format!("`{word}` limits numbers, and {}: {instead}", what()));
            }
        }
    }
    if shape.has_no_length() {
        let (instead, no_limits) = match shape {
            Shape::Integer { .. } | Shape::Float | Shape::Date => ("use `min` and `max`", false),
            _ => ("remove it", true),
        };
        for (word, given) in
            [("min_length", rules.min_length.take()), ("max_length", rules.max_length.take())]
        {
            let instead = if no_limits { instead } else { instead_of(word) };
            if let Some(given) = given {
                let message = format!("`{word}` counts characters or items, and {}: {instead}", what());
                ctxt.error(given.name, message);
            }
        }
    }
    if shape.cannot_be_texts() {
        let names = [
            ("pattern", rules.pattern.take().map(|given| given.name)),
            ("format", rules.format.take().map(|given| given.name)),
        ];
        for (word, name) in names {
            if let Some(name) = name {
                ctxt.error(
                    name,
                    format!("`{word}` checks text, and {}: remove it, or make the field a `String`", what()),
                );
            }
        }
    }
    if shape.is_no_collection()
        && !shape.has_no_total_order()
        && let Some(index) = rules.index.as_mut().filter(|index| index.value == Index::Each)
    {
        let message = format!(
            "`index(each)` makes an entry for each element of a collection, and {}: write `index`",
            what()
        );
        ctxt.error(&index.name, message);
        index.value = Index::Whole;
    }
    if shape.has_no_total_order() {
        let cannot = |word: &str, why: &str| {
            format!(
                "`{word}` is not for `{}`: floating-point numbers {why}; use an integer instead (cents, milliseconds), \
                 or remove `{word}`",
                source::text(&*inner)
            )
        };
        if let Some(index) = &rules.index {
            ctxt.error(&index.name, cannot("index", "have no total order"));
        }
        if let Some(unique) = &rules.unique {
            ctxt.error(unique, cannot("unique", "are not `Eq`"));
        }
    }
    if let Some(word) = &rules.allow_non_finite
        && !shape.may_hold_floats()
    {
        let floats = listed(["f32", "f64"]);
        ctxt.error(
            word.to_token_stream(),
            format!("`allow_non_finite` is for {floats}, and {}: remove it", what()),
        );
    }
}

fn instead_of(word: &str) -> &'static str {
    if word == "min_length" { "use `min`" } else { "use `max`" }
}
