//! What is said of the bucket's earlier versions.

use syn::LitStr;

use crate::ctxt::Ctxt;
use crate::model::Bucket;

/// Checks the version, the migration, and the earlier names.
pub(super) fn check(ctxt: &Ctxt, bucket: &mut Bucket) {
    if let Some(migrate) = bucket.migrate.take_if(|_| bucket.version == 1) {
        ctxt.error(
            &migrate.name,
            "a bucket that migrates has a version above the one that it migrates from: add `version = 2`",
        );
    }
    let name = bucket.name.clone();
    if let Some(same) = bucket.rename_from.take_if(|earlier| earlier.value() == name) {
        ctxt.error(&same, format!("`{name}` is the bucket's name now: give the one that it had before"));
    }
    let stored: Vec<String> = bucket.fields.iter().map(|field| field.stored.clone()).collect();
    for field in &mut bucket.fields {
        let is_taken = |earlier: &mut LitStr| stored.contains(&earlier.value());
        let Some(taken) = field.rules.rename_from.take_if(is_taken) else { continue };
        let earlier = taken.value();
        let message = if earlier == field.stored {
            format!("`{earlier}` is the field's stored name now: give the one that it had before")
        } else {
            format!("`{earlier}` is the stored name of another field, which its records belong to")
        };
        ctxt.error(&taken, message);
    }
}
