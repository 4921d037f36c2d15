//! What a person types to filter records.
//!
//! ```text
//! words           the record's JSON has them somewhere
//! "a = b"         the same, whatever signs there are
//! age >= 18       a field and a value, by = != < <= > >= or ~ (has the text in it)
//! address.city = Praha and age < 30
//! name = "Adam and Eve"
//! ```

use std::cmp::Ordering;

use serde_json::Value;

use crate::schema::Schema;

/// A condition on the JSON of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// The JSON has this text in it, in whatever case.
    Text(String),
    /// All of these hold.
    Fields(Vec<Field>),
}

/// A condition on one field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    path: Vec<String>,
    op: Op,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Ne,
    Le,
    Ge,
    Eq,
    Lt,
    Gt,
    Has,
}

/// The longer ones first.
const OPS: [(&str, Op); 7] = [
    ("!=", Op::Ne),
    ("<=", Op::Le),
    (">=", Op::Ge),
    ("=", Op::Eq),
    ("<", Op::Lt),
    (">", Op::Gt),
    ("~", Op::Has),
];

impl Condition {
    /// # Errors
    /// A field that the bucket has not, in words for whoever typed it.
    pub(super) fn read(text: &str, schema: &Schema) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(quoted) = serde_json::from_str::<String>(text) {
            return Ok(Self::Text(quoted.to_lowercase()));
        }
        if !text.contains(['=', '<', '>', '~']) {
            return Ok(Self::Text(text.to_lowercase()));
        }
        let fields: Result<_, String> =
            parts(text).into_iter().map(|part| Field::read(part, schema)).collect();
        fields.map(Self::Fields)
    }

    /// Whether a record has what is asked for; `json` is its text.
    pub(super) fn holds(&self, json: &str) -> bool {
        match self {
            Self::Text(text) => text.is_empty() || json.to_lowercase().contains(text),
            Self::Fields(fields) => {
                let Ok(record) = serde_json::from_str::<Value>(json) else { return false };
                fields.iter().all(|field| field.holds(&record))
            }
        }
    }
}

/// What stands between the `and`s that are not quoted.
fn parts(text: &str) -> Vec<&str> {
    const AND: &str = " and ";
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, sign) in text.char_indices() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted && at >= start && text[at..].starts_with(AND) => {
                parts.push(&text[start..at]);
                start = at + AND.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

impl Field {
    fn read(text: &str, schema: &Schema) -> Result<Self, String> {
        let place = |(sign, op): &(&str, Op)| text.find(sign).map(|at| (at, *op, sign.len()));
        // The first in the text; of those the longest.
        let found = OPS.iter().filter_map(place).min_by_key(|(at, _, length)| (*at, usize::MAX - length));
        let Some((at, op, length)) = found else {
            return Err(format!(
                "`{}` is no condition: write a field, one of = != < <= > >= ~, and a value",
                text.trim()
            ));
        };
        let path: Vec<String> = text[..at].trim().split('.').map(str::to_owned).collect();
        if path.first().is_none_or(|first| schema.field(first).is_none()) {
            let fields: Vec<_> = schema.fields.iter().map(|field| field.name).collect();
            return Err(format!(
                "bucket `{}` has no field `{}`; it has {}",
                schema.name,
                path.join("."),
                fields.join(", ")
            ));
        }
        let value = text[at + length..].trim();
        // What is no JSON is text that needs no quotes.
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        Ok(Self { path, op, value })
    }

    fn holds(&self, record: &Value) -> bool {
        let own = self.path.iter().try_fold(record, |value, name| value.get(name)).unwrap_or(&Value::Null);
        let order = compare(own, &self.value);
        match self.op {
            Op::Eq => order == Some(Ordering::Equal),
            Op::Ne => order != Some(Ordering::Equal),
            Op::Lt => order == Some(Ordering::Less),
            Op::Le => order.is_some_and(Ordering::is_le),
            Op::Gt => order == Some(Ordering::Greater),
            Op::Ge => order.is_some_and(Ordering::is_ge),
            Op::Has => plain(own).to_lowercase().contains(&plain(&self.value).to_lowercase()),
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Numbers by size, texts by their letters, whatever else for equality alone.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        // `id = 7`, where ids are text.
        (Value::String(a), b @ (Value::Number(_) | Value::Bool(_))) => Some(a.as_str().cmp(&b.to_string())),
        (a, b) => (a == b).then_some(Ordering::Equal),
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::bucket::Bucket;

    #[derive(noex_store_derive::Bucket, Clone, Debug, Serialize, Deserialize)]
    #[bucket(name = "things", crate = crate)]
    struct Thing {
        #[bucket(key)]
        id: u64,
        code: String,
        place: Option<serde_json::Value>,
        note: String,
    }

    const RECORD: &str = r#"{"id":12,"code":"7","place":{"city":"Plzeň","height":310.5},"note":"salt and \"pepper\" and = <"}"#;

    fn holds(text: &str) -> bool {
        Condition::read(text, Thing::schema()).expect(text).holds(RECORD)
    }

    #[test]
    fn fields_are_compared_by_their_kind() {
        for yes in [
            "id = 12",
            "id>=12",
            "id < 100",
            "id != 13",
            "code = 7",
            "code = \"7\"",
            "place.city ~ plz",
            "place.height > 300",
            "place.height <= 310.5 and id > 11",
            "place.country = null",
            "place != null",
            "",
            "plzeň",
            "\"id\":12",
            "\"PLZEŇ\"",
            "note = \"salt and \\\"pepper\\\" and = <\" and id = 12",
            "note ~ \" and \\\"p\"",
            "\"and = <\"",
        ] {
            assert!(holds(yes), "{yes}");
        }
        for no in [
            "id = 13",
            "id > 12",
            "id > twelve",
            "code < 5",
            "place.city = plz",
            "id=12 and id=13",
            "prague",
            "\"id = 12\"",
        ] {
            assert!(!holds(no), "{no}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let told = |text| Condition::read(text, Thing::schema()).unwrap_err();
        assert_eq!(told("name = 1"), "bucket `things` has no field `name`; it has id, code, place, note");
        assert_eq!(
            told("id = 1 and code"),
            "`code` is no condition: write a field, one of = != < <= > >= ~, and a value"
        );
    }
}
