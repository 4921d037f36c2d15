//! Commits as values, and the log that hands them out in order.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use smallvec::SmallVec;

use super::stored::{StoredChange, stored_changes};
use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::error::Error;
use crate::schema::Schema;
use crate::sync::Mutex;

/// The number of a commit. Grows by one with each; 0 is the empty store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Version(pub(crate) u64);

impl Version {
    /// The last that a store may begin with; with a commit each nanosecond none comes so far in a century. An export says so only if
    /// somebody has changed it. Behind it there are as many again that a number with a sign can hold, as SQLite has them.
    pub(crate) const LAST_TO_BEGIN_WITH: Self = Self(u64::MAX / 4);

    /// The version as a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    pub(crate) const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a record is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It was deleted.
    Deleted,
    /// Its bucket was cleared.
    Cleared,
    /// Its time to live was over.
    Expired,
    /// It made room in a full bucket.
    Evicted,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deleted => "deleted",
            Self::Cleared => "cleared",
            Self::Expired => "expired",
            Self::Evicted => "evicted",
        })
    }
}

/// What a commit did to one record.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let mut changes = users.changes();
/// users.update(&1, User::patch().age(31))?;
/// users.delete(&2)?;
/// let change = changes.next().await.expect("open")?;
/// assert!(matches!(&change, Change::Updated { old, new } if old.age < new.age));
/// let change = changes.next().await.expect("open")?;
/// assert!(change.new().is_none() && change.old().is_some_and(|ben| ben.name == "Ben"));
/// # Ok(()) }
/// ```
pub enum Change<B> {
    /// The record is new.
    Inserted(Record<B>),
    /// The record was replaced.
    Updated {
        /// As it was before.
        old: Record<B>,
        /// As it is now.
        new: Record<B>,
    },
    /// The record is gone.
    Deleted {
        /// Its last state.
        record: Record<B>,
        /// Why.
        reason: Reason,
    },
}

impl<B> Change<B> {
    pub(crate) fn deleted(record: Record<B>) -> Self {
        Self::Deleted { record, reason: Reason::Deleted }
    }

    /// The record before the commit, if there was one.
    pub fn old(&self) -> Option<&Record<B>> {
        match self {
            Self::Inserted(_) => None,
            Self::Updated { old, .. } | Self::Deleted { record: old, .. } => Some(old),
        }
    }

    /// The record after the commit, if there is one.
    #[expect(
        clippy::new_ret_no_self,
        reason = "`old` and `new` are the field's words, as in `Updated { old, new }`"
    )]
    pub fn new(&self) -> Option<&Record<B>> {
        match self {
            Self::Inserted(new) | Self::Updated { new, .. } => Some(new),
            Self::Deleted { .. } => None,
        }
    }
}

impl<B> Clone for Change<B> {
    fn clone(&self) -> Self {
        match self {
            Self::Inserted(new) => Self::Inserted(new.clone()),
            Self::Updated { old, new } => Self::Updated { old: old.clone(), new: new.clone() },
            Self::Deleted { record, reason } => Self::Deleted { record: record.clone(), reason: *reason },
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for Change<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inserted(new) => f.debug_tuple("Inserted").field(new).finish(),
            Self::Updated { old, new } => {
                f.debug_struct("Updated").field("old", old).field("new", new).finish()
            }
            Self::Deleted { record, reason } => {
                f.debug_struct("Deleted").field("record", record).field("reason", reason).finish()
            }
        }
    }
}

pub(crate) type ChangeList<B> = SmallVec<[Change<B>; 2]>;

/// The changes of one bucket, without its type.
pub(crate) trait AnyChanges: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn bucket(&self) -> &'static str {
        self.schema().name
    }
    fn schema(&self) -> &'static Schema;
    fn len(&self) -> usize;
    fn kind(&self, at: usize) -> Kind;
    fn reason(&self, at: usize) -> Option<Reason>;
    /// The key as JSON; null if it has none.
    fn key(&self, at: usize) -> Value;
    /// The record before, and after, as JSON; null if there is none.
    fn old_json(&self, at: usize) -> Value;
    fn new_json(&self, at: usize) -> Value;
    /// The changes as they are kept.
    fn stored(&self) -> Result<Vec<StoredChange>, Error>;
}

/// What a change did to its record, without the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Inserted,
    Updated,
    Deleted,
}

impl dyn AnyChanges {
    /// The changes with their type, if it is this one.
    pub(crate) fn list<B: Bucket>(&self) -> Option<&[Change<B>]> {
        self.as_any().downcast_ref::<BucketChanges<B>>().map(|changes| changes.0.as_slice())
    }
}

pub(crate) struct BucketChanges<B: Bucket>(pub(crate) ChangeList<B>);

impl<B: Bucket> AnyChanges for BucketChanges<B> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> &'static Schema {
        B::schema()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn kind(&self, at: usize) -> Kind {
        match &self.0[at] {
            Change::Inserted(_) => Kind::Inserted,
            Change::Updated { .. } => Kind::Updated,
            Change::Deleted { .. } => Kind::Deleted,
        }
    }

    fn reason(&self, at: usize) -> Option<Reason> {
        match &self.0[at] {
            Change::Deleted { reason, .. } => Some(*reason),
            _ => None,
        }
    }

    fn key(&self, at: usize) -> Value {
        let change = &self.0[at];
        let record = change.new().or_else(|| change.old());
        record.and_then(|record| serde_json::to_value(record.key()).ok()).unwrap_or_default()
    }

    fn old_json(&self, at: usize) -> Value {
        self.0[at].old().map_or(Value::Null, Record::to_json)
    }

    fn new_json(&self, at: usize) -> Value {
        self.0[at].new().map_or(Value::Null, Record::to_json)
    }

    fn stored(&self) -> Result<Vec<StoredChange>, Error> {
        stored_changes(&self.0)
    }
}

/// What one write did to all buckets: the unit in which the store changes, and in which others are told.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let info = store.begin();
/// info.bucket::<User>()?.clear()?;
/// let commit = info.commit()?.commit.expect("it changed something");
/// assert_eq!(commit.buckets().collect::<Vec<_>>(), [("users", 2)]);
/// assert!(commit.changes::<User>().iter().all(|change| change.new().is_none()));
/// # Ok(()) }
/// ```
pub struct Commit {
    pub(crate) version: Version,
    pub(crate) time: u64,
    pub(crate) buckets: SmallVec<[Box<dyn AnyChanges>; 1]>,
    /// Whether it has defined or dropped a bucket.
    pub(crate) definition: Option<Definition>,
}

/// What a commit did to the list of the buckets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Definition {
    Defined(&'static Schema),
    Dropped(&'static Schema),
}

impl Commit {
    /// The commit's number.
    pub fn version(&self) -> Version {
        self.version
    }

    /// When it was made, in milliseconds since 1970-01-01 UTC. Never less than that of the commit before.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// The names of the buckets that it changed, with the number of records in each.
    pub fn buckets(&self) -> impl Iterator<Item = (&'static str, usize)> + '_ {
        self.buckets.iter().map(|changes| (changes.bucket(), changes.len()))
    }

    /// What it did to one bucket, in the order of the calls; empty if nothing.
    pub fn changes<B: Bucket>(&self) -> &[Change<B>] {
        self.buckets.iter().find_map(|changes| changes.list::<B>()).unwrap_or_default()
    }

    /// The number of changed records.
    pub fn len(&self) -> usize {
        self.buckets.iter().map(|changes| changes.len()).sum()
    }

    /// Whether it changed no record: buckets were defined or dropped.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit")
            .field("version", &self.version)
            .field("time", &self.time)
            .field("buckets", &self.buckets().collect::<Vec<_>>())
            .finish()
    }
}

/// The latest commits, in order. The store appends; everyone else reads, each at its own pace.
///
/// The log is bounded by the number of changes that it holds: the oldest commits go first. A reader that falls further
/// behind is told how many commits it missed. Cheap to clone: clones read the same log.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let log = store.commits();
/// let mut reader = log.after(store.snapshot().version());
/// assert_eq!(reader.try_next().expect("nothing was missed").map(|commit| commit.len()), None);
/// users.delete(&1)?;
/// assert_eq!(reader.try_next().expect("nothing was missed").map(|commit| commit.len()), Some(1));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct CommitLog {
    log: Arc<Mutex<Log>>,
}

/// Commits that have left the log.
pub(crate) type Trimmed = SmallVec<[Arc<Commit>; 4]>;

struct Log {
    /// Invariant: versions grow by one from front to back.
    commits: VecDeque<Arc<Commit>>,
    /// The version that the next commit will have.
    next: Version,
    changes: usize,
    /// The number of changes that are kept at most.
    capacity: usize,
}

impl CommitLog {
    pub(crate) fn new(capacity: usize) -> Self {
        let log = Log { commits: VecDeque::new(), next: Version(1), changes: 0, capacity };
        Self { log: Arc::new(Mutex::new(log)) }
    }

    /// Appends the next commits. Only the engine calls this, in its turn as the writer; it drops those that it gets back, which may
    /// free many records, when it has let go of that.
    pub(crate) fn append(&self, commits: impl IntoIterator<Item = Arc<Commit>>) -> Trimmed {
        let mut trimmed = Trimmed::new();
        let mut log = self.log.lock();
        for commit in commits {
            log.next = commit.version.next();
            // A commit without changes counts too, or they could pile up.
            log.changes += commit.len().max(1);
            log.commits.push_back(commit);
        }
        // The latest commit stays, however big it is.
        while log.changes > log.capacity
            && log.commits.len() > 1
            && let Some(oldest) = log.commits.pop_front()
        {
            log.changes -= oldest.len().max(1);
            trimmed.push(oldest);
        }
        trimmed
    }

    /// How many commits it holds, and how many changes those.
    pub(crate) fn kept(&self) -> (usize, usize) {
        let log = self.log.lock();
        (log.commits.len(), log.changes)
    }

    /// Goes on after a commit of an earlier run.
    pub(super) fn go_on_after(&self, version: Version) {
        self.log.lock().next = version.next();
    }

    /// The version of the latest commit.
    pub fn latest(&self) -> Version {
        Version(self.log.lock().next.0 - 1)
    }

    /// A reader of the commits that come after `version`.
    pub fn after(&self, version: Version) -> CommitReader {
        CommitReader { log: self.clone(), next: version.next() }
    }
}

impl fmt::Debug for CommitLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.log.lock();
        f.debug_struct("CommitLog").field("kept", &log.commits.len()).field("next", &log.next).finish()
    }
}

/// Reads commits in order, each once. Made by [`CommitLog::after`].
#[derive(Debug, Clone)]
pub struct CommitReader {
    log: CommitLog,
    next: Version,
}

impl CommitReader {
    /// Whether there is a commit to be read up to a version.
    pub(crate) fn is_behind(&self, version: Version) -> bool {
        self.next <= version
    }

    /// The next commit up to a version: that of the root, where commits must not be told of before they can be seen. They are in the
    /// log a moment earlier.
    pub(crate) fn try_next_up_to(&mut self, version: Version) -> Result<Option<Arc<Commit>>, u64> {
        if self.is_behind(version) { self.try_next() } else { Ok(None) }
    }

    /// The next commit; `None` if there is none yet. Never waits. O(1), one short lock.
    ///
    /// # Errors
    /// The number of commits that were trimmed before this reader came to them; the next call goes on with the oldest
    /// that is still there.
    pub fn try_next(&mut self) -> Result<Option<Arc<Commit>>, u64> {
        let log = self.log.log.lock();
        let oldest = Version(log.next.0 - log.commits.len() as u64);
        if self.next < oldest {
            let missed = oldest.0 - self.next.0;
            self.next = oldest;
            return Err(missed);
        }
        let commit = log.commits.get((self.next.0 - oldest.0) as usize).cloned();
        drop(log);
        if commit.is_some() {
            self.next = self.next.next();
        }
        Ok(commit)
    }
}
