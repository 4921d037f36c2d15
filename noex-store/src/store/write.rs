//! What all writes have in common, whoever makes them: checks, patches, and their errors.

use crate::bucket::convert::UniqueKey;
use crate::bucket::record::Record;
use crate::bucket::{Bucket, Insertable, Patch};
use crate::engine::Numbered;
use crate::error::Error;
use crate::schema::generate::Fill;

pub(crate) use crate::bucket::validate;

pub(super) fn not_found<B: Bucket, Q: UniqueKey<B::Key> + ?Sized>(key: &Q) -> Error {
    Error::NotFound { bucket: B::NAME, key: format!("{key:?}") }
}

pub(super) fn in_batch(row: usize, error: Error) -> Error {
    Error::Batch { row, error: Box::new(error) }
}

/// A changed and checked copy of a record.
pub(super) fn changed<B: Bucket>(
    old: &Record<B>,
    change: &mut dyn FnMut(&mut B) -> Result<(), Error>,
) -> Result<B, Error> {
    let mut value = old.value().clone();
    change(&mut value)?;
    validate(&value)?;
    Ok(value)
}

/// A copy of a record with a patch applied, checked.
pub(super) fn patched<B: Bucket>(old: &Record<B>, patch: &impl Patch<B>) -> Result<B, Error> {
    changed(old, &mut |value| patch.apply(value))
}

/// What is to be inserted, completed and checked, with the numbers that it drew.
pub(super) fn build<B: Bucket>(value: impl Insertable<B>, fill: &mut Fill<'_>) -> Result<Numbered<B>, Error> {
    let value = value.build(fill)?;
    validate(&value)?;
    Ok(Numbered { value, drawn: std::mem::take(&mut fill.drawn) })
}
