//! The numbers of the report, apart from how they are printed. Everything is read from one snapshot.

use std::cmp::Reverse;

use noex_store::prelude::*;

use crate::model::{Airline, Airport, Flight, Plane, StationHour, Weather};
use crate::time::Minute;

/// A flight that departs so many minutes after its time is late.
pub const LATE: i16 = 60;
/// The size of a page of late flights, and how many are shown.
pub const PAGE: usize = 5;
pub const PAGES: usize = 3;
/// How many rows the other tables have at most.
pub const TOP: usize = 10;
/// An hour with fewer departures says nothing about the weather.
pub const BUSY: usize = 10;

pub struct Report {
    pub flights: usize,
    /// The first and the last departure by the timetable.
    pub period: Option<(Minute, Minute)>,
    pub routes: Vec<Route>,
    pub carriers: Vec<Carrier>,
    pub plane: Option<PlaneLog>,
    pub late: Late,
    pub hours: Vec<BadHour>,
}

/// The flights between two airports.
pub struct Route {
    pub origin: String,
    pub dest: String,
    /// `None` for an airport that is not in its bucket.
    pub airport: Option<Record<Airport>>,
    pub flights: usize,
}

/// How punctual an airline is.
pub struct Carrier {
    pub carrier: String,
    pub airline: Option<Record<Airline>>,
    pub flights: usize,
    pub cancelled: usize,
    /// Of the flights that departed, in minutes.
    pub mean_delay: Option<f64>,
    pub worst_delay: Option<i16>,
}

/// The plane that flew most, and its first flights.
pub struct PlaneLog {
    pub plane: Record<Plane>,
    pub flights: usize,
    /// In minutes, over all of its flights.
    pub air_time: u128,
    pub log: Vec<Record<Flight>>,
}

/// The latest flights, page by page.
pub struct Late {
    pub flights: usize,
    pub pages: Vec<LatePage>,
    /// What the store does for a page.
    pub plan: Explanation,
}

pub struct LatePage {
    /// What the page was asked for by, as text; none for the first.
    pub cursor: Option<String>,
    pub flights: Vec<Record<Flight>>,
}

/// An hour of long delays at one airport, and its weather.
pub struct BadHour {
    pub at: StationHour,
    pub departures: usize,
    pub mean_delay: f64,
    pub weather: Option<Record<Weather>>,
}

pub fn report(snapshot: &Snapshot) -> Result<Report, Error> {
    let flights = snapshot.bucket::<Flight>()?;
    Ok(Report {
        flights: flights.count(),
        period: flights.min(Flight::DEPARTS).zip(flights.max(Flight::DEPARTS)),
        routes: routes(snapshot)?,
        carriers: carriers(snapshot)?,
        plane: plane(snapshot)?,
        late: late(snapshot)?,
        hours: hours(snapshot)?,
    })
}

/// The busiest first, then by name.
fn routes(snapshot: &Snapshot) -> Result<Vec<Route>, Error> {
    let airports = snapshot.bucket::<Airport>()?;
    let counts = snapshot.bucket::<Flight>()?.group_by((Flight::ORIGIN, Flight::DEST)).count();
    let mut counts: Vec<_> = counts.into_iter().collect();
    // The groups come in the order of their keys, and the sort is stable.
    counts.sort_by_key(|(_, flights)| Reverse(*flights));
    let top = counts.into_iter().take(TOP);
    let route = |((origin, dest), flights)| Route { airport: airports.get(&dest), origin, dest, flights };
    Ok(top.map(route).collect())
}

/// The latest first.
fn carriers(snapshot: &Snapshot) -> Result<Vec<Carrier>, Error> {
    let airlines = snapshot.bucket::<Airline>()?;
    let delays = snapshot.bucket::<Flight>()?.group_by(Flight::CARRIER).summary(Flight::DEP_DELAY);
    let mut carriers: Vec<_> = delays
        .into_iter()
        .map(|(carrier, delay)| Carrier {
            airline: airlines.get(&carrier),
            carrier,
            flights: delay.count,
            cancelled: delay.count - delay.present,
            mean_delay: delay.avg,
            worst_delay: delay.max,
        })
        .collect();
    carriers.sort_by(|a, b| order(b.mean_delay).total_cmp(&order(a.mean_delay)));
    Ok(carriers)
}

/// What has no mean comes last.
fn order(mean: Option<f64>) -> f64 {
    mean.unwrap_or(f64::NEG_INFINITY)
}

/// The plane with the most flights, of those that the registry knows. American and Envoy report the numbers of their
/// fleets as tail numbers, and the registry has other planes under them: a Cessna that flies to Detroit.
fn plane(snapshot: &Snapshot) -> Result<Option<PlaneLog>, Error> {
    let (flights, planes) = (snapshot.bucket::<Flight>()?, snapshot.bucket::<Plane>()?);
    let counts = flights.filter(Flight::CARRIER.not_in(["AA", "MQ"])).group_by(Flight::TAILNUM).count();
    let known = counts.into_iter().filter_map(|(tailnum, count)| Some((planes.get(&tailnum?)?, count)));
    let Some((plane, count)) = known.min_by_key(|(_, count)| Reverse(*count)) else { return Ok(None) };
    // In the order of the compound index: by time. `..` takes all of them, `start..end` those of a period.
    let mut log = flights.by_tailnum_and_departs(&plane.tailnum, ..);
    log.truncate(TOP);
    let air_time = flights.filter(Flight::TAILNUM.eq(&plane.tailnum)).sum(Flight::AIR_TIME);
    Ok(Some(PlaneLog { plane, flights: count, air_time, log }))
}

/// The latest first. Between two pages the cursor is text, as it would be in the URL of a web page.
fn late(snapshot: &Snapshot) -> Result<Late, Error> {
    let flights = snapshot.bucket::<Flight>()?;
    let late = flights.filter(Flight::DEP_DELAY.ge(LATE)).order_by(Flight::DEP_DELAY.desc());
    let mut pages = Vec::new();
    let mut page = late.paginate(Page::first(PAGE));
    let mut cursor = None;
    loop {
        pages.push(LatePage { cursor: cursor.take(), flights: page.records });
        let Some(next) = page.next_cursor.filter(|_| pages.len() < PAGES) else { break };
        let text = next.to_string();
        page = late.paginate(Page::first(PAGE).after(text.parse()?))?;
        cursor = Some(text);
    }
    Ok(Late { flights: late.count(), pages, plan: late.explain() })
}

/// The longest mean delay first, then by airport and time.
fn hours(snapshot: &Snapshot) -> Result<Vec<BadHour>, Error> {
    let (flights, weather) = (snapshot.bucket::<Flight>()?, snapshot.bucket::<Weather>()?);
    let mut hours: Vec<_> = flights
        .group_by((Flight::ORIGIN, Flight::TIME_HOUR))
        .summary(Flight::DEP_DELAY)
        .into_iter()
        .filter(|(_, delay)| delay.present >= BUSY)
        .filter_map(|(hour, delay)| Some((hour, delay.present, delay.avg?)))
        .collect();
    hours.sort_by(|(.., a), (.., b)| b.total_cmp(a));
    let bad_hour = |((origin, time_hour), departures, mean_delay)| {
        let at = StationHour { origin, time_hour };
        BadHour { weather: weather.get(&at), at, departures, mean_delay }
    };
    Ok(hours.into_iter().take(TOP).map(bad_hour).collect())
}
