//! Patterns of topics, and the tree in which those that match a topic are found without a look at the others.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::event::EventKind;
use crate::error::Error;

/// A pattern of topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Word(String),
    /// Any one part.
    Any,
    /// One part or more, up to the end.
    Rest,
}

/// Why a pattern of topics was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternFault {
    /// A part between two dots is empty.
    EmptyPart,
    /// A `*` is only a piece of its part.
    PartialWildcard,
    /// A `**` is followed by something.
    RestBeforeEnd,
    /// No topic can match: it does not start with `bucket`.
    NoBucket,
    /// No topic can match: its last part is no kind of event.
    NoKind,
    /// No topic can match: it has more or less than three parts.
    Parts,
}

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyPart => "a part of it is empty",
            Self::PartialWildcard => "a `*` stands for a whole part, and is only a piece of one here",
            Self::RestBeforeEnd => "a `**` stands for all that follows, and must be the last part",
            Self::NoBucket => "its first part must be `bucket` or `*`",
            Self::NoKind => "its last part must be `inserted`, `updated`, `deleted` or `*`",
            Self::Parts => "it must have three parts, or end with `**`",
        })
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = |reason| Error::InvalidPattern { pattern: text.to_owned(), reason };
        let mut parts = Vec::new();
        for part in text.split('.') {
            if parts.last() == Some(&Part::Rest) {
                return Err(fault(PatternFault::RestBeforeEnd));
            }
            parts.push(match part {
                "" => return Err(fault(PatternFault::EmptyPart)),
                "*" => Part::Any,
                "**" => Part::Rest,
                word if word.contains('*') => return Err(fault(PatternFault::PartialWildcard)),
                word => Part::Word(word.to_owned()),
            });
        }
        if matches!(&parts[0], Part::Word(word) if word != "bucket") {
            return Err(fault(PatternFault::NoBucket));
        }
        let open = parts.last() == Some(&Part::Rest);
        if parts.len() > 3 || (!open && parts.len() < 3) {
            return Err(fault(PatternFault::Parts));
        }
        let is_kind = |word: &str| EventKind::ALL.iter().any(|kind| kind.as_str() == word);
        if matches!(parts.get(2), Some(Part::Word(word)) if !is_kind(word)) {
            return Err(fault(PatternFault::NoKind));
        }
        Ok(Self { parts })
    }
}

/// Values by pattern.
#[derive(Debug)]
pub(super) struct Patterns<T> {
    words: HashMap<String, Self>,
    any: Option<Box<Self>>,
    /// Those whose pattern ends here.
    here: Vec<(u64, T)>,
    /// Those whose pattern ends with a `**` here.
    rest: Vec<(u64, T)>,
}

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Self { words: HashMap::new(), any: None, here: Vec::new(), rest: Vec::new() }
    }
}

impl<T> Patterns<T> {
    /// Adds a value with a number of its own. O(parts).
    pub(super) fn insert(&mut self, pattern: &Pattern, id: u64, value: T) {
        let mut node = self;
        for part in &pattern.parts {
            node = match part {
                Part::Word(word) => node.words.entry(word.clone()).or_default(),
                Part::Any => node.any.get_or_insert_default(),
                Part::Rest => {
                    node.rest.push((id, value));
                    return;
                }
            };
        }
        node.here.push((id, value));
    }

    /// Takes a value out, and the branches that are empty without it. O(parts + values of the same pattern).
    pub(super) fn remove(&mut self, pattern: &Pattern, id: u64) {
        self.remove_at(&pattern.parts, id);
    }

    fn remove_at(&mut self, parts: &[Part], id: u64) {
        match parts.split_first() {
            None => self.here.retain(|(other, _)| *other != id),
            Some((Part::Rest, _)) => self.rest.retain(|(other, _)| *other != id),
            Some((Part::Any, parts)) => {
                if let Some(node) = &mut self.any {
                    node.remove_at(parts, id);
                    if node.is_empty() {
                        self.any = None;
                    }
                }
            }
            Some((Part::Word(word), parts)) => {
                if let Some(node) = self.words.get_mut(word) {
                    node.remove_at(parts, id);
                    if node.is_empty() {
                        self.words.remove(word);
                    }
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.any.is_none() && self.here.is_empty() && self.rest.is_empty()
    }

    /// Calls `visit` with the values whose patterns match a topic, given by its parts. O(2^parts + matches): what does not match is
    /// not looked at.
    pub(super) fn matches<'p>(&'p self, topic: &[&str], visit: &mut impl FnMut(u64, &'p T)) {
        match topic.split_first() {
            None => self.here.iter().for_each(|(id, value)| visit(*id, value)),
            Some((word, parts)) => {
                self.rest.iter().for_each(|(id, value)| visit(*id, value));
                if let Some(node) = self.words.get(*word) {
                    node.matches(parts, visit);
                }
                if let Some(node) = &self.any {
                    node.matches(parts, visit);
                }
            }
        }
    }

    /// Calls `visit` with all values.
    pub(super) fn for_each<'p>(&'p self, visit: &mut impl FnMut(&'p T)) {
        self.here.iter().chain(&self.rest).for_each(|(_, value)| visit(value));
        self.words.values().chain(self.any.as_deref()).for_each(|node| node.for_each(visit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(patterns: &[&str], topic: &str) -> Vec<u64> {
        let mut tree = Patterns::default();
        for (id, pattern) in patterns.iter().enumerate() {
            tree.insert(&pattern.parse().expect("good"), id as u64, ());
        }
        let topic: Vec<&str> = topic.split('.').collect();
        let mut found = Vec::new();
        tree.matches(&topic, &mut |id, ()| found.push(id));
        found.sort_unstable();
        for (id, pattern) in patterns.iter().enumerate() {
            tree.remove(&pattern.parse().expect("good"), id as u64);
        }
        assert!(tree.is_empty(), "{tree:?}");
        found
    }

    #[test]
    fn wildcards() {
        let patterns = [
            "bucket.users.inserted",
            "bucket.users.*",
            "bucket.*.inserted",
            "*.*.*",
            "bucket.**",
            "**",
            "bucket.users.**",
            "bucket.orders.*",
        ];
        assert_eq!(found(&patterns, "bucket.users.inserted"), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(found(&patterns, "bucket.users.deleted"), [1, 3, 4, 5, 6]);
        assert_eq!(found(&patterns, "bucket.orders.updated"), [3, 4, 5, 7]);
    }

    #[test]
    fn bad_patterns_say_why() {
        for (text, reason) in [
            ("", PatternFault::EmptyPart),
            ("bucket..inserted", PatternFault::EmptyPart),
            ("bucket.us*.inserted", PatternFault::PartialWildcard),
            ("bucket.***", PatternFault::PartialWildcard),
            ("bucket.**.inserted", PatternFault::RestBeforeEnd),
            ("users.inserted", PatternFault::NoBucket),
            ("users.*.inserted", PatternFault::NoBucket),
            ("bucket.users", PatternFault::Parts),
            ("bucket.users.inserted.x", PatternFault::Parts),
            ("bucket.users.insert", PatternFault::NoKind),
        ] {
            let expected = Error::InvalidPattern { pattern: text.to_owned(), reason };
            assert_eq!(text.parse::<Pattern>(), Err(expected), "{text}");
        }
    }
}
