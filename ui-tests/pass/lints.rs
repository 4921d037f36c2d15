//! Generated code is free of warnings, also where the user asks for more of them than the compiler does.

#![deny(
    warnings,
    unused,
    nonstandard_style,
    future_incompatible,
    let_underscore,
    rust_2018_idioms,
    rust_2021_compatibility
)]
#![deny(rust_2024_compatibility, keyword_idents, refining_impl_trait)]
#![deny(
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    trivial_casts,
    trivial_numeric_casts,
    unreachable_pub,
    unsafe_code,
    unused_crate_dependencies,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    single_use_lifetimes,
    explicit_outlives_requirements,
    elided_lifetimes_in_paths,
    absolute_paths_not_starting_with_crate,
    ambiguous_negative_literals,
    closure_returning_async_block,
    ffi_unwind_calls,
    macro_use_extern_crate,
    meta_variable_misuse,
    non_ascii_idents,
    redundant_lifetimes,
    unit_bindings,
    unnameable_types,
    unused_macro_rules
)]
#![allow(unused_crate_dependencies, reason = "the test's own crate has dependencies that it does not use")]

use noex_store::prelude::*;

/// A public bucket.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "all", index(b, c), ttl = "1d", max_size = 5, evict = "lru", persistent = false, validate = sane)]
pub struct All {
    /// The key.
    #[bucket(key, generated = "autoincrement")]
    pub id: u64,
    /// Unique.
    #[bucket(unique, min_length = 1, max_length = 9, pattern = "^[a-z]+$", one_of = ["a", "b"])]
    pub a: String,
    /// Indexed.
    #[bucket(index, min = 0, max = 9, one_of = [1, 2], default = 1, validate = positive)]
    pub b: u8,
    /// Optional.
    #[bucket(index, references = Small)]
    pub c: Option<u32>,
    /// A collection.
    #[bucket(index(each), default)]
    pub d: Vec<String>,
    /// A float.
    pub e: f64,
    /// A free float.
    #[bucket(allow_non_finite, default)]
    pub f: f32,
    /// A time.
    #[bucket(generated = "timestamp")]
    pub g: u64,
    /// An optional collection.
    #[bucket(index(each))]
    pub h: Option<Vec<u8>>,
}

/// Only a key.
#[derive(Bucket, Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Small {
    /// The key.
    #[bucket(key)]
    pub id: u32,
}

/// A private bucket, nothing of which is used but its definition.
#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Private {
    #[bucket(key)]
    id: u32,
    #[bucket(index)]
    size: u8,
    name: Option<String>,
}

fn sane(all: &All) -> Result<(), String> {
    if all.e > 1e9 { Err("`e` is too much".to_owned()) } else { Ok(()) }
}

fn positive(b: &u8) -> Result<(), &'static str> {
    if *b > 0 { Ok(()) } else { Err("must be positive") }
}

fn main() {
    assert_eq!(All::schema().fields.len(), 9);
    assert_eq!(Small::schema().name, "small");
    assert_eq!(Private::schema().name, "private");
}
