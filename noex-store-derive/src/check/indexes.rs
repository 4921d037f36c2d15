//! Indexes over several fields, ordered ones and unique ones, and the names of the methods that read indexes.

use proc_macro2::{Ident, Span};

use crate::ctxt::Ctxt;
use crate::model::{Bucket, Compound, Field};
use crate::names::{did_you_mean, listed};
use crate::source;

/// Finds the fields of the compound indexes, and names the accessors of all indexes.
pub(super) fn check(ctxt: &Ctxt, bucket: &mut Bucket) {
    let fields = &bucket.fields;
    let mut known: Vec<Vec<usize>> = Vec::new();
    bucket.compounds.retain_mut(|compound| {
        let good = resolve(ctxt, compound, fields);
        if good && known.contains(&compound.fields) {
            ctxt.error(&compound.at, "this index is given twice: remove one");
            return false;
        }
        known.push(compound.fields.clone());
        good
    });
    let key = bucket.key;
    let mut known: Vec<Vec<usize>> = Vec::new();
    bucket.together.retain_mut(|together| {
        if !resolve(ctxt, together, fields) {
            return false;
        }
        let alone =
            |at: &usize| *at == key || fields.get(*at).is_some_and(|field| field.rules.unique.is_some());
        let mut given = together.fields.iter().zip(&together.names);
        if let Some((field, at)) =
            given.find(|(at, _)| alone(at)).and_then(|(at, name)| Some((fields.get(*at)?, name)))
        {
            let message = format!(
                "`{}` is unique alone, so with others it is too: leave it out, or remove this",
                field.name
            );
            ctxt.error(at, message);
            return false;
        }
        let mut fields = together.fields.clone();
        fields.sort_unstable();
        if known.contains(&fields) {
            ctxt.error(&together.at, "these fields are said to be unique together twice: remove one");
            return false;
        }
        known.push(fields);
        true
    });
    accessors(ctxt, bucket);
}

fn resolve(ctxt: &Ctxt, compound: &mut Compound, fields: &[Field]) -> bool {
    let is_unique = compound.is_unique();
    let mut good = true;
    for name in &compound.names {
        let plain = name.to_string();
        let plain = plain.trim_start_matches("r#");
        match fields.iter().position(|field| field.name == plain) {
            Some(at) if compound.fields.contains(&at) => {
                ctxt.error(name, format!("`{plain}` is given here twice: remove one"));
                good = false;
            }
            Some(at) => {
                if let Some(field) = fields.get(at).filter(|field| field.shape.has_no_total_order()) {
                    let (cannot, why) = match is_unique {
                        true => ("be unique", "are not `Eq`"),
                        false => ("be in an index", "have no total order"),
                    };
                    let message = format!(
                        "`{plain}` cannot {cannot}: it is `{}`, and floating-point numbers {why}; \
                         use an integer instead (cents, milliseconds), or leave it out",
                        source::text(&field.inner)
                    );
                    ctxt.error(name, message);
                    good &= !is_unique;
                }
                compound.fields.push(at);
            }
            None => {
                let candidates = || fields.iter().map(|field| field.name.as_str());
                let guess = did_you_mean(plain, candidates());
                let end = if guess.is_empty() { "." } else { "" };
                let message = format!(
                    "the struct has no field `{plain}`{guess}{end} Its fields: {}",
                    listed(candidates())
                );
                ctxt.error(name, message);
                good = false;
            }
        }
    }
    good
}

fn accessors(ctxt: &Ctxt, bucket: &mut Bucket) {
    let mut taken: Vec<String> = Vec::new();
    for (at, field) in bucket.fields.iter_mut().enumerate() {
        // `get` is what `by_<key>` would be.
        let read = field.rules.unique.is_some() || field.rules.index.is_some();
        // Without its constant the accessor of a unique field has nothing to stand on.
        if at != bucket.key && read && field.token.is_some() {
            let name = format!("by_{}", field.name);
            field.accessor = Some(Ident::new(&name, Span::mixed_site().located_at(field.ident.span())));
            taken.push(name);
        }
    }
    let unique: Vec<Vec<usize>> = bucket.together.iter().map(|together| together.fields.clone()).collect();
    for compound in bucket.together.iter_mut().chain(&mut bucket.compounds) {
        let parts: Vec<&str> =
            compound.fields.iter().filter_map(|&at| Some(bucket.fields.get(at)?.name.as_str())).collect();
        let name = format!("by_{}", parts.join("_and_"));
        if !compound.is_unique() && unique.contains(&compound.fields) {
            // The method finds the one record; the order is there for filters, as with a single field that is both.
        } else if taken.contains(&name) {
            let message = format!("two indexes would both be read by `{name}`: rename a field");
            ctxt.error(&compound.at, message);
        } else {
            compound.accessor = Some(Ident::new(&name, Span::mixed_site().located_at(compound.at.span())));
            taken.push(name);
        }
    }
}
