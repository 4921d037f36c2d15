//! What the compiler says of programs that use the derive: `fail/` must not compile, with exactly the messages that stand
//! beside each program; `pass/` must compile and run.
//!
//! Messages change from compiler to compiler, so those of `fail/` are compared under the one that they were written with.
//! `TRYBUILD=overwrite cargo test --test ui` writes them anew; read what changed as a user would.

use std::process::Command;

/// The compiler whose messages stand in `fail/`.
const MESSAGES_OF: &str = "rustc 1.95.";

#[test]
fn ui() {
    let tests = trybuild::TestCases::new();
    tests.pass("ui-tests/pass/*.rs");
    let rustc = Command::new("rustc").arg("--version").output().expect("rustc runs");
    let version = String::from_utf8_lossy(&rustc.stdout);
    if version.starts_with(MESSAGES_OF) {
        tests.compile_fail("ui-tests/fail/*/*.rs");
    } else {
        println!(
            "left out: the messages in `ui-tests/fail` are those of {MESSAGES_OF}x, and this is {version}"
        );
    }
}
