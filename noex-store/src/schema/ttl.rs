//! How long a record lives.

use std::num::NonZeroU64;
use std::time::Duration;

use super::Schema;
use crate::error::Error;

/// How long a record lives, told at its insert or at a `touch`.
///
/// ```
/// # use noex_store::Ttl;
/// # use std::time::Duration;
/// assert_eq!(Ttl::from(Duration::from_secs(5)), Ttl::For(Duration::from_secs(5)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ttl {
    /// As long as its bucket's `ttl` says; for ever, if the bucket has none.
    #[default]
    OfBucket,
    /// So long from the commit on, in whole milliseconds; a part of one counts as one.
    For(Duration),
    /// For ever.
    Never,
}

impl From<Duration> for Ttl {
    fn from(time: Duration) -> Self {
        Self::For(time)
    }
}

impl Ttl {
    /// Refuses a time that is over at once.
    pub(crate) fn check(self, bucket: &'static str) -> Result<Self, Error> {
        match self {
            Self::For(Duration::ZERO) => Err(Error::InvalidTtl { bucket }),
            ttl => Ok(ttl),
        }
    }

    /// When a record expires that is written now.
    pub(crate) fn expiry(self, schema: &Schema, now: u64) -> Option<NonZeroU64> {
        let time = match self {
            Self::OfBucket => schema.ttl?,
            Self::For(time) => time,
            Self::Never => return None,
        };
        let millis = u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        // The greatest number stands for never.
        NonZeroU64::new(now.saturating_add(millis)).filter(|at| at.get() < u64::MAX)
    }
}
