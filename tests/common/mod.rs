//! What several of the behaviour tests need.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod fused;
pub mod keeping;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use noex_store::prelude::*;
use noex_store::{Bucket, Clock};

/// Numbers by xorshift (Marsaglia, *Xorshift RNGs*, 2003), from a seed that is not 0.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % u64::from(end)) as u32
    }
}

/// The value of a future that has nothing to wait for.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("there is nothing to wait for"),
    }
}

/// Starts a store.
pub fn start(builder: StoreBuilder) -> Store {
    ready(builder.start()).expect("the builder is good")
}

/// A store with one bucket.
pub fn store_of<B: Bucket>() -> (Store, BucketHandle<B>) {
    let store = start(Store::builder().bucket::<B>());
    let bucket = store.bucket().expect("defined at the builder");
    (store, bucket)
}

/// A clock that stands at whatever it is set to.
#[derive(Clone, Default)]
pub struct Fixed(Arc<AtomicU64>);

impl Fixed {
    pub fn at(millis: u64) -> Self {
        let clock = Self::default();
        clock.set(millis);
        clock
    }

    pub fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

impl Clock for Fixed {
    fn now_millis(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Runs a test in a thread of its own, and fails when it does not come to an end.
pub fn within_seconds(seconds: u64, test: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    if ended.recv_timeout(Duration::from_secs(seconds)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("no end after {seconds} seconds: a deadlock");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
