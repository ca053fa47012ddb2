//! How fast a response is sent.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Bytes a write carries unless told otherwise.
const BLOCK: usize = 128 * 1024;

/// The speed settings that a resource and a reply share. `None` = not set.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    pub(super) head_delay: Option<Duration>,
    pub(super) chunk_size: Option<usize>,
    pub(super) chunk_delay: Option<Duration>,
    /// Bytes per second.
    pub(super) rate: Option<u64>,
}

impl Pace {
    /// These settings, and `fallback`'s where they are not set. The rate is left alone: a path's rate can change while
    /// it is being sent, so the [`Pacer`] looks after it.
    pub(super) fn or(self, fallback: &Pace) -> Self {
        Self {
            head_delay: self.head_delay.or(fallback.head_delay),
            chunk_size: self.chunk_size.or(fallback.chunk_size),
            chunk_delay: self.chunk_delay.or(fallback.chunk_delay),
            rate: self.rate,
        }
    }
}

/// Keeps one response to its rate: the reply's own, else the path's, which a test may change at any time.
#[derive(Debug)]
pub(super) struct Pacer {
    own: Option<u64>,
    path: watch::Receiver<Option<u64>>,
    block: usize,
    current: Option<u64>,
    since: Instant,
    sent: u64,
}

impl Pacer {
    pub(super) fn new(pace: &Pace, path: watch::Receiver<Option<u64>>) -> Self {
        let block = pace.chunk_size.unwrap_or(BLOCK).max(1);
        let current = pace.rate.or(*path.borrow());
        Self { own: pace.rate, path, block, current, since: Instant::now(), sent: 0 }
    }

    /// Waits until more may be sent, and says how many bytes at most. A rate of 0 waits until it is changed.
    pub(super) async fn allowance(&mut self) -> usize {
        loop {
            let rate = self.own.or(*self.path.borrow_and_update());
            if rate != self.current {
                (self.current, self.since, self.sent) = (rate, Instant::now(), 0);
            }
            let Some(rate) = rate else { return self.block };
            if rate > 0 {
                let due = self.since + Duration::from_secs_f64(self.sent as f64 / rate as f64);
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(due) => {
                        // A fiftieth of a second's worth, so that the bytes flow evenly.
                        return self.block.min(usize::try_from(rate / 50).unwrap_or(usize::MAX)).max(1);
                    }
                    () = changed(&mut self.path) => {}
                }
            } else {
                changed(&mut self.path).await;
            }
        }
    }

    /// Whether nothing may be sent until the rate is changed.
    pub(super) fn is_held(&self) -> bool {
        self.own.or(*self.path.borrow()) == Some(0)
    }

    /// Takes note of bytes sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }
}

/// Waits for a change of the path's rate; for ever when the path is gone.
async fn changed(path: &mut watch::Receiver<Option<u64>>) {
    if path.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
