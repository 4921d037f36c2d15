//! Snapshots: written aside, synced, and then given their name, so that one with a name is whole.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::frame::{self, Fault, Frames};
use super::{FORMAT, failed};
use crate::engine::Version;
use crate::error::Error;
use crate::persist::adapter::{LoadSink, SnapshotPart, SnapshotSource};

#[derive(Serialize, Deserialize)]
enum Piece<P> {
    Head {
        format: u32,
        version: Version,
        time: u64,
    },
    Part(P),
    /// How many parts there were.
    End(u64),
}

/// So much is written at once.
const CHUNK: usize = 1 << 20;

/// Writes a snapshot as `to`, by way of `aside`; how many bytes it has.
pub(super) fn write(
    disk: &dyn Disk,
    folder: &Path,
    aside: &Path,
    to: &Path,
    source: &mut dyn SnapshotSource,
) -> Result<u64, Error> {
    let mut write = || -> Result<u64, Result<io::Error, Error>> {
        let mut file = disk.create(aside).map_err(Ok)?;
        let (mut bytes, mut written, mut parts) = (Vec::new(), 0, 0);
        let head = Piece::<()>::Head { format: FORMAT, version: source.version(), time: source.time() };
        frame::put(&mut bytes, &head).map_err(Ok)?;
        while let Some(part) = source.next_part().map_err(Err)? {
            frame::put(&mut bytes, &Piece::Part(&part)).map_err(Ok)?;
            parts += 1;
            if bytes.len() >= CHUNK {
                file.write_all(&bytes).map_err(Ok)?;
                written += bytes.len() as u64;
                bytes.clear();
            }
        }
        frame::put(&mut bytes, &Piece::<()>::End(parts)).map_err(Ok)?;
        file.write_all(&bytes).and_then(|()| file.sync()).map_err(Ok)?;
        disk.rename(aside, to).and_then(|()| disk.sync_folder(folder)).map_err(Ok)?;
        Ok(written + bytes.len() as u64)
    };
    write().map_err(|failure| match failure {
        Ok(error) => failed("write", aside, &error),
        Err(error) => error,
    })
}

/// Reads a snapshot into the sink; how many bytes it has.
pub(super) fn load(
    disk: &dyn Disk,
    file: &Path,
    wanted: Version,
    sink: &mut dyn LoadSink,
) -> Result<u64, Error> {
    let input = disk.read(file).map_err(|error| failed("read", file, &error))?;
    let mut frames = Frames::new(input);
    let damaged = |reason: &str| Err(Fault::Damaged(reason.to_owned()));
    let mut read = || -> Result<(), Fault> {
        match frames.next::<Piece<SnapshotPart>>()? {
            Some(Piece::Head { format, .. }) if format != FORMAT => return Err(Fault::format(format)),
            Some(Piece::Head { version, time, .. }) if version == wanted => {
                sink.snapshot(version, time);
            }
            _ => return damaged("it does not begin as a snapshot of this version"),
        }
        let mut parts = 0;
        loop {
            match frames.next::<Piece<SnapshotPart>>()? {
                Some(Piece::Part(part)) => {
                    parts += 1;
                    sink.part(part).map_err(|error| Fault::Refused(error.to_string()))?;
                }
                Some(Piece::End(count)) if count == parts => return Ok(()),
                Some(_) => return damaged("parts are missing"),
                None => return damaged("its end is missing"),
            }
        }
    };
    match read() {
        Ok(()) => Ok(frames.offset),
        Err(Fault::Io(error)) => Err(failed("read", file, &error)),
        Err(Fault::Damaged(reason) | Fault::Refused(reason)) => Err(Error::Corrupt {
            file: file.display().to_string(),
            offset: frames.offset,
            after: Version(0),
            reason,
        }),
    }
}
