//! What runs beside a store, and how it comes to its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::bridge::{Bridge, BridgeOptions, BridgeProgress, BridgeStats, EventReceiver};
use crate::clock::from_now;
use crate::engine::{self, Engine, Version};
use crate::error::Error;
use crate::event::Bus;
use crate::lifecycle::Sweeper;
use crate::live::{LiveHandle, Queries};
use crate::persist::{BucketImage, Keeper, Persistence};
use crate::service::{Intensity, Pool, ServiceStats, Services, Settled};
use crate::sync::{Mutex, sleep, spawn};

/// How the services of a store are to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) ttl_check_interval: Duration,
    pub(super) stop_timeout: Duration,
    pub(super) intensity: Intensity,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ttl_check_interval: Duration::from_secs(1),
            stop_timeout: Duration::from_secs(10),
            intensity: Intensity::default(),
        }
    }
}

/// How commits are kept; the last one that was; and the buckets that are kept and not defined.
pub(super) type Kept = (Persistence, Version, BTreeMap<String, BucketImage>);

/// What runs beside a store. Held by stores alone: when the last one is dropped, all of this ends.
pub(super) struct Running {
    pub(super) live: Arc<LiveHandle>,
    pub(super) queries: Queries,
    pub(super) bus: Arc<Bus>,
    pub(super) sweeper: Arc<Sweeper>,
    engine: Arc<Engine>,
    bridges: Mutex<Vec<Weak<dyn BridgeProgress>>>,
    pub(super) keeper: Option<Arc<Keeper>>,
    pool: Arc<Pool>,
    services: Arc<Services>,
    stop_timeout: Duration,
    /// What became of the stop, once it is over.
    stopped: Mutex<Option<Result<(), Error>>>,
    stopping: Settled,
}

impl Running {
    pub(super) fn new(engine: &Arc<Engine>, options: Options, kept: Option<Kept>) -> Self {
        let services = Services::new(options.intensity);
        let pool = Pool::new();
        // Services are stopped in this order; the last commits of the others are kept.
        Self {
            live: LiveHandle::new(Arc::clone(engine), services.add("live queries")),
            queries: Queries::default(),
            bus: Bus::new(engine, services.add("events"), &pool),
            sweeper: Sweeper::new(engine, services.add("ttl sweeper"), options.ttl_check_interval),
            engine: Arc::clone(engine),
            bridges: Mutex::new(Vec::new()),
            keeper: kept.map(|(persistence, version, dormant)| {
                Keeper::new(engine, persistence, version, dormant, &services)
            }),
            pool,
            services,
            stop_timeout: options.stop_timeout,
            stopped: Mutex::new(None),
            stopping: Settled::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn kill(&self, number: usize) {
        let services = self.services.all();
        services[number % services.len()].kill();
    }

    pub(super) fn service_stats(&self) -> Vec<ServiceStats> {
        self.services.all().iter().map(|service| service.stats()).collect()
    }

    pub(super) fn bridge<R: EventReceiver>(
        &self,
        receiver: R,
        options: BridgeOptions,
    ) -> Result<Bridge, Error> {
        let bridge = Bridge::start(&self.bus, &self.services, receiver, options)?;
        let mut bridges = self.bridges.lock();
        bridges.retain(|bridge| bridge.strong_count() > 0);
        bridges.push(Arc::downgrade(bridge.progress()));
        drop(bridges);
        Ok(bridge)
    }

    fn live_bridges(&self) -> Vec<Arc<dyn BridgeProgress>> {
        self.bridges.lock().iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn bridge_stats(&self) -> Vec<BridgeStats> {
        self.live_bridges().iter().map(|bridge| bridge.stats()).collect()
    }

    pub(super) async fn settle(&self, engine: &Engine) {
        if !self.sweeper.is_by_hand() {
            // If the record's code panics the sweeper says so.
            let _ = engine.purge();
        }
        self.live.settle().await;
        self.bus.settle().await;
    }

    /// Ends all in order, and waits for it, in a thread of its own: whoever awaits this may be needed by what is waited for.
    pub(super) async fn shut_down(own: &Arc<Self>) -> Result<(), Error> {
        let done = || own.stopped.lock().clone();
        // Unless it is the code of a write that stops the store, and would wait for itself.
        let waits = !engine::Running::in_turn();
        let until = from_now(own.stop_timeout);
        if done().is_none() && own.is_idle() {
            let outcome = own.end(waits.then_some(until), Instant::now());
            own.stopped.lock().get_or_insert(outcome);
        }
        if done().is_none() {
            let running = Arc::clone(own);
            let work = move || {
                let outcome = running.end(waits.then_some(until), until);
                running.stopped.lock().get_or_insert(outcome);
                running.stopping.wake();
            };
            if spawn("noex-store stop", work).is_err() {
                // Without a thread there is no time to wait in.
                own.end_now();
                return Ok(());
            }
        }
        own.stopping.until(|| done().is_some()).await;
        done().unwrap_or(Ok(()))
    }

    /// Whether no thread has been started that would have to be waited for.
    fn is_idle(&self) -> bool {
        self.services.all().iter().all(|service| !service.is_running())
            && self.bus.wait_for_handlers(Instant::now())
    }

    /// `writes`: how long to wait for writes that have begun.
    fn end(&self, writes: Option<Instant>, deadline: Instant) -> Result<(), Error> {
        let mut late = Vec::new();
        if writes.is_some_and(|until| !self.engine.wait_for_writes(until)) {
            late.push("writes");
        }
        self.sweeper.stop();
        while !self.live.is_settled() {
            if Instant::now() >= deadline {
                break;
            }
            sleep(Duration::from_millis(1));
        }
        self.live.stop();
        self.bus.stop();
        if let Some(keeper) = &self.keeper {
            keeper.stop(deadline);
        }
        for service in self.services.all() {
            if !service.wait(deadline) {
                late.push(service.name());
            }
        }
        if !late.is_empty() {
            self.live_bridges().iter().for_each(|bridge| bridge.abandon());
        }
        let called = self.bus.wait_for_handlers(deadline);
        self.pool.stop();
        if !called || !self.pool.wait(deadline) {
            late.push("event handlers");
        }
        if let Some(keeper) = &self.keeper {
            // What was promised weighs more than what is late.
            keeper.outcome()?;
        }
        if late.is_empty() { Ok(()) } else { Err(Error::StopTimedOut { services: late }) }
    }

    fn end_now(&self) {
        self.sweeper.stop();
        self.live.stop();
        self.bus.stop();
        self.pool.stop();
        if let Some(keeper) = &self.keeper {
            keeper.stop(from_now(self.stop_timeout));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Handles that are left can still read: nobody would follow what they write.
        self.engine.refuse_writes();
        self.end_now();
    }
}
