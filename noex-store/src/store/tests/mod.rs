//! Histories of random transactions, checked; services that are killed; and everything at once for long.

mod checker;
mod history;
mod killed;
mod order;
mod soak;
mod workload;

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}
