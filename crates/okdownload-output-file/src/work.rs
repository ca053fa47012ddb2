//! Where the work of a call is done.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use blocking::unblock;

/// Decides which thread does what takes a local disk's cache a few microseconds: the caller's, so that no two threads
/// need be woken for it, as long as it is quick; else one that may block, as for all other work.
#[derive(Debug)]
pub(crate) struct ShortWork {
    /// Grows with each piece of work that was slow, and falls with the others. From [`TOO_OFTEN`] on such work is the
    /// callers' no more.
    slow: AtomicU32,
}

/// How long work takes on a local disk that is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// A few microseconds: the system's cache answers.
    Short,
    /// Nobody knows.
    Long,
}

impl Length {
    pub(crate) fn of(short: bool) -> Self {
        if short { Self::Short } else { Self::Long }
    }
}

/// Far longer than two threads take to wake: a network file system, or a disk that is busy or asleep. There it pays to
/// wait for many at a time.
const SLOW: Duration = Duration::from_micros(500);

/// One in five is too many: now and then a thread is slow because another one has its processor.
const WEIGHT: u32 = 4;

/// Eight in a row.
const TOO_OFTEN: u32 = 8 * WEIGHT;

impl ShortWork {
    /// The longest write that is short work.
    pub(crate) const LONGEST_WRITE: u64 = 64 << 10;

    /// Never the caller's.
    pub(crate) const fn away() -> Self {
        Self { slow: AtomicU32::new(TOO_OFTEN) }
    }

    /// The caller's as long as it is quick.
    pub(crate) const fn in_place() -> Self {
        Self { slow: AtomicU32::new(0) }
    }

    /// Does the work.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        length: Length,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if length == Length::Long || self.is_often_slow() {
            return unblock(work).await;
        }
        let begun = Instant::now();
        let done = work();
        self.took(begun.elapsed());
        done
    }

    fn is_often_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed) >= TOO_OFTEN
    }

    /// Two at a time may miss each other: it is an estimate.
    fn took(&self, elapsed: Duration) {
        let slow = self.slow.load(Ordering::Relaxed);
        let slow = if elapsed > SLOW { slow.saturating_add(WEIGHT) } else { slow.saturating_sub(1) };
        self.slow.store(slow, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Whether work is done by the thread that asks for it.
    async fn is_done_here(short_work: &ShortWork, length: Length) -> bool {
        short_work.run(length, || thread::current().id()).await == thread::current().id()
    }

    #[tokio::test]
    async fn what_is_quick_and_short_is_done_in_place() {
        let short_work = ShortWork::in_place();
        assert!(is_done_here(&short_work, Length::Short).await);
        assert!(!is_done_here(&short_work, Length::Long).await);
        assert!(!is_done_here(&ShortWork::away(), Length::Short).await);
    }

    #[tokio::test]
    async fn what_is_often_slow_is_done_away() {
        for (one_in, is_often) in [(1, true), (2, true), (4, true), (5, false), (100, false)] {
            let short_work = ShortWork::in_place();
            for piece in 0..1000 {
                short_work.took(if piece % one_in == 0 { Duration::MAX } else { Duration::ZERO });
            }
            assert_eq!(short_work.is_often_slow(), is_often, "one in {one_in}");
            assert_eq!(is_done_here(&short_work, Length::Short).await, !is_often, "one in {one_in}");
        }
    }
}
