//! From a folder of CSV files to a store of five buckets.

mod error;
mod records;
mod row;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use csv::{Reader, ReaderBuilder, StringRecord};
use flate2::read::MultiGzDecoder;
use noex_store::prelude::*;

use crate::model::{Airline, Airport, Flight, Plane, Weather};
pub use error::{LoadError, Problem};
use records::FromRow;
use row::Row;

/// So many rows make one commit: all of them are inserted or none.
pub const CHUNK: usize = 10_000;

/// How far a bucket is.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub bucket: &'static str,
    pub rows: usize,
    pub time: Duration,
    /// Whether these are all rows.
    pub done: bool,
}

/// A folder that was loaded to its end.
#[derive(Bucket, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[bucket(name = "sources")]
struct Source {
    #[bucket(key)]
    folder: String,
}

fn builder() -> StoreBuilder {
    Store::builder()
        .name("flights")
        .bucket::<Airline>()
        .bucket::<Airport>()
        .bucket::<Plane>()
        .bucket::<Weather>()
        .bucket::<Flight>()
}

/// A store with the five buckets, empty.
pub async fn store() -> Result<Store, Error> {
    builder().start().await
}

/// A store with the five buckets, and what is kept of them in a folder.
pub async fn kept(data: &Path) -> Result<Store, Error> {
    let persistence = Persistence::new(FileAdapter::open(data)?);
    builder().bucket::<Source>().persistence(persistence).start().await
}

/// Has a store that keeps its data hold those of a folder: loads them, unless it has them already. Nothing is loaded then.
pub fn load_once(
    store: &Store,
    folder: &Path,
    tell: impl FnMut(&Loaded),
) -> Result<Option<Vec<Loaded>>, LoadError> {
    let sources = store.bucket::<Source>()?;
    let source = folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).display().to_string();
    if sources.contains_key(source.as_str()) {
        return Ok(None);
    }
    // What is there comes from another folder, or from a load that was cut off.
    sources.clear()?;
    store.bucket::<Airline>()?.clear()?;
    store.bucket::<Airport>()?.clear()?;
    store.bucket::<Plane>()?.clear()?;
    store.bucket::<Weather>()?.clear()?;
    store.bucket::<Flight>()?.clear()?;
    let loaded = load(store, folder, tell)?;
    sources.insert(Source { folder: source })?;
    Ok(Some(loaded))
}

/// Loads `airlines`, `airports`, `planes`, `weather` and `flights`, each from a `.csv` or a `.csv.gz`. Tells of each commit.
pub fn load(store: &Store, folder: &Path, mut tell: impl FnMut(&Loaded)) -> Result<Vec<Loaded>, LoadError> {
    if !folder.is_dir() {
        return Err(LoadError::NoFolder { folder: folder.to_owned() });
    }
    // What others refer to comes first.
    Ok(vec![
        table::<Airline>(store, folder, &mut tell)?,
        table::<Airport>(store, folder, &mut tell)?,
        table::<Plane>(store, folder, &mut tell)?,
        table::<Weather>(store, folder, &mut tell)?,
        table::<Flight>(store, folder, &mut tell)?,
    ])
}

fn table<B: FromRow>(
    store: &Store,
    folder: &Path,
    tell: &mut impl FnMut(&Loaded),
) -> Result<Loaded, LoadError> {
    let start = Instant::now();
    let bucket = store.bucket::<B>()?;
    let mut file = Table::open(find(folder, B::NAME)?)?;
    let mut loaded = Loaded { bucket: B::NAME, rows: 0, time: Duration::ZERO, done: false };
    while !loaded.done {
        let rows = file.next_chunk()?;
        loaded.rows += rows;
        loaded.done = rows < CHUNK;
        let drafts =
            (0..rows).map(|row| B::from_row(&file.row(row)).map_err(|fault| file.bad(row, fault.into())));
        let drafts = drafts.collect::<Result<Vec<_>, _>>()?;
        bucket.insert_many(drafts).map_err(|error| file.refused(error))?;
        loaded.time = start.elapsed();
        tell(&loaded);
    }
    Ok(loaded)
}

fn find(folder: &Path, table: &'static str) -> Result<PathBuf, LoadError> {
    let names = [format!("{table}.csv"), format!("{table}.csv.gz")];
    let mut files = names.iter().map(|name| folder.join(name));
    files.find(|file| file.is_file()).ok_or_else(|| LoadError::NoFile { folder: folder.to_owned(), table })
}

/// An open file, and the rows of the current chunk. They are kept until the store has taken them, so that an error can
/// tell the line and the text.
struct Table {
    file: PathBuf,
    reader: Reader<Box<dyn Read>>,
    header: StringRecord,
    rows: Vec<StringRecord>,
}

impl Table {
    fn open(file: PathBuf) -> Result<Self, LoadError> {
        let input = match File::open(&file) {
            Ok(input) => input,
            Err(error) => return Err(LoadError::Unreadable { file, error }),
        };
        let packed = file.extension().is_some_and(|extension| extension == "gz");
        let input: Box<dyn Read> =
            if packed { Box::new(MultiGzDecoder::new(input)) } else { Box::new(input) };
        let mut reader = ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(input);
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(unreadable(&file, &StringRecord::new(), error)),
        };
        if header.is_empty() {
            return Err(LoadError::Bad { file, line: 1, problem: Problem::NoHeader });
        }
        Ok(Self { file, reader, header, rows: Vec::new() })
    }

    /// Reads the next rows, and tells how many: fewer than `CHUNK` are the last.
    fn next_chunk(&mut self) -> Result<usize, LoadError> {
        for at in 0..CHUNK {
            if at == self.rows.len() {
                self.rows.push(StringRecord::new());
            }
            match self.reader.read_record(&mut self.rows[at]) {
                Ok(true) => {}
                Ok(false) => return Ok(at),
                Err(error) => return Err(unreadable(&self.file, &self.header, error)),
            }
        }
        Ok(CHUNK)
    }

    fn row(&self, at: usize) -> Row<'_> {
        Row::new(&self.header, &self.rows[at])
    }

    fn bad(&self, at: usize, problem: Problem) -> LoadError {
        // A missing column is missing in the header, wherever it is noticed.
        let line = match problem {
            Problem::NoColumn(_) => 1,
            _ => self.rows[at].position().map_or(0, csv::Position::line),
        };
        LoadError::Bad { file: self.file.clone(), line, problem }
    }

    /// What the store says of the chunk, in words of the file.
    fn refused(&self, error: Error) -> LoadError {
        let Error::Batch { row, error } = error else { return LoadError::Store(error) };
        let problem = match *error {
            Error::Validation { issues, .. } => {
                let row = self.row(row);
                let with_text = |issue: ValidationIssue| (row.text(&issue.field).map(str::to_owned), issue);
                Problem::Rules(issues.into_iter().map(with_text).collect())
            }
            error => Problem::Refused(error),
        };
        self.bad(row, problem)
    }
}

/// An error of the CSV reader, in words of the file.
fn unreadable(file: &Path, header: &StringRecord, error: csv::Error) -> LoadError {
    let file = file.to_owned();
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => LoadError::Unreadable { file, error },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            LoadError::Bad { file, line, problem: Problem::Fields { found: len, expected: expected_len } }
        }
        csv::ErrorKind::Utf8 { err, .. } => {
            let column = header.get(err.field()).unwrap_or("the header").to_owned();
            LoadError::Bad { file, line, problem: Problem::NotText { column } }
        }
        other => LoadError::Unreadable { file, error: io::Error::other(format!("{other:?}")) },
    }
}
