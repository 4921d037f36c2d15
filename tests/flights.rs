//! The example `flights`: its numbers against the same ones worked out by plain loops over the CSV files, and what it
//! says of bad data.
//!
//! Runs on the month of data that comes with the example. `NOEX_FLIGHTS_DATA=<folder> cargo test --release --test flights`
//! runs it on other data, such as the whole year.

#[path = "../examples/flights/load/mod.rs"]
mod load;
#[path = "../examples/flights/model.rs"]
mod model;
#[path = "../examples/flights/report.rs"]
mod report;
#[path = "../examples/flights/time.rs"]
mod time;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use csv::StringRecord;
use flate2::read::MultiGzDecoder;
use load::{CHUNK, LoadError, Problem};
use model::{Airline, Airport, Flight, Plane, Weather};
use noex_store::prelude::*;
use noex_store::{AccessPath, OrderPath};
use report::{BUSY, LATE, PAGE, PAGES, Report, TOP};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/flights/data");

fn data() -> PathBuf {
    std::env::var_os("NOEX_FLIGHTS_DATA").map_or_else(|| SAMPLE.into(), PathBuf::from)
}

/// A file as it stands: texts by column names.
struct Csv {
    columns: HashMap<String, usize>,
    rows: Vec<StringRecord>,
}

/// A row of it.
#[derive(Clone, Copy)]
struct Line<'c> {
    columns: &'c HashMap<String, usize>,
    row: &'c StringRecord,
}

impl Csv {
    fn open(table: &str) -> Self {
        let plain = data().join(format!("{table}.csv"));
        let mut text = String::new();
        if plain.exists() {
            File::open(plain).expect("the file opens").read_to_string(&mut text).expect("the file is text");
        } else {
            let packed = File::open(data().join(format!("{table}.csv.gz"))).expect("the file opens");
            MultiGzDecoder::new(packed).read_to_string(&mut text).expect("the file is packed text");
        }
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().expect("the file has a header").clone();
        let columns = header.iter().enumerate().map(|(at, name)| (name.to_owned(), at)).collect();
        let rows = reader.records().collect::<Result<_, _>>().expect("the file is CSV");
        Self { columns, rows }
    }

    fn lines(&self) -> impl Iterator<Item = Line<'_>> + Clone {
        self.rows.iter().map(|row| Line { columns: &self.columns, row })
    }
}

impl<'c> Line<'c> {
    fn text(self, column: &str) -> &'c str {
        &self.row[self.columns[column]]
    }

    /// `None` for `NA`.
    fn number(self, column: &str) -> Option<f64> {
        match self.text(column) {
            "NA" => None,
            text => Some(text.parse().expect("the column holds numbers")),
        }
    }

    /// The scheduled departure, as the report writes it. Such texts sort by time.
    fn departs(self) -> String {
        let (hour, minute) = (self.text("time_hour"), self.number("minute").expect("there is a minute"));
        format!("{} {}:{minute:02}", &hour[..10], &hour[11..13])
    }

    /// What tells one flight from another.
    fn name(self) -> (String, String, String, String) {
        let text = |column| self.text(column).to_owned();
        (text("carrier"), text("flight"), text("origin"), self.departs())
    }
}

fn name(flight: &Flight) -> (String, String, String, String) {
    let departs = flight.departs.to_string();
    (flight.carrier.clone(), flight.flight.to_string(), flight.origin.clone(), departs)
}

fn mean(sum: f64, count: usize) -> f64 {
    sum / count as f64
}

async fn loaded() -> (Store, Report) {
    let store = load::store().await.expect("the store starts");
    load::load(&store, &data(), |_| {}).expect("the data are good");
    let report = report::report(&store.snapshot()).expect("the buckets are there");
    (store, report)
}

#[tokio::test]
async fn every_row_becomes_a_record() {
    let store = load::store().await.expect("the store starts");
    let mut told: Vec<(&str, usize, bool)> = Vec::new();
    let loaded = load::load(&store, &data(), |now| told.push((now.bucket, now.rows, now.done)));
    let loaded = loaded.expect("the data are good");

    let counts = [
        store.bucket::<Airline>().expect("a bucket").count(),
        store.bucket::<Airport>().expect("a bucket").count(),
        store.bucket::<Plane>().expect("a bucket").count(),
        store.bucket::<Weather>().expect("a bucket").count(),
        store.bucket::<Flight>().expect("a bucket").count(),
    ];
    let tables = ["airlines", "airports", "planes", "weather", "flights"];
    for ((table, count), loaded) in tables.into_iter().zip(counts).zip(&loaded) {
        let rows = Csv::open(table).rows.len();
        assert!(rows > 0);
        assert_eq!((count, loaded.rows, loaded.bucket), (rows, rows, table));
        let ends: Vec<_> = told.iter().filter(|(bucket, _, done)| *bucket == table && *done).collect();
        assert_eq!(ends, [&(table, rows, true)]);
        // One call, and one commit, for each chunk.
        let calls = told.iter().filter(|(bucket, ..)| *bucket == table).count();
        assert_eq!(calls, rows / CHUNK + 1);
    }
}

#[tokio::test]
async fn values_are_those_of_the_file() {
    let (store, _) = loaded().await;
    let flights = store.bucket::<Flight>().expect("a bucket").all();
    let csv = Csv::open("flights");
    assert_eq!(flights.len(), csv.rows.len());
    for (number, (flight, line)) in flights.iter().zip(csv.lines()).enumerate() {
        assert_eq!(flight.id, number as u64 + 1);
        assert_eq!(name(flight), line.name());
        assert_eq!(flight.dest, line.text("dest"));
        assert_eq!(flight.tailnum.as_deref(), Some(line.text("tailnum")).filter(|text| *text != "NA"));
        assert_eq!(flight.dep_time.map(f64::from), line.number("dep_time"));
        assert_eq!(Some(f64::from(flight.sched_dep_time)), line.number("sched_dep_time"));
        assert_eq!(flight.arr_time.map(f64::from), line.number("arr_time"));
        assert_eq!(Some(f64::from(flight.sched_arr_time)), line.number("sched_arr_time"));
        assert_eq!(flight.dep_delay.map(f64::from), line.number("dep_delay"));
        assert_eq!(flight.arr_delay.map(f64::from), line.number("arr_delay"));
        assert_eq!(flight.air_time.map(f64::from), line.number("air_time"));
        assert_eq!(Some(f64::from(flight.distance)), line.number("distance"));
    }
    let planes = store.bucket::<Plane>().expect("a bucket").all();
    let csv = Csv::open("planes");
    for (plane, line) in planes.iter().zip(csv.lines()) {
        assert_eq!([&*plane.tailnum, &*plane.kind], [line.text("tailnum"), line.text("type")]);
        assert_eq!(plane.year.map(f64::from), line.number("year"));
        assert_eq!(plane.speed.map(f64::from), line.number("speed"));
    }
    let weather = store.bucket::<Weather>().expect("a bucket").all();
    let csv = Csv::open("weather");
    for (weather, line) in weather.iter().zip(csv.lines()) {
        assert_eq!(weather.temp, line.number("temp"));
        assert_eq!(weather.wind_gust, line.number("wind_gust"));
        assert_eq!(weather.pressure, line.number("pressure"));
        assert_eq!(Some(weather.visib), line.number("visib"));
    }
}

#[tokio::test]
async fn routes_and_period() {
    let (_store, report) = loaded().await;
    let (csv, airports) = (Csv::open("flights"), Csv::open("airports"));
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in csv.lines() {
        *counts.entry((line.text("origin"), line.text("dest"))).or_default() += 1;
    }
    let names: HashMap<_, _> = airports.lines().map(|line| (line.text("faa"), line.text("name"))).collect();
    let mut expected: Vec<_> = counts
        .into_iter()
        .map(|((origin, dest), flights)| (Reverse(flights), origin, dest, names.get(dest).copied()))
        .collect();
    expected.sort();
    expected.truncate(TOP);
    let found: Vec<_> = report
        .routes
        .iter()
        .map(|route| {
            let airport = route.airport.as_ref().map(|airport| airport.name.as_str());
            (Reverse(route.flights), route.origin.as_str(), route.dest.as_str(), airport)
        })
        .collect();
    assert_eq!(found, expected);

    assert_eq!(report.flights, csv.rows.len());
    let period = report.period.map(|(first, last)| (first.to_string(), last.to_string()));
    let departures = csv.lines().map(Line::departs);
    assert_eq!(period, departures.clone().min().zip(departures.max()));
}

#[tokio::test]
async fn delays_of_airlines() {
    let (_store, report) = loaded().await;
    let (csv, airlines) = (Csv::open("flights"), Csv::open("airlines"));
    let names: HashMap<_, _> =
        airlines.lines().map(|line| (line.text("carrier"), line.text("name"))).collect();
    let mut delays: BTreeMap<&str, Vec<Option<f64>>> = BTreeMap::new();
    for line in csv.lines() {
        delays.entry(line.text("carrier")).or_default().push(line.number("dep_delay"));
    }
    let mut expected: Vec<_> = delays
        .into_iter()
        .map(|(carrier, delays)| {
            let known: Vec<f64> = delays.iter().flatten().copied().collect();
            let worst = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let cancelled = delays.len() - known.len();
            (mean(known.iter().sum(), known.len()), carrier, names[carrier], delays.len(), cancelled, worst)
        })
        .collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0));
    let found: Vec<_> = report
        .carriers
        .iter()
        .map(|carrier| {
            let airline = carrier.airline.as_ref().expect("the airline is known");
            let worst = carrier.worst_delay.expect("a flight departed").into();
            let mean = carrier.mean_delay.expect("a flight departed");
            (mean, &*carrier.carrier, &*airline.name, carrier.flights, carrier.cancelled, worst)
        })
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn flights_of_a_plane() {
    let (store, report) = loaded().await;
    let found = report.plane.expect("there is a plane");
    let (csv, planes) = (Csv::open("flights"), Csv::open("planes"));
    let known: HashSet<&str> = planes.lines().map(|line| line.text("tailnum")).collect();
    let mut flown: BTreeMap<&str, Vec<Line<'_>>> = BTreeMap::new();
    for line in csv.lines().filter(|line| !matches!(line.text("carrier"), "AA" | "MQ")) {
        if known.contains(line.text("tailnum")) {
            flown.entry(line.text("tailnum")).or_default().push(line);
        }
    }
    let most = flown.values().map(Vec::len).max().expect("there are flights");
    let (tailnum, _) = flown.iter().find(|(_, lines)| lines.len() == most).expect("one has the most");
    assert_eq!((&*found.plane.tailnum, found.flights), (*tailnum, most));

    let mut own: Vec<_> = csv.lines().filter(|line| line.text("tailnum") == *tailnum).collect();
    let air_time: f64 = own.iter().filter_map(|line| line.number("air_time")).sum();
    assert_eq!(found.air_time as f64, air_time);
    own.sort_by_key(|line| line.departs());
    let expected: Vec<_> =
        own.into_iter().take(TOP).map(|line| (line.name(), line.number("dep_delay"))).collect();
    let log = found.log;
    let shown: Vec<_> = log.iter().map(|flight| (name(flight), flight.dep_delay.map(f64::from))).collect();
    assert_eq!(shown.len(), TOP.min(most));
    assert_eq!(shown, expected);

    // The same accessor with a period.
    let flights = store.bucket::<Flight>().expect("a bucket");
    let period = flights.by_tailnum_and_departs(*tailnum, log[2].departs..log[6].departs);
    assert_eq!(period, log[2..6]);
}

#[tokio::test]
async fn pages_of_late_flights() {
    let (store, report) = loaded().await;
    let csv = Csv::open("flights");
    let late = csv.lines().filter_map(|line| Some((line.number("dep_delay")?, line)));
    let mut expected: Vec<_> = late.filter(|(delay, _)| *delay >= f64::from(LATE)).collect();
    // Stable: flights with the same delay stay in the order of the file.
    expected.sort_by(|a, b| b.0.total_cmp(&a.0));
    let expected: Vec<_> = expected.into_iter().map(|(delay, line)| (delay, line.name())).collect();

    assert_eq!(report.late.flights, expected.len());
    assert_eq!(report.late.pages.len(), PAGES);
    for (number, page) in report.late.pages.iter().enumerate() {
        let found: Vec<_> = page
            .flights
            .iter()
            .map(|flight| (f64::from(flight.dep_delay.expect("it is late")), name(flight)))
            .collect();
        assert_eq!(found, expected[number * PAGE..(number + 1) * PAGE]);
        assert_eq!(page.cursor.is_some(), number > 0);
    }

    // The plan that is shown is the plan of the question.
    let plan = &report.late.plan;
    assert_eq!(plan.access, AccessPath::Index { index: "dep_delay", kind: "range" });
    assert_eq!((plan.order.clone(), plan.residual.clone()), (OrderPath::Index, None));
    assert_eq!((plan.entries, plan.records), (expected.len(), csv.rows.len()));
    assert!(plan.to_string().contains("`dep_delay`"));

    // The cursor of the report is good for the live bucket too.
    let flights = store.bucket::<Flight>().expect("a bucket");
    let question = flights.filter(Flight::DEP_DELAY.ge(LATE)).order_by(Flight::DEP_DELAY.desc());
    let cursor = report.late.pages[1].cursor.as_ref().expect("page 2 has a cursor");
    let cursor: Cursor = cursor.parse().expect("the text is a cursor");
    let rest = question.paginate(Page::first(usize::MAX).after(cursor)).expect("it is one of this question");
    let rest: Vec<_> = rest.records.iter().map(|flight| name(flight)).collect();
    assert_eq!(rest, expected[PAGE..].iter().map(|(_, name)| name.clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn weather_in_bad_hours() {
    let (_store, report) = loaded().await;
    let (csv, weather) = (Csv::open("flights"), Csv::open("weather"));
    let weather: HashMap<_, _> =
        weather.lines().map(|line| ((line.text("origin"), line.text("time_hour")), line)).collect();
    let mut delays: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    for line in csv.lines() {
        let hour = delays.entry((line.text("origin"), line.text("time_hour"))).or_default();
        hour.extend(line.number("dep_delay"));
    }
    let mut expected: Vec<_> = delays
        .into_iter()
        .filter(|(_, delays)| delays.len() >= BUSY)
        .map(|(hour, delays)| (mean(delays.iter().sum(), delays.len()), hour, delays.len()))
        .collect();
    expected.sort_by(|a, b| b.0.total_cmp(&a.0));
    expected.truncate(TOP);

    assert_eq!(report.hours.len(), expected.len());
    for (found, (mean, (origin, hour), departures)) in report.hours.iter().zip(expected) {
        assert_eq!((found.mean_delay, found.departures), (mean, departures));
        assert_eq!(found.at.origin, origin);
        assert_eq!(found.at.time_hour.to_string(), format!("{} {}", &hour[..10], &hour[11..16]));
        let line = weather.get(&(origin, hour));
        assert_eq!(found.weather.is_some(), line.is_some());
        if let (Some(found), Some(line)) = (&found.weather, line) {
            assert_eq!(found.temp, line.number("temp"));
            assert_eq!(found.wind_speed, line.number("wind_speed"));
            assert_eq!(Some(found.precip), line.number("precip"));
            assert_eq!(Some(found.visib), line.number("visib"));
        }
    }
}

/// A folder of its own for a test, with small good files. Gone when the test is.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("noex-flights-{}-{test}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        let made = Self(folder);
        made.write("airlines.csv", "carrier,name\nAA,American\nUA,United\n");
        made.write("airports.csv", "faa,name,lat,lon,alt,tz,dst,tzone\nJFK,Kennedy,40.6,-73.8,13,-5,A,NA\n");
        made.write(
            "planes.csv",
            &format!("{PLANES}N10156,2004,Fixed wing multi engine,EMBRAER,E,2,55,NA,Turbo-fan\n"),
        );
        made.write(
            "weather.csv",
            &format!("{WEATHER}EWR,39,26,59,270,10.3,NA,0,1012,10,2013-01-01T06:00:00Z\n"),
        );
        made.write("flights.csv", &flights([GOOD]));
        made
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).expect("a file can be written");
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const PLANES: &str = "tailnum,year,type,manufacturer,model,engines,seats,speed,engine\n";
const WEATHER: &str =
    "origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour\n";
const FLIGHTS: &str = "dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,\
                       dest,air_time,distance,minute,time_hour\n";
const GOOD: &str = "517,515,2,830,819,11,UA,1545,N10156,EWR,IAH,227,1400,15,2013-01-01T10:00:00Z";

fn flights<'l>(lines: impl IntoIterator<Item = &'l str>) -> String {
    let lines: Vec<&str> = lines.into_iter().collect();
    format!("{FLIGHTS}{}\n", lines.join("\n"))
}

#[tokio::test]
async fn what_is_kept_is_read_again_and_not_the_csv() {
    let (csv, kept) = (Folder::new("kept-csv"), Folder::new("kept"));
    let data = kept.path().join("data");
    let ids = |store: &Store| {
        let flights = store.bucket::<Flight>().expect("a bucket").all();
        flights.iter().map(|flight| (flight.id, flight.version(), flight.value().clone())).collect::<Vec<_>>()
    };
    // A load that is cut off: the last table is missing.
    fs::rename(csv.path().join("flights.csv"), csv.path().join("later.csv")).expect("renamed");
    let store = load::kept(&data).await.expect("the store starts");
    load::load_once(&store, csv.path(), |_| {}).expect_err("no flights");
    assert!(store.bucket::<Airline>().expect("a bucket").count() > 0, "a part is there");
    store.stop().await.expect("written");

    fs::rename(csv.path().join("later.csv"), csv.path().join("flights.csv")).expect("renamed");
    let store = load::kept(&data).await.expect("the store starts");
    assert!(load::load_once(&store, csv.path(), |_| {}).expect("good").is_some(), "it is loaded anew");
    let before = ids(&store);
    assert_eq!(before.len(), 1);
    store.stop().await.expect("written");

    fs::remove_file(csv.path().join("flights.csv")).expect("removed");
    let store = load::kept(&data).await.expect("the store starts");
    assert!(load::load_once(&store, csv.path(), |_| {}).expect("good").is_none(), "nothing is loaded");
    assert_eq!(ids(&store), before);
    store.stop().await.expect("written");
}

/// Loads a folder that is bad, and gives the error and what the store holds then.
async fn refused(folder: &Path) -> (LoadError, Store) {
    let store = load::store().await.expect("the store starts");
    let error = load::load(&store, folder, |_| {}).expect_err("the data are bad");
    (error, store)
}

/// The message, without the folder.
fn message(error: &LoadError, folder: &Path) -> String {
    error.to_string().replace(&format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR), "")
}

#[tokio::test]
async fn a_small_folder_is_good() {
    let folder = Folder::new("good");
    let store = load::store().await.expect("the store starts");
    load::load(&store, folder.path(), |_| {}).expect("the data are good");
    let report = report::report(&store.snapshot()).expect("the buckets are there");
    assert_eq!((report.flights, report.routes.len(), report.hours.len()), (1, 1, 0));

    folder.write("flights.csv", FLIGHTS);
    let store = load::store().await.expect("the store starts");
    load::load(&store, folder.path(), |_| {}).expect("a file may have no rows");
    let report = report::report(&store.snapshot()).expect("the buckets are there");
    assert_eq!((report.flights, report.period, report.late.flights), (0, None, 0));
    assert!(report.plane.is_none() && report.carriers.is_empty());
}

#[tokio::test]
async fn a_bad_row_tells_its_place_and_leaves_nothing_of_its_chunk() {
    let folder = Folder::new("chunk");
    let bad = GOOD.replace(",2,830,", ",soon,830,");
    for (good, kept) in [(3, 0), (CHUNK + 3, CHUNK)] {
        let lines = std::iter::repeat_n(GOOD, good).chain([bad.as_str(), GOOD]);
        folder.write("flights.csv", &flights(lines));
        let (error, store) = refused(folder.path()).await;
        let expected = format!(
            "flights.csv, line {}: `dep_delay` is \"soon\": expected a whole number from -32768 to 32767, or NA",
            good + 2
        );
        assert_eq!(message(&error, folder.path()), expected);
        assert_eq!(store.bucket::<Flight>().expect("a bucket").count(), kept);
        assert_eq!(store.bucket::<Weather>().expect("a bucket").count(), 1);
    }
    // The same for a rule that only the store knows.
    let bad = GOOD.replace("EWR", "ZZZ");
    let lines = std::iter::repeat_n(GOOD, CHUNK + 3).chain([bad.as_str()]);
    folder.write("flights.csv", &flights(lines));
    let (error, store) = refused(folder.path()).await;
    assert_eq!(
        message(&error, folder.path()),
        "flights.csv, line 10005: `origin` is \"ZZZ\": must be one of \"EWR\", \"JFK\", \"LGA\""
    );
    assert_eq!(store.bucket::<Flight>().expect("a bucket").count(), CHUNK);
}

#[tokio::test]
async fn each_bad_row_is_told_in_words_of_the_file() {
    let cases: [(&str, String, &str); 15] = [
        (
            "airlines.csv",
            "carrier,name\nAA,American\nUA,American\n".into(),
            "airlines.csv, line 3: bucket `airlines`: another record has \"American\" in the unique field `name`",
        ),
        (
            "airlines.csv",
            "carrier,name\nAA,American\nAA,Amerika\n".into(),
            "airlines.csv, line 3: bucket `airlines` already has a record with the key \"AA\"; `upsert` replaces it",
        ),
        (
            "airlines.csv",
            "carrier,name\nAmerican,AA\n".into(),
            "airlines.csv, line 2: `carrier` is \"American\": must match the pattern ^[0-9A-Z]{2}$",
        ),
        (
            "airlines.csv",
            "carrier,name\nAA,NA\n".into(),
            "airlines.csv, line 2: `name` is \"NA\": expected text",
        ),
        (
            "airlines.csv",
            "carrier,title\nAA,American\n".into(),
            "airlines.csv, line 1: the file has no column `name`",
        ),
        (
            "airlines.csv",
            "carrier,name\nAA,American\nUA,United,Air\n".into(),
            "airlines.csv, line 3: the line has 3 fields, and the header 2",
        ),
        (
            "airlines.csv",
            String::new(),
            "airlines.csv, line 1: the file is empty, and should start with the names of its columns",
        ),
        (
            "airports.csv",
            "faa,name,lat,lon,alt,tz,dst,tzone\nJFK,Kennedy,140.6,-73.8,13,-50,A,NA\n".into(),
            "airports.csv, line 2: `lat` is \"140.6\": must be at most 90.0; `tz` is \"-50\": must be at least -12",
        ),
        (
            "planes.csv",
            format!("{PLANES}N10156,2004,Balloon,EMBRAER,E,2,55,NA,Turbo-fan\n"),
            "planes.csv, line 2: `type` is \"Balloon\": must be one of \"Fixed wing multi engine\", \"Fixed wing single \
             engine\", \"Rotorcraft\"",
        ),
        (
            "planes.csv",
            format!("{PLANES}N10156,2004,Rotorcraft,EMBRAER,E,300,55,NA,Turbo-fan\n"),
            "planes.csv, line 2: `engines` is \"300\": expected a whole number from 0 to 255",
        ),
        (
            "weather.csv",
            format!("{WEATHER}ABC,39,26,59,270,10.3,NA,0,1012,10,2013-01-01T06:00:00Z\n"),
            "weather.csv, line 2: `at` must be at EWR, JFK or LGA, not at \"ABC\"",
        ),
        (
            "weather.csv",
            format!("{WEATHER}EWR,inf,26,59,270,10.3,NA,0,1012,10,2013-01-01T06:00:00Z\n"),
            "weather.csv, line 2: `temp` is \"inf\": must be at most 130.0; `temp` is \"inf\": must be a finite number",
        ),
        (
            "weather.csv",
            format!("{WEATHER}EWR,39,26,59,270,10.3,NA,0,1012,10,yesterday\n"),
            "weather.csv, line 2: `time_hour` is \"yesterday\": expected a time such as 2013-01-01T10:00:00Z",
        ),
        (
            "flights.csv",
            flights([GOOD, &GOOD.replace("N10156", "N1")]),
            "flights.csv, line 3: `tailnum` is \"N1\": must have at least 5 characters, has 2",
        ),
        (
            "flights.csv",
            flights([GOOD, &GOOD.replace(",2,830,", ",NA,830,")]),
            "flights.csv, line 3: `dep_time` and `dep_delay` are there both or neither",
        ),
    ];
    for (number, (file, text, expected)) in cases.into_iter().enumerate() {
        let folder = Folder::new(&format!("case-{number}"));
        folder.write(file, &text);
        let (error, _) = refused(folder.path()).await;
        assert!(matches!(&error, LoadError::Bad { line, .. } if *line > 0));
        assert_eq!(message(&error, folder.path()), expected);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told() {
    let folder = Folder::new("missing");
    let nowhere = folder.path().join("nowhere");
    let (error, _) = refused(&nowhere).await;
    assert_eq!(error.to_string(), format!("there is no folder {}", nowhere.display()));

    fs::remove_file(folder.path().join("planes.csv")).expect("the file is there");
    let (error, _) = refused(folder.path()).await;
    let expected = format!("there is neither planes.csv nor planes.csv.gz in {}", folder.path().display());
    assert_eq!(error.to_string(), expected);

    folder.write("planes.csv.gz", "not packed at all");
    let (error, store) = refused(folder.path()).await;
    assert!(matches!(error, LoadError::Unreadable { .. }), "{error:?}");
    assert!(message(&error, folder.path()).starts_with("planes.csv.gz cannot be read: "), "{error}");
    assert!(store.bucket::<Plane>().expect("a bucket").is_empty());

    fs::write(folder.path().join("airlines.csv"), b"carrier,name\nAA,\xff\xfe\n").expect("a file");
    let (error, _) = refused(folder.path()).await;
    assert!(matches!(&error, LoadError::Bad { problem: Problem::NotText { .. }, .. }), "{error:?}");
    assert_eq!(message(&error, folder.path()), "airlines.csv, line 2: `name` is not text in UTF-8");
}
