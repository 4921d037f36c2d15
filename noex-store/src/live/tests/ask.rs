//! Random questions as parameters of one query, and the bucket that they are put to.

use std::ops::Bound;

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
    #[bucket(name = "items", crate = crate, index(group, rank), index(name, score), unique(group, seat))]
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
        #[bucket(index)]
        pub(crate) name: String,
        #[bucket(index)]
        pub(crate) nick: Option<String>,
        pub(crate) seat: u32,
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
        name: text(random),
        nick: (random.below(4) > 0).then(|| text(random)),
        seat: id,
        note: 0,
    }
}

fn text(random: &mut Random) -> String {
    ["a", "ab", "abc", "b", "ba", "c", "", "ac"][random.below(8)].to_owned()
}

/// A question, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    Key(u32),
    Has(u32),
    Code(u32),
    Group(u8),
    Tag(u8),
    GroupAndRank(u8, Bound<i16>, Bound<i16>),
    NameAndScore(String, Bound<i32>, Bound<i32>),
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
    /// Of everything, by its number.
    Whole(usize),
    /// Of those that pass, by its number.
    Some(usize, Which),
    /// By an accessor, by its number.
    By(usize, u8, String),
    /// What two others say, by way of sub-queries.
    Both(Box<Ask>, Box<Ask>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Which {
    All,
    Group(u8),
    Rank(i16, i16),
    Unranked,
    Tagged(u8),
    Keys(u32, u32),
    Compare(Column, Op, u8),
    Present(Column, bool),
    Starts(Column, String),
    Ends(Column, String),
    And(Box<Which>, Box<Which>),
    Or(Box<Which>, Box<Which>),
    Not(Box<Which>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Column {
    Id,
    Group,
    Rank,
    Score,
    Code,
    Name,
    Nick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Eq,
    Ne,
    In,
    NotIn,
    Lt,
    Le,
    Gt,
    Ge,
    To,
    ToWith,
    From,
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum By {
    Rank,
    Score,
    Group,
}

fn which(random: &mut Random, depth: u32) -> Which {
    const COLUMNS: [Column; 7] =
        [Column::Id, Column::Group, Column::Rank, Column::Score, Column::Code, Column::Name, Column::Nick];
    const OPS: [Op; 12] = [
        Op::Eq,
        Op::Ne,
        Op::In,
        Op::NotIn,
        Op::Lt,
        Op::Le,
        Op::Gt,
        Op::Ge,
        Op::To,
        Op::ToWith,
        Op::From,
        Op::Whole,
    ];
    let rank = random.below(40) as i16;
    let texts = [Column::Name, Column::Nick];
    match random.below(if depth == 0 { 14 } else { 18 }) {
        0 => Which::All,
        1 => Which::Group(random.below(8) as u8),
        2 => Which::Rank(rank, rank + random.below(10) as i16),
        3 => Which::Unranked,
        4 => Which::Tagged(random.below(10) as u8),
        5 => Which::Keys(random.below(KEYS) as u32, random.below(KEYS) as u32),
        6..=10 => Which::Compare(*random.pick(&COLUMNS), *random.pick(&OPS), random.below(KEYS) as u8),
        11 => Which::Present(*random.pick(&[Column::Rank, Column::Nick]), random.below(2) == 0),
        12 => Which::Starts(*random.pick(&texts), text(random)),
        13 => Which::Ends(*random.pick(&texts), text(random)),
        14 => Which::And(Box::new(which(random, depth - 1)), Box::new(which(random, depth - 1))),
        15 => Which::Or(Box::new(which(random, depth - 1)), Box::new(which(random, depth - 1))),
        _ => Which::Not(Box::new(which(random, depth - 1))),
    }
}

fn bound<T: TryFrom<usize>>(random: &mut Random, below: usize) -> Bound<T> {
    match (random.below(3), T::try_from(random.below(below))) {
        (0, Ok(value)) => Bound::Included(value),
        (1, Ok(value)) => Bound::Excluded(value),
        _ => Bound::Unbounded,
    }
}

impl Ask {
    pub(super) fn random(random: &mut Random, depth: u32) -> Self {
        let order = (random.below(3) > 0)
            .then(|| (*random.pick(&[By::Rank, By::Score, By::Group]), random.below(2) == 0));
        let id = random.below(KEYS + 5) as u32;
        match random.below(if depth == 0 { 20 } else { 22 }) {
            0 => Self::Key(id),
            1 => Self::Has(id),
            2 => Self::Code(1000 + id),
            3 => Self::Group(random.below(9) as u8),
            4 => Self::Tag(random.below(10) as u8),
            5 if random.below(2) == 0 => {
                Self::GroupAndRank(random.below(8) as u8, bound(random, 40), bound(random, 40))
            }
            5 => Self::NameAndScore(text(random), bound(random, 30), bound(random, 30)),
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
            16 => Self::Whole(random.below(8)),
            17 | 18 => Self::Some(random.below(9), which(random, 2)),
            19 => Self::By(random.below(4), random.below(KEYS) as u8, text(random)),
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
            Self::GroupAndRank(group, from, to) => ids(&items.by_group_and_rank(group, (*from, *to))),
            Self::NameAndScore(name, from, to) => ids(&items.by_name_and_score(name.as_str(), (*from, *to))),
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
            Self::Whole(number) => match number {
                0 => items.sum(Item::SCORE).to_string(),
                1 => format!("{:?}", items.avg(Item::RANK)),
                2 => format!("{:?}", items.min(Item::NAME)),
                3 => format!("{:?}", items.max(Item::NICK)),
                4 => format!("{} {}", items.count(), items.is_empty()),
                5 => format!("{:?}", items.group_by(Item::NAME).count()),
                6 => format!("{:?}", items.group_by(Item::NAME).summary(Item::SCORE)),
                _ => ids(&items.all()),
            },
            Self::Some(number, which) => {
                let some = items.filter(which.filter());
                match number {
                    0 => ids(&some.first().into_iter().collect::<Vec<_>>()),
                    1 => ids(&some.order_by(Item::NAME.desc()).first().into_iter().collect::<Vec<_>>()),
                    2 => format!("{:?}", some.avg(Item::RANK)),
                    3 => format!("{:?}", some.group_by(Item::NICK).summary(Item::SCORE)),
                    4 => format!("{:?}", some.group_by(Item::NICK).max(Item::RANK)),
                    5 => format!("{:?}", some.group_by((Item::GROUP, Item::NAME)).avg(Item::SCORE)),
                    6 => {
                        let groups = some.group_by(Item::NAME).collect();
                        groups.iter().map(|(name, records)| format!("{name}: {}, ", ids(records))).collect()
                    }
                    7 => ids(&some.iter().take(3).collect::<Vec<_>>()),
                    _ => {
                        let by = some.order_by((Item::NAME.asc(), Item::SCORE.desc()));
                        ids(&by.offset(1).limit(4).collect())
                    }
                }
            }
            Self::By(number, value, name) => match number {
                0 => ids(&items.by_name(name.as_str())),
                1 => ids(&items.by_nick(name.as_str())),
                2 => ids(&items.by_rank(&i16::from(value % 40))),
                _ => {
                    let seat = u32::from(*value);
                    format!("{:?}", items.by_group_and_seat(&(value % 8), &seat).map(|it| (it.id, it.note)))
                }
            },
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

macro_rules! compare {
    ($field:expr, $op:expr, $value:expr) => {{
        let (field, value) = ($field, $value);
        match $op {
            Op::Eq => field.eq(value),
            Op::Ne => field.ne(value),
            Op::In => field.is_in([value.clone(), value]),
            Op::NotIn => field.not_in([value]),
            Op::Lt => field.lt(value),
            Op::Le => field.le(value),
            Op::Gt => field.gt(value),
            Op::Ge => field.ge(value),
            Op::To => field.between(..value),
            Op::ToWith => field.between(..=value),
            Op::From => field.between(value..),
            Op::Whole => field.between(..),
        }
    }};
}

impl Column {
    /// `value`: below the number of keys.
    fn compare(self, op: Op, value: u8) -> Filter<Item> {
        let text = ["a", "ab", "abc", "b", "ba", "c", "", "ac"][usize::from(value % 8)].to_owned();
        match self {
            Self::Id => compare!(Item::ID, op, u32::from(value)),
            Self::Group => compare!(Item::GROUP, op, value % 8),
            Self::Rank => compare!(Item::RANK, op, i16::from(value % 40)),
            Self::Score => compare!(Item::SCORE, op, i32::from(value % 30)),
            Self::Code => compare!(Item::CODE, op, 1000 + u32::from(value)),
            Self::Name => compare!(Item::NAME, op, text),
            Self::Nick => compare!(Item::NICK, op, text),
        }
    }
}

impl Which {
    fn filter(&self) -> Filter<Item> {
        match self {
            Self::All => Filter::all(),
            Self::Group(group) => Item::GROUP.eq(*group),
            Self::Rank(from, to) => Item::RANK.between(*from..*to),
            Self::Unranked => Item::RANK.is_none(),
            Self::Tagged(tag) => Item::TAGS.contains(*tag),
            Self::Keys(a, b) => Item::ID.is_in([*a, *b]),
            Self::Compare(column, op, value) => column.compare(*op, *value),
            Self::Present(Column::Nick, true) => Item::NICK.is_some(),
            Self::Present(Column::Nick, false) => Item::NICK.is_none(),
            Self::Present(_, true) => Item::RANK.is_some(),
            Self::Present(_, false) => Item::RANK.is_none(),
            Self::Starts(Column::Nick, text) => Item::NICK.starts_with(text.as_str()),
            Self::Starts(_, text) => Item::NAME.starts_with(text.as_str()),
            Self::Ends(Column::Nick, text) => Item::NICK.ends_with(text.as_str()),
            Self::Ends(_, text) => Item::NAME.ends_with(text.as_str()),
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
