//! The log: segments with the commits since the last snapshot.
//!
//! A segment `log-{version}` has the commits after that version. Its first frame says so; each further one is what one
//! `append` was given, so that an append that was cut off is the last frame, and nothing whole comes after it.
//!
//! Behind the last frame there may be zeros: room that was made beforehand, because a sync of a file that does not grow need
//! not write the file's length.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::disk::{Disk, DiskFile};
use super::frame::{self, Fault, Frames};
use super::{FORMAT, Sizes, failed, format1};
use crate::engine::{StoredCommit, Version};
use crate::error::Error;
use crate::persist::adapter::LoadSink;

/// A file that is longer and does not begin as a segment is none that was cut off.
const LONGEST_HEAD: usize = 64;

#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) format: u32,
    after: Version,
}

/// Whether nothing was written here.
pub(super) fn is_room(rest: &[u8]) -> bool {
    rest.iter().all(|byte| *byte == 0)
}

/// The commits of the next frame, in whatever format; `None` at the end of the file.
pub(super) fn next_commits<R: Read>(
    frames: &mut Frames<R>,
    format: u32,
) -> Result<Option<Vec<StoredCommit>>, Fault> {
    match format {
        1 => {
            let commits = frames.next::<Vec<format1::Commit>>()?;
            Ok(commits.map(|commits| commits.into_iter().map(Into::into).collect()))
        }
        _ => frames.next(),
    }
}

/// The segments, the last of which is written to.
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Invariant: in the order of their versions.
    segments: Vec<Segment>,
    file: Option<Box<dyn DiskFile>>,
    /// The last commit that is durable.
    pub(super) last: Version,
    /// The bytes of what a snapshot would save reading: commits after the last one, or after the beginning of one that is written.
    since_snapshot: u64,
    /// Whether the last segment may hold more than it should: a write to it has failed.
    broken: bool,
    sizes: Sizes,
    /// The length of the file that is written to, with the room in it.
    allocated: u64,
}

/// The file of a segment.
pub(super) fn path(folder: &Path, after: Version) -> PathBuf {
    // Sorts by name as it does by number.
    folder.join(format!("log-{after:020}"))
}

struct Segment {
    format: u32,
    after: Version,
    last: Version,
    /// The length of what is good.
    len: u64,
}

impl Log {
    pub(super) fn new(disk: &Arc<dyn Disk>, folder: &Path, sizes: Sizes) -> Self {
        let (disk, folder) = (Arc::clone(disk), folder.to_owned());
        Self {
            disk,
            folder,
            segments: Vec::new(),
            file: None,
            last: Version(0),
            since_snapshot: 0,
            broken: false,
            sizes,
            allocated: 0,
        }
    }

    fn path(&self, after: Version) -> PathBuf {
        path(&self.folder, after)
    }

    /// The bytes of the commits that no snapshot has, nor one that is being written.
    pub(super) fn since_snapshot(&self) -> u64 {
        self.since_snapshot
    }

    /// A snapshot begins; returns the bytes that it is to save.
    pub(super) fn begin_snapshot(&mut self) -> u64 {
        std::mem::take(&mut self.since_snapshot)
    }

    /// That snapshot was not written.
    pub(super) fn fail_snapshot(&mut self, bytes: u64) {
        self.since_snapshot += bytes;
    }

    /// Reads the segments after these versions into the sink. The last one is cut where a write was cut off.
    pub(super) fn load(
        &mut self,
        mut afters: Vec<Version>,
        snapshot: Version,
        sink: &mut dyn LoadSink,
    ) -> Result<(), Error> {
        afters.sort_unstable();
        self.last = snapshot;
        for (number, after) in afters.iter().enumerate() {
            let is_last = number + 1 == afters.len();
            self.load_segment(*after, is_last, snapshot, sink)?;
        }
        Ok(())
    }

    fn load_segment(
        &mut self,
        after: Version,
        is_last: bool,
        snapshot: Version,
        sink: &mut dyn LoadSink,
    ) -> Result<(), Error> {
        let path = self.path(after);
        let input = self.disk.read(&path).map_err(|error| failed("read", &path, &error))?;
        let mut frames = Frames::new(input);
        let (mut last, mut format, mut since) = (after, FORMAT, 0);
        let mut read = || -> Result<(), Fault> {
            match frames.next::<Head>()? {
                Some(head) if !(1..=FORMAT).contains(&head.format) => return Err(Fault::format(head.format)),
                Some(head) if head.after == after => format = head.format,
                Some(head) => return Err(Fault::Damaged(format!("it begins after commit {}", head.after))),
                None => return Err(Fault::Damaged("it is empty".to_owned())),
            }
            loop {
                let before = frames.offset;
                let Some(commits) = next_commits(&mut frames, format)? else { return Ok(()) };
                for commit in commits {
                    last = last.max(commit.version);
                    sink.commit(commit).map_err(|error| Fault::Refused(error.to_string()))?;
                }
                let len = frames.offset - before;
                if last > snapshot {
                    since += len;
                }
                sink.read_bytes(len);
            }
        };
        let done = read();
        self.since_snapshot += since;
        let len = frames.offset;
        self.allocated = len;
        match done {
            Ok(()) => {}
            Err(Fault::Io(error)) => return Err(failed("read", &path, &error)),
            Err(Fault::Refused(reason)) => {
                let file = path.display().to_string();
                return Err(Error::Corrupt { file, offset: len, after: last.max(self.last), reason });
            }
            Err(Fault::Damaged(reason)) => {
                let mut rest = Vec::new();
                let read = self.disk.read(&path).and_then(|mut input| input.read_to_end(&mut rest));
                read.map_err(|error| failed("read", &path, &error))?;
                // A segment gets commits only when its beginning is durable.
                let is_foreign = len == 0 && rest.len() > LONGEST_HEAD;
                let rest = rest.get(len as usize..).unwrap_or_default();
                if len > 0 && is_room(rest) {
                    self.allocated += rest.len() as u64;
                    return self.note_segment(Segment { format, after, last, len });
                }
                let behind = rest.get(1..).unwrap_or_default();
                if !is_last || is_foreign || frame::first_whole(behind).is_some() {
                    let file = path.display().to_string();
                    return Err(Error::Corrupt { file, offset: len, after: last.max(self.last), reason });
                }
                tracing::warn!(file = %path.display(), offset = len, reason, "a write was cut off: its rest is taken away");
                self.cut(&path, len)?;
                if len == 0 {
                    return Ok(());
                }
            }
        }
        self.note_segment(Segment { format, after, last, len })
    }

    fn note_segment(&mut self, segment: Segment) -> Result<(), Error> {
        self.last = self.last.max(segment.last);
        self.segments.push(segment);
        Ok(())
    }

    /// Cuts a file off, durably; removes it, if nothing is left.
    fn cut(&self, path: &Path, len: u64) -> Result<(), Error> {
        let cut = || {
            if len == 0 {
                self.disk.remove(path)?;
                return self.disk.sync_folder(&self.folder);
            }
            let mut file = self.disk.open(path)?;
            file.set_len(len)?;
            file.sync()
        };
        cut().map_err(|error| failed("cut", path, &error))
    }

    /// Adds commits, durably, in one frame.
    pub(super) fn append(&mut self, commits: &[StoredCommit]) -> Result<(), Error> {
        let new = commits.partition_point(|commit| commit.version <= self.last);
        let commits = &commits[new..];
        let Some(last) = commits.last() else { return Ok(()) };
        let is_full = |segment: &Segment| segment.len >= self.sizes.segment || segment.format != FORMAT;
        if self.broken || self.segments.last().is_none_or(is_full) {
            self.next_segment()?;
        }
        let path = self.segments.last().map(|segment| self.path(segment.after)).unwrap_or_default();
        let at = self.segments.last().map_or(0, |segment| segment.len);
        let mut write = || {
            let mut bytes = Vec::new();
            frame::put(&mut bytes, &commits)?;
            let written = bytes.len() as u64;
            let (end, room) = (at + written, self.sizes.room);
            // Where much is written at once, room for the next is not worth its bytes.
            if end > self.allocated && written < room / 4 {
                bytes.resize((end.next_multiple_of(room) - at) as usize, 0);
            }
            let file = match &mut self.file {
                Some(file) => file,
                None => self.file.insert(self.disk.open(&path)?),
            };
            // From here on there may be more in the file than there should be.
            self.broken = true;
            file.write_at(at, &bytes)?;
            file.sync()?;
            self.broken = false;
            self.allocated = self.allocated.max(at + bytes.len() as u64);
            Ok(written)
        };
        let written = write().map_err(|error| failed("write", &path, &error)).inspect_err(|_| {
            // Whoever wrote is told that it failed: after a crash it should not be there. The disk may refuse this, too.
            let good = self.segments.last().map_or(0, |segment| segment.len);
            if let Err(error) = self.cut(&path, good) {
                tracing::warn!(%error, "a write that failed could not be taken back yet");
            }
        })?;
        if let Some(segment) = self.segments.last_mut() {
            (segment.len, segment.last) = (segment.len + written, last.version);
        }
        self.since_snapshot += written;
        self.last = last.version;
        Ok(())
    }

    /// Begins another segment. After a write or sync that failed nobody knows what the old one holds: it is cut off at what is
    /// good, and not written to again.
    fn next_segment(&mut self) -> Result<(), Error> {
        if !self.broken {
            self.trim();
        }
        self.file = None;
        if let Some(segment) = self.segments.last()
            && (self.broken || segment.last == segment.after)
        {
            let (path, len) = (self.path(segment.after), segment.len);
            if segment.last == segment.after {
                // It holds nothing, and the next one has its name.
                self.cut(&path, 0)?;
                self.segments.pop();
            } else {
                self.cut(&path, len)?;
            }
        }
        // If this fails half-way, a file of that name may be there: the old segment must not go on beside it.
        self.broken = true;
        let after = self.last;
        let path = self.path(after);
        let make = || {
            let mut bytes = Vec::new();
            frame::put(&mut bytes, &Head { format: FORMAT, after })?;
            let mut file = self.disk.create(&path)?;
            file.write_at(0, &bytes)?;
            file.sync()?;
            self.disk.sync_folder(&self.folder)?;
            Ok((file, bytes.len() as u64))
        };
        let (file, len) = make().map_err(|error| failed("create", &path, &error))?;
        self.file = Some(file);
        (self.broken, self.allocated) = (false, len);
        self.segments.push(Segment { format: FORMAT, after, last: after, len });
        Ok(())
    }

    /// Gives the room back that is behind the last frame. If that fails it is only room.
    pub(super) fn trim(&mut self) {
        if let (Some(file), Some(segment)) = (&mut self.file, self.segments.last())
            && self.allocated > segment.len
            && !self.broken
            && file.set_len(segment.len).is_ok()
        {
            self.allocated = segment.len;
        }
    }

    /// Removes segments that hold no commit after a version.
    pub(super) fn truncate(&mut self, version: Version) -> Result<(), Error> {
        if self.segments.last().is_some_and(|segment| segment.last <= version && segment.last > segment.after)
        {
            self.next_segment()?;
        }
        while let [first, _, ..] = self.segments.as_slice()
            && first.last <= version
        {
            let path = self.path(first.after);
            self.disk.remove(&path).map_err(|error| failed("remove", &path, &error))?;
            self.segments.remove(0);
        }
        Ok(())
    }
}
