//! What programs use: `use noex_store::prelude::*;`. With serde's derives, `Uuid` and `Duration`, since most programs need them.

pub use std::time::Duration;

pub use serde::{Deserialize, Serialize};
pub use uuid::Uuid;

#[cfg(feature = "sqlite")]
pub use crate::SqliteAdapter;
pub use crate::{
    BridgeOptions, Bucket, BucketHandle, Change, Commit, CommitInfo, CommitLog, Cursor, Durability, Error,
    Event, EventReceiver, Explanation, Field, FileAdapter, Filter, Insertable, Isolation, MemoryAdapter,
    Page, Paginated, Patch, Persistence, Query, QueryCtx, Reader, Reason, ReceiverError, Record, Select,
    Snapshot, Store, StoreBuilder, StoreStats, Subscription, Transaction, TransactionBucket, TxOptions,
    Update, ValidationIssue, Version, bridge_to_rules,
};
