//! The snapshot engine: record tables and indexes as persistent maps, one root of all buckets, commits and their log.
//! It knows nothing of queries, events or disks.

mod commit;
mod hash;
mod index;
mod key;
mod keys;
mod root;
mod rows;
mod table;
#[cfg(test)]
mod tests;
mod tree;
mod trie;
mod write;

pub use commit::{Change, Commit, CommitLog, CommitReader, Version};
pub(crate) use hash::HashState;
pub use hash::Hashing;
pub use index::index;
pub(crate) use index::{KeyPoint, KeyRange, OrderedIndex};
pub use key::{CodecOfPlain, Probe, each, optional, required};
pub(crate) use root::{Root, Slot};
pub(crate) use rows::{Chunk, Rows, Slots};
pub(crate) use table::Table;
pub(crate) use write::{Edit, Engine, catch};

/// Where a record stands in the order of insertion of its bucket. Grows by one or more with each insert; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub(crate) u64);
