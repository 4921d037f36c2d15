//! A service: a thread that is started again when it panics, until it does so too often.
//!
//! This is a one-for-one supervisor with the restart intensity of OTP (Armstrong, *Making reliable distributed systems in the
//! presence of software errors*, 2003). A service keeps its place (a commit, a queue) outside of what is run again, so that it
//! goes on where it was.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::engine::panic_message;
use crate::error::Error;
use crate::sync::{AtomicU64, Condvar, Mutex, sleep, spawn};

/// How many restarts within what time are too many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intensity {
    pub(crate) restarts: u32,
    pub(crate) within: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Self { restarts: 5, within: Duration::from_secs(10) }
    }
}

/// The longest pause before a restart; the first is a thousandth of it.
const MAX_PAUSE: Duration = Duration::from_millis(64);

/// A thread under supervision.
pub(crate) struct Service {
    name: &'static str,
    intensity: Intensity,
    restarts: AtomicU64,
    state: Mutex<ServiceState>,
    ended: Condvar,
    #[cfg(test)]
    kill: crate::sync::AtomicBool,
}

/// How a service is, by [`Store::stats`](crate::Store::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServiceStats {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub state: ServiceState,
    /// How often it has panicked, and was started again.
    pub restarts: u64,
}

/// What a service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceState {
    /// Nobody has needed it yet.
    Idle,
    /// It runs.
    Running,
    /// It has come to its end.
    Ended,
    /// It has panicked too often, and was given up.
    Degraded,
}

impl Service {
    pub(crate) fn new(name: &'static str, intensity: Intensity) -> Arc<Self> {
        Arc::new(Self {
            name,
            intensity,
            restarts: AtomicU64::new(0),
            state: Mutex::new(ServiceState::Idle),
            ended: Condvar::new(),
            #[cfg(test)]
            kill: crate::sync::AtomicBool::new(false),
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn stats(&self) -> ServiceStats {
        let restarts = self.restarts.load(Ordering::Relaxed);
        ServiceStats { name: self.name, state: *self.state.lock(), restarts }
    }

    pub(crate) fn is_running(&self) -> bool {
        *self.state.lock() == ServiceState::Running
    }

    pub(crate) fn is_degraded(&self) -> bool {
        *self.state.lock() == ServiceState::Degraded
    }

    /// # Errors
    /// [`Error::Degraded`] if the service was given up.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_degraded() { Err(Error::Degraded { service: self.name }) } else { Ok(()) }
    }

    /// Runs the service in a thread of its own, if it was not started before: again whenever it panics, and until it returns.
    /// When it has panicked too often, `give_up` is called instead.
    pub(crate) fn start(
        self: &Arc<Self>,
        run: impl Fn() + Send + 'static,
        give_up: impl FnOnce() + Send + 'static,
    ) {
        {
            let mut state = self.state.lock();
            if *state != ServiceState::Idle {
                return;
            }
            *state = ServiceState::Running;
        }
        let service = Arc::clone(self);
        let name = format!("noex-store {}", self.name);
        let supervise = move || {
            let end = service.supervise(&run);
            if end == ServiceState::Degraded {
                // First: whoever finds the doors closed must hear why.
                *service.state.lock() = ServiceState::Degraded;
                give_up();
            }
            // What it holds goes before it is said to be over.
            drop(run);
            service.end(end);
        };
        if let Err(error) = spawn(&name, supervise) {
            tracing::error!(service = self.name, %error, "a service could not be started");
            self.end(ServiceState::Degraded);
        }
    }

    fn supervise(&self, run: &impl Fn()) -> ServiceState {
        let mut panics: VecDeque<Instant> = VecDeque::new();
        loop {
            let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else { return ServiceState::Ended };
            let message = panic_message(panic.as_ref());
            let now = Instant::now();
            panics.push_back(now);
            while panics.front().is_some_and(|at| now.duration_since(*at) > self.intensity.within) {
                panics.pop_front();
            }
            if panics.len() > self.intensity.restarts as usize {
                tracing::error!(
                    service = self.name,
                    message,
                    "a service panicked too often and is given up; the store is degraded"
                );
                return ServiceState::Degraded;
            }
            tracing::error!(service = self.name, message, "a service panicked, and is started again");
            self.restarts.fetch_add(1, Ordering::Relaxed);
            let doubled = 1_u32 << panics.len().min(10);
            sleep((MAX_PAUSE / 1024).saturating_mul(doubled).min(MAX_PAUSE));
        }
    }

    fn end(&self, state: ServiceState) {
        *self.state.lock() = state;
        self.ended.notify_all();
    }

    /// Waits until the service has ended; `false` if it has not at the deadline.
    pub(crate) fn wait(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        while *state == ServiceState::Running {
            if Instant::now() >= deadline {
                return false;
            }
            self.ended.wait_until(&mut state, deadline);
        }
        if *state == ServiceState::Idle {
            // Nobody starts it any more.
            *state = ServiceState::Ended;
        }
        true
    }

    /// A place where a test may have the service panic.
    #[inline]
    pub(crate) fn point(&self) {
        #[cfg(test)]
        if self.kill.swap(false, Ordering::SeqCst) {
            panic!("killed by a test");
        }
    }

    #[cfg(test)]
    pub(crate) fn kill(&self) {
        self.kill.store(true, Ordering::SeqCst);
    }
}

/// The services of a store.
pub(crate) struct Services {
    intensity: Intensity,
    all: Mutex<Vec<Arc<Service>>>,
}

impl Services {
    pub(crate) fn new(intensity: Intensity) -> Arc<Self> {
        Arc::new(Self { intensity, all: Mutex::default() })
    }

    pub(crate) fn add(&self, name: &'static str) -> Arc<Service> {
        let service = Service::new(name, self.intensity);
        let mut all = self.all.lock();
        // Those of bridges that are gone.
        all.retain(|service| Arc::strong_count(service) > 1);
        all.push(Arc::clone(&service));
        service
    }

    pub(crate) fn all(&self) -> Vec<Arc<Service>> {
        self.all.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::AtomicBool;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn goes_on_where_it_was() {
        let service = Service::new("test", Intensity::default());
        let done = Arc::new(AtomicU64::new(0));
        let own = Arc::clone(&done);
        service.start(
            move || {
                while own.load(Ordering::SeqCst) < 10 {
                    if own.fetch_add(1, Ordering::SeqCst).is_multiple_of(3) {
                        panic!("at every third");
                    }
                }
            },
            || panic!("not that often"),
        );
        assert!(service.wait(soon()));
        assert_eq!((done.load(Ordering::SeqCst), service.stats().restarts), (10, 4));
        assert!(service.check().is_ok());
    }

    #[test]
    fn is_given_up_when_it_panics_too_often() {
        let service = Service::new("test", Intensity { restarts: 2, within: Duration::from_secs(60) });
        let told = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&told);
        service.start(|| panic!("always"), move || own.store(true, Ordering::SeqCst));
        assert!(service.wait(soon()));
        assert_eq!(service.stats().restarts, 2);
        assert!(told.load(Ordering::SeqCst));
        assert_eq!(service.check(), Err(Error::Degraded { service: "test" }));
    }

    #[test]
    fn waiting_has_an_end() {
        let service = Service::new("test", Intensity::default());
        let stop = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&stop);
        service.start(
            move || {
                while !own.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            },
            || (),
        );
        assert!(!service.wait(Instant::now() + Duration::from_millis(5)));
        stop.store(true, Ordering::SeqCst);
        assert!(service.wait(soon()));
    }
}
