//! A small rule engine of one rule: an airport whose flights leave late, one after the other, is worth an alert.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use noex_store::prelude::*;
use serde_json::Value;

/// How many flights the rule looks back.
const LATEST: usize = 10;
/// An alert begins when so many minutes are the mean delay of them, and is over below the other.
const LATE: i64 = 45;
const CALM: i64 = 20;

/// What the rule has found: an alert, from its beginning to its end.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "alerts")]
pub struct Alert {
    #[bucket(key, generated = "autoincrement")]
    pub id: u64,
    #[bucket(index)]
    pub airport: String,
    /// The flight with which it began, and the mean delay then, in minutes.
    pub since: String,
    pub minutes: i64,
    /// The flight with which it was over.
    pub until: Option<String>,
}

/// Takes facts about departures, and writes down alerts.
pub struct DelayRule {
    alerts: BucketHandle<Alert>,
    airports: Mutex<HashMap<String, Airport>>,
}

#[derive(Default)]
struct Airport {
    latest: VecDeque<i64>,
    /// The alert that is going on.
    alert: Option<u64>,
}

impl DelayRule {
    pub fn new(store: &Store) -> Result<Self, Error> {
        Ok(Self { alerts: store.bucket()?, airports: Mutex::default() })
    }

    fn departed(&self, airport: &str, flight: &str, delay: i64) -> Result<(), Error> {
        let mut airports = self.airports.lock().expect("no rule panics");
        let own = airports.entry(airport.to_owned()).or_default();
        own.latest.push_back(delay);
        if own.latest.len() > LATEST {
            own.latest.pop_front();
        }
        let mean = own.latest.iter().sum::<i64>() / LATEST as i64;
        match own.alert {
            None if own.latest.len() == LATEST && mean >= LATE => {
                let alert = Alert::draft().airport(airport).since(flight).minutes(mean);
                own.alert = Some(self.alerts.insert(alert)?.id);
            }
            Some(alert) if mean < CALM => {
                self.alerts.update(&alert, Alert::patch().until(flight))?;
                own.alert = None;
            }
            _ => {}
        }
        Ok(())
    }
}

impl EventReceiver for DelayRule {
    async fn emit(&self, topic: &str, data: Value) -> Result<(), ReceiverError> {
        let text = |name: &str| data[name].as_str().ok_or_else(|| format!("{topic}: no `{name}`"));
        let delay = data["delay"].as_i64().ok_or_else(|| format!("{topic}: no `delay`"))?;
        self.departed(text("airport")?, text("flight")?, delay)?;
        Ok(())
    }
}
