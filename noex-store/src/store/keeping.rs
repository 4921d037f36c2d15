//! What a store keeps, as its users ask for it.

use std::sync::Arc;

use super::Store;
use crate::engine::Version;
use crate::error::Error;
use crate::service::aside;

impl Store {
    /// Begins to keep commits: those of the start first. What is kept of another schema is kept anew before anything follows it.
    pub(super) async fn begin_to_keep(&self, is_changed: bool) -> Result<(), Error> {
        let Some(keeper) = &self.services.keeper else { return Ok(()) };
        if is_changed {
            let own = Arc::clone(keeper);
            let write = move || own.snapshot().inspect_err(|_| own.abandon());
            let written = aside("noex-store start", write).await;
            written.unwrap_or_else(|reason| Err(Error::Persistence { reason }))?;
        }
        keeper.start();
        if let Err(error) = keeper.flush(self.engine.load().version).await {
            // Whoever starts again must find the adapter free.
            keeper.stop(std::time::Instant::now());
            return Err(error);
        }
        keeper.take_the_lead();
        Ok(())
    }

    /// Waits until all that was committed before this call is on the disk, and has it written at once.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let persistence = Persistence::new(MemoryAdapter::new()).debounce(Duration::from_secs(60));
    /// let store = Store::builder().bucket::<Note>().persistence(persistence).start().await?;
    /// store.bucket::<Note>()?.insert(Note { id: 7 })?;
    /// store.flush().await?;
    /// assert_eq!(store.durable_version(), store.snapshot().version());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::PersistenceRequired`] if the store has none. What the adapter says, if a write fails meanwhile: it is tried again
    /// all the same. [`Error::NotStorable`] if a record has no JSON, and [`Error::Panicked`] if its `Serialize` panics, until it is changed or
    /// gone. [`Error::Degraded`], [`Error::Stopped`].
    pub async fn flush(&self) -> Result<(), Error> {
        self.wait_until_durable(self.engine.load().version).await
    }

    /// Waits until a commit is on the disk, and has it written at once. O(commits that are not, yet).
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().persistence(Persistence::new(MemoryAdapter::new())).start().await?;
    /// let tx = store.begin();
    /// tx.bucket::<Note>()?.insert(Note { id: 7 })?;
    /// let info = tx.commit()?;
    /// store.wait_until_durable(info.version).await?;
    /// assert!(store.durable_version() >= info.version);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn wait_until_durable(&self, version: Version) -> Result<(), Error> {
        match &self.services.keeper {
            Some(keeper) => keeper.flush(version).await,
            None => Err(Error::PersistenceRequired),
        }
    }

    /// The last commit that is on the disk; 0 in a store without [persistence](crate::StoreBuilder::persistence). One atomic load.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// users.update(&1, User::patch().age(31))?;
    /// assert_eq!(store.durable_version(), Version::default(), "this store keeps nothing");
    /// # Ok(()) }
    /// ```
    pub fn durable_version(&self) -> Version {
        self.services.keeper.as_ref().map_or(Version(0), |keeper| keeper.durable())
    }
}
