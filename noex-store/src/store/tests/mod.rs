//! Histories of random transactions, checked.

mod checker;
mod history;
mod workload;
