//! Defaults against the rules of their own field.

use syn::{Expr, Lit};

use super::numbers::Number;
use super::values::{breaks, misfit};
use crate::ctxt::Ctxt;
use crate::model::{Field, FieldDefault, Format, Given};
use crate::parse::literal;
use crate::source;

/// Checks a default that is a literal; any other expression is checked with the first record that uses it.
pub(super) fn check(ctxt: &Ctxt, field: &mut Field) {
    let Some(Given { value: FieldDefault::Value(value), .. }) = &field.rules.default else { return };
    if Number::of(value).is_none() && literal(value).is_none() {
        return;
    }
    let message = misfit(value, &field.shape, &field.inner)
        .or_else(|| breaks(value, field, "the default"))
        .or_else(|| not_listed(value, field))
        .or_else(|| misformed(value, field));
    if let Some(message) = message {
        ctxt.error(value, message);
        if let Some(default) = &mut field.rules.default {
            default.value = FieldDefault::Stub;
        }
    }
}

fn not_listed(value: &Expr, field: &Field) -> Option<String> {
    let members = &field.rules.one_of.as_ref()?.value;
    let same = |member: &Expr| match (Number::of(member), Number::of(value)) {
        (Some(member), Some(value)) => Some(member == value),
        _ => match (literal(member)?, literal(value)?) {
            (Lit::Str(member), Lit::Str(value)) => Some(member.value() == value.value()),
            (Lit::Bool(member), Lit::Bool(value)) => Some(member.value == value.value),
            (Lit::Char(member), Lit::Char(value)) => Some(member.value() == value.value()),
            _ => None,
        },
    };
    // A member that is no literal may be anything.
    let refused = members.iter().map(same).all(|same| same == Some(false));
    let listed = members.iter().map(source::text).collect::<Vec<_>>().join(", ");
    refused.then(|| {
        format!("the default, `{}`, is not one of the field's `one_of`: {listed}", source::text(value))
    })
}

fn misformed(value: &Expr, field: &Field) -> Option<String> {
    let format = field.rules.format.as_ref()?.value;
    let Some(Lit::Str(text)) = literal(value) else { return None };
    let text = text.value();
    let (good, needs) = match format {
        Format::Email => (
            text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty()),
            "an e-mail address",
        ),
        Format::Url => {
            (text.starts_with("http://") || text.starts_with("https://"), "an `http` or `https` URL")
        }
        Format::IsoDate => {
            (text.len() >= 8 && text.bytes().take(4).all(|byte| byte.is_ascii_digit()), "an ISO 8601 date")
        }
    };
    (!good).then(|| {
        format!("the default, `{}`, is not {needs}, as the field's `format` asks", source::text(value))
    })
}
