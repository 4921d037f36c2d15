//! Running closures as transactions, again and again until one commits.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::{CommitInfo, Transaction, TxOptions};
use crate::engine::{Engine, Lease, Refused, Running};
use crate::error::Error;

/// After so many failures a transaction has the other writers wait for it.
const PATIENCE: u32 = 2;
/// The longest pause before the first retry; it doubles with each.
const PAUSE: Duration = Duration::from_micros(50);
const MAX_PAUSE: Duration = Duration::from_millis(2);
/// How long writers wait at most for an async transaction: they block a thread that it may need.
const ASYNC_LEASE: Duration = Duration::from_millis(20);

/// One run of the closure after the other.
struct Attempts<'e> {
    engine: &'e Arc<Engine>,
    options: &'e TxOptions,
    made: u32,
}

impl<'e> Attempts<'e> {
    /// Fails within the closure of another transaction of the store, whose writes this one's could not be part of.
    fn new(engine: &'e Arc<Engine>, options: &'e TxOptions) -> Result<Self, Error> {
        if Running::in_transaction(engine) {
            return Err(Error::NestedTransaction);
        }
        Ok(Self { engine, options, made: 0 })
    }

    fn begin(&self) -> Transaction {
        Transaction::with_tracking(Arc::clone(self.engine), self.options.tracking())
    }

    /// Whether the others are to wait from now on.
    fn is_out_of_patience(&self) -> bool {
        self.made >= PATIENCE
    }

    fn lease(&self) -> Option<Lease<'e>> {
        self.is_out_of_patience().then(|| self.engine.reserve(self.options.lease))
    }

    /// As [`Attempts::lease`], but waits as a task does: whoever has reserved the turn may need this thread.
    async fn lease_async(&self) -> Option<Lease<'e>> {
        if !self.is_out_of_patience() {
            return None;
        }
        loop {
            let lease = self.engine.try_reserve(self.options.lease.min(ASYNC_LEASE));
            if lease.is_some() {
                return lease;
            }
            yield_now().await;
        }
    }

    /// What follows a run: `None` if it is to be tried again.
    fn outcome<T, E: From<Error>>(
        &mut self,
        value: T,
        commit: Result<CommitInfo, Refused>,
    ) -> Option<Result<T, E>> {
        self.made += 1;
        match commit {
            Ok(_) => Some(Ok(value)),
            Err(Refused::Conflict(_)) if self.made <= self.options.retries => {
                self.engine.counts().retries.add(1);
                None
            }
            Err(refused) => Some(Err(refused.into_error(self.made).into())),
        }
    }

    /// How long to wait before the next run: a random part of a time that grows, so that those who met do not meet again.
    fn pause(&self) -> Duration {
        let longest = PAUSE.saturating_mul(1 << self.made.min(10)).min(MAX_PAUSE);
        longest.mul_f64(self.engine.random())
    }
}

/// Runs the closure until its transaction commits.
pub(crate) fn run<T, E: From<Error>>(
    engine: &Arc<Engine>,
    options: &TxOptions,
    mut work: impl FnMut(&Transaction) -> Result<T, E>,
) -> Result<T, E> {
    let mut attempts = Attempts::new(engine, options)?;
    loop {
        let lease = attempts.lease();
        let transaction = attempts.begin();
        let value = {
            let _running = Running::enter_transaction(engine);
            work(&transaction)?
        };
        let commit = transaction.try_commit(lease.is_some(), options.durability);
        // Before the pause: nobody waits for a transaction that does.
        drop((transaction, lease));
        if let Some(outcome) = attempts.outcome(value, commit) {
            return outcome;
        }
        if attempts.made < PATIENCE {
            crate::sync::sleep(attempts.pause());
        }
    }
}

/// As [`run`], with an async closure. Between two runs it lets other tasks go first instead of sleeping: what waits is
/// whatever runs the future.
pub(crate) async fn run_async<T, E: From<Error>>(
    engine: &Arc<Engine>,
    options: &TxOptions,
    mut work: impl AsyncFnMut(&Transaction) -> Result<T, E>,
) -> Result<T, E> {
    let mut attempts = Attempts::new(engine, options)?;
    loop {
        let lease = attempts.lease_async().await;
        let transaction = attempts.begin();
        let value = {
            let mut work = pin!(work(&transaction));
            // The closure's code runs in here and nowhere else, on whatever thread.
            let polled = poll_fn(|context| {
                let _running = Running::enter_transaction(engine);
                work.as_mut().poll(context)
            });
            polled.await?
        };
        while lease.is_none() && engine.is_reserved() {
            yield_now().await;
        }
        let commit = transaction.try_commit_async(lease.is_some(), options.durability).await;
        drop(lease);
        if let Some(outcome) = attempts.outcome(value, commit) {
            return outcome;
        }
        let turns = (attempts.engine.random() * f64::from(1_u32 << attempts.made.min(4))) as u32;
        for _ in 0..=turns {
            yield_now().await;
        }
    }
}

/// Comes back when other tasks have had their chance.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
