//! Snapshots: written aside, synced, and then given their name, so that one with a name is whole.

use std::io::{self, Read};
use std::path::Path;
use std::thread;

use serde::{Deserialize, Serialize};

use super::ahead::Ahead;
use super::disk::Disk;
use super::frame::{self, Fault, Frames};
use super::{FORMAT, failed, format1};
use crate::engine::{PackedRecords, StoredRef, StoredSchema, Version};
use crate::error::Error;
use crate::persist::adapter::{LoadSink, SnapshotPart, SnapshotSource};

/// A frame of a snapshot. The head is the same in all formats.
#[derive(Serialize, Deserialize)]
pub(super) enum Piece<R> {
    Head {
        format: u32,
        version: Version,
        time: u64,
    },
    /// A bucket begins, with a number by which its records are known.
    Begin {
        number: u32,
        name: String,
        schema: Option<StoredSchema>,
        counters: Vec<(String, u64)>,
    },
    /// Records of the bucket of a number.
    Records {
        bucket: u32,
        records: R,
    },
    /// How many frames there were after the head.
    End(u64),
}

pub(super) type ReadPiece = Piece<PackedRecords>;

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
        let (mut bytes, mut written, mut parts, mut begun) = (Vec::new(), 0, 0, 0_u32);
        let head = Piece::<()>::Head { format: FORMAT, version: source.version(), time: source.time() };
        frame::put(&mut bytes, &head).map_err(Ok)?;
        while let Some(part) = source.next_part().map_err(Err)? {
            let put = match &part {
                SnapshotPart::Begin { name, schema, counters } => {
                    let number = begun;
                    begun += 1;
                    let (name, schema, counters) = (name.clone(), schema.clone(), counters.clone());
                    frame::put(&mut bytes, &Piece::<()>::Begin { number, name, schema, counters })
                }
                SnapshotPart::Records(records) => {
                    frame::put(&mut bytes, &Piece::Records { bucket: begun.saturating_sub(1), records })
                }
            };
            put.map_err(Ok)?;
            parts += 1;
            if bytes.len() >= CHUNK {
                file.write_at(written, &bytes).map_err(Ok)?;
                written += bytes.len() as u64;
                bytes.clear();
            }
        }
        frame::put(&mut bytes, &Piece::<()>::End(parts)).map_err(Ok)?;
        file.write_at(written, &bytes).and_then(|()| file.sync()).map_err(Ok)?;
        disk.rename(aside, to).and_then(|()| disk.sync_folder(folder)).map_err(Ok)?;
        Ok(written + bytes.len() as u64)
    };
    write().map_err(|failure| match failure {
        Ok(error) => failed("write", aside, &error),
        Err(error) => error,
    })
}

/// The pieces of a snapshot, of whatever format.
pub(super) struct Pieces<R> {
    pub(super) frames: Frames<R>,
    /// `None` before the head.
    format: Option<u32>,
    begun: u32,
}

impl<R: Read> Pieces<R> {
    pub(super) fn new(input: R) -> Self {
        Self { frames: Frames::new(input), format: None, begun: 0 }
    }

    /// Goes on with what lies at an offset.
    pub(super) fn going_on(self, input: R, offset: u64) -> Self {
        Self { frames: Frames::at(input, offset), ..self }
    }

    /// The next piece; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<ReadPiece>, Fault> {
        if self.format != Some(1) {
            let piece = self.frames.next::<ReadPiece>()?;
            match &piece {
                Some(Piece::Head { format, .. }) if !(1..=FORMAT).contains(format) => {
                    return Err(Fault::format(*format));
                }
                Some(Piece::Head { format, .. }) => self.format = Some(*format),
                _ => {}
            }
            return Ok(piece);
        }
        let Some(piece) = self.frames.next::<format1::Piece>()? else { return Ok(None) };
        Ok(Some(match piece {
            format1::Piece::Head { .. } => return Err(Fault::Damaged("it begins twice".to_owned())),
            format1::Piece::Part(format1::Part::Begin { name, counters }) => {
                let number = self.begun;
                self.begun += 1;
                Piece::Begin { number, name, schema: None, counters }
            }
            format1::Piece::Part(format1::Part::Records(records)) => {
                let records = records.iter().map(StoredRef::from).collect();
                Piece::Records { bucket: self.begun.saturating_sub(1), records }
            }
            format1::Piece::End(parts) => Piece::End(parts),
        }))
    }
}

/// A snapshot of so many bytes is worth threads.
const LARGE: u64 = 1 << 20;

/// Reads a snapshot into the sink; how many bytes it has.
pub(super) fn load(
    disk: &dyn Disk,
    file: &Path,
    wanted: Version,
    sink: &mut dyn LoadSink,
) -> Result<u64, Error> {
    let io = |error: io::Error| failed("read", file, &error);
    let input = disk.read(file).map_err(io)?;
    let is_large = disk.len(file).map_err(io)? >= LARGE;
    let mut pieces = Pieces::new(input);
    let mut offset = 0;
    let read = pieces.next().and_then(|head| match head {
        Some(Piece::Head { version, time, .. }) if version == wanted => {
            sink.snapshot(version, time);
            offset = pieces.frames.offset;
            if is_large && pieces.format == Some(FORMAT) {
                return thread::scope(|scope| {
                    let mut ahead = Ahead::new(scope, pieces.frames);
                    let done = load_parts(&mut || ahead.next(), &mut offset, sink);
                    ahead.end();
                    done
                });
            }
            let mut next = || Ok(pieces.next()?.map(|piece| (piece, pieces.frames.offset)));
            load_parts(&mut next, &mut offset, sink)
        }
        _ => Err(Fault::Damaged("it does not begin as a snapshot of this version".to_owned())),
    });
    match read {
        Ok(()) => Ok(offset),
        Err(Fault::Io(error)) => Err(failed("read", file, &error)),
        Err(Fault::Damaged(reason) | Fault::Refused(reason)) => {
            Err(Error::Corrupt { file: file.display().to_string(), offset, after: Version(0), reason })
        }
    }
}

/// Gives the sink the pieces behind the head, of which it is told where each ends; `offset` is where the last good one did.
fn load_parts(
    next: &mut dyn FnMut() -> Result<Option<(ReadPiece, u64)>, Fault>,
    offset: &mut u64,
    sink: &mut dyn LoadSink,
) -> Result<(), Fault> {
    let damaged = |reason: &str| Err(Fault::Damaged(reason.to_owned()));
    let (mut parts, mut begun) = (0, 0_u32);
    loop {
        let Some((piece, end)) = next()? else { return damaged("its end is missing") };
        let taken = match piece {
            Piece::Begin { number, name, schema, counters } if number == begun => {
                begun += 1;
                sink.part(SnapshotPart::Begin { name, schema, counters })
            }
            Piece::Records { bucket, records } if bucket.checked_add(1) == Some(begun) => {
                sink.packed(records)
            }
            Piece::End(count) if count == parts => {
                *offset = end;
                return Ok(());
            }
            _ => return damaged("parts are missing"),
        };
        parts += 1;
        taken.map_err(|error| Fault::Refused(error.to_string()))?;
        sink.read_bytes(end - *offset);
        *offset = end;
    }
}
