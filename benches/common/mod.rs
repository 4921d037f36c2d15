//! The harness: subjects that do the same work are timed in turns, within one process, so that a slow moment of the machine
//! falls on all of them; medians are compared, as ratios to a baseline. (criterion and divan time one subject after the
//! other and print no ratios between them.)

#![allow(dead_code, reason = "each bench uses a part of it")]

pub mod users;

use std::fmt::Write as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The sizes to measure at; `NOEX_BENCH_SIZES=10000` measures at one.
pub fn sizes() -> Vec<usize> {
    let given = std::env::var("NOEX_BENCH_SIZES").ok();
    let sizes = given.as_deref().unwrap_or("10000,100000,1000000");
    sizes.split(',').map(|size| size.trim().parse().expect("NOEX_BENCH_SIZES holds numbers")).collect()
}

/// Whether a bench is wanted: those whose names hold the first argument of the command line.
pub fn wanted(name: &str) -> bool {
    std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .is_none_or(|part| name.contains(&part))
}

/// One way to do the work of a group.
pub struct Subject<'a> {
    name: String,
    /// Does the work once for a round number, and returns how long one operation took, in nanoseconds.
    round: Box<dyn FnMut(usize) -> f64 + 'a>,
}

/// Subjects that do the same work. The first one is ours.
pub struct Group<'a> {
    name: String,
    subjects: Vec<Subject<'a>>,
    targets: Vec<(usize, f64, Bound)>,
}

#[derive(Clone, Copy)]
pub enum Bound {
    /// Ours takes at most so many times as long.
    AtMost,
    /// Ours is at least so many times as fast.
    FasterBy,
}

/// Times `operations` calls.
pub fn time<T>(operations: usize, mut operation: impl FnMut(usize) -> T) -> f64 {
    let start = Instant::now();
    for number in 0..operations {
        std::hint::black_box(operation(number));
    }
    nanos(start.elapsed(), operations)
}

pub fn nanos(elapsed: Duration, operations: usize) -> f64 {
    elapsed.as_nanos() as f64 / operations.max(1) as f64
}

impl<'a> Group<'a> {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), subjects: Vec::new(), targets: Vec::new() }
    }

    pub fn subject(mut self, name: &str, round: impl FnMut(usize) -> f64 + 'a) -> Self {
        self.subjects.push(Subject { name: name.to_owned(), round: Box::new(round) });
        self
    }

    /// What the first subject should reach beside the one that was added last.
    pub fn target(mut self, bound: Bound, factor: f64) -> Self {
        self.targets.push((self.subjects.len() - 1, factor, bound));
        self
    }

    /// Runs all subjects in turns, and prints the table; returns the medians.
    pub fn run(mut self, rounds: usize) -> Vec<f64> {
        let mut times: Vec<Vec<f64>> = vec![Vec::new(); self.subjects.len()];
        for round in 0..rounds {
            // Another order each time: whoever comes first finds colder caches.
            for turn in 0..self.subjects.len() {
                let at = (turn + round) % self.subjects.len();
                times[at].push((self.subjects[at].round)(round));
            }
        }
        let medians: Vec<f64> = times
            .iter_mut()
            .map(|times| {
                times.sort_by(f64::total_cmp);
                times[times.len() / 2]
            })
            .collect();
        println!("\n{}", self.name);
        for (at, subject) in self.subjects.iter().enumerate() {
            let (low, high) = (times[at][0], times[at][times[at].len() - 1]);
            let mut line = format!("  {:<34} {:>10}", subject.name, show(medians[at]));
            let _ = write!(line, "  ({} … {})", show(low), show(high));
            if at > 0 {
                let ratio = medians[at] / medians[0];
                let words = if ratio >= 1.0 {
                    format!("{ratio:.2} x ours")
                } else {
                    format!("ours is {:.2} x", 1.0 / ratio)
                };
                let _ = write!(line, "  {words}");
            }
            for (_, factor, bound) in self.targets.iter().filter(|(target, ..)| *target == at) {
                let (kept, words) = match bound {
                    Bound::AtMost => (medians[0] <= medians[at] * factor, "at most"),
                    Bound::FasterBy => (medians[0] * factor <= medians[at], "faster by"),
                };
                let _ = write!(line, "  [{words} {factor}: {}]", if kept { "kept" } else { "MISSED" });
            }
            println!("{line}");
        }
        medians
    }
}

/// Waits for what another thread brings, without sleeping: the time of a wake-up is the system's.
pub fn spin<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        std::hint::spin_loop();
    }
}

pub fn show(nanos: f64) -> String {
    match nanos {
        n if n < 1e3 => format!("{n:.1} ns"),
        n if n < 1e6 => format!("{:.2} µs", n / 1e3),
        n if n < 1e9 => format!("{:.2} ms", n / 1e6),
        n => format!("{:.2} s", n / 1e9),
    }
}

/// A small generator of random numbers (xorshift64*: Vigna, *An experimental exploration of Marsaglia's xorshift
/// generators*, 2016), so that all subjects see the same.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// One of the values.
    pub fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }
}
