//! Histories of random transactions, checked.

mod checker;
mod history;
#[allow(dead_code, reason = "not all that the derive makes is needed")]
mod killed;
#[allow(dead_code, reason = "not all that the derive makes is needed")]
mod workload;
