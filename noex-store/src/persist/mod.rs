//! Persistence: commits, kept by an adapter, and read again at the next start.

mod adapter;
mod encode;
mod file;
mod image;
mod keeper;
mod memory;
mod options;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use adapter::{AdapterFuture, LoadSink, SnapshotPart, SnapshotSource, StorageAdapter};
pub use file::FileAdapter;
pub(crate) use image::{BucketImage, Image, Kept, restored};
pub(crate) use keeper::Keeper;
pub use keeper::PersistenceStats;
pub use memory::MemoryAdapter;
pub use options::{Durability, Persistence};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteAdapter;
