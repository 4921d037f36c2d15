//! The JavaScript library that this store is modelled after, in a process of Node: `reference/run` starts it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::json;

use crate::common::users::User;
use crate::flights::Flight;
use crate::work::{Done, Peer, Round, Work};

pub struct Reference {
    process: Child,
    tasks: ChildStdin,
    answers: BufReader<ChildStdout>,
    filling: (f64, f64),
    stand_in: bool,
}

#[derive(Deserialize)]
struct Started {
    nanos: f64,
    bytes: f64,
    #[serde(rename = "standIn")]
    stand_in: bool,
}

#[derive(Deserialize)]
struct Answer {
    nanos: f64,
    found: usize,
}

impl Reference {
    /// `None` where it cannot be installed or run: the script has said why.
    pub fn new(all: &[User]) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/reference/run");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("reference");
        let mut command = Command::new(script);
        command.arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().ok()?;
        let (mut tasks, answers) = (process.stdin.take()?, BufReader::new(process.stdout.take()?));
        for users in all.chunks(1_000) {
            // A script that has ended reads nothing.
            writeln!(tasks, "{}", json!({ "users": users })).ok()?;
        }
        let mut own = Self { process, tasks, answers, filling: (0.0, 0.0), stand_in: false };
        let started: Started = serde_json::from_str(&own.ask("{}")?).expect("an answer");
        (own.filling, own.stand_in) = ((started.nanos, started.bytes), started.stand_in);
        Some(own)
    }

    /// Whether it runs on the stand-in for its actors.
    pub fn stand_in(&self) -> bool {
        self.stand_in
    }

    fn ask(&mut self, task: &str) -> Option<String> {
        writeln!(self.tasks, "{task}").ok()?;
        let mut answer = String::new();
        (self.answers.read_line(&mut answer).ok()? > 0).then_some(answer)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Peer for Reference {
    fn name(&self) -> &'static str {
        "JavaScript library"
    }

    fn filling(&self) -> Option<(f64, f64)> {
        Some(self.filling)
    }

    fn load(&mut self, flights: &[Flight]) -> Option<f64> {
        for flights in flights.chunks(1_000) {
            writeln!(self.tasks, "{}", json!({ "flights": flights })).ok()?;
        }
        let answer: Answer = serde_json::from_str(&self.ask(r#"{"work":"Flights"}"#)?).expect("an answer");
        assert_eq!(answer.found, flights.len());
        Some(answer.nanos)
    }

    fn round(&mut self, work: Work, round: &Round<'_>) -> Option<Done> {
        let times = work.times(round.users.len());
        let others = if let Work::Subscribed(count) = work { count } else { 0 };
        // It has one thread.
        let name = match work {
            Work::Beside => return None,
            Work::Subscribed(_) => "Subscribed".to_owned(),
            work => format!("{work:?}"),
        };
        let scores: Vec<f64> = (0..1_000).map(|n| round.score(n)).collect();
        let Round { fresh, asked, number, .. } = round;
        let task = json!({
            "work": name, "times": times, "others": others, "number": number,
            "fresh": fresh, "asked": asked, "scores": scores,
        });
        let answer: Answer = serde_json::from_str(&self.ask(&task.to_string())?).expect("an answer");
        Some((vec![answer.nanos], answer.found))
    }
}
