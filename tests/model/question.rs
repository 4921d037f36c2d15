//! Questions as plain data, and their answers compared with those of the naive store.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Debug;

use noex_store::prelude::*;
use noex_store::{OrderKey, Reader};
use proptest::prelude::*;

use super::bucket::Item;
use super::condition::{Condition, condition, of_two_indexes};
use super::reference::Row;
use super::same;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Key {
    Id,
    Code,
    Name,
    Group,
    Rank,
    Price,
    Weight,
    Made,
}

impl Key {
    fn order(self, desc: bool) -> OrderKey<Item> {
        macro_rules! by {
            ($field:expr) => {
                if desc { $field.desc() } else { $field.asc() }
            };
        }
        match self {
            Self::Id => by!(Item::ID),
            Self::Code => by!(Item::CODE),
            Self::Name => by!(Item::NAME),
            Self::Group => by!(Item::GROUP),
            Self::Rank => by!(Item::RANK),
            Self::Price => by!(Item::PRICE),
            Self::Weight => by!(Item::WEIGHT),
            Self::Made => by!(Item::MADE),
        }
    }

    /// `None` first, as `Option` has it.
    fn compare(self, a: &Item, b: &Item) -> Ordering {
        match self {
            Self::Id => a.id.cmp(&b.id),
            Self::Code => a.code.cmp(&b.code),
            Self::Name => a.name.cmp(&b.name),
            Self::Group => a.group.cmp(&b.group),
            Self::Rank => a.rank.cmp(&b.rank),
            Self::Price => a.price.partial_cmp(&b.price).expect("finite"),
            Self::Weight => a.weight.partial_cmp(&b.weight).expect("finite"),
            Self::Made => a.made.cmp(&b.made),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) condition: Condition,
    pub(crate) order: Vec<(Key, bool)>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
    pub(crate) page: usize,
}

impl Question {
    pub(crate) fn select<'r>(&self, reader: &'r Reader<Item>) -> Select<'r, Item> {
        // Conditions that must all hold may also be given one by one.
        let mut select = match &self.condition {
            Condition::All(parts) if parts.len() == 3 => {
                parts.iter().fold(reader.filter(Filter::all()), |select, part| select.filter(part.filter()))
            }
            condition => reader.filter(condition.filter()),
        };
        let mut keys = self.order.iter().map(|(key, desc)| key.order(*desc));
        select = match (keys.next(), keys.next()) {
            (None, _) => select,
            (Some(key), None) => select.order_by(key),
            (Some(first), Some(second)) => select.order_by((first, second)),
        };
        if let Some(limit) = self.limit {
            select = select.limit(limit);
        }
        if self.offset > 0 { select.offset(self.offset) } else { select }
    }

    /// Ties stay in the order of insertion, also where a key goes down.
    pub(crate) fn compare(&self, a: (&Item, u64), b: (&Item, u64)) -> Ordering {
        let keys = self.order.iter().map(|(key, desc)| {
            let order = key.compare(a.0, b.0);
            if *desc { order.reverse() } else { order }
        });
        keys.fold(Ordering::Equal, Ordering::then).then(a.1.cmp(&b.1))
    }

    /// All that passes, in order.
    pub(crate) fn sorted<'a>(&self, rows: &'a [Row]) -> Vec<&'a Row> {
        let mut sorted: Vec<&Row> = rows.iter().filter(|row| self.condition.passes(&row.item)).collect();
        sorted.sort_by(|a, b| self.compare((&a.item, a.place), (&b.item, b.place)));
        sorted
    }

    pub(crate) fn check(&self, reader: &Reader<Item>, rows: &[Row]) {
        let mut expected = self.sorted(rows);
        expected.drain(..self.offset.min(expected.len()));
        expected.truncate(self.limit.unwrap_or(usize::MAX));
        let ask = || self.select(reader);
        let records = ask().collect();
        same(&records, &expected);
        // One more than there should be, so that an endless one ends.
        same(&ask().iter().take(expected.len() + 1).collect::<Vec<_>>(), &expected);
        same(&ask().first().into_iter().collect::<Vec<_>>(), &expected[..expected.len().min(1)]);
        assert_eq!(ask().count(), expected.len());
        assert_eq!(ask().exists(), !expected.is_empty());
        assert!(!ask().explain().to_string().is_empty());
        for row in rows.iter().take(20) {
            assert_eq!(self.condition.filter().matches(&row.item), self.condition.passes(&row.item));
        }
        let items: Vec<&Item> = expected.iter().map(|row| &row.item).collect();
        self.check_aggregates(reader, &items);
        self.check_groups(reader, &items);
        self.check_pages(reader, &expected);
    }

    fn check_aggregates(&self, reader: &Reader<Item>, items: &[&Item]) {
        let ask = || self.select(reader);
        assert_eq!(ask().sum(Item::GROUP), items.iter().map(|item| u128::from(item.group)).sum());
        assert_eq!(ask().sum(Item::RANK), items.iter().filter_map(|item| item.rank).map(i128::from).sum());
        close(Some(ask().sum(Item::PRICE)), Some(items.iter().map(|item| item.price).sum()));
        close(ask().avg(Item::PRICE), mean(items.iter().map(|item| item.price)));
        close(ask().avg(Item::RANK), mean(items.iter().filter_map(|item| item.rank).map(f64::from)));
        close(ask().avg(Item::WEIGHT), mean(items.iter().filter_map(|item| item.weight)));
        assert_eq!(ask().min(Item::ID), items.iter().map(|item| item.id).min());
        assert_eq!(ask().max(Item::ID), items.iter().map(|item| item.id).max());
        assert_eq!(ask().min(Item::RANK), items.iter().filter_map(|item| item.rank).min());
        assert_eq!(ask().max(Item::RANK), items.iter().filter_map(|item| item.rank).max());
        assert_eq!(ask().min(Item::NAME), items.iter().map(|item| item.name.clone()).min());
        assert_eq!(ask().max(Item::NAME), items.iter().map(|item| item.name.clone()).max());
        assert_eq!(ask().max(Item::CODE), items.iter().filter_map(|item| item.code.clone()).max());
        assert_eq!(ask().min(Item::PRICE), items.iter().map(|item| item.price).reduce(f64::min));
        assert_eq!(ask().max(Item::WEIGHT), items.iter().filter_map(|item| item.weight).reduce(f64::max));
    }

    fn check_groups(&self, reader: &Reader<Item>, items: &[&Item]) {
        let ask = || self.select(reader);
        let by_group = groups(items, |item| item.group);
        let each = |groups: &BTreeMap<u8, Vec<&Item>>| groups.keys().copied().collect::<Vec<_>>();
        let counts = ask().group_by(Item::GROUP).count();
        assert!(counts.into_iter().eq(by_group.iter().map(|(key, group)| (*key, group.len()))));
        let sums = ask().group_by(Item::GROUP).sum(Item::RANK);
        assert_eq!(sums.keys().copied().collect::<Vec<_>>(), each(&by_group));
        let averages = ask().group_by(Item::GROUP).avg(Item::WEIGHT);
        let collected = ask().group_by(Item::GROUP).collect();
        let summaries = ask().group_by(Item::GROUP).summary(Item::RANK);
        for (key, group) in &by_group {
            let ranks = || group.iter().filter_map(|item| item.rank);
            assert_eq!(sums[key], ranks().map(i128::from).sum());
            close(averages[key], mean(group.iter().filter_map(|item| item.weight)));
            let mut ids: Vec<u32> = collected[key].iter().map(|record| record.id).collect();
            ids.sort_unstable();
            let mut expected: Vec<u32> = group.iter().map(|item| item.id).collect();
            expected.sort_unstable();
            assert_eq!(ids, expected);
            let summary = &summaries[key];
            assert_eq!((summary.count, summary.present), (group.len(), ranks().count()));
            assert_eq!((summary.min, summary.max), (ranks().min(), ranks().max()));
            assert_eq!(summary.sum, ranks().map(i128::from).sum::<i128>());
            close(summary.avg, mean(ranks().map(f64::from)));
        }
        assert_eq!(
            (averages.len(), collected.len(), summaries.len()),
            (by_group.len(), by_group.len(), by_group.len())
        );

        let by_rank = groups(items, |item| item.rank);
        let least =
            by_rank.iter().map(|(key, group)| (*key, group.iter().map(|item| item.name.clone()).min()));
        assert!(ask().group_by(Item::RANK).min(Item::NAME).into_iter().eq(least));
        let greatest = by_rank.iter().map(|(key, group)| (*key, group.iter().map(|item| item.id).max()));
        assert!(ask().group_by(Item::RANK).max(Item::ID).into_iter().eq(greatest));
        let by_both = groups(items, |item| (item.name.clone(), item.rank));
        let counts = ask().group_by((Item::NAME, Item::RANK)).count();
        assert!(counts.into_iter().eq(by_both.into_iter().map(|(key, group)| (key, group.len()))));
    }

    /// Walks over all pages, with cursors that went through text.
    fn check_pages(&self, reader: &Reader<Item>, expected: &[&Row]) {
        let mut walked: Vec<Record<Item>> = Vec::new();
        let mut page = self.select(reader).paginate(Page::first(self.page));
        loop {
            walked.extend(page.records);
            assert_eq!(page.has_more, walked.len() < expected.len());
            assert_eq!(page.has_more, page.next_cursor.is_some());
            let Some(cursor) = page.next_cursor else { break };
            let after = Page::first(self.page).after(through_text(&cursor));
            page = self.select(reader).paginate(after).expect("the cursor is of this question");
            assert!(page.records.len() <= self.page && !page.records.is_empty());
        }
        same(&walked, expected);
    }
}

pub(crate) fn through_text(cursor: &Cursor) -> Cursor {
    let json = serde_json::to_string(cursor).expect("a cursor is text");
    let again: Cursor = cursor.to_string().parse().expect("its text is a cursor");
    assert_eq!(serde_json::from_str::<Cursor>(&json).expect("the same text"), again);
    again
}

fn groups<'i, K: Ord>(items: &[&'i Item], key: impl Fn(&Item) -> K) -> BTreeMap<K, Vec<&'i Item>> {
    let mut groups: BTreeMap<K, Vec<&Item>> = BTreeMap::new();
    for item in items {
        groups.entry(key(item)).or_default().push(item);
    }
    groups
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sums of floats depend on the order, a little.
fn close(a: Option<f64>, b: Option<f64>) {
    let near = |(a, b): (f64, f64)| (a - b).abs() < 1e-7;
    assert!(a.is_some() == b.is_some() && a.zip(b).is_none_or(near), "{a:?} and {b:?}");
}

fn key() -> impl Strategy<Value = Key> {
    proptest::sample::select(vec![
        Key::Id,
        Key::Code,
        Key::Name,
        Key::Group,
        Key::Rank,
        Key::Price,
        Key::Weight,
        Key::Made,
    ])
}

fn order() -> impl Strategy<Value = Vec<(Key, bool)>> {
    prop_oneof![
        3 => Just(Vec::new()),
        3 => (key(), any::<bool>()).prop_map(|key| vec![key]),
        // The orders of the compound indexes.
        1 => any::<bool>().prop_map(|desc| vec![(Key::Group, desc), (Key::Rank, desc)]),
        1 => any::<bool>().prop_map(|desc| vec![(Key::Rank, desc), (Key::Name, desc)]),
        1 => prop::collection::vec((key(), any::<bool>()), 2),
    ]
}

pub(crate) fn question() -> impl Strategy<Value = Question> {
    let limit = prop::option::weighted(0.4, prop_oneof![4 => 0..12_usize, 1 => 12..200_usize]);
    let offset = prop_oneof![4 => Just(0_usize), 2 => 1..40_usize, 1 => 40..3000_usize];
    let page = prop_oneof![1..8_usize, 8..100_usize];
    let condition = prop_oneof![
        14 => condition(),
        1 => of_two_indexes(),
        2 => Just(Condition::Everything),
    ];
    (condition, order(), limit, offset, page).prop_map(|(condition, order, limit, offset, page)| Question {
        condition,
        order,
        limit,
        offset,
        page,
    })
}

/// What `Debug` of a plan's way in is called, without its data.
pub(crate) fn way<T: Debug>(access: &T) -> String {
    let text = format!("{access:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}
