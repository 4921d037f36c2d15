//! What programs use: `use noex_store::prelude::*;`. With serde's derives and `Uuid`, since most buckets need them.

pub use serde::{Deserialize, Serialize};
pub use uuid::Uuid;

pub use crate::{
    Bucket, BucketHandle, Change, Commit, CommitLog, Cursor, Error, Explanation, Field, Filter, Insertable,
    Page, Paginated, Patch, Reader, Record, Select, Snapshot, Store, StoreBuilder, ValidationIssue, Version,
};
