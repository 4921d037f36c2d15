//! What two annotations, or an annotation and its field, must not say together.
//!
//! A rule that is wrong is reported and taken out of the model, so that the code that is generated all the same has no
//! mistakes of its own to show.

mod defaults;
mod fields;
mod indexes;
mod numbers;
mod stored;
mod values;
mod versions;

use crate::ctxt::Ctxt;
use crate::model::Bucket;
use crate::names;

/// Checks the whole bucket.
pub(crate) fn check(ctxt: &Ctxt, bucket: &mut Bucket) {
    for (at, field) in bucket.fields.iter_mut().enumerate() {
        bucket.sound &= fields::check(ctxt, field, at == bucket.key);
        values::check(ctxt, field);
        defaults::check(ctxt, field);
    }
    stored::check(ctxt, bucket);
    versions::check(ctxt, bucket);
    tokens(ctxt, bucket);
    indexes::check(ctxt, bucket);
    if let Some(evict) = bucket.evict.as_ref().filter(|_| bucket.max_size.is_none()) {
        ctxt.error(
            &evict.name,
            "`evict` says what leaves a full bucket, and this one is never full: add `max_size = 10_000`, or remove `evict`",
        );
        bucket.evict = None;
    }
}

/// Gives each field its constant and its setters, unless another field has taken the name.
fn tokens(ctxt: &Ctxt, bucket: &mut Bucket) {
    let setters: Vec<String> = bucket.fields.iter().map(|field| field.name.clone()).collect();
    let mut taken: Vec<(String, String)> = Vec::new();
    for field in &mut bucket.fields {
        let token = names::screaming(&field.name);
        if let Some((_, other)) = taken.iter().find(|(name, _)| *name == token) {
            let message = format!(
                "the fields `{other}` and `{}` would both have the constant `{token}`: rename one of them",
                field.name
            );
            ctxt.error(&field.ident, message);
        } else {
            field.token = Some(proc_macro2::Ident::new(&token, field.ident.span()));
            taken.push((token, field.name.clone()));
        }
        if field.optional {
            let method = |prefix: &str, does: &str| {
                let name = format!("{prefix}_{}", field.name);
                if setters.contains(&name) {
                    let message = format!(
                        "the method that {does} `{}` and the setter of `{name}` would both be `{name}`: rename one of \
                         the fields",
                        field.name
                    );
                    ctxt.error(&field.ident, message);
                    return None;
                }
                Some(proc_macro2::Ident::new(&name, field.ident.span()))
            };
            field.clear = method("clear", "empties");
            field.maybe = method("maybe", "takes an `Option` for");
        }
    }
}
