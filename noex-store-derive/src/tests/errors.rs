//! A message for each mistake: what it says, where it points, and that it is the only one.

use super::errors;

/// The struct has exactly one error, whose message contains `message`, at the text `at`.
#[track_caller]
fn one(source: &str, message: &str, at: &str) {
    let found = errors(source);
    let [(text, place)] = found.as_slice() else {
        panic!("expected one error: {message}\nfound: {found:#?}")
    };
    assert!(text.contains(message), "expected: {message}\nfound:    {text}");
    assert_eq!(place, at, "{text}");
}

/// Like [`one`], for a field beside a key.
#[track_caller]
fn field(field: &str, message: &str, at: &str) {
    one(&format!("struct A {{ #[bucket(key)] id: u64, {field} }}"), message, at);
}

/// Like [`one`], for annotations of a struct with the fields `id`, `role`, `age`.
#[track_caller]
fn bucket(attributes: &str, message: &str, at: &str) {
    let fields = "#[bucket(key)] id: u64, role: u8, age: u8, a: u8, b: u8, c: u8, d: u8, e: u8";
    one(&format!("#[bucket({attributes})] struct A {{ {fields} }}"), message, at);
}

#[track_caller]
fn good(source: &str) {
    assert_eq!(errors(source), []);
}

#[test]
fn shapes() {
    one("enum A { B }", "an enum cannot be a bucket", "enum");
    one("union A { b: u8 }", "a union cannot be a bucket", "union");
    one("struct A(u8);", "a tuple struct cannot be a bucket", "A");
    one("struct A;", "a unit struct cannot be a bucket", "A");
    one("struct A {}", "a bucket needs a key: add a field", "A");
    one("struct A<T> { #[bucket(key)] id: T }", "generic and borrowed structs are not supported", "T");
    one(
        "struct A<'a> { #[bucket(key)] id: &'a str }",
        "generic and borrowed structs are not supported",
        "'a",
    );
    one("struct A<const N: usize> { #[bucket(key)] id: [u8; N] }", "generic and borrowed", "N");
    one("struct A where u8: Copy { #[bucket(key)] id: u8 }", "generic and borrowed", "where");
    field("name: &'static str", "`&'static str` is borrowed: use `String`", "&'static str");
    field("name: Option<&'static [u8]>", "use `Vec<u8>`", "Option<&'static [u8]>");
}

#[test]
fn keys() {
    one("struct A { id: u8, name: u8 }", "the bucket has no key: mark `id` with `#[bucket(key)]`", "A");
    one("struct A { name: u8 }", "mark the field that identifies a record", "A");
    field("#[bucket(key)] other: u8", "a bucket has one key, and `id` is it", "key");
    one("struct A { #[bucket(key)] id: Option<u8> }", "use `u8` instead of the `Option`", "Option<u8>");
    one(
        "struct A { #[bucket(key)] id: ::core::option::Option<u8> }",
        "never missing",
        "::core::option::Option<u8>",
    );
    one("struct A { #[bucket(key)] id: f64 }", "floating-point numbers are neither `Eq` nor `Ord`", "f64");
    one("struct A { #[bucket(key, unique)] id: u8 }", "a key is unique by itself: remove `unique`", "unique");
    one("struct A { #[bucket(key, default)] id: u8 }", "a key has no default", "default");
    one("struct A { #[bucket(primary_key)] id: u8 }", "did you mean `key`?", "primary_key");
    good("struct A { #[bucket(key, index)] id: u8 }");
}

#[test]
fn attribute_syntax() {
    field("#[bucket] a: u8", "takes a list in parentheses", "bucket");
    field("#[bucket = \"key\"] a: u8", "takes a list in parentheses", "bucket = \"key\"");
    field("#[bucket(uniqe)] a: u8", "unknown attribute `uniqe`, did you mean `unique`?", "uniqe");
    field("#[bucket(zebra)] a: u8", "unknown attribute `zebra`. A field takes: `key`, `generated`", "zebra");
    field("#[bucket(regex = \"a\")] a: u8", "did you mean `pattern`?", "regex");
    field("#[bucket(ttl = \"3m\")] a: u8", "`ttl` belongs on the struct, not on a field", "ttl");
    bucket("pattern = \"x\"", "`pattern` belongs on a field, not on a struct", "pattern");
    bucket("naem = \"a\"", "did you mean `name`?", "naem");
    field("#[bucket(required)] a: u8", "a field is required unless", "required");
    field("#[bucket(unique, unique)] a: u8", "`unique` is given twice", "unique");
    field("#[bucket(unique)] #[bucket(unique)] a: u8", "`unique` is given twice", "unique");
    bucket("name = \"a\", name = \"b\"", "`name` is given twice", "name");
    field("#[bucket(unique = true)] a: u8", "`unique` takes no value", "=");
    field("#[bucket(min)] a: u8", "`min` needs a value: write `min = 0`", "min");
    field("#[bucket(min =)] a: u8", "`min` needs a value", "=");
    field("#[bucket(min(3))] a: u8", "`min` needs a value", "(");
    field("#[bucket(unique index)] a: u8", "expected `,`", "index");
    field("#[bucket(\"unique\")] a: u8", "expected the name of an attribute", "\"unique\"");
    field("#[bucket(pattern = 3)] a: String", "`pattern` takes a string literal, not `3`", "3");
    field("#[bucket(min_length = \"3\")] a: String", "takes a whole number", "\"3\"");
    field("#[bucket(min_length = -3)] a: String", "takes a whole number that is not negative", "-3");
    field("#[bucket(min_length = 3u8)] a: String", "without a suffix", "3u8");
    field(
        "#[bucket(generated = \"uid\")] a: Uuid",
        "unknown value `uid` of `generated`, did you mean `uuid`?",
        "\"uid\"",
    );
    field("#[bucket(format = \"phone\")] a: String", "It is one of: `email`, `url`, `iso-date`", "\"phone\"");
    field("#[bucket(index(all))] a: Vec<u8>", "`index(each)`", "all");
    field("#[bucket(index = 3)] a: u8", "`index` takes no value", "=");
    field("#[bucket(references = \"User\")] a: u8", "without quotes: write `references = User`", "\"User\"");
    field("#[bucket(references = 3)] a: u8", "takes the struct of another bucket", "3");
    field("#[bucket(validate = \"check\")] a: u8", "takes the path of a function", "\"check\"");
    bucket("validate = |_| Ok(())", "takes the path of a function", "|_| Ok(())");
    bucket("crate = \"x\"", "`crate` takes a path, without quotes", "\"x\"");
    bucket("persistent = 1", "takes `true` or `false`", "1");
}

#[test]
fn all_errors_at_once() {
    let found = errors(
        r#"#[bucket(ttl = "x", nme = "a")] struct A { id: u8, #[bucket(min = 3, foo, max = 1)] a: u8,
           #[bucket(pattern = "(", uniqe, min_length = 4)] b: String, c: &'static str }"#,
    );
    let places: Vec<&str> = found.iter().map(|(_, place)| place.as_str()).collect();
    assert_eq!(places, ["\"x\"", "nme", "foo", "uniqe", "A", "3", "\"(\"", "&'static str"]);
}

#[test]
fn bucket_names() {
    bucket("name = \"\"", "the bucket's name is empty", "\"\"");
    bucket("name = \"a.b\"", "contains `.`", "\"a.b\"");
    bucket("name = \"a/b\"", "contains `/`", "\"a/b\"");
    let long = "a".repeat(65);
    bucket(&format!("name = \"{long}\""), "has 65 characters, more than 64", &format!("\"{long}\""));
    one("struct Ö { #[bucket(key)] id: u8 }", "give it one, `#[bucket(name = \"…\")]`", "Ö");
    good("#[bucket(name = \"a-b_C1\")] struct A { #[bucket(key)] id: u8 }");
}

#[test]
fn lifetimes_and_sizes() {
    bucket(
        "ttl = \"30 minutes\"",
        "is not a time to live; a time to live is a number with a unit",
        "\"30 minutes\"",
    );
    bucket("ttl = 0", "at least one millisecond", "0");
    bucket("ttl = 1.5", "a time to live is a number with a unit", "1.5");
    bucket("ttl = \"999999999999999999d\"", "longer than can be counted", "\"999999999999999999d\"");
    bucket("max_size = 0", "at least 1", "0");
    bucket("max_size = \"9\"", "takes a whole number", "\"9\"");
    bucket("evict = \"lru\"", "add `max_size = 10_000`, or remove `evict`", "evict");
    bucket("max_size = 3, evict = \"oldst\"", "did you mean `oldest`?", "\"oldst\"");
}

#[test]
fn indexes() {
    bucket("index(rol, age)", "the struct has no field `rol`, did you mean `role`?", "rol");
    bucket("index(role, role)", "`role` is given here twice", "role");
    bucket("index(role)", "write `#[bucket(index)]` on `role`", "role");
    bucket("index()", "an index needs fields", "index");
    bucket("index", "takes the names of its fields", "index");
    bucket("index(id, role, age, a, b, c, d)", "at most 6 fields", "d");
    bucket("index(role, age), index(role, age)", "this index is given twice", "index");
    good("#[bucket(index(a, b), index(b, a))] struct A { #[bucket(key)] id: u8, a: u8, b: u8 }");
    bucket("unique(rol, age)", "the struct has no field `rol`, did you mean `role`?", "rol");
    bucket("unique(role, role)", "`role` is given here twice", "role");
    bucket("unique(role)", "write `#[bucket(unique)]` on `role`", "role");
    bucket("unique()", "a unique rule needs fields: write `unique(first_field, second_field)`", "unique");
    bucket("unique", "takes the names of its fields", "unique");
    bucket("unique(role, id)", "`id` is unique alone", "id");
    bucket("unique(role, age), unique(age, role)", "unique together twice", "unique");
    good("#[bucket(index(a, b), unique(a, b))] struct A { #[bucket(key)] id: u8, a: u8, b: u8 }");
    for ty in ["String", "u8", "bool", "Option<String>", "Uuid", "HashMap<u8, u8>"] {
        field(&format!("#[bucket(index(each))] a: {ty}"), "write `index`", "index");
    }
    good("struct A { #[bucket(key)] id: u8, #[bucket(index)] a: Vec<u8>, #[bucket(index(each))] b: Tags }");
    one(
        "#[bucket(index(a, b))] struct A { #[bucket(key)] id: u8, a: u8, b: u8, #[bucket(index)] a_and_b: u8 }",
        "two indexes would both be read by `by_a_and_b`",
        "index",
    );
}

#[test]
fn floats_have_no_index() {
    for (attribute, ty) in
        [("index", "f64"), ("index", "Option<f32>"), ("index(each)", "Vec<f64>"), ("index(each)", "f64")]
    {
        field(&format!("#[bucket({attribute})] a: {ty}"), "have no total order; use an integer", "index");
    }
    field("#[bucket(unique)] a: f64", "are not `Eq`; use an integer", "unique");
    one(
        "#[bucket(index(role, total))] struct A { #[bucket(key)] id: u8, role: u8, total: f64 }",
        "`total` cannot be in an index: it is `f64`",
        "total",
    );
}

#[test]
fn generated() {
    field("#[bucket(generated = \"uuid\")] a: u32", "needs `Uuid` or `String`, and this is `u32`", "u32");
    field("#[bucket(generated = \"cuid\")] a: Uuid", "needs `String`", "Uuid");
    field("#[bucket(generated = \"autoincrement\")] a: String", "needs an integer", "String");
    field("#[bucket(generated = \"timestamp\")] a: u32", "needs `u64`, `i64`", "u32");
    field("#[bucket(generated = \"uuid\", default)] a: Uuid", "its default would never be used", "default");
    for (kind, ty) in
        [("uuid", "Mine"), ("uuid", "Option<String>"), ("timestamp", "SystemTime"), ("autoincrement", "i128")]
    {
        good(&format!("struct A {{ #[bucket(key)] id: u8, #[bucket(generated = \"{kind}\")] a: {ty} }}"));
    }
}

#[test]
fn limits() {
    field("#[bucket(min = 5, max = 3)] a: u8", "`min` is greater than `max` (5 > 3)", "5");
    field("#[bucket(min = -1, max = -2)] a: i8", "`min` is greater than `max` (-1 > -2)", "-1");
    field("#[bucket(min = 1_000, max = 10u16)] a: u16", "greater than `max`", "1_000");
    field("#[bucket(min = 1.5, max = 1.0)] a: f64", "greater than `max`", "1.5");
    field("#[bucket(max = 300)] a: u8", "out of range for `u8`: it takes 0 to 255", "300");
    field("#[bucket(min = -1)] a: Option<u32>", "out of range for `u32`", "-1");
    field("#[bucket(min = -129)] a: i8", "it takes -128 to 127", "-129");
    field("#[bucket(min = 0)] a: f64", "the field is `f64`: write `0.0`", "0");
    field("#[bucket(min = 1.5)] a: u8", "the field is `u8`: write `1`", "1.5");
    field("#[bucket(min = 1)] a: String", "for its length use `min_length` and `max_length`", "min");
    field("#[bucket(max = 1)] a: Vec<u8>", "for the number of items use `min_length`", "max");
    field("#[bucket(max = true)] a: bool", "`bool` is a `bool`: remove it", "max");
    good(
        "struct A { #[bucket(key)] id: u8, #[bucket(min = LOW, max = HIGH)] a: u8, #[bucket(min = 3)] b: Money }",
    );
}

#[test]
fn text_rules() {
    field("#[bucket(min_length = 5, max_length = 3)] a: String", "greater than `max_length` (5 > 3)", "5");
    field("#[bucket(min_length = 5)] a: u8", "`u8` is an integer: use `min`", "min_length");
    field("#[bucket(max_length = 5)] a: bool", "remove it", "max_length");
    field("#[bucket(pattern = \"(\")] a: String", "unclosed group", "\"(\"");
    field("#[bucket(pattern = \"a\")] a: u8", "`pattern` checks text, and `u8` is an integer", "pattern");
    field("#[bucket(format = \"email\")] a: Vec<u8>", "`format` checks text", "format");
    field("#[bucket(format = \"email\")] a: bool", "`format` checks text", "format");
    field("#[bucket(allow_non_finite)] a: u8", "`allow_non_finite` is for `f32`, `f64`", "allow_non_finite");
    good("struct A { #[bucket(key)] id: u8, #[bucket(pattern = \"a\", min_length = 1)] a: Vec<String> }");
}

#[test]
fn lists_of_values() {
    field("#[bucket(one_of = [])] a: u8", "refuses every value", "[]");
    field("#[bucket(one_of = 3)] a: u8", "takes a list in brackets", "3");
    field("#[bucket(one_of = [1, 2, 0x1])] a: u8", "`0x1` is listed twice", "0x1");
    field("#[bucket(one_of = [\"a\", \"a\"])] a: String", "listed twice", "\"a\"");
    field("#[bucket(one_of = [\"a\"])] a: u8", "`\"a\"` is text, and the field is `u8`", "\"a\"");
    field("#[bucket(one_of = [1])] a: String", "`1` is a number, and the field is `String`", "1");
    field("#[bucket(one_of = [1])] a: f64", "write `1.0`", "1");
    field("#[bucket(one_of = [300])] a: u8", "out of range", "300");
    field("#[bucket(one_of = [true])] a: Vec<String>", "is a `bool`", "true");
    field("#[bucket(one_of = [1, 9], max = 5)] a: u8", "is greater than the field's `max = 5`", "9");
    field(
        "#[bucket(one_of = [\"a\", \"bcd\"], max_length = 2)] a: String",
        "more than the field's `max_length = 2`",
        "\"bcd\"",
    );
    field("#[bucket(one_of = [\"a\", \"B\"], pattern = \"^[a-z]$\")] a: String", "does not match", "\"B\"");
    good(
        "struct A { #[bucket(key)] id: u8, #[bucket(one_of = [\"a\"])] a: Vec<String>, #[bucket(one_of = [B::C])] b: B }",
    );
}

#[test]
fn defaults() {
    field(
        "#[bucket(default = 9, max = 5)] a: u8",
        "the default, `9`, is greater than the field's `max = 5`",
        "9",
    );
    field("#[bucket(default = -9, min = -5)] a: Option<i8>", "is less than the field's `min = -5`", "-9");
    field("#[bucket(default = 300)] a: u8", "out of range", "300");
    field("#[bucket(default = \"\", min_length = 1)] a: String", "has 0 characters, less than", "\"\"");
    field("#[bucket(default = \"ab\", max_length = 1)] a: String", "has 2 characters, more than", "\"ab\"");
    field("#[bucket(default = \"cz\", pattern = \"^[A-Z]{2}$\")] a: String", "does not match", "\"cz\"");
    field(
        "#[bucket(default = \"US\", one_of = [\"CZ\", \"DE\"])] a: String",
        "is not one of the field's `one_of`: \"CZ\", \"DE\"",
        "\"US\"",
    );
    field("#[bucket(default = 3, one_of = [1, 2])] a: u8", "is not one of", "3");
    field("#[bucket(default = \"me\", format = \"email\")] a: String", "is not an e-mail address", "\"me\"");
    field("#[bucket(default = \"x.org\", format = \"url\")] a: String", "URL", "\"x.org\"");
    field("#[bucket(default = \"today\", format = \"iso-date\")] a: String", "date", "\"today\"");
    field("#[bucket(default = 1)] a: String", "`1` is a number, and the field is `String`", "1");
    field("#[bucket(default = 1)] a: f64", "write `1.0`", "1");
    field("#[bucket(default = true)] a: u8", "is a `bool`", "true");
    good(
        "struct A { #[bucket(key)] id: u8, #[bucket(default = \"CZ\", one_of = [\"CZ\", X])] a: String,
          #[bucket(default = 3)] b: Option<u8>, #[bucket(default = LIMIT, max = 3)] c: u8 }",
    );
}

#[test]
fn names_that_collide() {
    field("a_b: u8, aB: u8", "`a_b` and `aB` would both have the constant `A_B`", "aB");
    field("a: Option<u8>, clear_a: u8", "would both be `clear_a`", "a");
    field("a: Option<u8>, maybe_a: u8", "would both be `maybe_a`", "a");
    good(
        "struct A { #[bucket(key)] id: u8, draft: u8, patch: u8, build: u8, apply: u8, rest: u8, it: u8, fill: u8 }",
    );
}

#[test]
fn stored_names() {
    field("a: u8, #[serde(rename = \"a\")] b: u8", "`a` and `b` are both stored as `a`", "\"a\"");
    field("#[serde(rename = \"_version\")] a: u8", "`_version` cannot be a stored name", "\"_version\"");
    field("_version: u8", "cannot be a stored name", "_version");
    field("#[serde(flatten)] a: Other", "`flatten` is not supported", "flatten");
    field("#[serde(skip)] a: u8", "`a` would be lost when the bucket is saved, because of `skip`", "skip");
    one(
        "struct A { #[serde(skip_serializing)] #[bucket(key)] id: u8 }",
        "the key would be lost",
        "skip_serializing",
    );
    one(
        "struct A { #[serde(default, skip_serializing_if = \"f\")] #[bucket(key)] id: u8 }",
        "the key would be lost",
        "skip_serializing_if",
    );
    field(
        "#[serde(rename(serialize = \"x\", deserialize = \"y\"))] a: u8",
        "written as `x` and read as `y`",
        "\"x\"",
    );
    let left_out = "saved without `a`, because of `skip_serializing_if`, could not be read";
    field("#[serde(skip_serializing_if = \"f\")] a: Vec<u8>", left_out, "skip_serializing_if");
    field(
        "#[serde(with = \"g\", skip_serializing_if = \"f\")] a: Option<u8>",
        left_out,
        "skip_serializing_if",
    );
    good(
        "#[bucket(persistent = false)] struct A { #[serde(skip)] #[bucket(key)] id: u8, #[serde(skip)] a: u8,
          #[serde(skip_serializing_if = \"f\")] b: u8 }",
    );
    good("#[serde(default)] struct A { #[bucket(key)] id: u8, #[serde(skip_serializing_if = \"f\")] b: u8 }");
    good("struct A { #[bucket(key)] id: u8, #[serde(skip)] a: Option<u8>, #[serde(skip)] #[bucket(default)] b: u8,
          #[serde(rename(serialize = \"x\", deserialize = \"y\"), alias = \"x\")] c: u8,
          #[serde(default = \"f\", with = \"g\", skip_serializing_if = \"Option::is_none\")] d: Option<u8>,
          #[serde(skip_serializing_if = \"Option::is_none\")] e: Option<u8>,
          #[serde(skip_serializing_if = \"f\", default)] f: u8 }");
}
