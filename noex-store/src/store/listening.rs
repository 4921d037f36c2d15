//! Events of a store.

use super::Store;
use crate::engine::Version;
use crate::error::Error;
use crate::event::{Event, EventGuard, EventStream, Handler};

impl Store {
    /// Calls a function with each event whose topic matches a pattern, from now on and until the guard is dropped.
    ///
    /// A topic is `bucket.{name}.{inserted|updated|deleted}`. In a pattern `*` stands for one part, and `**` at the end for all
    /// that follow. Events come after their commit, in the order of the commits, and those of one commit together.
    ///
    /// The function runs in a thread of the store, never twice at once. If it panics, that is traced, and it is called with the next
    /// event; if it is slow, it holds up nobody, and of more than 4,096 events that wait for it the oldest go. A commit pays for
    /// handing over alone; finding the functions that it is for takes three look-ups a bucket, whatever the number of patterns.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # #[bucket(name = "notes")]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let guard = store.on("bucket.*.deleted", move |event: &Event| {
    ///     let _ = tell.send(format!("{} {}", event.topic(), event.key()));
    /// })?;
    /// let notes = store.bucket::<Note>()?;
    /// notes.insert(Note { id: 7 })?;
    /// notes.delete(&7)?;
    /// store.settle().await;
    /// assert_eq!(told.recv().as_deref(), Ok("bucket.notes.deleted 7"));
    /// # drop(guard);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidPattern`], also for one that no topic can match; [`Error::Degraded`], [`Error::Stopped`].
    pub fn on(&self, pattern: &str, call: impl FnMut(&Event) + Send + 'static) -> Result<EventGuard, Error> {
        Handler::start(&self.services.bus, pattern, call)
    }

    /// The events whose topics match a pattern, from now on, as a stream: see [`on`](Self::on).
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
    /// # #[bucket(name = "notes")]
    /// # struct Note { #[bucket(key)] id: u64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Store::builder().bucket::<Note>().start().await?;
    /// let mut events = store.events("bucket.notes.*")?;
    /// store.bucket::<Note>()?.insert(Note { id: 7 })?;
    /// let event = events.next().await.expect("open")?;
    /// assert_eq!(event.record::<Note>().map(|note| note.id), Some(7));
    /// assert_eq!(event.to_json()["record"]["id"], 7);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn events(&self, pattern: &str) -> Result<EventStream, Error> {
        EventStream::new(&self.services.bus, pattern, None)
    }

    /// The events after a commit, as long as the log has them, and from there on. O(commits since).
    ///
    /// ```
    #[doc = include_str!("../../doc/users.txt")]
    /// let seen = store.snapshot().version();
    /// users.delete(&1)?;
    /// let mut events = store.events_since("bucket.users.*", seen)?;
    /// assert!(events.next().await.is_some_and(|event| event.is_ok_and(|event| event.key() == "1")));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`on`](Self::on), and [`Error::CommitsGone`].
    pub fn events_since(&self, pattern: &str, version: Version) -> Result<EventStream, Error> {
        EventStream::new(&self.services.bus, pattern, Some(version))
    }
}
