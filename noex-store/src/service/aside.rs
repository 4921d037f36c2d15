//! Work that would hold up whoever polls a future, done in a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Settled;
use crate::engine::panic_message;
use crate::sync::{Mutex, spawn};

/// Runs a function in a thread, and waits for it as a task does.
///
/// # Errors
/// The message of its panic, or why there is no thread.
pub(crate) async fn aside<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let shared = Arc::new((Mutex::new(None), Settled::default()));
    let own = Arc::clone(&shared);
    let run = move || {
        let done = catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_message(panic.as_ref()));
        *own.0.lock() = Some(done);
        own.1.wake();
    };
    spawn(name, run).map_err(|error| error.to_string())?;
    shared.1.until(|| shared.0.lock().is_some()).await;
    let done = shared.0.lock().take();
    done.unwrap_or_else(|| Err("it has no outcome".to_owned()))
}
