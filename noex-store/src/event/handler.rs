//! Functions that are called with events.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bus::{Bus, Registration, Sink, Wanted, in_handler};
use super::event::Event;
use super::pattern::Pattern;
use super::queue::{CAPACITY, Queue};
use crate::engine::{Commit, Version};
use crate::error::Error;
use crate::service::Task;
use crate::sync::{AtomicBool, Mutex};

/// How many events a handler is given before others have their turn.
const TURN: usize = 64;

type Call = Box<dyn FnMut(&Event) + Send>;

/// A function that is called with events, one after the other.
pub(crate) struct Handler {
    bus: Arc<Bus>,
    pattern: String,
    queue: Queue<Arc<Event>>,
    call: Mutex<Call>,
    /// Whether it waits in the pool, or runs.
    scheduled: AtomicBool,
    closed: AtomicBool,
}

impl Handler {
    pub(crate) fn start(
        bus: &Arc<Bus>,
        pattern: &str,
        call: impl FnMut(&Event) + Send + 'static,
    ) -> Result<EventGuard, Error> {
        let parsed: Pattern = pattern.parse()?;
        let make = |after: Version| {
            Arc::new(Self {
                bus: Arc::clone(bus),
                pattern: pattern.to_owned(),
                queue: Queue::new(after, CAPACITY, bus.flow()),
                call: Mutex::new(Box::new(call)),
                scheduled: AtomicBool::new(false),
                closed: AtomicBool::new(false),
            })
        };
        let (handler, registration) = bus.add(Wanted::Pattern(parsed), None, make)?;
        Ok(EventGuard { handler, _registration: registration })
    }

    fn schedule(self: &Arc<Self>) {
        if !self.scheduled.swap(true, Ordering::SeqCst) {
            self.bus.busy.fetch_add(1, Ordering::SeqCst);
            self.bus.pool().schedule(Arc::clone(self) as Arc<dyn Task>);
        }
    }

    fn one(&self, event: &Event) {
        let mut call = self.call.lock();
        // A panic is the handler's own; it is called with the next event all the same.
        if in_handler(|| catch_unwind(AssertUnwindSafe(|| call(event)))).is_err() {
            self.bus.flow().panics.add(1);
            tracing::error!(pattern = self.pattern, topic = event.topic(), "an event handler panicked");
        }
    }
}

impl Task for Handler {
    fn run(&self) -> bool {
        for _ in 0..TURN {
            let closed = self.closed.load(Ordering::SeqCst);
            match self.queue.pop() {
                Some(Ok(event)) if !closed => self.one(&event),
                Some(Err(lagged)) if !closed => {
                    tracing::warn!(pattern = self.pattern, %lagged, "an event handler is too slow");
                }
                Some(_) => {}
                None => {
                    self.scheduled.store(false, Ordering::SeqCst);
                    // It may have come after the look, and found that this runs.
                    if self.queue.len() > 0 && !self.scheduled.swap(true, Ordering::SeqCst) {
                        continue;
                    }
                    self.bus.busy.fetch_sub(1, Ordering::SeqCst);
                    self.bus.settled.wake();
                    return false;
                }
            }
        }
        true
    }
}

impl Sink for Handler {
    fn take(self: Arc<Self>, commit: &Arc<Commit>, events: Vec<Arc<Event>>) {
        if self.queue.push(commit.version(), events.into_iter().map(|event| (event, 1))) {
            self.schedule();
        }
    }

    fn miss(&self, commits: u64) {
        self.queue.miss(commits);
    }

    fn close(&self) {
        self.queue.close();
    }
}

/// Ends the calls of [`Store::on`](crate::Store::on) when it is dropped; one that is under way comes to its end.
#[must_use = "dropping the guard ends the calls"]
pub struct EventGuard {
    handler: Arc<Handler>,
    _registration: Registration,
}

impl Drop for EventGuard {
    fn drop(&mut self) {
        self.handler.closed.store(true, Ordering::SeqCst);
        self.handler.queue.close();
    }
}

impl fmt::Debug for EventGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventGuard").field("pattern", &self.handler.pattern).finish_non_exhaustive()
    }
}
