//! The same work by several stores in memory, in turns, at growing sizes: `cargo bench --bench peers [part of a kind of work]`. Writes
//! `benches/results/peers.md`, and a picture for each size beside it, if all of the work was done.
//!
//! Everybody keeps users of six fields, finds them by key, by a unique e-mail address, and by city and role, and makes each change
//! of a record with all of its indexes one atomic step. All that read must find the same. The JavaScript library that this store is modelled
//! after takes part by `reference/run`, and is left out where there is no Node. What filling a store takes, each does in a process of its own.

#[path = "../common/mod.rs"]
mod common;
mod flights;
mod maps;
mod native;
mod noex;
mod plot;
mod redb;
mod reference;
mod sqlite;
mod work;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use common::users::{User, users};
use common::{nanos, show, sizes, wanted};
use plot::Line;
use work::{Peer, Round, Work};

const ROUNDS: usize = 9;
/// Of what takes seconds.
const FEW_ROUNDS: usize = 3;
/// Tells a process of this bench which entrant it fills.
const ALONE: &str = "NOEX_PEER_ALONE";

type Reopen = fn(&[User], &Path) -> Box<dyn FnMut() -> f64>;

/// Who may take part.
struct Entrant {
    /// `None` where it cannot.
    make: fn(&[User]) -> Option<Box<dyn Peer>>,
    /// Keeps users in a folder, and gives a function that opens them again, counts them by group, and tells how long it took.
    reopen: Option<Reopen>,
    /// Loads flights; `None` for one that is a process of its own, and loads them by [`Peer::load`].
    load: Option<flights::Load>,
}

const ENTRANTS: [Entrant; 7] = [
    Entrant {
        make: |users| Some(Box::new(noex::Noex::new(users))),
        reopen: Some(noex::reopened),
        load: Some(flights::noex),
    },
    Entrant {
        make: |users| Some(Box::new(sqlite::Sqlite::new(users))),
        reopen: Some(sqlite::reopened),
        load: Some(flights::sqlite),
    },
    Entrant {
        make: |users| Some(Box::new(redb::Redb::new(users))),
        reopen: Some(redb::reopened),
        load: Some(flights::redb),
    },
    Entrant {
        make: |users| Some(Box::new(native::Native::new(users))),
        reopen: Some(native::reopened),
        load: Some(flights::native),
    },
    Entrant {
        make: |users| Some(Box::new(reference::Reference::new(users)?) as Box<dyn Peer>),
        reopen: None,
        load: None,
    },
    Entrant {
        make: |users| Some(Box::new(maps::Locked::new(users))),
        reopen: None,
        load: Some(flights::maps),
    },
    Entrant {
        make: |users| Some(Box::new(maps::Papaya::new(users))),
        reopen: None,
        load: Some(flights::papaya),
    },
];

/// The entrants that can take part, with their peers; made anew for each size.
fn peers(users: &[User]) -> Vec<(usize, Box<dyn Peer>)> {
    let made = ENTRANTS.iter().enumerate();
    made.filter_map(|(number, entrant)| Some((number, (entrant.make)(users)?))).collect()
}

/// The medians with their spread, as a line of the table, and for the picture.
fn line(name: String, spent: &mut [Vec<f64>], show: impl Fn(f64) -> String) -> (String, Line) {
    let mut text = format!("| {name}");
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
    (text, Line { work: name, medians })
}

fn ours_of(median: Option<f64>) -> f64 {
    median.unwrap_or(f64::NAN)
}

/// The memory of this process in bytes, as Linux tells it.
fn resident() -> Option<f64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<f64>().ok()? * 4096.0)
}

/// Fills one entrant in this process, and prints what that took.
fn fill_alone(entrant: &Entrant) {
    let users = users(sizes()[0]);
    let before = resident();
    let begin = Instant::now();
    let Some(mut peer) = (entrant.make)(&users) else { return };
    let spent = nanos(begin.elapsed(), 1);
    // So that what is kept of the filling alone goes.
    peer.round(Work::Update, &Round::new(&users, 0));
    let (spent, bytes) = match peer.filling() {
        Some((spent, bytes)) => (spent, Some(bytes)),
        None => (spent, resident().zip(before).map(|(after, before)| after - before)),
    };
    println!("{spent} {}", bytes.map_or_else(String::new, |bytes| bytes.to_string()));
}

/// The nanoseconds and bytes of filling an entrant in a process of its own.
fn filled(number: usize, size: usize) -> (Option<f64>, Option<f64>) {
    let mut process = Command::new(std::env::current_exe().expect("this program"));
    let process = process.env(ALONE, number.to_string()).env("NOEX_BENCH_SIZES", size.to_string());
    let output = String::from_utf8(process.output().expect("runs").stdout).expect("text");
    let mut figures = output.split_whitespace().map(|figure| figure.parse().expect("a number"));
    (figures.next(), figures.next())
}

/// A folder that goes when it is done with.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let base = std::env::var_os("NOEX_BENCH_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = base.join(format!("noex-store-peers-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One size: prints its table, adds it to the report, and draws it.
fn measure(users: &[User], report: &mut String) -> bool {
    let (load, bytes) = ("load into an empty store, each record", "bytes a record");
    let again = "open from disk, count by group, each";
    if !Work::ALL.iter().any(|work| wanted(work.name())) && ![load, bytes, again].into_iter().any(wanted) {
        return false;
    }
    let (numbers, mut peers): (Vec<usize>, Vec<_>) = peers(users).into_iter().unzip();
    let names: Vec<&str> = peers.iter().map(|peer| peer.name()).collect();
    let mut lines = Vec::new();
    let mut out = |text: String| {
        print!("{text}");
        report.push_str(&text);
    };
    out(format!("\n| {} records | {} |\n", users.len(), names.join(" | ")));
    out(format!("| --- |{}\n", " ---: |".repeat(names.len())));
    for work in Work::ALL.into_iter().filter(|work| wanted(work.name())) {
        let mut spent = vec![vec![Vec::new(); peers.len()]; work.figures().len()];
        for number in 0..ROUNDS {
            let round = Round::new(users, number);
            let mut found = None;
            for turn in 0..peers.len() {
                // Another order each time: whoever comes first finds colder caches.
                let at = (turn + number) % peers.len();
                if let Some((nanos, rows)) = peers[at].round(work, &round) {
                    assert_eq!(*found.get_or_insert(rows), rows, "{}: {}", names[at], work.name());
                    spent.iter_mut().zip(nanos).for_each(|(spent, nanos)| spent[at].push(nanos));
                }
            }
        }
        for ((figure, _), spent) in work.figures().iter().zip(&mut spent) {
            let (text, line) = line(format!("{}{figure}", work.name()), spent, show);
            out(text);
            lines.push(line);
        }
    }
    drop(peers);
    let each = |spent: f64| spent / users.len() as f64;
    if wanted(load) || wanted(bytes) {
        let mut spent = vec![Vec::new(); numbers.len()];
        let mut kept = vec![Vec::new(); numbers.len()];
        for _ in 0..FEW_ROUNDS {
            for (at, number) in numbers.iter().enumerate() {
                let (nanos, bytes) = filled(*number, users.len());
                spent[at].extend(nanos.map(each));
                kept[at].extend(bytes.map(each));
            }
        }
        let (text, line_of_load) = line(load.to_owned(), &mut spent, show);
        out(text);
        lines.push(line_of_load);
        out(line(bytes.to_owned(), &mut kept, |bytes| format!("{bytes:.0}")).0);
    }
    if wanted(again) {
        let mut spent: Vec<Vec<f64>> = vec![Vec::new(); numbers.len()];
        let folders: Vec<Folder> = numbers.iter().map(|number| Folder::new(&number.to_string())).collect();
        let mut reopens: Vec<_> = numbers
            .iter()
            .zip(&folders)
            .map(|(number, folder)| Some(ENTRANTS[*number].reopen?(users, &folder.0)))
            .collect();
        for _ in 0..FEW_ROUNDS {
            for (at, reopen) in reopens.iter_mut().enumerate() {
                spent[at].extend(reopen.as_mut().map(|reopen| each(reopen())));
            }
        }
        let (text, line) = line(again.to_owned(), &mut spent, show);
        out(text);
        lines.push(line);
    }
    let all = lines.len() == Work::ALL.iter().map(|work| work.figures().len()).sum::<usize>() + 2;
    if all {
        let title =
            format!("{} records: time of one operation, logarithmic; further left is faster", users.len());
        write(&format!("peers-{}.svg", users.len()), &plot::svg(&title, &names, &lines));
    }
    all
}

/// Loads the flights into everybody's empty store.
fn load_flights(report: &mut String) {
    let flights = flights::flights();
    let mut peers = peers(&users(2));
    let mut spent: Vec<Vec<f64>> = vec![Vec::new(); peers.len()];
    for number in 0..FEW_ROUNDS {
        for turn in 0..peers.len() {
            let at = (turn + number) % peers.len();
            let (entrant, peer) = &mut peers[at];
            spent[at].extend(match ENTRANTS[*entrant].load {
                Some(load) => {
                    let begin = Instant::now();
                    assert_eq!(load(&flights), flights.len());
                    Some(nanos(begin.elapsed(), flights.len()))
                }
                None => peer.load(&flights),
            });
        }
    }
    let names: Vec<&str> = peers.iter().map(|(_, peer)| peer.name()).collect();
    let name = "load, 10,000 a commit, each".to_owned();
    let text = format!(
        "\n| {} flights with three indexes | {} |\n| --- |{}\n{}",
        flights.len(),
        names.join(" | "),
        " ---: |".repeat(names.len()),
        line(name, &mut spent, show).0
    );
    print!("{text}");
    report.push_str(&text);
}

fn write(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results").join(name);
    std::fs::write(&path, text).expect("the folder of the results can be written to");
    println!("written: {}", path.display());
}

fn main() {
    let alone = std::env::var(ALONE).ok().and_then(|number| ENTRANTS.get(number.parse::<usize>().ok()?));
    if let Some(entrant) = alone {
        fill_alone(entrant);
        return;
    }
    let mut report = format!(
        "`cargo bench --bench peers`: medians of {ROUNDS} rounds in turns, of one operation; ours with the least and the most, the others as \
         multiples of ours. Loading and opening are medians of {FEW_ROUNDS}, and bytes are what a process of its own grew by. Machine and date \
         are in the README.\n"
    );
    if reference::Reference::new(&users(2)).is_some_and(|reference| reference.stand_in()) {
        report.push_str(
            "\nnpm's registry lacks the actors that the JavaScript library runs on (`@hamicek/noex`): it runs on a stand-in for them \
             (`benches/peers/reference/actors`), which does less for each call, and so flatters it.\n",
        );
    }
    let mut all = sizes().into_iter().filter(|size| !measure(&users(*size), &mut report)).count() == 0;
    if wanted("load of the flights") {
        load_flights(&mut report);
    } else {
        all = false;
    }
    if all {
        write("peers.md", &report);
    }
}
