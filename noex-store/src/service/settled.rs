//! Waiting until something has come to be.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use crate::sync::Mutex;

/// Who waits.
#[derive(Default)]
pub(crate) struct Settled {
    waiting: Mutex<Vec<Waker>>,
}

impl Settled {
    /// Lets all look again.
    pub(crate) fn wake(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until `done` says so; it is asked after each [`wake`](Self::wake).
    pub(crate) async fn until(&self, done: impl Fn() -> bool) {
        poll_fn(|context| {
            if done() {
                return Poll::Ready(());
            }
            self.waiting.lock().push(context.waker().clone());
            // It may have come to be so before the waker stood in the list.
            if done() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
