//! What readers of the latest commit see while records that have expired wait to be taken out.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::root::AnyTable;
use super::{Engine, Root, Slot, Table};
use crate::bucket::Bucket;
use crate::bucket::record::Record;

/// A table without what has expired in it.
#[derive(Clone)]
pub(super) struct Alive {
    /// The table that it was made of.
    of: Arc<dyn AnyTable>,
    table: Arc<dyn Any + Send + Sync>,
    /// When the next record expires, and this is good no more.
    until: u64,
}

impl Engine {
    /// Whether a record's time to live is over. Looks at the clock only if the record has one.
    pub(crate) fn is_over<B>(&self, record: &Record<B>) -> bool {
        record.expires_at().is_some() && record.is_expired(self.now())
    }

    /// A bucket without what has expired in it, if anything has. The first to ask makes it, as [`Table::remove_many`];
    /// until the next commit or expiry the others share it. No lock, no wait.
    pub(crate) fn alive<B: Bucket>(&self, root: &Root, slot: Slot) -> Option<Arc<Table<B>>> {
        let table = root.table::<B>(slot)?;
        if table.soonest() == super::NEVER {
            return None;
        }
        let now = self.now();
        if table.soonest() > now {
            return None;
        }
        let of = root.slots.get(slot.0)?.table.as_ref()?;
        let known = self.alive.load();
        if let Some(alive) = known.get(&slot.0)
            && Arc::ptr_eq(&alive.of, of)
            && alive.until > now
            && let Ok(table) = Arc::clone(&alive.table).downcast()
        {
            return Some(table);
        }
        drop(known);
        let made = Arc::new(table.alive(now));
        let alive = Alive { of: Arc::clone(of), table: Arc::clone(&made) as _, until: made.soonest() };
        // Who makes another one at the same time may take this one's place: then it is made again, once.
        self.alive.swap(Arc::new(self.alive.load_full().update(slot.0, alive)));
        self.has_alive.store(true, Ordering::SeqCst);
        let latest = self.load();
        if !latest
            .slots
            .get(slot.0)
            .and_then(|entry| entry.table.as_ref())
            .is_some_and(|now| Arc::ptr_eq(now, of))
        {
            // A commit came in between, and may be the last for long.
            self.forget_alive();
        }
        Some(made)
    }

    /// Lets go of what readers shared: it holds on to old versions of the buckets.
    pub(super) fn forget_alive(&self) {
        if self.has_alive.load(Ordering::Relaxed) && self.has_alive.swap(false, Ordering::SeqCst) {
            self.alive.swap(Arc::new(im::HashMap::new()));
        }
    }
}
