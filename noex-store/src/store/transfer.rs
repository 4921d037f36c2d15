//! Export, import and backup.

use std::io::{BufRead, BufWriter, Write};
use std::sync::Arc;

use tokio::runtime::Handle;

use super::{BucketHandle, Reader, Snapshot, Store};
use crate::bucket::Bucket;
use crate::bucket::json::{JsonFault, from_json, record_json};
use crate::engine::Version;
use crate::error::Error;
use crate::persist::{Image, LoadSink, RootSource, StorageAdapter, lines};
use crate::service::{Parker, aside};

fn transfer(error: impl ToString) -> Error {
    Error::Transfer { reason: error.to_string() }
}

impl Snapshot {
    /// Writes all buckets as JSON Lines, with all that [`StoreBuilder::import`](crate::StoreBuilder::import) needs to begin with the same:
    /// schemas, automatic numbers, and of each record the key, the value, the version, the times and the expiry. Buckets with
    /// `persistent = false` are left out. How many records. O(bytes), a few hundred records in memory at a time; others write
    /// meanwhile.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// store.bucket::<Note>()?.insert(Note { id: 7 })?;
    /// let mut lines = Vec::new();
    /// assert_eq!(store.snapshot().export(&mut lines)?, 1);
    /// let text = String::from_utf8(lines).expect("JSON is text");
    /// assert!(text.lines().nth(2).is_some_and(|line| line.starts_with(r#"{"record":{"key":7,"value":{"id":7},"version":1,"#)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Transfer`] if it cannot be written, [`Error::NotStorable`] if a record has no JSON.
    pub fn export(&self, mut to: impl Write) -> Result<u64, Error> {
        lines::write(&mut RootSource::new(Arc::clone(self.root()), Default::default()), &mut to)
    }
}

impl<B: Bucket> Reader<B> {
    /// Writes the records as JSON Lines, one value a line, in the order of insertion: for other programs, or for
    /// [`import_lines`](crate::BucketHandle::import_lines). How many there were. O(bytes).
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let notes = store.bucket::<Note>()?;
    /// notes.insert_many([Note { id: 7 }, Note { id: 8 }])?;
    /// let mut lines = Vec::new();
    /// notes.export_lines(&mut lines)?;
    /// assert_eq!(lines, b"{\"id\":7}\n{\"id\":8}\n");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Transfer`] if it cannot be written, [`Error::NotStorable`] if a record has no JSON.
    pub fn export_lines(&self, to: impl Write) -> Result<u64, Error> {
        let mut to = BufWriter::with_capacity(lines::BUFFER, to);
        let mut records = 0;
        for record in self.iter() {
            let text = record_json(record.value())?;
            to.write_all(text.as_bytes()).and_then(|()| to.write_all(b"\n")).map_err(transfer)?;
            records += 1;
        }
        to.flush().map_err(transfer)?;
        Ok(records)
    }
}

impl<B: Bucket> BucketHandle<B> {
    /// Inserts a record for each line, which is its JSON; all of them in one commit, or none. Empty lines are passed over. How many
    /// there were. O(records × log n), all of them in memory.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let notes = store.bucket::<Note>()?;
    /// assert_eq!(notes.import_lines("{\"id\":7}\n{\"id\":8}\n".as_bytes())?, 2);
    /// let error = notes.import_lines("{\"id\":9}\n{\"id\":8}\n".as_bytes());
    /// assert!(matches!(error, Err(Error::Import { line: 2, .. })));
    /// assert_eq!(notes.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Import`], which tells the line, with what [`insert`](Self::insert) would say, or [`Error::Validation`] if the line is not the
    /// JSON of a record. [`Error::Transfer`] if the lines cannot be read.
    pub fn import_lines(&self, from: impl BufRead) -> Result<usize, Error> {
        let (mut values, mut numbers) = (Vec::new(), Vec::new());
        for (number, line) in (1..).zip(from.lines()) {
            let line = line.map_err(transfer)?;
            if line.trim().is_empty() {
                continue;
            }
            let value = from_json::<B>(&line);
            let at =
                |fault: JsonFault| Error::Import { line: number, error: Box::new(fault.into_error(B::NAME)) };
            values.push(value.map_err(at)?);
            numbers.push(number);
        }
        let inserted = self.insert_many(values).map_err(|error| match error {
            Error::Batch { row, error } => {
                Error::Import { line: numbers.get(row).copied().unwrap_or_default(), error }
            }
            other => other,
        })?;
        Ok(inserted.len())
    }
}

impl Store {
    /// Writes all that the store would keep to another adapter, as a snapshot of the latest commit; a store that is started with that one begins
    /// there. Others write meanwhile. Which commit it was. O(records), in a thread of its own.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// # let folder = std::env::temp_dir().join(format!("noex-store-doc-backup-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    /// let version = store.backup(FileAdapter::open(&folder)?).await?;
    /// assert_eq!(version, store.snapshot().version());
    /// # let _ = std::fs::remove_dir_all(&folder);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Transfer`] if the adapter has something already, and what it says if it cannot be written to.
    pub async fn backup(&self, to: impl StorageAdapter) -> Result<Version, Error> {
        let (root, dormant) = match &self.services.keeper {
            Some(keeper) => keeper.latest(),
            None => (self.engine.load_full(), Default::default()),
        };
        let runtime = Handle::try_current().ok();
        let write = move || {
            let _runtime = runtime.as_ref().map(Handle::enter);
            let version = root.version;
            let written = block_on(async {
                let mut there = Image::default();
                to.load(&mut there as &mut dyn LoadSink).await?;
                if !there.is_empty() {
                    return Err(transfer("the backup's adapter has something already: give an empty one"));
                }
                to.write_snapshot(&mut RootSource::new(root, dormant)).await
            });
            // It is free either way.
            let closed = block_on(to.close());
            written.and(closed).map(|()| version)
        };
        let done = aside("noex-store backup", write).await;
        done.unwrap_or_else(|reason| Err(Error::Persistence { reason }))
    }
}

fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    Arc::new(Parker::default()).block_on(future, None, || false).unwrap_or(Err(Error::Stopped))
}
