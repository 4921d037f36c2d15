//! The read sets of many readers of a bucket, turned around: from a change to those whose reads it touches.
//!
//! Keys and unique values stand in hash maps, and so do conditions that name some; conditions that an index serves stand at the first
//! part of that index's key, single values and true ranges apart; all others are asked one by one. So a change costs
//! O(log n + touched), not a walk over all readers, but for those last.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use foldhash::HashMap;
use serde::Serialize;
use smallvec::SmallVec;

use super::reads::{Delta, Hashes, ReadSet, Seen, Touch, Watch, field_name, versions};
use super::{KeyRange, Root, Shared, Slot, Stabs, Table};
use crate::bucket::Bucket;
use crate::bucket::definition::unique_name;
use crate::bucket::record::Record;

/// The number of a reader, given by whoever keeps the index.
pub(crate) type ReaderId = u64;

/// A watch, and whose it is.
type Owned<B> = (ReaderId, Arc<dyn Watch<B>>);

type Readers = SmallVec<[(ReaderId, Seen); 1]>;

/// The number of a unique field, or `None` for the key, and the hash of a value.
type HashPoint = (Option<usize>, u64);

/// Where a watch stands.
enum Stand {
    /// At values of the key or of a unique field.
    Hashed(Vec<HashPoint>),
    /// At an ordered index.
    Anchored,
    Loose,
}

/// What was read of a bucket, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BucketReads {
    /// The bucket.
    pub bucket: &'static str,
    /// How many keys were looked up, whether or not there was a record.
    pub keys: usize,
    /// How many values of unique fields were looked up.
    pub unique_values: usize,
    /// The conditions that were asked for.
    pub conditions: Vec<String>,
}

/// Describes what was read.
pub(crate) type Describe = Box<dyn FnOnce() -> BucketReads + Send>;

/// The read sets of a bucket's readers.
pub(crate) struct ReadIndex<B: Bucket> {
    keys: HashMap<u64, Readers>,
    uniques: HashMap<(usize, u64), Readers>,
    watches: Vec<Option<Owned<B>>>,
    free: Vec<u32>,
    /// The watches that stand at values of the key or of a unique field.
    hashed: HashMap<HashPoint, SmallVec<[u32; 1]>>,
    /// For each ordered index, the watches that stand at it.
    anchored: Vec<Box<dyn Stabs<B>>>,
    /// The watches that stand at none.
    loose: Vec<u32>,
    readers: HashMap<ReaderId, Registered>,
}

#[derive(Default)]
struct Registered {
    keys: Vec<u64>,
    uniques: Vec<(usize, u64)>,
    watches: Vec<(u32, Stand)>,
}

impl<B: Bucket> Default for ReadIndex<B> {
    fn default() -> Self {
        Self {
            keys: HashMap::default(),
            uniques: HashMap::default(),
            watches: Vec::new(),
            free: Vec::new(),
            hashed: HashMap::default(),
            anchored: B::definition().indexes.iter().map(|make| make().stabs()).collect(),
            loose: Vec::new(),
            readers: HashMap::default(),
        }
    }
}

fn leave<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Readers>, key: K, reader: ReaderId) {
    if let Some(readers) = map.get_mut(&key) {
        readers.retain(|(other, _)| *other != reader);
        if readers.is_empty() {
            map.remove(&key);
        }
    }
}

impl<B: Bucket> ReadIndex<B> {
    pub(crate) fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    /// Adds what a reader read, to what it read before. O(reads × log n).
    pub(crate) fn add(&mut self, reader: ReaderId, reads: &ReadSet<B>, shared: &Shared<B>) {
        let own = self.readers.entry(reader).or_default();
        for (hash, seen) in reads.keys() {
            self.keys.entry(hash).or_default().push((reader, seen));
            own.keys.push(hash);
        }
        for (number, hash, seen) in reads.uniques() {
            self.uniques.entry((number, hash)).or_default().push((reader, seen));
            own.uniques.push((number, hash));
        }
        for watch in reads.watches() {
            let id = match self.free.pop() {
                Some(id) => id,
                None => {
                    self.watches.push(None);
                    (self.watches.len() - 1) as u32
                }
            };
            let stand = if let Some(Hashes { unique, hashes }) = watch.hashes(shared) {
                let points: Vec<HashPoint> = hashes.into_iter().map(|hash| (unique, hash)).collect();
                points.iter().for_each(|point| self.hashed.entry(*point).or_default().push(id));
                Stand::Hashed(points)
            } else {
                let anchored = &mut self.anchored;
                let stands = watch.anchor(&mut |index, ranges| {
                    if let Some(stabs) = anchored.get_mut(index) {
                        ranges.iter().for_each(|range| stabs.add(*range, id));
                    }
                });
                if !stands {
                    self.loose.push(id);
                }
                if stands { Stand::Anchored } else { Stand::Loose }
            };
            if let Some(slot) = self.watches.get_mut(id as usize) {
                *slot = Some((reader, Arc::clone(watch)));
            }
            own.watches.push((id, stand));
        }
    }

    /// Forgets a reader. O(reads × log n).
    pub(crate) fn remove(&mut self, reader: ReaderId) {
        let Some(own) = self.readers.remove(&reader) else { return };
        own.keys.into_iter().for_each(|hash| leave(&mut self.keys, hash, reader));
        own.uniques.into_iter().for_each(|key| leave(&mut self.uniques, key, reader));
        for (id, stand) in own.watches {
            let Some((_, watch)) = self.watches.get_mut(id as usize).and_then(Option::take) else { continue };
            match stand {
                Stand::Hashed(points) => {
                    for point in points {
                        if let Some(ids) = self.hashed.get_mut(&point) {
                            ids.retain(|other| *other != id);
                            if ids.is_empty() {
                                self.hashed.remove(&point);
                            }
                        }
                    }
                }
                Stand::Anchored => {
                    let anchored = &mut self.anchored;
                    watch.anchor(&mut |index, ranges: &[KeyRange<'_>]| {
                        if let Some(stabs) = anchored.get_mut(index) {
                            ranges.iter().for_each(|range| stabs.remove(*range, id));
                        }
                    });
                }
                Stand::Loose => {
                    if let Some(at) = self.loose.iter().position(|other| *other == id) {
                        self.loose.swap_remove(at);
                    }
                }
            }
            self.free.push(id);
        }
    }

    /// What describes what a reader has read: to be called later, for the values' code is the user's.
    pub(crate) fn reads_of(&self, reader: ReaderId) -> Describe {
        let own = self.readers.get(&reader);
        let watch = |(id, _): &(u32, Stand)| Some(Arc::clone(&self.watches.get(*id as usize)?.as_ref()?.1));
        let watches: Vec<_> = own.into_iter().flat_map(|own| own.watches.iter().filter_map(watch)).collect();
        let keys = own.map_or(0, |own| own.keys.len());
        let unique_values = own.map_or(0, |own| own.uniques.len());
        Box::new(move || {
            let describe = |watch: &Arc<dyn Watch<B>>| {
                let text = catch_unwind(AssertUnwindSafe(|| watch.describe()));
                text.unwrap_or_else(|_| "(the `Debug` of a value panicked)".to_owned())
            };
            let conditions = watches.iter().map(describe).collect();
            BucketReads { bucket: B::NAME, keys, unique_values, conditions }
        })
    }

    /// All readers.
    pub(crate) fn readers(&self) -> impl Iterator<Item = ReaderId> + '_ {
        self.readers.keys().copied()
    }

    /// Tells, for each reader whose reads a change between two versions touches, the first such change.
    pub(crate) fn touched(&self, old: &Table<B>, new: &Table<B>, tell: &mut dyn FnMut(ReaderId, Touch)) {
        let shared = new.shared();
        for delta in old.delta(new) {
            let sides = || [delta.old(), delta.new()].into_iter().flatten();
            let whole = delta.old().is_some() && delta.new().is_some();
            let mut told = |readers: &Readers, same: bool, field: Option<&'static str>| {
                for (reader, seen) in readers {
                    if *seen == Seen::Whole || !same {
                        tell(*reader, delta.touch(field));
                    }
                }
            };
            let mut named: SmallVec<[u32; 8]> = SmallVec::new();
            let mut name = |point: HashPoint| {
                if let Some(ids) = self.hashed.get(&point) {
                    named.extend_from_slice(ids);
                }
            };
            if let Some(record) = sides().next() {
                let hash = shared.hash.hash(record.key());
                name((None, hash));
                if let Some(readers) = self.keys.get(&hash) {
                    told(readers, whole, None);
                }
            }
            for (number, unique) in shared.definition.uniques.iter().enumerate() {
                let hash = |record: &Record<B>| unique.hash(record.value(), &shared.hash);
                let (was, is) = (delta.old().and_then(hash), delta.new().and_then(hash));
                for hash in [was, is.filter(|is| Some(*is) != was)].into_iter().flatten() {
                    name((Some(number), hash));
                    if let Some(readers) = self.uniques.get(&(number, hash)) {
                        told(readers, was == is, Some(unique_name(*unique)));
                    }
                }
            }
            let mut ask = |id: u32| {
                if let Some(Some((reader, watch))) = self.watches.get(id as usize)
                    && watch.touched(new, &delta)
                {
                    tell(*reader, delta.touch(watch.field().map(field_name::<B>)));
                }
            };
            named.iter().for_each(|id| ask(*id));
            for stabs in self.anchored.iter().filter(|stabs| stabs.len() > 0) {
                sides().for_each(|record| stabs.visit(record.value(), &mut ask));
            }
            self.loose.iter().for_each(|id| ask(*id));
        }
    }
}

/// A [`ReadIndex`], without its type.
pub(crate) trait AnyReadIndex: Any + Send {
    fn as_any(&mut self) -> &mut dyn Any;
    fn bucket(&self) -> &'static str;
    fn remove(&mut self, reader: ReaderId);
    fn is_empty(&self) -> bool;
    fn reads_of(&self, reader: ReaderId) -> Describe;
    /// As [`ReadIndex::touched`]; all readers, if the bucket was dropped in between, or the record's code panics.
    fn touched_between(&self, slot: Slot, old: &Root, new: &Root, tell: &mut dyn FnMut(ReaderId, Touch));
}

impl<B: Bucket> AnyReadIndex for ReadIndex<B> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn bucket(&self) -> &'static str {
        B::NAME
    }

    fn remove(&mut self, reader: ReaderId) {
        Self::remove(self, reader);
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn reads_of(&self, reader: ReaderId) -> Describe {
        Self::reads_of(self, reader)
    }

    fn touched_between(&self, slot: Slot, old: &Root, new: &Root, tell: &mut dyn FnMut(ReaderId, Touch)) {
        let told = versions::<B>(slot, old, new).is_some_and(|(old, new)| {
            catch_unwind(AssertUnwindSafe(|| self.touched(old, new, tell))).is_ok()
        });
        if !told {
            self.readers().for_each(|reader| tell(reader, Touch::default()));
        }
    }
}

impl<B: Bucket> Delta<B> {
    fn touch(&self, field: Option<&'static str>) -> Touch {
        Touch::new(self, field)
    }
}

#[cfg(test)]
#[path = "tests/read_index.rs"]
mod tests;
