//! What the board shows: flights that wait, fly and land, and the time by which they do.

use noex_store::prelude::*;

use crate::time::Minute;

/// One flight of the month.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "legs", index(state, left), index(state, lands))]
#[allow(clippy::duplicated_attributes, reason = "two indexes may begin with one field")]
pub struct Leg {
    #[bucket(key)]
    pub id: u64,
    #[bucket(index)]
    pub carrier: String,
    pub flight: u16,
    #[bucket(index)]
    pub origin: String,
    pub dest: String,
    /// By the timetable.
    pub departs: Minute,
    /// When it really goes; of one that is cancelled, when it was to go.
    pub left: Minute,
    /// When it lands.
    pub lands: Minute,
    /// In minutes, below zero when early.
    pub delay: i16,
    pub cancelled: bool,
    #[bucket(default = State::Waiting)]
    pub state: State,
    /// Where it is, in degrees of latitude and longitude, while it flies.
    pub at: Option<(f32, f32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Waiting,
    Flying,
    Landed,
    Cancelled,
}

/// The time of the board: one record.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "clock")]
pub struct Clock {
    #[bucket(key)]
    pub id: u8,
    pub now: Minute,
}

/// The key of the only clock.
pub const CLOCK: u8 = 0;
