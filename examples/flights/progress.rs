//! How far the load is, and what it took.

use std::cell::Cell;
use std::fs;
use std::io::{self, IsTerminal};

use crate::load::Loaded;
use crate::print::thousands;

/// One line for each bucket. On a terminal it is written over while rows come in; elsewhere it is written once.
pub struct Progress {
    terminal: bool,
    /// Whether a line is there that is not ended yet.
    open: Cell<bool>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { terminal: io::stderr().is_terminal(), open: Cell::new(false) }
    }
}

impl Progress {
    pub fn show(&self, loaded: &Loaded) {
        let seconds = loaded.time.as_secs_f64();
        let rate = (loaded.rows as f64 / seconds.max(f64::EPSILON)) as usize;
        let (rows, rate) = (thousands(loaded.rows), thousands(rate));
        let line = format!("{:<10}{rows:>9} rows{rate:>11} rows/s", loaded.bucket);
        if self.terminal {
            // Back to the start of the line, and clear what is left of the old one.
            eprint!("\r{line}\x1b[K");
            self.open.set(true);
        } else if loaded.done {
            eprintln!("{line}");
        }
        if loaded.done {
            self.end();
        }
    }

    /// Ends a line that is still open.
    pub fn end(&self) {
        if self.open.take() {
            eprintln!();
        }
    }
}

/// The most memory that the process has had, in MiB; `None` where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}
