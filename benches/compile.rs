//! What the derive costs at compile time: a crate of 100 structs with 10 fields each, as buckets and with serde's derives alone; and one
//! of 20 that are used, as buckets of a store, and read and written as JSON: `cargo bench --bench compile`.
//!
//! The crates are written to a folder of their own and built there; what they need is built before the clock runs. Each build is of
//! the crate alone, from scratch; and once more as it is while one works on it: after a change of its source, with what the compiler
//! has kept of the build before.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const ROUNDS: usize = 3;

/// A struct of ten fields of the usual types, with the usual annotations or without any.
fn source(with_buckets: bool, structs: usize, are_used: bool) -> String {
    let mut text = String::new();
    let bucket = |annotation: &str| match with_buckets {
        true => format!("    #[bucket({annotation})]\n"),
        false => String::new(),
    };
    text +=
        if with_buckets { "use noex_store::prelude::*;\n" } else { "use serde::{Deserialize, Serialize};\n" };
    text += "use uuid::Uuid;\n";
    for number in 0..structs {
        let derive = if with_buckets { "Bucket, " } else { "" };
        let _ = write!(
            text,
            "\n#[derive({derive}Clone, Debug, Serialize, Deserialize)]\npub struct Record{number} {{\n\
             {}    pub id: Uuid,\n{}    pub email: String,\n{}    pub age: Option<u32>,\n{}    pub city: String,\n\
             {}    pub created_at: i64,\n    pub score: f64,\n{}    pub tags: Vec<String>,\n{}    pub active: bool,\n\
             \x20   pub note: Option<String>,\n    pub total: u64,\n}}\n",
            bucket("key, generated = \"uuid\""),
            bucket("unique, format = \"email\""),
            bucket("min = 0, max = 150"),
            bucket("index, max_length = 80"),
            bucket("index"),
            bucket("max_length = 10"),
            bucket("default = true"),
        );
    }
    if are_used && with_buckets {
        text += "\npub fn builder() -> StoreBuilder {\n    Store::builder()\n";
        (0..structs).for_each(|number| text += &format!("        .bucket::<Record{number}>()\n"));
        text += "}\n";
    } else if are_used {
        text +=
            "\npub fn again(text: &str) -> serde_json::Result<String> {\n    let mut all = String::new();\n";
        for number in 0..structs {
            let read = format!("serde_json::from_str::<Record{number}>(text)?");
            text += &format!("    all += &serde_json::to_string(&{read})?;\n");
        }
        text += "    Ok(all)\n}\n";
    }
    text
}

fn write_crate(folder: &Path, with_buckets: bool, structs: usize, are_used: bool) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let own = if with_buckets {
        format!("noex-store = {{ path = \"{root}/noex-store\" }}\n")
    } else {
        String::new()
    };
    let manifest = format!(
        "[package]\nname = \"structs\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{own}\
         serde = {{ version = \"1\", features = [\"derive\"] }}\nserde_json = \"1\"\nuuid = {{ version = \"1\", features = [\"serde\", \"v7\"] }}\n\n[workspace]\n"
    );
    fs::create_dir_all(folder.join("src")).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest).expect("written");
    fs::copy(Path::new(root).join("Cargo.lock"), folder.join("Cargo.lock")).expect("copied");
    fs::write(folder.join("src/lib.rs"), source(with_buckets, structs, are_used)).expect("written");
}

/// Seconds of a build of the crate alone; `again`: with what the compiler has kept.
fn build(folder: &Path, arguments: &[&str], again: bool, round: usize) -> f64 {
    let lib = folder.join("src/lib.rs");
    let text = fs::read_to_string(&lib).expect("there");
    fs::write(&lib, format!("{text}// {round}\n")).expect("written");
    let start = Instant::now();
    let done = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--quiet", "--target-dir", "target"])
        .current_dir(folder)
        .env_remove("RUSTFLAGS")
        .env("CARGO_INCREMENTAL", if again { "1" } else { "0" })
        .status()
        .expect("cargo");
    assert!(done.success(), "the crate builds");
    start.elapsed().as_secs_f64()
}

fn compare(base: &Path, structs: usize, are_used: bool, builds: &[(&[&str], bool)]) {
    let folders = [true, false].map(|with_buckets| {
        let folder = base.join(format!("{with_buckets}-{are_used}"));
        write_crate(&folder, with_buckets, structs, are_used);
        folder
    });
    for (arguments, again) in builds {
        let mut spent = [Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            for (folder, spent) in folders.iter().zip(&mut spent) {
                let seconds = build(folder, arguments, *again, round);
                // The first one also builds what the crate needs.
                if round > 0 {
                    spent.push(seconds);
                }
            }
        }
        let [ours, serde] = spent.map(|mut spent| {
            spent.sort_by(f64::total_cmp);
            spent[ROUNDS / 2]
        });
        let ratio = ours / serde;
        let kept = if ratio <= 3.0 { "kept" } else { "MISSED" };
        println!(
            "| `cargo {}`{} | {ours:.2} s | {serde:.2} s | {ratio:.1} times  [at most 3: {kept}] |",
            arguments.join(" "),
            if *again { ", again after a change" } else { "" }
        );
    }
}

fn main() {
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compile-time");
    let _ = fs::remove_dir_all(&base);
    println!("Medians of {ROUNDS} builds of the crate alone, in turns.\n");
    println!(
        "| 100 structs of 10 fields, declared | as buckets | serde alone | |\n| --- | ---: | ---: | ---: |"
    );
    let (check, debug, release): (&[&str], &[&str], &[&str]) =
        (&["check"], &["build"], &["build", "--release"]);
    compare(
        &base,
        100,
        false,
        &[(check, false), (debug, false), (release, false), (check, true), (debug, true)],
    );
    println!(
        "\n| 20 of them, used | in a store | read and written as JSON | |\n| --- | ---: | ---: | ---: |"
    );
    compare(&base, 20, true, &[(debug, false), (release, false), (debug, true)]);
    let _ = fs::remove_dir_all(&base);
}
