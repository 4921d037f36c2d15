//! Frames that are read and decoded ahead of who wants them, by all cores, and come in their order.

use std::io::Read;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use serde::de::DeserializeOwned;

use super::frame::{self, Fault, Frames};
use crate::engine::cores;

/// Frames that each thread has before it, and behind it.
const AHEAD: usize = 4;

/// A frame, whose bytes may have been decoded, and where it ends in the file; `None` at the end of the file.
type Next<T> = Result<Option<(T, u64)>, Fault>;

/// What is read ahead. When it is dropped the threads end, too, but nobody waits for that.
pub(super) struct Ahead<'s, T> {
    /// Of each thread, which take turns.
    from: Vec<Receiver<Next<T>>>,
    turn: usize,
    /// The thread that reads.
    reader: ScopedJoinHandle<'s, ()>,
    /// Those that decode, each with what it waits for before it ends.
    decoders: Vec<(ScopedJoinHandle<'s, ()>, Sender<()>)>,
}

impl<'s, T: DeserializeOwned + Send + 's> Ahead<'s, T> {
    /// Goes on behind the frames that have been read.
    pub(super) fn new<R: Read + Send + 's>(scope: &'s Scope<'s, '_>, mut frames: Frames<R>) -> Self {
        let (mut to, mut from, mut decoders) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..cores() {
            let (raw, from_reader) = sync_channel(AHEAD);
            let (decoded, from_decoder) = sync_channel(AHEAD);
            let (end, is_over) = channel::<()>();
            let decoder = scope.spawn(move || {
                decode(from_reader, decoded);
                // Until the sender is dropped.
                let _ = is_over.recv();
            });
            to.push(raw);
            from.push(from_decoder);
            decoders.push((decoder, end));
        }
        let reader = scope.spawn(move || {
            for to in to.iter().cycle() {
                let next = frames.next_bytes().map(|bytes| Some((bytes?, frames.offset)));
                let is_last = !matches!(next, Ok(Some(_)));
                if to.send(next).is_err() || is_last {
                    return;
                }
            }
        });
        Self { from, turn: 0, reader, decoders }
    }

    /// The next value. Not to be called after a fault, or the end.
    pub(super) fn next(&mut self) -> Next<T> {
        let turn = self.turn;
        self.turn = (turn + 1) % self.from.len();
        // Without a sender a thread has panicked: `end` goes on with that.
        self.from[turn].recv().unwrap_or(Ok(None))
    }

    /// Ends the threads, and goes on with the panic of one.
    ///
    /// Those that decode end last, and have ended then: a scope waits for what its threads do, not for their end. An allocator
    /// (glibc's) gives what a thread had, at its end, to the next one that begins, the last first; those that read the records next
    /// put them where the text was of which they are made, or else the peak is higher by that.
    pub(super) fn end(self) {
        let Self { from, reader, decoders, .. } = self;
        // Nobody waits for room any more.
        drop(from);
        reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        for (decoder, end) in decoders {
            drop(end);
            decoder.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    }
}

fn decode<T: DeserializeOwned>(from: Receiver<Next<Vec<u8>>>, to: SyncSender<Next<T>>) {
    for next in from {
        let decoded = next.and_then(|next| {
            let Some((bytes, end)) = next else { return Ok(None) };
            Ok(Some((frame::decoded(&bytes)?, end)))
        });
        if to.send(decoded).is_err() {
            return;
        }
    }
}

#[cfg(test)]
#[path = "tests/ahead.rs"]
mod tests;
