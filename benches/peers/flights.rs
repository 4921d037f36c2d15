//! The load of real flights, each 10,000 one commit: those of January 2013 that come with the example, or those of a folder,
//! `NOEX_BENCH_FLIGHTS=FOLDER`, which has `flights.csv` or `flights.csv.gz` as the R package nycflights13 has them.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use flate2::read::MultiGzDecoder;
use native_db::{Builder, Models, ToKey, native_db};
use native_model::{Model, native_model};
use noex_store::prelude::*;
use redb::backends::InMemoryBackend;
use redb::{Database, TableDefinition};
use rusqlite::{Connection, params};

const CHUNK: usize = 10_000;

/// A flight, with an index for the airline, the plane and the destination.
#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
#[bucket(name = "flights")]
#[native_model(id = 3, version = 1)]
#[native_db]
pub struct Flight {
    #[bucket(key)]
    #[primary_key]
    id: u64,
    month: u8,
    day: u8,
    sched_dep_time: u16,
    dep_delay: Option<i16>,
    arr_delay: Option<i16>,
    #[bucket(index)]
    #[secondary_key]
    carrier: String,
    flight: u16,
    #[bucket(index)]
    #[secondary_key]
    tailnum: Option<String>,
    origin: String,
    #[bucket(index)]
    #[secondary_key]
    dest: String,
    air_time: Option<u16>,
    distance: u16,
}

/// All flights.
pub fn flights() -> Vec<Flight> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/flights/data");
    let folder = std::env::var_os("NOEX_BENCH_FLIGHTS").map_or(sample, PathBuf::from);
    let plain = folder.join("flights.csv");
    let file: Box<dyn Read> = match File::open(&plain) {
        Ok(file) => Box::new(file),
        Err(_) => Box::new(MultiGzDecoder::new(File::open(plain.with_extension("csv.gz")).expect("flights"))),
    };
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().expect("a header").clone();
    let at = |name: &str| header.iter().position(|column| column == name).expect("a column");
    let columns = [
        "month",
        "day",
        "sched_dep_time",
        "dep_delay",
        "arr_delay",
        "carrier",
        "flight",
        "tailnum",
        "origin",
        "dest",
        "air_time",
        "distance",
    ]
    .map(at);
    let rows = (1..).zip(reader.records());
    let flight = |(id, row): (u64, csv::Result<csv::StringRecord>)| {
        let row = row.expect("a row");
        let [
            month,
            day,
            time,
            dep_delay,
            arr_delay,
            carrier,
            flight,
            tailnum,
            origin,
            dest,
            air_time,
            distance,
        ] = columns.map(|column| &row[column]);
        let known = |text: &str| (!["", "NA"].contains(&text)).then(|| text.to_owned());
        let number = |text: &str| known(text).map(|text| text.parse::<f64>().expect("a number"));
        Flight {
            id,
            month: month.parse().expect("a number"),
            day: day.parse().expect("a number"),
            sched_dep_time: time.parse().expect("a number"),
            dep_delay: number(dep_delay).map(|minutes| minutes as i16),
            arr_delay: number(arr_delay).map(|minutes| minutes as i16),
            carrier: carrier.to_owned(),
            flight: flight.parse().expect("a number"),
            tailnum: known(tailnum),
            origin: origin.to_owned(),
            dest: dest.to_owned(),
            air_time: number(air_time).map(|minutes| minutes as u16),
            distance: number(distance).expect("known") as u16,
        }
    };
    rows.map(flight).collect()
}

/// A store that the flights are loaded into; tells how many it has in the end, so that it is not dropped before.
pub type Load = fn(&[Flight]) -> usize;

pub fn noex(all: &[Flight]) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let store = runtime.block_on(Store::builder().bucket::<Flight>().start()).expect("starts");
    let flights = store.bucket::<Flight>().expect("defined");
    for chunk in all.chunks(CHUNK) {
        flights.insert_many(chunk.iter().cloned()).expect("new");
    }
    flights.count()
}

pub fn sqlite(all: &[Flight]) -> usize {
    let connection = Connection::open_in_memory().expect("opens");
    connection
        .execute_batch(
            "CREATE TABLE flights (id INTEGER PRIMARY KEY, month INTEGER NOT NULL, day INTEGER NOT NULL, sched_dep_time INTEGER NOT NULL,
               dep_delay INTEGER, arr_delay INTEGER, carrier TEXT NOT NULL, flight INTEGER NOT NULL, tailnum TEXT, origin TEXT NOT NULL,
               dest TEXT NOT NULL, air_time INTEGER, distance INTEGER NOT NULL);
             CREATE INDEX by_carrier ON flights (carrier);
             CREATE INDEX by_tailnum ON flights (tailnum);
             CREATE INDEX by_dest ON flights (dest);",
        )
        .expect("made");
    for chunk in all.chunks(CHUNK) {
        connection.execute_batch("BEGIN").expect("begins");
        let insert = "INSERT INTO flights VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        let mut insert = connection.prepare_cached(insert).expect("good");
        for it in chunk {
            let row = params![
                it.id as i64,
                it.month,
                it.day,
                it.sched_dep_time,
                it.dep_delay,
                it.arr_delay,
                it.carrier,
                it.flight,
                it.tailnum,
                it.origin,
                it.dest,
                it.air_time,
                it.distance
            ];
            insert.execute(row).expect("new");
        }
        connection.execute_batch("COMMIT").expect("ends");
    }
    let count = connection.query_row("SELECT count(*) FROM flights", [], |row| row.get::<_, i64>(0));
    count.expect("read") as usize
}

const FLIGHTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("flights");
const INDEXES: [TableDefinition<'_, (&str, u64), ()>; 3] =
    [TableDefinition::new("carriers"), TableDefinition::new("planes"), TableDefinition::new("destinations")];

pub fn redb(all: &[Flight]) -> usize {
    let database = Database::builder().create_with_backend(InMemoryBackend::new()).expect("opens");
    for chunk in all.chunks(CHUNK) {
        let transaction = database.begin_write().expect("begins");
        {
            let mut flights = transaction.open_table(FLIGHTS).expect("there");
            let [mut carriers, mut planes, mut destinations] =
                INDEXES.map(|index| transaction.open_table(index).expect("there"));
            for it in chunk {
                let bytes = postcard::to_stdvec(it).expect("bytes");
                flights.insert(it.id, bytes.as_slice()).expect("written");
                carriers.insert((it.carrier.as_str(), it.id), ()).expect("written");
                if let Some(plane) = &it.tailnum {
                    planes.insert((plane.as_str(), it.id), ()).expect("written");
                }
                destinations.insert((it.dest.as_str(), it.id), ()).expect("written");
            }
        }
        transaction.commit().expect("ends");
    }
    all.len()
}

pub fn native(all: &[Flight]) -> usize {
    let mut models = Models::new();
    models.define::<Flight>().expect("a good model");
    let database = Builder::new().create_in_memory(&models).expect("opens");
    for chunk in all.chunks(CHUNK) {
        let transaction = database.rw_transaction().expect("begins");
        chunk.iter().for_each(|it| transaction.insert(it.clone()).expect("new"));
        transaction.commit().expect("ends");
    }
    all.len()
}

#[derive(Default)]
struct Maps {
    flights: HashMap<u64, Arc<Flight>>,
    carriers: BTreeSet<(String, u64)>,
    planes: BTreeSet<(Option<String>, u64)>,
    destinations: BTreeSet<(String, u64)>,
}

pub fn maps(all: &[Flight]) -> usize {
    let locked = RwLock::new(Maps::default());
    for chunk in all.chunks(CHUNK) {
        let mut maps = locked.write().expect("nobody panics");
        for it in chunk {
            maps.carriers.insert((it.carrier.clone(), it.id));
            maps.planes.insert((it.tailnum.clone(), it.id));
            maps.destinations.insert((it.dest.clone(), it.id));
            maps.flights.insert(it.id, Arc::new(it.clone()));
        }
    }
    locked.into_inner().expect("nobody panics").flights.len()
}

pub fn papaya(all: &[Flight]) -> usize {
    let map: papaya::HashMap<u64, Arc<Flight>, foldhash::fast::RandomState> = papaya::HashMap::default();
    let pinned = map.pin();
    all.iter().for_each(|it| drop(pinned.insert(it.id, Arc::new(it.clone())).cloned()));
    pinned.len()
}
