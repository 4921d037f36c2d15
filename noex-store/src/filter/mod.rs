//! Typed questions: filters, the planner that finds an index for them, orders, pages and aggregates.

mod access;
mod aggregate;
pub(crate) mod execute;
pub(crate) mod explain;
pub(crate) mod group;
pub(crate) mod leaf;
pub(crate) mod order;
pub(crate) mod page;
mod plan;
pub(crate) mod select;
pub(crate) mod sum;
pub(crate) mod watch;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Not;
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::bucket::record::Record;
use crate::engine::{Chunk, Slots};
use leaf::Leaf;

/// A condition on the records of a bucket, built from field tokens: `User::AGE.ge(18).and(User::ROLE.eq(Role::Admin))`.
///
/// Filters are values: they can be cloned (O(1) for each condition), kept, and joined at run time. `Debug` shows them in
/// words. Each condition is true or false, also for a `None`: `!f` passes exactly the records that `f` does not. Any number of
/// conditions can be joined by one word; of conditions in conditions, as in `((a and b) or c) and d`, a thousand levels fit any stack.
///
/// ```
#[doc = include_str!("../../doc/users.txt")]
/// let mut filter = User::AGE.ge(18);
/// for tag in ["vip", "new"] {
///     filter = filter.or(User::TAGS.contains(tag));
/// }
/// assert_eq!(filter.to_string(), "age >= 18 or tags contains \"vip\" or tags contains \"new\"");
/// assert_eq!(users.filter(!filter).count(), 1);
/// # Ok(()) }
/// ```
pub struct Filter<B> {
    pub(crate) node: Node<B>,
}

pub(crate) enum Node<B> {
    Const(bool),
    Leaf(Arc<dyn Leaf<B>>),
    /// Flat, however it was joined: what is nested is walked by recursion.
    All(VecDeque<Node<B>>),
    Any(VecDeque<Node<B>>),
    Not(Box<Node<B>>),
}

impl<B: Bucket> Filter<B> {
    pub(crate) fn leaf(leaf: impl Leaf<B> + 'static) -> Self {
        Self { node: Node::Leaf(Arc::new(leaf)) }
    }

    /// Passes every record: where a chain of conditions starts.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(Filter::all()).count(), 2);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn all() -> Self {
        Self { node: Node::Const(true) }
    }

    /// Passes no record.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// assert_eq!(users.filter(Filter::none()).count(), 0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn none() -> Self {
        Self { node: Node::Const(false) }
    }

    /// Both hold.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let both = User::NAME.eq("Ann").and(User::AGE.ge(18));
    /// assert_eq!(users.filter(both).count(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let node = match (self.node, other.node) {
            (Node::Const(true), node) | (node, Node::Const(true)) => node,
            (Node::All(mut nodes), Node::All(more)) => {
                nodes.extend(more);
                Node::All(nodes)
            }
            (Node::All(mut nodes), node) => {
                nodes.push_back(node);
                Node::All(nodes)
            }
            (node, Node::All(mut nodes)) => {
                nodes.push_front(node);
                Node::All(nodes)
            }
            (node, other) => Node::All([node, other].into()),
        };
        Self { node }
    }

    /// At least one holds.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let either = User::NAME.eq("Ben").or(User::AGE.ge(18));
    /// assert_eq!(users.filter(either).count(), 2);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let node = match (self.node, other.node) {
            (Node::Const(false), node) | (node, Node::Const(false)) => node,
            (Node::Any(mut nodes), Node::Any(more)) => {
                nodes.extend(more);
                Node::Any(nodes)
            }
            (Node::Any(mut nodes), node) => {
                nodes.push_back(node);
                Node::Any(nodes)
            }
            (node, Node::Any(mut nodes)) => {
                nodes.push_front(node);
                Node::Any(nodes)
            }
            (node, other) => Node::Any([node, other].into()),
        };
        Self { node }
    }

    /// All of them hold; with none, every record passes.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let wanted = [Some("vip"), None].into_iter().flatten().map(|tag| User::TAGS.contains(tag));
    /// assert_eq!(users.filter(Filter::all_of(wanted)).count(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn all_of(filters: impl IntoIterator<Item = Self>) -> Self {
        filters.into_iter().fold(Self::all(), Self::and)
    }

    /// At least one of them holds; with none, no record passes.
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let names = ["A", "C"].map(|first| User::NAME.starts_with(first));
    /// assert_eq!(users.filter(Filter::any_of(names)).count(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn any_of(filters: impl IntoIterator<Item = Self>) -> Self {
        filters.into_iter().fold(Self::none(), Self::or)
    }

    /// Whether a value passes. O(conditions).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let ann = users.require(&1)?;
    /// assert!(User::AGE.ge(18).matches(&ann));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn matches(&self, value: &B) -> bool {
        self.node.test(value)
    }
}

impl<B> Not for Filter<B> {
    type Output = Self;

    fn not(self) -> Self {
        let node = match self.node {
            Node::Const(value) => Node::Const(!value),
            Node::Not(node) => *node,
            node => Node::Not(Box::new(node)),
        };
        Self { node }
    }
}

impl<B> Clone for Filter<B> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone() }
    }
}

impl<B: Bucket> fmt::Debug for Filter<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.describe(f)
    }
}

impl<B: Bucket> fmt::Display for Filter<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.describe(f)
    }
}

impl<B> Clone for Node<B> {
    fn clone(&self) -> Self {
        match self {
            Self::Const(value) => Self::Const(*value),
            Self::Leaf(leaf) => Self::Leaf(Arc::clone(leaf)),
            Self::All(nodes) => Self::All(nodes.clone()),
            Self::Any(nodes) => Self::Any(nodes.clone()),
            Self::Not(node) => Self::Not(node.clone()),
        }
    }
}

impl<B: Bucket> Node<B> {
    pub(crate) fn test(&self, value: &B) -> bool {
        match self {
            Self::Const(passes) => *passes,
            Self::Leaf(leaf) => leaf.test(value),
            Self::All(nodes) => nodes.iter().all(|node| node.test(value)),
            Self::Any(nodes) => nodes.iter().any(|node| node.test(value)),
            Self::Not(node) => !node.test(value),
        }
    }

    /// The single conditions that must all hold.
    pub(crate) fn leaves<'n>(&'n self, into: &mut Vec<&'n dyn Leaf<B>>) {
        match self {
            Self::Leaf(leaf) => into.push(leaf.as_ref()),
            Self::All(nodes) => nodes.iter().for_each(|node| node.leaves(into)),
            Self::Const(_) | Self::Any(_) | Self::Not(_) => {}
        }
    }

    /// The field of the first condition, if there is any.
    pub(crate) fn first_field(&self) -> Option<u16> {
        match self {
            Self::Const(_) => None,
            Self::Leaf(leaf) => Some(leaf.field()),
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().find_map(Self::first_field),
            Self::Not(node) => node.first_field(),
        }
    }

    /// Adds the records that pass.
    pub(crate) fn pick<'r>(&self, records: &Slots<'r, Record<B>>, into: &mut Chunk<'r, Record<B>>) {
        match self {
            Self::Const(true) => into.extend(records.iter()),
            Self::Const(false) => {}
            Self::Leaf(leaf) => leaf.pick(records, into),
            Self::All(_) | Self::Any(_) | Self::Not(_) => {
                into.extend(records.iter().filter(|record| self.test(record)));
            }
        }
    }

    /// Keeps the records that pass.
    pub(crate) fn retain(&self, records: &mut Chunk<'_, Record<B>>) {
        match self {
            Self::Const(true) => {}
            Self::Const(false) => records.clear(),
            Self::Leaf(leaf) => leaf.retain(records),
            Self::All(nodes) => nodes.iter().for_each(|node| node.retain(records)),
            Self::Any(_) | Self::Not(_) => records.retain(|record| self.test(record)),
        }
    }

    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Const(true) => f.write_str("everything"),
            Self::Const(false) => f.write_str("nothing"),
            Self::Leaf(leaf) => leaf.describe(field_name::<B>(leaf.field()), f),
            Self::All(nodes) => Self::join(nodes, " and ", f),
            Self::Any(nodes) => Self::join(nodes, " or ", f),
            Self::Not(node) => {
                f.write_str("not (")?;
                node.describe(f)?;
                f.write_str(")")
            }
        }
    }

    fn join(nodes: &VecDeque<Self>, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, node) in nodes.iter().enumerate() {
            if number > 0 {
                f.write_str(word)?;
            }
            let nested = matches!(node, Self::All(_) | Self::Any(_));
            if nested {
                f.write_str("(")?;
            }
            node.describe(f)?;
            if nested {
                f.write_str(")")?;
            }
        }
        Ok(())
    }
}

pub(crate) fn field_name<B: Bucket>(number: u16) -> &'static str {
    B::schema().fields.get(usize::from(number)).map_or("", |field| field.name)
}
