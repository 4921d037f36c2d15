//! How a store is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::Store;
use super::running::Options;
use crate::bucket::Bucket;
use crate::clock::{Clock, SystemClock};
use crate::engine::{Engine, Hashing};
use crate::error::Error;
use crate::persist::{Image, Kept, Persistence, restored};
use crate::schema::Schema;
use crate::service::{Intensity, Parker, aside};

/// How many changes the commit log keeps, unless it is told otherwise.
const LOG_CAPACITY: usize = 4096;

/// Defines a bucket, with what is kept of it.
type Define = Box<dyn FnOnce(&Engine, Option<Kept>) -> Result<(), Error> + Send>;

/// The definition of a store: made by [`Store::builder`], ended by [`start`](Self::start).
#[must_use = "a builder does nothing until `start().await`"]
pub struct StoreBuilder {
    name: String,
    buckets: Vec<(&'static Schema, Define)>,
    persistence: Option<Persistence>,
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
            persistence: None,
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
        let define: Define = Box::new(|engine, kept| {
            if engine.load().slot(B::NAME).is_some() {
                return Err(Error::BucketAlreadyExists { bucket: B::NAME });
            }
            match kept {
                None => engine.define::<B>().map(drop),
                Some(kept) => {
                    engine.install(restored::<B>(engine, kept.image)?);
                    Ok(())
                }
            }
        });
        self.buckets.push((B::schema(), define));
        self
    }

    /// Has the store keep what is committed, and begin with what was kept before. Without it everything is in memory alone.
    ///
    /// Buckets with `persistent = false` are not kept. A bucket that is kept and not defined stays as it is, until it is
    /// [defined](Store::define_bucket).
    pub fn persistence(mut self, persistence: Persistence) -> Self {
        self.persistence = Some(persistence);
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

    /// Starts the store, with what was kept before, if it has [persistence](Self::persistence).
    ///
    /// # Errors
    /// [`Error::BucketAlreadyExists`] if two buckets have one name. With persistence also what the adapter says, and
    /// [`Error::Corrupt`], and [`Error::IncompatibleRecords`] if what was kept does not fit the buckets: nothing is changed then.
    pub async fn start(self) -> Result<Store, Error> {
        let Self { name, buckets, persistence, hashing, clock, log_capacity, options } = self;
        let engine = Arc::new(Engine::new(hashing, clock, log_capacity));
        let Some(persistence) = persistence else {
            for (_, define) in buckets {
                define(&engine, None)?;
            }
            return Ok(Store::new(name.into(), engine, options, None));
        };
        let (adapter, own) = (Arc::clone(&persistence.adapter), Arc::clone(&engine));
        let runtime = Handle::try_current().ok();
        // Reading blocks, and takes its time.
        let load = move || {
            let _runtime = runtime.as_ref().map(Handle::enter);
            let mut image = Image::default();
            let loaded = Arc::new(Parker::default()).block_on(adapter.load(&mut image), None, || false);
            loaded.unwrap_or(Err(Error::Stopped))?;
            own.go_on_after(image.version, image.time);
            let mut is_changed = false;
            for (schema, define) in buckets {
                let kept = if schema.persistent { image.take(schema) } else { None };
                is_changed |= kept.as_ref().is_some_and(|kept| kept.is_changed);
                define(&own, kept)?;
            }
            Ok((image.version, image.buckets, is_changed))
        };
        let (version, dormant, is_changed) = match aside("noex-store start", load).await {
            Ok(Ok(kept)) => kept,
            failed => {
                // Whoever starts again must find it free.
                let _ = persistence.adapter.close().await;
                return Err(match failed {
                    Ok(Err(error)) => error,
                    Err(reason) => Error::Persistence { reason },
                    Ok(Ok(_)) => Error::Stopped,
                });
            }
        };
        let store = Store::new(name.into(), engine, options, Some((persistence, version, dormant)));
        store.begin_to_keep(is_changed).await?;
        Ok(store)
    }
}

impl fmt::Debug for StoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreBuilder")
            .field("name", &self.name)
            .field("buckets", &self.buckets.len())
            .field("persistence", &self.persistence)
            .field("hashing", &self.hashing)
            .field("log_capacity", &self.log_capacity)
            .finish_non_exhaustive()
    }
}
