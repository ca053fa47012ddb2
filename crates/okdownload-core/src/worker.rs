//! One of a transfer's connections, as the others see it.

use std::num::NonZeroU64;
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
    pace: Mutex<Pace>,
}

#[derive(Debug, Default)]
struct Pace {
    /// When the request was made that has no answer yet.
    asked: Option<Instant>,
    /// How long the last request waited for its answer.
    answer_time: Duration,
    /// Since when bytes come.
    since: Option<Instant>,
    /// How many have come.
    received: u64,
}

impl Worker {
    pub(crate) fn new(scope: Scope) -> Self {
        Self { scope, relieved: CancellationToken::new(), pace: Mutex::default() }
    }

    /// A request is made.
    pub(crate) fn asks(&self) {
        lock(&self.pace).asked = Some(Instant::now());
    }

    /// The request was answered, or failed.
    pub(crate) fn answered(&self) {
        let mut pace = lock(&self.pace);
        if let Some(asked) = pace.asked.take() {
            pace.answer_time = asked.elapsed();
        }
    }

    /// A body begins.
    pub(crate) fn receives(&self) {
        lock(&self.pace).since.get_or_insert_with(Instant::now);
    }

    /// Bytes came.
    pub(crate) fn received(&self, bytes: usize) {
        lock(&self.pace).received += bytes as u64;
    }

    /// Bytes a second, since the first of them; unknown before there is anything to go by.
    pub(crate) fn speed(&self) -> Option<NonZeroU64> {
        let pace = lock(&self.pace);
        let elapsed = pace.since?.elapsed().as_micros().max(1);
        let speed = u128::from(pace.received) * 1_000_000 / elapsed;
        NonZeroU64::new(u64::try_from(speed).unwrap_or(u64::MAX))
    }

    /// How long its last request waited for its answer.
    pub(crate) fn answer_time(&self) -> Duration {
        lock(&self.pace).answer_time
    }

    /// When its request will have been without an answer for so long; `None` if nothing waits for one.
    pub(crate) fn overdue(&self, patience: Duration) -> Option<Instant> {
        let asked = lock(&self.pace).asked.filter(|_| self.scope != Scope::Whole)?;
        asked.checked_add(patience)
    }
}
