//! Conditions as plain data, each with the filter that asks for it and a naive test of what it means.

use std::fmt::Debug;
use std::ops::Bound;

use noex_store::prelude::*;
use proptest::prelude::*;

use super::bucket::{Item, code, name, price, tag};

#[derive(Clone, Debug)]
pub(crate) enum Compare<T> {
    Eq(T),
    Ne(T),
    In(Vec<T>),
    NotIn(Vec<T>),
    Lt(T),
    Le(T),
    Gt(T),
    Ge(T),
    Between(Form, T, T),
}

/// The forms in which a range is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    HalfOpen,
    Closed,
    From,
    To,
    ToClosed,
    Full,
    Bounds(Side, Side),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Unbounded,
    Included,
    Excluded,
}

impl Side {
    fn bound<T>(self, value: T) -> Bound<T> {
        match self {
            Self::Unbounded => Bound::Unbounded,
            Self::Included => Bound::Included(value),
            Self::Excluded => Bound::Excluded(value),
        }
    }
}

impl<T: PartialOrd + Debug + Clone + Send + Sync + 'static> Compare<T> {
    fn passes(&self, value: Option<&T>) -> bool {
        let Some(value) = value else { return matches!(self, Self::Ne(_) | Self::NotIn(_)) };
        match self {
            Self::Eq(other) => value == other,
            Self::Ne(other) => value != other,
            Self::In(others) => others.contains(value),
            Self::NotIn(others) => !others.contains(value),
            Self::Lt(other) => value < other,
            Self::Le(other) => value <= other,
            Self::Gt(other) => value > other,
            Self::Ge(other) => value >= other,
            Self::Between(form, from, to) => {
                let (after, before) = match form {
                    Form::HalfOpen => (value >= from, value < to),
                    Form::Closed => (value >= from, value <= to),
                    Form::From => (value >= from, true),
                    Form::To => (true, value < to),
                    Form::ToClosed => (true, value <= to),
                    Form::Full => (true, true),
                    Form::Bounds(start, end) => (
                        match start {
                            Side::Unbounded => true,
                            Side::Included => value >= from,
                            Side::Excluded => value > from,
                        },
                        match end {
                            Side::Unbounded => true,
                            Side::Included => value <= to,
                            Side::Excluded => value < to,
                        },
                    ),
                };
                after && before
            }
        }
    }

    fn filter<P: 'static>(&self, field: Field<Item, T, P>) -> Filter<Item> {
        match self.clone() {
            Self::Eq(value) => field.eq(value),
            Self::Ne(value) => field.ne(value),
            Self::In(values) => field.is_in(values),
            Self::NotIn(values) => field.not_in(values),
            Self::Lt(value) => field.lt(value),
            Self::Le(value) => field.le(value),
            Self::Gt(value) => field.gt(value),
            Self::Ge(value) => field.ge(value),
            Self::Between(form, from, to) => match form {
                Form::HalfOpen => field.between(from..to),
                Form::Closed => field.between(from..=to),
                Form::From => field.between(from..),
                Form::To => field.between(..to),
                Form::ToClosed => field.between(..=to),
                Form::Full => field.between(..),
                Form::Bounds(start, end) => field.between((start.bound(from), end.bound(to))),
            },
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Text {
    Is(Compare<String>),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
}

impl Text {
    fn passes(&self, value: Option<&String>) -> bool {
        match (self, value) {
            (Self::Is(compare), value) => compare.passes(value),
            (_, None) => false,
            (Self::StartsWith(part), Some(value)) => value.starts_with(part),
            (Self::EndsWith(part), Some(value)) => value.ends_with(part),
            (Self::Contains(part), Some(value)) => lower(value).contains(&lower(part)),
        }
    }

    fn filter<P: 'static>(&self, field: Field<Item, String, P>) -> Filter<Item> {
        match self {
            Self::Is(compare) => compare.filter(field),
            Self::StartsWith(part) => field.starts_with(part),
            Self::EndsWith(part) => field.ends_with(part),
            Self::Contains(part) => field.contains(part),
        }
    }
}

/// Letter by letter, so that a text has all of its own parts: of a whole word, a sigma at the end is special.
fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect::<String>().replace('ς', "σ")
}

#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    Id(Compare<u32>),
    Code(Text),
    CodeIsSome(bool),
    Name(Text),
    Group(Compare<u8>),
    Rank(Compare<i16>),
    RankIsSome(bool),
    HasTag(String),
    Tags(Compare<Vec<String>>),
    Price(Compare<f64>),
    Note(Text),
    NoteIsSome(bool),
    Weight(Compare<f64>),
    WeightIsSome(bool),
    Made(Compare<u64>),
}

impl Leaf {
    fn passes(&self, item: &Item) -> bool {
        match self {
            Self::Id(compare) => compare.passes(Some(&item.id)),
            Self::Code(text) => text.passes(item.code.as_ref()),
            Self::CodeIsSome(some) => item.code.is_some() == *some,
            Self::Name(text) => text.passes(Some(&item.name)),
            Self::Group(compare) => compare.passes(Some(&item.group)),
            Self::Rank(compare) => compare.passes(item.rank.as_ref()),
            Self::RankIsSome(some) => item.rank.is_some() == *some,
            Self::HasTag(tag) => item.tags.contains(tag),
            Self::Tags(compare) => compare.passes(Some(&item.tags)),
            Self::Price(compare) => compare.passes(Some(&item.price)),
            Self::Note(text) => text.passes(item.note.as_ref()),
            Self::NoteIsSome(some) => item.note.is_some() == *some,
            Self::Weight(compare) => compare.passes(item.weight.as_ref()),
            Self::WeightIsSome(some) => item.weight.is_some() == *some,
            Self::Made(compare) => compare.passes(Some(&item.made)),
        }
    }

    fn filter(&self) -> Filter<Item> {
        match self {
            Self::Id(compare) => compare.filter(Item::ID),
            Self::Code(text) => text.filter(Item::CODE),
            Self::CodeIsSome(true) => Item::CODE.is_some(),
            Self::CodeIsSome(false) => Item::CODE.is_none(),
            Self::Name(text) => text.filter(Item::NAME),
            Self::Group(compare) => compare.filter(Item::GROUP),
            Self::Rank(compare) => compare.filter(Item::RANK),
            Self::RankIsSome(true) => Item::RANK.is_some(),
            Self::RankIsSome(false) => Item::RANK.is_none(),
            Self::HasTag(tag) => Item::TAGS.contains(tag),
            Self::Tags(compare) => compare.filter(Item::TAGS),
            Self::Price(compare) => compare.filter(Item::PRICE),
            Self::Note(text) => text.filter(Item::NOTE),
            Self::NoteIsSome(true) => Item::NOTE.is_some(),
            Self::NoteIsSome(false) => Item::NOTE.is_none(),
            Self::Weight(compare) => compare.filter(Item::WEIGHT),
            Self::WeightIsSome(true) => Item::WEIGHT.is_some(),
            Self::WeightIsSome(false) => Item::WEIGHT.is_none(),
            Self::Made(compare) => compare.filter(Item::MADE),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Everything,
    Nothing,
    Leaf(Leaf),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    pub(crate) fn passes(&self, item: &Item) -> bool {
        match self {
            Self::Everything => true,
            Self::Nothing => false,
            Self::Leaf(leaf) => leaf.passes(item),
            Self::All(conditions) => conditions.iter().all(|condition| condition.passes(item)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.passes(item)),
            Self::Not(condition) => !condition.passes(item),
        }
    }

    pub(crate) fn filter(&self) -> Filter<Item> {
        match self {
            Self::Everything => Filter::all(),
            Self::Nothing => Filter::none(),
            Self::Leaf(leaf) => leaf.filter(),
            Self::All(conditions) => match conditions.as_slice() {
                [a, b] => a.filter().and(b.filter()),
                conditions => Filter::all_of(conditions.iter().map(Self::filter)),
            },
            Self::Any(conditions) => match conditions.as_slice() {
                [a, b] => a.filter().or(b.filter()),
                conditions => Filter::any_of(conditions.iter().map(Self::filter)),
            },
            Self::Not(condition) => !condition.filter(),
        }
    }
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Unbounded), Just(Side::Included), Just(Side::Excluded)]
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![
        Just(Form::HalfOpen),
        Just(Form::Closed),
        Just(Form::From),
        Just(Form::To),
        Just(Form::ToClosed),
        Just(Form::Full),
        (side(), side()).prop_map(|(start, end)| Form::Bounds(start, end)),
    ]
}

fn compare<T: Clone + Debug + 'static>(
    value: impl Strategy<Value = T> + Clone + 'static,
) -> BoxedStrategy<Compare<T>> {
    let values = prop::collection::vec(value.clone(), 0..4);
    prop_oneof![
        4 => value.clone().prop_map(Compare::Eq),
        1 => value.clone().prop_map(Compare::Ne),
        2 => values.clone().prop_map(Compare::In),
        1 => values.prop_map(Compare::NotIn),
        1 => value.clone().prop_map(Compare::Lt),
        1 => value.clone().prop_map(Compare::Le),
        1 => value.clone().prop_map(Compare::Gt),
        1 => value.clone().prop_map(Compare::Ge),
        // Also ranges that end before they start.
        3 => (form(), value.clone(), value).prop_map(|(form, from, to)| Compare::Between(form, from, to)),
    ]
    .boxed()
}

fn text(value: impl Strategy<Value = String> + Clone + 'static) -> BoxedStrategy<Text> {
    let part = proptest::sample::select(vec![
        "", "a", "A", "n", "nn", "c1", "ž", "Ž", "Σ", "σ", "ς", "i", "\u{307}",
    ])
    .prop_map(str::to_owned);
    let part = prop_oneof![part, value.clone()].boxed();
    prop_oneof![
        3 => compare(value).prop_map(Text::Is),
        1 => part.clone().prop_map(Text::StartsWith),
        1 => part.clone().prop_map(Text::EndsWith),
        1 => part.prop_map(Text::Contains),
    ]
    .boxed()
}

fn leaf() -> impl Strategy<Value = Leaf> {
    prop_oneof![
        2 => compare(0..80_u32).prop_map(Leaf::Id),
        2 => text(code()).prop_map(Leaf::Code),
        1 => any::<bool>().prop_map(Leaf::CodeIsSome),
        3 => text(name()).prop_map(Leaf::Name),
        5 => compare(0..10_u8).prop_map(Leaf::Group),
        5 => compare(-6..=6_i16).prop_map(Leaf::Rank),
        1 => any::<bool>().prop_map(Leaf::RankIsSome),
        3 => tag().prop_map(Leaf::HasTag),
        1 => compare(prop::collection::vec(tag(), 0..2)).prop_map(Leaf::Tags),
        2 => compare(price()).prop_map(Leaf::Price),
        1 => text(name()).prop_map(Leaf::Note),
        1 => any::<bool>().prop_map(Leaf::NoteIsSome),
        1 => compare(price()).prop_map(Leaf::Weight),
        1 => any::<bool>().prop_map(Leaf::WeightIsSome),
        4 => compare(0..16_u64).prop_map(Leaf::Made),
    ]
}

/// Single values of two fields with an index each, and something else: what two indexes together are good for.
pub(crate) fn of_two_indexes() -> impl Strategy<Value = Condition> {
    let made = (1..13_u64).prop_map(|made| Leaf::Made(Compare::Eq(made)));
    let other = prop_oneof![
        2 => name().prop_map(|name| Leaf::Name(Text::Is(Compare::Eq(name)))),
        1 => (-5..=5_i16).prop_map(|rank| Leaf::Rank(Compare::Eq(rank))),
    ];
    (made, other, leaf())
        .prop_map(|(made, other, third)| Condition::All([made, other, third].map(Condition::Leaf).to_vec()))
}

pub(crate) fn condition() -> BoxedStrategy<Condition> {
    let start = prop_oneof![
        20 => leaf().prop_map(Condition::Leaf),
        1 => Just(Condition::Everything),
        1 => Just(Condition::Nothing),
    ];
    start
        .prop_recursive(3, 10, 3, |inner| {
            prop_oneof![
                3 => prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::All),
                3 => prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::Any),
                1 => inner.prop_map(|condition| Condition::Not(Box::new(condition))),
            ]
        })
        .boxed()
}
