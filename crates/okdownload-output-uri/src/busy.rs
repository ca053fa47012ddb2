//! Which parts are open.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::place::Remote;

/// The parts that this output has open. A service knows no locks, so this is all that is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenParts(Arc<Mutex<BTreeSet<Remote>>>);

/// Holds a part; free again when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    parts: OpenParts,
    remote: Remote,
}

impl OpenParts {
    fn set(&self) -> MutexGuard<'_, BTreeSet<Remote>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the part; `None` if it is open.
    pub(crate) fn claim(&self, remote: &Remote) -> Option<Claim> {
        let is_free = self.set().insert(remote.clone());
        is_free.then(|| Claim { parts: self.clone(), remote: remote.clone() })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.parts.set().remove(&self.remote);
    }
}
