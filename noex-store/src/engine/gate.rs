//! The gate before the writer's turn: a transaction that was overtaken again and again has it closed to all others for a
//! while.
//!
//! Closing it is a courtesy of bounded length, not a lock: the closure of a transaction may wait for something that another
//! thread can do only after a write. When the lease runs out the others go on, and the transaction may be overtaken once more.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::clock::from_now;
use crate::sync::{AtomicBool, Condvar, Mutex};

#[derive(Default)]
pub(crate) struct Gate {
    /// Whether anybody holds a lease, for a look that costs nothing.
    closed: AtomicBool,
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Default)]
struct State {
    holder: Option<Holder>,
    /// The tickets of those who wait for a lease, in the order in which they came.
    waiting: VecDeque<u64>,
    tickets: u64,
}

struct Holder {
    ticket: u64,
    until: Instant,
}

/// The right to pass the closed gate. Dropping it opens the gate.
pub(crate) struct Lease<'g> {
    gate: &'g Gate,
    ticket: u64,
}

impl State {
    fn current(&mut self) -> Option<&Holder> {
        if self.holder.as_ref().is_some_and(|holder| holder.until <= Instant::now()) {
            self.holder = None;
        }
        self.holder.as_ref()
    }
}

impl Gate {
    /// Waits while somebody else holds a lease. One atomic load if nobody does.
    #[inline]
    pub(crate) fn pass(&self, lease: Option<&Lease<'_>>) {
        if self.is_closed(lease) {
            self.wait();
        }
    }

    /// Whether it is closed to whoever has this lease, or none. To be asked in the turn: the gate is closed before the turn is
    /// waited for.
    #[inline]
    pub(crate) fn is_closed(&self, lease: Option<&Lease<'_>>) -> bool {
        lease.is_none() && self.closed.load(Ordering::Relaxed)
    }

    fn wait(&self) {
        let mut state = self.state.lock();
        while let Some(until) = state.current().map(|holder| holder.until) {
            self.opened.wait_until(&mut state, until);
        }
        // Those who wait for a lease close it again: between two leases others get through.
        self.closed.store(false, Ordering::Relaxed);
    }

    /// As [`Gate::close`], if nobody holds a lease or waits for one.
    pub(crate) fn try_close(&self, lease: Duration) -> Option<Lease<'_>> {
        let mut state = self.state.lock();
        if state.current().is_some() || !state.waiting.is_empty() {
            return None;
        }
        state.tickets += 1;
        let ticket = state.tickets;
        state.holder = Some(Holder { ticket, until: from_now(lease) });
        self.closed.store(true, Ordering::Relaxed);
        Some(Lease { gate: self, ticket })
    }

    /// Whether a write of somebody without a lease would have to wait. Opens it if the lease has run out.
    pub(crate) fn must_wait(&self) -> bool {
        if !self.is_closed(None) {
            return false;
        }
        let mut state = self.state.lock();
        let held = state.current().is_some();
        if !held {
            self.closed.store(false, Ordering::Relaxed);
        }
        held
    }

    /// Closes the gate to all others, for as long as given at most. Waits for those who asked before.
    pub(crate) fn close(&self, lease: Duration) -> Lease<'_> {
        let mut state = self.state.lock();
        state.tickets += 1;
        let ticket = state.tickets;
        state.waiting.push_back(ticket);
        loop {
            match state.current().map(|holder| holder.until) {
                Some(until) => {
                    self.opened.wait_until(&mut state, until);
                }
                None if state.waiting.front() == Some(&ticket) => break,
                None => self.opened.wait(&mut state),
            }
        }
        state.waiting.pop_front();
        state.holder = Some(Holder { ticket, until: from_now(lease) });
        self.closed.store(true, Ordering::Relaxed);
        drop(state);
        // Those who are next in line wait for this holder now.
        self.opened.notify_all();
        Lease { gate: self, ticket }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        if state.holder.as_ref().is_some_and(|holder| holder.ticket == self.ticket) {
            state.holder = None;
            self.gate.closed.store(false, Ordering::Relaxed);
        }
        drop(state);
        self.gate.opened.notify_all();
    }
}
