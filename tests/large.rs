//! Large records: what is made to JSON at once is bounded by bytes, not by records alone.

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::keeping::{Flaky, wait};
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
