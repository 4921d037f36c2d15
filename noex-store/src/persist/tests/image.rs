//! What an image holds is what a list would, whatever it was given.

use super::{BucketImage, Image};
use crate::engine::tests::Random;
use crate::engine::{
    PackedRecords, StoredChange, StoredChanges, StoredCommit, StoredPart, StoredRecord, StoredRef, Version,
};
use crate::error::Error;
use crate::persist::adapter::{LoadSink, SnapshotPart};

fn record(key: usize, version: u64) -> StoredRecord {
    StoredRecord {
        key: key.to_string(),
        value: "v".repeat(key % 7) + &version.to_string(),
        version,
        created_at: 1,
        updated_at: version,
        expires_at: key.is_multiple_of(3).then_some(version),
    }
}

fn changed(changes: Vec<StoredChange>, version: Version) -> StoredCommit {
    let buckets = vec![StoredChanges::Changed { bucket: "a".to_owned(), counters: Vec::new(), changes }];
    StoredCommit { version, time: 0, buckets }
}

/// Gives the image a snapshot of new records, in parts of so many at most, of all sorts.
fn fill(image: &mut Image, list: &mut Vec<StoredRecord>, count: usize, most: usize, random: &mut Random) {
    image.snapshot(Version(1), 0);
    image
        .part(SnapshotPart::Begin { name: "a".to_owned(), schema: None, counters: Vec::new() })
        .expect("a bucket");
    while list.len() < count {
        let size = 1 + random.below(most);
        let records: Vec<_> = (list.len()..list.len() + size).map(|key| record(key, 1)).collect();
        list.extend(records.iter().cloned());
        if random.below(2) == 0 {
            image.part(SnapshotPart::Records(records)).expect("taken");
        } else {
            let records: PackedRecords = records.iter().map(StoredRef::from).collect();
            image.packed(records).expect("taken");
        }
    }
}

fn check(image: &Image, list: &[StoredRecord], seed: u64) {
    let mut bucket = image.buckets["a"].clone();
    assert_eq!(bucket.len(), list.len(), "seed {seed}");
    assert!(bucket.into_records().eq(list.iter().cloned()), "seed {seed}");
}

fn parts(image: &Image) -> Vec<StoredPart> {
    image.buckets["a"].clone().into_parts()
}

#[test]
fn an_image_is_what_a_list_would_be() {
    for seed in 0..300 {
        let random = &mut Random::new(seed);
        let (mut image, mut list) = (Image::default(), Vec::new());
        let count = random.below(300);
        fill(&mut image, &mut list, count, 60, random);
        check(&image, &list, seed);
        // With fewer and fewer keys, or more and more.
        let (keys, deletes) = (1 + random.below(400), random.below(10));
        for version in 2..2 + random.below(300) as u64 {
            let mut changes = Vec::new();
            for _ in 0..random.below(4) {
                let key = random.below(keys);
                let there = list.iter().position(|own| own.key == key.to_string());
                if random.below(10) < deletes {
                    changes.push(StoredChange::Delete(key.to_string()));
                    there.map(|at| list.remove(at));
                } else {
                    let new = record(key, version);
                    changes.push(StoredChange::Put(new.clone()));
                    match there {
                        Some(at) => list[at] = new,
                        None => list.push(new),
                    }
                }
            }
            image.commit(changed(changes, Version(version))).expect("the next");
            // Whoever asks has the changes made that wait, and others follow.
            if random.below(40) == 0 {
                let len = image.buckets.get_mut("a").map(BucketImage::len);
                assert_eq!(len, Some(list.len()), "seed {seed}");
            }
        }
        check(&image, &list, seed);
        check(&image.copy(), &list, seed);
    }
}

#[test]
fn parts_are_no_larger_than_a_thread_reads_at_once() {
    let random = &mut Random::new(1);
    let (mut image, mut list) = (Image::default(), Vec::new());
    image.snapshot(Version(1), 0);
    fill(&mut image, &mut list, 1, 1, random);
    let many: Vec<_> = (1..5_000).map(|key| record(key, 1)).collect();
    list.extend(many.iter().cloned());
    image.part(SnapshotPart::Records(many)).expect("taken");
    for key in 5_000..9_000 {
        let new = record(key, 2);
        list.push(new.clone());
        let version = image.version.next();
        image.commit(changed(vec![StoredChange::Put(new)], version)).expect("the next");
    }
    check(&image, &list, 1);
    let sizes: Vec<_> = parts(&image).iter().map(StoredPart::places).collect();
    assert!(sizes.iter().all(|size| *size <= StoredPart::MOST), "{sizes:?}");
    assert!(sizes.len() < 12, "and no smaller than they must be: {sizes:?}");
}

#[test]
fn a_part_is_taken_apart_only_when_much_of_it_has_changed() {
    let random = &mut Random::new(1);
    let (mut image, mut list) = (Image::default(), Vec::new());
    image.snapshot(Version(1), 0);
    image
        .part(SnapshotPart::Begin { name: "a".to_owned(), schema: None, counters: Vec::new() })
        .expect("a bucket");
    list.extend((0..100).map(|key| record(key, 1)));
    image.packed(list.iter().map(StoredRef::from).collect()).expect("taken");
    for version in 2..1_000 {
        // Half of them, again and again; one of these is gone and comes back.
        let key = random.below(50) * 2;
        let gone = (key == 0).then(|| StoredChange::Delete(key.to_string()));
        let changes = match gone {
            Some(gone) if list.iter().any(|own| own.key == "0") => {
                list.retain(|own| own.key != "0");
                vec![gone]
            }
            _ => {
                let new = record(key, version);
                match list.iter_mut().find(|own| own.key == new.key) {
                    Some(own) => *own = new.clone(),
                    None => list.push(new.clone()),
                }
                vec![StoredChange::Put(new)]
            }
        };
        image.commit(changed(changes, Version(version))).expect("the next");
    }
    check(&image, &list, 1);
    assert!(matches!(parts(&image)[0], StoredPart::Packed { .. }), "a half is not more than that");
    let version = image.version.next();
    let new = record(51, 5_000);
    *list.iter_mut().find(|own| own.key == "51").expect("never deleted") = new.clone();
    image.commit(changed(vec![StoredChange::Put(new)], version)).expect("the next");
    check(&image, &list, 1);
    assert!(matches!(parts(&image)[0], StoredPart::Loose(_)));
}

#[test]
fn memory_of_what_was_deleted_is_given_back() {
    let random = &mut Random::new(1);
    let (mut image, mut list) = (Image::default(), Vec::new());
    fill(&mut image, &mut list, 10_000, 300, random);
    // A queue: each is deleted when the next ones have come.
    let kept = list.len();
    for key in kept..40_000 {
        let version = image.version.next();
        let changes = vec![StoredChange::Put(record(key, 1)), StoredChange::Delete((key - kept).to_string())];
        image.commit(changed(changes, version)).expect("the next");
        list.push(record(key, 1));
    }
    list.drain(..list.len() - kept);
    let bucket = &image.buckets["a"];
    let there: usize = bucket.parts.iter().map(StoredPart::places).sum();
    assert_eq!(there, bucket.places);
    for places in [there, parts(&image).iter().map(StoredPart::places).sum()] {
        assert!(places <= 2 * list.len() + 64, "{places} places for {} records", list.len());
    }
    check(&image, &list, 1);
}

/// No adapter should give them so.
#[test]
fn parts_that_come_after_changes_hold_each_key_once_too() {
    let random = &mut Random::new(1);
    for waits in [true, false] {
        let (mut image, mut list) = (Image::default(), Vec::new());
        fill(&mut image, &mut list, 200, 50, random);
        for (key, own) in list.iter_mut().enumerate().take(if waits { 3 } else { 100 }) {
            *own = record(key, 2);
            let version = image.version.next();
            image.commit(changed(vec![StoredChange::Put(own.clone())], version)).expect("the next");
        }
        let more: Vec<_> = (1..3).map(|key| record(key, 3)).collect();
        image.part(SnapshotPart::Records(more[..1].to_vec())).expect("taken");
        image.packed(more[1..].iter().map(StoredRef::from).collect()).expect("taken");
        (list[1], list[2]) = (more[0].clone(), more[1].clone());
        check(&image, &list, 1);
    }
}

#[test]
fn records_of_no_bucket_are_refused() {
    let mut image = Image::default();
    image.snapshot(Version(1), 0);
    let records = vec![record(1, 1)];
    let packed = records.iter().map(StoredRef::from).collect();
    for refused in [image.packed(packed), image.part(SnapshotPart::Records(records))] {
        assert!(matches!(refused, Err(Error::Persistence { .. })), "{refused:?}");
    }
}
