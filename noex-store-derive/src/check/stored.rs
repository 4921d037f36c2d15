//! The names under which fields are stored, and whether they can be read back.

use crate::ctxt::Ctxt;
use crate::model::{Bucket, Field};
use crate::serde_names::name_span;

/// What the store adds to each stored record.
const RESERVED: [&str; 4] = ["_version", "_createdAt", "_updatedAt", "_expiresAt"];

/// Checks the stored names.
pub(super) fn check(ctxt: &Ctxt, bucket: &Bucket) {
    for (at, field) in bucket.fields.iter().enumerate() {
        let span = name_span(&field.serde, &field.ident);
        if let Some(flatten) = &field.serde.flatten {
            ctxt.error(
                flatten,
                "`flatten` is not supported: a bucket's field is stored under one name; remove it, or write the inner \
                 fields in the struct itself",
            );
            continue;
        }
        if bucket.persistent {
            lost(ctxt, field, at == bucket.key, bucket.serde_default);
        }
        if field.serde.skip.is_some() {
            continue;
        }
        if let Some(other) = bucket.fields.iter().take(at).find(|other| {
            other.stored == field.stored && other.serde.skip.is_none() && other.serde.flatten.is_none()
        }) {
            let message = format!(
                "the fields `{}` and `{}` are both stored as `{}`: rename one of them",
                other.name, field.name, field.stored
            );
            ctxt.error_at(span, message);
        }
        if let Some(reserved) = RESERVED.iter().find(|reserved| field.stored.starts_with(*reserved)) {
            let message = format!(
                "`{}` cannot be a stored name: names that start with `{reserved}` are the store's own; rename the \
                 field, or give it another name with `#[serde(rename = \"…\")]`",
                field.stored
            );
            ctxt.error_at(span, message);
        }
    }
}

/// Reports a field whose value would not survive being saved and loaded.
fn lost(ctxt: &Ctxt, field: &Field, is_key: bool, struct_default: bool) {
    let mend = "remove it, or keep the bucket in memory: `#[bucket(persistent = false)]`";
    // A key that is left out of some records only is lost all the same.
    let skip = field.serde.skip.as_ref().or(field.serde.skip_if.as_ref().filter(|_| is_key));
    if let Some(skip) = skip {
        if is_key {
            let message =
                format!("the key would be lost when the bucket is saved, because of `{skip}`: {mend}");
            ctxt.error(skip, message);
        } else if field.required() {
            let message = format!(
                "`{}` would be lost when the bucket is saved, because of `{skip}`, though every record must have it: \
                 {mend}, or say that it may be missing: an `Option`, or `#[bucket(default)]`",
                field.name
            );
            ctxt.error(skip, message);
        }
        return;
    }
    // Serde takes an `Option` that was not written for `None`, but not if a function of the user's own is to read it.
    let is_given = field.serde.default || struct_default || field.optional && !field.serde.with;
    if let Some(skip_if) = field.serde.skip_if.as_ref().filter(|_| !is_given) {
        let message = format!(
            "a record that is saved without `{}`, because of `{skip_if}`, could not be read when the bucket is loaded: add \
             `#[serde(default)]`, remove `{skip_if}`, or keep the bucket in memory: `#[bucket(persistent = false)]`",
            field.name
        );
        ctxt.error(skip_if, message);
    }
    let (written, read) = (&field.stored, field.serde.deserialize.as_ref().unwrap_or(&field.stored));
    let readable = written == read || field.serde.aliases.contains(written);
    let may_miss = !is_key && (field.optional || struct_default);
    if !readable {
        let effect = if may_miss { "would be lost" } else { "could not be read" };
        let message = format!(
            "`{}` is written as `{written}` and read as `{read}`, so it {effect} when the bucket is loaded: use one \
             name, or add `#[serde(alias = \"{written}\")]`",
            field.name
        );
        ctxt.error_at(name_span(&field.serde, &field.ident), message);
    }
}
