//! Text as an ordered index keeps it: up to 23 bytes stand in the key itself, as words that are compared without a call.

use std::cmp::Ordering;
use std::sync::Arc;

/// Text; ordered by its bytes, as `str` is. Cloning it is a copy of three words, or an atomic increment beyond 23 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct TextKey(Repr);

#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Inline(Inline),
    Shared(Arc<str>),
}

/// Bytes from the highest of `high` on, then zeros; then the length, which sets apart what ends with zeros of its own. So the
/// order of the words is that of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Inline {
    high: u64,
    middle: u64,
    low: [u8; 7],
    len: Len,
}

const MAX: usize = 23;

/// A length up to [`MAX`]. A type of its own leaves the other values of the byte for the variants around it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[rustfmt::skip]
enum Len {
    L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12, L13, L14, L15, L16, L17, L18, L19, L20, L21, L22, L23,
}

#[rustfmt::skip]
const LENGTHS: [Len; MAX + 1] = {
    use Len::*;
    [L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12, L13, L14, L15, L16, L17, L18, L19, L20, L21, L22, L23]
};

impl Inline {
    fn new(text: &str) -> Option<Self> {
        let len = *LENGTHS.get(text.len())?;
        let mut bytes = [0; 24];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        let [b0, b1, b2, b3, b4, b5, b6, b7, rest @ ..] = bytes;
        let [c0, c1, c2, c3, c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, _] = rest;
        Some(Self {
            high: u64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7]),
            middle: u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
            low: [d0, d1, d2, d3, d4, d5, d6],
            len,
        })
    }

    fn words(&self) -> (u64, u64, u64) {
        let [d0, d1, d2, d3, d4, d5, d6] = self.low;
        (self.high, self.middle, u64::from_be_bytes([d0, d1, d2, d3, d4, d5, d6, self.len as u8]))
    }

    fn cmp(&self, other: &Self) -> Ordering {
        self.words().cmp(&other.words())
    }

    /// As with text that is made a key first, but for the work of making it: a search compares one text with many keys.
    fn cmp_text(&self, text: &str) -> Ordering {
        let (high, rest) = next_word(text.as_bytes());
        if self.high != high {
            return self.high.cmp(&high);
        }
        let (middle, rest) = next_word(rest);
        if self.middle != middle {
            return self.middle.cmp(&middle);
        }
        let (_, _, own) = self.words();
        match rest.split_at_checked(7) {
            None => own.cmp(&(next_word(rest).0 | text.len() as u64)),
            Some((low, _)) => own.cmp(&(next_word(low).0 | text.len().min(usize::from(u8::MAX)) as u64)),
        }
    }
}

/// The next eight bytes as a number, or what is left and zeros; and what comes then.
fn next_word(bytes: &[u8]) -> (u64, &[u8]) {
    match bytes.split_first_chunk() {
        Some((word, rest)) => (u64::from_be_bytes(*word), rest),
        None if bytes.is_empty() => (0, bytes),
        None => {
            let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            (number << (8 * (8 - bytes.len())), &[])
        }
    }
}

impl TextKey {
    pub(super) fn new(text: &str) -> Self {
        Self(Inline::new(text).map_or_else(|| Repr::Shared(text.into()), Repr::Inline))
    }

    /// Compares with text that is not kept.
    pub(super) fn cmp_text(&self, text: &str) -> Ordering {
        match &self.0 {
            Repr::Inline(own) => own.cmp_text(text),
            Repr::Shared(own) => (**own).cmp(text),
        }
    }
}

impl Ord for TextKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Inline(own), Repr::Inline(other)) => own.cmp(other),
            (Repr::Inline(own), Repr::Shared(other)) => own.cmp_text(other),
            (Repr::Shared(own), Repr::Inline(other)) => other.cmp_text(own).reverse(),
            (Repr::Shared(own), Repr::Shared(other)) => own.cmp(other),
        }
    }
}

impl PartialOrd for TextKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::Random;

    #[test]
    fn it_is_as_small_as_a_string() {
        assert_eq!((size_of::<TextKey>(), size_of::<Option<TextKey>>()), (24, 24));
    }

    /// Texts that share prefixes, end with zeros, and are as long as fits into the key, or a bit longer or shorter.
    fn texts() -> Vec<String> {
        let mut random = Random::new(1);
        let mut texts = vec![String::new(), "\0".into(), "\0\0".into(), "é".repeat(11), "é".repeat(12)];
        for _ in 0..300 {
            let len = *random.pick(&[0, 1, 2, 7, 8, 9, 15, 16, 17, 21, 22, 23, 24, 25, 40]);
            let alphabet = if random.below(2) == 0 { "a\0" } else { "aé\0~" };
            let letters: Vec<char> = alphabet.chars().collect();
            let mut text: String = "a".repeat(random.below(len + 1));
            while text.len() < len {
                text.push(*random.pick(&letters));
            }
            texts.push(text);
        }
        texts
    }

    #[test]
    fn it_is_ordered_as_text_is() {
        let texts = texts();
        let keys: Vec<TextKey> = texts.iter().map(|text| TextKey::new(text)).collect();
        for (a, own) in texts.iter().zip(&keys) {
            for (b, other) in texts.iter().zip(&keys) {
                assert_eq!((own.cmp(other), own.cmp_text(b)), (a.cmp(b), a.cmp(b)), "{a:?} and {b:?}");
                assert_eq!(own == other, a == b, "{a:?} and {b:?}");
            }
        }
    }
}
