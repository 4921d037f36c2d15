//! A SQLite file with a table a bucket.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::adapter::{AdapterFuture, LoadSink, SnapshotPart, SnapshotSource, StorageAdapter};
use super::file::lock_file;
use crate::engine::{
    PackedRecords, StoredChange, StoredChanges, StoredCommit, StoredRecord, StoredRef, StoredSchema, Version,
};
use crate::error::Error;
use crate::sync::Mutex;

/// The version of the tables' format.
const FORMAT: i64 = 1;
/// Records of a part.
const PART: usize = 256;

/// Keeps the latest state in a SQLite file, with a table for each bucket, of the same name where that can be: `key` and `record`
/// as JSON, `version`, `created_at`, `updated_at`, `expires_at` in milliseconds, and `place`, by which they are ordered. `noex_buckets` lists the
/// buckets, their tables and schemas.
///
/// ```text
/// $ sqlite3 app.db "SELECT record ->> 'email' FROM users WHERE record ->> 'city' = 'Brno'"
/// ```
///
/// Commits are applied in transactions; the file is in WAL mode and is synced with each (`synchronous=FULL`). It can be read by others
/// while a store uses it, and be used by one store at a time: that one has `{file}.lock`. There is no log that grows.
///
/// Needs the feature `sqlite`, which compiles SQLite.
///
/// ```
/// use noex_store::prelude::*;
///
/// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
/// # #[bucket(name = "notes")]
/// # struct Note { #[bucket(key)] id: u64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let folder = std::env::temp_dir().join(format!("noex-store-doc-sqlite-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let file = folder.join("app.db");
/// let persistence = Persistence::new(SqliteAdapter::open(&file)?);
/// let store = Store::builder().bucket::<Note>().persistence(persistence).start().await?;
/// store.bucket::<Note>()?.insert(Note { id: 7 })?;
/// store.stop().await?;
/// # let _ = std::fs::remove_dir_all(&folder);
/// # Ok(())
/// # }
/// ```
pub struct SqliteAdapter {
    file: PathBuf,
    open: Mutex<Option<Open>>,
}

struct Open {
    connection: Connection,
    /// The last commit that it has.
    last: Version,
    /// The statements of each bucket.
    tables: HashMap<String, Table>,
    _lock: File,
}

/// A bucket's table, and what is done to it.
struct Table {
    /// The name in quotation marks.
    quoted: String,
    put: String,
    delete: String,
}

impl Table {
    fn new(name: &str) -> Self {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let put = format!(
            "INSERT INTO {quoted} (key, record, version, created_at, updated_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (key) DO UPDATE SET record = excluded.record, version = excluded.version,
             created_at = excluded.created_at, updated_at = excluded.updated_at, expires_at = excluded.expires_at"
        );
        let delete = format!("DELETE FROM {quoted} WHERE key = ?");
        Self { quoted, put, delete }
    }
}

/// What fails here: SQLite, or whoever is asked for records.
enum Failed {
    Sqlite(rusqlite::Error),
    Other(Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        Self::Other(Error::Persistence { reason: error.to_string() })
    }
}

impl Failed {
    fn into_error(self, file: &Path) -> Error {
        match self {
            Self::Sqlite(error) => Error::Persistence { reason: format!("`{}`: {error}", file.display()) },
            Self::Other(error) => error,
        }
    }
}

impl SqliteAdapter {
    /// Opens a file, or makes it, and its folder.
    ///
    /// # Errors
    /// [`Error::Persistence`], if the file cannot be made or opened, is no SQLite file, or another store has it open.
    pub fn open(file: impl Into<PathBuf>) -> Result<Self, Error> {
        let file = file.into();
        let cannot = |error: &dyn fmt::Display| Error::Persistence {
            reason: format!("cannot open `{}`: {error}", file.display()),
        };
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| cannot(&error))?;
        }
        let mut lock = file.clone().into_os_string();
        lock.push(".lock");
        let lock = lock_file(Path::new(&lock)).map_err(|error| cannot(&error))?;
        let connection = connect(&file).map_err(|error| cannot(&error))?;
        let open = Open { connection, last: Version(0), tables: HashMap::new(), _lock: lock };
        Ok(Self { file, open: Mutex::new(Some(open)) })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Open) -> Result<T, Failed>) -> Result<T, Error> {
        let mut open = self.open.lock();
        let Some(open) = open.as_mut() else {
            let reason = format!("`{}` is closed", self.file.display());
            return Err(Error::Persistence { reason });
        };
        work(open).map_err(|failed| failed.into_error(&self.file))
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS a sync is one only with this.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS noex_store (
             name TEXT PRIMARY KEY, value INTEGER NOT NULL
         ) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS noex_buckets (
             name TEXT PRIMARY KEY, table_name TEXT NOT NULL UNIQUE, schema TEXT, counters TEXT NOT NULL
         ) WITHOUT ROWID;",
    )?;
    Ok(connection)
}

fn setting(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT value FROM noex_store WHERE name = ?")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

fn set(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO noex_store (name, value) VALUES (?, ?)")?;
    statement.execute(params![name, value]).map(drop)
}

/// SQLite's integers have a sign; what does not fit is no time and no version.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Open {
    fn load(&mut self, sink: &mut dyn LoadSink) -> Result<(), Failed> {
        match setting(&self.connection, "format")? {
            None => set(&self.connection, "format", FORMAT)?,
            Some(FORMAT) => {}
            Some(format) => {
                let reason =
                    format!("the tables' format is {format}, and this version reads those up to {FORMAT}");
                return Err(Error::Persistence { reason }.into());
            }
        }
        let Some(version) = setting(&self.connection, "version")? else { return Ok(()) };
        let time = setting(&self.connection, "time")?.unwrap_or_default();
        self.last = Version(version.unsigned_abs());
        sink.snapshot(self.last, time.unsigned_abs());
        let mut buckets = self
            .connection
            .prepare("SELECT name, table_name, schema, counters FROM noex_buckets ORDER BY name")?;
        let rows = buckets.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get::<_, String>(3)?,
            ))
        })?;
        for row in rows {
            let (name, table, schema, counters) = row?;
            let table = Table::new(&table);
            let schema = schema.map(|text| serde_json::from_str(&text)).transpose()?;
            let counters = serde_json::from_str(&counters)?;
            sink.part(SnapshotPart::Begin { name: name.clone(), schema, counters })?;
            load_records(&self.connection, &table, sink)?;
            self.tables.insert(name, table);
        }
        Ok(())
    }

    /// Does several things, or none of them.
    fn together(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &mut HashMap<String, Table>) -> Result<Version, Failed>,
    ) -> Result<(), Failed> {
        let transaction = self.connection.transaction()?;
        let done = work(&transaction, &mut self.tables)
            .and_then(|version| transaction.commit().map(|()| version).map_err(Failed::from));
        match done {
            Ok(version) => {
                self.last = version;
                Ok(())
            }
            Err(failed) => {
                // Tables that were made are not there.
                self.tables.clear();
                let mut names =
                    self.connection.prepare_cached("SELECT name, table_name FROM noex_buckets")?;
                let rows = names.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
                for row in rows {
                    let (name, table) = row?;
                    self.tables.insert(name, Table::new(&table));
                }
                Err(failed)
            }
        }
    }

    fn append(&mut self, commits: &[StoredCommit]) -> Result<(), Failed> {
        let new = commits.partition_point(|commit| commit.version <= self.last);
        let Some((last, _)) = commits[new..].split_last() else { return Ok(()) };
        self.together(|connection, tables| {
            for commit in &commits[new..] {
                commit.buckets.iter().try_for_each(|changes| apply(connection, tables, changes))?;
            }
            set(connection, "version", signed(last.version.get()))?;
            set(connection, "time", signed(last.time))?;
            Ok(last.version)
        })
    }

    fn snapshot(&mut self, source: &mut dyn SnapshotSource) -> Result<(), Failed> {
        let version = source.version();
        if self.last > version {
            // It has all of it, and more.
            return Ok(());
        }
        self.together(|connection, tables| {
            let names: Vec<String> = tables.keys().cloned().collect();
            names.iter().try_for_each(|name| drop_table(connection, tables, name))?;
            let mut bucket = None;
            while let Some(part) = source.next_part()? {
                match part {
                    SnapshotPart::Begin { name, schema, counters } => {
                        table(connection, tables, &name)?;
                        set_schema(connection, &name, schema.as_ref())?;
                        set_counters(connection, &name, &counters)?;
                        bucket = Some(name);
                    }
                    SnapshotPart::Records(records) => {
                        let name = bucket.as_deref().unwrap_or_default();
                        let table = table(connection, tables, name)?;
                        records.iter().try_for_each(|record| put(connection, table, record))?;
                    }
                }
            }
            set(connection, "version", signed(version.get()))?;
            set(connection, "time", signed(source.time()))?;
            Ok(version)
        })
    }
}

fn load_records(connection: &Connection, table: &Table, sink: &mut dyn LoadSink) -> Result<(), Failed> {
    let mut statement = connection.prepare(&format!(
        "SELECT key, record, version, created_at, updated_at, expires_at FROM {} ORDER BY place",
        table.quoted
    ))?;
    let mut rows = statement.query([])?;
    let mut part = PackedRecords::default();
    while let Some(row) = rows.next()? {
        let number = |at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
        part.push(StoredRef {
            key: text(row, 0, "key")?,
            value: text(row, 1, "record")?,
            version: number(2)?,
            created_at: number(3)?,
            updated_at: number(4)?,
            expires_at: row.get::<_, Option<i64>>(5)?.map(i64::unsigned_abs),
        });
        if part.len() == PART {
            sink.packed(std::mem::take(&mut part))?;
        }
    }
    if !part.is_empty() {
        sink.packed(part)?;
    }
    Ok(())
}

/// A column's text, which lies in the database's memory.
fn text<'r>(row: &'r Row<'_>, at: usize, name: &str) -> Result<&'r str, rusqlite::Error> {
    let value = row.get_ref(at)?;
    value.as_str().map_err(|_| rusqlite::Error::InvalidColumnType(at, name.to_owned(), value.data_type()))
}

/// The table of a bucket; made, if it has none.
fn table<'t>(
    connection: &Connection,
    tables: &'t mut HashMap<String, Table>,
    bucket: &str,
) -> Result<&'t Table, Failed> {
    if !tables.contains_key(bucket) {
        let name = free_name(connection, bucket)?;
        let table = Table::new(&name);
        connection.execute_batch(&format!(
            "CREATE TABLE {} (
                 place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, record TEXT NOT NULL, version INTEGER NOT NULL,
                 created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, expires_at INTEGER
             )",
            table.quoted
        ))?;
        connection
            .prepare_cached("INSERT INTO noex_buckets (name, table_name, counters) VALUES (?, ?, '[]')")?
            .execute([bucket, name.as_str()])?;
        tables.insert(bucket.to_owned(), table);
    }
    let missing = || Error::Persistence { reason: format!("there is no table of the bucket `{bucket}`") };
    Ok(tables.get(bucket).ok_or_else(missing)?)
}

/// The bucket's name, or one like it: SQLite has names of its own, and takes no notice of upper and lower case.
fn free_name(connection: &Connection, bucket: &str) -> Result<String, Failed> {
    let mut taken = connection.prepare_cached("SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE")?;
    let lower = bucket.to_ascii_lowercase();
    let own = lower.starts_with("sqlite_") || lower.starts_with("noex_");
    let base = if own { format!("bucket_{bucket}") } else { bucket.to_owned() };
    let mut name = base.clone();
    for number in 2.. {
        if !taken.exists([&name])? {
            break;
        }
        name = format!("{base}_{number}");
    }
    Ok(name)
}

fn drop_table(
    connection: &Connection,
    tables: &mut HashMap<String, Table>,
    bucket: &str,
) -> Result<(), Failed> {
    if let Some(table) = tables.remove(bucket) {
        connection.execute_batch(&format!("DROP TABLE {}", table.quoted))?;
        connection.prepare_cached("DELETE FROM noex_buckets WHERE name = ?")?.execute([bucket])?;
    }
    Ok(())
}

fn set_schema(connection: &Connection, bucket: &str, schema: Option<&StoredSchema>) -> Result<(), Failed> {
    let schema = schema.map(serde_json::to_string).transpose()?;
    let mut statement = connection.prepare_cached("UPDATE noex_buckets SET schema = ? WHERE name = ?")?;
    Ok(statement.execute(params![schema, bucket]).map(drop)?)
}

fn set_counters(connection: &Connection, bucket: &str, counters: &[(String, u64)]) -> Result<(), Failed> {
    let counters = serde_json::to_string(counters)?;
    // Most commits leave them as they are.
    let mut statement = connection
        .prepare_cached("UPDATE noex_buckets SET counters = ?1 WHERE name = ?2 AND counters <> ?1")?;
    Ok(statement.execute(params![counters, bucket]).map(drop)?)
}

fn put(connection: &Connection, table: &Table, record: &StoredRecord) -> Result<(), Failed> {
    let StoredRecord { key, value, version, created_at, updated_at, expires_at } = record;
    let mut statement = connection.prepare_cached(&table.put)?;
    statement.execute(params![
        key,
        value,
        signed(*version),
        signed(*created_at),
        signed(*updated_at),
        expires_at.map(signed)
    ])?;
    Ok(())
}

fn apply(
    connection: &Connection,
    tables: &mut HashMap<String, Table>,
    changes: &StoredChanges,
) -> Result<(), Failed> {
    match changes {
        StoredChanges::Defined { bucket, schema } => {
            table(connection, tables, bucket)?;
            set_schema(connection, bucket, schema.as_ref())
        }
        StoredChanges::Dropped { bucket } => drop_table(connection, tables, bucket),
        StoredChanges::Changed { bucket, counters, changes } => {
            let table = table(connection, tables, bucket)?;
            for change in changes {
                match change {
                    StoredChange::Put(record) => put(connection, table, record)?,
                    StoredChange::Delete(key) => {
                        connection.prepare_cached(&table.delete)?.execute([key])?;
                    }
                }
            }
            set_counters(connection, bucket, counters)
        }
    }
}

fn ready<'a>(result: Result<(), Error>) -> AdapterFuture<'a, ()> {
    Box::pin(std::future::ready(result))
}

/// Its calls block the thread that makes them: the store has one for them.
impl StorageAdapter for SqliteAdapter {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn load<'a>(&'a self, sink: &'a mut dyn LoadSink) -> AdapterFuture<'a, ()> {
        ready(self.with(|open| open.load(sink)))
    }

    fn append<'a>(&'a self, commits: &'a [StoredCommit]) -> AdapterFuture<'a, ()> {
        ready(self.with(|open| open.append(commits)))
    }

    fn write_snapshot<'a>(&'a self, source: &'a mut dyn SnapshotSource) -> AdapterFuture<'a, ()> {
        ready(self.with(|open| open.snapshot(source)))
    }

    /// Nothing is to be forgotten: the tables have the latest state alone.
    fn truncate(&self, _version: Version) -> AdapterFuture<'_, ()> {
        ready(Ok(()))
    }

    fn wants_snapshot(&self) -> bool {
        false
    }

    fn close(&self) -> AdapterFuture<'_, ()> {
        let Some(open) = self.open.lock().take() else { return ready(Ok(())) };
        let closed = open.connection.close();
        ready(closed.map_err(|(_, error)| Failed::from(error).into_error(&self.file)))
    }
}

impl fmt::Debug for SqliteAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteAdapter").field("file", &self.file).finish_non_exhaustive()
    }
}
