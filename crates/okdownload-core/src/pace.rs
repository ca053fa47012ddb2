//! Whether bytes come fast enough.

use std::time::Duration;

use okdownload_types::{Error, ErrorKind, LowestSpeed};
use tokio::time::Instant;

use crate::run::from_now;

/// Measures one response by the lowest speed that the user puts up with, window by window.
///
/// Only time that was spent waiting for the server counts. Each connection has to bring its share, so that a task is as
/// fast as it should be however many it has.
#[derive(Debug)]
pub(crate) struct Pace {
    lowest: Option<LowestSpeed>,
    /// How much of the window is over.
    waited: Duration,
    /// What came in it.
    bytes: u64,
    /// Whether one window was fast enough.
    kept: bool,
}

impl Pace {
    pub(crate) fn new(lowest: Option<LowestSpeed>) -> Self {
        Self { lowest, waited: Duration::ZERO, bytes: 0, kept: false }
    }

    /// Until when to wait for the next bytes, if `deadline` comes no sooner.
    pub(crate) fn until(&self, deadline: Instant) -> Instant {
        let left = self.lowest.map(|lowest| lowest.window.saturating_sub(self.waited));
        left.map_or(deadline, |left| deadline.min(from_now(left)))
    }

    /// So long was waited for the server, and so many bytes came.
    pub(crate) fn add(&mut self, waited: Duration, bytes: usize) {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Whether a window is over in which this connection, one of `sharing`, brought too little. If it was enough, the
    /// next one begins.
    pub(crate) fn is_too_slow(&mut self, sharing: usize) -> bool {
        let Some(lowest) = self.lowest.filter(|lowest| self.waited >= lowest.window) else { return false };
        let wanted = u128::from(lowest.bytes_per_second.get()) * self.waited.as_nanos();
        let slow = u128::from(self.bytes) * 1_000_000_000 * (sharing.max(1) as u128) < wanted;
        self.kept |= !slow;
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        slow
    }

    /// Whether it was fast enough for a time: only then was what it brought any progress.
    pub(crate) fn was_kept(&self) -> bool {
        self.kept
    }

    /// The error of a response that is too slow.
    pub(crate) fn error(&self) -> Error {
        let error = Error::new(ErrorKind::Timeout, "the bytes come too slowly").temporary();
        match self.lowest {
            Some(LowestSpeed { bytes_per_second, window, .. }) => {
                error.with_context("lowest", format!("{bytes_per_second} bytes a second over {window:?}"))
            }
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    const SECOND: Duration = Duration::from_secs(1);

    /// 100 bytes a second over ten seconds.
    fn pace() -> Pace {
        let mut lowest = LowestSpeed::new(NonZeroU64::new(100).unwrap());
        lowest.window = 10 * SECOND;
        Pace::new(Some(lowest))
    }

    #[test]
    fn a_window_decides() {
        for (pieces, sharing, slow) in [
            (&[(10, 1000)][..], 1, false),
            (&[(10, 999)], 1, true),
            (&[(1, 0), (9, 1000)], 1, false),
            (&[(9, 0)], 1, false),
            (&[(20, 1999)], 1, true),
            (&[(20, 2000)], 1, false),
            (&[(10, 250)], 4, false),
            (&[(10, 249)], 4, true),
            (&[(0, 5)], 1, false),
        ] {
            let mut pace = pace();
            for (seconds, bytes) in pieces {
                pace.add(SECOND * *seconds, *bytes);
            }
            assert_eq!(pace.is_too_slow(sharing), slow, "{pieces:?} {sharing}");
        }
    }

    #[test]
    fn each_window_is_measured_alone() {
        let mut pace = pace();
        pace.add(10 * SECOND, 1_000_000);
        assert!(!pace.is_too_slow(1) && pace.was_kept());
        pace.add(9 * SECOND, 1);
        assert!(!pace.is_too_slow(1));
        pace.add(SECOND, 1);
        assert!(pace.is_too_slow(1));
    }

    #[test]
    fn without_a_limit_nothing_is_too_slow() {
        let mut pace = Pace::new(None);
        pace.add(Duration::MAX, 0);
        pace.add(Duration::MAX, usize::MAX);
        assert!(!pace.is_too_slow(1));
    }
}
