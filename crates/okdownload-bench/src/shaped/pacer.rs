//! When the next piece may be sent.

use std::time::Duration;

use tokio::time::Instant;

/// Paces one response: a piece is sent once the time that it takes at this rate is over.
#[derive(Debug)]
pub(super) struct Pacer {
    rate: u64,
    /// When all that was sent has been paid for.
    paid: Instant,
}

/// What a late timer may catch up. A client that does not read for longer has lost the time, as on a network.
const SLACK: Duration = Duration::from_millis(20);

impl Pacer {
    /// A response that begins now, at so many bytes a second. The time before it is lost.
    pub(super) fn new(rate: u64, now: Instant) -> Self {
        Self { rate, paid: now }
    }

    /// Some milliseconds of bytes: small enough to be smooth, large enough to cost little.
    pub(super) fn piece(&self) -> usize {
        usize::try_from(self.rate / 250).unwrap_or(usize::MAX).clamp(16 << 10, 64 << 10)
    }

    /// When this many bytes may be sent.
    pub(super) fn due(&mut self, bytes: usize, now: Instant) -> Instant {
        let begin = now.checked_sub(SLACK).map_or(self.paid, |earliest| self.paid.max(earliest));
        self.paid = begin + Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        self.paid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn late_timers_do_not_add_up() {
        let begin = Instant::now();
        let mut pacer = Pacer::new(8 << 20, begin);
        let mut now = begin;
        for _ in 0..128 {
            now = pacer.due(64 << 10, now) + Duration::from_millis(1);
        }
        // 8 MiB, and the last timer's lateness.
        assert_eq!(now - begin, Duration::from_millis(1001));
    }

    #[test]
    fn who_does_not_read_loses_the_time() {
        let begin = Instant::now();
        let mut pacer = Pacer::new(1 << 20, begin);
        let after_a_pause = begin + Duration::from_secs(5);
        let due = pacer.due(MIB, after_a_pause);
        assert_eq!(due, after_a_pause - SLACK + Duration::from_secs(1));
    }

    #[test]
    fn pieces_are_some_milliseconds() {
        let piece = |rate| Pacer::new(rate, Instant::now()).piece();
        assert_eq!(piece(8 << 20), (8 << 20) / 250);
        assert_eq!((piece(1), piece(u64::MAX)), (16 << 10, 64 << 10));
    }
}
