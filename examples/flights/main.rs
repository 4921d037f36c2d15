//! A year of flights in five buckets: `cargo run --release --example flights -- [--data DIR] [CSV_DIR]`.
//!
//! Loads airlines, airports, planes, weather and flights from CSV, and asks the store what one would like to know. `model`
//! has the buckets, `load` fills them, `report` has the questions, `print` puts the answers on paper.

mod load;
mod model;
mod print;
mod progress;
mod report;
mod table;
mod time;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use print::thousands;
use progress::Progress;

const USAGE: &str = "\
Loads flights from New York into a store, and reports on them.

Usage: cargo run --release --example flights [-- [--data DIR] [CSV_DIR]]

  CSV_DIR     a folder with airlines, airports, planes, weather and flights, each
              as .csv or .csv.gz, as the R package nycflights13 has them.
              Without it: the flights of January 2013, which come with the example.
  --data DIR  a folder to keep the records in: the next run starts from there, and
              reads no CSV.

The report goes to the standard output, progress and errors to the standard error.";

/// A month of data, beside this file.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/flights/data");

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-");
    let (data, rest) = match arguments.as_slice() {
        [help] if help == "--help" || help == "-h" => return told(writeln!(io::stdout(), "{USAGE}")),
        [option, data, rest @ ..] if option == "--data" && !is_option(data) => {
            (Some(PathBuf::from(data)), rest)
        }
        rest => (None, rest),
    };
    let folder = match rest {
        [] => PathBuf::from(SAMPLE),
        [folder] if !is_option(folder) => PathBuf::from(folder),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(folder, data).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast::<io::Error>() {
            Ok(error) => told(Err(*error)),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

async fn run(folder: PathBuf, data: Option<PathBuf>) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let progress = Progress::default();
    let show = |loaded: &load::Loaded| progress.show(loaded);
    let (store, loaded) = match data {
        None => {
            let store = load::store().await?;
            let loaded = load::load(&store, &folder, show).inspect_err(|_| progress.end())?;
            (store, Some(loaded))
        }
        Some(data) => {
            let store = load::kept(&data).await?;
            let loaded = load::load_once(&store, &folder, show).inspect_err(|_| progress.end())?;
            store.flush().await?;
            (store, loaded)
        }
    };
    let load_time = start.elapsed();
    eprintln!();

    let start = Instant::now();
    let report = report::report(&store.snapshot())?;
    let report_time = start.elapsed();

    let mut out = BufWriter::new(io::stdout().lock());
    print::print(&mut out, &report)?;
    out.flush()?;

    let (records, how) = match &loaded {
        Some(loaded) => (loaded.iter().map(|loaded| loaded.rows).sum(), "loaded"),
        None => (store.stats().records.total - 1, "read from what was kept"),
    };
    let memory = progress::peak_memory().map_or(String::new(), |mib| format!("; peak memory {mib} MiB"));
    eprintln!(
        "\n{} records {how} in {:.2} s, report made in {:.3} s{memory}",
        thousands(records),
        load_time.as_secs_f64(),
        report_time.as_secs_f64(),
    );
    store.stop().await?;
    Ok(())
}

/// How a program ends whose output could not be written. That nobody reads on, as with `| head`, is no failure.
fn told(result: io::Result<()>) -> ExitCode {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: the output cannot be written: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
