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
    /// Since when bytes are counted, and how many have come.
    counted: Option<(Instant, u64)>,
}

/// What was longer ago counts less and less.
const WINDOW: Duration = Duration::from_secs(2);

/// So long anybody may be without a byte before he counts as slow.
const START: Duration = Duration::from_millis(250);

impl Worker {
    pub(crate) fn new(scope: Scope) -> Self {
        let pace = Pace { counted: Some((Instant::now(), 0)), ..Pace::default() };
        Self { scope, relieved: CancellationToken::new(), pace: Mutex::new(pace) }
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

    /// Bytes came.
    pub(crate) fn received(&self, bytes: usize) {
        lock(&self.pace).count(bytes as u64);
    }

    /// Bytes a second in the last seconds; unknown before there is anything to go by. Who waits, for an answer or to try
    /// again, is slow.
    pub(crate) fn speed(&self) -> Option<NonZeroU64> {
        let (elapsed, received) = lock(&self.pace).count(0);
        if received == 0 && elapsed < START {
            return None;
        }
        let speed = u128::from(received) * 1_000_000 / elapsed.as_micros().max(1);
        Some(NonZeroU64::new(u64::try_from(speed).unwrap_or(u64::MAX)).unwrap_or(NonZeroU64::MIN))
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

impl Pace {
    /// Counts bytes that came; returns how many came in how long a time.
    fn count(&mut self, bytes: u64) -> (Duration, u64) {
        let (mut since, mut received) = self.counted.unwrap_or_else(|| (Instant::now(), 0));
        received = received.saturating_add(bytes);
        while since.elapsed() > WINDOW {
            since += since.elapsed() / 2;
            received /= 2;
        }
        self.counted = Some((since, received));
        (since.elapsed(), received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_speed_is_that_of_the_last_seconds() {
        let worker = Worker::new(Scope::Block(0));
        let speed = || worker.speed().map(NonZeroU64::get);
        assert_eq!(speed(), None);
        tokio::time::advance(START).await;
        assert_eq!(speed(), Some(1), "nothing came");
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(100)).await;
            worker.received(100_000);
        }
        assert!(speed().is_some_and(|speed| (900_000..1_100_000).contains(&speed)), "{:?}", speed());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(speed().is_some_and(|speed| speed < 20_000), "{:?}", speed());
    }
}
