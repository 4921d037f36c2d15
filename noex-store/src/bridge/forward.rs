//! The bridge's thread.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::runtime::Handle;

use super::{BridgeOptions, BridgeStats, EventReceiver};
use crate::clock::from_now;
use crate::engine::{Commit, Count, Version, panic_message};
use crate::error::Error;
use crate::event::{Bus, Event, Lagged, Queue, Registration, Sink, Wanted, in_handler};
use crate::service::{Parker, Service, Services};
use crate::sync::{AtomicBool, Mutex};

/// A bridge, without the type of its receiver.
pub(crate) trait Progress: Send + Sync {
    fn stats(&self) -> BridgeStats;
    /// Takes nothing more, and forgets what waits.
    fn close(&self);
    /// Drops also what is under way.
    fn abandon(&self);
}

/// Sends events to a receiver, one after the other.
pub(super) struct Forward<R> {
    receiver: R,
    options: BridgeOptions,
    bus: Arc<Bus>,
    service: Arc<Service>,
    /// The runtime that the receiver may need.
    runtime: Option<Handle>,
    queue: Queue<Arc<Event>>,
    /// The event that is being sent. A thread that is started anew goes on with it.
    current: Mutex<Option<Arc<Event>>>,
    parker: Arc<Parker>,
    /// Whether the bus counts this among what is busy.
    busy: AtomicBool,
    closed: AtomicBool,
    abandoned: AtomicBool,
    delivered: Count,
    filtered: Count,
    failed: Count,
    missed: Count,
}

impl<R: EventReceiver> Forward<R> {
    pub(super) fn start(
        bus: &Arc<Bus>,
        services: &Services,
        receiver: R,
        options: BridgeOptions,
    ) -> Result<(Arc<Self>, Registration), Error> {
        let wanted = Wanted::Pattern(options.pattern.parse()?);
        let since = options.since;
        let make = |after: Version| {
            Arc::new(Self {
                queue: Queue::new(after, options.capacity, bus.flow()),
                receiver,
                options,
                bus: Arc::clone(bus),
                service: services.add("rules bridge"),
                runtime: Handle::try_current().ok(),
                current: Mutex::new(None),
                parker: Arc::default(),
                busy: AtomicBool::new(false),
                closed: AtomicBool::new(false),
                abandoned: AtomicBool::new(false),
                delivered: Count::default(),
                filtered: Count::default(),
                failed: Count::default(),
                missed: Count::default(),
            })
        };
        let (forward, registration) = bus.add(wanted, since, make)?;
        let (own, given_up) = (Arc::clone(&forward), Arc::clone(&forward));
        let give_up = move || {
            Progress::close(given_up.as_ref());
            while given_up.queue.pop().is_some() {}
            given_up.rest();
        };
        // A receiver that settles the store would wait for itself.
        forward.service.start(move || in_handler(|| own.run()), give_up);
        Ok((forward, registration))
    }

    fn run(&self) {
        let unfinished = self.current.lock().take();
        if let Some(event) = unfinished {
            self.send(event);
        }
        while let Some(item) = self.next() {
            match item {
                _ if self.closed.load(Ordering::SeqCst) => {}
                Ok(event) => self.send(event),
                Err(Lagged(missed)) => {
                    tracing::warn!(missed, "the receiver of a bridge is too slow: events were lost");
                    self.missed.add(missed as usize);
                    self.user("lagged", || {
                        self.receiver.lagged(missed);
                        Ok(())
                    });
                }
            }
        }
        self.rest();
    }

    /// Waits for the next event; `None` when no more come.
    fn next(&self) -> Option<Result<Arc<Event>, Lagged>> {
        self.service.point();
        let next = poll_fn(|context| {
            loop {
                match self.queue.poll(context) {
                    Poll::Pending if self.rest() => {}
                    done => return done,
                }
            }
        });
        self.parker.block_on(next, None, || false).flatten()
    }

    /// Notes that nothing waits any more; whether something has come meanwhile.
    fn rest(&self) -> bool {
        // Whoever sets the flag has the bus wait for this, until it is taken back here.
        if !self.busy.swap(false, Ordering::SeqCst) {
            return false;
        }
        if self.queue.len() > 0 && !self.busy.swap(true, Ordering::SeqCst) {
            return true;
        }
        self.bus.leave();
        false
    }

    fn send(&self, event: Arc<Event>) {
        *self.current.lock() = Some(Arc::clone(&event));
        self.service.point();
        self.user(event.topic(), || self.emit(&event));
        *self.current.lock() = None;
    }

    fn emit(&self, event: &Event) -> Result<(), String> {
        if !self.options.wants(event) {
            self.filtered.add(1);
            return Ok(());
        }
        let (topic, data) = (self.options.topic(event), self.options.data(event));
        let _runtime = self.runtime.as_ref().map(Handle::enter);
        let deadline = from_now(self.options.timeout);
        let abandoned = || self.abandoned.load(Ordering::SeqCst);
        match self.parker.block_on(self.receiver.emit(&topic, data), Some(deadline), abandoned) {
            Some(Ok(())) => {
                self.delivered.add(1);
                Ok(())
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Err("it was not done in time".to_owned()),
        }
    }

    /// Runs the user's code. What goes wrong there is counted and traced, and goes no further.
    fn user(&self, what: &str, run: impl FnOnce() -> Result<(), String>) {
        let done = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|panic| Err(format!("a panic: {}", panic_message(panic.as_ref()))));
        if let Err(error) = done {
            self.failed.add(1);
            tracing::warn!(what, error, "the receiver of a bridge failed");
        }
    }
}

impl<R: EventReceiver> Sink for Forward<R> {
    fn take(self: Arc<Self>, commit: &Arc<Commit>, events: Vec<Arc<Event>>) {
        if self.queue.push(commit.version(), events.into_iter().map(|event| (event, 1)))
            && !self.busy.swap(true, Ordering::SeqCst)
        {
            self.bus.enter();
            // The thread may have sent it already: then it takes the flag back.
            self.parker.unpark();
        }
    }

    fn miss(&self, commits: u64) {
        self.queue.miss(commits);
    }

    fn close(&self) {
        self.queue.close();
    }
}

impl<R: EventReceiver> Progress for Forward<R> {
    fn stats(&self) -> BridgeStats {
        BridgeStats {
            delivered: self.delivered.get(),
            filtered: self.filtered.get(),
            failed: self.failed.get(),
            missed: self.missed.get(),
            waiting: self.queue.len() + usize::from(self.current.lock().is_some()),
        }
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.queue.close();
    }

    fn abandon(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.abandoned.store(true, Ordering::SeqCst);
        self.queue.close();
        self.parker.unpark();
    }
}
