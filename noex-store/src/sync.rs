//! Locks and other shared state, in one place, so that the interleaving checker can put its own in their stead.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};

pub(crate) use arc_swap::ArcSwap;
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
pub(crate) use std::thread_local;
