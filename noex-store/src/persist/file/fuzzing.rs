//! The decoders of the files, given any bytes: for the fuzzer, and for a test that does the same for a moment.
#![cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "it is the fuzzer that reaches them"))]

use std::any::Any;
use std::ffi::OsString;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::{FileAdapter, Sizes};
use crate::engine::Version;
use crate::persist::adapter::StorageAdapter;
use crate::persist::image::Image;
use crate::persist::lines;
use crate::service::Parker;

/// A disk with one file, which can be read and cut.
struct OneFile {
    name: String,
    bytes: Vec<u8>,
}

struct Cut;

impl DiskFile for Cut {
    fn write_at(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for OneFile {
    fn lock(&self, _: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        Ok(Box::new(()))
    }

    fn names(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Ok(vec![OsString::from(&self.name)])
    }

    fn read(&self, _: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.bytes.clone())))
    }

    fn len(&self, _: &Path) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn create(&self, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Cut))
    }

    fn open(&self, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Cut))
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Whether it can be read; it must not panic, and take no more memory than a multiple of the bytes.
fn load(name: String, bytes: &[u8]) -> bool {
    let disk = Arc::new(OneFile { name, bytes: bytes.to_owned() });
    let Ok(adapter) = FileAdapter::on(disk.clone(), "data".into(), Sizes::default()) else { return false };
    let mut image = Image::default();
    let loaded = Arc::new(Parker::default()).block_on(adapter.load(&mut image), None, || false);
    // What is damaged is looked at once more, piece by piece.
    super::salvage::read_anything(disk.as_ref(), bytes);
    matches!(loaded, Some(Ok(())))
}

/// A segment of the log.
pub fn log(bytes: &[u8]) -> bool {
    load(format!("log-{:020}", Version(0)), bytes)
}

/// A snapshot.
pub fn snapshot(bytes: &[u8]) -> bool {
    load(format!("snapshot-{:020}", Version(7)), bytes)
}

/// An export.
pub fn lines(bytes: &[u8]) -> bool {
    lines::read(bytes, &mut Image::default()).is_ok()
}
