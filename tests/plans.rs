//! The planner: for each kind of question the plan that `explain` tells, and the records that come of it.

mod common;

use std::cell::Cell;
use std::cmp::Ordering;
use std::ops::Bound;
use std::time::Instant;

use common::store_of;
use noex_store::prelude::*;
use noex_store::{AccessPath, OrderPath};

const ROWS: u32 = 2_000;

/// The fields are independent of each other, and each is known from the id.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "flights", index(carrier, day), index(from, to, day))]
#[allow(clippy::duplicated_attributes, reason = "two indexes may share a field")]
struct Flight {
    #[bucket(key)]
    id: u32,
    /// `F0000` to `F1999`.
    #[bucket(unique)]
    code: String,
    /// Ten of them, a tenth of the records each.
    #[bucket(index)]
    carrier: String,
    /// 0 to 99, each as often.
    #[bucket(index)]
    day: u16,
    /// `None`, or 0 to 8, each as often.
    #[bucket(index)]
    delay: Option<i32>,
    /// Four of them, a quarter of the records each.
    #[bucket(index)]
    gate: char,
    from: String,
    to: String,
    /// One of twenty, and `even` or nothing.
    #[bucket(index(each))]
    tags: Vec<String>,
    price: f64,
    note: Option<String>,
}

/// A number that looks random, and is the same for each id and field.
fn mixed(id: u32, field: u32, below: u32) -> u32 {
    let mut number = u64::from(id * 16 + field).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^= number >> 29;
    number = number.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((number >> 33) % u64::from(below)) as u32
}

fn flight(id: u32) -> Flight {
    let delay = mixed(id, 2, 10) as i32;
    let mut tags = vec![format!("t{}", mixed(id, 6, 20))];
    if id.is_multiple_of(2) {
        tags.push("even".to_owned());
    }
    Flight {
        id,
        code: format!("F{id:04}"),
        carrier: ["AA", "BA", "CA", "DL", "EK", "FR", "GA", "HA", "IB", "JL"][mixed(id, 0, 10) as usize]
            .to_owned(),
        day: mixed(id, 1, 100) as u16,
        delay: (delay < 9).then_some(delay),
        gate: ['A', 'B', 'C', 'D'][mixed(id, 3, 4) as usize],
        from: ["BRQ", "LHR", "PRG"][mixed(id, 4, 3) as usize].to_owned(),
        to: ["JFK", "ORD"][mixed(id, 5, 2) as usize].to_owned(),
        tags,
        price: f64::from(mixed(id, 7, 1000)) / 10.0,
        note: id.is_multiple_of(5).then(|| format!("note {id}")),
    }
}

fn flights() -> BucketHandle<Flight> {
    let (_store, flights) = store_of::<Flight>();
    flights.insert_many((0..ROWS).map(flight)).expect("all are good");
    flights
}

fn ids(records: &[Record<Flight>]) -> Vec<u32> {
    records.iter().map(|flight| flight.id).collect()
}

/// What passes, in the order of insertion, by looking at every record.
fn passing(test: impl Fn(&Flight) -> bool) -> Vec<Flight> {
    (0..ROWS).map(flight).filter(test).collect()
}

fn index(index: &'static str, kind: &'static str) -> AccessPath {
    AccessPath::Index { index, kind }
}

/// A question without an order: the plan is as expected, no condition is left to test, the entries are just the results,
/// and those are right and in the order of insertion.
#[track_caller]
fn exact(filter: Filter<Flight>, access: &AccessPath, test: impl Fn(&Flight) -> bool) {
    let flights = flights();
    let select = flights.filter(filter);
    let plan = select.explain();
    let expected: Vec<u32> = passing(test).iter().map(|flight| flight.id).collect();
    assert_eq!(plan.access, *access);
    assert_eq!(plan.residual, None);
    assert_eq!(plan.order, OrderPath::Insertion);
    assert_eq!((plan.entries, plan.records), (expected.len(), ROWS as usize));
    assert_eq!(ids(&select.collect()), expected);
    assert_eq!(select.count(), expected.len());
}

// Key and unique fields: by hash.

#[test]
fn a_key_is_looked_up() {
    exact(Flight::ID.eq(7_u32), &AccessPath::Key, |flight| flight.id == 7);
    exact(Flight::ID.eq(ROWS), &AccessPath::Key, |_| false);
}

#[test]
fn several_keys_are_looked_up() {
    let keys = [1_999_u32, 7, 7, 5_000, 3];
    exact(Flight::ID.is_in(keys), &AccessPath::Key, |flight| keys.contains(&flight.id));
    exact(Flight::ID.eq(9_u32).or(Flight::ID.eq(4_u32)), &AccessPath::Key, |flight| {
        [4, 9].contains(&flight.id)
    });
}

#[test]
fn a_key_comes_before_every_index_and_the_rest_is_tested() {
    let flights = flights();
    let other = Flight::CARRIER.ne(flight(7).carrier);
    let select = flights.filter(other.and(Flight::ID.eq(7_u32)));
    let plan = select.explain();
    assert_eq!((plan.access, plan.entries), (AccessPath::Key, 1));
    assert_eq!(plan.residual.as_deref(), Some(format!("not (carrier = {:?})", flight(7).carrier).as_str()));
    assert_eq!(select.count(), 0);
}

#[test]
fn a_unique_value_is_looked_up() {
    let access = AccessPath::Unique("code");
    exact(Flight::CODE.eq("F0042"), &access, |flight| flight.id == 42);
    exact(Flight::CODE.is_in(["F0042", "F0007", "none"]), &access, |flight| [7, 42].contains(&flight.id));
}

// One index.

#[test]
fn equality_is_served_by_the_index() {
    exact(Flight::GATE.eq('B'), &index("gate", "equality"), |flight| flight.gate == 'B');
    exact(Flight::DELAY.eq(3), &index("delay", "equality"), |flight| flight.delay == Some(3));
}

#[test]
fn is_in_is_served_by_the_index() {
    let days = [50_u16, 3, 3, 99, 1000];
    exact(Flight::DAY.is_in(days), &index("day", "several values"), |flight| days.contains(&flight.day));
}

#[test]
fn is_in_of_one_value_is_an_equality() {
    exact(Flight::DAY.is_in([8_u16]), &index("day", "equality"), |flight| flight.day == 8);
}

#[test]
fn each_form_of_a_range_is_served_by_the_index() {
    let range = index("day", "range");
    exact(Flight::DAY.lt(10_u16), &range, |flight| flight.day < 10);
    exact(Flight::DAY.le(10_u16), &range, |flight| flight.day <= 10);
    exact(Flight::DAY.gt(90_u16), &range, |flight| flight.day > 90);
    exact(Flight::DAY.ge(90_u16), &range, |flight| flight.day >= 90);
    exact(Flight::DAY.between(10_u16..20), &range, |flight| (10..20).contains(&flight.day));
    exact(Flight::DAY.between(10_u16..=20), &range, |flight| (10..=20).contains(&flight.day));
    exact(Flight::DAY.between(80_u16..), &range, |flight| flight.day >= 80);
    exact(Flight::DAY.between(..20_u16), &range, |flight| flight.day < 20);
    exact(Flight::DAY.between(..=20_u16), &range, |flight| flight.day <= 20);
    let open = (Bound::Excluded(10_u16), Bound::Excluded(20_u16));
    exact(Flight::DAY.between(open), &range, |flight| (11..20).contains(&flight.day));
}

#[test]
fn a_range_that_ends_before_it_starts_has_no_entries() {
    exact(
        Flight::DAY.between((Bound::Included(20_u16), Bound::Excluded(10))),
        &index("day", "range"),
        |_| false,
    );
}

#[test]
fn a_range_of_an_option_leaves_the_missing_out() {
    let range = index("delay", "range");
    exact(Flight::DELAY.lt(2), &range, |flight| flight.delay.is_some_and(|delay| delay < 2));
    exact(Flight::DELAY.between(..), &range, |flight| flight.delay.is_some());
}

#[test]
fn two_bounds_are_one_range() {
    let filter = Flight::DAY.ge(10_u16).and(Flight::DAY.lt(20_u16));
    exact(filter, &index("day", "range"), |flight| (10..20).contains(&flight.day));
}

#[test]
fn ranges_are_intersected_with_ranges() {
    let sides = Flight::DAY.lt(20_u16).or(Flight::DAY.ge(80_u16));
    let middle =
        Flight::DAY.between(10_u16..15).or(Flight::DAY.between(18_u16..85)).or(Flight::DAY.eq(99_u16));
    let test = |flight: &Flight| matches!(flight.day, 10..15 | 18..20 | 80..85 | 99);
    exact(sides.and(middle), &index("day", "range"), test);
}

#[test]
fn a_prefix_is_a_range_of_an_index_of_text() {
    exact(Flight::CARRIER.starts_with("D"), &index("carrier", "range"), |flight| flight.carrier == "DL");
    exact(Flight::CARRIER.starts_with(""), &index("carrier", "range"), |_| true);
}

#[test]
fn missing_values_are_found_by_the_index() {
    exact(Flight::DELAY.is_none(), &index("delay", "equality"), |flight| flight.delay.is_none());
    exact(Flight::DELAY.is_some(), &index("delay", "range"), |flight| flight.delay.is_some());
}

#[test]
fn or_on_one_field_becomes_ranges_of_its_index() {
    let filter = Flight::DAY.lt(10_u16).or(Flight::DAY.ge(95_u16)).or(Flight::DAY.eq(50_u16));
    let test = |flight: &Flight| flight.day < 10 || flight.day >= 95 || flight.day == 50;
    exact(filter, &index("day", "range"), test);
    let filter = Flight::DAY.eq(1_u16).or(Flight::DAY.eq(5_u16));
    exact(filter, &index("day", "several values"), |flight| [1, 5].contains(&flight.day));
}

#[test]
fn a_negation_becomes_the_ranges_beside() {
    exact(Flight::DAY.ne(50_u16), &index("day", "range"), |flight| flight.day != 50);
    exact(!Flight::DAY.between(10_u16..90), &index("day", "range"), |flight| !(10..90).contains(&flight.day));
    exact(Flight::DAY.not_in([1_u16, 2]), &index("day", "range"), |flight| ![1, 2].contains(&flight.day));
    // Also what is missing does not equal a value.
    exact(Flight::DELAY.ne(3), &index("delay", "range"), |flight| flight.delay != Some(3));
}

#[test]
fn a_contradiction_has_no_entries() {
    exact(Flight::DAY.lt(3_u16).and(Flight::DAY.gt(5_u16)), &index("day", "range"), |_| false);
    exact(Flight::DAY.eq(3_u16).and(Flight::DAY.eq(5_u16)), &index("day", "equality"), |_| false);
    exact(Flight::DAY.is_in([0_u16; 0]), &index("day", "several values"), |_| false);
}

#[test]
fn what_nothing_passes_looks_at_nothing() {
    exact(Filter::none(), &AccessPath::Nothing, |_| false);
    exact(Flight::PRICE.ge(0.0).and(Filter::none()), &AccessPath::Nothing, |_| false);
}

#[test]
fn an_element_is_found_by_the_index_of_elements() {
    exact(Flight::TAGS.contains("t3"), &index("tags", "element"), |flight| {
        flight.tags.contains(&"t3".to_owned())
    });
}

#[test]
fn of_two_elements_the_rarer_one_is_looked_up() {
    let flights = flights();
    let select = flights.filter(Flight::TAGS.contains("even").and(Flight::TAGS.contains("t3")));
    let plan = select.explain();
    let with = |tag: &str| passing(|flight| flight.tags.iter().any(|own| own == tag));
    assert_eq!((plan.access, plan.entries), (index("tags", "element"), with("t3").len()));
    assert_eq!(plan.residual.as_deref(), Some("tags contains \"even\""));
    let expected: Vec<u32> =
        with("t3").iter().map(|flight| flight.id).filter(|id| id.is_multiple_of(2)).collect();
    assert_eq!(ids(&select.collect()), expected);
}

// Compound indexes.

#[test]
fn equal_first_parts_are_a_prefix() {
    exact(Flight::FROM.eq("PRG"), &index("from_and_to_and_day", "prefix"), |flight| flight.from == "PRG");
    let filter = Flight::TO.eq("JFK").and(Flight::FROM.eq("PRG"));
    let test = |flight: &Flight| flight.from == "PRG" && flight.to == "JFK";
    exact(filter, &index("from_and_to_and_day", "prefix"), test);
}

#[test]
fn a_prefix_and_a_range_are_one_range() {
    let filter = Flight::CARRIER.eq("DL").and(Flight::DAY.between(20_u16..40));
    let test = |flight: &Flight| flight.carrier == "DL" && (20..40).contains(&flight.day);
    exact(filter, &index("carrier_and_day", "range"), test);
}

#[test]
fn all_parts_equal_are_an_equality() {
    let filter = Flight::CARRIER.eq("DL").and(Flight::DAY.eq(20_u16));
    exact(filter, &index("carrier_and_day", "equality"), |flight| flight.carrier == "DL" && flight.day == 20);
}

#[test]
fn several_values_of_the_first_part_are_several_prefixes() {
    let filter = Flight::CARRIER.is_in(["DL", "AA"]).and(Flight::DAY.lt(10_u16));
    let test = |flight: &Flight| ["AA", "DL"].contains(&flight.carrier.as_str()) && flight.day < 10;
    exact(filter, &index("carrier_and_day", "range"), test);
}

#[test]
fn a_gap_in_the_parts_leaves_the_rest_to_be_tested() {
    let flights = flights();
    let select = flights.filter(Flight::FROM.eq("PRG").and(Flight::DAY.gt(2_u16)));
    let plan = select.explain();
    assert_eq!(plan.access, index("from_and_to_and_day", "prefix"));
    assert_eq!(plan.entries, passing(|flight| flight.from == "PRG").len());
    assert_eq!(plan.residual.as_deref(), Some("day > 2"));
    assert_eq!(select.count(), passing(|flight| flight.from == "PRG" && flight.day > 2).len());
}

#[test]
fn a_last_part_alone_is_not_served_by_the_compound_index() {
    assert!(flights().filter(Flight::TO.eq("JFK")).explain().is_scan());
}

// Several indexes.

#[test]
fn the_index_with_the_fewest_entries_is_taken() {
    let flights = flights();
    let select = flights.filter(Flight::GATE.eq('B').and(Flight::DAY.lt(2_u16)));
    let plan = select.explain();
    assert_eq!((plan.access, plan.entries), (index("day", "range"), passing(|flight| flight.day < 2).len()));
    assert_eq!(plan.residual.as_deref(), Some("gate = 'B'"));
    let expected = passing(|flight| flight.gate == 'B' && flight.day < 2);
    assert_eq!(select.collect().len(), expected.len());
}

#[test]
fn two_indexes_are_intersected_when_that_wins() {
    let flights = flights();
    let select =
        flights.filter(Flight::DELAY.eq(3).and(Flight::CARRIER.eq("DL")).and(Flight::PRICE.ge(20.0)));
    let plan = select.explain();
    let names = ["carrier", "delay"];
    let AccessPath::Intersection(a, b) = plan.access else { panic!("{plan}") };
    assert!(names == [a, b] || names == [b, a], "the one with fewer entries first: {a}, {b}");
    let entries =
        passing(|flight| flight.delay == Some(3)).len() + passing(|flight| flight.carrier == "DL").len();
    assert_eq!(plan.entries, entries);
    assert_eq!(plan.residual.as_deref(), Some("price >= 20.0"));
    assert_eq!(plan.order, OrderPath::Insertion);
    let expected: Vec<u32> =
        passing(|flight| flight.delay == Some(3) && flight.carrier == "DL" && flight.price >= 20.0)
            .iter()
            .map(|flight| flight.id)
            .collect();
    assert_eq!(ids(&select.collect()), expected);
    assert_eq!(select.count(), expected.len());
}

#[test]
fn two_indexes_are_not_intersected_when_one_is_enough() {
    let flights = flights();
    // The second one has too many entries,
    let wide = Flight::CARRIER.eq("DL").and(Flight::DELAY.is_some());
    assert_eq!(flights.filter(wide).explain().access, index("carrier", "equality"));
    // the first one so few that there is nothing to save,
    let narrow = Flight::DAY.eq(5_u16).and(Flight::GATE.eq('B'));
    assert_eq!(flights.filter(narrow).explain().access, index("day", "equality"));
    // or a walk along the first one is soon at its end.
    let early = flights.filter(Flight::DELAY.eq(3).and(Flight::CARRIER.eq("DL")));
    assert!(matches!(early.explain().access, AccessPath::Intersection(..)));
    assert!(matches!(early.clone().limit(1).explain().access, AccessPath::Index { .. }));
    assert_eq!(ids(&early.clone().limit(1).collect()), ids(&early.collect())[..1]);
}

#[test]
fn or_over_several_fields_is_a_union() {
    let flights = flights();
    let filter = Flight::CARRIER
        .eq("DL")
        .or(Flight::DAY.lt(5_u16))
        .or(Flight::ID.eq(3_u32))
        .or(Flight::CODE.eq("F0005"));
    let select = flights.filter(filter);
    let plan = select.explain();
    let paths = vec![
        index("carrier", "equality"),
        index("day", "range"),
        AccessPath::Key,
        AccessPath::Unique("code"),
    ];
    assert_eq!(plan.access, AccessPath::Union(paths));
    let entries = passing(|flight| flight.carrier == "DL").len() + passing(|flight| flight.day < 5).len() + 2;
    assert_eq!(plan.entries, entries);
    let expected: Vec<u32> =
        passing(|flight| flight.carrier == "DL" || flight.day < 5 || flight.id == 3 || flight.id == 5)
            .iter()
            .map(|flight| flight.id)
            .collect();
    assert_eq!(ids(&select.collect()), expected, "each once, in the order of insertion");
    assert_eq!(select.count(), expected.len());
}

#[test]
fn one_branch_without_an_index_makes_a_union_impossible() {
    let filter = Flight::CARRIER.eq("DL").or(Flight::PRICE.lt(5.0));
    let flights = flights();
    let plan = flights.filter(filter.clone()).explain();
    assert!(plan.is_scan());
    assert_eq!(plan.residual.as_deref(), Some("(carrier = \"DL\" or price < 5.0)"));
    let expected = passing(|flight| flight.carrier == "DL" || flight.price < 5.0);
    assert_eq!(flights.filter(filter).count(), expected.len());
}

#[test]
fn a_union_of_most_of_the_bucket_is_a_scan() {
    let flights = flights();
    let filter = Flight::DAY.lt(60_u16).or(Flight::GATE.is_in(['A', 'B']));
    assert!(flights.filter(filter).explain().is_scan());
}

#[test]
fn a_small_union_beats_a_large_range() {
    let flights = flights();
    let few = Flight::ID.eq(3_u32).or(Flight::CODE.eq("F0005"));
    let select = flights.filter(few.and(Flight::DELAY.is_some()));
    let plan = select.explain();
    assert_eq!(plan.access, AccessPath::Union(vec![AccessPath::Key, AccessPath::Unique("code")]));
    assert_eq!(plan.entries, 2);
    let expected: Vec<u32> = [3, 5].into_iter().filter(|id| flight(*id).delay.is_some()).collect();
    assert_eq!(ids(&select.collect()), expected);
}

// No index.

#[test]
fn a_field_without_an_index_is_scanned() {
    let flights = flights();
    let select = flights.filter(Flight::PRICE.lt(50.0).and(Flight::NOTE.is_some()));
    let plan = select.explain();
    assert!(plan.is_scan());
    assert_eq!(plan.index(), None);
    assert_eq!((plan.entries, plan.records), (ROWS as usize, ROWS as usize));
    assert_eq!(plan.residual.as_deref(), Some("price < 50.0 and note is some"));
    let expected = passing(|flight| flight.price < 50.0 && flight.note.is_some());
    assert_eq!(select.count(), expected.len());
}

#[test]
fn a_part_of_a_text_is_scanned_for() {
    let flights = flights();
    assert!(flights.filter(Flight::CARRIER.contains("l")).explain().is_scan());
    assert!(flights.filter(Flight::CARRIER.ends_with("L")).explain().is_scan());
    let expected = passing(|flight| flight.carrier.to_lowercase().contains('l'));
    assert_eq!(flights.filter(Flight::CARRIER.contains("l")).count(), expected.len());
}

#[test]
fn all_records_are_a_scan_without_a_test() {
    let flights = flights();
    let plan = flights.filter(Filter::all()).explain();
    assert!(plan.is_scan());
    assert_eq!((plan.residual, plan.order), (None, OrderPath::Insertion));
}

#[test]
fn no_scan_where_an_index_serves() {
    let flights = flights();
    let served = [
        Flight::ID.eq(1_u32),
        Flight::ID.is_in([1_u32, 2]),
        Flight::CODE.eq("F0001"),
        Flight::CODE.is_in(["F0001", "F0002"]),
        Flight::GATE.eq('A'),
        Flight::GATE.ne('A'),
        Flight::GATE.is_in(['A', 'C']),
        Flight::GATE.not_in(['A', 'C']),
        Flight::DAY.lt(50_u16),
        Flight::DAY.ge(0_u16),
        Flight::DAY.between(1_u16..99),
        !Flight::DAY.between(40_u16..60),
        Flight::DAY.lt(3_u16).or(Flight::DAY.gt(96_u16)),
        Flight::DELAY.is_none(),
        Flight::DELAY.is_some(),
        !Flight::DELAY.is_none(),
        Flight::CARRIER.starts_with("A"),
        !Flight::CARRIER.starts_with("A"),
        Flight::TAGS.contains("t1"),
        Flight::FROM.eq("PRG"),
        Flight::FROM.starts_with("P"),
        Flight::FROM.eq("PRG").and(Flight::TO.ne("JFK")),
        Flight::CARRIER.eq("DL").and(Flight::DAY.gt(5_u16)),
        Flight::CARRIER.eq("DL").or(Flight::DAY.eq(5_u16)),
        Flight::TAGS.contains("t1").or(Flight::TAGS.contains("t2")),
        Flight::PRICE.lt(50.0).and(Flight::DAY.lt(50_u16)),
    ];
    for filter in served {
        let plan = flights.filter(filter.clone()).explain();
        assert!(!plan.is_scan(), "{filter}: {plan}");
        let expected: Vec<u32> =
            passing(|flight| filter.matches(flight)).iter().map(|flight| flight.id).collect();
        assert_eq!(ids(&flights.filter(filter.clone()).collect()), expected, "{filter}");
    }
}

// Orders.

fn sorted_by<K: PartialOrd>(mut flights: Vec<Flight>, key: impl Fn(&Flight) -> K) -> Vec<u32> {
    flights.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(Ordering::Equal));
    flights.iter().map(|flight| flight.id).collect()
}

#[test]
fn an_index_gives_its_order_instead_of_a_sort() {
    let flights = flights();
    let up = flights.order_by(Flight::DAY.asc());
    assert_eq!(up.explain().access, AccessPath::IndexOrder("day"));
    assert_eq!((up.explain().order, up.explain().index()), (OrderPath::Index, Some("day")));
    assert_eq!(ids(&up.collect()), sorted_by(passing(|_| true), |flight| flight.day));
    let down = flights.order_by(Flight::DAY.desc());
    assert_eq!(down.explain().access, AccessPath::IndexOrder("day"));
    assert_eq!(ids(&down.collect()), sorted_by(passing(|_| true), |flight| -i32::from(flight.day)));
}

#[test]
fn the_order_of_an_index_has_the_missing_first() {
    let flights = flights();
    let select = flights.order_by(Flight::DELAY.asc());
    assert_eq!(select.explain().order, OrderPath::Index);
    assert_eq!(ids(&select.collect()), sorted_by(passing(|_| true), |flight| flight.delay));
}

#[test]
fn a_compound_index_gives_the_order_of_all_its_fields() {
    let flights = flights();
    let select = flights.order_by((Flight::CARRIER.asc(), Flight::DAY.asc()));
    assert_eq!(select.explain().access, AccessPath::IndexOrder("carrier_and_day"));
    assert_eq!(
        ids(&select.collect()),
        sorted_by(passing(|_| true), |flight| (flight.carrier.clone(), flight.day))
    );
}

#[test]
fn fields_in_two_directions_are_sorted() {
    let flights = flights();
    let select = flights.order_by((Flight::CARRIER.asc(), Flight::DAY.desc()));
    let plan = select.explain();
    assert_eq!(plan.order, OrderPath::Sort("carrier asc, day desc".to_owned()));
    let by_both = |flight: &Flight| (flight.carrier.clone(), -i32::from(flight.day));
    assert_eq!(ids(&select.collect()), sorted_by(passing(|_| true), by_both));
    let some = flights.filter(Flight::CARRIER.lt("CA")).order_by((Flight::CARRIER.asc(), Flight::DAY.desc()));
    assert_eq!(some.explain().order, OrderPath::Sort("carrier asc, day desc".to_owned()));
    assert_eq!(ids(&some.collect()), sorted_by(passing(|flight| flight.carrier.as_str() < "CA"), by_both));
}

#[test]
fn an_equal_prefix_gives_the_order_of_the_rest() {
    let flights = flights();
    let carrier = |flight: &Flight| flight.carrier == "DL";
    let up = flights.filter(Flight::CARRIER.eq("DL")).order_by(Flight::DAY.asc());
    let plan = up.explain();
    assert_eq!((plan.access, plan.order), (index("carrier_and_day", "prefix"), OrderPath::Index));
    assert_eq!((plan.entries, plan.residual), (passing(carrier).len(), None));
    assert_eq!(ids(&up.collect()), sorted_by(passing(carrier), |flight| flight.day));
    let down = flights.filter(Flight::CARRIER.eq("DL")).order_by(Flight::DAY.desc());
    assert_eq!(down.explain().order, OrderPath::Index);
    assert_eq!(ids(&down.collect()), sorted_by(passing(carrier), |flight| -i32::from(flight.day)));
}

#[test]
fn a_range_comes_in_the_order_of_its_index() {
    let flights = flights();
    let select = flights.filter(Flight::DAY.between(20_u16..30)).order_by(Flight::DAY.desc());
    let plan = select.explain();
    assert_eq!((plan.access, plan.order), (index("day", "range"), OrderPath::Index));
    let expected =
        sorted_by(passing(|flight| (20..30).contains(&flight.day)), |flight| -i32::from(flight.day));
    assert_eq!(ids(&select.collect()), expected);
}

#[test]
fn few_results_are_sorted_rather_than_walking_an_order() {
    let flights = flights();
    let select = flights.filter(Flight::DAY.eq(5_u16)).order_by(Flight::CARRIER.asc());
    let plan = select.explain();
    assert_eq!(
        (plan.access, plan.order),
        (index("day", "equality"), OrderPath::Sort("carrier asc".to_owned()))
    );
    let expected = sorted_by(passing(|flight| flight.day == 5), |flight| flight.carrier.clone());
    assert_eq!(ids(&select.collect()), expected);
}

#[test]
fn a_limit_makes_the_walk_along_an_order_cheaper_than_a_sort() {
    let flights = flights();
    let all = flights.filter(Flight::GATE.eq('B')).order_by(Flight::DAY.asc());
    assert_eq!(all.explain().access, index("gate", "equality"));
    assert_eq!(all.explain().order, OrderPath::Sort("day asc".to_owned()));
    let few = all.clone().limit(5).offset(2);
    let plan = few.explain();
    assert_eq!((plan.access, plan.order), (AccessPath::IndexOrder("day"), OrderPath::Index));
    assert_eq!(plan.residual.as_deref(), Some("gate = 'B'"));
    assert_eq!((plan.limit, plan.offset), (Some(5), 2));
    let expected = sorted_by(passing(|flight| flight.gate == 'B'), |flight| flight.day);
    assert_eq!(ids(&all.collect()), expected);
    assert_eq!(ids(&few.collect()), expected[2..7]);
}

#[test]
fn an_order_without_an_index_is_sorted() {
    let flights = flights();
    let select = flights.filter(Flight::GATE.eq('B')).order_by(Flight::PRICE.desc()).limit(3);
    let plan = select.explain();
    assert_eq!(
        (plan.access, plan.order),
        (index("gate", "equality"), OrderPath::Sort("price desc".to_owned()))
    );
    let expected = sorted_by(passing(|flight| flight.gate == 'B'), |flight| -flight.price);
    assert_eq!(ids(&select.collect()), expected[..3]);
}

#[test]
fn an_offset_into_an_index_is_a_seek() {
    let flights = flights();
    let select = flights.filter(Flight::DAY.ge(50_u16)).order_by(Flight::DAY.asc()).offset(900).limit(10);
    let expected = sorted_by(passing(|flight| flight.day >= 50), |flight| flight.day);
    assert_eq!(ids(&select.collect()), expected[900..910]);
    assert_eq!(select.clone().offset(100_000).collect().len(), 0);
    let sides = Flight::DAY.lt(10_u16).or(Flight::DAY.ge(90_u16));
    let select = flights.filter(sides).order_by(Flight::DAY.asc());
    assert_eq!(select.explain().order, OrderPath::Index);
    let expected = sorted_by(passing(|flight| !(10..90).contains(&flight.day)), |flight| flight.day);
    assert_eq!(ids(&select.clone().offset(150).collect()), expected[150..], "over several ranges");
    assert_eq!(ids(&select.offset(250).limit(20).collect()), expected[250..270]);
}

// What an explanation reads like.

#[test]
fn an_explanation_reads_well() {
    let flights = flights();
    let text = |select: Select<'_, Flight>| select.explain().to_string();
    assert_eq!(
        text(flights.filter(Flight::ID.eq(7_u32))),
        "flights: primary key, 1 entry of 2000 records\n  order: insertion"
    );
    assert_eq!(
        text(
            flights.filter(Flight::PRICE.lt(5.5)).order_by((Flight::PRICE.asc(), Flight::ID.desc())).limit(3)
        ),
        "flights: scan, 2000 records of 2000 records\n  then test: price < 5.5\n  order: sort by price asc, id desc\n  \
         limit: 3"
    );
    let entries = passing(|flight| flight.carrier == "DL" && flight.day < 5).len();
    assert_eq!(
        text(
            flights
                .filter(Flight::CARRIER.eq("DL").and(Flight::DAY.lt(5_u16)))
                .order_by(Flight::DAY.asc())
                .offset(1)
        ),
        format!(
            "flights: index `carrier_and_day` (range), {entries} entries of 2000 records\n  order: the index's\n  offset: 1"
        )
    );
    assert_eq!(
        text(flights.filter(Flight::ID.eq(3_u32).or(Flight::CODE.eq("F0005")))),
        "flights: union of primary key, unique `code`, 2 entries of 2000 records\n  then test: (id = 3 or code = \
         \"F0005\")\n  order: insertion"
    );
    assert_eq!(
        text(flights.filter(Filter::none())),
        "flights: nothing can pass, 0 entries of 2000 records\n  order: insertion"
    );
}

#[test]
fn the_paths_read_well() {
    assert_eq!(AccessPath::Intersection("a", "b").to_string(), "intersection of the indexes `a` and `b`");
    assert_eq!(AccessPath::IndexOrder("a").to_string(), "along the index `a`");
    assert_eq!(AccessPath::Unique("a").to_string(), "unique `a`");
    assert_eq!(index("a", "equality").to_string(), "index `a` (equality)");
}

#[test]
fn a_dropped_bucket_is_explained_as_nothing() {
    let (store, flights) = store_of::<Flight>();
    store.drop_bucket::<Flight>().expect("it is there");
    let plan = flights.filter(Flight::DAY.lt(3_u16)).explain();
    assert_eq!((plan.bucket, plan.access, plan.records), ("flights", AccessPath::Nothing, 0));
}

// Work that is not done: a value that counts how often it is compared or cloned.

thread_local! {
    static COMPARED: Cell<usize> = const { Cell::new(0) };
    static CLONED: Cell<usize> = const { Cell::new(0) };
}

#[derive(Debug, Serialize, Deserialize)]
struct Counted(u32);

impl Clone for Counted {
    fn clone(&self) -> Self {
        CLONED.set(CLONED.get() + 1);
        Self(self.0)
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Counted {}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARED.set(COMPARED.get() + 1);
        self.0.cmp(&other.0)
    }
}

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "readings", index(group, value))]
struct Reading {
    #[bucket(key)]
    id: u32,
    group: u8,
    #[bucket(index)]
    value: Counted,
    #[bucket(index)]
    maybe: Option<Counted>,
    plain: Counted,
}

/// What a question costs: comparisons, and clones.
fn cost<T>(ask: impl FnOnce() -> T) -> (T, usize, usize) {
    COMPARED.set(0);
    CLONED.set(0);
    let answer = ask();
    (answer, COMPARED.get(), CLONED.get())
}

/// 10,000 records with the values 0 to 9,999; the odd ones have a `maybe`.
fn readings() -> BucketHandle<Reading> {
    let (_store, readings) = store_of::<Reading>();
    let reading = |id: u32| Reading {
        id,
        group: (id % 4) as u8,
        value: Counted(id * 7919 % 10_000),
        maybe: (id % 2 == 1).then_some(Counted(id)),
        plain: Counted(id),
    };
    readings.insert_many((0..10_000).map(reading)).expect("all are good");
    readings
}

/// More than a few descents of an index, and far less than a walk.
const DESCENTS: usize = 150;

#[test]
fn the_ends_of_an_index_are_read_off() {
    let readings = readings();
    let (low, compared, cloned) = cost(|| readings.min(Reading::VALUE));
    assert_eq!(low.map(|value| value.0), Some(0));
    assert!(compared <= DESCENTS && cloned <= 3, "{compared} comparisons, {cloned} clones");
    let (high, compared, cloned) = cost(|| readings.max(Reading::VALUE));
    assert_eq!(high.map(|value| value.0), Some(9_999));
    assert!(compared <= DESCENTS && cloned <= 3, "{compared} comparisons, {cloned} clones");
}

#[test]
fn the_least_of_an_option_is_the_least_that_is_there() {
    let readings = readings();
    let (low, compared, _) = cost(|| readings.min(Reading::MAYBE));
    assert_eq!(low.map(|value| value.0), Some(1), "not the missing one");
    assert!(compared <= DESCENTS, "{compared} comparisons");
}

#[test]
fn the_ends_of_a_range_are_read_off_the_index() {
    let readings = readings();
    let range = Reading::VALUE.between(Counted(2_000)..Counted(8_000));
    let ends = || {
        (
            readings.filter(range.clone()).min(Reading::VALUE),
            readings.filter(range.clone()).max(Reading::VALUE),
        )
    };
    let ((low, high), compared, _) = cost(ends);
    assert_eq!((low.map(|value| value.0), high.map(|value| value.0)), (Some(2_000), Some(7_999)));
    assert!(compared <= 2 * DESCENTS, "{compared} comparisons");
}

#[test]
fn the_ends_within_an_equal_prefix_are_read_off_the_compound_index() {
    let readings = readings();
    let (high, compared, _) = cost(|| readings.filter(Reading::GROUP.eq(2_u8)).max(Reading::VALUE));
    let expected = (0..10_000_u32).filter(|id| id % 4 == 2).map(|id| id * 7919 % 10_000).max();
    assert_eq!(high.map(|value| value.0), expected);
    assert!(compared <= DESCENTS, "{compared} comparisons");
}

#[test]
fn the_ends_of_a_field_without_an_index_are_looked_for() {
    let readings = readings();
    let (high, compared, _) = cost(|| readings.max(Reading::PLAIN));
    assert_eq!(high.map(|value| value.0), Some(9_999));
    assert!(compared >= 9_999, "so the counter works: {compared} comparisons");
}

#[test]
fn counting_a_range_does_not_touch_its_records() {
    let readings = readings();
    let count = |width: u32| {
        let range = Reading::VALUE.between(Counted(100)..Counted(100 + width));
        cost(|| readings.filter(range).count())
    };
    let (few, compared_few, _) = count(10);
    let (many, compared_many, cloned_many) = count(9_000);
    assert_eq!((few, many), (10, 9_000));
    assert!(
        compared_many <= compared_few + 20,
        "{compared_few} comparisons for 10, {compared_many} for 9,000"
    );
    assert!(compared_many <= DESCENTS, "{compared_many} comparisons");
    assert_eq!(cloned_many, 0);
}

#[test]
fn counting_a_range_does_not_take_longer_for_more_records() {
    let readings = readings();
    let time = |width: u32| {
        let select = readings.filter(Reading::VALUE.between(Counted(100)..Counted(100 + width)));
        let run = || {
            let start = Instant::now();
            assert_eq!(select.count(), width as usize);
            start.elapsed()
        };
        // The best of many: what else runs on the machine does not matter.
        (0..50).map(|_| run()).min().expect("fifty runs")
    };
    let (few, many) = (time(10), time(9_000));
    assert!(many < few * 10, "{few:?} for 10, {many:?} for 9,000: as if each were looked at");
}

#[test]
fn counting_what_is_missing_or_beside_a_value_does_not_touch_records() {
    let readings = readings();
    let (missing, compared, _) = cost(|| readings.filter(Reading::MAYBE.is_none()).count());
    assert_eq!(missing, 5_000);
    assert!(compared <= DESCENTS, "{compared} comparisons");
    let (others, compared, _) = cost(|| readings.filter(Reading::VALUE.ne(Counted(5))).count());
    assert_eq!(others, 9_999);
    assert!(compared <= DESCENTS, "{compared} comparisons");
}

#[test]
fn counting_with_a_condition_that_no_index_has_tests_records() {
    let readings = readings();
    let (found, compared, _) = cost(|| readings.filter(Reading::PLAIN.lt(Counted(50))).count());
    assert_eq!(found, 50);
    assert!(compared >= 10_000, "so the counter works: {compared} comparisons");
}
