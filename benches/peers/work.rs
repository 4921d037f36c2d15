//! The work that all peers do, and one round of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use noex_store::prelude::Uuid;

use crate::common::users::User;
use crate::common::{Random, nanos};
use crate::flights::Flight;

/// Rows of a page, and of a range.
pub const PAGE: usize = 20;
pub const RANGE: usize = 100;
/// Users with this score or more are about one of a thousand.
pub const HIGH: f64 = 999.0;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Insert,
    InsertTogether,
    Get,
    Unique,
    Index,
    Range,
    Filter,
    Page,
    Update,
    Delete,
    Transaction,
    Groups,
    /// A get beside a thread that writes.
    Beside,
    /// An update, until the value is with its one subscriber, among so many subscriptions.
    Subscribed(usize),
}

impl Work {
    pub const ALL: [Self; 16] = [
        Self::Insert,
        Self::InsertTogether,
        Self::Get,
        Self::Unique,
        Self::Index,
        Self::Range,
        Self::Filter,
        Self::Page,
        Self::Update,
        Self::Delete,
        Self::Transaction,
        Self::Groups,
        Self::Beside,
        Self::Subscribed(1),
        Self::Subscribed(1_000),
        Self::Subscribed(100_000),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert, one a commit",
            Self::InsertTogether => "insert, 1,000 a commit, each",
            Self::Get => "get by key",
            Self::Unique => "look-up by a unique field",
            Self::Index => "look-up of 100 rows by an index",
            Self::Range => "100 rows of a range, in its order",
            Self::Filter => "filter without index",
            Self::Page => "page of 20 from the middle",
            Self::Update => "update of one field",
            Self::Delete => "delete, one a commit",
            Self::Transaction => "transaction over two tables",
            Self::Groups => "count and mean by group",
            Self::Beside => "get beside a writing thread",
            Self::Subscribed(1) => "update to its subscriber, no others",
            Self::Subscribed(1_000) => "the same among 1,000 subscriptions",
            Self::Subscribed(_) => "the same among 100,000 subscriptions",
        }
    }

    /// What a round gives a figure of: one of a thousand operations' times for each of these, or their mean.
    pub fn figures(self) -> &'static [(&'static str, usize)] {
        match self {
            Self::Beside => &[(", p50", 500), (", p99", 990), (", p99.9", 999)],
            _ => &[("", 0)],
        }
    }

    /// How often a round does it, among so many records.
    pub fn times(self, records: usize) -> usize {
        match self {
            Self::Get | Self::Unique => 5_000,
            Self::Index => 100,
            // Some peers sort or walk all for it.
            Self::Range => (2_000_000 / records).clamp(10, 100),
            Self::Filter | Self::Groups => (200_000 / records).clamp(1, 20),
            Self::Page => (4_000_000 / records).clamp(20, 200),
            Self::Subscribed(_) => 200,
            Self::Beside => 5_000,
            Self::Transaction => 500,
            Self::Insert | Self::InsertTogether | Self::Update | Self::Delete => 1_000,
        }
    }
}

/// What a round works with.
pub struct Round<'a> {
    pub users: &'a [User],
    pub fresh: Vec<User>,
    /// Places in `users`.
    pub asked: Vec<usize>,
    pub number: usize,
}

impl<'a> Round<'a> {
    pub fn new(users: &'a [User], number: usize) -> Self {
        let mut random = Random::new(number as u64 + 77);
        let first = users.len() + number * 1_000;
        let fresh = (0..1_000).map(|n| super::common::users::user(&mut random, first + n, users.len()));
        let fresh = fresh.collect();
        let asked = (0..1_000).map(|_| random.below(users.len())).collect();
        Self { users, fresh, asked, number }
    }

    pub fn asked(&self, n: usize) -> &'a User {
        &self.users[self.asked[n % self.asked.len()]]
    }

    /// A score that no round before has written.
    pub fn score(&self, n: usize) -> f64 {
        ((self.number * 1_000 + n) % 900) as f64
    }
}

/// The time of one operation in nanoseconds, for each of the [`Work::figures`]; and a number that all who do the same work agree on.
pub type Done = (Vec<f64>, usize);

/// Who takes part.
pub trait Peer {
    fn name(&self) -> &'static str;
    /// A round of one kind of work; `None` for what it cannot do. What changes a peer is taken back, so that each round finds the same.
    fn round(&mut self, work: Work, round: &Round<'_>) -> Option<Done>;
    /// What it took to fill it, in nanoseconds and bytes, where it knows that better than whoever made it.
    fn filling(&self) -> Option<(f64, f64)> {
        None
    }
    /// Loads flights into an empty store of theirs; the nanoseconds of each.
    fn load(&mut self, _flights: &[Flight]) -> Option<f64> {
        None
    }
}

/// A store, and how each operation is done with it. Reads tell how many rows they found; each row is read. What a store cannot do at all is
/// `None`.
pub trait Operations {
    fn name(&self) -> &'static str;
    fn insert(&mut self, user: &User);
    fn insert_together(&mut self, users: &[User]);
    fn get(&self, id: &Uuid) -> usize;
    fn update(&self, id: &Uuid, score: f64);
    fn delete(&mut self, id: &Uuid);
    fn by_email(&self, _email: &str) -> Option<usize> {
        None
    }
    fn by_city(&self, _city: u32) -> Option<usize> {
        None
    }
    /// The first [`RANGE`] in the order of cities, from one on.
    fn range(&self, _from: u32) -> Option<usize> {
        None
    }
    /// Those with [`HIGH`] or more.
    fn filter(&self) -> Option<usize> {
        None
    }
    /// [`PAGE`] behind a place in the middle of the order of cities.
    fn page(&self) -> Option<usize> {
        None
    }
    /// Reads a user, writes a field of it, and adds an order, as one step.
    fn transaction(&mut self, _id: &Uuid, _total: f64) -> Option<()> {
        None
    }
    /// The number and the mean score of each role; the sum of the numbers.
    fn groups(&self) -> Option<usize> {
        None
    }

    /// The times of gets beside a thread that updates without a pause: [`beside`].
    fn beside(&mut self, round: &Round<'_>, times: usize) -> Option<Vec<f64>>;
    /// The time of an update until its subscriber has the value, among so many subscriptions to other users.
    fn subscribed(&mut self, _round: &Round<'_>, _times: usize, _subscriptions: usize) -> Option<f64> {
        None
    }
}

impl<O: Operations> Peer for O {
    fn name(&self) -> &'static str {
        Operations::name(self)
    }

    fn round(&mut self, work: Work, round: &Round<'_>) -> Option<Done> {
        let times = work.times(round.users.len());
        let fresh = &round.fresh;
        let start = Instant::now();
        let mut found = 0;
        match work {
            Work::Insert => fresh.iter().for_each(|user| self.insert(user)),
            Work::InsertTogether => self.insert_together(fresh),
            Work::Get => (0..times).for_each(|n| found += self.get(&round.asked(n).id)),
            Work::Unique => {
                for n in 0..times {
                    found += self.by_email(&round.asked(n).email)?;
                }
            }
            Work::Index => {
                for n in 0..times {
                    found += self.by_city(round.asked(n).city)?;
                }
            }
            Work::Range => {
                for n in 0..times {
                    found += self.range(round.asked(n).city)?;
                }
            }
            Work::Filter => {
                for _ in 0..times {
                    found += self.filter()?;
                }
            }
            Work::Page => {
                for _ in 0..times {
                    found += self.page()?;
                }
            }
            Work::Update => (0..times).for_each(|n| self.update(&round.asked(n).id, round.score(n))),
            Work::Delete => {
                self.insert_together(fresh);
                let start = Instant::now();
                fresh.iter().for_each(|user| self.delete(&user.id));
                return Some((vec![nanos(start.elapsed(), times)], 0));
            }
            Work::Transaction => {
                for n in 0..times {
                    self.transaction(&round.asked(n).id, round.score(n))?;
                }
            }
            Work::Groups => {
                for _ in 0..times {
                    found += self.groups()?;
                }
            }
            Work::Beside => {
                let mut spent = self.beside(round, times)?;
                spent.sort_by(f64::total_cmp);
                let figures = work.figures().iter().map(|(_, part)| spent[spent.len() * part / 1_000]);
                return Some((figures.collect(), 0));
            }
            Work::Subscribed(count) => return Some((vec![self.subscribed(round, times, count)?], 0)),
        }
        let spent = nanos(start.elapsed(), times);
        if matches!(work, Work::Insert | Work::InsertTogether) {
            fresh.iter().for_each(|user| self.delete(&user.id));
        }
        Some((vec![spent], found))
    }
}

/// Times each of some gets, beside a thread that does nothing but updates.
pub fn beside(
    round: &Round<'_>,
    times: usize,
    get: impl Fn(&Uuid) -> usize,
    update: impl Fn(&Uuid, f64) + Sync,
) -> Vec<f64> {
    let (started, done) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in (0..).take_while(|_| !done.load(Ordering::Relaxed)) {
                update(&round.asked(n).id, round.score(n));
                started.store(true, Ordering::Relaxed);
            }
        });
        while !started.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let spent = (0..times).map(|n| {
            let id = &round.asked(n * 7 + 3).id;
            let start = Instant::now();
            assert!(std::hint::black_box(get(id)) > 0, "there");
            nanos(start.elapsed(), 1)
        });
        let spent = spent.collect();
        done.store(true, Ordering::Relaxed);
        spent
    })
}
