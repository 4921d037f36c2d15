//! The inspector: a read-only page for any store.

mod condition;
mod records;
mod routes;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::store::{Store, WeakStore};

/// Serves a page that shows what a store holds and does: buckets, schemas, records with paging and a filter, sizes of
/// indexes, answers of queries with what they depend on, recent commits, and all statistics. Made by [`Store::inspector`]; ends
/// when it is dropped. Needs the feature `inspector`.
///
/// It only reads, and keeps nobody from writing. Whoever can reach it sees all data: it listens on this machine alone unless
/// it is [told otherwise](InspectorBuilder::address), and then answers only requests that were made to this machine by name, so that no
/// page from elsewhere can read it through a browser.
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
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page's address.
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
    /// The port; any that is free, unless given.
    pub fn port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self
    }

    /// The address to listen at; 127.0.0.1 unless given. At any other one than a loopback address whoever reaches it can read the store.
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address.set_ip(address.into());
        self
    }

    /// Begins to serve, in a task of the tokio runtime that this is called in. The store ends as if there were no inspector.
    ///
    /// # Errors
    /// [`Error::Inspector`] if the address is taken or not this machine's.
    pub async fn serve(self) -> Result<Inspector, Error> {
        let failed =
            |error: std::io::Error| Error::Inspector { address: self.address, reason: error.to_string() };
        let listener = TcpListener::bind(self.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let routes = routes::routes(self.store, address);
        let serve = async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "the inspector ended");
            }
        };
        Ok(Inspector { address, task: tokio::spawn(serve) })
    }
}

impl Store {
    /// A page that shows what the store holds and does.
    pub fn inspector(&self) -> InspectorBuilder {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        InspectorBuilder { store: self.downgrade(), address }
    }
}
