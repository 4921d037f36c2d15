//! Limits, patterns and lists of values: each alone, and against each other.

use regex::Regex;
use syn::{Expr, Lit};

use super::numbers::Number;
use crate::ctxt::Ctxt;
use crate::model::{Field, Given, Rules};
use crate::parse::literal;
use crate::source;
use crate::types::Shape;

/// Checks the values in the annotations of one field.
pub(super) fn check(ctxt: &Ctxt, field: &mut Field) {
    limits(ctxt, field);
    lengths(ctxt, &mut field.rules);
    pattern(ctxt, &mut field.rules);
    one_of(ctxt, field);
}

fn limits(ctxt: &Ctxt, field: &mut Field) {
    for limit in [&mut field.rules.min, &mut field.rules.max] {
        if let Some(message) =
            limit.as_ref().and_then(|given| misfit(&given.value, &field.shape, &field.inner))
            && let Some(given) = limit.take()
        {
            ctxt.error(given.value, message);
        }
    }
    let (Some(min), Some(max)) = (&field.rules.min, &field.rules.max) else { return };
    if let (Some(low), Some(high)) = (Number::of(&min.value), Number::of(&max.value))
        && low > high
    {
        let message = format!(
            "`min` is greater than `max` ({} > {}), so no value is allowed: swap them",
            source::text(&min.value),
            source::text(&max.value)
        );
        ctxt.error(&min.value, message);
        (field.rules.min, field.rules.max) = (None, None);
    }
}

/// Why a literal cannot be a value of the type, as far as both are known.
pub(super) fn misfit(value: &Expr, shape: &Shape, ty: &syn::Type) -> Option<String> {
    let ty = source::text(ty);
    let written = source::text(value);
    if let Some(number) = Number::of(value) {
        return match shape {
            Shape::Integer { .. } if number.is_float() => {
                let whole = written.split_once('.').map_or(written.as_str(), |(whole, _)| whole);
                let whole = whole.trim_end_matches(|letter: char| !letter.is_ascii_digit());
                Some(format!("`{written}` is a float, and the field is `{ty}`: write `{whole}`"))
            }
            Shape::Integer { .. } if !number.fits(shape) => {
                Some(format!("`{written}` is out of range for `{ty}`: {}", range(shape)))
            }
            Shape::Float if !number.is_float() => {
                Some(format!("`{written}` is an integer, and the field is `{ty}`: write `{written}.0`"))
            }
            Shape::Integer { .. } | Shape::Float | Shape::Unknown => None,
            _ => Some(format!("`{written}` is a number, and the field is `{ty}`")),
        };
    }
    let found = match literal(value)? {
        Lit::Str(_) if !matches!(shape, Shape::Text | Shape::Unknown | Shape::Uuid) => "text",
        Lit::Bool(_) if !matches!(shape, Shape::Bool | Shape::Unknown) => "a `bool`",
        Lit::Char(_) if !matches!(shape, Shape::Char | Shape::Text | Shape::Unknown) => "a character",
        _ => return None,
    };
    Some(format!("`{written}` is {found}, and the field is `{ty}`"))
}

fn range(shape: &Shape) -> String {
    match shape {
        Shape::Integer { min: Some(min), max, .. } => format!("it takes -{min} to {max}"),
        Shape::Integer { min: None, max, .. } => format!("it takes 0 to {max}"),
        _ => String::new(),
    }
}

fn lengths(ctxt: &Ctxt, rules: &mut Rules) {
    let (Some(min), Some(max)) = (&rules.min_length, &rules.max_length) else { return };
    if min.value.value > max.value.value {
        let message = format!(
            "`min_length` is greater than `max_length` ({} > {}), so no value is allowed: swap them",
            min.value.value, max.value.value
        );
        ctxt.error(&min.value.literal, message);
        (rules.min_length, rules.max_length) = (None, None);
    }
}

fn pattern(ctxt: &Ctxt, rules: &mut Rules) {
    let Some(given) = &rules.pattern else { return };
    if let Err(error) = Regex::new(&given.value.value()) {
        ctxt.error(&given.value, format!("the regular expression does not compile: {error}"));
        rules.pattern = None;
    }
}

fn one_of(ctxt: &Ctxt, field: &mut Field) {
    let Some(Given { name, value: members }) = field.rules.one_of.take() else { return };
    let mut good: Vec<Expr> = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for member in members {
        let message = if seen.contains(&spelling(&member)) {
            Some(format!("`{}` is listed twice: remove one", source::text(&member)))
        } else {
            member_misfit(&member, field).or_else(|| breaks(&member, field, "this member of `one_of`"))
        };
        seen.push(spelling(&member));
        match message {
            Some(message) => ctxt.error(&member, message),
            None => good.push(member),
        }
    }
    // With a member missing, the list would refuse what the user means to allow.
    if good.len() == seen.len() {
        field.rules.one_of = Some(Given { name, value: good });
    }
}

/// Equal for members that are the same value in two spellings.
fn spelling(member: &Expr) -> String {
    match (Number::of(member), literal(member)) {
        (Some(Number::Integer { negative, magnitude }), _) => {
            format!("{}{magnitude}", if negative { "-" } else { "" })
        }
        (Some(Number::Float(value)), _) => format!("{value:?}"),
        (_, Some(Lit::Str(text))) => format!("{:?}", text.value()),
        _ => source::text(member),
    }
}

/// Why a member cannot be compared with the field. A collection is compared text by text.
fn member_misfit(member: &Expr, field: &Field) -> Option<String> {
    match &field.shape {
        Shape::List { element, .. } if matches!(literal(member), Some(Lit::Str(_))) => {
            misfit(member, element, &field.inner)
        }
        shape => misfit(member, shape, &field.inner),
    }
}

/// Which rule of the field a literal breaks, as far as that can be known here.
pub(super) fn breaks(value: &Expr, field: &Field, what: &str) -> Option<String> {
    let rules = &field.rules;
    let written = source::text(value);
    if let Some(number) = Number::of(value) {
        let beyond = |limit: &Option<Given<Expr>>, wrong: fn(Number, Number) -> bool| {
            let limit = &limit.as_ref()?.value;
            wrong(number, Number::of(limit)?).then(|| source::text(limit))
        };
        return beyond(&rules.min, |number, min| number < min)
            .map(|min| format!("{what}, `{written}`, is less than the field's `min = {min}`"))
            .or_else(|| {
                beyond(&rules.max, |number, max| number > max)
                    .map(|max| format!("{what}, `{written}`, is greater than the field's `max = {max}`"))
            });
    }
    let Some(Lit::Str(text)) = literal(value) else { return None };
    let text = text.value();
    // In a collection, `one_of` and `pattern` look at each text, but the lengths are the collection's own.
    if field.shape == Shape::Text {
        let length = text.chars().count();
        if let Some(min) = rules.min_length.as_ref().filter(|min| length < min.value.value) {
            return Some(format!(
                "{what}, `{written}`, has {length} characters, less than the field's `min_length = {}`",
                min.value.value
            ));
        }
        if let Some(max) = rules.max_length.as_ref().filter(|max| length > max.value.value) {
            return Some(format!(
                "{what}, `{written}`, has {length} characters, more than the field's `max_length = {}`",
                max.value.value
            ));
        }
    }
    if let Some(pattern) = &rules.pattern
        && Regex::new(&pattern.value.value()).is_ok_and(|regex| !regex.is_match(&text))
    {
        return Some(format!("{what}, `{written}`, does not match the field's `pattern`"));
    }
    None
}
