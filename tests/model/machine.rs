//! The store and the naive store side by side: every write is done to both, and then every read must agree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use noex_store::prelude::*;
use noex_store::{Clock, CommitReader, Reader};
use proptest::prelude::*;

use super::bucket::{DraftData, Item, NAMES, PatchData, TAGS, Word, draft, good_draft, patch};
use super::condition::{Condition, condition};
use super::question::Question;
use super::reference::{Model, Refusal, Row};
use super::transaction::{Transacted, transacted};
use super::write::write;
use super::{ready, same};

/// A record that is there, by its number, or a key that may not be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pick {
    There(u16),
    Key(u32),
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Insert(DraftData),
    InsertItem(u32, DraftData),
    InsertMany(Vec<DraftData>),
    Upsert(DraftData),
    Update(Pick, PatchData),
    UpdateMany(Vec<(Pick, PatchData)>),
    UpdateWhere(Condition, PatchData),
    Modify(Pick, PatchData, Option<u32>),
    Delete(Pick),
    DeleteMany(Vec<Pick>),
    DeleteWhere(Condition),
    Clear,
    Drop,
    Define,
    PutWord(String, u8),
    DeleteWord(String),
    Keep,
    Forget(u8),
    Wait(u8),
    Transaction(Transacted),
    Restart(bool),
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![8 => any::<u16>().prop_map(Pick::There), 1 => (0..400_u32).prop_map(Pick::Key)]
}

/// Writes to the records, none of which takes the bucket away.
pub(crate) fn change() -> impl Strategy<Value = Op> {
    let key = prop::option::weighted(0.1, 0..60_u32);
    prop_oneof![
        6 => draft().prop_map(Op::Insert),
        2 => (0..80_u32, draft()).prop_map(|(id, draft)| Op::InsertItem(id, draft)),
        2 => prop::collection::vec(draft(), 0..6).prop_map(Op::InsertMany),
        2 => prop::collection::vec(good_draft(), 0..80).prop_map(Op::InsertMany),
        3 => draft().prop_map(Op::Upsert),
        6 => (pick(), patch()).prop_map(|(pick, patch)| Op::Update(pick, patch)),
        2 => prop::collection::vec((pick(), patch()), 0..5).prop_map(Op::UpdateMany),
        2 => (condition(), patch()).prop_map(|(condition, patch)| Op::UpdateWhere(condition, patch)),
        3 => (pick(), patch(), key).prop_map(|(pick, patch, key)| Op::Modify(pick, patch, key)),
        4 => pick().prop_map(Op::Delete),
        2 => prop::collection::vec(pick(), 0..12).prop_map(Op::DeleteMany),
        1 => condition().prop_map(Op::DeleteWhere),
        1 => Just(Op::Clear),
        1 => (0..3_u8).prop_map(Op::Wait),
    ]
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let text = proptest::sample::select(vec!["", "x", "y", "ž", "long"]).prop_map(str::to_owned).boxed();
    prop_oneof![
        30 => change(),
        1 => Just(Op::Drop),
        3 => Just(Op::Define),
        2 => (text.clone(), 0..4_u8).prop_map(|(text, number)| Op::PutWord(text, number)),
        1 => text.prop_map(Op::DeleteWord),
        6 => transacted().prop_map(Op::Transaction),
        2 => Just(Op::Keep),
        1 => any::<u8>().prop_map(Op::Forget),
        1 => any::<bool>().prop_map(Op::Restart),
    ]
}

#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl Clock for TestClock {
    fn now_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl TestClock {
    pub(crate) fn wait(&self, millis: u8) {
        self.0.fetch_add(u64::from(millis), Ordering::Relaxed);
    }
}

pub(crate) struct Machine {
    pub(crate) store: Store,
    pub(crate) items: BucketHandle<Item>,
    words: BucketHandle<Word>,
    clock: TestClock,
    pub(crate) model: Model,
    words_model: BTreeMap<String, u8>,
    kept: Vec<(Snapshot, Model, BTreeMap<String, u8>)>,
    commits: CommitReader,
    /// What the commits add up to.
    replayed: BTreeMap<u32, Item>,
    /// The greatest id that they had since the bucket was defined.
    greatest: u32,
    disk: MemoryAdapter,
}

/// A store with both buckets, and what is kept of them.
fn open(clock: &TestClock, disk: &MemoryAdapter, durability: Durability) -> Store {
    let builder = Store::builder().bucket::<Item>().bucket::<Word>().clock(clock.clone());
    let persistence = Persistence::new(disk.clone()).durability(durability);
    ready(builder.persistence(persistence).start()).expect("two buckets of two names, and what fits them")
}

impl Machine {
    pub(crate) fn new() -> Self {
        let clock = TestClock(Arc::new(AtomicU64::new(1)));
        let disk = MemoryAdapter::new();
        let store = open(&clock, &disk, Durability::default());
        let commits = store.commits().after(store.snapshot().version());
        Self {
            items: store.bucket().expect("defined"),
            words: store.bucket().expect("defined"),
            store,
            clock,
            model: Model::new(),
            words_model: BTreeMap::new(),
            kept: Vec::new(),
            commits,
            replayed: BTreeMap::new(),
            greatest: 0,
            disk,
        }
    }

    /// Goes on with a store that starts from what was kept.
    fn restart(&mut self, durability: Durability) {
        ready(self.store.stop()).expect("all is kept");
        let version = self.store.snapshot().version();
        self.store = open(&self.clock, &self.disk, durability);
        self.items = self.store.bucket().expect("defined");
        self.words = self.store.bucket().expect("defined");
        if self.model.defined {
            assert_eq!(self.store.snapshot().version(), version);
        } else {
            // The builder names it.
            self.model = Model::new();
            self.greatest = 0;
        }
        self.commits = self.store.commits().after(self.store.snapshot().version());
        // Numbers that no commit had may be drawn again; no others.
        let tx = self.store.begin();
        let items = tx.bucket::<Item>().expect("defined");
        let drawn = items.insert(Item::draft().name("a").group(0).price(0.0)).expect("it breaks no rule").id;
        assert!((self.greatest + 1..=self.model.counter + 1).contains(&drawn), "{drawn}");
        self.model.counter = drawn;
    }

    /// Does a write to both; says whether it made a commit, and whether they agree.
    pub(crate) fn apply(&mut self, op: &Op) {
        let before = (self.store.snapshot().version().get(), self.model.rows.clone(), self.model.defined);
        let words_before = self.words_model.clone();
        let mut committed = false;
        let now = self.clock.now_millis();
        if let Op::Restart(is_immediate) = op {
            return self.restart(if *is_immediate { Durability::Immediate } else { Durability::default() });
        }
        if let Some((answer, expected)) = write!(&self.items, &mut self.model, op, now) {
            answer.compare(expected);
        }
        let model = &mut self.model;
        match op {
            Op::Drop => {
                assert_eq!(self.store.drop_bucket::<Item>().is_ok(), model.defined);
                *model = Model::dropped();
                self.replayed.clear();
                self.greatest = 0;
            }
            Op::Define => {
                let defined = self.store.define_bucket::<Item>();
                if model.defined {
                    assert_eq!(defined.err(), Some(Error::BucketAlreadyExists { bucket: "items" }));
                } else {
                    assert_eq!(defined.err(), None);
                    *model = Model::new();
                }
            }
            Op::PutWord(text, number) => {
                let taken = self.words_model.iter().any(|(other, own)| other != text && own == number);
                let put = self.words.upsert(Word { text: text.clone(), number: *number });
                assert_eq!(put.is_ok(), !taken && text.len() <= 3);
                if put.is_ok() {
                    self.words_model.insert(text.clone(), *number);
                }
            }
            Op::DeleteWord(text) => {
                let removed = self.words.delete(text.as_str()).expect("defined");
                assert_eq!(removed.map(|word| word.number), self.words_model.remove(text));
            }
            Op::Keep => self.kept.push((self.store.snapshot(), self.model.clone(), self.words_model.clone())),
            Op::Forget(number) if !self.kept.is_empty() => {
                let number = usize::from(*number) % self.kept.len();
                drop(self.kept.swap_remove(number));
            }
            Op::Forget(_) => {}
            Op::Wait(millis) => {
                self.clock.wait(*millis);
            }
            Op::Transaction(transaction) => {
                let Self { store, model, clock, .. } = self;
                committed = transaction.run(store, model, clock);
            }
            // Done already.
            _ => {}
        }
        let wrote_a_word = matches!(op, Op::PutWord(text, number) if self.words_model.get(text) == Some(number)
            && !(words_before.iter().any(|(other, own)| other != text && own == number)));
        let changed = committed
            || before.1 != self.model.rows
            || before.2 != self.model.defined
            || words_before != self.words_model
            || wrote_a_word;
        let version = self.store.snapshot().version().get();
        assert_eq!(
            version,
            before.0 + u64::from(changed),
            "one commit if something changed, else none: {op:?}"
        );
        self.replay(version);
    }

    /// The commits since the last time, in order and each once, lead to the state of the bucket.
    fn replay(&mut self, latest: u64) {
        while let Some(commit) = self.commits.try_next().expect("the log is long enough") {
            for change in commit.changes::<Item>() {
                let id = change.old().or(change.new()).expect("one of them").id;
                self.greatest = self.greatest.max(id);
                let old = match change.new() {
                    Some(new) => self.replayed.insert(id, (**new).clone()),
                    None => self.replayed.remove(&id),
                };
                assert_eq!(old.as_ref(), change.old().map(|record| record.value()));
            }
            assert!(commit.version().get() <= latest);
        }
        assert!(self.replayed.len() == self.model.rows.len());
        assert!(self.model.rows.iter().all(|row| self.replayed.get(&row.item.id) == Some(&row.item)));
    }

    pub(crate) fn check(&self, question: &Question) {
        check_items(&self.items, &self.model);
        if self.model.defined {
            question.check(&self.items, &self.model.rows);
        }
        check_words(&self.words, &self.words_model);
    }

    /// Every snapshot that was kept still is what the store was then.
    pub(crate) fn check_kept(&self, question: &Question) {
        for (snapshot, model, words) in &self.kept {
            match snapshot.bucket::<Item>() {
                Ok(items) => {
                    check_items(&items, model);
                    question.check(&items, &model.rows);
                }
                Err(error) => assert_eq!((Refusal::from(error), model.defined), (Refusal::NotDefined, false)),
            }
            check_words(&snapshot.bucket::<Word>().expect("never dropped"), words);
        }
    }
}

/// All reads but those of filters. What an index's accessor gives is what a look at every record gives, in the index's order.
pub(crate) fn check_items(items: &<Item as Bucket>::Reads, model: &Model) {
    let rows: Vec<&Row> = model.rows.iter().collect();
    let len = rows.len();
    same(&items.all(), &rows);
    same(&items.iter().take(len + 1).collect::<Vec<_>>(), &rows);
    assert_eq!((items.count(), items.is_empty()), (len, len == 0));
    for n in [0, 1, 3, len / 2, len, len + 1] {
        same(&items.first(n), &rows[..n.min(len)]);
        same(&items.last(n), &rows[len - n.min(len)..]);
    }
    let reader: &Reader<Item> = items;
    // Also those that are not there: of deleted rows, of writes that failed, of later versions.
    for id in rows.iter().map(|row| row.item.id).chain(0..100).chain([1000]) {
        let row = model.get(id);
        same(&reader.get(&id).into_iter().collect::<Vec<_>>(), &row.into_iter().collect::<Vec<_>>());
        assert_eq!((reader.contains_key(&id), reader.require(&id).is_ok()), (row.is_some(), row.is_some()));
    }
    let with = |passes: &dyn Fn(&Item) -> bool| -> Vec<&Row> {
        rows.iter().copied().filter(|row| passes(&row.item)).collect()
    };
    for number in 0..21 {
        let code = format!("c{number}");
        let found: Vec<_> = items.by_code(code.as_str()).into_iter().collect();
        same(&found, &with(&|item| item.code.as_ref() == Some(&code)));
    }
    for name in NAMES {
        same(&items.by_name(name), &with(&|item| item.name == name));
    }
    for tag in TAGS.into_iter().chain(["none"]) {
        same(&items.by_tags(tag), &with(&|item| item.tags.iter().any(|own| own == tag)));
    }
    for rank in -6..=6 {
        same(&items.by_rank(&rank), &with(&|item| item.rank == Some(rank)));
        let mut named = with(&|item| item.rank == Some(rank) && *item.name >= *"a" && *item.name < *"z");
        named.sort_by(|a, b| a.item.name.cmp(&b.item.name));
        same(&items.by_rank_and_name(&rank, "a".."z"), &named);
        for note in NAMES {
            let found: Vec<_> = items.by_note_and_rank(note, &rank).into_iter().collect();
            same(&found, &with(&|item| item.note.as_deref() == Some(note) && item.rank == Some(rank)));
        }
    }
    for made in 0..16 {
        same(&items.by_made(&made), &with(&|item| item.made == made));
    }
    for group in 0..10 {
        same(&items.by_group(&group), &with(&|item| item.group == group));
        let ranked = |passes: &dyn Fn(i16) -> bool| {
            let mut ranked = with(&|item| item.group == group && item.rank.is_some_and(passes));
            ranked.sort_by_key(|row| row.item.rank);
            ranked
        };
        same(&items.by_group_and_rank(&group, ..), &ranked(&|_| true));
        same(&items.by_group_and_rank(&group, -2..2), &ranked(&|rank| (-2..2).contains(&rank)));
        same(&items.by_group_and_rank(&group, -2..=2), &ranked(&|rank| (-2..=2).contains(&rank)));
        same(&items.by_group_and_rank(&group, ..=0), &ranked(&|rank| rank <= 0));
    }
}

fn check_words(words: &<Word as Bucket>::Reads, model: &BTreeMap<String, u8>) {
    assert_eq!(words.count(), model.len());
    for (text, number) in model {
        assert_eq!(words.get(text.as_str()).map(|word| word.number), Some(*number));
        assert_eq!(words.by_number(number).map(|word| word.text.clone()).as_ref(), Some(text));
    }
}
