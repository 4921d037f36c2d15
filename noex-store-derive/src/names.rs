//! Cases, and guesses at what a misspelt name should have been.

/// The words of an identifier: split at `_` and where a capital starts a word (`userName`, `HTTPServer`).
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, &letter) in letters.iter().enumerate() {
        let previous = at.checked_sub(1).and_then(|at| letters.get(at));
        let next = letters.get(at + 1);
        let starts_word = letter.is_uppercase()
            && previous.is_some_and(|previous| {
                previous.is_lowercase()
                    || previous.is_numeric()
                    || (previous.is_uppercase() && next.is_some_and(|next| next.is_lowercase()))
            });
        if letter == '_' || starts_word {
            words.push(String::new());
        }
        if letter != '_'
            && let Some(word) = words.last_mut()
        {
            word.push(letter);
        }
    }
    words
}

/// `HttpServer` → `http_server`.
pub(crate) fn snake(name: &str) -> String {
    words(name).join("_").to_lowercase()
}

/// `http_server`, `httpServer` → `HTTP_SERVER`. Leading and doubled underscores stay.
pub(crate) fn screaming(name: &str) -> String {
    words(name).join("_").to_uppercase()
}

/// The candidate that `name` was most likely meant to be.
pub(crate) fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-'], "");
    let wanted = plain(name);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(name.len()) / 3).max(1))
        .filter(|(distance, _)| *distance < wanted.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A sentence for the end of a message: `: did you mean `x`?`, or nothing.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    closest(name, candidates).map_or_else(String::new, |close| format!(", did you mean `{close}`?"))
}

/// `` `a`, `b`, `c` ``.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost one.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let substituted = previous[j] + usize::from(a[i] != b[j]);
            let mut cost = substituted.min(previous[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{closest, screaming, snake};

    #[test]
    fn cases() {
        assert_eq!(snake("User"), "user");
        assert_eq!(snake("HTTPServer2Log"), "http_server2_log");
        assert_eq!(screaming("user_name"), "USER_NAME");
        assert_eq!(screaming("userName"), "USER_NAME");
        assert_eq!(screaming("_id"), "_ID");
        assert_eq!(screaming("a1"), "A1");
    }

    #[test]
    fn guesses() {
        let known = ["key", "unique", "index", "min", "max", "min_length"];
        assert_eq!(closest("uniqe", known), Some("unique"));
        assert_eq!(closest("idnex", known), Some("index"));
        assert_eq!(closest("minLength", known), Some("min_length"));
        assert_eq!(closest("zebra", known), None);
        assert_eq!(closest("x", known), None);
    }
}
