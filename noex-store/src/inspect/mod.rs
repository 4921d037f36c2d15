//! The inspector: a read-only page for any store.

mod condition;
mod records;
mod routes;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::engine::catch;
use crate::error::Error;
use crate::store::{Store, WeakStore};

/// Serves a page that shows what a store holds and does: buckets, schemas, records with paging and a filter, sizes of
/// indexes, answers of queries with what they depend on, recent commits, and all statistics. Made by [`Store::inspector`]; ends
/// when it is dropped. Needs the feature `inspector`.
///
/// It only reads, and keeps nobody from writing. Whoever can reach it sees all data. Unless it is
/// [told otherwise](InspectorBuilder::address) it listens on this machine alone, and answers only requests that name this machine, so that
/// no page from elsewhere can read it through a browser.
///
/// It costs nothing until it is asked. An open page asks once a second: for the statistics, which are O(buckets), and for what is looked
/// at, by snapshots and beside the runtime's own threads; a filter looks at records for at most 200 ms a request.
///
/// ```
/// # use noex_store::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let store = Store::builder().start().await?;
/// let inspector = store.inspector().serve().await?;
/// println!("{}", inspector.url());
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it ends it"]
pub struct Inspector {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Inspector {
    /// Where it listens: the port that was given, or the one that was free. O(1).
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page's address: `http://127.0.0.1:4711`, say. Allocates.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").field("address", &self.address).finish_non_exhaustive()
    }
}

/// How an inspector is to listen: made by [`Store::inspector`].
#[derive(Debug)]
#[must_use = "nothing is served before `serve()`"]
pub struct InspectorBuilder {
    store: WeakStore,
    address: SocketAddr,
}

impl InspectorBuilder {
    /// The port; any that is free, unless given, or if it is 0.
    ///
    /// ```
    /// # use noex_store::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().start().await?;
    /// let inspector = store.inspector().port(0).serve().await?;
    /// let taken = store.inspector().port(inspector.address().port()).serve().await;
    /// assert!(matches!(taken, Err(Error::Inspector { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self
    }

    /// The address to listen at; 127.0.0.1 unless given. At any other one than a loopback address whoever reaches it can read the store.
    ///
    /// ```
    /// use std::net::Ipv6Addr;
    ///
    /// # use noex_store::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = Store::builder().start().await?;
    /// let inspector = store.inspector().address(Ipv6Addr::LOCALHOST);
    /// # let _ = inspector;
    /// # Ok(())
    /// # }
    /// ```
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address.set_ip(address.into());
        self
    }

    /// Begins to serve, in a task of the tokio runtime that this is awaited in. The store ends as if there were no inspector.
    ///
    /// # Errors
    /// [`Error::Inspector`] if the address is taken or not this machine's, or there is no tokio runtime with I/O.
    pub async fn serve(self) -> Result<Inspector, Error> {
        let failed = |reason: String| Error::Inspector { address: self.address, reason };
        let io = |error: io::Error| failed(error.to_string());
        let runtime = Handle::try_current().map_err(|error| failed(error.to_string()))?;
        let listener = std::net::TcpListener::bind(self.address).map_err(io)?;
        listener.set_nonblocking(true).map_err(io)?;
        // It panics where the runtime has no I/O.
        let listener = catch("", || TcpListener::from_std(listener).map_err(io));
        let listener = listener.map_err(|error| match error {
            Error::Panicked { message, .. } => failed(message),
            error => error,
        })?;
        let address = listener.local_addr().map_err(io)?;
        let routes = routes::routes(self.store, address);
        let serve = async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "the inspector ended");
            }
        };
        Ok(Inspector { address, task: runtime.spawn(serve) })
    }
}

impl Store {
    /// A page that shows what the store holds and does: see [`Inspector`]. Nothing is served before [`serve`](InspectorBuilder::serve).
    pub fn inspector(&self) -> InspectorBuilder {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        InspectorBuilder { store: self.downgrade(), address }
    }
}
