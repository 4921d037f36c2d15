//! Records as they are kept, many in one text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::StoredRecord;

/// A [`StoredRecord`] that another value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRef<'a> {
    /// The key, as JSON.
    pub key: &'a str,
    /// The whole value, as JSON.
    pub value: &'a str,
    /// How often it was written.
    pub version: u64,
    /// When it was inserted; all times are milliseconds since 1970-01-01 UTC.
    pub created_at: u64,
    /// When it was last written.
    pub updated_at: u64,
    /// When it expires.
    pub expires_at: Option<u64>,
}

impl StoredRef<'_> {
    /// A record of its own. O(bytes), two allocations.
    ///
    /// ```
    /// # use noex_store::{PackedRecords, StoredRef};
    /// # let one = StoredRef { key: "7", value: "{}", version: 1, created_at: 5, updated_at: 5, expires_at: None };
    /// assert_eq!(StoredRef::from(&one.to_record()), one);
    /// ```
    pub fn to_record(self) -> StoredRecord {
        let Self { key, value, version, created_at, updated_at, expires_at } = self;
        let (key, value) = (key.to_owned(), value.to_owned());
        StoredRecord { key, value, version, created_at, updated_at, expires_at }
    }
}

impl<'a> From<&'a StoredRecord> for StoredRef<'a> {
    fn from(record: &'a StoredRecord) -> Self {
        let StoredRecord { key, value, version, created_at, updated_at, expires_at } = record;
        let (version, created_at, updated_at) = (*version, *created_at, *updated_at);
        Self { key, value, version, created_at, updated_at, expires_at: *expires_at }
    }
}

/// Where a record's key and value end in the text; they begin where those before them end.
#[derive(Debug, Clone)]
struct Entry {
    key_end: usize,
    value_end: usize,
    version: u64,
    created_at: u64,
    updated_at: u64,
    expires_at: Option<u64>,
}

/// Records in order, whose keys and values are one text: two allocations for all, and not two for each. What an adapter gives to
/// [`LoadSink::packed`](crate::LoadSink::packed) if it can read records without an allocation for each.
///
/// ```
/// use noex_store::{PackedRecords, StoredRef};
///
/// let (key, value) = ("7", r#"{"id":7}"#);
/// let mut records = PackedRecords::default();
/// records.push(StoredRef { key, value, version: 1, created_at: 5, updated_at: 5, expires_at: None });
/// assert_eq!(records.iter().map(|record| record.value).collect::<Vec<_>>(), [r#"{"id":7}"#]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct PackedRecords {
    text: String,
    entries: Vec<Entry>,
}

impl PackedRecords {
    /// Adds a record behind the others. O(bytes), amortized.
    ///
    /// ```
    /// # use noex_store::{PackedRecords, StoredRef};
    /// # let one = StoredRef { key: "7", value: "{}", version: 1, created_at: 5, updated_at: 5, expires_at: None };
    /// let mut records = PackedRecords::default();
    /// records.push(one);
    /// assert_eq!(records.len(), 1);
    /// ```
    pub fn push(&mut self, record: StoredRef<'_>) {
        let StoredRef { key, value, version, created_at, updated_at, expires_at } = record;
        self.text.push_str(key);
        let key_end = self.text.len();
        self.text.push_str(value);
        let value_end = self.text.len();
        self.entries.push(Entry { key_end, value_end, version, created_at, updated_at, expires_at });
    }

    /// How many there are. O(1).
    ///
    /// ```
    /// # use noex_store::{PackedRecords, StoredRef};
    /// # let one = StoredRef { key: "7", value: "{}", version: 1, created_at: 5, updated_at: 5, expires_at: None };
    /// assert_eq!(PackedRecords::from_iter([one, one]).len(), 2);
    /// ```
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none. O(1).
    ///
    /// ```
    /// # use noex_store::{PackedRecords, StoredRef};
    /// # let one = StoredRef { key: "7", value: "{}", version: 1, created_at: 5, updated_at: 5, expires_at: None };
    /// assert!(PackedRecords::default().is_empty() && !PackedRecords::from_iter([one]).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The record of a place, from 0 on; `None` if there are not so many. O(1), no allocation.
    ///
    /// ```
    /// # use noex_store::{PackedRecords, StoredRef};
    /// # let one = StoredRef { key: "7", value: "{}", version: 1, created_at: 5, updated_at: 5, expires_at: None };
    /// let records = PackedRecords::from_iter([one]);
    /// assert_eq!((records.get(0), records.get(1)), (Some(one), None));
    /// ```
    pub fn get(&self, at: usize) -> Option<StoredRef<'_>> {
        let start = if at == 0 { 0 } else { self.entries.get(at - 1)?.value_end };
        Some(self.record(start, self.entries.get(at)?))
    }

    /// The record of an entry, whose key begins at `start`.
    fn record(&self, start: usize, entry: &Entry) -> StoredRef<'_> {
        let Entry { key_end, value_end, version, created_at, updated_at, expires_at } = *entry;
        // The ends are where texts were put together.
        let key = self.text.get(start..key_end).unwrap_or_default();
        let value = self.text.get(key_end..value_end).unwrap_or_default();
        StoredRef { key, value, version, created_at, updated_at, expires_at }
    }

    /// All of them, in order. O(1) each, no allocation.
    ///
    /// ```
    /// # use noex_store::{PackedRecords, StoredRef};
    /// # let one = StoredRef { key: "7", value: "{}", version: 1, created_at: 5, updated_at: 5, expires_at: None };
    /// assert!(PackedRecords::from_iter([one, one]).iter().eq([one, one]));
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = StoredRef<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let record = self.record(start, entry);
            start = entry.value_end;
            record
        })
    }

    /// Gives back the memory that is kept for more. O(bytes).
    ///
    /// ```
    /// # use noex_store::{PackedRecords, StoredRef};
    /// # let one = StoredRef { key: "7", value: "{}", version: 1, created_at: 5, updated_at: 5, expires_at: None };
    /// let mut records = PackedRecords::from_iter([one]);
    /// records.shrink_to_fit();
    /// assert_eq!(records.get(0), Some(one));
    /// ```
    pub fn shrink_to_fit(&mut self) {
        self.text.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    /// All of them, each on its own. O(bytes), two allocations each.
    ///
    /// ```
    /// # use noex_store::{PackedRecords, StoredRef};
    /// # let one = StoredRef { key: "7", value: "{}", version: 1, created_at: 5, updated_at: 5, expires_at: None };
    /// assert_eq!(PackedRecords::from_iter([one]).to_records(), [one.to_record()]);
    /// ```
    pub fn to_records(&self) -> Vec<StoredRecord> {
        self.iter().map(StoredRef::to_record).collect()
    }
}

impl<'a> Extend<StoredRef<'a>> for PackedRecords {
    fn extend<I: IntoIterator<Item = StoredRef<'a>>>(&mut self, records: I) {
        records.into_iter().for_each(|record| self.push(record));
    }
}

impl<'a> FromIterator<StoredRef<'a>> for PackedRecords {
    fn from_iter<I: IntoIterator<Item = StoredRef<'a>>>(records: I) -> Self {
        let mut all = Self::default();
        all.extend(records);
        all
    }
}

/// A [`StoredRecord`] as it lies in what is read.
#[derive(Deserialize)]
#[serde(rename = "StoredRecord")]
struct Read<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    version: u64,
    created_at: u64,
    updated_at: u64,
    expires_at: Option<u64>,
}

/// From what a list of [`StoredRecord`] was written as.
impl<'de> Deserialize<'de> for PackedRecords {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = PackedRecords;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PackedRecords, A::Error> {
                // Grows as there is something: a length that is wrong takes no memory.
                let mut all = PackedRecords::default();
                while let Some(record) = list.next_element::<Read<'de>>()? {
                    let Read { key, value, version, created_at, updated_at, expires_at } = record;
                    let (key, value) = (&*key, &*value);
                    all.push(StoredRef { key, value, version, created_at, updated_at, expires_at });
                }
                all.shrink_to_fit();
                Ok(all)
            }
        }

        deserializer.deserialize_seq(All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::Random;

    fn records(random: &mut Random) -> Vec<StoredRecord> {
        let text = |random: &mut Random| "a\"ü\n".repeat(random.below(4));
        (0..random.below(9))
            .map(|_| StoredRecord {
                key: text(random),
                value: text(random),
                version: random.next(),
                created_at: random.next(),
                updated_at: random.next(),
                expires_at: (random.below(2) > 0).then(|| random.next()),
            })
            .collect()
    }

    #[test]
    fn what_was_packed_is_there_as_it_was() {
        for seed in 0..200 {
            let records = records(&mut Random::new(seed));
            let packed: PackedRecords = records.iter().map(StoredRef::from).collect();
            assert_eq!(packed.to_records(), records);
            assert_eq!((packed.len(), packed.iter().len()), (records.len(), records.len()));
            assert_eq!(packed.is_empty(), records.is_empty());
            for (at, record) in records.iter().enumerate() {
                assert_eq!(packed.get(at), Some(record.into()), "seed {seed}");
            }
            assert_eq!(packed.get(records.len()), None);
        }
    }

    #[test]
    fn a_list_of_records_is_read_as_packed_ones() {
        for seed in 0..200 {
            let records = records(&mut Random::new(seed));
            let bytes = postcard::to_stdvec(&records).expect("written");
            let packed: PackedRecords = postcard::from_bytes(&bytes).expect("read");
            assert_eq!(packed.to_records(), records, "seed {seed}");
            // Text with escapes, which cannot be borrowed.
            let json = serde_json::to_string(&records).expect("written");
            let packed: PackedRecords = serde_json::from_str(&json).expect("read");
            assert_eq!(packed.to_records(), records, "seed {seed}");
            for cut in 0..bytes.len() {
                assert!(postcard::from_bytes::<PackedRecords>(&bytes[..cut]).is_err(), "cut at {cut}");
            }
        }
    }
}
