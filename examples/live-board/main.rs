//! Real flights on a map that moves: `cargo run --release --example live-board [-- OPTIONS]`, then open the first address that it prints.
//!
//! A month of flights leaves New York, a minute a commit. The page follows four live queries by their diffs, over server-sent
//! events; its filter is their parameter. `sky` writes, `boards` asks, `server` hands on what changed; `page.html` applies it.
//!
//! - `--port N`: where to listen, on this machine only; 3000 unless given, 0 for any that is free
//! - `--speed N`: minutes of the flights' time in a second; 10 unless given, from 1 to 1000
//! - `--from TIME`: the minute to begin with, such as `2013-01-16T12:00:00Z`

#[path = "../flights/load/mod.rs"]
#[allow(dead_code, reason = "the other example uses more of it")]
mod load;
#[path = "../flights/model.rs"]
#[allow(dead_code, reason = "the other example uses more of it")]
mod model;
#[path = "../flights/time.rs"]
mod time;

mod boards;
mod leg;
mod server;
mod sky;

use std::error::Error;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use boards::Boards;
use model::Airline;
use server::Server;
use sky::Sky;
use time::Minute;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

/// A month of data, which comes with the flights example.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/flights/data");

struct Options {
    port: u16,
    speed: u32,
    from: Minute,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        // A morning when much is in the air.
        let mut options = Self { port: 3000, speed: 10, from: "2013-01-16T13:00:00Z".parse()? };
        while let Some(name) = args.next() {
            let value = args.next().ok_or(format!("{name} needs a value"))?;
            let wrong = || format!("{name} cannot be {value:?}");
            match name.as_str() {
                "--port" => options.port = value.parse().map_err(|_| wrong())?,
                "--speed" => {
                    options.speed = value.parse().map_err(|_| wrong())?;
                    if !(1..=1000).contains(&options.speed) {
                        return Err(wrong());
                    }
                }
                "--from" => options.from = value.parse().map_err(|_| wrong())?,
                _ => return Err(format!("there is no {name}; there are --port, --speed and --from")),
            }
        }
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let month = load::store().await?;
    load::load(&month, Path::new(SAMPLE), |_| {})?;
    let sky = Sky::open(&month).await?;
    sky.go_to(options.from)?;
    let airlines = month.bucket::<Airline>()?.all();
    let server = Server {
        boards: Boards::new(&sky.store)?,
        airports: Arc::new(sky.places.clone().into_iter().collect()),
        airlines: Arc::new(airlines.iter().map(|line| (line.carrier.clone(), line.name.clone())).collect()),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    let inspector = sky.store.inspector().serve().await?;
    println!("http://{}", listener.local_addr()?);
    println!("{} shows what the store does meanwhile", inspector.url());

    let mut ticks = interval(Duration::from_secs(1) / options.speed);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let flying = async {
        loop {
            ticks.tick().await;
            if let Err(error) = sky.go_on() {
                return error;
            }
        }
    };
    tokio::select! {
        error = flying => Err(error.into()),
        ended = axum::serve(listener, server.routes()) => Ok(ended?),
    }
}
