//! How far, how fast, how long still.

use std::time::Duration;

use tokio::time::Instant;

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that are there and recorded.
    pub written: u64,
    /// The length of the resource, where it is known.
    pub total: Option<u64>,
    /// Bytes a second, over the last seconds.
    pub speed: u64,
    /// Bytes a second, over the whole run.
    pub average: u64,
    /// Connections at work.
    pub connections: usize,
}

impl Progress {
    /// How long it will take at this speed; unknown without a length or without any speed.
    pub fn eta(&self) -> Option<Duration> {
        let left = self.total?.checked_sub(self.written)?;
        (self.speed > 0).then(|| Duration::from_secs_f64(left as f64 / self.speed as f64))
    }

    /// Which part of it is there, from 0 to 1; an empty resource is there.
    pub fn fraction(&self) -> Option<f64> {
        self.total.map(|total| if total == 0 { 1.0 } else { self.written as f64 / total as f64 })
    }
}

/// Measures speed from counters and moments.
#[derive(Debug)]
pub(crate) struct SpeedMeter {
    begin: Option<(Instant, u64)>,
    last: Option<(Instant, u64)>,
    speed: f64,
}

/// The time over which speed is smoothed, in seconds.
const SMOOTHING: f64 = 2.0;

impl SpeedMeter {
    pub(crate) const fn new() -> Self {
        Self { begin: None, last: None, speed: 0.0 }
    }

    /// Takes a count of bytes at a moment; gives current and average speed in bytes a second.
    pub(crate) fn measure(&mut self, now: Instant, written: u64) -> (u64, u64) {
        let (begin, first) = *self.begin.get_or_insert((now, written));
        let (before, count) = *self.last.get_or_insert((now, written));
        let passed = now.saturating_duration_since(before).as_secs_f64();
        if passed > 0.0 {
            let momentary = written.saturating_sub(count) as f64 / passed;
            // The first measure is all there is to say; later ones move it by how much time they stand for.
            let first_measure = before == begin;
            let weight = if first_measure { 1.0 } else { 1.0 - (-passed / SMOOTHING).exp() };
            self.speed += weight * (momentary - self.speed);
            self.last = Some((now, written));
        }
        let whole = now.saturating_duration_since(begin).as_secs_f64();
        let average = if whole > 0.0 { written.saturating_sub(first) as f64 / whole } else { 0.0 };
        (self.speed as u64, average as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_flow_is_measured_right() {
        let start = Instant::now();
        let mut meter = SpeedMeter::new();
        let mut last = (0, 0);
        for tick in 0..100 {
            last = meter.measure(start + Duration::from_millis(20 * tick), 1_000 * tick);
        }
        assert!((49_000..51_000).contains(&last.0), "{last:?}");
        assert!((49_000..51_000).contains(&last.1), "{last:?}");
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        let now = Instant::now();
        let mut meter = SpeedMeter::new();
        assert_eq!(meter.measure(now, 5), (0, 0));
        assert_eq!(meter.measure(now, 9), (0, 0));
    }

    #[test]
    fn estimates() {
        let progress = Progress { written: 50, total: Some(100), speed: 10, ..Progress::default() };
        assert_eq!(progress.eta(), Some(Duration::from_secs(5)));
        assert_eq!(progress.fraction(), Some(0.5));
        assert_eq!(Progress::default().eta(), None);
        assert_eq!(Progress { total: Some(0), ..Progress::default() }.fraction(), Some(1.0));
    }
}
