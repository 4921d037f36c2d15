//! The work that all peers do, and one round of it.

use std::time::Instant;

use noex_store::prelude::Uuid;

use crate::common::users::User;
use crate::common::{Random, nanos};

/// Rows of a page, and of a range.
pub const PAGE: usize = 20;
pub const RANGE: usize = 100;
/// Users with this score or more are about one of a thousand.
pub const HIGH: f64 = 999.0;

/// A kind of work.
#[derive(Clone, Copy, PartialEq, Eq)]
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
}

impl Work {
    pub const ALL: [Self; 12] = [
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
        }
    }

    /// How often a round does it, among so many records.
    pub fn times(self, records: usize) -> usize {
        match self {
            Self::Get | Self::Unique => 5_000,
            Self::Index | Self::Range => 100,
            Self::Filter | Self::Groups => (200_000 / records).clamp(1, 20),
            Self::Page => 200,
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

/// The time of one operation in nanoseconds, and a number that all who do the same work agree on.
pub type Done = (f64, usize);

/// A store, and how the work is done with it. Reads tell how many rows they found; each row is read. What a peer cannot do at all is `None`.
pub trait Peer {
    fn name(&self) -> &'static str;
    fn insert(&mut self, user: &User);
    fn insert_together(&mut self, users: &[User]);
    fn get(&self, id: &Uuid) -> usize;
    fn update(&mut self, id: &Uuid, score: f64);
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

    /// A round of one kind of work. What changes a peer is taken back, so that each round finds the same.
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
                return Some((nanos(start.elapsed(), times), 0));
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
        }
        let spent = nanos(start.elapsed(), times);
        if matches!(work, Work::Insert | Work::InsertTogether) {
            fresh.iter().for_each(|user| self.delete(&user.id));
        }
        Some((spent, found))
    }
}
