//! The same work by several stores in memory, in turns, at growing sizes: `cargo bench --bench peers [part of a kind of work]`. Writes
//! `benches/results/peers.md`, and a picture for each size beside it, if all of the work was done.
//!
//! Everybody keeps users of six fields, finds them by key, by a unique e-mail address, and by city and role, and makes each change
//! of a record with all of its indexes one atomic step. All that read must find the same. The JavaScript library that this store is modelled
//! after cannot be a peer: what it depends on is not in npm's registry.

#[path = "../common/mod.rs"]
mod common;
mod maps;
mod native;
mod noex;
mod plot;
mod redb;
mod sqlite;
mod work;

use std::fmt::Write as _;
use std::path::Path;

use common::users::{User, users};
use common::{show, sizes, wanted};
use plot::Line;
use work::{Peer, Round, Work};

const ROUNDS: usize = 9;

fn peers(users: &[User]) -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(noex::Noex::new(users)),
        Box::new(sqlite::Sqlite::new(users)),
        Box::new(redb::Redb::new(users)),
        Box::new(native::Native::new(users)),
        Box::new(maps::Locked::new(users)),
        Box::new(maps::Papaya::new(users)),
    ]
}

/// The medians with their spread, as a line of the table, and for the picture.
fn line(work: Work, spent: &mut [Vec<f64>]) -> (String, Line) {
    let mut text = format!("| {}", work.name());
    let mut medians = Vec::new();
    for times in spent {
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2).copied();
        let _ = match (median, medians.first()) {
            (None, _) => write!(text, " | –"),
            (Some(median), None) => {
                write!(text, " | {} ({} … {})", show(median), show(times[0]), show(times[times.len() - 1]))
            }
            (Some(median), Some(ours)) => {
                write!(text, " | {} ({:.2}×)", show(median), median / ours_of(*ours))
            }
        };
        medians.push(median);
    }
    text.push_str(" |\n");
    (text, Line { work: work.name(), medians })
}

fn ours_of(median: Option<f64>) -> f64 {
    median.unwrap_or(f64::NAN)
}

fn measure(users: &[User], report: &mut String) -> Vec<Line> {
    let mut peers = peers(users);
    let names: Vec<&str> = peers.iter().map(|peer| peer.name()).collect();
    let mut out = |text: String| {
        print!("{text}");
        report.push_str(&text);
    };
    out(format!("\n| {} records | {} |\n", users.len(), names.join(" | ")));
    out(format!("| --- |{}\n", " ---: |".repeat(names.len())));
    let mut lines = Vec::new();
    for work in Work::ALL.into_iter().filter(|work| wanted(work.name())) {
        let mut spent = vec![Vec::new(); peers.len()];
        for number in 0..ROUNDS {
            let round = Round::new(users, number);
            let mut found = None;
            for turn in 0..peers.len() {
                // Another order each time: whoever comes first finds colder caches.
                let at = (turn + number) % peers.len();
                if let Some((nanos, rows)) = peers[at].round(work, &round) {
                    assert_eq!(*found.get_or_insert(rows), rows, "{}: {}", names[at], work.name());
                    spent[at].push(nanos);
                }
            }
        }
        let (text, line) = line(work, &mut spent);
        out(text);
        lines.push(line);
    }
    let title =
        format!("{} records: time of one operation, logarithmic; further left is faster", users.len());
    if lines.len() == Work::ALL.len() {
        write(&format!("peers-{}.svg", users.len()), &plot::svg(&title, &names, &lines));
    }
    lines
}

fn write(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results").join(name);
    std::fs::write(&path, text).expect("the folder of the results can be written to");
    println!("written: {}", path.display());
}

fn main() {
    let mut report = format!(
        "`cargo bench --bench peers`: medians of {ROUNDS} rounds in turns, of one operation; ours with the least and the most, the others as \
         multiples of ours. Machine and date are in the README.\n"
    );
    let mut all = true;
    for size in sizes() {
        all &= measure(&users(size), &mut report).len() == Work::ALL.len();
    }
    if all {
        write("peers.md", &report);
    }
}
