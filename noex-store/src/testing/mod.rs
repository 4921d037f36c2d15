//! Tests for what others write: adapters of persistence.

pub mod adapter;
mod storage;
