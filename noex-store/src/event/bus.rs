//! The bus: reads the commits in order, and hands each to those who asked for it.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::time::{Duration, Instant};

use super::event::{Event, EventKind};
use super::flow::{EventStats, Flow};
use super::pattern::{Pattern, Patterns};
use crate::engine::{Commit, CommitReader, Engine, Version};
use crate::error::Error;
use crate::service::{Pool, Service, Settled};
use crate::sync::{AtomicBool, Condvar, Mutex};

/// Where a subscriber's part of the commits goes.
pub(crate) trait Sink: Send + Sync {
    /// Takes the events of a commit that match its pattern.
    fn take(self: Arc<Self>, commit: &Arc<Commit>, events: Vec<Arc<Event>>);
    /// Notes that commits were lost on the way.
    fn miss(&self, commits: u64);
    /// Nothing more comes.
    fn close(&self);
}

/// Reads the commits in order, and hands each to those who asked for it.
pub(crate) struct Bus {
    engine: Arc<Engine>,
    service: Arc<Service>,
    pool: Arc<Pool>,
    state: Mutex<State>,
    news: Condvar,
    /// Whether there is anybody to tell.
    wanted: AtomicBool,
    /// Whether the thread sleeps, so that a writer need not wake one that does not.
    sleeping: AtomicBool,
    /// Handlers that are to be called, or are being called.
    pub(super) busy: AtomicUsize,
    /// Bridges that have something to send.
    sending: AtomicUsize,
    pub(super) settled: Settled,
    flow: Arc<Flow>,
}

type Numbered = (u64, Arc<dyn Sink>);

#[derive(Default)]
struct State {
    patterns: Patterns<Arc<dyn Sink>>,
    /// Those who want all changes of a bucket.
    buckets: HashMap<&'static str, Vec<Numbered>>,
    topics: HashMap<&'static str, [Arc<str>; 3]>,
    /// `None` while there is nobody to tell.
    reader: Option<CommitReader>,
    /// The commit that is being handed out. It is handed out again if that panics; a subscriber takes it once.
    current: Option<Arc<Commit>>,
    /// All commits up to here have been handed out.
    done: Version,
    subscribers: usize,
    next_id: u64,
    stopped: bool,
}

/// What is to be told to whom.
enum Next {
    Commit(Arc<Commit>, Vec<Delivery>),
    Missed(u64, Vec<Arc<dyn Sink>>),
}

struct Delivery {
    sink: Arc<dyn Sink>,
    events: Vec<Arc<Event>>,
}

crate::sync::thread_local! {
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
}

/// Marks that this thread runs a handler or a receiver, which cannot wait for itself.
pub(crate) fn in_handler<T>(run: impl FnOnce() -> T) -> T {
    let before = IN_HANDLER.with(|own| own.replace(true));
    let value = run();
    IN_HANDLER.with(|own| own.set(before));
    value
}

/// What a subscriber asked for.
pub(crate) enum Wanted {
    Pattern(Pattern),
    Bucket(&'static str),
}

/// Takes its sink off the bus when it is dropped.
pub(crate) struct Registration {
    bus: Arc<Bus>,
    wanted: Wanted,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.bus.remove(&self.wanted, self.id);
    }
}

impl Bus {
    pub(crate) fn new(engine: &Arc<Engine>, service: Arc<Service>, pool: &Arc<Pool>) -> Arc<Self> {
        let bus = Arc::new(Self {
            engine: Arc::clone(engine),
            service,
            pool: Arc::clone(pool),
            state: Mutex::default(),
            news: Condvar::new(),
            wanted: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            settled: Settled::default(),
            flow: Arc::default(),
        });
        let weak = Arc::downgrade(&bus);
        engine.listen(move || {
            let bus = weak.upgrade();
            bus.iter().for_each(|bus| bus.look());
            bus.is_some()
        });
        bus
    }

    /// A bridge has something to send: whoever settles the store waits for it.
    pub(crate) fn enter(&self) {
        self.sending.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn leave(&self) {
        self.sending.fetch_sub(1, Ordering::SeqCst);
        self.settled.wake();
    }

    pub(crate) fn flow(&self) -> &Arc<Flow> {
        &self.flow
    }

    pub(crate) fn stats(&self) -> EventStats {
        let latest = self.engine.load().version.get();
        let state = self.state.lock();
        let behind = if state.subscribers == 0 { 0 } else { latest.saturating_sub(state.done.get()) };
        EventStats {
            subscribers: state.subscribers,
            behind,
            told: self.flow.told.get(),
            missed: self.flow.missed.get(),
            waiting: self.flow.waiting(),
            panics: self.flow.panics.get(),
        }
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// After a commit. One atomic load while nobody listens.
    fn look(&self) {
        // Pairs with the one in `next`: either the thread sees the commit, or this sees that it sleeps.
        fence(Ordering::SeqCst);
        if self.wanted.load(Ordering::Relaxed) && self.sleeping.load(Ordering::Relaxed) {
            drop(self.state.lock());
            self.news.notify_all();
        }
    }

    /// Adds a subscriber for what is committed from now on; or for what was committed after a version, as long as the log
    /// has it. `make` is told after which commit its queue begins, and may be handed commits at once.
    pub(crate) fn add<S: Sink + 'static>(
        self: &Arc<Self>,
        wanted: Wanted,
        since: Option<Version>,
        make: impl FnOnce(Version) -> Arc<S>,
    ) -> Result<(Arc<S>, Registration), Error> {
        self.service.check()?;
        let mut state = self.state.lock();
        if state.stopped || self.engine.is_stopped() {
            return Err(Error::Stopped);
        }
        // With the lock: what is committed from here on is handed out after this subscriber is in its place.
        let now = self.engine.load().version;
        let sink = make(since.unwrap_or(now));
        if let Some(since) = since {
            self.replay(&mut state, &wanted, since, now, &(Arc::clone(&sink) as Arc<dyn Sink>))?;
        }
        let id = state.next_id;
        state.next_id += 1;
        state.subscribers += 1;
        let shared = Arc::clone(&sink) as Arc<dyn Sink>;
        match &wanted {
            Wanted::Pattern(pattern) => state.patterns.insert(pattern, id, shared),
            Wanted::Bucket(bucket) => state.buckets.entry(bucket).or_default().push((id, shared)),
        }
        if state.reader.is_none() {
            state.reader = Some(self.engine.log().after(now));
            state.done = now;
        }
        self.wanted.store(true, Ordering::SeqCst);
        drop(state);
        let own = Arc::clone(self);
        let given_up = Arc::clone(self);
        self.service.start(move || own.run(), move || given_up.close_all());
        self.news.notify_all();
        Ok((sink, Registration { bus: Arc::clone(self), wanted, id }))
    }

    /// Hands a new subscriber what was committed after a version.
    fn replay(
        &self,
        state: &mut State,
        wanted: &Wanted,
        since: Version,
        now: Version,
        sink: &Arc<dyn Sink>,
    ) -> Result<(), Error> {
        let gone = |oldest| Error::CommitsGone { asked: since, oldest, latest: now };
        if since > now {
            return Err(gone(now));
        }
        let mut reader = self.engine.log().after(since);
        loop {
            match reader.try_next() {
                Ok(Some(commit)) if commit.version() <= now => {
                    let events = match wanted {
                        Wanted::Bucket(bucket) if !commit.buckets().any(|(name, _)| name == *bucket) => {
                            continue;
                        }
                        Wanted::Bucket(_) => Vec::new(),
                        Wanted::Pattern(pattern) => {
                            let mut only = Patterns::default();
                            only.insert(pattern, 0, Arc::clone(sink));
                            let found = deliveries(&only, &mut state.topics, &commit);
                            found.into_iter().flat_map(|delivery| delivery.events).collect()
                        }
                    };
                    Arc::clone(sink).take(&commit, events);
                }
                Ok(_) => return Ok(()),
                Err(missed) => return Err(gone(Version(since.get() + missed))),
            }
        }
    }

    fn remove(&self, wanted: &Wanted, id: u64) {
        let mut state = self.state.lock();
        match wanted {
            Wanted::Pattern(pattern) => state.patterns.remove(pattern, id),
            Wanted::Bucket(bucket) => {
                if let Some(sinks) = state.buckets.get_mut(bucket) {
                    sinks.retain(|(other, _)| *other != id);
                    if sinks.is_empty() {
                        state.buckets.remove(bucket);
                    }
                }
            }
        }
        state.subscribers -= 1;
        if state.subscribers == 0 {
            // The thread sleeps until somebody comes, and starts anew then.
            state.reader = None;
            self.wanted.store(false, Ordering::SeqCst);
            drop(state);
            self.settled.wake();
        }
    }

    fn run(&self) {
        loop {
            self.service.point();
            match self.next() {
                None => return self.close_all(),
                Some(Next::Missed(commits, sinks)) => {
                    tracing::warn!(commits, "events could not be told as fast as commits were made");
                    sinks.iter().for_each(|sink| sink.miss(commits));
                }
                Some(Next::Commit(commit, deliveries)) => {
                    for Delivery { sink, events } in deliveries {
                        self.service.point();
                        sink.take(&commit, events);
                    }
                    let mut state = self.state.lock();
                    state.current = None;
                    state.done = state.done.max(commit.version());
                    drop(state);
                    self.settled.wake();
                }
            }
        }
    }

    /// The next commit that is for anybody, or the end.
    fn next(&self) -> Option<Next> {
        let mut state = self.state.lock();
        loop {
            let own = &mut *state;
            let read = match (own.current.clone(), &mut own.reader) {
                (Some(current), _) => Ok(Some(current)),
                // Whoever subscribes now is told of all that is not in the root yet: none of that may have been handed out before.
                (None, Some(reader)) => reader.try_next_up_to(self.engine.load().version),
                (None, None) => Ok(None),
            };
            match read {
                Ok(Some(commit)) => {
                    let deliveries = own.deliveries(&commit);
                    if deliveries.is_empty() {
                        own.current = None;
                        own.done = own.done.max(commit.version());
                        self.settled.wake();
                        continue;
                    }
                    own.current = Some(Arc::clone(&commit));
                    return Some(Next::Commit(commit, deliveries));
                }
                Err(missed) => return Some(Next::Missed(missed, own.sinks())),
                Ok(None) if own.stopped => return None,
                Ok(None) => {
                    self.sleeping.store(true, Ordering::Relaxed);
                    fence(Ordering::SeqCst);
                    let latest = self.engine.load().version;
                    let behind = own.reader.as_ref().is_some_and(|reader| reader.is_behind(latest));
                    if !behind {
                        self.news.wait(&mut state);
                    }
                    self.sleeping.store(false, Ordering::Relaxed);
                }
            }
        }
    }

    fn close_all(&self) {
        let mut state = self.state.lock();
        state.stopped = true;
        let sinks = state.sinks();
        drop(state);
        sinks.iter().for_each(|sink| sink.close());
        self.settled.wake();
    }

    /// Waits until every commit so far has been handed out, every handler called, and every bridge's receiver.
    pub(crate) async fn settle(&self) {
        let version = self.engine.load().version;
        let in_handler = IN_HANDLER.with(Cell::get);
        let done = || {
            let state = self.state.lock();
            state.stopped || state.subscribers == 0 || state.done >= version || self.service.is_degraded()
        };
        self.settled.until(done).await;
        if !in_handler {
            // After a stop that ran out of time a handler may never come to its end.
            let idle = || {
                let busy = self.busy.load(Ordering::SeqCst) + self.sending.load(Ordering::SeqCst);
                busy == 0 || self.state.lock().stopped
            };
            self.settled.until(idle).await;
        }
    }

    /// Hands out what has been committed, and then ends all streams.
    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.news.notify_all();
        if !self.service.is_running() {
            self.close_all();
        }
    }

    /// Waits until handlers have been called with what was handed out; `false` if some have not at the deadline.
    pub(crate) fn wait_for_handlers(&self, deadline: Instant) -> bool {
        while self.busy.load(Ordering::SeqCst) > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            crate::sync::sleep(Duration::from_millis(1));
        }
        true
    }
}

impl State {
    fn sinks(&self) -> Vec<Arc<dyn Sink>> {
        let mut sinks: Vec<_> = self.buckets.values().flatten().map(|(_, sink)| Arc::clone(sink)).collect();
        self.patterns.for_each(&mut |sink| sinks.push(Arc::clone(sink)));
        sinks
    }

    fn deliveries(&mut self, commit: &Arc<Commit>) -> Vec<Delivery> {
        let mut all = deliveries(&self.patterns, &mut self.topics, commit);
        for (bucket, _) in commit.buckets() {
            let sinks = self.buckets.get(bucket).into_iter().flatten();
            all.extend(sinks.map(|(_, sink)| Delivery { sink: Arc::clone(sink), events: Vec::new() }));
        }
        all
    }
}

/// The events of a commit for those whose patterns match. Three look-ups for each bucket of the commit, whatever the number of
/// patterns; an event is made only if it is for somebody.
fn deliveries(
    patterns: &Patterns<Arc<dyn Sink>>,
    topics: &mut HashMap<&'static str, [Arc<str>; 3]>,
    commit: &Arc<Commit>,
) -> Vec<Delivery> {
    let mut found: Vec<(u64, Delivery)> = Vec::new();
    if patterns.is_empty() {
        return Vec::new();
    }
    let mut places: HashMap<u64, usize> = HashMap::new();
    for (number, changes) in commit.buckets.iter().enumerate() {
        let bucket = changes.bucket();
        let of_kind = EventKind::ALL.map(|kind| {
            let mut own: Vec<usize> = Vec::new();
            patterns.matches(&["bucket", bucket, kind.as_str()], &mut |id, sink| {
                let at = *places.entry(id).or_insert_with(|| {
                    found.push((id, Delivery { sink: Arc::clone(sink), events: Vec::new() }));
                    found.len() - 1
                });
                own.push(at);
            });
            own
        });
        if of_kind.iter().all(Vec::is_empty) {
            continue;
        }
        let topics = topics
            .entry(bucket)
            .or_insert_with(|| EventKind::ALL.map(|kind| format!("bucket.{bucket}.{kind}").into()));
        for change in 0..changes.len() {
            let kind = EventKind::of(changes.kind(change));
            let wanted = &of_kind[kind as usize];
            if !wanted.is_empty() {
                let event = Arc::new(Event::new(commit, number, change, kind, &topics[kind as usize]));
                for at in wanted {
                    found[*at].1.events.push(Arc::clone(&event));
                }
            }
        }
    }
    found.into_iter().map(|(_, delivery)| delivery).filter(|delivery| !delivery.events.is_empty()).collect()
}
