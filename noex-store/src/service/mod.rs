//! What runs in threads of its own: services under supervision, the pool for users' functions, and waiting for both.

mod aside;
mod park;
mod pool;
mod settled;
mod supervised;

pub(crate) use aside::aside;
pub(crate) use park::Parker;
pub(crate) use pool::{Pool, Task};
pub(crate) use settled::Settled;
pub(crate) use supervised::{Intensity, Service, Services};
pub use supervised::{ServiceState, ServiceStats};
