//! Live queries against queries that are run from scratch.

mod ask;
mod oracle;
