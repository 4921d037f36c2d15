//! Descriptions of buckets and fields, and the rules that values are checked by: pure functions of a value.

pub mod check;
pub(crate) mod description;
pub(crate) mod format;
pub(crate) mod generate;
pub(crate) mod traits;
mod ttl;

pub use description::{
    Constraint, Evict, FieldKind, FieldSchema, Format, Generated, IndexSchema, Schema, UniqueSchema,
};
pub use ttl::Ttl;
