//! Events: what subscribers cost a writer, and what patterns that do not match cost a publish.
//!
//! `cargo bench --bench events`

mod common;

use common::{Bound, Group, nanos, time, wanted};
use noex_store::prelude::*;
use noex_store::{EventGuard, EventStream};
use std::time::Instant;

/// As many patterns as nobody should have to walk over.
const PATTERNS: usize = 10_000;
const INSERTS: usize = 1_000;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "notes")]
struct Note {
    #[bucket(key, generated = "autoincrement")]
    id: u64,
    #[bucket(index)]
    size: u64,
    text: String,
}

struct Side {
    runtime: tokio::runtime::Runtime,
    store: Store,
    notes: BucketHandle<Note>,
    /// What would be told of other buckets.
    _others: Vec<EventGuard>,
    stream: Option<EventStream>,
}

impl Side {
    fn new(patterns: usize, stream: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let store = runtime.block_on(Store::builder().bucket::<Note>().start()).expect("good");
        let notes = store.bucket().expect("defined");
        let other = |number| store.on(&format!("bucket.other{number}.*"), |_: &Event| ()).expect("good");
        let _others = (0..patterns).map(other).collect();
        let stream = stream.then(|| store.events("bucket.notes.inserted").expect("good"));
        Self { runtime, store, notes, _others, stream }
    }

    fn insert(&self) -> Record<Note> {
        let draft = Note::draft().size(7_u64).text("some text of a usual length");
        self.notes.insert(draft).expect("new")
    }

    /// The time of a writer's insert alone.
    fn writer(&mut self) -> f64 {
        let spent = time(INSERTS, |_| self.insert());
        self.empty();
        spent
    }

    /// The time from an insert until its event has been handed over.
    fn settled(&mut self) -> f64 {
        let start = Instant::now();
        (0..INSERTS).for_each(|_| drop(self.insert()));
        self.runtime.block_on(self.store.settle());
        let spent = nanos(start.elapsed(), INSERTS);
        self.empty();
        spent
    }

    fn empty(&mut self) {
        self.runtime.block_on(self.store.settle());
        if let Some(stream) = &mut self.stream {
            while let Some(event) = stream.try_next() {
                event.expect("the queue is long enough");
            }
        }
        self.notes.clear().expect("running");
        self.runtime.block_on(self.store.settle());
    }
}

fn main() {
    if wanted("writer") {
        let (mut told, mut many, mut none) =
            (Side::new(0, true), Side::new(PATTERNS, true), Side::new(0, false));
        Group::new("an insert, as its writer sees it")
            .subject("10,000 patterns, one of which matches", |_| many.writer())
            .subject("one pattern, which matches", |_| told.writer())
            .target(Bound::AtMost, 1.1)
            .subject("no subscriber", |_| none.writer())
            .run(40);
    }
    if wanted("handed") {
        let (mut few, mut many) = (Side::new(0, true), Side::new(PATTERNS, true));
        Group::new("1,000 inserts, until the event of the last is in its stream")
            .subject("10,000 patterns, one of which matches", |_| many.settled())
            .subject("one pattern, which matches", |_| few.settled())
            .target(Bound::AtMost, 1.1)
            .run(40);
    }
}
