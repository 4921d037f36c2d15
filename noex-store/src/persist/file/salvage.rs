//! What can still be read of files that are damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, RealDisk};
use super::frame::{self, Fault, Frames};
use super::snapshot::{Piece, Pieces};
use super::{FileAdapter, Sizes, failed, log};
use crate::engine::Version;
use crate::error::Error;
use crate::persist::adapter::{LoadSink, SnapshotPart, StorageAdapter};
use crate::persist::encode::ImageSource;
use crate::persist::image::{BucketImage, Image};
use crate::service::Parker;

/// What [`FileAdapter::salvage`] could read, and what it could not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvage {
    /// The last commit of which anything was read.
    pub version: Version,
    /// The records that were read.
    pub records: usize,
    /// What could not be read. If there is nothing, nothing is lost.
    pub damages: Vec<Damage>,
}

/// A part of a file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes were passed over.
    pub bytes: u64,
    /// What is wrong.
    pub reason: String,
}

/// Reads everything that is whole.
struct Salvaging<'d> {
    disk: &'d dyn Disk,
    image: Image,
    damages: Vec<Damage>,
}

impl FileAdapter {
    /// Reads what can be read of a folder whose files are damaged, for when a store says [`Error::Corrupt`], and writes it to
    /// another folder, which must be empty or not there. The damaged one stays as it is.
    ///
    /// Everything whole is taken: records of a snapshot whose neighbours are gone, and commits after one that is missing. So all that
    /// is there was there once; but it may be of several commits: half of a transaction, or a record that was deleted in a commit that
    /// cannot be read. Records whose bucket's beginning is lost are in a bucket named `salvaged-{number}`. Blocks; all of it is in
    /// memory at once.
    ///
    /// ```no_run
    /// use noex_store::FileAdapter;
    ///
    /// let salvage = FileAdapter::salvage("data/app", "data/salvaged")?;
    /// for damage in &salvage.damages {
    ///     eprintln!("{}: {} bytes at {}: {}", damage.file.display(), damage.bytes, damage.offset, damage.reason);
    /// }
    /// # Ok::<(), noex_store::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Persistence`], if a store has one of the folders open, the first cannot be read or has nothing, or the second cannot be
    /// written, or has something.
    pub fn salvage(from: impl AsRef<Path>, to: impl Into<PathBuf>) -> Result<Salvage, Error> {
        let (from, to) = (from.as_ref(), to.into());
        if !from.is_dir() {
            return Err(Error::Persistence { reason: format!("there is no folder `{}`", from.display()) });
        }
        let damaged = Self::on(Arc::new(RealDisk), from.to_owned(), Sizes::default())?;
        let target = Self::open(&to)?;
        if !target.versions("snapshot-")?.is_empty() || !target.versions("log-")?.is_empty() {
            let reason = format!("`{}` has something already: give an empty folder", to.display());
            return Err(Error::Persistence { reason });
        }
        let mut salvaging =
            Salvaging { disk: damaged.disk.as_ref(), image: Image::default(), damages: Vec::new() };
        // An earlier one is there only if the machine stopped before it was removed.
        if let Some(version) = damaged.versions("snapshot-")?.into_iter().max() {
            salvaging.snapshot(&damaged.snapshot_path(version), version)?;
        }
        let mut segments = damaged.versions("log-")?;
        segments.sort_unstable();
        for after in segments {
            salvaging.segment(&damaged.segment_path(after))?;
        }
        let Salvaging { mut image, damages, .. } = salvaging;
        let records = image.buckets.values_mut().map(BucketImage::len).sum();
        let version = image.version;
        let write = |future| Arc::new(Parker::default()).block_on(future, None, || false);
        write(target.write_snapshot(&mut ImageSource::new(image))).unwrap_or(Err(Error::Stopped))?;
        Ok(Salvage { version, records, damages })
    }
}

/// Reads a file as whatever it may be.
#[cfg(any(test, fuzzing))]
pub(super) fn read_anything(disk: &dyn Disk, bytes: &[u8]) {
    let mut salvaging = Salvaging { disk, image: Image::default(), damages: Vec::new() };
    let _ = salvaging.snapshot(Path::new("file"), Version(0));
    let _ = salvaging.segment(Path::new("file"));
    let passed: u64 = salvaging.damages.iter().map(|damage| damage.bytes).sum();
    assert!(passed <= 2 * bytes.len() as u64, "each byte is passed over once by each");
}

impl Salvaging<'_> {
    fn read(&self, file: &Path) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = self.disk.read(file).and_then(|mut input| input.read_to_end(&mut bytes));
        read.map_err(|error| failed("read", file, &error))?;
        Ok(bytes)
    }

    /// Notes a damage, and tells where the next whole frame begins.
    fn damage(&mut self, file: &Path, bytes: &[u8], offset: usize, fault: Fault) -> Result<usize, Error> {
        let reason = match fault {
            Fault::Io(error) => return Err(failed("read", file, &error)),
            Fault::Damaged(reason) | Fault::Refused(reason) => reason,
        };
        let rest = bytes.get(offset + 1..).unwrap_or_default();
        let next = frame::first_whole(rest).map_or(bytes.len(), |at| offset + 1 + at);
        let passed = (next - offset) as u64;
        self.damages.push(Damage { file: file.to_owned(), offset: offset as u64, bytes: passed, reason });
        Ok(next)
    }

    fn snapshot(&mut self, file: &Path, version: Version) -> Result<(), Error> {
        let bytes = self.read(file)?;
        self.image.snapshot(version, 0);
        let (mut current, mut ended) = (None, false);
        let mut pieces = Pieces::new(bytes.as_slice());
        loop {
            let offset = pieces.frames.offset as usize;
            let piece = match pieces.next() {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(fault) => {
                    let next = self.damage(file, &bytes, offset, fault)?;
                    pieces = pieces.going_on(bytes.get(next..).unwrap_or_default(), next as u64);
                    continue;
                }
            };
            match piece {
                Piece::Head { time, .. } => self.image.time = time,
                Piece::Begin { number, name, schema, counters } => {
                    current = Some(number);
                    self.image.part(SnapshotPart::Begin { name, schema, counters })?;
                }
                Piece::Records { bucket, records } => {
                    if current != Some(bucket) {
                        current = Some(bucket);
                        let name = format!("salvaged-{bucket}");
                        self.image.part(SnapshotPart::Begin { name, schema: None, counters: Vec::new() })?;
                    }
                    self.image.packed(records)?;
                }
                Piece::End(_) => ended = true,
            }
        }
        if !ended && self.damages.is_empty() {
            self.damage(file, &bytes, bytes.len(), Fault::Damaged("its end is missing".to_owned()))?;
        }
        Ok(())
    }

    fn segment(&mut self, file: &Path) -> Result<(), Error> {
        let bytes = self.read(file)?;
        let mut frames = Frames::new(bytes.as_slice());
        let format = match frames.next::<log::Head>() {
            Ok(Some(head)) if !(1..=super::FORMAT).contains(&head.format) => {
                return self.damage(file, &bytes, 0, Fault::format(head.format)).map(drop);
            }
            Ok(Some(head)) => head.format,
            Ok(None) => return Ok(()),
            Err(fault) => {
                let next = self.damage(file, &bytes, 0, fault)?;
                frames = Frames::at(bytes.get(next..).unwrap_or_default(), next as u64);
                super::FORMAT
            }
        };
        loop {
            let offset = frames.offset as usize;
            let commits = match log::next_commits(&mut frames, format) {
                Ok(Some(commits)) => commits,
                Ok(None) => return Ok(()),
                Err(_) if log::is_room(bytes.get(offset..).unwrap_or_default()) => return Ok(()),
                Err(fault) => {
                    let next = self.damage(file, &bytes, offset, fault)?;
                    frames = Frames::at(bytes.get(next..).unwrap_or_default(), next as u64);
                    continue;
                }
            };
            for commit in commits {
                if commit.version > self.image.version.next() {
                    self.image.version = commit.version.before();
                }
                self.image.commit(commit)?;
            }
        }
    }
}
