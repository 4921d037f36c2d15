//! The buckets of the model tests, and what is put into them, as plain data that shrinks.

use noex_store::prelude::*;
use proptest::prelude::*;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(
    name = "items",
    index(group, rank),
    index(rank, name),
    unique(note, rank),
    validate = no_weight_in_group_seven
)]
#[allow(clippy::duplicated_attributes, reason = "two indexes may share a field")]
pub(crate) struct Item {
    #[bucket(key, generated = "autoincrement")]
    pub(crate) id: u32,
    #[bucket(unique, pattern = "^[a-z]")]
    pub(crate) code: Option<String>,
    #[bucket(index, min_length = 1, max_length = 30)]
    pub(crate) name: String,
    #[bucket(index)]
    pub(crate) group: u8,
    #[bucket(index, min = -5, max = 5)]
    pub(crate) rank: Option<i16>,
    #[bucket(index(each), max_length = 3, default)]
    pub(crate) tags: Vec<String>,
    #[bucket(min = -1000.0)]
    pub(crate) price: f64,
    pub(crate) note: Option<String>,
    pub(crate) weight: Option<f64>,
    #[bucket(index, generated = "timestamp")]
    pub(crate) made: u64,
}

fn no_weight_in_group_seven(item: &Item) -> Result<(), &'static str> {
    if item.group == 7 && item.weight.is_some() { Err("group 7 has no weight") } else { Ok(()) }
}

/// A second bucket, with a key of text: commits of one bucket leave the other alone, in every snapshot.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "words")]
pub(crate) struct Word {
    #[bucket(key, max_length = 3)]
    pub(crate) text: String,
    #[bucket(unique)]
    pub(crate) number: u8,
}

/// The rules of [`Item`] once more: the field and the code of each one that is broken.
pub(crate) fn issues(item: &Item) -> Vec<(String, String)> {
    let mut issues = Vec::new();
    let mut rule = |broken: bool, field: &str, code: &str| {
        if broken {
            issues.push((field.to_owned(), code.to_owned()));
        }
    };
    let starts_well = |code: &String| code.starts_with(|first: char| first.is_ascii_lowercase());
    rule(item.code.as_ref().is_some_and(|code| !starts_well(code)), "code", "pattern");
    rule(item.name.is_empty(), "name", "min_length");
    rule(item.name.chars().count() > 30, "name", "max_length");
    rule(item.rank.is_some_and(|rank| rank < -5), "rank", "min");
    rule(item.rank.is_some_and(|rank| rank > 5), "rank", "max");
    rule(item.tags.len() > 3, "tags", "max_length");
    rule(item.price < -1000.0, "price", "min");
    rule(!item.price.is_finite(), "price", "type");
    rule(item.weight.is_some_and(|weight| !weight.is_finite()), "weight", "type");
    rule(no_weight_in_group_seven(item).is_err(), "", "custom");
    issues
}

/// What a draft is given.
#[derive(Clone, Debug)]
pub(crate) struct DraftData {
    pub(crate) id: Option<u32>,
    pub(crate) code: Option<String>,
    pub(crate) name: String,
    pub(crate) group: u8,
    pub(crate) rank: Option<i16>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) price: f64,
    pub(crate) note: Option<String>,
    pub(crate) weight: Option<f64>,
    pub(crate) made: Option<u64>,
}

impl DraftData {
    pub(crate) fn draft(&self) -> impl Insertable<Item> + use<> {
        let mut draft = Item::draft().price(self.price).name(&self.name).group(self.group);
        if let Some(id) = self.id {
            draft = draft.id(id);
        }
        if let Some(code) = &self.code {
            draft = draft.code(code);
        }
        if let Some(rank) = self.rank {
            draft = draft.rank(rank);
        }
        if let Some(tags) = &self.tags {
            draft = draft.tags(tags.as_slice());
        }
        if let Some(note) = &self.note {
            draft = draft.note(note.as_str());
        }
        if let Some(weight) = self.weight {
            draft = draft.weight(weight);
        }
        if let Some(made) = self.made {
            draft = draft.made(made);
        }
        draft
    }

    /// The whole value, for a draft that is given its id and time.
    pub(crate) fn item(&self, id: u32, made: u64) -> Item {
        Item {
            id,
            code: self.code.clone(),
            name: self.name.clone(),
            group: self.group,
            rank: self.rank,
            tags: self.tags.clone().unwrap_or_default(),
            price: self.price,
            note: self.note.clone(),
            weight: self.weight,
            made,
        }
    }
}

/// What a patch changes.
#[derive(Clone, Debug)]
pub(crate) struct PatchData {
    pub(crate) code: Option<Option<String>>,
    pub(crate) name: Option<String>,
    pub(crate) group: Option<u8>,
    pub(crate) rank: Option<Option<i16>>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) price: Option<f64>,
    pub(crate) weight: Option<Option<f64>>,
}

impl PatchData {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(
            self,
            Self { code: None, name: None, group: None, rank: None, tags: None, price: None, weight: None }
        )
    }

    pub(crate) fn patch(&self) -> ItemPatch {
        let mut patch = Item::patch();
        match &self.code {
            Some(Some(code)) => patch = patch.code(code),
            Some(None) => patch = patch.clear_code(),
            None => {}
        }
        if let Some(name) = &self.name {
            patch = patch.name(name);
        }
        if let Some(group) = self.group {
            patch = patch.group(group);
        }
        match self.rank {
            Some(Some(rank)) => patch = patch.rank(rank),
            Some(None) => patch = patch.clear_rank(),
            None => {}
        }
        if let Some(tags) = &self.tags {
            patch = patch.tags(tags.as_slice());
        }
        if let Some(price) = self.price {
            patch = patch.price(price);
        }
        match self.weight {
            Some(Some(weight)) => patch = patch.weight(weight),
            Some(None) => patch = patch.clear_weight(),
            None => {}
        }
        patch
    }

    /// The same changes, without the patch: also what `modify` does.
    pub(crate) fn apply(&self, item: &mut Item) {
        if let Some(code) = &self.code {
            item.code.clone_from(code);
        }
        if let Some(name) = &self.name {
            item.name.clone_from(name);
        }
        item.group = self.group.unwrap_or(item.group);
        item.rank = self.rank.unwrap_or(item.rank);
        if let Some(tags) = &self.tags {
            item.tags.clone_from(tags);
        }
        item.price = self.price.unwrap_or(item.price);
        item.weight = self.weight.unwrap_or(item.weight);
    }
}

/// Names, and parts of them: of one word in several cases, ASCII and not, some with the letters whose lower case is special.
pub(crate) const NAMES: [&str; 14] = [
    "a",
    "an",
    "Ann",
    "anna",
    "ANNA",
    "bo",
    "Bořek",
    "Žofie",
    "žofie",
    "ΟΔΟΣ",
    "οδος",
    "z",
    "İ",
    "a name of well over 23 bytes",
];

pub(crate) const TAGS: [&str; 5] = ["red", "green", "Red", "a tag of well over 23 bytes", ""];

pub(crate) fn name() -> impl Strategy<Value = String> + Clone {
    proptest::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

pub(crate) fn tag() -> impl Strategy<Value = String> + Clone {
    proptest::sample::select(&TAGS[..]).prop_map(str::to_owned)
}

pub(crate) fn code() -> impl Strategy<Value = String> + Clone {
    (0..20_u8).prop_map(|number| format!("c{number}"))
}

pub(crate) fn price() -> impl Strategy<Value = f64> + Clone {
    // Some repeat; some need all of their digits.
    prop_oneof![3 => (-8..8_i8).prop_map(|number| f64::from(number) / 4.0), 1 => -10.0..10.0_f64]
}

fn bad_price() -> impl Strategy<Value = f64> {
    prop_oneof![60 => price(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(-1000.5)]
}

fn bad_name() -> impl Strategy<Value = String> {
    prop_oneof![40 => name(), 1 => Just(String::new()), 1 => Just("ž".repeat(31)), 1 => Just("ž".repeat(30))]
}

fn bad_code() -> impl Strategy<Value = Option<String>> {
    prop_oneof![10 => Just(None), 10 => code().prop_map(Some), 1 => Just(Some("C1".to_owned()))]
}

fn bad_rank() -> impl Strategy<Value = Option<i16>> {
    prop_oneof![10 => Just(None), 30 => (-5..=5_i16).prop_map(Some), 1 => (-7..=7_i16).prop_map(Some)]
}

fn bad_tags() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![20 => prop::collection::vec(tag(), 0..=3), 1 => prop::collection::vec(tag(), 4)]
}

fn weight() -> impl Strategy<Value = Option<f64>> {
    prop::option::weighted(0.3, price())
}

pub(crate) fn draft() -> impl Strategy<Value = DraftData> {
    let id = prop::option::weighted(0.3, 0..60_u32);
    let rest = (prop::option::of(name()), weight(), prop::option::weighted(0.2, 0..9_u64));
    let tags = prop::option::weighted(0.7, bad_tags());
    (id, bad_code(), bad_name(), 0..9_u8, bad_rank(), tags, bad_price(), rest).prop_map(
        |(id, code, name, group, rank, tags, price, (note, weight, made))| DraftData {
            id,
            code,
            name,
            group,
            rank,
            tags,
            price,
            note,
            weight,
            made,
        },
    )
}

/// A draft that breaks no rule and collides with nothing.
pub(crate) fn good_draft() -> impl Strategy<Value = DraftData> {
    let rank = prop::option::weighted(0.8, -5..=5_i16);
    (name(), 0..7_u8, rank, prop::collection::vec(tag(), 0..=3), price(), weight()).prop_map(
        |(name, group, rank, tags, price, weight)| DraftData {
            id: None,
            code: None,
            name,
            group,
            rank,
            tags: Some(tags),
            price,
            note: None,
            weight,
            made: None,
        },
    )
}

pub(crate) fn patch() -> impl Strategy<Value = PatchData> {
    let weighted = prop::option::weighted::<BoxedStrategy<Option<f64>>>;
    (
        prop::option::weighted(0.3, bad_code()),
        prop::option::weighted(0.3, bad_name()),
        prop::option::weighted(0.3, 0..9_u8),
        prop::option::weighted(0.3, bad_rank()),
        prop::option::weighted(0.3, bad_tags()),
        prop::option::weighted(0.3, bad_price()),
        weighted(0.2, weight().boxed()),
    )
        .prop_map(|(code, name, group, rank, tags, price, weight)| PatchData {
            code,
            name,
            group,
            rank,
            tags,
            price,
            weight,
        })
}
