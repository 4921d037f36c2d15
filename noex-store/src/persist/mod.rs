//! Persistence: commits, kept by an adapter, and read again at the next start.

mod adapter;
mod encode;
pub(crate) mod file;
mod image;
mod keeper;
pub(crate) mod lines;
mod memory;
mod options;
mod progress;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use adapter::{AdapterFuture, LoadSink, SnapshotPart, SnapshotSource, StorageAdapter};
pub(crate) use encode::RootSource;
pub use file::{Damage, FileAdapter, Salvage};
pub(crate) use image::{BucketImage, Image, Kept, restored};
pub(crate) use keeper::Keeper;
pub use keeper::PersistenceStats;
pub use memory::MemoryAdapter;
pub use options::{Durability, Persistence};
pub use progress::LoadProgress;
pub(crate) use progress::Watch;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteAdapter;
