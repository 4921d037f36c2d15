//! What the file adapter asks of a file system, so that tests can put one in its place that forgets what was not synced.

use std::any::Any;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A file system.
pub(crate) trait Disk: Send + Sync {
    /// Makes a folder, if it is not there, and takes a lock on it that no other process has; it is let go of with the value.
    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;
    /// The names in a folder.
    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>>;
    fn read(&self, file: &Path) -> io::Result<Box<dyn Read + Send>>;
    /// The length of a file.
    fn len(&self, file: &Path) -> io::Result<u64>;
    /// A new, empty file; what was there is gone.
    fn create(&self, file: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// A file that is there, to be written to.
    fn open(&self, file: &Path) -> io::Result<Box<dyn DiskFile>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, file: &Path) -> io::Result<()>;
    /// Makes names durable that were made, changed or removed.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// A file that is written to.
pub(crate) trait DiskFile: Send + Sync {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Makes durable what was written.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system of the machine.
pub(crate) struct RealDisk;

/// Makes a folder and those above it, durably: a crash must not take away what will be in it.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_folder(parent)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    RealDisk.sync_folder(parent.unwrap_or(Path::new(".")))
}

/// A file with a lock that no other process has, and no other part of this one; it is let go of with the value.
pub(crate) fn lock_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::WouldBlock, "another store has it open"))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Disk for RealDisk {
    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        create_folder(folder)?;
        Ok(Box::new(lock_file(&folder.join("LOCK"))?))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn read(&self, file: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::BufReader::with_capacity(1 << 16, File::open(file)?)))
    }

    fn len(&self, file: &Path) -> io::Result<u64> {
        Ok(fs::metadata(file)?.len())
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::create(file)?))
    }

    fn open(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(file)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Windows has no such thing, and needs none.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

impl DiskFile for File {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(at))?;
        self.write_all(bytes)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
