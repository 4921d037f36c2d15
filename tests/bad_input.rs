//! What is refused: each case gives its error with all of its data, and leaves no trace.

mod common;

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::thread;

use common::{ready, start, store_of, within_seconds};
use noex_store::prelude::*;
use noex_store::{CursorFault, IssueCode};

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "people", index(city, age), validate = old_enough)]
struct Person {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(min_length = 2, max_length = 8, pattern = "^[A-Z]")]
    name: String,
    #[bucket(unique, format = "email")]
    email: String,
    #[bucket(index, min = 1, max = 150)]
    age: u8,
    #[bucket(index, one_of = ["Brno", "Praha"])]
    city: String,
    #[bucket(index(each), default, max_length = 2)]
    tags: Vec<String>,
}

fn old_enough(person: &Person) -> Result<(), String> {
    match person.tags.iter().any(|tag| tag == "driver") && person.age < 15 {
        true => Err(format!("a driver cannot be {}", person.age)),
        false => Ok(()),
    }
}

fn person(name: &str, age: u8, city: &str) -> Person {
    let email = format!("{}@example.com", name.to_lowercase());
    Person { id: 0, name: name.to_owned(), email, age, city: city.to_owned(), tags: Vec::new() }
}

/// Anna (1), Bert (2) and Cyril (3).
fn town() -> (Store, BucketHandle<Person>) {
    let (store, people) = store_of::<Person>();
    for (id, (name, age, city)) in
        [("Anna", 30, "Brno"), ("Bert", 40, "Praha"), ("Cyril", 30, "Brno")].into_iter().enumerate()
    {
        let tags = vec![format!("t{}", id % 2), "all".to_owned()];
        people.insert(Person { id: id as u64 + 1, tags, ..person(name, age, city) }).expect("good");
    }
    (store, people)
}

/// All that can be seen of the bucket: the records with their metadata, and what each index gives.
#[derive(Debug, PartialEq)]
struct Seen {
    versions: (Version, Version),
    records: Vec<(Person, u64, u64, u64)>,
    counts: Vec<usize>,
    lists: Vec<Vec<u64>>,
    emails: Vec<Option<u64>>,
}

fn seen(store: &Store, people: &BucketHandle<Person>) -> Seen {
    let ids = |records: Vec<Record<Person>>| records.iter().map(|person| person.id).collect::<Vec<_>>();
    let emails = ["anna", "bert", "cyril", "dora", "emil", "no"].map(|name| format!("{name}@example.com"));
    Seen {
        versions: (store.snapshot().version(), store.commits().latest()),
        records: people
            .iter()
            .map(|one| (one.value().clone(), one.version(), one.created_at(), one.updated_at()))
            .collect(),
        counts: vec![
            people.count(),
            people.filter(Person::AGE.ge(0_u8)).count(),
            people.filter(Person::CITY.starts_with("")).count(),
            people.filter(Person::TAGS.contains("all")).count(),
            people.filter(Person::CITY.eq("Brno").and(Person::AGE.ge(0_u8))).count(),
        ],
        lists: vec![
            ids(people.order_by(Person::AGE.asc()).collect()),
            ids(people.order_by((Person::CITY.asc(), Person::AGE.asc())).collect()),
            ids(people.by_city("Brno")),
            ids(people.by_city("Praha")),
            ids(people.by_city("Wien")),
            ids(people.by_tags("t0")),
            ids(people.by_tags("driver")),
            ids(people.by_city_and_age("Brno", ..)),
        ],
        emails: emails.map(|email| people.by_email(&email).map(|person| person.id)).into(),
    }
}

/// Makes a write that must fail; nothing has changed then, and the store goes on. Gives the error.
#[track_caller]
fn refused<T: Debug>(write: impl FnOnce(&BucketHandle<Person>) -> Result<T, Error>) -> Error {
    let (store, people) = town();
    let before = seen(&store, &people);
    let mut commits = store.commits().after(store.snapshot().version());
    let error = write(&people).expect_err("the write is refused");
    assert_eq!(seen(&store, &people), before);
    assert!(matches!(commits.try_next(), Ok(None)), "no commit");
    let next = people.insert(Person::draft().name("Zoe").email("zoe@example.com").age(50).city("Brno"));
    let next = next.expect("the store goes on");
    assert!(next.id > 3, "automatic numbers go on: {}", next.id);
    assert_eq!(store.snapshot().version().get(), before.versions.0.get() + 1);
    error
}

fn bert_again() -> Person {
    Person { id: 9, ..person("Bert", 20, "Brno") }
}

fn email_taken() -> Error {
    Error::UniqueConstraint { bucket: "people", field: "email", value: "\"bert@example.com\"".to_owned() }
}

fn not_found(key: u64) -> Error {
    Error::NotFound { bucket: "people", key: key.to_string() }
}

fn row(row: usize, error: Error) -> Error {
    Error::Batch { row, error: Box::new(error) }
}

// Rules of one record.

#[test]
fn all_issues_of_a_record_come_in_one_error_in_the_order_of_the_fields() {
    let error = refused(|people| {
        let tags = ["driver", "b", "c"];
        people.insert(Person::draft().city("Wien").age(0).email("nonsense").name("x").tags(tags))
    });
    let Error::Validation { bucket: "people", issues } = error else { panic!("{error:?}") };
    let brief: Vec<_> = issues.iter().map(|issue| (issue.field.as_ref(), issue.code)).collect();
    let expected = [
        ("name", IssueCode::MinLength),
        ("name", IssueCode::Pattern),
        ("email", IssueCode::Format),
        ("age", IssueCode::Min),
        ("city", IssueCode::OneOf),
        ("tags", IssueCode::MaxLength),
        ("", IssueCode::Custom),
    ];
    assert_eq!(brief, expected);
}

#[test]
fn a_validation_error_lists_its_issues_as_text() {
    let error =
        refused(|people| people.insert(Person { tags: vec!["driver".into()], ..person("Emil", 0, "Brno") }));
    assert_eq!(
        error.to_string(),
        "bucket `people`: `age` must be at least 1 (min); a driver cannot be 0 (custom)"
    );
}

#[test]
fn an_update_that_breaks_a_rule_is_refused() {
    let error = refused(|people| people.update(&1, Person::patch().age(200)));
    let Error::Validation { bucket: "people", issues } = error else { panic!("{error:?}") };
    assert_eq!(issues.len(), 1);
    assert_eq!(
        (issues[0].field.as_ref(), issues[0].code, issues[0].value.as_deref()),
        ("age", IssueCode::Max, Some("200"))
    );
}

#[test]
fn a_modify_that_breaks_a_rule_is_refused() {
    let error = refused(|people| people.modify(&1, |person| person.name.clear()));
    assert!(matches!(error, Error::Validation { bucket: "people", .. }), "{error:?}");
}

#[test]
fn an_upsert_that_breaks_a_rule_is_refused_for_new_and_for_old() {
    for id in [1, 9] {
        let error = refused(|people| people.upsert(Person { id, ..person("Emil", 0, "Brno") }));
        assert!(matches!(error, Error::Validation { bucket: "people", .. }), "{error:?}");
    }
}

// Rules over several records.

#[test]
fn a_duplicate_key_is_refused() {
    let error = refused(|people| people.insert(Person { id: 2, ..person("Emil", 20, "Brno") }));
    assert_eq!(error, Error::DuplicateKey { bucket: "people", key: "2".to_owned() });
    assert_eq!(
        error.to_string(),
        "bucket `people` already has a record with the key 2; `upsert` replaces it"
    );
}

#[test]
fn a_taken_unique_value_is_refused() {
    let error = refused(|people| people.insert(bert_again()));
    assert_eq!(error, email_taken());
    assert_eq!(
        error.to_string(),
        "bucket `people`: another record has \"bert@example.com\" in the unique field `email`"
    );
}

#[test]
fn a_taken_unique_value_is_refused_however_it_is_written() {
    let patch = || Person::patch().email("bert@example.com");
    assert_eq!(refused(|people| people.update(&1, patch())), email_taken());
    let take = |person: &mut Person| person.email = "bert@example.com".to_owned();
    assert_eq!(refused(|people| people.modify(&1, take)), email_taken());
    assert_eq!(refused(|people| people.upsert(Person { id: 1, ..bert_again() })), email_taken());
    assert_eq!(refused(|people| people.upsert(bert_again())), email_taken());
    assert_eq!(refused(|people| people.insert_many([bert_again()])), row(0, email_taken()));
    assert_eq!(refused(|people| people.update_many([(1_u64, patch())])), row(0, email_taken()));
    assert_eq!(refused(|people| people.update_where(Person::ID.eq(1_u64), patch())), email_taken());
}

#[test]
fn writing_its_own_unique_value_again_is_fine() {
    let (_store, people) = town();
    let bert = people.update(&2, Person::patch().email("bert@example.com")).expect("it is his own");
    assert_eq!(bert.version(), 2);
}

#[test]
fn a_unique_value_is_free_after_its_record_is_gone() {
    let (_store, people) = town();
    people.delete(&2).expect("deleted");
    people.insert(bert_again()).expect("the address is free");
    assert_eq!(people.by_email("bert@example.com").map(|person| person.id), Some(9));
}

#[test]
fn a_key_cannot_change() {
    let error = refused(|people| people.modify(&1, |person| person.id = 7));
    assert_eq!(error, Error::KeyChanged { bucket: "people", from: "1".to_owned(), to: "7".to_owned() });
    assert_eq!(
        error.to_string(),
        "bucket `people`: the key of a record cannot change (from 1 to 7); delete and insert instead"
    );
}

// What is not there.

#[test]
fn a_change_to_a_missing_record_is_refused() {
    let patch = || Person::patch().age(9);
    let error = refused(|people| people.update(&8, patch()));
    assert_eq!(error, not_found(8));
    assert_eq!(error.to_string(), "bucket `people` has no record with the key 8");
    assert_eq!(refused(|people| people.update(&8, Person::patch())), not_found(8));
    assert_eq!(refused(|people| people.modify(&8, |_| {})), not_found(8));
    let changes = [(1_u64, patch()), (8, patch()), (2, patch())];
    assert_eq!(refused(|people| people.update_many(changes)), row(1, not_found(8)));
}

#[test]
fn deleting_what_is_not_there_is_no_error_and_no_commit() {
    let (store, people) = town();
    let before = seen(&store, &people);
    assert_eq!(people.delete(&8), Ok(None));
    assert_eq!(people.delete_many([8_u64, 9]), Ok(Vec::new()));
    assert_eq!(people.delete_where(Person::AGE.gt(100_u8)), Ok(Vec::new()));
    assert_eq!(people.update_where(Person::AGE.gt(100_u8), Person::patch().age(9)), Ok(0));
    assert_eq!(seen(&store, &people), before);
}

#[test]
fn what_must_be_there_is_asked_for_with_require() {
    let (_store, people) = town();
    assert_eq!(people.require(&1).map(|person| person.id), Ok(1));
    assert_eq!(people.require(&8), Err(not_found(8)));
}

// Batches.

#[test]
fn a_batch_names_the_bad_row_and_inserts_none() {
    let rows = || {
        [person("Dora", 20, "Brno"), person("Emil", 0, "Brno")]
            .map(|row| Person { id: 10 + u64::from(row.age), ..row })
    };
    let error = refused(|people| people.insert_many(rows()));
    let Error::Batch { row: 1, error: inner } = &error else { panic!("{error:?}") };
    assert!(matches!(**inner, Error::Validation { bucket: "people", .. }));
    assert_eq!(error.to_string(), "row 1 of the batch: bucket `people`: `age` must be at least 1 (min)");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(source, Some(inner.to_string()));
}

#[test]
fn a_batch_with_a_row_that_is_there_inserts_none() {
    let rows =
        [Person { id: 10, ..person("Dora", 20, "Brno") }, Person { id: 3, ..person("Emil", 20, "Brno") }];
    let error = refused(|people| people.insert_many(rows));
    assert_eq!(error, row(1, Error::DuplicateKey { bucket: "people", key: "3".to_owned() }));
}

#[test]
fn two_rows_of_a_batch_that_collide_are_refused() {
    let dora = || Person { id: 10, ..person("Dora", 20, "Brno") };
    let same_key = [dora(), Person { id: 10, ..person("Emil", 20, "Brno") }];
    let error = refused(|people| people.insert_many(same_key));
    assert_eq!(error, row(1, Error::DuplicateKey { bucket: "people", key: "10".to_owned() }));
    let same_email = [dora(), Person { id: 11, ..person("Emil", 20, "Brno") }, Person { id: 12, ..dora() }];
    let error = refused(|people| people.insert_many(same_email));
    let value = "\"dora@example.com\"".to_owned();
    assert_eq!(error, row(2, Error::UniqueConstraint { bucket: "people", field: "email", value }));
}

#[test]
fn an_update_where_that_breaks_a_rule_for_one_record_changes_none() {
    // Only Bert would be too young to drive.
    let (store, people) = town();
    people.update(&2, Person::patch().age(10)).expect("good");
    let before = seen(&store, &people);
    let error = people.update_where(Filter::all(), Person::patch().tags(["driver"])).expect_err("refused");
    assert_eq!(error.to_string(), "bucket `people`: a driver cannot be 10 (custom)");
    assert_eq!(seen(&store, &people), before);
    // Two cannot have one address.
    let error = people.update_where(Person::CITY.eq("Brno"), Person::patch().email("no@example.com"));
    let value = "\"no@example.com\"".to_owned();
    assert_eq!(error, Err(Error::UniqueConstraint { bucket: "people", field: "email", value }));
    assert_eq!(seen(&store, &people), before);
}

#[test]
fn an_update_many_that_breaks_a_rule_in_one_row_changes_none() {
    let changes = [(1_u64, Person::patch().age(31)), (2, Person::patch().age(0))];
    let error = refused(|people| people.update_many(changes));
    assert!(matches!(error, Error::Batch { row: 1, .. }), "{error:?}");
}

// Cursors.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What is in the text of a cursor: the JSON of `[question, row, left, values]`.
fn opened(cursor: &Cursor) -> serde_json::Value {
    let digits = cursor
        .to_string()
        .bytes()
        .map(|digit| DIGITS.iter().position(|own| *own == digit).expect("a digit"))
        .collect::<Vec<_>>();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&(bits as u32).to_be_bytes()[1..group.len()]);
    }
    serde_json::from_slice(&bytes).expect("JSON")
}

fn closed(content: &serde_json::Value) -> Cursor {
    let mut text = String::new();
    for group in content.to_string().as_bytes().chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        text.extend((0..=group.len()).map(|at| DIGITS[(bits >> (18 - 6 * at)) as usize & 63] as char));
    }
    text.parse().expect("a cursor")
}

fn refusal(reason: CursorFault) -> Error {
    Error::InvalidCursor { reason }
}

#[track_caller]
fn refuses(page: Result<Paginated<Person>, Error>, reason: CursorFault) {
    assert_eq!(page.map(|page| page.records.len()), Err(refusal(reason)));
}

#[test]
fn a_text_that_is_no_cursor_is_refused() {
    let errors =
        ["", "garbage", "!!!", "AAAA", "W10", "žluťoučký", "bnVsbA"].map(|text| text.parse::<Cursor>());
    assert!(errors.iter().all(|error| *error == Err(refusal(CursorFault::Malformed))), "{errors:?}");
    let error = serde_json::from_str::<Cursor>("\"garbage\"").expect_err("refused");
    assert!(error.to_string().contains("the cursor cannot be used: its text is malformed"), "{error}");
    assert!(serde_json::from_str::<Cursor>("5").is_err());
}

#[test]
fn a_cursor_of_another_question_is_refused() {
    let (_store, people) = town();
    let page = Page::first(1);
    let plain = people.paginate(page).next_cursor.expect("there is more");
    let by_age = people.order_by(Person::AGE.asc()).paginate(page).next_cursor.expect("there is more");
    let adults = people.filter(Person::AGE.ge(18_u8)).paginate(page).next_cursor.expect("there is more");
    let other = CursorFault::OtherQuery;
    refuses(people.order_by(Person::AGE.asc()).paginate(page.after(plain.clone())), other);
    refuses(people.filter(Person::AGE.ge(18_u8)).paginate(page.after(plain)), other);
    refuses(people.paginate(page.after(by_age.clone())), other);
    refuses(people.order_by(Person::AGE.desc()).paginate(page.after(by_age.clone())), other);
    refuses(people.order_by(Person::NAME.asc()).paginate(page.after(by_age.clone())), other);
    refuses(people.order_by((Person::AGE.asc(), Person::NAME.asc())).paginate(page.after(by_age)), other);
    refuses(people.filter(Person::AGE.ge(19_u8)).paginate(page.after(adults.clone())), other);
    refuses(people.filter(Person::AGE.gt(18_u8)).paginate(page.after(adults)), other);
    assert_eq!(
        refusal(other).to_string(),
        "the cursor cannot be used: it belongs to a query with another bucket, filter or order"
    );
}

#[test]
fn a_cursor_of_another_bucket_is_refused() {
    let store = start(Store::builder().bucket::<Person>().bucket::<Small>());
    let (people, small) =
        (store.bucket::<Person>().expect("defined"), store.bucket::<Small>().expect("defined"));
    small.insert_many([(); 3].map(|()| Small::draft())).expect("good");
    let cursor = small.paginate(Page::first(1)).next_cursor.expect("there is more");
    refuses(people.paginate(Page::first(1).after(cursor)), CursorFault::OtherQuery);
}

#[test]
fn a_cursor_with_values_of_the_wrong_types_is_refused() {
    let (_store, people) = town();
    let by_age = people.order_by(Person::AGE.asc());
    let mut content = opened(&by_age.paginate(Page::first(1)).next_cursor.expect("there is more"));
    let good = content.clone();
    for values in [
        serde_json::json!([["\"thirty\""]]),
        serde_json::json!([[true]]),
        serde_json::json!([{}]),
        serde_json::json!([[]]),
    ] {
        content[3] = values;
        refuses(by_age.paginate(Page::first(1).after(closed(&content))), CursorFault::OtherTypes);
    }
    content[3] = serde_json::json!([]);
    refuses(by_age.paginate(Page::first(1).after(closed(&content))), CursorFault::OtherQuery);
    assert_eq!(
        refusal(CursorFault::OtherTypes).to_string(),
        "the cursor cannot be used: its values are not of the types that this query orders by"
    );
    let page =
        by_age.paginate(Page::first(9).after(closed(&good))).expect("so the tools of this test are right");
    assert_eq!(page.records.len(), 2);
}

#[test]
fn a_cursor_beyond_all_rows_gives_an_empty_page() {
    let (_store, people) = town();
    let mut content = opened(&people.paginate(Page::first(1)).next_cursor.expect("there is more"));
    content[1] = serde_json::json!(u64::MAX);
    let page = people.paginate(Page::first(1).after(closed(&content))).expect("a place like any other");
    assert_eq!((page.records.len(), page.has_more, page.next_cursor), (0, false, None));
}

// Values whose own code panics.

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Fault {
    #[default]
    None,
    Compare,
    Clone,
    Hash,
    Validate,
}

/// A number that panics in one of its functions.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Touchy {
    number: u32,
    fault: Fault,
}

impl Touchy {
    fn fails(&self, fault: Fault) {
        assert!(self.fault != fault, "{fault:?} of {}", self.number);
    }
}

impl Clone for Touchy {
    fn clone(&self) -> Self {
        self.fails(Fault::Clone);
        Self { ..*self }
    }
}

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Touchy {}

impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Touchy {
    fn cmp(&self, other: &Self) -> Ordering {
        self.fails(Fault::Compare);
        other.fails(Fault::Compare);
        self.number.cmp(&other.number)
    }
}

impl Hash for Touchy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fails(Fault::Hash);
        self.number.hash(state);
    }
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "mines")]
struct Mine {
    #[bucket(key)]
    id: u32,
    #[bucket(index, default)]
    indexed: Touchy,
    #[bucket(unique)]
    unique: Touchy,
    #[bucket(default, validate = calm)]
    checked: Touchy,
}

fn calm(value: &Touchy) -> Result<(), String> {
    value.fails(Fault::Validate);
    Ok(())
}

fn mine(id: u32) -> Mine {
    let calm = |number| Touchy { number, fault: Fault::None };
    Mine { id, indexed: calm(id % 3), unique: calm(id), checked: calm(0) }
}

fn touchy(number: u32, fault: Fault) -> Touchy {
    Touchy { number, fault }
}

/// Makes a write that must panic inside; nothing has changed then, and the store works, also for others.
#[track_caller]
fn blown<T: Debug>(message: &str, write: impl FnOnce(&BucketHandle<Mine>) -> Result<T, Error>) {
    let (store, mines) = store_of::<Mine>();
    mines.insert_many((0..100).map(mine)).expect("good");
    let version = store.snapshot().version();
    let mut commits = store.commits().after(version);
    let error = write(&mines).expect_err("it panicked inside");
    assert_eq!(error, Error::Panicked { bucket: "mines", message: message.to_owned() });
    assert_eq!(store.snapshot().version(), version);
    assert!(matches!(commits.try_next(), Ok(None)), "no commit");
    assert!(
        mines.iter().map(|record| record.value().clone()).eq((0..100).map(mine)),
        "the records are as before"
    );
    let indexed: Vec<u32> =
        mines.order_by(Mine::INDEXED.asc()).collect().iter().map(|mine| mine.id).collect();
    let expected: Vec<u32> = (0..3).flat_map(|rest| (0..100).filter(move |id| id % 3 == rest)).collect();
    assert_eq!(indexed, expected, "the index is as before");
    assert!((0..100).all(|id| mines.by_unique(&touchy(id, Fault::None)).is_some_and(|mine| mine.id == id)));
    // This handle, another one, and another thread.
    mines.insert(mine(100)).expect("this handle goes on");
    let other = store.bucket::<Mine>().expect("defined");
    other.update(&100, Mine::patch().indexed(touchy(7, Fault::None))).expect("another handle goes on");
    thread::spawn(move || other.delete(&100)).join().expect("no panic").expect("another thread goes on");
    assert_eq!(store.snapshot().version().get(), version.get() + 3);
}

#[test]
fn a_value_that_panics_while_it_is_compared() {
    let bad = || touchy(1, Fault::Compare);
    blown("Compare of 1", |mines| mines.insert(Mine { indexed: bad(), ..mine(200) }));
    blown("Compare of 1", |mines| mines.insert_many([mine(200), Mine { indexed: bad(), ..mine(201) }]));
    blown("Compare of 1", |mines| mines.insert(Mine { unique: bad(), ..mine(200) }));
    blown("Compare of 1", |mines| mines.upsert(Mine { indexed: bad(), ..mine(5) }));
    blown("Compare of 1", |mines| mines.upsert(Mine { indexed: bad(), ..mine(200) }));
    blown("Compare of 1", |mines| mines.update(&5, Mine::patch().indexed(bad())));
    blown("Compare of 1", |mines| mines.update_many([(4_u32, Mine::patch().indexed(bad()))]));
    blown("Compare of 1", |mines| mines.update_where(Mine::ID.eq(5_u32), Mine::patch().indexed(bad())));
    blown("Compare of 1", |mines| mines.modify(&5, |mine| mine.indexed = bad()));
    blown("Compare of 1", |mines| mines.delete_where(Mine::INDEXED.eq(bad())));
}

#[test]
fn a_value_that_panics_while_it_is_cloned() {
    let bad = || touchy(9, Fault::Clone);
    blown("Clone of 9", |mines| mines.insert(Mine { indexed: bad(), ..mine(200) }));
    blown("Clone of 9", |mines| mines.upsert(Mine { indexed: bad(), ..mine(5) }));
    blown("Clone of 9", |mines| mines.update(&5, Mine::patch().checked(bad())));
    blown("Clone of 9", |mines| mines.update_where(Mine::ID.lt(5_u32), Mine::patch().checked(bad())));
    blown("Clone of 9", |mines| mines.modify(&5, |mine| mine.indexed = bad()));
}

#[test]
fn a_value_that_panics_while_it_is_hashed() {
    let bad = || touchy(9, Fault::Hash);
    blown("Hash of 9", |mines| mines.insert(Mine { unique: bad(), ..mine(200) }));
    blown("Hash of 9", |mines| mines.insert_many([mine(200), Mine { unique: bad(), ..mine(201) }]));
    blown("Hash of 9", |mines| mines.update(&5, Mine::patch().unique(bad())));
    blown("Hash of 9", |mines| mines.modify(&5, |mine| mine.unique = bad()));
}

#[test]
fn a_value_that_panics_while_it_is_validated() {
    let bad = || touchy(9, Fault::Validate);
    blown("Validate of 9", |mines| mines.insert(Mine { checked: bad(), ..mine(200) }));
    blown("Validate of 9", |mines| mines.insert_many([mine(200), Mine { checked: bad(), ..mine(201) }]));
    blown("Validate of 9", |mines| mines.upsert(Mine { checked: bad(), ..mine(5) }));
    blown("Validate of 9", |mines| mines.update(&5, Mine::patch().checked(bad())));
    blown("Validate of 9", |mines| mines.update_where(Filter::all(), Mine::patch().checked(bad())));
    blown("Validate of 9", |mines| mines.modify(&5, |mine| mine.checked = bad()));
}

#[test]
fn a_closure_that_panics() {
    blown("no more", |mines| mines.modify(&5, |_| panic!("no more")));
    blown("no message", |mines| mines.modify(&5, |_| std::panic::panic_any(5)));
    let rows = (200..203).map(|id| if id == 202 { panic!("the rows end here") } else { mine(id) });
    blown("the rows end here", |mines| mines.insert_many(rows));
    let error = Error::Panicked { bucket: "mines", message: "no more".to_owned() };
    assert_eq!(
        error.to_string(),
        "bucket `mines`: a write was given up because the record's code panicked: no more"
    );
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "keyed")]
struct Keyed {
    #[bucket(key)]
    key: Touchy,
    #[bucket(default)]
    number: u32,
}

#[test]
fn a_key_that_panics_while_it_is_hashed_or_compared() {
    for (fault, message) in [(Fault::Hash, "Hash of 1"), (Fault::Compare, "Compare of 1")] {
        let (store, keyed) = store_of::<Keyed>();
        keyed
            .insert_many((0..10).map(|number| Keyed { key: touchy(number, Fault::None), number }))
            .expect("good");
        let version = store.snapshot().version();
        let bad = || touchy(1, fault);
        let panicked = Error::Panicked { bucket: "keyed", message: message.to_owned() };
        let errors = [
            keyed.insert(Keyed { key: bad(), number: 0 }).map(|_| ()),
            keyed.upsert(Keyed { key: bad(), number: 0 }).map(|_| ()),
            keyed.insert_many([Keyed { key: bad(), number: 0 }]).map(|_| ()),
            keyed.update(&bad(), Keyed::patch().number(1)).map(|_| ()),
            keyed.update(&bad(), Keyed::patch()).map(|_| ()),
            keyed.modify(&bad(), |keyed| keyed.number = 1).map(|_| ()),
            keyed.update_many([(bad(), Keyed::patch().number(1))]).map(|_| ()),
            keyed.delete(&bad()).map(|_| ()),
            keyed.delete_many([bad()]).map(|_| ()),
        ];
        for error in errors {
            assert_eq!(error, Err(panicked.clone()));
        }
        assert_eq!(store.snapshot().version(), version);
        keyed.delete(&touchy(1, Fault::None)).expect("the store goes on").expect("it is still there");
    }
}

// Writes from within a write.

type Act = Box<dyn Fn()>;

thread_local! {
    /// What a `Meddler` does while it is compared.
    static COMPARING: RefCell<Option<Act>> = const { RefCell::new(None) };
    /// What the check of a `Meddler` does.
    static CHECKING: RefCell<Option<Act>> = const { RefCell::new(None) };
}

/// Runs what is set, once: not again from within itself.
fn run(hook: &'static thread::LocalKey<RefCell<Option<Act>>>) {
    if let Some(act) = hook.take() {
        act();
        hook.set(Some(act));
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Meddler(u32);

impl PartialOrd for Meddler {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Meddler {
    fn cmp(&self, other: &Self) -> Ordering {
        run(&COMPARING);
        self.0.cmp(&other.0)
    }
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "meddlers", validate = checked)]
struct Meddling {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(index)]
    value: Meddler,
}

fn checked(_: &Meddling) -> Result<(), String> {
    run(&CHECKING);
    Ok(())
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "smalls")]
struct Small {
    #[bucket(key, generated = "autoincrement")]
    id: u8,
    #[bucket(default)]
    number: u32,
}

fn meddlers() -> (Store, BucketHandle<Meddling>, BucketHandle<Small>) {
    let store = start(Store::builder().bucket::<Meddling>().bucket::<Small>());
    let meddlers = store.bucket::<Meddling>().expect("defined");
    meddlers.insert_many((0..3).map(|value| Meddling::draft().value(Meddler(value)))).expect("good");
    let smalls = store.bucket::<Small>().expect("defined");
    smalls.insert(Small::draft()).expect("good");
    (store, meddlers, smalls)
}

#[test]
fn an_order_that_writes_to_the_store_is_refused_that() {
    within_seconds(30, || {
        let (store, meddlers, smalls) = meddlers();
        thread_local!(static ERRORS: RefCell<Vec<Error>> = const { RefCell::new(Vec::new()) });
        let nested = store.clone();
        COMPARING.set(Some(Box::new(move || {
            let errors = [
                smalls.insert(Small::draft()).map(|_| ()),
                smalls.update(&1, Small::patch().number(1)).map(|_| ()),
                smalls.modify(&1, |small| small.number = 1).map(|_| ()),
                smalls.delete(&1).map(|_| ()),
                smalls.clear().map(|_| ()),
            ];
            ERRORS.with_borrow_mut(|seen| seen.extend(errors.map(|error| error.expect_err("refused"))));
            let defined = nested.drop_bucket::<Small>().expect_err("refused");
            ERRORS.with_borrow_mut(|seen| seen.push(defined));
        })));
        meddlers.insert(Meddling::draft().value(Meddler(1))).expect("the outer write is fine");
        COMPARING.set(None);
        let errors = ERRORS.take();
        assert!(!errors.is_empty());
        assert!(errors.iter().all(|error| *error == Error::NestedWrite { bucket: "smalls" }), "{errors:?}");
        assert_eq!(
            errors[0].to_string(),
            "bucket `smalls`: a write from within another write or transaction; in a transaction, write to \
             `tx.bucket::<…>()`"
        );
        assert_eq!(meddlers.count(), 4);
        let smalls = store.bucket::<Small>().expect("still defined");
        assert_eq!(smalls.all().iter().map(|small| small.number).collect::<Vec<_>>(), [0]);
        smalls.insert(Small::draft()).expect("outside of the write it is fine");
    });
}

#[test]
fn an_order_may_read_the_store_and_sees_the_last_commit() {
    within_seconds(30, || {
        let (_store, meddlers, _) = meddlers();
        thread_local!(static COUNTS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });
        let reader = meddlers.clone();
        COMPARING.set(Some(Box::new(move || COUNTS.with_borrow_mut(|seen| seen.push(reader.count())))));
        meddlers.insert(Meddling::draft().value(Meddler(1))).expect("good");
        COMPARING.set(None);
        let counts = COUNTS.take();
        assert!(!counts.is_empty() && counts.iter().all(|count| *count == 3), "{counts:?}");
    });
}

#[test]
fn a_check_that_writes_to_the_store_makes_its_own_commit_first() {
    within_seconds(30, || {
        let (store, meddlers, smalls) = meddlers();
        let version = store.snapshot().version().get();
        let writer = smalls.clone();
        CHECKING.set(Some(Box::new(move || {
            writer.insert(Small::draft()).expect("before the writer's turn");
        })));
        meddlers.insert(Meddling::draft().value(Meddler(5))).expect("good");
        CHECKING.set(None);
        assert_eq!((meddlers.count(), smalls.count()), (4, 2));
        assert_eq!(store.snapshot().version().get(), version + 2);
    });
}

#[test]
fn a_check_in_the_writers_turn_cannot_write() {
    within_seconds(30, || {
        let (_store, meddlers, smalls) = meddlers();
        thread_local!(static ERROR: Cell<Option<Error>> = const { Cell::new(None) });
        let writer = smalls.clone();
        CHECKING.set(Some(Box::new(move || ERROR.set(writer.insert(Small::draft()).err()))));
        // What this changes is known in the turn only.
        meddlers
            .update_where(Meddling::ID.eq(1_u64), Meddling::patch().value(Meddler(9)))
            .expect("the outer write is fine");
        CHECKING.set(None);
        assert_eq!(ERROR.take(), Some(Error::NestedWrite { bucket: "smalls" }));
        assert_eq!(smalls.count(), 1);
    });
}

#[test]
fn a_modify_whose_closure_writes_to_the_same_record_comes_to_an_end() {
    within_seconds(30, || {
        let (_store, _, smalls) = meddlers();
        let inner = smalls.clone();
        let mut outcomes = Vec::new();
        let done = smalls.modify(&1, |small| {
            outcomes.push(inner.modify(&1, |small| small.number += 1).map(|small| small.number));
            small.number += 100;
        });
        // The inner one is always faster, until the outer one has the turn.
        let (last, earlier) = outcomes.split_last().expect("it ran");
        assert_eq!(*last, Err(Error::NestedWrite { bucket: "smalls" }));
        assert!(
            earlier.iter().enumerate().all(|(at, outcome)| *outcome == Ok(at as u32 + 1)),
            "{outcomes:?}"
        );
        assert_eq!(done.map(|small| small.number), Ok(earlier.len() as u32 + 100), "nothing is lost");
    });
}

#[test]
fn an_order_that_writes_to_another_store_is_refused_that_too() {
    // Two threads that did so crosswise would wait for each other.
    within_seconds(30, || {
        let (_store, meddlers, _) = meddlers();
        let (_store, other) = store_of::<Small>();
        thread_local!(static OTHERS: RefCell<Vec<Error>> = const { RefCell::new(Vec::new()) });
        let writer = other.clone();
        COMPARING.set(Some(Box::new(move || {
            OTHERS.with_borrow_mut(|seen| seen.push(writer.insert(Small::draft()).expect_err("refused")));
        })));
        meddlers.insert(Meddling::draft().value(Meddler(1))).expect("the outer write is fine");
        COMPARING.set(None);
        let errors = OTHERS.take();
        assert!(!errors.is_empty());
        assert!(errors.iter().all(|error| *error == Error::NestedWrite { bucket: "smalls" }), "{errors:?}");
        assert_eq!(other.count(), 0);
    });
}

#[test]
fn a_check_before_the_turn_may_write_to_another_store() {
    within_seconds(30, || {
        let (_store, meddlers, _) = meddlers();
        let (_store, other) = store_of::<Small>();
        let writer = other.clone();
        CHECKING.set(Some(Box::new(move || {
            writer.insert(Small::draft()).expect("it has its own turn");
        })));
        meddlers.insert(Meddling::draft().value(Meddler(1))).expect("good");
        CHECKING.set(None);
        assert_eq!(other.count(), 1);
    });
}

#[test]
fn an_order_that_stops_the_store_does_not_wait_for_itself() {
    within_seconds(30, || {
        let (store, meddlers, smalls) = meddlers();
        let stopping = store.clone();
        COMPARING.set(Some(Box::new(move || common::ready(stopping.stop()).expect("it stops"))));
        meddlers.insert(Meddling::draft().value(Meddler(1))).expect("the write had begun");
        COMPARING.set(None);
        assert_eq!(smalls.insert(Small::draft()).expect_err("stopped"), Error::Stopped);
    });
}

// Buckets that are gone, or of another type.

/// Another struct with the name of `Person`'s bucket.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "people")]
struct Stranger {
    #[bucket(key)]
    id: u64,
}

/// Every write that a handle has, with its outcome.
fn all_writes(people: &BucketHandle<Person>) -> Vec<(&'static str, Result<(), Error>)> {
    let good = || Person { id: 50, ..person("Emil", 20, "Brno") };
    vec![
        ("insert", people.insert(good()).map(|_| ())),
        (
            "insert a draft",
            people.insert(Person::draft().name("Emil").email("e@e.cz").age(1).city("Brno")).map(|_| ()),
        ),
        ("insert_many", people.insert_many([good()]).map(|_| ())),
        ("insert_many of none", people.insert_many(Vec::<Person>::new()).map(|_| ())),
        ("upsert", people.upsert(Person { id: 1, ..good() }).map(|_| ())),
        ("update", people.update(&1, Person::patch().age(9)).map(|_| ())),
        ("update of nothing", people.update(&1, Person::patch()).map(|_| ())),
        ("modify", people.modify(&1, |person| person.age = 9).map(|_| ())),
        ("update_many", people.update_many([(1_u64, Person::patch().age(9))]).map(|_| ())),
        ("update_where", people.update_where(Filter::all(), Person::patch().age(9)).map(|_| ())),
        ("delete", people.delete(&1).map(|_| ())),
        ("delete_many", people.delete_many([1_u64]).map(|_| ())),
        ("delete_where", people.delete_where(Filter::all()).map(|_| ())),
        ("clear", people.clear().map(|_| ())),
    ]
}

#[track_caller]
fn all_fail(people: &BucketHandle<Person>, error: &Error) {
    for (write, outcome) in all_writes(people) {
        assert_eq!(outcome, Err(error.clone()), "{write}");
    }
}

#[track_caller]
fn reads_as_empty(people: &BucketHandle<Person>) {
    assert_eq!(
        (people.count(), people.is_empty(), people.all().len(), people.iter().count()),
        (0, true, 0, 0)
    );
    assert_eq!((people.first(3).len(), people.last(3).len()), (0, 0));
    assert_eq!((people.get(&1), people.contains_key(&1)), (None, false));
    assert_eq!(people.require(&1), Err(not_found(1)));
    assert_eq!((people.by_email("anna@example.com"), people.by_city("Brno").len()), (None, 0));
    assert_eq!(
        (people.filter(Person::AGE.ge(1_u8)).collect().len(), people.find_one(Filter::all())),
        (0, None)
    );
    assert_eq!((people.sum(Person::AGE), people.avg(Person::AGE), people.max(Person::AGE)), (0, None, None));
    assert!(people.group_by(Person::CITY).count().is_empty());
    let page = people.paginate(Page::first(5));
    assert_eq!((page.records.len(), page.has_more, page.next_cursor), (0, false, None));
}

#[test]
fn a_handle_to_a_dropped_bucket_reads_as_empty_and_cannot_write() {
    let (store, people) = town();
    let snapshot = store.snapshot();
    store.drop_bucket::<Person>().expect("it is there");
    let version = store.snapshot().version();
    reads_as_empty(&people);
    let error = Error::BucketNotDefined { bucket: "people" };
    all_fail(&people, &error);
    assert_eq!(
        error.to_string(),
        "bucket `people` is not defined: name it at the builder, or call `define_bucket`"
    );
    assert_eq!(store.bucket::<Person>().map(|_| ()), Err(error.clone()));
    assert_eq!(store.drop_bucket::<Person>(), Err(error));
    assert_eq!(store.snapshot().version(), version);
    assert!(store.buckets().is_empty());
    assert_eq!(snapshot.bucket::<Person>().expect("it was there then").count(), 3);
}

#[test]
fn a_handle_works_again_once_its_bucket_is_defined_again() {
    let (store, people) = town();
    store.drop_bucket::<Person>().expect("it is there");
    store.define_bucket::<Person>().expect("it is not there");
    reads_as_empty(&people);
    let anna = people.insert(Person { id: 1, ..person("Anna", 30, "Brno") }).expect("defined again");
    assert_eq!((people.get(&1), people.by_email("anna@example.com")), (Some(anna.clone()), Some(anna)));
}

#[test]
fn a_cursor_of_a_dropped_bucket_gives_an_empty_page() {
    let (store, people) = town();
    let cursor = people.paginate(Page::first(1)).next_cursor.expect("there is more");
    store.drop_bucket::<Person>().expect("it is there");
    let page = people.paginate(Page::first(1).after(cursor)).expect("reads as empty");
    assert_eq!((page.records.len(), page.has_more), (0, false));
}

#[test]
fn a_bucket_of_another_type_is_refused() {
    let (store, people) = town();
    let before = seen(&store, &people);
    let error = Error::SchemaMismatch { bucket: "people", defined: "Person", asked: "Stranger" };
    assert_eq!(store.bucket::<Stranger>().map(|_| ()), Err(error.clone()));
    assert_eq!(store.snapshot().bucket::<Stranger>().map(|_| ()), Err(error.clone()));
    assert_eq!(store.drop_bucket::<Stranger>(), Err(error.clone()));
    assert_eq!(error.to_string(), "bucket `people` holds `Person`, and was asked for as `Stranger`");
    let exists = Error::BucketAlreadyExists { bucket: "people" };
    assert_eq!(store.define_bucket::<Stranger>().map(|_| ()), Err(exists));
    assert_eq!(seen(&store, &people), before);
}

#[test]
fn a_handle_whose_bucket_came_back_with_another_type_reads_as_empty_and_cannot_write() {
    let (store, people) = town();
    store.drop_bucket::<Person>().expect("it is there");
    let strangers = store.define_bucket::<Stranger>().expect("the name is free");
    strangers.insert(Stranger { id: 1 }).expect("good");
    reads_as_empty(&people);
    all_fail(&people, &Error::SchemaMismatch { bucket: "people", defined: "Stranger", asked: "Person" });
    assert_eq!(strangers.count(), 1);
}

#[test]
fn one_name_twice_in_the_builder_is_refused() {
    let error = Error::BucketAlreadyExists { bucket: "people" };
    let twice = ready(Store::builder().bucket::<Person>().bucket::<Person>().start());
    assert_eq!(twice.map(|_| ()), Err(error.clone()));
    let two_types = ready(Store::builder().bucket::<Person>().bucket::<Stranger>().start());
    assert_eq!(two_types.map(|_| ()), Err(error.clone()));
    assert_eq!(error.to_string(), "bucket `people` is already defined");
}

#[test]
fn a_bucket_that_was_never_defined_is_refused() {
    let (store, _) = town();
    assert_eq!(store.bucket::<Small>().map(|_| ()), Err(Error::BucketNotDefined { bucket: "smalls" }));
    assert_eq!(
        store.snapshot().bucket::<Small>().map(|_| ()),
        Err(Error::BucketNotDefined { bucket: "smalls" })
    );
}

// After the end.

#[test]
fn a_stopped_store_refuses_every_write_and_goes_on_reading() {
    let (store, people) = town();
    let before = seen(&store, &people);
    ready(store.stop()).expect("stopped");
    all_fail(&people, &Error::Stopped);
    assert_eq!(store.define_bucket::<Small>().map(|_| ()), Err(Error::Stopped));
    assert_eq!(store.drop_bucket::<Person>(), Err(Error::Stopped));
    assert_eq!(seen(&store, &people), before);
    assert_eq!(
        Error::Stopped.to_string(),
        "the store is stopped, or its last `Store` was dropped: it can be read, not written"
    );
    ready(store.stop()).expect("stopping again does nothing");
    assert_eq!(store.bucket::<Person>().expect("reads go on").count(), 3);
}

// Automatic numbers.

#[test]
fn automatic_numbers_end_with_their_type() {
    let (store, smalls) = store_of::<Small>();
    let all = smalls.insert_many((0..255).map(|_| Small::draft())).expect("they fit");
    assert_eq!((all[0].id, all[254].id), (1, 255));
    let version = store.snapshot().version();
    let error = Error::AutoIncrementExhausted { bucket: "smalls", field: "id", next: 256 };
    assert_eq!(smalls.insert(Small::draft()), Err(error.clone()));
    assert_eq!(smalls.insert(Small::draft()), Err(error.clone()), "and it stays so");
    assert_eq!(smalls.insert_many([Small::draft()]), Err(row(0, error.clone())));
    assert_eq!(
        error.to_string(),
        "bucket `smalls`: the next automatic number 256 does not fit the field `id`"
    );
    assert_eq!((store.snapshot().version(), smalls.count()), (version, 255));
    smalls.delete(&7).expect("deleted");
    assert_eq!(smalls.insert(Small::draft()), Err(error), "numbers are not used again");
    smalls.insert(Small::draft().id(7)).expect("a given number is fine");
}

#[test]
fn a_given_number_moves_the_automatic_ones() {
    let (_store, smalls) = store_of::<Small>();
    let next = || smalls.insert(Small::draft()).expect("there is a number").id;
    assert_eq!(next(), 1);
    smalls.insert(Small::draft().id(40)).expect("free");
    assert_eq!(next(), 41);
    smalls.insert(Small { id: 50, number: 0 }).expect("free");
    assert_eq!(next(), 51);
    smalls.upsert(Small { id: 60, number: 0 }).expect("free");
    assert_eq!(next(), 61);
    smalls.insert(Small::draft().id(20)).expect("free");
    assert_eq!(next(), 62, "a smaller one does not move them back");
}

#[test]
fn a_given_number_moves_the_automatic_ones_of_its_own_batch() {
    let (_store, smalls) = store_of::<Small>();
    let rows =
        smalls.insert_many([Small::draft().id(1), Small::draft(), Small::draft().id(9), Small::draft()]);
    let ids: Vec<u8> = rows.expect("no two are the same").iter().map(|small| small.id).collect();
    assert_eq!(ids, [1, 2, 9, 10]);
}

#[test]
fn a_failed_insert_with_a_given_number_does_not_move_them() {
    let (_store, smalls) = store_of::<Small>();
    smalls.insert(Small { id: 200, number: 0 }).expect("free");
    smalls.delete(&200).expect("deleted");
    assert!(matches!(
        smalls.insert_many([Small::draft().id(255), Small::draft()]),
        Err(Error::Batch { row: 1, .. })
    ));
    assert_eq!(smalls.insert(Small::draft()).map(|small| small.id), Ok(201));
}

#[test]
fn clear_and_delete_do_not_take_numbers_back() {
    let (_store, smalls) = store_of::<Small>();
    smalls.insert_many([Small::draft(), Small::draft()]).expect("good");
    smalls.delete(&2).expect("deleted");
    assert_eq!(smalls.insert(Small::draft()).map(|small| small.id), Ok(3));
    assert_eq!(smalls.clear(), Ok(2));
    assert_eq!(smalls.insert(Small::draft()).map(|small| small.id), Ok(4));
}
