//! The live queries of the page. Each is a pure function of the store and of the page's filter; two pages with the same filter
//! share its answers.

use noex_store::prelude::*;

use crate::leg::{CLOCK, Clock, Leg, State};
use crate::time::Minute;

/// How many lines a list has.
const LINES: usize = 12;

/// What the page is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct Choice {
    /// An airport; of all, if it is empty.
    pub origin: String,
    /// An airline; of all, if it is empty.
    pub carrier: String,
}

impl Choice {
    /// The flights that it lets through, of those in a state.
    fn of(&self, state: State) -> Filter<Leg> {
        let mut chosen = Leg::STATE.eq(state);
        if !self.origin.is_empty() {
            chosen = chosen.and(Leg::ORIGIN.eq(self.origin.as_str()));
        }
        if !self.carrier.is_empty() {
            chosen = chosen.and(Leg::CARRIER.eq(self.carrier.as_str()));
        }
        chosen
    }
}

type Legs = Vec<Record<Leg>>;

/// The numbers at the top of the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Numbers {
    pub now: String,
    pub waiting: usize,
    pub flying: usize,
    pub landed: usize,
    pub cancelled: usize,
    /// Of those that fly, in minutes.
    pub mean_delay: Option<f64>,
}

#[derive(Clone, Debug)]
pub struct Boards {
    pub flying: Query<Choice, Legs>,
    pub next: Query<Choice, Legs>,
    pub latest: Query<Choice, Legs>,
    pub numbers: Query<Choice, Numbers>,
}

impl Boards {
    pub fn new(store: &Store) -> Result<Self, Error> {
        let flying = store.define_query("flying", |ctx: &QueryCtx<'_>, choice: &Choice| {
            Ok(ctx.bucket::<Leg>()?.filter(choice.of(State::Flying)).order_by(Leg::ID.asc()).collect())
        })?;
        let next = store.define_query("next", |ctx: &QueryCtx<'_>, choice: &Choice| {
            let legs = ctx.bucket::<Leg>()?;
            Ok(legs.filter(choice.of(State::Waiting)).order_by(Leg::LEFT.asc()).limit(LINES).collect())
        })?;
        let latest = store.define_query("latest", |ctx: &QueryCtx<'_>, choice: &Choice| {
            let legs = ctx.bucket::<Leg>()?;
            Ok(legs.filter(choice.of(State::Flying)).order_by(Leg::DELAY.desc()).limit(LINES).collect())
        })?;
        let numbers = store.define_query("numbers", |ctx: &QueryCtx<'_>, choice: &Choice| {
            let legs = ctx.bucket::<Leg>()?;
            let count = |state| legs.filter(choice.of(state)).count();
            let now = ctx.bucket::<Clock>()?.get(&CLOCK).map_or(Minute::default(), |clock| clock.now);
            Ok(Numbers {
                now: now.to_string(),
                waiting: count(State::Waiting),
                flying: count(State::Flying),
                landed: count(State::Landed),
                cancelled: count(State::Cancelled),
                mean_delay: legs.filter(choice.of(State::Flying)).avg(Leg::DELAY),
            })
        })?;
        Ok(Self { flying, next, latest, numbers })
    }
}
