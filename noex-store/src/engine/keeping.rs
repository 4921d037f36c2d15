//! Keeping commits: what the engine asks of whoever does it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Commit, Engine, Root, StoredCommit, Version};
use crate::error::Error;

/// Keeps commits on a disk.
pub(crate) trait Keep: Send + Sync {
    /// A commit as it is kept, with the root that it makes. Called in the turn.
    fn encode(&self, commit: &Commit, root: &Root) -> Result<StoredCommit, Error>;
    /// Keeps commits that nobody has seen yet, and what was published before them and is not kept. Called in the turn.
    fn keep(&self, commits: &[StoredCommit]) -> Result<(), Error>;
    /// Keeps all that is published. Not to be called in the turn.
    fn catch_up(&self) -> Result<(), Error>;
    /// A commit is to be kept within this time.
    fn hurry(&self, version: Version, within: Duration);
}

/// When a commit is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum KeepWhen {
    /// When those of the store are.
    #[default]
    AsOthers,
    /// Before anybody sees it.
    First,
    /// After it was published.
    Later,
}

impl Engine {
    /// Has somebody keep the commits; from now on those that are to be kept first can be.
    pub(crate) fn set_keep(&self, keep: Box<dyn Keep>) {
        let _ = self.keep.set(keep);
    }

    /// Has all commits from now on kept before they are published: those that cannot be never were.
    pub(crate) fn keep_first(&self) {
        self.keeps_first.store(true, Ordering::Release);
    }

    /// Whether a commit waits for a disk, unless it says otherwise.
    pub(crate) fn keeps_first(&self) -> bool {
        self.keeps_first.load(Ordering::Acquire)
    }

    /// Whether such a commit waits for a disk.
    pub(crate) fn waits_for_disk(&self, kept: KeepWhen) -> bool {
        match kept {
            KeepWhen::AsOthers => self.keeps_first(),
            KeepWhen::First => true,
            KeepWhen::Later => false,
        }
    }

    /// Whether anybody keeps anything.
    pub(super) fn is_kept(&self) -> bool {
        self.keep.get().is_some()
    }

    /// A commit as it is kept, if anybody keeps it.
    pub(super) fn encode(
        &self,
        bucket: &'static str,
        commit: &Commit,
        root: &Root,
    ) -> Result<Option<StoredCommit>, Error> {
        let encode = |keep: &dyn Keep| super::catch(bucket, || keep.encode(commit, root));
        self.keep.get().map(|keep| encode(keep.as_ref())).transpose()
    }

    pub(super) fn keep(&self, commits: &[StoredCommit]) -> Result<(), Error> {
        // An adapter's code may be the user's.
        self.keep.get().map_or(Ok(()), |keep| super::catch("", || keep.keep(commits)))
    }

    /// Keeps what is published, so that a commit that is to be kept first has little before it. Blocks.
    ///
    /// # Errors
    /// [`Error::PersistenceRequired`], [`Error::Stopped`], and what the adapter says.
    pub(crate) fn catch_up(&self) -> Result<(), Error> {
        if self.is_stopped() {
            return Err(Error::Stopped);
        }
        let keep = self.keep.get().ok_or(Error::PersistenceRequired)?;
        super::catch("", || keep.catch_up())
    }

    /// Whether anybody keeps anything, as a result.
    ///
    /// # Errors
    /// [`Error::PersistenceRequired`].
    pub(crate) fn require_keep(&self) -> Result<(), Error> {
        if self.is_kept() { Ok(()) } else { Err(Error::PersistenceRequired) }
    }

    /// Has a commit kept within a time.
    pub(crate) fn hurry(&self, version: Version, within: Duration) {
        if let Some(keep) = self.keep.get() {
            keep.hurry(version, within);
        }
    }
}
