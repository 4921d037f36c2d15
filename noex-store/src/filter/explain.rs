//! Plans, for people.

use std::fmt;

use super::plan::{Access, Branch, Order, Plan, Query};
use crate::bucket::Bucket;
use crate::bucket::definition::unique_name;
use crate::engine::Table;
use crate::filter::access::{IndexRanges, Lookup};

/// What a query does: made by `explain()`. `Display` says it in a few lines.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let plan = users.filter(User::AGE.ge(18).and(User::NAME.ends_with("n"))).explain();
/// assert_eq!(plan.index(), Some("age"));
/// assert_eq!(plan.residual.as_deref(), Some("name ends with \"n\""));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The bucket's name.
    pub bucket: &'static str,
    /// How the records are found.
    pub access: AccessPath,
    /// The number of index entries that the access holds (records, for a scan).
    pub entries: usize,
    /// The number of records in the bucket.
    pub records: usize,
    /// The conditions that are tested on each record that is found.
    pub residual: Option<String>,
    /// How the order comes about.
    pub order: OrderPath,
    /// The limit, if there is one.
    pub limit: Option<usize>,
    /// The number of results that are left out first.
    pub offset: usize,
}

/// How the records of a query are found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessPath {
    /// Nothing can pass: nothing is looked at.
    Nothing,
    /// By the primary key's hash index.
    Key,
    /// By the hash index of a unique field, or of fields that are unique together: their names with `, ` between them.
    Unique(&'static str),
    /// By ranges of an ordered index.
    Index {
        /// The index's name.
        index: &'static str,
        /// `equality`, `several values`, `range`, `prefix` (of a compound index) or `element`.
        kind: &'static str,
    },
    /// By what is in ranges of both indexes.
    Intersection(&'static str, &'static str),
    /// By what any of these finds.
    Union(Vec<AccessPath>),
    /// Along a whole index, because it has the wanted order.
    IndexOrder(&'static str),
    /// By looking at every record.
    Scan,
}

/// How the order of a result comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrderPath {
    /// The order of insertion: the rows come in it, or their numbers are sorted.
    Insertion,
    /// The order of the index.
    Index,
    /// The records are sorted by these fields.
    Sort(String),
}

impl Explanation {
    pub(crate) fn nothing(bucket: &'static str) -> Self {
        Self {
            bucket,
            access: AccessPath::Nothing,
            entries: 0,
            records: 0,
            residual: None,
            order: OrderPath::Insertion,
            limit: None,
            offset: 0,
        }
    }

    pub(crate) fn new<B: Bucket>(table: &Table<B>, query: &Query<'_, B>) -> Self {
        let plan = Plan::new(table, query);
        let residual = plan.residual.iter().map(|node| Words(node).to_string()).collect::<Vec<_>>();
        Self {
            bucket: B::NAME,
            access: path::<B>(&plan.access),
            entries: plan.expected(table),
            records: table.len(),
            residual: (!residual.is_empty()).then(|| residual.join(" and ")),
            order: match plan.order {
                Order::Insertion | Order::SortRows => OrderPath::Insertion,
                Order::Index { .. } => OrderPath::Index,
                Order::Sort => {
                    let keys = query.order.iter().map(|key| format!("{key:?}")).collect::<Vec<_>>();
                    OrderPath::Sort(keys.join(", "))
                }
            },
            limit: query.limit,
            offset: query.offset,
        }
    }

    /// Whether every record is looked at.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert!(users.filter(User::EMAIL.ends_with(".cz")).explain().is_scan());
    /// assert!(!users.filter(User::EMAIL.eq("ann@x.cz")).explain().is_scan());
    /// # Ok(()) }
    /// ```
    pub fn is_scan(&self) -> bool {
        matches!(self.access, AccessPath::Scan)
    }

    /// The name of the ordered index that is used, if it is one.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(User::NAME.starts_with("A")).explain().index(), Some("name"));
    /// # Ok(()) }
    /// ```
    pub fn index(&self) -> Option<&'static str> {
        match self.access {
            AccessPath::Index { index, .. } | AccessPath::IndexOrder(index) => Some(index),
            _ => None,
        }
    }
}

struct Words<'n, B>(&'n super::Node<B>);

impl<B: Bucket> fmt::Display for Words<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.0, super::Node::Any(_)) {
            f.write_str("(")?;
            self.0.describe(f)?;
            f.write_str(")")
        } else {
            self.0.describe(f)
        }
    }
}

fn index_name<B: Bucket>(number: usize) -> &'static str {
    B::schema().indexes.get(number).map_or("", |index| index.name)
}

fn lookup_path<B: Bucket>(lookup: &Lookup) -> AccessPath {
    let Some(number) = lookup.unique else { return AccessPath::Key };
    AccessPath::Unique(B::definition().uniques.get(number).map_or("", |unique| unique_name(*unique)))
}

fn index_path<B: Bucket>(ranges: &IndexRanges<'_>) -> AccessPath {
    AccessPath::Index { index: index_name::<B>(ranges.index), kind: ranges.kind }
}

fn path<B: Bucket>(access: &Access<'_>) -> AccessPath {
    match access {
        Access::Nothing => AccessPath::Nothing,
        Access::Lookup(lookup) => lookup_path::<B>(lookup),
        Access::Index(ranges) => index_path::<B>(ranges),
        Access::Both(a, b) => AccessPath::Intersection(index_name::<B>(a.index), index_name::<B>(b.index)),
        Access::Union(branches) => AccessPath::Union(
            branches
                .iter()
                .map(|branch| match branch {
                    Branch::Lookup(lookup) => lookup_path::<B>(lookup),
                    Branch::Index(ranges) => index_path::<B>(ranges),
                })
                .collect(),
        ),
        Access::IndexOrder(number) => AccessPath::IndexOrder(index_name::<B>(*number)),
        Access::Scan => AccessPath::Scan,
    }
}

impl fmt::Display for AccessPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing can pass"),
            Self::Key => f.write_str("primary key"),
            Self::Unique(field) => write!(f, "unique `{field}`"),
            Self::Index { index, kind } => write!(f, "index `{index}` ({kind})"),
            Self::Intersection(a, b) => write!(f, "intersection of the indexes `{a}` and `{b}`"),
            Self::Union(paths) => {
                let paths = paths.iter().map(ToString::to_string).collect::<Vec<_>>();
                write!(f, "union of {}", paths.join(", "))
            }
            Self::IndexOrder(index) => write!(f, "along the index `{index}`"),
            Self::Scan => f.write_str("scan"),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match (&self.access, self.entries) {
            (AccessPath::Scan, _) => "records",
            (_, 1) => "entry",
            _ => "entries",
        };
        write!(f, "{}: {}, {} {unit} of {} records", self.bucket, self.access, self.entries, self.records)?;
        if let Some(residual) = &self.residual {
            write!(f, "\n  then test: {residual}")?;
        }
        match &self.order {
            OrderPath::Insertion => f.write_str("\n  order: insertion")?,
            OrderPath::Index => f.write_str("\n  order: the index's")?,
            OrderPath::Sort(keys) => write!(f, "\n  order: sort by {keys}")?,
        }
        if self.offset > 0 {
            write!(f, "\n  offset: {}", self.offset)?;
        }
        if let Some(limit) = self.limit {
            write!(f, "\n  limit: {limit}")?;
        }
        Ok(())
    }
}
