//! How a row becomes a record of its bucket.

use noex_store::prelude::*;

use super::row::{Fault, Row};
use crate::model::{Airline, Airport, Flight, Plane, StationHour, Weather};
use crate::time::Minute;

/// A bucket that is loaded from the file of its name.
pub trait FromRow: Bucket {
    fn from_row(row: &Row<'_>) -> Result<impl Insertable<Self> + use<Self>, Fault>;
}

impl FromRow for Airline {
    fn from_row(row: &Row<'_>) -> Result<impl Insertable<Self> + use<>, Fault> {
        Ok(Self { carrier: row.get("carrier")?, name: row.get("name")? })
    }
}

impl FromRow for Airport {
    fn from_row(row: &Row<'_>) -> Result<impl Insertable<Self> + use<>, Fault> {
        Ok(Self {
            faa: row.get("faa")?,
            name: row.get("name")?,
            lat: row.get("lat")?,
            lon: row.get("lon")?,
            alt: row.get("alt")?,
            tz: row.get("tz")?,
            dst: row.get("dst")?,
            tzone: row.get_or_na("tzone")?,
        })
    }
}

impl FromRow for Plane {
    fn from_row(row: &Row<'_>) -> Result<impl Insertable<Self> + use<>, Fault> {
        Ok(Self {
            tailnum: row.get("tailnum")?,
            year: row.get_or_na("year")?,
            kind: row.get("type")?,
            manufacturer: row.get("manufacturer")?,
            model: row.get("model")?,
            engines: row.get("engines")?,
            seats: row.get("seats")?,
            speed: row.get_or_na("speed")?,
            engine: row.get("engine")?,
        })
    }
}

impl FromRow for Weather {
    fn from_row(row: &Row<'_>) -> Result<impl Insertable<Self> + use<>, Fault> {
        Ok(Self {
            at: StationHour { origin: row.get("origin")?, time_hour: row.get("time_hour")? },
            temp: row.get_or_na("temp")?,
            dewp: row.get_or_na("dewp")?,
            humid: row.get_or_na("humid")?,
            wind_dir: row.get_or_na("wind_dir")?,
            wind_speed: row.get_or_na("wind_speed")?,
            wind_gust: row.get_or_na("wind_gust")?,
            precip: row.get("precip")?,
            pressure: row.get_or_na("pressure")?,
            visib: row.get("visib")?,
        })
    }
}

impl FromRow for Flight {
    /// A draft, and not a whole value, because the store numbers the flights.
    fn from_row(row: &Row<'_>) -> Result<impl Insertable<Self> + use<>, Fault> {
        let time_hour: Minute = row.get("time_hour")?;
        let minute: u8 = row.get("minute")?;
        Ok(Flight::draft()
            .time_hour(time_hour)
            .departs(time_hour.plus(minute.into()))
            .sched_dep_time(row.get::<u16>("sched_dep_time")?)
            .sched_arr_time(row.get::<u16>("sched_arr_time")?)
            .carrier(row.get::<String>("carrier")?)
            .flight(row.get::<u16>("flight")?)
            .origin(row.get::<String>("origin")?)
            .dest(row.get::<String>("dest")?)
            .distance(row.get::<u16>("distance")?)
            .maybe_dep_time(row.get_or_na::<u16>("dep_time")?)
            .maybe_dep_delay(row.get_or_na::<i16>("dep_delay")?)
            .maybe_arr_time(row.get_or_na::<u16>("arr_time")?)
            .maybe_arr_delay(row.get_or_na::<i16>("arr_delay")?)
            .maybe_tailnum(row.get_or_na::<String>("tailnum")?)
            .maybe_air_time(row.get_or_na::<u16>("air_time")?))
    }
}
