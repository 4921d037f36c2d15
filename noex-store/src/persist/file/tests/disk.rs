//! A disk that forgets what was not synced.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::disk::{Disk, DiskFile};
use crate::engine::tests::Random;

/// What a disk writes at once, or not at all.
const SECTOR: usize = 512;

#[derive(Clone)]
enum FileOp {
    Write { at: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Clone, Default)]
struct Inode {
    /// What a reader sees.
    content: Vec<u8>,
    /// What is there after a crash, before any of `pending`.
    durable: Vec<u8>,
    pending: Vec<FileOp>,
}

#[derive(Clone)]
enum NameOp {
    Link(PathBuf, usize),
    Unlink(PathBuf),
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending: Vec<NameOp>,
    /// How many operations there were, and after how many nothing works any more.
    operations: u64,
    limit: u64,
    /// Out of so many operations one fails.
    fails: usize,
    random: Option<Random>,
}

/// What a disk may do wrong, so that a test sees that it is noticed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Lie {
    #[default]
    None,
    /// It does not sync files.
    Files,
    /// It does not sync folders.
    Folders,
}

#[derive(Clone)]
pub(super) struct CrashDisk {
    state: Arc<Mutex<State>>,
    lie: Lie,
}

impl CrashDisk {
    /// A disk that crashes after so many operations, and on which one of `fails` fails (none, if that is 0).
    pub(super) fn new(limit: u64, fails: usize, seed: u64, lie: Lie) -> Self {
        let state = State { limit, fails, random: Some(Random::new(seed)), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), lie }
    }

    pub(super) fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// One of the disks that a crash may leave: of what was not synced any part is there.
    pub(super) fn crashed(&self, random: &mut Random, limit: u64) -> Self {
        let state = self.state.lock();
        let mut names = state.durable_names.clone();
        // Any number of them, in their order, as a journal has it.
        let kept = random.below(state.pending.len() + 1);
        for op in &state.pending[..kept] {
            match op {
                NameOp::Link(path, inode) => drop(names.insert(path.clone(), *inode)),
                NameOp::Unlink(path) => drop(names.remove(path)),
            }
        }
        let inodes = state.inodes.iter().map(|inode| {
            let content = inode.after_crash(random);
            Inode { durable: content.clone(), content, pending: Vec::new() }
        });
        let left = State {
            inodes: inodes.collect(),
            durable_names: names.clone(),
            names,
            limit,
            random: Some(Random::new(random.below(1 << 30) as u64)),
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(left)), lie: self.lie }
    }
}

impl Inode {
    fn after_crash(&self, random: &mut Random) -> Vec<u8> {
        let mut content = self.durable.clone();
        for op in &self.pending {
            match op {
                FileOp::SetLen(len) => {
                    if random.below(2) == 0 {
                        content.resize(*len, 0);
                    }
                }
                FileOp::Write { at, bytes } => {
                    // All, nothing, or some of the sectors; the last one that is written may be torn.
                    let (all, none) = (random.below(4) == 0, random.below(4) == 0);
                    let mut from = 0;
                    while from < bytes.len() {
                        let to = (((at + from) / SECTOR + 1) * SECTOR - at).min(bytes.len());
                        if all || (!none && random.below(2) == 0) {
                            let to = if !all && random.below(8) == 0 {
                                from + random.below(to - from)
                            } else {
                                to
                            };
                            let end = at + to;
                            if content.len() < end {
                                content.resize(end, 0);
                            }
                            content[at + from..end].copy_from_slice(&bytes[from..to]);
                        }
                        from = to;
                    }
                }
            }
        }
        content
    }
}

impl State {
    /// Counts an operation; whether it can be done.
    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.operations > self.limit {
            return Err(io::Error::other("the machine has crashed"));
        }
        let (fails, random) = (self.fails, self.random.as_mut());
        match random.filter(|_| fails > 0).map(|random| random.below(fails)) {
            Some(0) => Err(io::Error::other("an error of the disk")),
            _ => Ok(()),
        }
    }

    fn link(&mut self, path: &Path, inode: usize) {
        self.names.insert(path.to_owned(), inode);
        self.pending.push(NameOp::Link(path.to_owned(), inode));
    }

    fn unlink(&mut self, path: &Path) -> io::Result<usize> {
        let inode = self.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        self.pending.push(NameOp::Unlink(path.to_owned()));
        Ok(inode)
    }
}

impl Disk for CrashDisk {
    fn lock(&self, _: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        Ok(Box::new(()))
    }

    fn names(&self, _: &Path) -> io::Result<Vec<OsString>> {
        let mut state = self.state.lock();
        state.step()?;
        Ok(state.names.keys().filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect())
    }

    fn read(&self, file: &Path) -> io::Result<Box<dyn Read + Send>> {
        let mut state = self.state.lock();
        state.step()?;
        let inode = *state.names.get(file).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(state.inodes[inode].content.clone())))
    }

    fn len(&self, file: &Path) -> io::Result<u64> {
        let state = self.state.lock();
        let inode = *state.names.get(file).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.inodes[inode].content.len() as u64)
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.step()?;
        let inode = match state.names.get(file) {
            Some(inode) => {
                let inode = *inode;
                state.inodes[inode].content.clear();
                state.inodes[inode].pending.push(FileOp::SetLen(0));
                inode
            }
            None => {
                state.inodes.push(Inode::default());
                let inode = state.inodes.len() - 1;
                state.link(file, inode);
                inode
            }
        };
        Ok(Box::new(CrashFile { disk: self.clone(), inode }))
    }

    fn open(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.step()?;
        let inode = *state.names.get(file).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(CrashFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        let inode = state.unlink(from)?;
        state.link(to, inode);
        Ok(())
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        state.unlink(file).map(drop)
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        if self.lie != Lie::Folders {
            state.durable_names = state.names.clone();
            state.pending.clear();
        }
        Ok(())
    }
}

struct CrashFile {
    disk: CrashDisk,
    inode: usize,
}

impl DiskFile for CrashFile {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let done = state.step();
        // One that fails may have written a part.
        let len = match (&done, state.random.as_mut()) {
            (Err(_), Some(random)) => random.below(bytes.len() + 1),
            _ => bytes.len(),
        };
        let inode = &mut state.inodes[self.inode];
        let at = at as usize;
        if inode.content.len() < at + len {
            inode.content.resize(at + len, 0);
        }
        inode.content[at..at + len].copy_from_slice(&bytes[..len]);
        inode.pending.push(FileOp::Write { at, bytes: bytes[..len].to_vec() });
        done
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.step()?;
        let inode = &mut state.inodes[self.inode];
        inode.content.resize(len as usize, 0);
        inode.pending.push(FileOp::SetLen(len as usize));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let lie = self.disk.lie;
        let mut state = self.disk.state.lock();
        state.step()?;
        let inode = &mut state.inodes[self.inode];
        if lie != Lie::Files {
            inode.durable = inode.content.clone();
            inode.pending.clear();
        }
        Ok(())
    }
}
