//! A value whose code panics at a call that a test chooses.

use std::cell::Cell;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{self, AtomicU32};

use serde::{Deserialize, Serialize};

thread_local! {
    /// How many calls of this thread are left until one panics; none does at zero.
    pub static OWN_FUSE: Cell<u32> = const { Cell::new(0) };
    /// Whether the fuse of all threads is not this one's.
    pub static IS_SPARED: Cell<bool> = const { Cell::new(false) };
}

/// The same for all threads that are not spared.
pub static FUSE: AtomicU32 = AtomicU32::new(0);

pub const MESSAGE: &str = "the fuse has burnt down";

/// Counts a call, which may be the one that panics.
pub fn burn() {
    let own = OWN_FUSE.get();
    OWN_FUSE.set(own.saturating_sub(1));
    let step = |left: u32| Some(left.saturating_sub(1));
    let is_last = own == 1
        || !IS_SPARED.get()
            && FUSE.fetch_update(atomic::Ordering::SeqCst, atomic::Ordering::SeqCst, step) == Ok(1);
    assert!(!is_last, "{MESSAGE}");
}

/// A number that burns the fuse when it is cloned, compared or hashed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fused(pub u32);

impl Clone for Fused {
    fn clone(&self) -> Self {
        burn();
        Self(self.0)
    }
}

impl PartialEq for Fused {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Fused {}

impl PartialOrd for Fused {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fused {
    fn cmp(&self, other: &Self) -> Ordering {
        burn();
        self.0.cmp(&other.0)
    }
}

impl Hash for Fused {
    fn hash<H: Hasher>(&self, state: &mut H) {
        burn();
        self.0.hash(state);
    }
}
