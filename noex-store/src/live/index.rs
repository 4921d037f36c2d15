//! Who has read what, in all buckets.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use super::core::{Cause, NodeId};
use super::memo::AnyMemo;
use crate::engine::{AnyReadIndex, Root, Slot, Touch};

/// The dependency index of all buckets.
pub(super) struct Index {
    /// The latest root whose changes have been noted. Invariant: every registered read is noted as touched by any change up to
    /// here since it was made.
    pub(super) processed: Arc<Root>,
    pub(super) buckets: HashMap<Slot, Box<dyn AnyReadIndex>>,
    pub(super) nodes: HashMap<NodeId, Node>,
    /// The memos that asked for a bucket which was not there.
    pub(super) missing: Vec<NodeId>,
    /// The memos of which it is not known what they have read: any commit touches them.
    pub(super) unsure: Vec<NodeId>,
}

pub(super) struct Node {
    pub(super) memo: Weak<dyn AnyMemo>,
    pub(super) slots: Vec<Slot>,
}

impl Index {
    pub(super) fn new(processed: Arc<Root>) -> Self {
        Self {
            processed,
            buckets: HashMap::new(),
            nodes: HashMap::new(),
            missing: Vec::new(),
            unsure: Vec::new(),
        }
    }

    /// Forgets a memo, and what it has read. `jobs`: who must be run because of that.
    pub(super) fn forget(&mut self, node: NodeId, jobs: &mut Vec<Arc<dyn AnyMemo>>) {
        self.missing.retain(|other| *other != node);
        self.unsure.retain(|other| *other != node);
        let Some(old) = self.nodes.remove(&node) else { return };
        for slot in old.slots {
            let Some(reads) = self.buckets.get_mut(&slot) else { continue };
            if catch_unwind(AssertUnwindSafe(|| reads.remove(node.0))).is_err() {
                self.give_up(slot, jobs);
            }
        }
    }

    /// Forgets what was read of a bucket: the order of its values has panicked while that was changed, and may have left it in
    /// disorder. Who has read of it is touched, and registers anew when it has run.
    pub(super) fn give_up(&mut self, slot: Slot, jobs: &mut Vec<Arc<dyn AnyMemo>>) {
        let Some(reads) = self.buckets.remove(&slot) else { return };
        for node in self.nodes.values().filter(|node| node.slots.contains(&slot)) {
            if let Some(memo) = node.memo.upgrade() {
                note(memo, Cause::of(reads.bucket(), Touch::default()), jobs);
            }
        }
    }
}

/// Touches a memo and all that asked it, and collects those that a worker should run.
pub(super) fn note(memo: Arc<dyn AnyMemo>, cause: Cause, jobs: &mut Vec<Arc<dyn AnyMemo>>) {
    let mut seen = vec![memo.node()];
    let mut waiting = memo.parents();
    if memo.touch(cause.clone(), true) {
        jobs.push(memo);
    }
    while let Some(parent) = waiting.pop() {
        if seen.contains(&parent.node()) {
            continue;
        }
        seen.push(parent.node());
        waiting.extend(parent.parents());
        if parent.touch(cause.clone(), false) {
            jobs.push(parent);
        }
    }
}
