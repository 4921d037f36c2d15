//! The time of the data: whole minutes.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use noex_store::prelude::*;

/// A minute, counted from 1970-01-01 00:00 UTC: four bytes that sort by time and go into an index as they are.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Minute(u32);

impl Minute {
    /// The minute that is so many minutes later.
    pub fn plus(self, minutes: u32) -> Self {
        Self(self.0.saturating_add(minutes))
    }

    /// The minute that is so many minutes later, or earlier.
    #[allow(dead_code, reason = "one of the examples needs it")]
    pub fn plus_signed(self, minutes: i16) -> Self {
        Self(self.0.saturating_add_signed(i32::from(minutes)))
    }

    /// How many minutes it is after another one; 0 if it is before.
    #[allow(dead_code, reason = "one of the examples needs it")]
    pub fn since(self, other: Self) -> u32 {
        self.0.saturating_sub(other.0)
    }

    /// The hour that it lies in, counted from 1970-01-01.
    #[allow(dead_code, reason = "one of the examples needs it")]
    pub fn hour(self) -> u32 {
        self.0 / 60
    }
}

impl FromStr for Minute {
    type Err = String;

    /// Reads a time such as `2013-01-01T10:00:00Z`. Seconds are left out.
    fn from_str(text: &str) -> Result<Self, String> {
        let time: Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
        let minutes = u32::try_from(time.as_second().div_euclid(60));
        minutes.map(Self).map_err(|_| "the time is before 1970".to_owned())
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_second(i64::from(self.0) * 60).map_err(|_| fmt::Error)?;
        f.pad(&time.strftime("%Y-%m-%d %H:%M").to_string())
    }
}

/// The same as `Display`: filters, plans and errors show values by `Debug`.
impl fmt::Debug for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
