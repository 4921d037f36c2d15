//! How a store is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Store;
use super::running::Options;
use crate::bucket::Bucket;
use crate::clock::{Clock, SystemClock};
use crate::engine::{Engine, Hashing};
use crate::error::Error;
use crate::service::Intensity;

/// How many changes the commit log keeps, unless it is told otherwise.
const LOG_CAPACITY: usize = 4096;

type Define = Box<dyn FnOnce(&Engine) -> Result<(), Error> + Send>;

/// The definition of a store: made by [`Store::builder`], ended by [`start`](Self::start).
#[must_use = "a builder does nothing until `start().await`"]
pub struct StoreBuilder {
    name: String,
    buckets: Vec<Define>,
    hashing: Hashing,
    clock: Arc<dyn Clock>,
    log_capacity: usize,
    options: Options,
}

impl Default for StoreBuilder {
    fn default() -> Self {
        Self {
            name: "noex-store".to_owned(),
            buckets: Vec::new(),
            hashing: Hashing::default(),
            clock: Arc::new(SystemClock),
            log_capacity: LOG_CAPACITY,
            options: Options::default(),
        }
    }
}

impl StoreBuilder {
    /// Names the store, for people.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Defines a bucket.
    pub fn bucket<B: Bucket>(mut self) -> Self {
        self.buckets.push(Box::new(|engine| engine.define::<B>().map(|_| ())));
        self
    }

    /// Chooses how keys and unique values are hashed: [`Hashing::HostileInput`] where users choose what is indexed, and
    /// some may mean harm.
    pub fn hashing(mut self, hashing: Hashing) -> Self {
        self.hashing = hashing;
        self
    }

    /// Takes the time from somewhere else than the system.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How many changes (records, not commits) the commit log keeps for those who read it late; 4,096 unless given. The
    /// latest commit is kept whatever its size.
    pub fn commit_log_capacity(mut self, changes: usize) -> Self {
        self.log_capacity = changes;
        self
    }

    /// How long the store sleeps at most between two looks at what has expired, while there is anything that will; one second
    /// unless given. It wakes when the next record expires; the interval is for clocks that are set.
    ///
    /// With zero nothing expires by itself: [`Store::purge_ttl`] takes out what is due, and a write takes it out of the bucket that
    /// it is for. Readers of the latest commit do not see it either way.
    pub fn ttl_check_interval(mut self, interval: Duration) -> Self {
        self.options.ttl_check_interval = interval;
        self
    }

    /// How long [`Store::stop`] waits at most; ten seconds unless given.
    pub fn stop_timeout(mut self, time: Duration) -> Self {
        self.options.stop_timeout = time;
        self
    }

    /// How often a service of the store may panic, within what time, and be started again; once more, and it is given up:
    /// what needs it fails with [`Error::Degraded`]. Five times in ten seconds unless given.
    pub fn restart_intensity(mut self, restarts: u32, within: Duration) -> Self {
        self.options.intensity = Intensity { restarts, within };
        self
    }

    /// Starts the store.
    ///
    /// # Errors
    /// [`Error::BucketAlreadyExists`] if two buckets have one name.
    #[expect(clippy::unused_async, reason = "what is to be waited for, like recovery, comes with services")]
    pub async fn start(self) -> Result<Store, Error> {
        let engine = Engine::new(self.hashing, self.clock, self.log_capacity);
        for define in self.buckets {
            define(&engine)?;
        }
        Ok(Store::new(self.name.into(), Arc::new(engine), self.options))
    }
}

impl fmt::Debug for StoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreBuilder")
            .field("name", &self.name)
            .field("buckets", &self.buckets.len())
            .field("hashing", &self.hashing)
            .field("log_capacity", &self.log_capacity)
            .finish_non_exhaustive()
    }
}
