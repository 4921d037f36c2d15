//! The snapshot engine: record tables and indexes as persistent maps, one root of all buckets, commits and their log.
//! It knows nothing of queries, events or disks.

mod alive;
mod bell;
mod commit;
mod committer;
mod counted;
mod counts;
mod entries;
mod fill;
mod gate;
mod hash;
mod index;
mod keeping;
mod key;
mod keys;
mod lead;
mod leaving;
mod memory;
mod nesting;
mod numbers;
mod packed;
mod part;
mod patience;
mod publish;
mod queue;
mod read_index;
mod reading;
mod reads;
mod restore;
mod root;
mod rows;
mod stab;
mod stored;
mod stored_part;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod transaction;
mod tree;
mod trie;
mod turn;
mod write;
mod writes;

pub(crate) use commit::{AnyChanges, Definition, Kind};
pub use commit::{Change, Commit, CommitLog, CommitReader, Reason, Version};
pub(crate) use counted::Counted;
pub(crate) use counts::Count;
pub(crate) use fill::cores;
pub(crate) use gate::Lease;
pub(crate) use hash::HashState;
pub use hash::Hashing;
pub use index::index;
pub(crate) use index::{KeyPoint, KeyRange, OrderedIndex};
pub(crate) use keeping::{Keep, KeepWhen};
pub(crate) use key::OwnedValue;
pub use key::{CodecOfPlain, Probe, each, optional, required};
pub(crate) use leaving::NEVER;
pub(crate) use nesting::Running;
pub(crate) use numbers::Numbered;
pub use packed::{PackedRecords, StoredRef};
#[cfg(test)]
pub(crate) use part::Fault;
pub(crate) use part::{AnyPart, Part, Tracking};
pub(crate) use publish::Engine;
pub use read_index::BucketReads;
pub(crate) use read_index::{AnyReadIndex, Describe, ReadIndex, ReaderId};
pub(crate) use reading::{ReadOne, migrated};
pub(crate) use reads::{Delta, Hashes, Seen, Touch, Watch};
#[cfg(feature = "inspector")]
pub(crate) use root::AnyTable;
pub(crate) use root::{PART_BYTES, Root, Slot};
pub(crate) use rows::{Chunk, Rows, Slots};
pub(crate) use stab::Stabs;
pub use stored::{StoredChange, StoredChanges, StoredCommit, StoredField, StoredRecord, StoredSchema};
pub(crate) use stored_part::StoredPart;
pub(crate) use table::Shared;
pub(crate) use table::Table;
pub(crate) use transaction::{Marks, Refused, Transaction};
pub(crate) use turn::{Place, catch, panic_message};
pub(crate) use write::{Edit, Write};
pub(crate) use writes::{Replace, Step};

/// Where a record stands in the order of insertion of its bucket. Grows by one or more with each insert; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub(crate) u64);
