//! What is read ahead is what is read one after the other, however far one goes.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use super::Ahead;
use crate::persist::file::frame::{self, Fault, Frames};

const COUNT: usize = 200;

/// The bytes of so many frames, each a text of a length of its own, and where each ends.
fn frames() -> (Vec<u8>, Vec<u64>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for number in 0..COUNT {
        frame::put(&mut bytes, &text(number)).expect("written");
        ends.push(bytes.len() as u64);
    }
    (bytes, ends)
}

fn text(number: usize) -> String {
    format!("{number} {}", "x".repeat(number * 37 % 500))
}

/// Reads until the end, a fault, or so many values; what comes then.
fn read(bytes: impl Read + Send, most: usize) -> (Vec<(String, u64)>, Option<Fault>) {
    thread::scope(|scope| {
        let mut ahead = Ahead::<String>::new(scope, Frames::new(bytes));
        let (mut read, mut fault) = (Vec::new(), None);
        while read.len() < most {
            match ahead.next() {
                Ok(Some(next)) => read.push(next),
                Ok(None) => break,
                Err(other) => {
                    fault = Some(other);
                    break;
                }
            }
        }
        ahead.end();
        (read, fault)
    })
}

#[test]
fn frames_come_in_their_order_each_with_its_end() {
    let (bytes, ends) = frames();
    let (read, fault) = read(bytes.as_slice(), usize::MAX);
    assert!(fault.is_none());
    let all: Vec<_> = (0..COUNT).map(|number| (text(number), ends[number])).collect();
    assert_eq!(read, all);
}

#[test]
fn whoever_stops_early_waits_for_nobody() {
    let (bytes, ends) = frames();
    for most in [0, 1, 2, 7, 50, COUNT - 1] {
        let (read, fault) = read(bytes.as_slice(), most);
        assert!(fault.is_none());
        assert_eq!(read.last().map(|(_, end)| *end), most.checked_sub(1).map(|last| ends[last]));
    }
}

#[test]
fn a_fault_comes_after_what_is_whole_before_it() {
    let (bytes, ends) = frames();
    for damaged in [0, 1, 2, 9, 100, COUNT - 1] {
        let mut bytes = bytes.clone();
        let last = ends[damaged] as usize - 1;
        bytes[last] ^= 1;
        let (read, fault) = read(bytes.as_slice(), usize::MAX);
        assert_eq!(read.len(), damaged);
        assert!(matches!(fault, Some(Fault::Damaged(_))), "{fault:?}");
    }
}

/// Panics once so many bytes are read.
struct Panics<'b>(&'b [u8]);

impl Read for Panics<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        assert!(!self.0.is_empty(), "nothing is left");
        self.0.read(to)
    }
}

#[test]
fn a_panic_of_whoever_reads_is_no_end_of_the_file() {
    let (bytes, ends) = frames();
    for whole in [0, 1, 30] {
        let bytes = Panics(&bytes[..ends[whole] as usize]);
        assert!(catch_unwind(AssertUnwindSafe(|| read(bytes, usize::MAX))).is_err());
    }
}

#[test]
fn whoever_does_not_come_to_the_end_leaves_no_thread_behind() {
    let (bytes, _) = frames();
    thread::scope(|scope| {
        let mut ahead = Ahead::<String>::new(scope, Frames::new(bytes.as_slice()));
        assert!(ahead.next().is_ok());
        drop(ahead);
    });
}
