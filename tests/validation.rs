//! The rules of fields and records: what each refuses, and how it says so. And what the annotations say at run time, and
//! the metadata of records.

mod common;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use common::{Fixed, start, store_of};
use noex_store::prelude::*;
use noex_store::{Constraint, Evict, FieldKind, Format, Generated, IssueCode};

/// One issue: path, code, message, value.
type Issue = (String, IssueCode, String, Option<String>);

fn issues_of<T>(result: Result<T, Error>) -> Vec<Issue> {
    match result {
        Ok(_) => Vec::new(),
        Err(Error::Validation { issues, .. }) => issues
            .into_iter()
            .map(|issue| (issue.field.into_owned(), issue.code, issue.message, issue.value))
            .collect(),
        Err(other) => panic!("not a validation: {other:?}"),
    }
}

fn issue(field: &str, code: IssueCode, message: &str, value: Option<&str>) -> Vec<Issue> {
    vec![(field.to_owned(), code, message.to_owned(), value.map(ToOwned::to_owned))]
}

const FINE: Vec<Issue> = Vec::new();

// Numbers.

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "numbers")]
struct Number {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(min = 10, max = 20, default = 15)]
    whole: i32,
    #[bucket(min = 0.5, max = 1.5, default = 1.0)]
    real: f64,
    #[bucket(min = 1)]
    maybe: Option<u8>,
    #[bucket(one_of = [2, 3, 5], default = 2)]
    prime: u8,
    #[bucket(min = -5, max = -1, default = -3)]
    negative: i64,
}

fn number(change: impl FnOnce(&mut Number)) -> Vec<Issue> {
    let (_store, numbers) = store_of::<Number>();
    let mut value = Number { id: 1, whole: 15, real: 1.0, maybe: None, prime: 2, negative: -3 };
    change(&mut value);
    issues_of(numbers.insert(value))
}

#[test]
fn min_and_max_include_their_limits() {
    assert_eq!(number(|it| it.whole = 10), FINE);
    assert_eq!(number(|it| it.whole = 20), FINE);
    assert_eq!(number(|it| it.whole = 9), issue("whole", IssueCode::Min, "must be at least 10", Some("9")));
    assert_eq!(number(|it| it.whole = 21), issue("whole", IssueCode::Max, "must be at most 20", Some("21")));
}

#[test]
fn min_and_max_of_floats() {
    assert_eq!(number(|it| it.real = 0.5), FINE);
    assert_eq!(number(|it| it.real = 1.5), FINE);
    assert_eq!(
        number(|it| it.real = 0.25),
        issue("real", IssueCode::Min, "must be at least 0.5", Some("0.25"))
    );
    assert_eq!(number(|it| it.real = 2.0), issue("real", IssueCode::Max, "must be at most 1.5", Some("2.0")));
}

#[test]
fn min_and_max_may_be_negative() {
    assert_eq!(number(|it| it.negative = -5), FINE);
    assert_eq!(
        number(|it| it.negative = -6),
        issue("negative", IssueCode::Min, "must be at least -5", Some("-6"))
    );
    assert_eq!(
        number(|it| it.negative = 0),
        issue("negative", IssueCode::Max, "must be at most -1", Some("0"))
    );
}

#[test]
fn an_option_is_checked_where_it_has_a_value() {
    assert_eq!(number(|it| it.maybe = None), FINE);
    assert_eq!(number(|it| it.maybe = Some(1)), FINE);
    assert_eq!(
        number(|it| it.maybe = Some(0)),
        issue("maybe", IssueCode::Min, "must be at least 1", Some("0"))
    );
}

#[test]
fn one_of_values() {
    assert_eq!(number(|it| it.prime = 5), FINE);
    assert_eq!(
        number(|it| it.prime = 4),
        issue("prime", IssueCode::OneOf, "must be one of 2, 3, 5", Some("4"))
    );
}

#[test]
fn a_number_that_is_not_finite_is_refused() {
    let message = "must be a finite number";
    let finite = |text: &str| ("real".to_owned(), IssueCode::Type, message.to_owned(), Some(text.to_owned()));
    assert_eq!(number(|it| it.real = f64::NAN), [finite("NaN")], "which is neither below nor above a limit");
    let max = issue("real", IssueCode::Max, "must be at most 1.5", Some("inf")).remove(0);
    assert_eq!(number(|it| it.real = f64::INFINITY), [max, finite("inf")]);
    let min = issue("real", IssueCode::Min, "must be at least 0.5", Some("-inf")).remove(0);
    assert_eq!(number(|it| it.real = f64::NEG_INFINITY), [min, finite("-inf")]);
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "floats")]
struct Floats {
    #[bucket(key)]
    id: u8,
    #[bucket(default)]
    many: Vec<f64>,
    #[bucket(default)]
    pair: [f32; 2],
    maybe: Option<f64>,
    some: Option<Vec<f32>>,
    #[bucket(default, allow_non_finite)]
    any: f64,
    #[bucket(default, allow_non_finite)]
    any_of_many: Vec<f64>,
}

fn floats(change: impl FnOnce(&mut Floats)) -> Vec<Issue> {
    let (_store, bucket) = store_of::<Floats>();
    let mut value = Floats {
        id: 1,
        many: vec![1.0],
        pair: [0.0; 2],
        maybe: None,
        some: None,
        any: 0.0,
        any_of_many: vec![],
    };
    change(&mut value);
    issues_of(bucket.insert(value))
}

#[test]
fn a_number_that_is_not_finite_is_refused_wherever_it_is() {
    let finite = |path: &str, text: &str| issue(path, IssueCode::Type, "must be a finite number", Some(text));
    assert_eq!(floats(|it| it.many = vec![0.0, f64::NAN]), finite("many[1]", "NaN"));
    assert_eq!(floats(|it| it.pair = [f32::INFINITY, 0.0]), finite("pair[0]", "inf"));
    assert_eq!(floats(|it| it.maybe = Some(f64::NEG_INFINITY)), finite("maybe", "-inf"));
    assert_eq!(floats(|it| it.maybe = Some(1.0)), FINE);
    assert_eq!(floats(|it| it.some = Some(vec![0.0, 0.0, f32::NAN])), finite("some[2]", "NaN"));
    let both = [finite("many[0]", "NaN"), finite("many[2]", "inf")].concat();
    assert_eq!(floats(|it| it.many = vec![f64::NAN, 0.0, f64::INFINITY]), both);
}

#[test]
fn a_number_that_is_not_finite_is_taken_where_it_is_allowed() {
    assert_eq!(floats(|it| it.any = f64::NAN), FINE);
    assert_eq!(floats(|it| it.any_of_many = vec![f64::NAN, f64::INFINITY]), FINE);
}

// Text and collections.

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "texts")]
struct Text {
    #[bucket(key)]
    id: u8,
    #[bucket(min_length = 2, max_length = 4)]
    text: String,
    #[bucket(max_length = 1)]
    maybe: Option<String>,
    #[bucket(min_length = 1, max_length = 2, pattern = "^[a-z]+$")]
    tags: Vec<String>,
    #[bucket(max_length = 1)]
    set: BTreeSet<u8>,
    #[bucket(min_length = 1)]
    map: HashMap<String, u8>,
    #[bucket(pattern = "[0-9]{3}")]
    digits: String,
    #[bucket(one_of = ["CZ", "DE"])]
    country: String,
    #[bucket(one_of = ["x", "y"])]
    marks: Vec<String>,
}

fn text(change: impl FnOnce(&mut Text)) -> Vec<Issue> {
    let (_store, texts) = store_of::<Text>();
    let mut value = Text {
        id: 1,
        text: "abc".to_owned(),
        maybe: None,
        tags: vec!["a".to_owned()],
        set: BTreeSet::new(),
        map: HashMap::from([("a".to_owned(), 1)]),
        digits: "123".to_owned(),
        country: "CZ".to_owned(),
        marks: Vec::new(),
    };
    change(&mut value);
    issues_of(texts.insert(value))
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn the_length_of_a_text_is_counted_in_characters() {
    // Each of these has more bytes than characters.
    assert_eq!(text(|it| it.text = "žš".to_owned()), FINE);
    assert_eq!(text(|it| it.text = "žšč🦀".to_owned()), FINE);
    let short = "must have at least 2 characters, has 1";
    assert_eq!(
        text(|it| it.text = "🦀".to_owned()),
        issue("text", IssueCode::MinLength, short, Some("\"🦀\""))
    );
    let long = "must have at most 4 characters, has 5";
    assert_eq!(
        text(|it| it.text = "žščřď".to_owned()),
        issue("text", IssueCode::MaxLength, long, Some("\"žščřď\""))
    );
}

#[test]
fn one_character_is_not_several() {
    let long = "must have at most 1 character, has 2";
    assert_eq!(
        text(|it| it.maybe = Some("ab".to_owned())),
        issue("maybe", IssueCode::MaxLength, long, Some("\"ab\""))
    );
    assert_eq!(text(|it| it.maybe = Some("ž".to_owned())), FINE);
}

#[test]
fn the_length_of_a_collection_is_counted_in_items() {
    let few = "must have at least 1 item, has 0";
    assert_eq!(text(|it| it.tags.clear()), issue("tags", IssueCode::MinLength, few, None));
    let many = "must have at most 2 items, has 3";
    assert_eq!(
        text(|it| it.tags = strings(&["a", "b", "c"])),
        issue("tags", IssueCode::MaxLength, many, None)
    );
    let many = "must have at most 1 item, has 2";
    assert_eq!(text(|it| it.set = BTreeSet::from([1, 2])), issue("set", IssueCode::MaxLength, many, None));
    assert_eq!(text(|it| it.map.clear()), issue("map", IssueCode::MinLength, few, None));
}

#[test]
fn a_pattern_matches_anywhere_unless_it_is_anchored() {
    assert_eq!(text(|it| it.digits = "no. 456!".to_owned()), FINE);
    let message = "must match the pattern [0-9]{3}";
    assert_eq!(
        text(|it| it.digits = "12 34".to_owned()),
        issue("digits", IssueCode::Pattern, message, Some("\"12 34\""))
    );
}

#[test]
fn a_pattern_checks_each_item_and_names_its_place() {
    let message = "must match the pattern ^[a-z]+$";
    assert_eq!(
        text(|it| it.tags = strings(&["ok", "Not"])),
        issue("tags[1]", IssueCode::Pattern, message, Some("\"Not\""))
    );
    let both = [
        issue("tags[0]", IssueCode::Pattern, message, Some("\"1\"")),
        issue("tags[1]", IssueCode::Pattern, message, Some("\"\"")),
    ];
    assert_eq!(text(|it| it.tags = strings(&["1", ""])), both.concat());
}

#[test]
fn one_of_texts() {
    assert_eq!(text(|it| it.country = "DE".to_owned()), FINE);
    let message = "must be one of \"CZ\", \"DE\"";
    assert_eq!(
        text(|it| it.country = "de".to_owned()),
        issue("country", IssueCode::OneOf, message, Some("\"de\""))
    );
}

#[test]
fn one_of_checks_each_item() {
    assert_eq!(text(|it| it.marks = strings(&["x", "y", "x"])), FINE);
    let message = "must be one of \"x\", \"y\"";
    assert_eq!(
        text(|it| it.marks = strings(&["x", "y", "z"])),
        issue("marks[2]", IssueCode::OneOf, message, Some("\"z\""))
    );
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "formats")]
struct Formats {
    #[bucket(key)]
    id: u8,
    #[bucket(format = "email")]
    email: Option<String>,
    #[bucket(format = "url")]
    url: Option<String>,
    #[bucket(format = "iso-date")]
    date: Option<String>,
    #[bucket(format = "email", default)]
    copies: Vec<String>,
}

fn formats(change: impl FnOnce(&mut Formats)) -> Vec<Issue> {
    let (_store, formats) = store_of::<Formats>();
    let mut value = Formats { id: 1, email: None, url: None, date: None, copies: Vec::new() };
    change(&mut value);
    issues_of(formats.insert(value))
}

#[test]
fn format_email() {
    assert_eq!(formats(|it| it.email = Some("first.last+tag@sub.example.com".to_owned())), FINE);
    for bad in ["", "a", "a@b", "a@@b.cz", "a b@c.cz"] {
        let expected =
            issue("email", IssueCode::Format, "must be an e-mail address", Some(&format!("{bad:?}")));
        assert_eq!(formats(|it| it.email = Some(bad.to_owned())), expected);
    }
}

#[test]
fn format_url() {
    assert_eq!(formats(|it| it.url = Some("https://example.com:8080/a?b=c#d".to_owned())), FINE);
    for bad in ["", "example.com", "javascript:alert(1)", "ftp://example.com", "http://"] {
        let expected =
            issue("url", IssueCode::Format, "must be an http or https URL", Some(&format!("{bad:?}")));
        assert_eq!(formats(|it| it.url = Some(bad.to_owned())), expected);
    }
}

#[test]
fn format_iso_date() {
    for good in ["2024-02-29", "2013-01-01T05:15:00Z", "2013-01-01T05:15:00+02:00"] {
        assert_eq!(formats(|it| it.date = Some(good.to_owned())), FINE);
    }
    for bad in ["", "2023-02-29", "01/02/2013", "yesterday"] {
        let expected =
            issue("date", IssueCode::Format, "must be an ISO 8601 date", Some(&format!("{bad:?}")));
        assert_eq!(formats(|it| it.date = Some(bad.to_owned())), expected);
    }
}

#[test]
fn a_format_checks_each_item() {
    let expected = issue("copies[1]", IssueCode::Format, "must be an e-mail address", Some("\"b\""));
    assert_eq!(formats(|it| it.copies = strings(&["a@b.cz", "b"])), expected);
}

// Checks of the user's own.

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "spans", validate = in_order)]
struct Span {
    #[bucket(key)]
    id: u8,
    #[bucket(validate = even)]
    start: u32,
    #[bucket(validate = even)]
    end: Option<u32>,
}

fn even(value: &u32) -> Result<(), &'static str> {
    if value.is_multiple_of(2) { Ok(()) } else { Err("must be even") }
}

fn in_order(span: &Span) -> Result<(), String> {
    match span.end {
        Some(end) if end < span.start => Err(format!("ends at {end}, before it starts at {}", span.start)),
        _ => Ok(()),
    }
}

fn span(start: u32, end: Option<u32>) -> Vec<Issue> {
    let (_store, spans) = store_of::<Span>();
    issues_of(spans.insert(Span { id: 1, start, end }))
}

#[test]
fn a_check_of_a_field() {
    assert_eq!(span(2, None), FINE);
    assert_eq!(span(2, Some(4)), FINE);
    assert_eq!(span(1, None), issue("start", IssueCode::Custom, "must be even", None));
    assert_eq!(span(2, Some(5)), issue("end", IssueCode::Custom, "must be even", None));
}

#[test]
fn a_check_of_the_record_has_no_path_and_comes_last() {
    let message = "ends at 2, before it starts at 4";
    assert_eq!(span(4, Some(2)), issue("", IssueCode::Custom, message, None));
    let message = "ends at 3, before it starts at 5";
    let all = [
        issue("start", IssueCode::Custom, "must be even", None),
        issue("end", IssueCode::Custom, "must be even", None),
        issue("", IssueCode::Custom, message, None),
    ];
    assert_eq!(span(5, Some(3)), all.concat());
}

// When the rules apply.

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "filled")]
struct Filled {
    #[bucket(key)]
    id: u8,
    #[bucket(min_length = 1, default = computed())]
    text: String,
    #[bucket(generated = "autoincrement", max = 2)]
    number: u64,
    #[bucket(generated = "uuid", pattern = "-7[0-9a-f]{3}-", max_length = 36)]
    uuid: String,
    #[bucket(generated = "timestamp", max = 1_000)]
    at: u64,
}

/// Not a literal, so that the compiler cannot see that it breaks the rule.
fn computed() -> String {
    String::new()
}

#[test]
fn defaults_are_checked_too() {
    let (_store, filled) = store_of::<Filled>();
    let issues = issues_of(filled.insert(Filled::draft().id(1).at(0_u64)));
    assert_eq!(
        issues,
        issue("text", IssueCode::MinLength, "must have at least 1 character, has 0", Some("\"\""))
    );
}

#[test]
fn generated_values_are_checked_too() {
    let clock = Fixed::at(1_000);
    let store = start(Store::builder().bucket::<Filled>().clock(clock.clone()));
    let filled = store.bucket::<Filled>().expect("defined");
    for id in [1, 2] {
        let record = filled.insert(Filled::draft().id(id).text("x")).expect("good");
        assert_eq!((record.number, record.at, record.uuid.len()), (u64::from(id), 1_000, 36));
    }
    let issues = issues_of(filled.insert(Filled::draft().id(3).text("x")));
    assert_eq!(issues, issue("number", IssueCode::Max, "must be at most 2", Some("3")));
    clock.set(1_001);
    let issues = issues_of(filled.insert(Filled::draft().id(3).text("x").number(1_u64)));
    assert_eq!(issues, issue("at", IssueCode::Max, "must be at most 1000", Some("1001")));
}

#[test]
fn a_given_value_stands_in_for_a_generated_one() {
    let (_store, filled) = store_of::<Filled>();
    let draft = Filled::draft().id(1).text("x").number(2_u64).uuid("no uuid").at(5_u64);
    let expected =
        issue("uuid", IssueCode::Pattern, "must match the pattern -7[0-9a-f]{3}-", Some("\"no uuid\""));
    assert_eq!(issues_of(filled.insert(draft)), expected);
}

#[test]
fn the_rules_apply_to_every_write() {
    let (_store, spans) = store_of::<Span>();
    spans.insert(Span { id: 1, start: 2, end: Some(4) }).expect("good");
    let odd = issue("start", IssueCode::Custom, "must be even", None);
    let bad = Span { id: 1, start: 3, end: None };
    assert_eq!(issues_of(spans.upsert(bad.clone())), odd);
    assert_eq!(issues_of(spans.upsert(Span { id: 2, ..bad })), odd);
    assert_eq!(issues_of(spans.update(&1, Span::patch().start(3_u32))), odd);
    assert_eq!(issues_of(spans.modify(&1, |span| span.start = 3)), odd);
    assert_eq!(issues_of(spans.update_where(Filter::all(), Span::patch().start(3_u32))), odd);
    let order = issue("", IssueCode::Custom, "ends at 4, before it starts at 6", None);
    assert_eq!(
        issues_of(spans.update(&1, Span::patch().start(6_u32))),
        order,
        "also the whole is checked again"
    );
    assert_eq!(spans.all()[0].value(), &Span { id: 1, start: 2, end: Some(4) });
}

#[test]
fn emptying_an_option_ends_its_rules() {
    let (_store, numbers) = store_of::<Number>();
    let one = numbers.insert(Number::draft().maybe(5)).expect("good");
    assert_eq!(numbers.update(&one.id, Number::patch().clear_maybe()).map(|one| one.maybe), Ok(None));
}

// Issues as values.

#[test]
fn codes_have_one_text_everywhere() {
    let codes = [
        (IssueCode::Required, "required"),
        (IssueCode::Type, "type"),
        (IssueCode::OneOf, "enum"),
        (IssueCode::Min, "min"),
        (IssueCode::Max, "max"),
        (IssueCode::MinLength, "min_length"),
        (IssueCode::MaxLength, "max_length"),
        (IssueCode::Pattern, "pattern"),
        (IssueCode::Format, "format"),
        (IssueCode::Custom, "custom"),
        (IssueCode::Unknown, "unknown"),
    ];
    for (code, text) in codes {
        assert_eq!((code.as_str(), code.to_string().as_str()), (text, text));
        assert_eq!(serde_json::to_value(code).expect("text"), serde_json::json!(text));
    }
}

#[test]
fn an_issue_is_text_and_json() {
    let (_store, spans) = store_of::<Span>();
    let Err(Error::Validation { bucket, issues }) = spans.insert(Span { id: 1, start: 5, end: Some(4) })
    else {
        panic!("it breaks two rules")
    };
    assert_eq!(bucket, "spans");
    let texts: Vec<String> = issues.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["`start` must be even (custom)", "ends at 4, before it starts at 5 (custom)"]);
    let json = serde_json::to_value(&issues).expect("JSON");
    let expected = serde_json::json!([
        { "field": "start", "code": "custom", "message": "must be even", "value": null },
        { "field": "", "code": "custom", "message": "ends at 4, before it starts at 5", "value": null },
    ]);
    assert_eq!(json, expected);
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "renamed")]
#[serde(rename_all = "camelCase")]
struct Renamed {
    #[bucket(key)]
    id: u8,
    #[bucket(max = 5)]
    item_count: u8,
    #[serde(rename = "w")]
    #[bucket(unique)]
    weight: u8,
}

#[test]
fn paths_are_the_stored_names() {
    let (_store, renamed) = store_of::<Renamed>();
    let issues = issues_of(renamed.insert(Renamed { id: 1, item_count: 6, weight: 1 }));
    assert_eq!(issues, issue("itemCount", IssueCode::Max, "must be at most 5", Some("6")));
    renamed.insert(Renamed { id: 1, item_count: 1, weight: 1 }).expect("good");
    let taken = renamed.insert(Renamed { id: 2, item_count: 1, weight: 1 });
    assert_eq!(taken, Err(Error::UniqueConstraint { bucket: "renamed", field: "w", value: "1".to_owned() }));
}

// The schema at run time.

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(
    name = "articles",
    ttl = "2h",
    max_size = 1_000,
    evict = "lru",
    persistent = false,
    index(author, published),
    validate = article_is_fine
)]
#[serde(rename_all = "camelCase")]
struct Article {
    #[bucket(key, generated = "uuid")]
    id: Uuid,
    #[bucket(min_length = 1, max_length = 80, pattern = "^[A-Z]")]
    title: String,
    #[bucket(unique, format = "url")]
    web_page: String,
    #[bucket(references = Number)]
    author: u64,
    #[bucket(index, min = 0, max = 5)]
    rating: Option<u8>,
    #[bucket(index(each), default, validate = few)]
    tags: Vec<String>,
    #[bucket(one_of = ["draft", "done"], default = "draft")]
    state: String,
    #[bucket(generated = "timestamp")]
    published: u64,
    #[bucket(default)]
    price: f64,
    #[bucket(default = true)]
    open: bool,
    extra: HashMap<String, u8>,
}

fn article_is_fine(_: &Article) -> Result<(), String> {
    Ok(())
}

#[allow(clippy::ptr_arg, reason = "a check takes the field's own type")]
fn few(tags: &Vec<String>) -> Result<(), String> {
    if tags.len() < 10 { Ok(()) } else { Err("too many".to_owned()) }
}

#[test]
fn a_schema_says_what_the_struct_is_annotated_with() {
    let schema = Article::schema();
    assert_eq!((schema.name, schema.rust_type), ("articles", "Article"));
    assert_eq!(schema.ttl, Some(Duration::from_secs(7_200)));
    assert_eq!((schema.max_size, schema.evict, schema.persistent), (Some(1_000), Evict::Lru, false));
    let plain = Number::schema();
    assert_eq!((plain.ttl, plain.max_size, plain.evict, plain.persistent), (None, None, Evict::Oldest, true));
}

#[test]
fn a_schema_lists_the_fields() {
    let fields: Vec<_> = Article::schema()
        .fields
        .iter()
        .map(|field| {
            (field.name, field.rust_name, field.rust_type, field.kind, field.required, field.optional)
        })
        .collect();
    let expected = [
        ("id", "id", "Uuid", FieldKind::String, false, false),
        ("title", "title", "String", FieldKind::String, true, false),
        ("webPage", "web_page", "String", FieldKind::String, true, false),
        ("author", "author", "u64", FieldKind::Number, true, false),
        ("rating", "rating", "Option<u8>", FieldKind::Number, false, true),
        ("tags", "tags", "Vec<String>", FieldKind::Array, false, false),
        ("state", "state", "String", FieldKind::String, false, false),
        ("published", "published", "u64", FieldKind::Number, false, false),
        ("price", "price", "f64", FieldKind::Number, false, false),
        ("open", "open", "bool", FieldKind::Boolean, false, false),
        ("extra", "extra", "HashMap<String, u8>", FieldKind::Object, true, false),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn a_schema_tells_what_a_field_is_filled_with() {
    let schema = Article::schema();
    let filled = |name: &str| schema.field(name).map(|field| (field.generated, field.default));
    assert_eq!(filled("id"), Some((Some(Generated::Uuid), None)));
    assert_eq!(filled("published"), Some((Some(Generated::Timestamp), None)));
    assert_eq!(filled("state"), Some((None, Some("\"draft\""))));
    assert_eq!(filled("tags"), Some((None, Some("Default::default()"))));
    assert_eq!(filled("open"), Some((None, Some("true"))));
    assert_eq!(filled("title"), Some((None, None)));
    assert_eq!(filled("nothing"), None);
    assert_eq!(
        Number::schema().field("id").map(|field| field.generated),
        Some(Some(Generated::Autoincrement))
    );
}

#[test]
fn a_schema_tells_the_key_the_unique_fields_and_the_references() {
    let schema = Article::schema();
    assert_eq!(schema.key().map(|field| field.name), Some("id"));
    let unique: Vec<&str> =
        schema.fields.iter().filter(|field| field.unique).map(|field| field.name).collect();
    assert_eq!(unique, ["webPage"]);
    let references: Vec<_> =
        schema.fields.iter().filter_map(|field| Some((field.name, field.references?))).collect();
    assert_eq!(references, [("author", "numbers")]);
}

#[test]
fn a_schema_lists_the_rules_of_a_field() {
    let schema = Article::schema();
    let rules = |name: &str| schema.field(name).map(|field| field.constraints).expect("it is a field");
    let title = [Constraint::MinLength(1), Constraint::MaxLength(80), Constraint::Pattern("^[A-Z]")];
    assert_eq!(rules("title"), title);
    assert_eq!(rules("webPage"), [Constraint::Format(Format::Url)]);
    assert_eq!(rules("rating"), [Constraint::Min("0"), Constraint::Max("5")]);
    assert_eq!(rules("tags"), [Constraint::Custom("few")]);
    assert_eq!(rules("state"), [Constraint::OneOf(&["\"draft\"", "\"done\""])]);
    assert_eq!(rules("price"), [Constraint::Finite]);
    assert_eq!(rules("open"), []);
}

#[test]
fn a_schema_lists_the_indexes() {
    let schema = Article::schema();
    let indexes: Vec<_> = schema
        .indexes
        .iter()
        .map(|index| {
            let fields =
                index.fields.iter().map(|at| schema.fields[usize::from(*at)].name).collect::<Vec<_>>();
            (index.name, fields, index.each)
        })
        .collect();
    let expected = [
        ("rating", vec!["rating"], false),
        ("tags", vec!["tags"], true),
        ("author_and_published", vec!["author", "published"], false),
    ];
    assert_eq!(indexes, expected);
}

#[test]
fn a_schema_is_json() {
    let json = serde_json::to_value(Article::schema()).expect("JSON");
    assert_eq!(json["name"], "articles");
    assert_eq!((&json["version"], &json["renamed_from"]), (&serde_json::json!(1), &serde_json::json!(null)));
    assert_eq!(json["ttl"], serde_json::json!({ "secs": 7200, "nanos": 0 }));
    assert_eq!((&json["evict"], &json["max_size"]), (&serde_json::json!("lru"), &serde_json::json!(1000)));
    let title = serde_json::json!({
        "name": "title",
        "renamed_from": [],
        "rust_name": "title",
        "rust_type": "String",
        "kind": "string",
        "required": true,
        "optional": false,
        "key": false,
        "generated": null,
        "default": null,
        "unique": false,
        "constraints": [{ "min_length": 1 }, { "max_length": 80 }, { "pattern": "^[A-Z]" }],
        "references": null,
    });
    assert_eq!(json["fields"][1], title);
    assert_eq!(json["fields"][2]["constraints"], serde_json::json!([{ "format": "url" }]));
    assert_eq!(json["fields"][0]["generated"], "uuid");
    assert_eq!(json["fields"][8]["constraints"], serde_json::json!(["finite"]));
    let index = serde_json::json!({ "name": "author_and_published", "fields": [3, 7], "each": false });
    assert_eq!(json["indexes"][2], index);
}

#[test]
fn a_store_lists_the_schemas_of_its_buckets() {
    let store = start(Store::builder().bucket::<Number>().bucket::<Article>());
    let names = |store: &Store| store.buckets().iter().map(|schema| schema.name).collect::<Vec<_>>();
    assert_eq!(names(&store), ["numbers", "articles"]);
    assert_eq!(store.buckets()[1], Article::schema());
    store.define_bucket::<Span>().expect("new");
    store.drop_bucket::<Number>().expect("defined");
    assert_eq!(names(&store), ["articles", "spans"]);
    let before = store.snapshot();
    store.define_bucket::<Number>().expect("dropped");
    assert_eq!(names(&store), ["numbers", "articles", "spans"], "in the order of the first definition");
    assert_eq!(before.buckets().len(), 2);
    assert_eq!(store.bucket::<Span>().expect("defined").schema(), Span::schema());
}

// Metadata.

#[test]
fn metadata_stands_beside_the_fields_in_json() {
    let clock = Fixed::at(1_000);
    let store = start(Store::builder().bucket::<Span>().clock(clock.clone()));
    let spans = store.bucket::<Span>().expect("defined");
    spans.insert(Span { id: 1, start: 2, end: None }).expect("good");
    clock.set(2_500);
    let record = spans.update(&1, Span::patch().end(8_u32)).expect("good");
    let expected = serde_json::json!({ "id": 1, "start": 2, "end": 8, "_version": 2, "_createdAt": 1000, "_updatedAt": 2500 });
    assert_eq!(serde_json::to_value(&record).expect("JSON"), expected, "no `_expiresAt`: it does not expire");
    assert_eq!(record.expires_at(), None);
}

#[test]
fn metadata_follows_the_writes() {
    let clock = Fixed::at(100);
    let store = start(Store::builder().bucket::<Span>().clock(clock.clone()));
    let spans = store.bucket::<Span>().expect("defined");
    let meta = |record: &Record<Span>| (record.version(), record.created_at(), record.updated_at());
    let first = spans.insert(Span { id: 1, start: 2, end: None }).expect("good");
    assert_eq!(meta(&first), (1, 100, 100));
    clock.set(200);
    let updated = spans.update(&1, Span::patch().start(4_u32)).expect("good");
    assert_eq!(meta(&updated), (2, 100, 200));
    clock.set(300);
    let modified = spans.modify(&1, |span| span.start = 6).expect("good");
    assert_eq!(meta(&modified), (3, 100, 300));
    clock.set(400);
    let upserted = spans.upsert(Span { id: 1, start: 8, end: None }).expect("good");
    assert_eq!(meta(&upserted), (4, 100, 400), "an upsert of what is there is an update");
    clock.set(500);
    spans.update_where(Filter::all(), Span::patch().start(0_u32)).expect("good");
    assert_eq!(spans.get(&1).as_ref().map(meta), Some((5, 100, 500)));
    assert_eq!(meta(&first), (1, 100, 100), "a record that is held never changes");
    clock.set(600);
    spans.delete(&1).expect("there");
    let again = spans.upsert(Span { id: 1, start: 2, end: None }).expect("good");
    assert_eq!(meta(&again), (1, 600, 600), "a new record starts anew");
}

#[test]
fn a_patch_of_nothing_leaves_the_metadata() {
    let clock = Fixed::at(100);
    let store = start(Store::builder().bucket::<Span>().clock(clock.clone()));
    let spans = store.bucket::<Span>().expect("defined");
    spans.insert(Span { id: 1, start: 2, end: None }).expect("good");
    clock.set(200);
    let same = spans.update(&1, Span::patch()).expect("there");
    assert_eq!((same.version(), same.updated_at()), (1, 100));
}

#[test]
fn time_does_not_go_back_when_the_clock_does() {
    let clock = Fixed::at(1_000);
    let store = start(Store::builder().bucket::<Span>().bucket::<Filled>().clock(clock.clone()));
    let spans = store.bucket::<Span>().expect("defined");
    spans.insert(Span { id: 1, start: 2, end: None }).expect("good");
    clock.set(10);
    let later = spans.insert(Span { id: 2, start: 2, end: None }).expect("good");
    assert_eq!((later.created_at(), store.snapshot().time()), (1_000, 1_000));
    let updated = spans.update(&1, Span::patch().start(4_u32)).expect("good");
    assert_eq!(updated.updated_at(), 1_000);
    let filled =
        store.bucket::<Filled>().expect("defined").insert(Filled::draft().id(1).text("x")).expect("good");
    assert_eq!(filled.at, filled.created_at(), "nor do generated times");
    clock.set(1_500);
    assert_eq!(spans.update(&1, Span::patch().start(6_u32)).map(|span| span.updated_at()), Ok(1_500));
}

#[test]
fn every_record_has_its_own_default() {
    let (_store, articles) = store_of::<Article>();
    let draft = |page: &str| Article::draft().title("A").web_page(page).author(1_u64).extra(HashMap::new());
    let one = articles.insert(draft("http://a.cz")).expect("good");
    let two = articles.insert(draft("http://b.cz")).expect("good");
    articles.modify(&one.id, |article| article.tags.push("x".to_owned())).expect("good");
    assert_eq!(articles.get(&two.id).map(|article| article.tags.clone()), Some(Vec::new()));
}
