//! A handle that does not keep its store running.

use std::fmt;
use std::sync::{Arc, Weak};

use super::Store;
use super::running::Running;
use crate::engine::Engine;

/// A store that may be gone by now.
#[derive(Clone)]
pub(crate) struct WeakStore {
    name: Arc<str>,
    engine: Arc<Engine>,
    services: Weak<Running>,
}

impl WeakStore {
    pub(crate) fn upgrade(&self) -> Option<Store> {
        let services = self.services.upgrade()?;
        Some(Store { name: Arc::clone(&self.name), engine: Arc::clone(&self.engine), services })
    }
}

impl fmt::Debug for WeakStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakStore").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Store {
    /// A handle that does not keep the store running.
    pub(crate) fn downgrade(&self) -> WeakStore {
        let services = Arc::downgrade(&self.services);
        WeakStore { name: Arc::clone(&self.name), engine: Arc::clone(&self.engine), services }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}
