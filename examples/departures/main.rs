//! A day of real flights on live boards: `cargo run --release --example departures [YYYY-MM-DD]`.
//!
//! The flights of the day are in the store from the start, not yet departed; then each departs in its turn, a commit each, as
//! fast as it goes. Boards follow by live queries, and print every hour of the day what stands on them; `boards` has the
//! queries. At the end: how often each was run, against the number of commits.

#[path = "../flights/load/mod.rs"]
#[allow(dead_code, reason = "the other example uses more of it")]
mod load;
#[path = "../flights/model.rs"]
#[allow(dead_code, reason = "the other example uses more of it")]
mod model;
#[path = "../flights/table.rs"]
#[allow(dead_code, reason = "the other example uses more of it")]
mod table;
#[path = "../flights/time.rs"]
mod time;

mod boards;

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use boards::Boards;
use model::Flight;
use noex_store::prelude::*;

/// A month of data, which comes with the flights example.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/flights/data");

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let day = std::env::args().nth(1).unwrap_or_else(|| "2013-01-16".to_owned());
    match run(&day).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.downcast_ref().is_some_and(is_closed) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever read the output has seen enough.
fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

async fn run(day: &str) -> Result<(), Box<dyn Error>> {
    let month = load::store().await?;
    load::load(&month, Path::new(SAMPLE), |_| {})?;
    let (from, to) =
        (format!("{day}T05:00:00Z").parse()?, format!("{day}T23:59:00Z").parse::<time::Minute>()?.plus(300));
    let flights = month.bucket::<Flight>()?;
    let mut of_day = flights
        .filter(Flight::DEPARTS.between((std::ops::Bound::Included(from), std::ops::Bound::Excluded(to))))
        .collect();
    if of_day.is_empty() {
        return Err(format!("no flights on {day}: the data are those of January 2013").into());
    }

    let planned = of_day.len();
    // What was cancelled would wait on the boards for ever.
    of_day.retain(|flight| flight.dep_time.is_some());
    let store = Store::builder().name("departures").bucket::<Flight>().start().await?;
    let timetable = store.bucket::<Flight>()?;
    timetable.insert_many(of_day.iter().map(|flight| Flight {
        dep_time: None,
        dep_delay: None,
        arr_time: None,
        arr_delay: None,
        air_time: None,
        ..flight.value().clone()
    }))?;
    let mut boards = Boards::new(&store)?;
    let before = store.snapshot().version();

    // In the order in which they really left.
    let left = |flight: &Flight| flight.departs.plus_signed(flight.dep_delay.unwrap_or_default());
    of_day.sort_by_key(|flight| left(flight));
    let mut out = io::stdout().lock();
    writeln!(out, "{planned} flights on {day}, {} of which were cancelled", planned - of_day.len())?;
    let start = Instant::now();
    let mut hour = None;
    for flight in &of_day {
        let now = left(flight);
        if hour.is_some_and(|hour| hour != now.hour()) {
            store.settle().await;
            boards.print(&mut out, now)?;
        }
        hour = Some(now.hour());
        let departed = Flight::patch()
            .dep_time(flight.dep_time.unwrap_or(1))
            .dep_delay(flight.dep_delay.unwrap_or_default());
        timetable.update(&flight.id, departed)?;
    }
    store.settle().await;
    let commits = store.snapshot().version().get() - before.get();
    if let Some(last) = of_day.last() {
        boards.print(&mut out, left(last))?;
    }
    writeln!(out, "\n{commits} commits in {:.0?}, with the boards", start.elapsed())?;
    boards.report(&mut out)?;
    Ok(())
}
