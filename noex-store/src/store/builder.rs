//! How a store is set up.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::Store;
use super::running::Options;
use crate::bucket::Bucket;
use crate::clock::{Clock, SystemClock};
use crate::engine::{Engine, Hashing, Version};
use crate::error::Error;
use crate::persist::{BucketImage, Image, Kept, Persistence, StorageAdapter, Watch, lines, restored};
use crate::schema::Schema;
use crate::service::{Intensity, Parker, aside};

/// How many changes the commit log keeps, unless it is told otherwise.
const LOG_CAPACITY: usize = 4096;

/// Defines a bucket, with what is kept of it.
type Define = Box<dyn FnOnce(&Engine, Option<Kept>) -> Result<(), Error> + Send>;

/// The definition of a store: made by [`Store::builder`], ended by [`start`](Self::start).
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// use std::time::Duration;
///
/// let store = Store::builder()
///     .name("my-app")
///     .bucket::<User>()
///     .persistence(Persistence::new(MemoryAdapter::new()))
///     .ttl_check_interval(Duration::from_secs(5))
///     .start()
///     .await?;
/// assert_eq!(store.name(), "my-app");
/// # Ok(()) }
/// ```
#[must_use = "a builder does nothing until `start().await`"]
pub struct StoreBuilder {
    name: String,
    buckets: Vec<(&'static Schema, Define)>,
    persistence: Option<Persistence>,
    import: Option<Box<dyn BufRead + Send>>,
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
            import: None,
            hashing: Hashing::default(),
            clock: Arc::new(SystemClock),
            log_capacity: LOG_CAPACITY,
            options: Options::default(),
        }
    }
}

impl StoreBuilder {
    /// Names the store, for people.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let store = Store::builder().bucket::<User>().name("shop").start().await?;
    /// assert_eq!(store.name(), "shop");
    /// # Ok(()) }
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Defines a bucket.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let store = Store::builder().bucket::<User>().start().await?;
    /// assert!(store.bucket::<User>()?.is_empty());
    /// # Ok(()) }
    /// ```
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
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let store = Store::builder().bucket::<User>().persistence(Persistence::new(MemoryAdapter::new())).start().await?;
    /// assert!(store.stats().persistence.enabled);
    /// # Ok(()) }
    /// ```
    pub fn persistence(mut self, persistence: Persistence) -> Self {
        self.persistence = Some(persistence);
        self
    }

    /// Has the store begin with what [`Snapshot::export`](crate::Snapshot::export) wrote: records with their versions, times and expiries,
    /// and the automatic numbers. As with what is kept, an earlier version of the buckets is converted. The commits go on after that of
    /// the export.
    ///
    /// All of it is read and checked before the store starts, or nothing is imported: a text that was cut off is an error. With persistence,
    /// nothing may be kept yet; then buckets that are not defined are kept, too.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// store.bucket::<Note>()?.insert(Note { id: 7 })?;
    /// let mut lines = Vec::new();
    /// store.snapshot().export(&mut lines)?;
    ///
    /// let other = Store::builder().bucket::<Note>().import(std::io::Cursor::new(lines)).start().await?;
    /// assert!(other.bucket::<Note>()?.contains_key(&7));
    /// # Ok(())
    /// # }
    /// ```
    pub fn import(mut self, from: impl BufRead + Send + 'static) -> Self {
        self.import = Some(Box::new(from));
        self
    }

    /// Chooses how keys and unique values are hashed: [`Hashing::HostileInput`] where users choose what is indexed, and
    /// some may mean harm.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let store = Store::builder().bucket::<User>().hashing(noex_store::Hashing::HostileInput).start().await?;
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    pub fn hashing(mut self, hashing: Hashing) -> Self {
        self.hashing = hashing;
        self
    }

    /// Takes the time from somewhere else than the system.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// use std::time::Duration;
    ///
    /// use noex_store::TestClock;
    ///
    /// let clock = TestClock::at(1_000);
    /// let store = Store::builder().bucket::<User>().clock(clock.clone()).start().await?;
    /// let ann = store.bucket::<User>()?.insert(User::draft().name("Ann").email("a@x.cz"))?;
    /// assert_eq!(ann.created_at(), 1_000);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(store.bucket::<User>()?.update(&ann.id, User::patch().age(1))?.updated_at(), 2_000);
    /// # Ok(()) }
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How many changes (records, not commits) the commit log keeps for those who read it late; 4,096 unless given. The
    /// latest commit is kept whatever its size.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let store = Store::builder().bucket::<User>().commit_log_capacity(100_000).start().await?;
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    pub fn commit_log_capacity(mut self, changes: usize) -> Self {
        self.log_capacity = changes;
        self
    }

    /// How long the store sleeps at most between two looks at what has expired, while there is anything that will; one second
    /// unless given. It wakes when the next record expires; the interval is for clocks that are set.
    ///
    /// With zero nothing expires by itself: [`Store::purge_ttl`] takes out what is due, and a write takes it out of the bucket that
    /// it is for. Readers of the latest commit do not see it either way.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let store = Store::builder().bucket::<User>().ttl_check_interval(Duration::ZERO).start().await?;
    /// assert_eq!(store.purge_ttl(), 0, "by hand");
    /// # Ok(()) }
    /// ```
    pub fn ttl_check_interval(mut self, interval: Duration) -> Self {
        self.options.ttl_check_interval = interval;
        self
    }

    /// How long [`Store::stop`] waits at most; ten seconds unless given, and `Duration::MAX` is for ever.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let store = Store::builder().bucket::<User>().stop_timeout(Duration::from_secs(2)).start().await?;
    /// store.stop().await?;
    /// # Ok(()) }
    /// ```
    pub fn stop_timeout(mut self, time: Duration) -> Self {
        self.options.stop_timeout = time;
        self
    }

    /// How often a service of the store may panic, within what time, and be started again; once more, and it is given up:
    /// what needs it fails with [`Error::Degraded`]. Five times in ten seconds unless given.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let store = Store::builder().bucket::<User>().restart_intensity(3, Duration::from_secs(60)).start().await?;
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    pub fn restart_intensity(mut self, restarts: u32, within: Duration) -> Self {
        self.options.intensity = Intensity { restarts, within };
        self
    }

    /// Starts the store, with what was kept before, if it has [persistence](Self::persistence).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let store = Store::builder().bucket::<User>().start().await?;
    /// assert_eq!(store.buckets().len(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::BucketAlreadyExists`] if two buckets have one name. With persistence also what the adapter says, and
    /// [`Error::Corrupt`], and [`Error::IncompatibleRecords`] if what was kept does not fit the buckets: nothing is changed then. With an
    /// [import](Self::import) also [`Error::Transfer`].
    pub async fn start(self) -> Result<Store, Error> {
        let Self { name, buckets, persistence, import, hashing, clock, log_capacity, options } = self;
        let engine = Arc::new(Engine::new(hashing, clock, log_capacity));
        if persistence.is_none() && import.is_none() {
            for (_, define) in buckets {
                define(&engine, None)?;
            }
            return Ok(Store::new(name.into(), engine, options, None));
        }
        let adapter = persistence.as_ref().map(|persistence| Arc::clone(&persistence.adapter));
        let on_progress = persistence.as_ref().and_then(|persistence| persistence.on_progress.clone());
        let starting = Starting {
            engine: Arc::clone(&engine),
            adapter: adapter.clone(),
            import,
            watch: Watch::new(on_progress, buckets.len()),
            buckets,
        };
        let runtime = Handle::try_current().ok();
        // Reading blocks, and takes its time.
        let load = move || {
            let _runtime = runtime.as_ref().map(Handle::enter);
            starting.run()
        };
        let loaded = match aside("noex-store start", load).await {
            Ok(Ok(loaded)) => loaded,
            failed => {
                if let Some(adapter) = adapter {
                    // Whoever starts again must find it free.
                    let _ = adapter.close().await;
                }
                return Err(match failed {
                    Ok(Err(error)) => error,
                    Err(reason) => Error::Persistence { reason },
                    Ok(Ok(_)) => Error::Stopped,
                });
            }
        };
        let Loaded { version, dormant, is_changed } = loaded;
        let kept = persistence.map(|persistence| (persistence, version, dormant));
        let store = Store::new(name.into(), engine, options, kept);
        store.begin_to_keep(is_changed).await?;
        Ok(store)
    }
}

/// What a store starts with.
struct Starting {
    engine: Arc<Engine>,
    adapter: Option<Arc<dyn StorageAdapter>>,
    import: Option<Box<dyn BufRead + Send>>,
    watch: Watch,
    buckets: Vec<(&'static Schema, Define)>,
}

/// What was kept.
struct Loaded {
    version: Version,
    /// The buckets that are not defined.
    dormant: BTreeMap<String, BucketImage>,
    /// Whether it is to be kept anew.
    is_changed: bool,
}

impl Starting {
    /// Reads what is kept, or imported, and defines the buckets with it.
    fn run(self) -> Result<Loaded, Error> {
        let Self { engine, adapter, import, mut watch, buckets } = self;
        let mut image = Image::default();
        let mut sink = watch.sink(&mut image);
        if let Some(adapter) = &adapter {
            let loaded = Arc::new(Parker::default()).block_on(adapter.load(&mut sink), None, || false);
            loaded.unwrap_or(Err(Error::Stopped))?;
        }
        let mut is_changed = import.is_some();
        if let Some(import) = import {
            if !sink.is_empty() {
                let reason = "something is kept already: an import needs a store without anything".to_owned();
                return Err(Error::Transfer { reason });
            }
            lines::read(import, &mut sink)?;
            if image.version > Version::LAST_TO_BEGIN_WITH {
                let reason = format!("commit {} is none after which a store could go on", image.version);
                return Err(Error::Transfer { reason });
            }
        }
        watch.tell();
        engine.go_on_after(image.version, image.time);
        for (schema, define) in buckets {
            let kept = if schema.persistent { image.take(schema) } else { None };
            is_changed |= kept.as_ref().is_some_and(|kept| kept.is_changed);
            define(&engine, kept)?;
            watch.bucket_is_ready();
        }
        if let (None, Some((name, _))) = (&adapter, image.buckets.first_key_value()) {
            let reason = format!("there is a bucket `{name}`, which is not defined: name it at the builder");
            return Err(Error::Transfer { reason });
        }
        Ok(Loaded { version: image.version, dormant: image.into_buckets(), is_changed })
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
