//! Where the store gets the time from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

/// A source of the time. Give your own to [`StoreBuilder::clock`](crate::StoreBuilder::clock) to have tests that do not
/// depend on the time of day; [`TestClock`] is one.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01 UTC. It may be set back: records expire by what it says, and the times that commits and records tell
    /// are never before that of the commit before.
    fn now_millis(&self) -> u64;

    /// Has somebody called whenever the time changes otherwise than by passing, until the call returns `false`: a clock that
    /// is set by hand tells so those who wait for a time. A clock that runs need not do anything.
    fn on_set(&self, listener: Box<dyn Fn() -> bool + Send + Sync>) {
        drop(listener);
    }
}

/// When a write is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// What the clock says. Records expire by it.
    pub(crate) clock: u64,
    /// The same, but never before the commit before: the clock may have been set back. What the commit and its records tell.
    pub(crate) time: u64,
}

impl Moment {
    pub(crate) fn new(clock: u64, last: u64) -> Self {
        Self { clock, time: clock.max(last) }
    }
}

/// When so much time will have passed. A time that is too long for that, as `Duration::MAX`, is thirty years: nobody waits for so long.
pub(crate) fn from_now(time: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    Instant::now() + time.min(NEVER)
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_millis(&self) -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }
}

/// A clock that stands until it is set: for tests of whatever depends on time. Clones are the same clock.
///
/// ```
/// use std::time::Duration;
///
/// use noex_store::TestClock;
/// use noex_store::prelude::*;
///
/// #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// #[bucket(name = "sessions", ttl = "30m")]
/// struct Session {
///     #[bucket(key)]
///     token: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let clock = TestClock::default();
/// let store = Store::builder().clock(clock.clone()).bucket::<Session>().start().await?;
/// let sessions = store.bucket::<Session>()?;
/// sessions.insert(Session { token: "abc".into() })?;
///
/// clock.advance(Duration::from_secs(29 * 60));
/// assert_eq!(sessions.count(), 1);
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(sessions.count(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TestClock {
    shared: Arc<Shared>,
}

struct Shared {
    now: AtomicU64,
    listeners: Mutex<Vec<Box<dyn Fn() -> bool + Send + Sync>>>,
}

impl TestClock {
    /// A clock that stands at a time, in milliseconds since 1970-01-01 UTC.
    ///
    /// ```
    /// use noex_store::prelude::*;
    /// use noex_store::{Clock, TestClock};
    ///
    /// assert_eq!(TestClock::at(1_000).now_millis(), 1_000);
    /// ```
    pub fn at(millis: u64) -> Self {
        let shared = Shared { now: AtomicU64::new(millis), listeners: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Lets time pass. Whoever waits for a time is woken before this returns; what it then does, `settle` waits for.
    ///
    /// ```
    /// use noex_store::prelude::*;
    /// use noex_store::{Clock, TestClock};
    ///
    /// let clock = TestClock::at(1_000);
    /// clock.advance(Duration::from_secs(2));
    /// assert_eq!(clock.now_millis(), 3_000);
    /// ```
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.set(self.shared.now.load(Ordering::SeqCst).saturating_add(millis));
    }

    /// Sets the time, in milliseconds since 1970-01-01 UTC. A store whose clock is set back goes on with the time of its last
    /// commit until the clock has come there again; but records expire by what the clock says.
    ///
    /// ```
    /// use noex_store::prelude::*;
    /// use noex_store::{Clock, TestClock};
    ///
    /// let clock = TestClock::default();
    /// clock.set(1_767_225_600_000);
    /// assert_eq!(clock.now_millis(), 1_767_225_600_000);
    /// ```
    pub fn set(&self, millis: u64) {
        self.shared.now.store(millis, Ordering::SeqCst);
        self.shared.listeners.lock().retain(|listener| listener());
    }
}

impl Default for TestClock {
    /// Stands at 2026-01-01, 00:00 UTC.
    fn default() -> Self {
        Self::at(1_767_225_600_000)
    }
}

impl Clock for TestClock {
    fn now_millis(&self) -> u64 {
        self.shared.now.load(Ordering::SeqCst)
    }

    fn on_set(&self, listener: Box<dyn Fn() -> bool + Send + Sync>) {
        self.shared.listeners.lock().push(listener);
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClock").field("now_millis", &self.now_millis()).finish_non_exhaustive()
    }
}
