//! Look-ups by several values that are unique together.

use crate::bucket::Bucket;
use crate::bucket::convert::UniqueKey;
use crate::bucket::definition::hash_together;
use crate::bucket::field::Field;
use crate::bucket::record::Record;
use crate::engine::HashState;
use crate::store::Reader;

/// One of the values.
pub trait Sought<B> {
    /// Its hash.
    fn hash(&self, hash: &HashState) -> u64;
    /// Whether a record has it.
    fn is_in(&self, record: &B) -> bool;
}

struct SoughtIn<'a, B, T, P, Q: ?Sized> {
    field: Field<B, T, P>,
    value: &'a Q,
}

impl<B, T, P, Q: UniqueKey<T> + ?Sized> Sought<B> for SoughtIn<'_, B, T, P, Q> {
    fn hash(&self, hash: &HashState) -> u64 {
        hash.hash(self.value)
    }

    fn is_in(&self, record: &B) -> bool {
        (self.field.get)(record).is_some_and(|own| self.value.matches(own))
    }
}

/// A value that is looked for in a field.
pub fn sought<'a, B: 'a, T: 'a, P: 'a, Q: UniqueKey<T> + ?Sized>(
    field: Field<B, T, P>,
    value: &'a Q,
) -> impl Sought<B> + 'a {
    SoughtIn { field, value }
}

/// What the accessor of fields that are unique together calls.
pub fn by_unique_together<B: Bucket>(
    reader: &Reader<B>,
    number: usize,
    sought: &[&dyn Sought<B>],
) -> Option<Record<B>> {
    let hash = reader.with(|table| {
        let hash = &table.shared().hash;
        hash_together(hash, sought.iter().map(|sought| Some(sought.hash(hash))))
    })?;
    reader.by_unique(number, hash?, |record| sought.iter().all(|sought| sought.is_in(record)))
}
