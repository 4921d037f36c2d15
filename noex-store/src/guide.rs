//! The guide: how a program is built on the store, chapter by chapter. Its programs are compiled and run as tests.
//!
//! 1. [Modelling buckets](buckets)
//! 2. [Questions and plans](questions)
//! 3. [Transactions](transactions)
//! 4. [Live queries](live)
//! 5. [Events, expiry, limits](events)
//! 6. [Persistence, and structs that change](persistence)
//! 7. [Testing your program](testing)
//! 8. [Looking into a store](watching)
//! 9. [Performance](performance)
//! 10. [Coming from the JavaScript library](from_javascript)

#[doc = include_str!("../guide/buckets.md")]
pub mod buckets {}

#[doc = include_str!("../guide/questions.md")]
pub mod questions {}

#[doc = include_str!("../guide/transactions.md")]
pub mod transactions {}

#[doc = include_str!("../guide/live.md")]
pub mod live {}

#[doc = include_str!("../guide/events.md")]
pub mod events {}

#[doc = include_str!("../guide/persistence.md")]
pub mod persistence {}

#[doc = include_str!("../guide/testing.md")]
pub mod testing {}

#[doc = include_str!("../guide/watching.md")]
pub mod watching {}

#[doc = include_str!("../guide/performance.md")]
pub mod performance {}

#[doc = include_str!("../guide/from_javascript.md")]
pub mod from_javascript {}
