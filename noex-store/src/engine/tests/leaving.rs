//! Which records are the oldest, whatever order they came in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::clock::Moment;
use crate::engine::tests::Random;
use crate::engine::{HashState, Hashing, Table};
use crate::schema::Ttl;

#[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "numbered", max_size = 4, crate = crate)]
struct Numbered {
    #[bucket(key)]
    id: u64,
}

#[derive(noex_store_derive::Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "named", max_size = 4, crate = crate)]
struct Named {
    #[bucket(key)]
    name: String,
}

/// Holds a table against a model, the records of which come at these times with these numbers.
fn check<B: Bucket<Key: Clone>>(
    what: &str,
    random: &mut Random,
    comes: impl IntoIterator<Item = (u64, u64)>,
    make: impl Fn(u64) -> B,
) {
    let mut table: Table<B> = Table::new(HashState::new(Hashing::Fast));
    let mut model = BTreeSet::new();
    for (step, (created_at, number)) in comes.into_iter().enumerate() {
        let record =
            table.insert(make(number), Ttl::OfBucket, Moment::new(created_at, 0)).expect("a new key");
        model.insert((created_at, record.key().clone()));
        if random.below(3) > 0 {
            continue;
        }
        let leaving = table.oldest(1 + random.below(4));
        let found: Vec<_> =
            leaving.iter().map(|record| (record.created_at(), record.key().clone())).collect();
        assert!(!found.is_empty());
        assert!(found.iter().eq(model.iter().take(found.len())), "{what}, step {step}");
        // Some stay: to be found does nothing to them.
        if random.below(3) > 0 {
            table.make_room(&leaving, random.below(8));
            found.iter().for_each(|entry| assert!(model.remove(entry)));
        }
    }
}

/// As in a bucket that another program has written.
#[test]
fn the_oldest_is_found_where_rows_do_not_ascend_by_creation() {
    let mut random = Random::new(4);
    for _ in 0..50 {
        let comes: Vec<_> = (0..200).map(|id| (random.below(40) as u64, id)).collect();
        check("in any order", &mut random, comes, |id| Numbered { id });
    }
}

/// Many records come in one millisecond.
#[test]
fn the_oldest_is_found_where_keys_ascend_up_to_some_record() {
    const COUNT: u64 = 300;
    let mut random = Random::new(5);
    for ascend in (0..=COUNT).step_by(5) {
        let (mut now, mut used) = (0, BTreeSet::new());
        let comes: Vec<_> = (0..COUNT)
            .filter_map(|step| {
                now += u64::from(random.below(8) == 0);
                let any = random.below(COUNT as usize * 1000) as u64;
                let number = if step < ascend { step * 1000 } else { any };
                used.insert(number).then_some((now, number))
            })
            .collect();
        let what = format!("ascending up to {ascend}");
        check(&what, &mut random, comes.iter().copied(), |id| Numbered { id });
        check(&what, &mut random, comes, |number| Named { name: format!("{number:09}") });
    }
}
