//! The report on paper.

use std::fmt::Display;
use std::io::{self, Write};

use crate::model::Flight;
use crate::report::{BUSY, LATE, Late, PlaneLog, Report};
use crate::table::{Table, left, right};

/// What stands where there is no value.
const NONE: &str = "–";

pub fn print(out: &mut impl Write, report: &Report) -> io::Result<()> {
    match report.period {
        Some((first, last)) => {
            let flights = thousands(report.flights);
            writeln!(out, "{flights} flights from New York, {first} to {last}. All times are UTC.")?;
        }
        None => writeln!(out, "There are no flights.")?,
    }

    title(out, "Busiest routes")?;
    let mut table = Table::new([left("route"), right("flights"), left("to")]);
    for route in &report.routes {
        let airport = route.airport.as_ref().map_or("(not among the airports)", |airport| &airport.name);
        let name = format!("{} – {}", route.origin, route.dest);
        table.row([name, thousands(route.flights), airport.to_owned()]);
    }
    table.print(out)?;

    title(out, "Mean departure delay by airline")?;
    let mut table = Table::new([
        left("airline"),
        left("code"),
        right("flights"),
        right("cancelled"),
        right("mean delay"),
        right("longest"),
    ]);
    for carrier in &report.carriers {
        table.row([
            carrier.airline.as_ref().map_or(NONE, |airline| &airline.name).to_owned(),
            carrier.carrier.clone(),
            thousands(carrier.flights),
            thousands(carrier.cancelled),
            carrier.mean_delay.map_or(NONE.to_owned(), |delay| format!("{delay:.1} min")),
            unit(carrier.worst_delay, "min"),
        ]);
    }
    table.print(out)?;

    if let Some(log) = &report.plane {
        plane(out, log)?;
    }
    late(out, &report.late)?;

    title(out, &format!("Weather in the hours with the longest mean delay ({BUSY} departures or more)"))?;
    let mut table = Table::new([
        left("hour"),
        left("from"),
        right("departures"),
        right("mean delay"),
        right("temp."),
        right("wind"),
        right("gusts"),
        right("rain"),
        right("visibility"),
    ]);
    for hour in &report.hours {
        let weather = hour.weather.as_ref();
        let value = |value: Option<f64>, unit: &str, digits| {
            value.map_or(NONE.to_owned(), |value| format!("{value:.digits$} {unit}"))
        };
        table.row([
            hour.at.time_hour.to_string(),
            hour.at.origin.clone(),
            hour.departures.to_string(),
            format!("{:.1} min", hour.mean_delay),
            value(weather.and_then(|weather| weather.temp), "°F", 0),
            value(weather.and_then(|weather| weather.wind_speed), "mph", 0),
            value(weather.and_then(|weather| weather.wind_gust), "mph", 0),
            value(weather.map(|weather| weather.precip), "in", 2),
            value(weather.map(|weather| weather.visib), "mi", 1),
        ]);
    }
    table.print(out)
}

fn plane(out: &mut impl Write, log: &PlaneLog) -> io::Result<()> {
    let plane = &log.plane;
    title(out, &format!("The first flights of {}, the busiest plane in the registry", plane.tailnum))?;
    let built = plane.year.map_or(String::new(), |year| format!(" of {year}"));
    let (hours, minutes) = (log.air_time / 60, log.air_time % 60);
    writeln!(
        out,
        "  {} {}{built}, {} seats; {} flights, {hours} h {minutes} min in the air",
        plane.manufacturer,
        plane.model,
        plane.seats,
        thousands(log.flights),
    )?;
    let mut table =
        Table::new([left("departs"), left("flight"), left("route"), right("delay"), right("in the air")]);
    for flight in &log.log {
        table.row([
            flight.departs.to_string(),
            number(flight),
            route(flight),
            flight.dep_delay.map_or("cancelled".to_owned(), |delay| format!("{delay} min")),
            unit(flight.air_time, "min"),
        ]);
    }
    table.print(out)
}

fn late(out: &mut impl Write, late: &Late) -> io::Result<()> {
    let flights = thousands(late.flights);
    title(out, &format!("The latest of {flights} flights that departed {LATE} minutes late or more"))?;
    let mut table = Table::new([
        left("page"),
        right("delay"),
        left("departs"),
        left("flight"),
        left("route"),
        left("plane"),
    ]);
    for (page, number_of_page) in late.pages.iter().zip(1..) {
        for (at, flight) in page.flights.iter().enumerate() {
            table.row([
                if at == 0 { number_of_page.to_string() } else { String::new() },
                unit(flight.dep_delay, "min"),
                flight.departs.to_string(),
                number(flight),
                route(flight),
                flight.tailnum.clone().unwrap_or_else(|| NONE.to_owned()),
            ]);
        }
    }
    table.print(out)?;
    for (page, number) in late.pages.iter().zip(1..) {
        if let Some(cursor) = &page.cursor {
            writeln!(out, "  page {number} was asked for by the cursor {cursor}")?;
        }
    }
    writeln!(out, "  how a page is found:")?;
    late.plan.to_string().lines().try_for_each(|line| writeln!(out, "    {line}"))
}

fn title(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{text}")
}

fn number(flight: &Flight) -> String {
    format!("{} {}", flight.carrier, flight.flight)
}

fn route(flight: &Flight) -> String {
    format!("{} – {}", flight.origin, flight.dest)
}

fn unit(value: Option<impl Display>, unit: &str) -> String {
    value.map_or(NONE.to_owned(), |value| format!("{value} {unit}"))
}

/// A number with a comma before each three digits.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
