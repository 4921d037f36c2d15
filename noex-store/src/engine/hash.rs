//! Hashing of keys and unique values.

use std::hash::{BuildHasher, Hash};

/// How a store hashes keys and unique values. Either is seeded at random when the store is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Hashing {
    /// foldhash: fast, and good against accidents.
    #[default]
    Fast,
    /// SipHash-1-3: slower, and good against input that was made to collide.
    HostileInput,
}

/// A seeded hash function.
#[derive(Debug, Clone)]
pub enum HashState {
    /// See [`Hashing::Fast`].
    Fast(foldhash::fast::RandomState),
    /// See [`Hashing::HostileInput`].
    Sip(std::hash::RandomState),
}

impl HashState {
    pub(crate) fn new(hashing: Hashing) -> Self {
        match hashing {
            Hashing::Fast => Self::Fast(foldhash::fast::RandomState::default()),
            Hashing::HostileInput => Self::Sip(std::hash::RandomState::new()),
        }
    }

    /// The hash of a value.
    #[inline]
    pub fn hash<T: Hash + ?Sized>(&self, value: &T) -> u64 {
        match self {
            Self::Fast(state) => state.hash_one(value),
            Self::Sip(state) => state.hash_one(value),
        }
    }
}
