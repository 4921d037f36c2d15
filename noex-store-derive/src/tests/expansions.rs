//! The generated code: it parses for every kind of bucket, and that of one small bucket is reviewed as a whole.

use super::{derive, pretty};

const USER: &str = r#"
#[bucket(name = "users", index(role, age), validate = check_user)]
pub struct User {
    #[bucket(key, generated = "uuid")] pub id: Uuid,
    #[bucket(min_length = 1, max_length = 200)] pub name: String,
    #[bucket(unique, format = "email")] pub email: String,
    #[bucket(index, default = Role::User)] pub role: Role,
    #[bucket(index, min = 0, max = 150)] pub age: Option<u8>,
    #[bucket(index(each), default)] pub tags: Vec<String>,
    #[bucket(pattern = "^[A-Z]{2}$", one_of = ["CZ", "DE"], default = "CZ")] pub country: String,
}"#;

const SMALL: &str = r#"
#[bucket(name = "orders", index(customer, code), unique(customer, tags))]
pub struct Order {
    #[bucket(key, generated = "autoincrement")]
    pub id: u64,
    #[bucket(references = Customer)]
    pub customer: Uuid,
    #[bucket(min = 0.0)]
    pub total: f64,
    #[bucket(unique)]
    pub code: String,
    #[bucket(index(each))]
    pub tags: Option<Vec<String>>,
}"#;

const OTHERS: [&str; 8] = [
    "struct OnlyKey { #[bucket(key)] id: u8 }",
    r#"pub(crate) struct Raw { #[bucket(key)] pub(crate) r#type: String, #[bucket(index)] pub(super) r#fn: u8,
        #[bucket(unique)] r#match: Option<u8> }"#,
    r#"#[bucket(crate = my::store, persistent = false, ttl = 5000, max_size = 7, evict = "lru")]
       struct Other { #[bucket(key, index)] id: ::std::string::String, at: ::std::option::Option<SystemTime>,
        #[bucket(generated = "autoincrement")] n: Option<u32>, #[bucket(min = A + B, max = Money(3))] m: Money,
        #[bucket(one_of = [1, 2])] k: u8, #[bucket(one_of = [A, B])] s: String, #[bucket(one_of = [Role::A])] r: Role }"#,
    r#"#[bucket(index(a, b), index(b, a), index(a, b, c, d, e, f))]
       struct Six { #[bucket(key)] id: u8, a: u8, b: Option<u8>, c: String, d: i8, e: char, f: bool }"#,
    r#"struct Defaults { #[bucket(key)] id: u8, #[bucket(default = { let x = 1; x })] a: i32,
        #[bucket(default = "x".into())] b: String, #[bucket(default = ["a", "b"])] c: Vec<String>,
        #[bucket(default = -1)] d: i8, #[bucket(default = 5)] e: Option<u8>, #[bucket(default)] f: Option<u8>,
        #[bucket(default = HashMap::<K, V>::new())] g: HashMap<K, V>, #[bucket(default = || 1, index)] h: F }"#,
    r#"struct Floats { #[bucket(key)] id: u8, a: Vec<f64>, b: [f32; 3], #[bucket(allow_non_finite)] c: f64,
        d: HashMap<String, f64>, e: Option<f64> }"#,
    "struct camelCase { #[bucket(key)] userId: u8, _private: u8 }",
    r#"#[serde(rename_all = "camelCase")] struct Renamed { #[bucket(key)] user_id: u8,
        #[serde(rename = "n", default)] the_name: String, #[serde(default, skip)] #[bucket(default)] lost: u8 }"#,
];

#[test]
fn expansions_parse() {
    for source in [USER, SMALL].iter().chain(&OTHERS) {
        assert!(!pretty(source).is_empty());
    }
}

/// Set `UPDATE_EXPANSION=1` to write the reviewed expansion anew, and review the difference.
#[test]
fn expansion_is_the_reviewed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/order.expanded.rs.txt");
    let expansion = pretty(SMALL);
    if std::env::var_os("UPDATE_EXPANSION").is_some() {
        std::fs::write(path, &expansion).expect("the snapshot can be written");
    }
    let reviewed = std::fs::read_to_string(path).expect("the snapshot can be read");
    assert_eq!(expansion, reviewed, "review the change, then run the test with UPDATE_EXPANSION=1");
}

#[test]
fn names_come_from_fields() {
    let code = pretty(OTHERS[1]);
    for part in [
        "pub(crate) const TYPE: ::noex_store::Field<Raw, String>",
        "pub(super) const FN:",
        "name: \"type\"",
        "fn r#type(",
        "fn by_fn(",
        "fn by_match(",
        "fn clear_match(",
        "pub(crate) mod raw_draft_needs",
    ] {
        assert!(code.contains(part), "{part} is not in {code}");
    }
}

#[test]
fn stored_names_are_serdes() {
    let code = pretty(OTHERS[7]);
    for part in ["name: \"userId\"", "rust_name: \"user_id\"", "name: \"n\"", "rust_name: \"the_name\""] {
        assert!(code.contains(part), "{part} is not in {code}");
    }
}

#[test]
fn the_default_bucket_name_is_the_structs() {
    assert!(pretty(OTHERS[0]).contains("const NAME: &'static str = \"only_key\""));
}

#[test]
fn the_runtime_may_stand_anywhere() {
    let code = pretty(OTHERS[2]);
    assert!(code.contains("my::store::__private::Definition"));
    assert!(!code.contains("noex_store"));
}

#[test]
fn wrong_rules_are_left_out() {
    let (items, errors) =
        derive("struct A { #[bucket(key)] id: u8, #[bucket(pattern = \"(\", min_length = 2)] name: String }");
    assert_eq!(errors.len(), 1);
    let code = items.to_string();
    assert!(code.contains("min_length") && !code.contains("Pattern") && !code.contains("stub"));
}
