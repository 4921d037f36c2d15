//! Groups: what each of their questions says is what maps of std say, however many groups there are.

mod common;

use std::collections::BTreeMap;

use common::store_of;
use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "sales")]
struct Sale {
    #[bucket(key)]
    id: u32,
    shop: u32,
    city: Option<String>,
    cents: i64,
    rating: Option<f64>,
}

/// In no order of their shops.
fn sale(id: u32, shops: u32) -> Sale {
    let mixed = id.wrapping_mul(2_654_435_761);
    Sale {
        id,
        shop: (mixed >> 8) % shops,
        city: ["Brno", "Praha", ""].get((mixed >> 4) as usize % 4).map(|city| (*city).to_owned()),
        cents: i64::from(mixed % 10_000) - 5_000,
        rating: (!id.is_multiple_of(3)).then_some(f64::from(mixed % 50) / 10.0),
    }
}

fn by<K: Ord>(sales: &[Sale], key: impl Fn(&Sale) -> K) -> BTreeMap<K, Vec<&Sale>> {
    let mut groups: BTreeMap<K, Vec<&Sale>> = BTreeMap::new();
    sales.iter().for_each(|sale| groups.entry(key(sale)).or_default().push(sale));
    groups
}

#[test]
fn groups_are_those_of_a_map_whatever_their_number() {
    // Around the number up to which they stand in a list, and far from it.
    for shops in [1, 2, 31, 32, 33, 34, 64, 1000] {
        let all: Vec<Sale> = (0..3000).map(|id| sale(id, shops)).collect();
        let (_store, sales) = store_of::<Sale>();
        sales.insert_many(all.iter().cloned()).expect("good");
        let expected = by(&all, |sale| sale.shop);

        let counts: BTreeMap<u32, usize> = expected.iter().map(|(shop, of)| (*shop, of.len())).collect();
        assert_eq!(sales.group_by(Sale::SHOP).count(), counts, "{shops} shops");

        let summaries = sales.group_by(Sale::SHOP).summary(Sale::CENTS);
        assert_eq!(summaries.len(), expected.len());
        for (shop, of) in &expected {
            let cents = || of.iter().map(|sale| sale.cents);
            let summary = &summaries[shop];
            assert_eq!((summary.count, summary.present), (of.len(), of.len()), "{shops} shops");
            assert_eq!(summary.sum, i128::from(cents().sum::<i64>()), "{shops} shops");
            assert_eq!((summary.min, summary.max), (cents().min(), cents().max()), "{shops} shops");
        }
    }
}

#[test]
fn absent_values_are_a_group_and_no_number() {
    let all: Vec<Sale> = (0..500).map(|id| sale(id, 7)).collect();
    let (_store, sales) = store_of::<Sale>();
    sales.insert_many(all.iter().cloned()).expect("good");

    let expected = by(&all, |sale| sale.city.clone());
    assert_eq!(expected.len(), 4, "and None");
    let summaries = sales.group_by(Sale::CITY).summary(Sale::RATING);
    assert_eq!(summaries.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (city, of) in &expected {
        let present = of.iter().filter(|sale| sale.rating.is_some()).count();
        assert_eq!((summaries[city].count, summaries[city].present), (of.len(), present));
    }

    let both = by(&all, |sale| (sale.city.clone(), sale.shop));
    let counts: BTreeMap<_, _> = both.iter().map(|(key, of)| (key.clone(), of.len())).collect();
    assert_eq!(sales.group_by((Sale::CITY, Sale::SHOP)).count(), counts);
    let records = sales.group_by((Sale::CITY, Sale::SHOP)).collect();
    let ids = |records: &[Record<Sale>]| records.iter().map(|sale| sale.id).collect::<Vec<_>>();
    for (key, of) in &both {
        let mut found = ids(&records[key]);
        found.sort_unstable();
        assert_eq!(found, of.iter().map(|sale| sale.id).collect::<Vec<_>>());
    }
}
