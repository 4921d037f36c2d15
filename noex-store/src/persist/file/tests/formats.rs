//! What every format of the files that there has been has left behind is read by this version.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::disk::RealDisk;
use super::*;

/// A bucket of the first format.
type WithoutSchema = (String, Vec<(String, String)>);

fn fixture(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/persist/file/tests/format-{format}"))
}

fn open_folder(folder: &Path) -> FileAdapter {
    FileAdapter::on(Arc::new(RealDisk), folder.to_owned(), SIZES).expect("free")
}

/// Has today's format written: `NOEX_WRITE_FIXTURE=1 cargo test -p noex-store earlier_formats`, once for each new one.
fn write_the_fixture() {
    let folder = fixture(FORMAT);
    let adapter = open_folder(&folder);
    let mut run = Run::new();
    let mut random = Random::new(42);
    now(adapter.load(&mut run.image)).expect("empty");
    run.work(&adapter, &mut random, 60);
    // The log has something, too.
    for _ in 0..12 {
        let version = run.image.version.get() + 1;
        let next = commit(version, &mut random);
        run.image.commit(next.clone()).expect("dense");
        now(adapter.append(&[next])).expect("written");
        run.durable = version;
    }
    let expected = serde_json::to_string_pretty(&(run.durable, contents(&run.image))).expect("JSON");
    std::fs::write(folder.join("expected.json"), expected).expect("written");
    std::fs::remove_file(folder.join("LOCK")).expect("there");
}

#[test]
fn what_earlier_formats_have_written_is_read_and_gone_on_with() {
    if std::env::var_os("NOEX_WRITE_FIXTURE").is_some() {
        write_the_fixture();
    }
    for format in 1..=FORMAT {
        let folder = std::env::temp_dir().join(format!("noex-store-format-{format}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("new");
        for entry in std::fs::read_dir(fixture(format)).expect("kept with the code").flatten() {
            std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("copied");
        }
        let text = std::fs::read_to_string(folder.join("expected.json")).expect("kept with the rest");
        let (version, mut expected): (u64, Contents) = if format == 1 {
            let (version, buckets): (u64, Vec<WithoutSchema>) = serde_json::from_str(&text).expect("JSON");
            (version, buckets.into_iter().map(|(name, records)| (name, None, records)).collect())
        } else {
            serde_json::from_str(&text).expect("JSON")
        };

        let adapter = open_folder(&folder);
        let mut image = Image::default();
        now(adapter.load(&mut image)).expect("readable");
        assert_eq!(
            (image.version, contents(&image)),
            (Version(version), expected.clone()),
            "format {format}"
        );

        // What is added is written in today's format: one segment has one.
        let mut random = Random::new(7);
        for version in version + 1..version + 4 {
            let next = commit(version, &mut random);
            now(adapter.append(std::slice::from_ref(&next))).expect("written");
            image.commit(next).expect("dense");
        }
        expected = contents(&image);
        drop(adapter);
        let adapter = open_folder(&folder);
        let mut again = Image::default();
        now(adapter.load(&mut again)).expect("readable");
        assert_eq!(contents(&again), expected);
        now(adapter.write_snapshot(&mut Source::of(&again))).expect("written");
        now(adapter.truncate(again.version)).expect("truncated");
        drop(adapter);
        let mut last = Image::default();
        now(open_folder(&folder).load(&mut last)).expect("readable");
        assert_eq!((last.version, contents(&last)), (again.version, expected));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
