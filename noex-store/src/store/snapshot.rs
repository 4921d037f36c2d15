//! Snapshots: all buckets at one commit.

use std::fmt;
use std::sync::Arc;

use super::Reader;
use crate::bucket::Bucket;
use crate::engine::{Root, Version};
use crate::error::Error;
use crate::schema::Schema;

/// All buckets as they were at one commit, for ever: made by [`Store::snapshot`](crate::Store::snapshot).
///
/// ```
/// # use noex_store::prelude::*;
/// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// # struct Note { #[bucket(key)] id: u64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let store = Store::builder().bucket::<Note>().start().await?;
/// let before = store.snapshot();
/// store.bucket::<Note>()?.insert(Note { id: 1 })?;
/// assert_eq!(before.bucket::<Note>()?.count(), 0);
/// assert_eq!(store.snapshot().bucket::<Note>()?.count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Snapshot {
    root: Arc<Root>,
}

impl Snapshot {
    pub(crate) fn new(root: Arc<Root>) -> Self {
        Self { root }
    }

    pub(super) fn root(&self) -> &Arc<Root> {
        &self.root
    }

    /// The number of the commit.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let before = store.snapshot();
    /// users.delete(&1)?;
    /// assert!(before.version() < store.snapshot().version());
    /// # Ok(()) }
    /// ```
    pub fn version(&self) -> Version {
        self.root.version
    }

    /// When the commit was made, in milliseconds since 1970-01-01 UTC; 0 for a store without commits.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(store.snapshot().time(), users.require(&2)?.created_at());
    /// # Ok(()) }
    /// ```
    pub fn time(&self) -> u64 {
        self.root.time
    }

    /// What can be asked of a bucket, at this commit. O(buckets).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let before = store.snapshot();
    /// users.clear()?;
    /// assert_eq!(before.bucket::<User>()?.by_name("Ann").len(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketNotDefined`] if there was none of this name, [`Error::SchemaMismatch`] if it held another type.
    pub fn bucket<B: Bucket>(&self) -> Result<B::Reads, Error> {
        let slot = self.root.find::<B>()?;
        Ok(B::Reads::from(Reader::of_snapshot(Arc::clone(&self.root), slot)))
    }

    /// The schemas of the buckets that were defined.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(store.snapshot().buckets()[0].name, "users");
    /// # Ok(()) }
    /// ```
    pub fn buckets(&self) -> Vec<&'static Schema> {
        self.root.tables().map(|table| table.schema()).collect()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buckets: Vec<_> = self.root.tables().map(|table| (table.schema().name, table.len())).collect();
        f.debug_struct("Snapshot")
            .field("version", &self.root.version)
            .field("time", &self.root.time)
            .field("buckets", &buckets)
            .finish()
    }
}
