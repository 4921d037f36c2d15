//! A future, run to its end by a thread that has nothing else to do.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use crate::sync::{Condvar, Mutex};

/// Where a thread sleeps until it is woken; a wake that comes first is not lost.
#[derive(Default)]
pub(crate) struct Parker {
    woken: Mutex<bool>,
    news: Condvar,
}

impl Parker {
    pub(crate) fn unpark(&self) {
        *self.woken.lock() = true;
        self.news.notify_one();
    }

    /// Sleeps until woken, or until the deadline.
    fn park(&self, deadline: Option<Instant>) {
        let mut woken = self.woken.lock();
        while !*woken && deadline.is_none_or(|at| Instant::now() < at) {
            match deadline {
                Some(at) => drop(self.news.wait_until(&mut woken, at)),
                None => self.news.wait(&mut woken),
            }
        }
        *woken = false;
    }

    /// The future's value; `None`, and the future is dropped, if there is none at the deadline, or `give_up` says so after an
    /// [`unpark`](Self::unpark).
    pub(crate) fn block_on<T>(
        self: &Arc<Self>,
        future: impl Future<Output = T>,
        deadline: Option<Instant>,
        give_up: impl Fn() -> bool,
    ) -> Option<T> {
        let waker = Waker::from(Arc::clone(self));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(value);
            }
            if give_up() || deadline.is_some_and(|at| Instant::now() >= at) {
                return None;
            }
            self.park(deadline);
        }
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wake_from_another_thread_is_seen() {
        let (parker, flag) = (Arc::new(Parker::default()), Arc::new(AtomicBool::new(false)));
        let future = poll_fn(|context| {
            if flag.load(Ordering::SeqCst) {
                return Poll::Ready(7);
            }
            let (waker, flag) = (context.waker().clone(), Arc::clone(&flag));
            thread::spawn(move || {
                flag.store(true, Ordering::SeqCst);
                waker.wake();
            });
            Poll::Pending
        });
        assert_eq!(parker.block_on(future, None, || false), Some(7));
    }

    #[test]
    fn a_deadline_and_giving_up_end_it() {
        let parker = Arc::new(Parker::default());
        let soon = Instant::now() + Duration::from_millis(2);
        assert_eq!(parker.block_on(pending::<()>(), Some(soon), || false), None);
        let (own, over) = (Arc::clone(&parker), Arc::new(AtomicBool::new(false)));
        let set = Arc::clone(&over);
        let other = thread::spawn(move || {
            set.store(true, Ordering::SeqCst);
            own.unpark();
        });
        assert_eq!(parker.block_on(pending::<()>(), None, || over.load(Ordering::SeqCst)), None);
        assert!(other.join().is_ok());
    }
}
