//! Has the flights of the month leave, fly and land: each minute of theirs is one transaction over both buckets.

use std::collections::HashMap;

use noex_store::prelude::*;

use crate::leg::{CLOCK, Clock, Leg, State};
use crate::model::{Airport, Flight};
use crate::time::Minute;

/// Latitude and longitude of an airport, in degrees.
pub type Place = (f32, f32);

/// The store of the board, and where the airports are.
pub struct Sky {
    pub store: Store,
    pub places: HashMap<String, Place>,
    first: Minute,
    last: Minute,
}

impl Sky {
    /// Reads a month of flights.
    pub async fn open(month: &Store) -> Result<Self, Error> {
        let store = Store::builder().name("live-board").bucket::<Leg>().bucket::<Clock>().start().await?;
        let airports = month.bucket::<Airport>()?;
        let places: HashMap<String, Place> = airports
            .filter(Filter::all())
            .iter()
            .map(|airport| (airport.faa.clone(), (airport.lat as f32, airport.lon as f32)))
            .collect();
        // Four airports of the Caribbean are not in the table; their flights cannot be drawn.
        let flights = month.bucket::<Flight>()?.all();
        let legs: Vec<Leg> = flights
            .iter()
            .filter(|flight| places.contains_key(&flight.dest))
            .map(|flight| leg(flight))
            .collect();
        let first = legs.iter().map(|leg| leg.left).min().unwrap_or_default();
        let last = legs.iter().map(|leg| leg.lands).max().unwrap_or_default();
        store.bucket::<Leg>()?.insert_many(legs)?;
        store.bucket::<Clock>()?.insert(Clock { id: CLOCK, now: first })?;
        Ok(Self { store, places, first, last })
    }

    /// Goes on to a minute, in one commit. Whatever the page shows of it belongs together.
    pub fn go_to(&self, now: Minute) -> Result<(), Error> {
        self.store.transaction(|tx| {
            let legs = tx.bucket::<Leg>()?;
            tx.bucket::<Clock>()?.update(&CLOCK, Clock::patch().now(now))?;
            for leg in legs.filter(Leg::STATE.eq(State::Waiting).and(Leg::LEFT.le(now))).collect() {
                let state = if leg.cancelled { State::Cancelled } else { State::Flying };
                legs.update(&leg.id, Leg::patch().state(state))?;
            }
            for leg in legs.filter(Leg::STATE.eq(State::Flying).and(Leg::LANDS.le(now))).collect() {
                legs.update(&leg.id, Leg::patch().state(State::Landed).clear_at())?;
            }
            for leg in legs.filter(Leg::STATE.eq(State::Flying)).collect() {
                if let Some(at) = self.place_of(&leg, now) {
                    legs.update(&leg.id, Leg::patch().at(at))?;
                }
            }
            Ok(())
        })
    }

    /// The next minute; after the last one, the first again.
    pub fn go_on(&self) -> Result<(), Error> {
        let clock = self.store.bucket::<Clock>()?.require(&CLOCK)?;
        if clock.now < self.last {
            return self.go_to(clock.now.plus(1));
        }
        self.store.transaction(|tx| {
            let legs = tx.bucket::<Leg>()?;
            legs.update_where(!Leg::STATE.eq(State::Waiting), Leg::patch().state(State::Waiting).clear_at())?;
            tx.bucket::<Clock>()?.update(&CLOCK, Clock::patch().now(self.first))?;
            Ok(())
        })
    }

    /// Where a flight is at a time, if it flies: on the great circle between its airports.
    fn place_of(&self, leg: &Leg, now: Minute) -> Option<Place> {
        let (from, to) = (*self.places.get(&leg.origin)?, *self.places.get(&leg.dest)?);
        let part = now.since(leg.left) as f32 / leg.lands.since(leg.left).max(1) as f32;
        Some(between(from, to, part.clamp(0.0, 1.0)))
    }
}

fn leg(flight: &Flight) -> Leg {
    let delay = flight.dep_delay.unwrap_or_default();
    let left = flight.departs.plus_signed(delay);
    // What was diverted has no time in the air: a jet flies eight miles a minute.
    let air_time = flight.air_time.unwrap_or(flight.distance / 8).max(1);
    Leg {
        id: flight.id,
        carrier: flight.carrier.clone(),
        flight: flight.flight,
        origin: flight.origin.clone(),
        dest: flight.dest.clone(),
        departs: flight.departs,
        left,
        lands: left.plus(u32::from(air_time)),
        delay,
        cancelled: flight.dep_time.is_none(),
        state: State::Waiting,
        at: None,
    }
}

/// A point of the great circle between two places; `part` is how far, from 0 to 1.
/// Aviation Formulary (Ed Williams), *Intermediate points on a great circle*.
fn between(from: Place, to: Place, part: f32) -> Place {
    let (lat1, lon1) = (from.0.to_radians(), from.1.to_radians());
    let (lat2, lon2) = (to.0.to_radians(), to.1.to_radians());
    let half = |a: f32| (a / 2.0).sin().powi(2);
    let angle = 2.0 * (half(lat1 - lat2) + lat1.cos() * lat2.cos() * half(lon1 - lon2)).sqrt().asin();
    if angle < 1e-6 {
        return from;
    }
    let (a, b) = (((1.0 - part) * angle).sin() / angle.sin(), (part * angle).sin() / angle.sin());
    let x = a * lat1.cos() * lon1.cos() + b * lat2.cos() * lon2.cos();
    let y = a * lat1.cos() * lon1.sin() + b * lat2.cos() * lon2.sin();
    let z = a * lat1.sin() + b * lat2.sin();
    (z.atan2(x.hypot(y)).to_degrees(), y.atan2(x).to_degrees())
}
