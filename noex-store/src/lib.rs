//! A typed, reactive, in-memory store: annotate structs as buckets, write in commits, ask typed questions of snapshots.
//!
//! ```
//! use noex_store::prelude::*;
//!
//! #[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
//! #[bucket(name = "users")]
//! pub struct User {
//!     #[bucket(key, generated = "autoincrement")]
//!     pub id: u64,
//!     #[bucket(min_length = 1)]
//!     pub name: String,
//!     #[bucket(unique, format = "email")]
//!     pub email: String,
//!     #[bucket(index, min = 0, max = 150)]
//!     pub age: Option<u8>,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let store = Store::builder().bucket::<User>().start().await?;
//! let users = store.bucket::<User>()?;
//!
//! let alice = users.insert(User::draft().name("Alice").email("alice@example.com").age(30))?;
//! users.insert(User::draft().name("Bob").email("bob@example.com"))?;
//! users.update(&alice.id, User::patch().age(31))?;
//!
//! let before = store.snapshot();
//! users.delete(&alice.id)?;
//! assert_eq!(users.count(), 1);
//! assert_eq!(before.bucket::<User>()?.count(), 2);
//!
//! let adults = before.bucket::<User>()?.filter(User::AGE.ge(18)).order_by(User::AGE.desc()).collect();
//! assert_eq!(adults[0].name, "Alice");
//!
//! let refused = users.insert(User::draft().name("").email("nonsense").age(200));
//! let Err(Error::Validation { issues, .. }) = refused else { panic!("three rules are broken") };
//! assert_eq!(issues.len(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! # The parts
//!
//! - [`Bucket`](derive@Bucket): the derive, with all annotations.
//! - [`Store`], [`BucketHandle`], [`Snapshot`]: where records live, are written, and are kept as they were.
//! - [`Transaction`], [`TransactionBucket`]: reads and writes of many buckets that are one commit, or nothing.
//! - [`Query`], [`Subscription`]: pure functions of a snapshot, memoized, and followed as commits touch what they read.
//! - [`Event`], [`EventStream`], [`Changes`]: what commits did, by topic or typed, in their order; [`Ttl`], [`TestClock`]: records
//!   that expire, and time that tests set.
//! - [`bridge_to_rules`], [`EventReceiver`]: events forwarded to a rule engine, one after the other; [`StoreStats`]: what a store
//!   holds and has done, in numbers.
//! - [`Persistence`], [`FileAdapter`], [`Durability`]: commits that are kept, and read again at the next start;
//!   [`StorageAdapter`]: for other places to keep them.
//! - [`Reader`]: all that can be asked of a bucket, the same on a handle, in a snapshot and in a transaction.
//! - [`Field`], [`Filter`], [`Select`]: typed conditions, orders, pages, aggregates; [`Explanation`] says what the planner
//!   does with them.
//! - [`Commit`], [`CommitLog`]: every write as a value, in order.
//! - [`Error`]: all that can go wrong.
//!
//! # Features
//!
//! All are off unless they are asked for.
//!
//! - `sqlite`: `SqliteAdapter`, which keeps a table a bucket in a file of SQLite. Compiles SQLite: needs a C compiler.
//! - `inspector`: `Store::inspector`, a read-only page in the browser that shows what a store holds and does.
//! - `metrics`: `StoreStats::record_metrics`, for the [`metrics`](https://docs.rs/metrics) facade.
//!
//! # How it works
//!
//! Every bucket is a set of persistent maps: the records by row, a hash index of the keys and of each unique field, and an
//! ordered index for each `index`. A write copies the few nodes on its paths, and publishes one new root for all buckets by one atomic
//! store. A reader loads that root and is done: it takes no lock, waits for nobody, and sees all of a commit or nothing of it.
//!
//! A transaction reads one root, keeps its writes to itself, and remembers what it read: keys, ranges of indexes, conditions, ends of
//! pages. When it commits, that is compared with what has become of the buckets since, which is found by walking the old and
//! the new maps and passing over all that they share.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod bridge;
mod bucket;
mod clock;
mod engine;
mod error;
mod event;
mod filter;
pub mod guide;
#[cfg(feature = "inspector")]
mod inspect;
mod lifecycle;
mod live;
mod look_out;
mod persist;
mod schema;
mod service;
mod store;
mod sync;
pub mod testing;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

/// The decoders of what comes from outside, for the fuzzer.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod __fuzzing {
    pub use crate::persist::file::fuzzing::{lines, log, snapshot};
}

pub mod prelude;

pub use bridge::{Bridge, BridgeOptions, BridgeStats, EventReceiver, ReceiverError};
pub use bucket::convert::{IntoField, IntoRange};
pub use bucket::field::{Field, FieldValue, Optional, OrderedValue, Required, SortValue};
pub use bucket::increments::{Addable, HasValue, Increments, Outcome};
pub use bucket::record::Record;
pub use bucket::{Bucket, BucketRecord, Insertable, Key, Patch};
pub use clock::{Clock, SystemClock, TestClock};
pub use engine::{
    BucketReads, Change, Commit, CommitLog, CommitReader, Hashing, PackedRecords, Reason, StoredChange,
    StoredChanges, StoredCommit, StoredField, StoredRecord, StoredRef, StoredSchema, Version,
};
pub use error::{CursorFault, Error, IssueCode, RecordProblem, Result, ValidationIssue};
pub use event::{Changes, Event, EventGuard, EventKind, EventStats, EventStream, Lagged, PatternFault};
pub use filter::Filter;
pub use filter::explain::{AccessPath, Explanation, OrderPath};
pub use filter::group::{GroupBy, Groups, Presence, Summary};
pub use filter::leaf::{Contains, TextValue};
pub use filter::order::{OrderBy, OrderKey};
pub use filter::page::{Cursor, Page, PageAfter, PageRequest, Paginated};
pub use filter::select::{Records, Select};
pub use filter::sum::Summable;
#[cfg(feature = "inspector")]
pub use inspect::{Inspector, InspectorBuilder};
pub use live::{
    AnswerState, Cause, ChangeGuard, Diff, DiffStep, Diffs, Params, Query, QueryCtx, QueryStats,
    Subscription, Together, Update,
};
pub use noex_store_derive::Bucket;
#[cfg(feature = "sqlite")]
pub use persist::SqliteAdapter;
pub use persist::{
    AdapterFuture, Damage, Durability, FileAdapter, LoadProgress, LoadSink, MemoryAdapter, Persistence,
    PersistenceStats, Salvage, SnapshotPart, SnapshotSource, StorageAdapter,
};
pub use schema::{
    Constraint, Evict, FieldKind, FieldSchema, Format, Generated, IndexSchema, Schema, Ttl, UniqueSchema,
};
pub use service::{ServiceState, ServiceStats};
pub use store::{
    BucketHandle, BucketTotals, CommitInfo, CommitStats, Isolation, QueryTotals, Reader, Snapshot, Store,
    StoreBuilder, StoreStats, Totals, Transaction, TransactionBucket, TtlStats, TxOptions, bridge_to_rules,
};
