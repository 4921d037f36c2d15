//! A bucket's records between the storage and the table.

use super::{PackedRecords, StoredRecord, StoredRef};

/// Some of a bucket's records, in order, until they are read as the bucket's type. One after the other, parts are the bucket.
#[derive(Clone)]
pub(crate) enum StoredPart {
    /// As they came, but for those that have been changed or deleted since, by their places, in order. Each on its own they would take
    /// twice the memory, and a log of some changes in all parts of a snapshot is nothing rare.
    Packed { records: PackedRecords, changed: Vec<(usize, Option<StoredRecord>)> },
    /// Each on its own. `None` where one has been deleted.
    Loose(Vec<Option<StoredRecord>>),
}

impl StoredPart {
    /// So many records are a part at most, if they are each on its own.
    pub(crate) const MOST: usize = 1024;

    pub(crate) fn packed(records: PackedRecords) -> Self {
        Self::Packed { records, changed: Vec::new() }
    }

    /// Parts of so many records as a thread reads at once.
    pub(crate) fn of(records: Vec<StoredRecord>) -> impl Iterator<Item = Self> {
        let mut records = records.into_iter();
        std::iter::from_fn(move || {
            let part: Vec<_> = records.by_ref().take(Self::MOST).map(Some).collect();
            (!part.is_empty()).then_some(Self::Loose(part))
        })
    }

    /// How many records there are. O(changed), or O(records) if they are each on its own.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Packed { records, changed } => {
                records.len() - changed.iter().filter(|(_, instead)| instead.is_none()).count()
            }
            Self::Loose(records) => records.iter().flatten().count(),
        }
    }

    /// How many places there are, with those that are empty.
    pub(crate) fn places(&self) -> usize {
        match self {
            Self::Packed { records, .. } => records.len(),
            Self::Loose(records) => records.len(),
        }
    }

    /// The record of a place. O(log changed).
    pub(crate) fn get(&self, at: usize) -> Option<StoredRef<'_>> {
        match self {
            Self::Packed { records, changed } => match changed.binary_search_by_key(&at, |(at, _)| *at) {
                Ok(found) => changed.get(found)?.1.as_ref().map(StoredRef::from),
                Err(_) => records.get(at),
            },
            Self::Loose(records) => records.get(at)?.as_ref().map(StoredRef::from),
        }
    }

    /// The records in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = StoredRef<'_>> {
        self.placed().map(|(_, record)| record)
    }

    /// Each record with its place.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (usize, StoredRef<'_>)> {
        let (packed, loose) = match self {
            Self::Packed { records, changed } => (Some((records.iter(), changed)), None),
            Self::Loose(records) => (None, Some(records.iter())),
        };
        let packed = packed.into_iter().flat_map(|(records, changed)| {
            let mut changed = changed.iter().peekable();
            records.enumerate().filter_map(move |(at, record)| match changed.next_if(|(own, _)| *own == at) {
                Some((_, instead)) => Some((at, instead.as_ref()?.into())),
                None => Some((at, record)),
            })
        });
        let loose = loose.into_iter().flatten().enumerate();
        packed.chain(loose.filter_map(|(at, record)| Some((at, record.as_ref()?.into()))))
    }

    /// Changes what is at a place. O(changed); now and then O(bytes of the part).
    pub(crate) fn set(&mut self, place: usize, record: Option<StoredRecord>) {
        match self {
            Self::Packed { records, changed } => {
                match changed.binary_search_by_key(&place, |(at, _)| *at) {
                    Ok(found) => changed[found].1 = record,
                    Err(next) => changed.insert(next, (place, record)),
                }
                if changed.len() * 2 > records.len() {
                    self.loosen();
                }
            }
            Self::Loose(records) => {
                if let Some(own) = records.get_mut(place) {
                    *own = record;
                }
            }
        }
    }

    /// Takes its records apart.
    fn loosen(&mut self) {
        let mut loose = vec![None; self.places()];
        for (at, record) in self.placed() {
            loose[at] = Some(record.to_record());
        }
        *self = Self::Loose(loose);
    }

    /// Its records.
    pub(crate) fn into_records(self) -> Vec<StoredRecord> {
        match self {
            Self::Packed { .. } => self.iter().map(StoredRef::to_record).collect(),
            Self::Loose(records) => records.into_iter().flatten().collect(),
        }
    }
}
