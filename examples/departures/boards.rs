//! The live queries, and what they print.

use std::io::{self, Write};

use noex_store::prelude::*;
use noex_store::{Diffs, QueryStats};

use crate::model::Flight;
use crate::time::Minute;

/// How many flights stand on a board.
const LINES: usize = 3;
/// Minutes from which on a flight is late.
const LATE: i16 = 30;

type Flights = Vec<Record<Flight>>;

/// What is followed, by what.
pub struct Boards {
    next: Query<String, Flights>,
    late: Query<(), Flights>,
    means: Query<String, Option<f64>>,
    all_means: Query<(), String>,
    next_up: Vec<(String, Diffs<Flight>, usize)>,
    latest: Subscription<Flights>,
    latest_shown: Flights,
    mean: Subscription<String>,
    mean_shown: String,
}

impl Boards {
    pub fn new(store: &Store) -> Result<Self, Error> {
        let next = store.define_query("next departures", |ctx: &QueryCtx<'_>, origin: &String| {
            let waiting = Flight::ORIGIN.eq(origin.as_str()).and(Flight::DEP_TIME.is_none());
            Ok(ctx.bucket::<Flight>()?.filter(waiting).order_by(Flight::DEPARTS.asc()).limit(LINES).collect())
        })?;
        let late = store.define_query("late departures", |ctx: &QueryCtx<'_>, (): &()| {
            let late = Flight::DEP_DELAY.ge(LATE);
            Ok(ctx.bucket::<Flight>()?.filter(late).order_by(Flight::DEP_DELAY.desc()).limit(LINES).collect())
        })?;
        let means =
            store.define_query("mean delay of an airline", |ctx: &QueryCtx<'_>, carrier: &String| {
                Ok(ctx
                    .bucket::<Flight>()?
                    .filter(Flight::CARRIER.eq(carrier.as_str()))
                    .avg(Flight::DEP_DELAY))
            })?;
        let mean = means.clone();
        let all_means = store.define_query("mean delays", move |ctx: &QueryCtx<'_>, (): &()| {
            let of = |carrier: &str| -> Result<String, Error> {
                let mean = *ctx.query(&mean, &carrier.to_owned())?;
                Ok(mean.map_or(format!("{carrier} -"), |mean| format!("{carrier} {mean:.0}")))
            };
            Ok(["AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"]
                .map(of)
                .into_iter()
                .collect::<Result<Vec<_>, _>>()?
                .join("  "))
        })?;
        let next_up = ["EWR", "JFK", "LGA"].map(|origin| {
            let diffs = next.subscribe(origin.to_owned())?.diffs();
            Ok::<_, Error>((origin.to_owned(), diffs, 0))
        });
        Ok(Self {
            next_up: next_up.into_iter().collect::<Result<_, _>>()?,
            latest: late.subscribe(())?,
            latest_shown: Vec::new(),
            mean: all_means.subscribe(())?,
            mean_shown: String::new(),
            next,
            late,
            means,
            all_means,
        })
    }

    /// What stands on the boards now.
    pub fn print(&mut self, out: &mut impl Write, now: Minute) -> io::Result<()> {
        writeln!(out, "\n{now} UTC")?;
        for (origin, diffs, steps) in &mut self.next_up {
            while let Some(Ok(diff)) = diffs.try_next() {
                *steps += diff.steps.len();
            }
            let waiting: Vec<String> = diffs.current().iter().map(name).collect();
            writeln!(out, "  next from {origin}: {}", or_none(&waiting))?;
        }
        while let Some(Ok(update)) = self.latest.try_next() {
            self.latest_shown.clone_from(&update.value);
        }
        let late =
            |flight: &Record<Flight>| format!("{} +{}", name(flight), flight.dep_delay.unwrap_or_default());
        let late: Vec<String> = self.latest_shown.iter().map(late).collect();
        writeln!(out, "  latest:        {}", or_none(&late))?;
        while let Some(Ok(update)) = self.mean.try_next() {
            self.mean_shown.clone_from(&update.value);
        }
        writeln!(out, "  mean delays:   {}", self.mean_shown)
    }

    /// How often each query was run.
    pub fn report(&self, out: &mut impl Write) -> io::Result<()> {
        let mut line = |name: &str, stats: QueryStats| {
            writeln!(
                out,
                "  {name:<26} {:>5} runs, {:>5} answers that turned out the same, {:>5} without a run",
                stats.runs, stats.cut_offs, stats.hits
            )
        };
        line(self.next.name(), self.next.stats())?;
        line(self.late.name(), self.late.stats())?;
        line(self.means.name(), self.means.stats())?;
        line(self.all_means.name(), self.all_means.stats())?;
        let steps: usize = self.next_up.iter().map(|(_, _, steps)| steps).sum();
        writeln!(out, "  {steps} steps on the boards of next departures")
    }
}

fn name(flight: &Record<Flight>) -> String {
    format!("{}{} to {}", flight.carrier, flight.flight, flight.dest)
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}
