//! What happens by itself: records that expire.

mod sweeper;

pub(crate) use sweeper::Sweeper;
