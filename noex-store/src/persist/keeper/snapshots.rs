//! The keeper's snapshots: by size, because commits were missed, or because a bucket is kept with another schema.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::encode::RootSource;
use super::super::image::{BucketImage, kept_name, restored};
use super::{Keeper, MAX_PAUSE};
use crate::bucket::Bucket;
use crate::engine::{Root, Slot};
use crate::error::Error;

impl Keeper {
    pub(super) fn look_at_size(&self) {
        if self.adapter.wants_snapshot() {
            self.state.lock().wants_snapshot = true;
            self.snapshot_news.notify_all();
        }
    }

    pub(super) fn run_snapshots(&self) {
        loop {
            self.snapshots.point();
            {
                let mut state = self.state.lock();
                while !state.wants_snapshot && !state.stopped {
                    self.snapshot_news.wait(&mut state);
                }
                if state.stopped {
                    return;
                }
                state.wants_snapshot = false;
            }
            if let Err(error) = self.snapshot() {
                // The log has all that is in it.
                self.tell(&error, "a snapshot could not be written; it will be tried again");
                let mut state = self.state.lock();
                state.wants_snapshot = true;
                // Each append that follows tells that one is wanted.
                let over = Instant::now() + MAX_PAUSE;
                while !state.stopped && Instant::now() < over {
                    self.snapshot_news.wait_until(&mut state, over);
                }
            }
        }
    }

    /// The latest root, and what is kept beside it.
    pub(crate) fn latest(&self) -> (Arc<Root>, BTreeMap<String, BucketImage>) {
        // A bucket that is being defined is in one of them.
        let dormant = self.dormant.lock();
        (self.engine.load_full(), dormant.clone())
    }

    /// Writes a snapshot of the latest root, and has the adapter forget the commits before it.
    pub(crate) fn snapshot(&self) -> Result<(), Error> {
        let _one = self.snapshotting.lock();
        let (root, dormant) = self.latest();
        self.write_snapshot(root, dormant)
    }

    fn write_snapshot(&self, root: Arc<Root>, dormant: BTreeMap<String, BucketImage>) -> Result<(), Error> {
        let version = root.version;
        let mut source = RootSource::new(root, dormant);
        self.block_on(self.adapter.write_snapshot(&mut source))?;
        self.written_snapshots.fetch_add(1, Ordering::Relaxed);
        self.note_durable(version);
        let _adapting = self.adapting.lock();
        self.block_on(self.adapter.truncate(version))
    }

    /// Defines a bucket with what is kept of it. If that is of another schema, it is kept anew first, so that the records that follow
    /// are like those before them.
    pub(crate) fn define<B: Bucket>(&self) -> Result<Slot, Error> {
        let schema = B::schema();
        if kept_name(&self.dormant.lock(), schema).is_none() {
            return self.engine.define::<B>();
        }
        // A snapshot sees the bucket either way: as it is kept, or as it is defined.
        let _one = self.snapshotting.lock();
        let mut dormant = self.dormant.lock();
        if self.engine.load().tables().any(|table| table.schema().name == B::NAME) {
            return Err(Error::BucketAlreadyExists { bucket: B::NAME });
        }
        let Some(name) = kept_name(&dormant, schema) else { return self.engine.define::<B>() };
        let mut image = dormant.get(name).cloned().unwrap_or_default();
        let is_changed = name != schema.name || !image.fits(schema);
        let table = restored::<B>(&self.engine, image)?;
        if is_changed {
            let mut others = dormant.clone();
            others.remove(name);
            self.write_snapshot(Arc::new(self.engine.root_with(&table)), others)?;
        }
        let slot = self.engine.define_as(table)?;
        dormant.remove(name);
        Ok(slot)
    }
}
