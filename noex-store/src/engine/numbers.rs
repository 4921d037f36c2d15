//! Automatic numbers that were overtaken: between the drawing of a number and the commit, somebody else may have inserted a record
//! that was given the same one.

use super::table::Shared;
use crate::bucket::Bucket;
use crate::error::Error;
use crate::schema::generate::draw;

/// A value that is to be inserted, with the counters that gave it a number.
pub(crate) struct Numbered<B> {
    pub(crate) value: B,
    pub(crate) drawn: Drawn,
}

/// Numbers of counters.
pub(crate) type Drawn = smallvec::SmallVec<[usize; 1]>;

impl<B: Bucket> Numbered<B> {
    /// Whether the key is a number that was drawn.
    pub(crate) fn drew_key(&self) -> bool {
        let schema = B::schema();
        let mut fields = self.drawn.iter().filter_map(|counter| B::definition().counters.get(*counter));
        fields.any(|rule| schema.fields.get(usize::from(rule.field)).is_some_and(|field| field.key))
    }

    /// Draws again where `taken` says that another record has the value's number in a field (it is also told whether the
    /// number is a new one); every number that was drawn, if they come from the `old` counters of a bucket that was dropped
    /// since. Whether any was drawn.
    pub(crate) fn settle(
        &mut self,
        shared: &Shared<B>,
        old: bool,
        taken: &dyn Fn(&B, u16, bool) -> bool,
    ) -> Result<bool, Error> {
        let Self { value, drawn } = self;
        let mut changed = false;
        for counter in drawn.iter() {
            let (Some(rule), Some((field, last))) =
                (shared.definition.counters.get(*counter), shared.counters.get(*counter))
            else {
                continue;
            };
            let (mut again, mut redrawn) = (old, false);
            while again || taken(value, *field, redrawn) {
                (again, redrawn, changed) = (false, true, true);
                draw(B::schema(), *field, last, 0, |number| (rule.write)(value, number).then_some(()))?;
            }
        }
        Ok(changed)
    }
}
