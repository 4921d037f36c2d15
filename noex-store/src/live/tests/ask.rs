//! Random questions as parameters of one query, and the bucket that they are put to.

use serde::{Deserialize, Serialize};

use crate::bucket::record::Record;
use crate::engine::tests::Random;
use crate::error::Error;
use crate::filter::Filter;
use crate::filter::order::OrderKey;
use crate::filter::page::Page;
use crate::live::{Query, QueryCtx};
use crate::store::Store;

#[allow(dead_code, reason = "not all that the derive makes is needed")]
mod bucket {
    use super::{Deserialize, Serialize};

    #[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[bucket(name = "items", crate = crate, index(group, rank))]
    pub(crate) struct Item {
        #[bucket(key)]
        pub(crate) id: u32,
        #[bucket(index)]
        pub(crate) group: u8,
        #[bucket(index)]
        pub(crate) rank: Option<i16>,
        pub(crate) score: i32,
        #[bucket(unique)]
        pub(crate) code: u32,
        #[bucket(index(each))]
        pub(crate) tags: Vec<u8>,
        pub(crate) note: u32,
    }
}
pub(super) use bucket::{Item, ItemReads};

pub(super) const KEYS: usize = 60;

pub(super) fn item(id: u32, random: &mut Random) -> Item {
    Item {
        id,
        group: random.below(8) as u8,
        rank: (random.below(4) > 0).then(|| random.below(40) as i16),
        score: random.below(30) as i32,
        code: 1000 + id,
        tags: (0..random.below(3)).map(|_| random.below(10) as u8).collect(),
        note: 0,
    }
}

/// A question, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    Key(u32),
    Has(u32),
    Code(u32),
    Group(u8),
    Tag(u8),
    GroupAndRank(u8, i16, i16),
    List {
        which: Which,
        order: Option<(By, bool)>,
        limit: Option<usize>,
        offset: usize,
    },
    Page {
        which: Which,
        order: Option<(By, bool)>,
        size: usize,
    },
    Count(Which),
    Exists(Which),
    Sum(Which),
    Least(Which),
    ByGroup(Which),
    First(usize),
    Last(usize),
    Taken(usize),
    /// What two others say, by way of sub-queries.
    Both(Box<Ask>, Box<Ask>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Which {
    All,
    Group(u8),
    Rank(i16, i16),
    Unranked,
    Score(i32),
    Tagged(u8),
    Keys(u32, u32),
    And(Box<Which>, Box<Which>),
    Or(Box<Which>, Box<Which>),
    Not(Box<Which>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum By {
    Rank,
    Score,
    Group,
}

fn which(random: &mut Random, depth: u32) -> Which {
    let rank = random.below(40) as i16;
    match random.below(if depth == 0 { 7 } else { 10 }) {
        0 => Which::All,
        1 => Which::Group(random.below(8) as u8),
        2 => Which::Rank(rank, rank + random.below(10) as i16),
        3 => Which::Unranked,
        4 => Which::Score(random.below(30) as i32),
        5 => Which::Tagged(random.below(10) as u8),
        6 => Which::Keys(random.below(KEYS) as u32, random.below(KEYS) as u32),
        7 => Which::And(Box::new(which(random, depth - 1)), Box::new(which(random, depth - 1))),
        8 => Which::Or(Box::new(which(random, depth - 1)), Box::new(which(random, depth - 1))),
        _ => Which::Not(Box::new(which(random, depth - 1))),
    }
}

impl Ask {
    pub(super) fn random(random: &mut Random, depth: u32) -> Self {
        let order = (random.below(3) > 0)
            .then(|| (*random.pick(&[By::Rank, By::Score, By::Group]), random.below(2) == 0));
        let id = random.below(KEYS + 5) as u32;
        match random.below(if depth == 0 { 16 } else { 18 }) {
            0 => Self::Key(id),
            1 => Self::Has(id),
            2 => Self::Code(1000 + id),
            3 => Self::Group(random.below(9) as u8),
            4 => Self::Tag(random.below(10) as u8),
            5 => {
                let from = random.below(40) as i16;
                Self::GroupAndRank(random.below(8) as u8, from, from + random.below(12) as i16)
            }
            6 | 7 => Self::List {
                which: which(random, 2),
                order,
                limit: (random.below(3) > 0).then(|| random.below(8)),
                offset: random.below(3) * random.below(2),
            },
            8 => Self::Page { which: which(random, 1), order, size: 1 + random.below(6) },
            9 => Self::Count(which(random, 2)),
            10 => Self::Exists(which(random, 2)),
            11 => Self::Sum(which(random, 2)),
            12 => Self::Least(which(random, 1)),
            13 => Self::ByGroup(which(random, 1)),
            14 => {
                if random.below(2) == 0 {
                    Self::First(random.below(9))
                } else {
                    Self::Last(random.below(9))
                }
            }
            15 => Self::Taken(random.below(20)),
            _ => Self::Both(
                Box::new(Self::random(random, depth - 1)),
                Box::new(Self::random(random, depth - 1)),
            ),
        }
    }

    /// Asks, with `sub` for the questions within.
    pub(super) fn ask(
        &self,
        items: &ItemReads,
        sub: &mut dyn FnMut(&Self) -> Result<String, Error>,
    ) -> Result<String, Error> {
        let ids = |records: &[Record<Item>]| {
            let parts = records.iter().map(|it| (it.id, it.version(), it.note));
            format!("{:?}", parts.collect::<Vec<_>>())
        };
        Ok(match self {
            Self::Key(id) => format!("{:?}", items.get(id).map(|it| (it.version(), it.note))),
            Self::Has(id) => items.contains_key(id).to_string(),
            Self::Code(code) => format!("{:?}", items.by_code(code).map(|it| (it.id, it.version()))),
            Self::Group(group) => ids(&items.by_group(group)),
            Self::Tag(tag) => ids(&items.by_tags(tag)),
            Self::GroupAndRank(group, from, to) => ids(&items.by_group_and_rank(group, *from..*to)),
            Self::List { which, order, limit, offset } => {
                let mut select = items.filter(which.filter()).offset(*offset);
                if let Some(order) = order {
                    select = select.order_by(key(*order));
                }
                if let Some(limit) = limit {
                    select = select.limit(*limit);
                }
                ids(&select.collect())
            }
            Self::Page { which, order, size } => {
                let select = || match order {
                    Some(order) => items.filter(which.filter()).order_by(key(*order)),
                    None => items.filter(which.filter()),
                };
                let first = select().paginate(Page::first(*size));
                let second = match first.next_cursor {
                    Some(cursor) => ids(&select().paginate(Page::first(*size).after(cursor))?.records),
                    None => "no more".to_owned(),
                };
                format!("{} {second} {}", ids(&first.records), first.has_more)
            }
            Self::Count(which) => items.filter(which.filter()).count().to_string(),
            Self::Exists(which) => items.filter(which.filter()).exists().to_string(),
            Self::Sum(which) => items.filter(which.filter()).sum(Item::SCORE).to_string(),
            Self::Least(which) => format!(
                "{:?} {:?}",
                items.filter(which.filter()).min(Item::RANK),
                items.filter(which.filter()).max(Item::SCORE)
            ),
            Self::ByGroup(which) => {
                format!("{:?}", items.filter(which.filter()).group_by(Item::GROUP).sum(Item::SCORE))
            }
            Self::First(n) => ids(&items.first(*n)),
            Self::Last(n) => ids(&items.last(*n)),
            Self::Taken(n) => ids(&items.iter().take(*n).collect::<Vec<_>>()),
            Self::Both(a, b) => format!("{} and {}", sub(a)?, sub(b)?),
        })
    }

    /// The answer, from scratch.
    pub(super) fn of(&self, items: &ItemReads) -> Result<String, Error> {
        self.ask(items, &mut |inner| inner.of(items))
    }
}

fn key((by, desc): (By, bool)) -> OrderKey<Item> {
    match (by, desc) {
        (By::Rank, false) => Item::RANK.asc(),
        (By::Rank, true) => Item::RANK.desc(),
        (By::Score, false) => Item::SCORE.asc(),
        (By::Score, true) => Item::SCORE.desc(),
        (By::Group, false) => Item::GROUP.asc(),
        (By::Group, true) => Item::GROUP.desc(),
    }
}

impl Which {
    fn filter(&self) -> Filter<Item> {
        match self {
            Self::All => Filter::all(),
            Self::Group(group) => Item::GROUP.eq(*group),
            Self::Rank(from, to) => Item::RANK.between(*from..*to),
            Self::Unranked => Item::RANK.is_none(),
            Self::Score(score) => Item::SCORE.ge(*score),
            Self::Tagged(tag) => Item::TAGS.contains(*tag),
            Self::Keys(a, b) => Item::ID.is_in([*a, *b]),
            Self::And(a, b) => a.filter().and(b.filter()),
            Self::Or(a, b) => a.filter().or(b.filter()),
            Self::Not(which) => !which.filter(),
        }
    }
}

/// The query of all questions, which asks itself for those within.
pub(super) fn define(store: &Store) -> Query<Ask, String> {
    let handle = store.clone();
    let query = move |ctx: &QueryCtx<'_>, ask: &Ask| {
        let own: Query<Ask, String> = handle.query("ask")?;
        let items = ctx.bucket::<Item>()?;
        ask.ask(&items, &mut |inner| Ok((*ctx.query(&own, inner)?).clone()))
    };
    store.define_query("ask", query).expect("new")
}
