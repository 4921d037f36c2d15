//! What differs between two versions of a record table, against the difference of two maps; and that what they share is not
//! looked at.

use std::collections::BTreeMap;

use super::*;
use crate::engine::tests::Random;

type Model = BTreeMap<u64, u64>;
type Differences = BTreeMap<u64, (Option<u64>, Option<u64>)>;

/// What differs, by row: before and after. Values are never given twice.
fn differences(old: &Rows<u64>, new: &Rows<u64>) -> (Differences, usize) {
    let (mut found, mut visited, mut last) = (BTreeMap::new(), 0, None);
    old.diff(new, &mut |row, old, new| {
        visited += 1;
        assert!(last < Some(row), "rows ascend");
        last = Some(row);
        if old != new {
            found.insert(row.0, (old.copied(), new.copied()));
        }
    });
    (found, visited)
}

fn expected(old: &Model, new: &Model) -> Differences {
    old.keys()
        .chain(new.keys())
        .map(|row| (*row, (old.get(row).copied(), new.get(row).copied())))
        .filter(|(_, (old, new))| old != new)
        .collect()
}

fn push(rows: &mut Rows<u64>, value: u64) {
    let _ = rows.push(value);
}

/// A row that is there, mostly.
fn some_row(rows: &Rows<u64>, model: &Model, random: &mut Random) -> u64 {
    let first = model.keys().next().copied().unwrap_or_default();
    first + random.below(rows.next().0.saturating_sub(first) as usize + 1) as u64
}

#[test]
fn versions_differ_as_maps_do() {
    for seed in 0..10 {
        let mut random = Random::new(seed);
        let start = *random.pick(&[0, 0, WIDTH as u64, 4096 - 40, 1 << 30]);
        let (mut rows, mut model, mut next) = (Rows::starting_at(start), Model::new(), 0_u64);
        let mut kept: Vec<(Rows<u64>, Model)> = Vec::new();
        for step in 0..1500_usize {
            let value = seed << 32 | step as u64;
            let row = some_row(&rows, &model, &mut random);
            match random.below(22) {
                0..=7 => {
                    model.insert(rows.push(value).0, value);
                }
                8 => (0..random.below(60) as u64).for_each(|more| {
                    next += 1;
                    let value = next << 48 | more;
                    model.insert(rows.push(value).0, value);
                }),
                9..=12 => {
                    if rows.replace(RowId(row), value).is_some() {
                        model.insert(row, value);
                    }
                }
                13..=15 => {
                    rows.remove(RowId(row));
                    model.remove(&row);
                }
                16 => (row..row + random.below(120) as u64).for_each(|row| {
                    rows.remove(RowId(row));
                    model.remove(&row);
                }),
                17 => (0..random.below(40)).for_each(|_| {
                    // The first ones, as from a queue.
                    if let Some((first, _)) = model.pop_first() {
                        rows.remove(RowId(first));
                    }
                }),
                18 => {
                    // A write that is given up fills slots of the shared tail.
                    let mut given_up = rows.clone();
                    (0..random.below(40)).for_each(|_| push(&mut given_up, u64::MAX));
                }
                19 if random.below(15) == 0 => {
                    rows = Rows::starting_at(rows.next().0);
                    model.clear();
                }
                _ => kept.push((rows.clone(), model.clone())),
            }
            if step % 50 == 0 {
                for (old_rows, old) in &kept {
                    assert_eq!(differences(old_rows, &rows).0, expected(old, &model), "seed {seed}");
                }
                for pair in kept.windows(2) {
                    assert_eq!(differences(&pair[0].0, &pair[1].0).0, expected(&pair[0].1, &pair[1].1));
                }
                let keep = random.below(12);
                kept.retain(|_| random.below(12) <= keep);
            }
        }
    }
}

#[test]
fn what_is_shared_is_passed_over() {
    let mut rows = Rows::starting_at(0);
    (0..20_000).for_each(|value| push(&mut rows, value));
    let before = rows.clone();
    assert_eq!(differences(&before, &rows).1, 0);
    rows.replace(RowId(77), u64::MAX);
    rows.remove(RowId(12_345));
    rows.push(1);
    let (found, visited) = differences(&before, &rows);
    assert_eq!(found.len(), 3);
    assert!(visited <= 3 * WIDTH, "only the leaves of the three rows: {visited}");
}

#[test]
fn a_fork_leaves_slots_of_the_shared_tail_alone() {
    let mut rows = Rows::starting_at(0);
    (0..5).for_each(|value| push(&mut rows, value));
    let mut fork = rows.fork();
    fork.push(100);
    fork.advance_to(RowId(40));
    assert_eq!(fork.push(101), RowId(40));
    let tail = Arc::as_ptr(&rows.tail);
    assert_eq!(rows.push(5), RowId(5));
    assert_eq!(tail, Arc::as_ptr(&rows.tail), "the main line still appends in place");
    assert_eq!((fork.get(RowId(5)), rows.get(RowId(5))), (Some(&100), Some(&5)));
    assert_eq!((fork.len(), fork.get(RowId(6)), fork.get(RowId(39))), (7, None, None));
    assert_eq!(fork.get(RowId(40)), Some(&101));
    assert_eq!(fork.nth(6), Some(RowId(40)));
}
