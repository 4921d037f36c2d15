//! A bucket's records between the storage and the table.

use super::{PackedRecords, StoredRecord, StoredRef};

/// Some of a bucket's records, in order, until they are read as the bucket's type. One after the other, parts are the bucket.
#[derive(Clone)]
pub(crate) enum StoredPart {
    /// All of them, as they came.
    Packed(PackedRecords),
    /// Each on its own. `None` where one has been deleted.
    Loose(Vec<Option<StoredRecord>>),
}

impl StoredPart {
    /// So many records are a part at most, if they are each on its own.
    pub(crate) const MOST: usize = 1024;

    /// Parts of so many records as a thread reads at once.
    pub(crate) fn of(records: Vec<StoredRecord>) -> impl Iterator<Item = Self> {
        let mut records = records.into_iter();
        std::iter::from_fn(move || {
            let part: Vec<_> = records.by_ref().take(Self::MOST).map(Some).collect();
            (!part.is_empty()).then_some(Self::Loose(part))
        })
    }

    /// How many places there are, with those that are empty.
    pub(crate) fn places(&self) -> usize {
        match self {
            Self::Packed(records) => records.len(),
            Self::Loose(records) => records.len(),
        }
    }

    /// The record of a place. O(1).
    pub(crate) fn get(&self, at: usize) -> Option<StoredRef<'_>> {
        match self {
            Self::Packed(records) => records.get(at),
            Self::Loose(records) => records.get(at)?.as_ref().map(StoredRef::from),
        }
    }

    /// Each record with its place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, StoredRef<'_>)> {
        let (packed, loose) = match self {
            Self::Packed(records) => (Some(records.iter()), None),
            Self::Loose(records) => (None, Some(records.iter())),
        };
        let packed = packed.into_iter().flatten().enumerate();
        let loose = loose.into_iter().flatten().enumerate();
        packed.chain(loose.filter_map(|(at, record)| Some((at, record.as_ref()?.into()))))
    }

    /// Changes what is at a place. O(bytes of the part), if it is packed.
    pub(crate) fn set(&mut self, at: usize, record: Option<StoredRecord>) {
        if let Self::Packed(records) = self {
            *self = Self::Loose(records.iter().map(|record| Some(record.to_record())).collect());
        }
        if let Self::Loose(records) = self
            && let Some(place) = records.get_mut(at)
        {
            *place = record;
        }
    }

    /// Its records.
    pub(crate) fn into_records(self) -> Vec<StoredRecord> {
        match self {
            Self::Packed(records) => records.to_records(),
            Self::Loose(records) => records.into_iter().flatten().collect(),
        }
    }
}
