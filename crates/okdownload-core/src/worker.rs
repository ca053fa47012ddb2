//! One of a transfer's connections, as the others see it.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::block::Scope;
use crate::sync::lock;

/// What the crew and one connection's work know of each other.
#[derive(Debug)]
pub(crate) struct Worker {
    /// What it is after.
    pub(crate) scope: Scope,
    /// Cancelled when another connection takes its block over.
    pub(crate) relieved: CancellationToken,
    /// When the request was made that has no answer yet.
    asked: Mutex<Option<Instant>>,
}

impl Worker {
    pub(crate) fn new(scope: Scope) -> Self {
        Self { scope, relieved: CancellationToken::new(), asked: Mutex::new(None) }
    }

    /// A request is made.
    pub(crate) fn asks(&self) {
        *lock(&self.asked) = Some(Instant::now());
    }

    /// The request was answered, or failed.
    pub(crate) fn answered(&self) {
        *lock(&self.asked) = None;
    }

    /// When its request will have been without an answer for so long; `None` if nothing waits for one.
    pub(crate) fn overdue(&self, patience: Duration) -> Option<Instant> {
        let asked = lock(&self.asked).filter(|_| self.scope != Scope::Whole)?;
        asked.checked_add(patience)
    }
}
