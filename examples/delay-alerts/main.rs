//! Delay alerts from a day of real flights: `cargo run --release --example delay-alerts [YYYY-MM-DD]`.
//!
//! Each flight is put into the store when it leaves, a commit each. A bridge makes a fact of each insert, and sends it to a small
//! rule (`rule`), which knows nothing of buckets of flights. The rule writes its alerts into the store, and a stream of their
//! events is printed.

#[path = "../flights/load/mod.rs"]
#[allow(dead_code, reason = "the other example uses more of it")]
mod load;
#[path = "../flights/model.rs"]
#[allow(dead_code, reason = "the other example uses more of it")]
mod model;
#[path = "../flights/time.rs"]
mod time;

mod rule;

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use model::Flight;
use noex_store::prelude::*;
use rule::{Alert, DelayRule};

/// A month of data, which comes with the flights example.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/flights/data");

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let day = std::env::args().nth(1).unwrap_or_else(|| "2013-01-16".to_owned());
    match run(&day).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(error)
            if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) =>
        {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The flights of a day that left, in the order in which they did.
async fn departures(day: &str) -> Result<Vec<Record<Flight>>, Box<dyn Error>> {
    let month = load::store().await?;
    load::load(&month, Path::new(SAMPLE), |_| {})?;
    let from: time::Minute = format!("{day}T05:00:00Z").parse()?;
    let mut flights =
        month.bucket::<Flight>()?.filter(Flight::DEPARTS.between(from..from.plus(24 * 60))).collect();
    if flights.is_empty() {
        return Err(format!("no flights on {day}: the data are those of January 2013").into());
    }
    flights.retain(|flight| flight.dep_time.is_some());
    flights.sort_by_key(|flight| left(flight));
    Ok(flights)
}

fn left(flight: &Flight) -> time::Minute {
    flight.departs.plus_signed(flight.dep_delay.unwrap_or_default())
}

async fn run(day: &str) -> Result<(), Box<dyn Error>> {
    let flights = departures(day).await?;
    let store = Store::builder().name("delay-alerts").bucket::<Flight>().bucket::<Alert>().start().await?;
    let board = store.bucket::<Flight>()?;

    let rule = Arc::new(DelayRule::new(&store)?);
    let options = BridgeOptions::new()
        .pattern("bucket.flights.inserted")
        .filter(|event| event.record::<Flight>().is_some_and(|flight| flight.dep_delay.is_some()))
        .map_topic(|_, _| "flight:departed".to_owned())
        .map_data(|event| {
            let flight = event.record::<Flight>();
            serde_json::json!({
                "airport": flight.map(|flight| &flight.origin),
                "flight": flight.map(|flight| {
                    format!("{}{} to {} at {}", flight.carrier, flight.flight, flight.dest, left(flight))
                }),
                "delay": flight.map(|flight| flight.dep_delay),
            })
        });
    let bridge = bridge_to_rules(&store, rule, options)?;
    let mut alerts = store.events("bucket.alerts.*")?;

    for flight in &flights {
        board.insert(flight.value().clone())?;
    }
    store.settle().await;

    let mut out = io::stdout().lock();
    while let Some(event) = alerts.try_next() {
        let event = event?;
        let Some(alert) = event.record::<Alert>() else { continue };
        match &alert.until {
            None => writeln!(out, "{}: {} min late, with {}", alert.airport, alert.minutes, alert.since)?,
            Some(until) => writeln!(out, "{}: over, with {until}", alert.airport)?,
        }
    }
    let (stats, all) = (bridge.stats(), store.stats());
    writeln!(
        out,
        "\n{} departures sent to the rule, {} failed, {} missed; {} alerts, {} of which are not over; {} commits",
        stats.delivered,
        stats.failed,
        stats.missed,
        store.bucket::<Alert>()?.count(),
        store.bucket::<Alert>()?.filter(Alert::UNTIL.is_none()).count(),
        all.commits.made,
    )?;
    store.stop().await?;
    Ok(())
}
