//! What to say of a name that no annotation has.

use super::args::Item;
use crate::names::{closest, listed};

/// Words of other libraries, and what they are called here.
const ALIASES: [(&str, &str); 22] = [
    ("id", "key"),
    ("pk", "key"),
    ("primary", "key"),
    ("primary_key", "key"),
    ("auto", "generated"),
    ("generate", "generated"),
    ("enum", "one_of"),
    ("allowed", "one_of"),
    ("choices", "one_of"),
    ("regex", "pattern"),
    ("matches", "pattern"),
    ("foreign_key", "references"),
    ("ref", "references"),
    ("belongs_to", "references"),
    ("custom", "validate"),
    ("check", "validate"),
    ("len", "max_length"),
    ("rename", "name"),
    ("table", "name"),
    ("bucket", "name"),
    ("capacity", "max_size"),
    ("expires", "ttl"),
];

/// The annotation that was most likely meant.
pub(super) fn guess<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let alias = ALIASES.iter().find(|(from, _)| *from == name).map(|(_, to)| *to);
    known.iter().copied().find(|known| alias == Some(*known)).or_else(|| closest(name, known.iter().copied()))
}

/// The error for a name that is not known here. `known` are those of this place, `other` those of the other place.
pub(super) fn unknown(
    item: &Item<'_>,
    place: &str,
    known: &[&str],
    other_place: &str,
    other: &[&str],
) -> syn::Error {
    let name = item.name.to_string();
    if other.contains(&name.as_str()) {
        return item.error(
            format!("`{name}` belongs on the {other_place}, not on a {place}")
                .replace("the field", "a field"),
        );
    }
    if name == "required" || name == "optional" {
        return item.error(format!(
            "unknown attribute `{name}`: a field is required unless it is an `Option`, generated, or has a `default`"
        ));
    }
    let guess = guess(&name, known).map_or_else(String::new, |close| format!(", did you mean `{close}`?"));
    let end = if guess.is_empty() { "." } else { "" };
    item.error(format!(
        "unknown attribute `{name}`{guess}{end} A {place} takes: {}",
        listed(known.iter().copied())
    ))
}
