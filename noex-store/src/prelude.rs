//! What programs use: `use noex_store::prelude::*;`. With serde's derives and `Uuid`, since most buckets need them.

pub use serde::{Deserialize, Serialize};
pub use uuid::Uuid;

pub use crate::{
    Bucket, BucketHandle, Change, Commit, CommitInfo, CommitLog, Cursor, Error, Event, Explanation, Field,
    Filter, Insertable, Isolation, Page, Paginated, Patch, Query, QueryCtx, Reader, Reason, Record, Select,
    Snapshot, Store, StoreBuilder, Subscription, Transaction, TransactionBucket, TxOptions, Update,
    ValidationIssue, Version,
};
