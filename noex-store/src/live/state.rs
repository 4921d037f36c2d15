//! What answers are kept, and what they depend on.

use std::sync::Arc;

use serde::Serialize;

use super::core::{Live, LiveHandle};
use super::memo::AnyMemo;
use crate::engine::{BucketReads, Describe, Version};

/// An answer that is kept, for people: by [`Store::answers`](crate::Store::answers).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AnswerState {
    /// The query's name.
    pub query: String,
    /// The parameters, as their `Debug` text.
    pub params: String,
    /// The commit that it was computed at; `None` if it never was.
    pub version: Option<Version>,
    /// What the query failed with, if it did.
    pub failed: Option<String>,
    /// Whether nothing that it depends on has changed since.
    pub is_current: bool,
    /// Who follows it.
    pub subscriptions: usize,
    /// The queries that it asked, with their own answers.
    pub asks: Vec<String>,
    /// What it has read itself.
    pub reads: Vec<BucketReads>,
}

impl LiveHandle {
    /// The answers that are kept, at most so many, in the order of their making.
    pub(crate) fn answers(&self, max: usize) -> Vec<AnswerState> {
        self.0.answers(max)
    }
}

impl Live {
    fn answers(&self, max: usize) -> Vec<AnswerState> {
        // Beside the lock of the index: the texts are made by the user's code.
        let describe = |(memo, reads): (Arc<dyn AnyMemo>, Vec<Describe>)| {
            let reads = reads.into_iter().map(|describe| describe()).collect();
            AnswerState { reads, ..memo.state() }
        };
        self.memos(max).into_iter().map(describe).collect()
    }
}
