//! Frames: what the files are made of. A mark, the length, a checksum, and then the bytes.
//!
//! ```text
//! "NXF1"  length: u32  CRC-32 of length and bytes: u32  bytes …     (numbers little-endian)
//! ```

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;

const MARK: [u8; 4] = *b"NXF1";
const HEAD: usize = 12;
/// The most that a frame holds: what its length can say.
const MAX_LEN: usize = u32::MAX as usize;

fn checksum(len: [u8; 4], bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len);
    hasher.update(bytes);
    hasher.finalize()
}

/// Adds a frame of a value to a buffer.
pub(super) fn put<T: Serialize>(buffer: &mut Vec<u8>, value: &T) -> io::Result<()> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEAD]);
    *buffer = postcard::to_extend(value, std::mem::take(buffer)).map_err(io::Error::other)?;
    let bytes = &buffer[start + HEAD..];
    if bytes.len() > MAX_LEN {
        return Err(io::Error::other("a commit of more than four gigabytes"));
    }
    let len = (bytes.len() as u32).to_le_bytes();
    let sum = checksum(len, bytes).to_le_bytes();
    buffer[start..start + 4].copy_from_slice(&MARK);
    buffer[start + 4..start + 8].copy_from_slice(&len);
    buffer[start + 8..start + HEAD].copy_from_slice(&sum);
    Ok(())
}

/// What stands where a frame should.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    /// There is no whole frame here.
    Damaged(String),
    /// It is whole, and what it says cannot be.
    Refused(String),
}

impl Fault {
    /// It is whole, and of a format that this version does not know.
    pub(super) fn format(format: u32) -> Self {
        Self::Io(io::Error::other(format!(
            "its format is {format}, and this version reads those up to {}",
            super::FORMAT
        )))
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads frames one after the other.
pub(super) struct Frames<R> {
    input: R,
    /// Where the next frame begins.
    pub(super) offset: u64,
    /// The bytes of the last one.
    bytes: Vec<u8>,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(input: R) -> Self {
        Self::at(input, 0)
    }

    /// Reads what lies at an offset.
    pub(super) fn at(input: R, offset: u64) -> Self {
        Self { input, offset, bytes: Vec::new() }
    }

    /// The next value; `None` at the end of the file.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Fault> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let is_there = self.next_into(&mut bytes);
        let value = is_there.and_then(|is_there| is_there.then(|| decoded(&bytes)).transpose());
        self.bytes = bytes;
        value
    }

    /// The bytes of the next value, whose checksum is right; `None` at the end of the file.
    pub(super) fn next_bytes(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut bytes = Vec::new();
        Ok(self.next_into(&mut bytes)?.then_some(bytes))
    }

    /// Whether there is a next one.
    fn next_into(&mut self, bytes: &mut Vec<u8>) -> Result<bool, Fault> {
        let damaged = |what: &str| Err(Fault::Damaged(what.to_owned()));
        let mut head = [0; HEAD];
        match read_up_to(&mut self.input, &mut head)? {
            0 => return Ok(false),
            HEAD => {}
            _ => return damaged("it ends within the head of a frame"),
        }
        let (Some(mark), Some(len), Some(sum)) = (head.first_chunk::<4>(), part(&head, 4), part(&head, 8))
        else {
            return damaged("there is no frame");
        };
        if *mark != MARK {
            return damaged("a frame does not begin with its mark");
        }
        let wanted = u32::from_le_bytes(len) as usize;
        // Grows as there is something: a length that is wrong takes no memory.
        bytes.clear();
        (&mut self.input).take(wanted as u64).read_to_end(bytes)?;
        if bytes.len() < wanted {
            return damaged("it ends within a frame");
        }
        if checksum(len, bytes) != u32::from_le_bytes(sum) {
            return damaged("the checksum of a frame is wrong");
        }
        self.offset += (HEAD + wanted) as u64;
        Ok(true)
    }
}

/// The value of a frame.
pub(super) fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    postcard::from_bytes(bytes)
        .map_err(|error| Fault::Damaged(format!("a frame with a good checksum cannot be read: {error}")))
}

fn part(head: &[u8; HEAD], at: usize) -> Option<[u8; 4]> {
    head.get(at..at + 4)?.try_into().ok()
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..)
        && !rest.is_empty()
    {
        match input.read(rest) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Where the first whole frame begins in these bytes. A write that was cut off is the last one: nothing whole follows it.
pub(super) fn first_whole(bytes: &[u8]) -> Option<usize> {
    let marks = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    marks.map(|(at, _)| at).find(|at| {
        let frame = &bytes[*at..];
        let (Some(len), Some(sum)) = (frame.get(4..8), frame.get(8..HEAD)) else { return false };
        let (Ok(len), Ok(sum)) = (<[u8; 4]>::try_from(len), <[u8; 4]>::try_from(sum)) else { return false };
        let end = HEAD.saturating_add(u32::from_le_bytes(len) as usize);
        frame.get(HEAD..end).is_some_and(|bytes| checksum(len, bytes) == u32::from_le_bytes(sum))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_are_read_and_others_are_told() {
        let mut file = Vec::new();
        put(&mut file, &"one").expect("small");
        let end = file.len();
        put(&mut file, &"two").expect("small");
        let mut frames = Frames::new(file.as_slice());
        let all: Vec<String> = std::iter::from_fn(|| frames.next().expect("whole")).collect();
        assert_eq!((all, frames.offset), (vec!["one".to_owned(), "two".to_owned()], file.len() as u64));
        for cut in end + 1..file.len() {
            let mut frames = Frames::new(&file[..cut]);
            assert!(matches!(frames.next::<String>(), Ok(Some(_))));
            assert!(matches!(frames.next::<String>(), Err(Fault::Damaged(_))), "cut at {cut}");
            assert_eq!(frames.offset, end as u64);
            assert_eq!(first_whole(&file[end..cut]), None);
        }
        for bit in 0..8 * end {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(
                matches!(Frames::new(damaged.as_slice()).next::<String>(), Err(Fault::Damaged(_))),
                "bit {bit}"
            );
            assert_eq!(first_whole(&damaged), Some(end), "the second one");
        }
    }

    #[test]
    fn a_length_that_is_wrong_takes_no_memory() {
        let mut file = b"NXF1".to_vec();
        file.extend((MAX_LEN as u32).to_le_bytes());
        file.extend([0; 100]);
        assert!(matches!(Frames::new(file.as_slice()).next::<String>(), Err(Fault::Damaged(_))));
    }
}
