//! Pages: a request, a result, and the cursor from one to the next.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Filter;
use super::execute::{Position, execute};
use super::order::OrderKey;
use super::plan::Query;
use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::engine::{RowId, Table};
use crate::error::{CursorFault, Error};

/// A request for the first page of a result; [`after`](Self::after) makes it one for a later page.
///
/// ```
/// # use noex_store::prelude::*;
/// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// # struct Word { #[bucket(key)] text: String }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let store = Store::builder().bucket::<Word>().start().await?;
/// # let words = store.bucket::<Word>()?;
/// words.insert_many(["a", "b", "c"].map(|text| Word::draft().text(text)))?;
/// let page = words.order_by(Word::TEXT.desc()).paginate(Page::first(2));
/// assert_eq!(page.records[0].text, "c");
/// let cursor = page.next_cursor.expect("there is more");
/// let next = words.order_by(Word::TEXT.desc()).paginate(Page::first(2).after(cursor))?;
/// assert_eq!(next.records[0].text, "a");
/// assert!(!next.has_more);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a page does nothing until it is given to `paginate`"]
pub struct Page {
    size: usize,
}

impl Page {
    /// The first `size` records. With 0 there are none, and `has_more` tells whether there would be any.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let page = users.order_by(User::NAME.asc()).paginate(Page::first(1));
    /// assert_eq!((page.records[0].name.as_str(), page.has_more), ("Ann", true));
    /// # Ok(()) }
    /// ```
    pub const fn first(size: usize) -> Self {
        Self { size }
    }

    /// The `size` records after the place of a cursor.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let first = users.order_by(User::NAME.asc()).paginate(Page::first(1));
    /// let cursor = first.next_cursor.expect("there is more");
    /// let second = users.order_by(User::NAME.asc()).paginate(Page::first(1).after(cursor))?;
    /// assert_eq!(second.records[0].name, "Ben");
    /// # Ok(()) }
    /// ```
    pub const fn after(self, cursor: Cursor) -> PageAfter {
        PageAfter { size: self.size, cursor }
    }
}

/// A request for the page after a cursor: made by [`Page::after`].
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a page does nothing until it is given to `paginate`"]
pub struct PageAfter {
    size: usize,
    cursor: Cursor,
}

/// One page of a result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Paginated<B> {
    /// The records, in the order of the query.
    pub records: Vec<Record<B>>,
    /// Whether there are records after these.
    pub has_more: bool,
    /// Where the next page starts; `None` if there is none.
    pub next_cursor: Option<Cursor>,
}

/// A place in the result of a query: after the last record of a page.
///
/// A cursor holds the values that the query orders by and the record's place in the order of insertion, not the record:
/// it stays good when that record is changed or deleted. It belongs to one question (bucket, filter, order), and is refused by any
/// other. It serialises as one string that is safe in URLs, which is also what `Display` and `FromStr` use; it is not
/// secret: it shows those values to whoever decodes it.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let page = users.paginate(Page::first(1));
/// let text = page.next_cursor.expect("there is more").to_string();
/// let cursor: Cursor = text.parse()?;
/// assert_eq!(users.paginate(Page::first(1).after(cursor.clone()))?.records[0].name, "Ben");
/// // It is good for the query that it is of.
/// let other = users.order_by(User::NAME.asc()).paginate(Page::first(1).after(cursor));
/// assert!(matches!(other, Err(Error::InvalidCursor { .. })));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// A fingerprint of the query.
    query: u64,
    row: u64,
    /// How many records the query's limit still allows.
    left: Option<usize>,
    /// The values of the order's keys.
    values: Vec<Value>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            serde_json::to_vec(&(self.query, self.row, self.left, &self.values)).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(text))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::InvalidCursor { reason: CursorFault::Malformed };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let (query, row, left, values) = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
        Ok(Self { query, row, left, values })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What `paginate` takes: a [`Page`], which cannot fail, or a [`PageAfter`], whose cursor may be refused.
pub trait PageRequest: sealed::Sealed {
    /// [`Paginated`], or a `Result` of it.
    type Output<B>;

    #[doc(hidden)]
    fn parts(self) -> (usize, Option<Cursor>);

    #[doc(hidden)]
    fn output<B>(result: Result<Paginated<B>, Error>) -> Self::Output<B>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Page {}
    impl Sealed for super::PageAfter {}
}

impl PageRequest for Page {
    type Output<B> = Paginated<B>;

    fn parts(self) -> (usize, Option<Cursor>) {
        (self.size, None)
    }

    fn output<B>(result: Result<Paginated<B>, Error>) -> Paginated<B> {
        // Only a cursor can be at fault, and there is none.
        result.unwrap_or_else(|_| Paginated { records: Vec::new(), has_more: false, next_cursor: None })
    }
}

impl PageRequest for PageAfter {
    type Output<B> = Result<Paginated<B>, Error>;

    fn parts(self) -> (usize, Option<Cursor>) {
        (self.size, Some(self.cursor))
    }

    fn output<B>(result: Result<Paginated<B>, Error>) -> Result<Paginated<B>, Error> {
        result
    }
}

/// Answers a request. `table` is `None` for a bucket that is not defined.
pub(crate) fn paginate<B: Bucket, P: PageRequest>(
    table: Option<&Table<B>>,
    query: &Query<'_, B>,
    filter: &Filter<B>,
    request: P,
    seen: SeenStretch<'_, B>,
) -> P::Output<B> {
    let (size, cursor) = request.parts();
    P::output(page(table, query, filter, size, cursor, seen))
}

/// Which part of the ordered result a page has looked at.
pub(crate) struct Stretch<'r, B> {
    pub(crate) after: Option<Position>,
    /// The last record of the page; `None` if it reached the end.
    pub(crate) last: Option<&'r Record<B>>,
    /// The record after the page, of which only is known that it is there.
    pub(crate) probe: Option<&'r Record<B>>,
}

type SeenStretch<'s, B> = &'s mut dyn FnMut(Stretch<'_, B>);

fn page<B: Bucket>(
    table: Option<&Table<B>>,
    query: &Query<'_, B>,
    filter: &Filter<B>,
    size: usize,
    cursor: Option<Cursor>,
    seen: SeenStretch<'_, B>,
) -> Result<Paginated<B>, Error> {
    let fingerprint = fingerprint(filter, query.order);
    let after = match &cursor {
        Some(cursor) => Some(position(cursor, fingerprint, query.order)?),
        None => None,
    };
    let left = cursor.as_ref().map_or(query.limit, |cursor| cursor.left);
    let allowed = left.unwrap_or(usize::MAX);
    let take = size.min(allowed);
    // One more than is wanted tells whether there is more, unless the query's limit says that there is none.
    let probe = if take < allowed { take.saturating_add(1) } else { take };
    let offset = if after.is_some() { 0 } else { query.offset };
    let page = Query { filter: query.filter, order: query.order, limit: Some(probe), offset };
    let mut records: Vec<Record<B>> = Vec::with_capacity(probe.min(1024));
    if let Some(table) = table {
        execute(table, &page, after.as_ref(), &mut |record| {
            records.push(record.clone());
            std::ops::ControlFlow::Continue(())
        });
    }
    let has_more = records.len() > take;
    seen(Stretch {
        after,
        last: if records.len() < probe || take == 0 { None } else { records.get(take - 1) },
        probe: records.get(take),
    });
    records.truncate(take);
    let next_cursor = match (has_more, records.last()) {
        (true, Some(last)) => Some(Cursor {
            query: fingerprint,
            row: last.meta().row.0,
            left: left.map(|left| left - records.len()),
            values: query.order.iter().map(|key| key.encode(&key.value(last))).collect(),
        }),
        // A page of size 0 stays where it is.
        _ if size == 0 => cursor,
        _ => None,
    };
    Ok(Paginated { records, has_more, next_cursor })
}

fn position<B: Bucket>(cursor: &Cursor, fingerprint: u64, order: &[OrderKey<B>]) -> Result<Position, Error> {
    let refused = |reason| Error::InvalidCursor { reason };
    if cursor.query != fingerprint || cursor.values.len() != order.len() {
        return Err(refused(CursorFault::OtherQuery));
    }
    let values =
        order.iter().zip(&cursor.values).map(|(key, value)| key.decode(value)).collect::<Option<Vec<_>>>();
    let values = values.ok_or_else(|| refused(CursorFault::OtherTypes))?;
    Ok(Position { values, row: RowId(cursor.row) })
}

/// A number for the question that a cursor belongs to: a hash of its words. FNV-1a (Fowler, Noll, Vo), which is the same in
/// every process, since cursors outlive them.
fn fingerprint<B: Bucket>(filter: &Filter<B>, order: &[OrderKey<B>]) -> u64 {
    struct Fnv(u64);
    impl fmt::Write for Fnv {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for byte in text.bytes() {
                self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
            Ok(())
        }
    }
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    // Writing into a number cannot fail.
    let _ = fmt::Write::write_str(&mut hash, B::NAME);
    if !matches!(filter.node, super::Node::Const(true)) {
        let _ = fmt::Write::write_fmt(&mut hash, format_args!("?{filter}"));
    }
    for key in order {
        let _ = fmt::Write::write_fmt(&mut hash, format_args!("^{key:?}"));
    }
    hash.0
}
