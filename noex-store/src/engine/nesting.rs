//! What a thread is in the middle of.

use std::cell::{Cell, RefCell};

use smallvec::SmallVec;

use super::Engine;
use crate::error::Error;

crate::sync::thread_local! {
    /// Whether this thread is in the turn of a store, or waits for it.
    static IN_TURN: Cell<bool> = const { Cell::new(false) };
    /// The stores whose transactions' closures this thread is in.
    static IN_TRANSACTION: RefCell<SmallVec<[usize; 2]>> = RefCell::new(SmallVec::new());
}

/// What this thread is in the middle of, so that a write which would have to wait for itself, or would not belong to the
/// transaction around it, is refused.
pub(crate) enum Running {
    /// A write, to whatever store: two threads that wrote to two stores crosswise would wait for each other.
    Turn,
    /// The closure of a transaction of a store.
    Transaction(usize),
}

impl Running {
    pub(super) fn enter_turn(engine: &Engine, bucket: &'static str) -> Result<Self, Error> {
        if Self::in_transaction(engine) {
            return Err(Error::NestedWrite { bucket });
        }
        if IN_TURN.with(|own| own.replace(true)) {
            return Err(Error::NestedWrite { bucket });
        }
        Ok(Self::Turn)
    }

    pub(crate) fn enter_transaction(engine: &Engine) -> Self {
        let id = std::ptr::from_ref(engine).addr();
        IN_TRANSACTION.with(|own| own.borrow_mut().push(id));
        Self::Transaction(id)
    }

    pub(crate) fn in_turn() -> bool {
        IN_TURN.with(Cell::get)
    }

    pub(crate) fn in_transaction(engine: &Engine) -> bool {
        let id = std::ptr::from_ref(engine).addr();
        IN_TRANSACTION.with(|own| own.borrow().contains(&id))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        match self {
            Self::Turn => IN_TURN.with(|own| own.set(false)),
            Self::Transaction(id) => IN_TRANSACTION.with(|own| {
                let mut own = own.borrow_mut();
                if let Some(at) = own.iter().rposition(|other| other == id) {
                    own.remove(at);
                }
            }),
        }
    }
}
