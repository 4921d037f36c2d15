//! An export, of any bytes: no panic, and no more memory than a multiple of them.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    noex_store::__fuzzing::lines(bytes);
});
