//! Large records: what is made to JSON at once is bounded by bytes, not by records alone.

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::Random;
use common::keeping::{Flaky, Folder, wait};
use noex_store::SnapshotPart;
use noex_store::prelude::*;

const MB: usize = 1 << 20;

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "files")]
struct File {
    #[bucket(key)]
    id: u32,
    text: String,
}

#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "others")]
struct Other {
    #[bucket(key)]
    id: u32,
}

fn file(id: u32) -> File {
    File { id, text: "x".repeat(MB) }
}

#[test]
fn large_records_are_written_few_at_once() -> Result<(), Error> {
    let flaky = Flaky::default();
    let later = || Persistence::new(flaky.clone()).debounce(Duration::from_secs(3600));
    let store = wait(Store::builder().bucket::<File>().persistence(later()).start())?;
    let files = store.bucket::<File>()?;
    for id in 0..40 {
        files.insert(file(id))?;
    }
    let before = flaky.appends.load(Ordering::SeqCst);
    wait(store.flush())?;
    // 16 MB each.
    assert_eq!(flaky.appends.load(Ordering::SeqCst) - before, 3);
    files.insert_many((40..60).map(file))?;
    wait(store.flush())?;
    assert_eq!(flaky.appends.load(Ordering::SeqCst) - before, 4, "a commit is not divided");
    wait(store.stop())?;

    // Of a bucket that is defined, and of one that is not.
    for defines in [true, false] {
        let builder = Store::builder().bucket::<Other>().persistence(later());
        let builder = if defines { builder.bucket::<File>() } else { builder };
        let store = wait(builder.start())?;
        let backup = Flaky::default();
        wait(store.backup(backup.clone()))?;
        let (mut records, mut parts) = (0, 0);
        for part in backup.parts() {
            if let SnapshotPart::Records(of) = part {
                assert!(of.iter().map(|record| record.value.len()).sum::<usize>() < 3 * MB);
                (records, parts) = (records + of.len(), parts + 1);
            }
        }
        assert!(records == 60 && parts >= 30, "{records} in {parts}");
        wait(store.stop())?;
        let again = wait(Store::builder().bucket::<File>().persistence(Persistence::new(backup)).start())?;
        assert_eq!(again.bucket::<File>()?.iter().filter(|kept| *kept.value() == file(kept.id)).count(), 60);
        wait(again.stop())?;
    }
    Ok(())
}

/// A snapshot of some megabytes is decoded by several threads: it is the same, and damage is told as in a small one.
#[test]
fn a_large_snapshot_is_read_whole_or_told_where_it_is_damaged() -> Result<(), Error> {
    let text = |id: u32| File { id, text: format!("{id:0>1000}") };
    let source = wait(Store::builder().bucket::<File>().start())?;
    source.bucket::<File>()?.insert_many((0..3000).map(text))?;
    let mut lines = Vec::new();
    source.snapshot().export(&mut lines)?;
    let folder = Folder::new();
    let open = || Store::builder().bucket::<File>().persistence(Persistence::new(folder.adapter()));
    wait(wait(open().import(std::io::Cursor::new(lines)).start())?.stop())?;

    let read = || -> Result<Vec<File>, Error> {
        let store = wait(open().start())?;
        let all = store.bucket::<File>()?.iter().map(|file| file.value().clone()).collect();
        wait(store.stop())?;
        Ok(all)
    };
    assert_eq!(read()?, (0..3000).map(text).collect::<Vec<_>>());
    let mut files = std::fs::read_dir(folder.path()).expect("there").flatten().map(|entry| entry.path());
    let is_snapshot = |path: &std::path::PathBuf| path.to_string_lossy().contains("snapshot-");
    let snapshot = files.find(is_snapshot).expect("an import is kept as a snapshot");
    let good = std::fs::read(&snapshot).expect("there");
    assert!(good.len() > 2 * MB, "{}", good.len());
    let (mut told, mut random) = (Vec::new(), Random(7));
    for _ in 0..12 {
        let at = random.below(good.len() as u32) as usize;
        for cuts in [true, false] {
            let mut bad = good.clone();
            if cuts {
                bad.truncate(at)
            } else {
                bad[at] ^= 1
            }
            std::fs::write(&snapshot, bad).expect("written");
            let Err(Error::Corrupt { file, offset, .. }) = read() else { panic!("damaged at {at}") };
            // The frame in which it is: a part of at most 256 records.
            assert!(file.contains("snapshot-") && (offset..offset + (MB / 2) as u64).contains(&(at as u64)));
            told.push(offset);
        }
    }
    assert!(told.iter().any(|offset| *offset > MB as u64), "behind the first frames, too");
    std::fs::write(&snapshot, good).expect("written");
    assert_eq!(read()?.len(), 3000);
    Ok(())
}
