//! What is read of files that are damaged anywhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::persist::file::Salvage;
use crate::persist::file::frame::Frames;
use crate::persist::image::BucketImage;

/// A folder with a snapshot of many parts and segments after it, and what is in it.
fn written(folder: &Path) -> Run {
    let adapter = FileAdapter::on(Arc::new(crate::persist::file::disk::RealDisk), folder.to_owned(), SIZES)
        .expect("free");
    let mut run = Run::new();
    let mut random = Random::new(3);
    now(adapter.load(&mut run.image)).expect("empty");
    run.work(&adapter, &mut random, 60);
    now(adapter.write_snapshot(&mut Source::of(&run.image))).expect("written");
    now(adapter.truncate(run.image.version)).expect("truncated");
    for _ in 0..12 {
        let next = commit(run.image.version.get() + 1, &mut random);
        run.image.commit(next.clone()).expect("dense");
        now(adapter.append(&[next])).expect("written");
    }
    run
}

fn fresh(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = format!("noex-store-salvage-{name}-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn salvaged(from: &Path) -> (Salvage, Image) {
    let to = fresh("to");
    let salvage = FileAdapter::salvage(from, &to).expect("salvaged");
    let mut image = Image::default();
    now(FileAdapter::open(&to).expect("free").load(&mut image)).expect("whole");
    std::fs::remove_dir_all(&to).expect("removed");
    (salvage, image)
}

#[test]
fn what_is_whole_is_salvaged_wholly() {
    let folder = fresh("whole");
    let run = written(&folder);
    let (salvage, mut image) = salvaged(&folder);
    assert_eq!(contents(&image), contents(&run.image));
    assert_eq!((salvage.damages.len(), salvage.version), (0, run.image.version));
    assert_eq!(salvage.records, image.buckets.values_mut().map(BucketImage::len).sum::<usize>());

    // It goes to an empty folder, and comes from one that nobody uses.
    let message =
        |result: Result<Salvage, Error>| result.map_err(|error| error.to_string()).expect_err("refused");
    assert!(message(FileAdapter::salvage(&folder, &folder)).contains("another store has it open"));
    assert!(message(FileAdapter::salvage(folder.join("none"), fresh("to"))).contains("there is no folder"));
    let other = fresh("other");
    drop(written(&other));
    assert!(message(FileAdapter::salvage(&folder, &other)).contains("has something already"));
    std::fs::remove_dir_all(&folder).expect("removed");
    std::fs::remove_dir_all(&other).expect("removed");
}

#[test]
fn whatever_is_damaged_the_rest_is_salvaged() {
    let folder = fresh("damaged");
    drop(written(&folder));
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("there").flatten().map(|entry| entry.path()).collect();
    files.retain(|path| !path.ends_with("LOCK"));
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    let last_segment = files.iter().rfind(|file| file.to_string_lossy().contains("log-"));
    let (_, whole) = salvaged(&folder);
    let values = |image: &Image| -> BTreeSet<String> {
        let buckets = image.buckets.values().flat_map(|bucket| bucket.clone().into_records());
        buckets.map(|record| record.value).collect()
    };
    let (mut shorter, mut named) = (0, 0);
    for file in &files {
        let bytes = std::fs::read(file).expect("readable");
        for at in (0..bytes.len()).step_by(23) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            std::fs::write(file, &damaged).expect("written");
            let (salvage, image) = salvaged(&folder);
            assert_eq!(salvage.damages.len(), 1, "{} at {at}", file.display());
            let damage = &salvage.damages[0];
            assert!(damage.file == *file && damage.offset <= at as u64, "{damage:?}");
            assert!(damage.offset + damage.bytes > at as u64, "{damage:?}");
            let lost = values(&whole).difference(&values(&image)).count();
            shorter += usize::from(lost > 0);
            named += usize::from(image.buckets.keys().any(|name| name.starts_with("salvaged-")));
            assert!(lost <= 6, "one frame is lost: {lost} values");
            assert_eq!(std::fs::read(file).expect("readable"), damaged, "it stays as it is");
            // The store cuts off what may be the rest of a write.
            let opened =
                FileAdapter::open(&folder).and_then(|adapter| now(adapter.load(&mut Image::default())));
            match opened {
                Err(Error::Corrupt { offset, .. }) => assert_eq!(offset, damage.offset, "the same place"),
                other => assert!(other.is_ok() && last_segment == Some(file), "{other:?}"),
            }
        }
        std::fs::write(file, &bytes).expect("written");
    }
    assert!(shorter > 10 && named > 0, "{shorter} {named}");
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn a_log_of_a_later_format_is_for_a_later_version() {
    let folder = fresh("later");
    drop(written(&folder));
    let mut logs: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("there").flatten().map(|entry| entry.path()).collect();
    logs.retain(|path| path.to_string_lossy().contains("log-"));
    logs.sort();
    let last = logs.last().expect("a segment");
    let bytes = std::fs::read(last).expect("readable");
    let mut frames = Frames::new(bytes.as_slice());
    let (_, after): (u32, Version) = frames.next().expect("whole").expect("a head");
    let mut later = Vec::new();
    frame::put(&mut later, &(99_u32, after)).expect("small");
    later.extend(&bytes[frames.offset as usize..]);
    assert_eq!(later.len(), bytes.len(), "but for two numbers the same");
    std::fs::write(last, &later).expect("written");

    let to = fresh("nothing");
    let loaded = FileAdapter::open(&folder).and_then(|adapter| now(adapter.load(&mut Image::default())));
    for refused in [loaded, FileAdapter::salvage(&folder, &to).map(drop)] {
        let message = refused.expect_err("refused").to_string();
        assert!(message.contains("its format is 99, and this version reads those up to"), "{message}");
        assert!(message.contains(&*last.to_string_lossy()), "{message}");
    }
    assert_eq!(std::fs::read(last).expect("readable"), later, "it stays as it is");
    let mut image = Image::default();
    now(FileAdapter::open(&to).expect("free").load(&mut image)).expect("whole");
    assert!(image.is_empty(), "nothing was written");
    std::fs::remove_dir_all(&folder).expect("removed");
    std::fs::remove_dir_all(&to).expect("removed");
}
