//! The five buckets. Names of fields are the names of the columns, so that an error about a field tells the column.
//!
//! The rules are true of the whole data set, and would catch a column that slipped.

use noex_store::prelude::*;

use crate::time::Minute;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "airlines")]
pub struct Airline {
    #[bucket(key, pattern = "^[0-9A-Z]{2}$")]
    pub carrier: String,
    #[bucket(unique, min_length = 1)]
    pub name: String,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "airports")]
pub struct Airport {
    #[bucket(key, pattern = "^[0-9A-Z]{3}$")]
    pub faa: String,
    // Not unique, as the names of airlines are: five are called Municipal Airport.
    #[bucket(min_length = 1)]
    pub name: String,
    #[bucket(min = -90.0, max = 90.0)]
    pub lat: f64,
    #[bucket(min = -180.0, max = 180.0)]
    pub lon: f64,
    /// In feet.
    #[bucket(min = -1_300, max = 15_000)]
    pub alt: i16,
    /// In hours from UTC.
    #[bucket(min = -12, max = 14)]
    pub tz: i8,
    /// Daylight saving time: as in the United States, none, unknown.
    #[bucket(one_of = ["A", "N", "U"])]
    pub dst: String,
    pub tzone: Option<String>,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "planes")]
pub struct Plane {
    #[bucket(key, pattern = "^[0-9A-Z]{5,6}$")]
    pub tailnum: String,
    #[bucket(min = 1903, max = 2013)]
    pub year: Option<u16>,
    #[serde(rename = "type")]
    #[bucket(one_of = ["Fixed wing multi engine", "Fixed wing single engine", "Rotorcraft"])]
    pub kind: String,
    #[bucket(min_length = 1)]
    pub manufacturer: String,
    #[bucket(min_length = 1)]
    pub model: String,
    #[bucket(min = 1, max = 8)]
    pub engines: u8,
    #[bucket(min = 1, max = 900)]
    pub seats: u16,
    /// In miles an hour.
    #[bucket(min = 1, max = 1_500)]
    pub speed: Option<u16>,
    #[bucket(one_of = ["4 Cycle", "Reciprocating", "Turbo-fan", "Turbo-jet", "Turbo-prop", "Turbo-shaft"])]
    pub engine: String,
}

/// One station in one hour: what makes a row of the weather unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StationHour {
    pub origin: String,
    pub time_hour: Minute,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "weather")]
pub struct Weather {
    #[bucket(key, validate = at_a_station)]
    pub at: StationHour,
    /// In degrees Fahrenheit, as the dew point.
    #[bucket(min = -60.0, max = 130.0)]
    pub temp: Option<f64>,
    #[bucket(min = -80.0, max = 100.0)]
    pub dewp: Option<f64>,
    /// In per cent.
    #[bucket(min = 0.0, max = 100.0)]
    pub humid: Option<f64>,
    #[bucket(min = 0, max = 360)]
    pub wind_dir: Option<u16>,
    /// In miles an hour. Without a maximum: one value is 1,048, and the data are kept as they are.
    #[bucket(min = 0.0)]
    pub wind_speed: Option<f64>,
    #[bucket(min = 0.0)]
    pub wind_gust: Option<f64>,
    /// In inches.
    #[bucket(min = 0.0)]
    pub precip: f64,
    /// In millibars, at sea level.
    #[bucket(min = 870.0, max = 1_085.0)]
    pub pressure: Option<f64>,
    /// In miles.
    #[bucket(min = 0.0, max = 10.0)]
    pub visib: f64,
}

fn at_a_station(at: &StationHour) -> Result<(), String> {
    let known = ["EWR", "JFK", "LGA"].contains(&at.origin.as_str());
    if known { Ok(()) } else { Err(format!("must be at EWR, JFK or LGA, not at {:?}", at.origin)) }
}

/// No column, nor a few of them, names a flight for good, so the store numbers them.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "flights", index(tailnum, departs), validate = makes_sense)]
pub struct Flight {
    #[bucket(key, generated = "autoincrement")]
    pub id: u64,
    /// The hour of `departs`: with `origin`, the key of the weather.
    pub time_hour: Minute,
    /// When the flight is to depart by the timetable, UTC. Local times do not sort over a change of the clock.
    pub departs: Minute,
    #[bucket(references = Airline, min_length = 2, max_length = 2)]
    pub carrier: String,
    #[bucket(min = 1, max = 9_999)]
    pub flight: u16,
    // References are not enforced: the planes of some carriers are in no registry.
    #[bucket(references = Plane, min_length = 5, max_length = 6)]
    pub tailnum: Option<String>,
    #[bucket(references = Airport, one_of = ["EWR", "JFK", "LGA"])]
    pub origin: String,
    #[bucket(references = Airport, min_length = 3, max_length = 3)]
    pub dest: String,
    /// Times by the airport's clock are 517 for 5:17 and 2400 for midnight. A flight without one was cancelled.
    #[bucket(min = 1, max = 2_400)]
    pub dep_time: Option<u16>,
    #[bucket(min = 1, max = 2_400)]
    pub sched_dep_time: u16,
    #[bucket(min = 1, max = 2_400)]
    pub arr_time: Option<u16>,
    #[bucket(min = 1, max = 2_400)]
    pub sched_arr_time: u16,
    /// Delays are in minutes, below zero when early.
    #[bucket(index, min = -120, max = 1_440)]
    pub dep_delay: Option<i16>,
    #[bucket(min = -180, max = 1_440)]
    pub arr_delay: Option<i16>,
    /// In minutes.
    #[bucket(min = 1, max = 1_200)]
    pub air_time: Option<u16>,
    /// In miles.
    #[bucket(min = 1, max = 10_000)]
    pub distance: u16,
}

/// What no single field can tell.
fn makes_sense(flight: &Flight) -> Result<(), &'static str> {
    if flight.origin == flight.dest {
        return Err("a flight goes to another airport");
    }
    if flight.dep_time.is_some() != flight.dep_delay.is_some() {
        return Err("`dep_time` and `dep_delay` are there both or neither");
    }
    if flight.dep_time.is_none() && (flight.arr_time.is_some() || flight.arr_delay.is_some()) {
        return Err("a flight that did not depart did not arrive");
    }
    if !(flight.time_hour..flight.time_hour.plus(60)).contains(&flight.departs) {
        return Err("a flight departs in its `time_hour`");
    }
    Ok(())
}
