//! What the compiler says of programs that use the derive: `fail/` must not compile, with exactly the messages that stand
//! beside each program; `pass/` must compile and run.
//!
//! Messages change from compiler to compiler, so those of `fail/` are compared under the one that they were written with.
//! `TRYBUILD=overwrite cargo test --test ui` writes them anew; read what changed as a user would.

use std::process::Command;

/// The compiler whose messages stand in `fail/`.
const MESSAGES_OF: &str = "rustc 1.95.";

#[test]
fn programs_that_are_right_compile_and_run() {
    trybuild::TestCases::new().pass("pass/*.rs");
}

// Apart from those that compile: `trybuild` checks them all in one run of cargo only where none is to be run.
#[test]
fn programs_that_are_wrong_are_told_what_and_how_to_mend_it() {
    let rustc = Command::new("rustc").arg("--version").output().expect("rustc runs");
    let version = String::from_utf8_lossy(&rustc.stdout);
    if version.starts_with(MESSAGES_OF) {
        trybuild::TestCases::new().compile_fail("fail/*/*.rs");
    } else {
        println!("left out: the messages in `fail` are those of {MESSAGES_OF}x, and this is {version}");
    }
}
