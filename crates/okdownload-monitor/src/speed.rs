//! How fast bytes come.

use std::fmt;
use std::time::{Duration, Instant};

/// A window consists of this many steps behind the present one.
const STEPS: u64 = 10;
const SLOTS: usize = STEPS as usize + 1;

/// Before this much time has passed, a speed would say more about chance than about the connection.
const WARM_UP: Duration = Duration::from_millis(500);

/// Calculates speed from counts of bytes and the moments they were reached at.
///
/// It has no clock: each call is given the time, which must not run backwards. Without calls the speed falls all the
/// same: it is asked for a moment.
#[derive(Debug, Clone)]
pub struct SpeedCalculator {
    /// How long a slot is.
    step: Duration,
    begin: Option<Instant>,
    end: Option<Instant>,
    /// The count at the beginning, and now.
    first: u64,
    count: u64,
    /// When the speed of the moment was asked for last, and the count then.
    asked: Option<(Instant, u64)>,
    /// The bytes of each of the last steps; slot `n % SLOTS` is that of step `n`.
    slots: [u64; SLOTS],
    /// The newest step that has a slot.
    newest: u64,
}

/// Speeds at one moment, in bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Speed {
    /// Since this was asked for last.
    pub instant: u64,
    /// Over the last second, or the calculator's other window; 0 in the first half second.
    pub current: u64,
    /// From the beginning on.
    pub average: u64,
}

impl Default for SpeedCalculator {
    fn default() -> Self {
        Self::new()
    }
}

impl SpeedCalculator {
    /// A calculator that looks back one second.
    pub const fn new() -> Self {
        Self::with_window(Duration::from_secs(1))
    }

    /// A calculator that looks back this long. A longer window makes a calmer figure, which tells of a stall later.
    pub const fn with_window(window: Duration) -> Self {
        // A step of no length could not be divided by.
        let nanos = window.as_nanos() as u64 / STEPS;
        Self {
            step: Duration::from_nanos(if nanos == 0 { 1 } else { nanos }),
            begin: None,
            end: None,
            first: 0,
            count: 0,
            asked: None,
            slots: [0; SLOTS],
            newest: 0,
        }
    }

    /// Begins anew, with `count` bytes that are there already and are nobody's speed.
    pub fn start(&mut self, now: Instant, count: u64) {
        self.reset();
        self.begin = Some(now);
        self.asked = Some((now, count));
        (self.first, self.count) = (count, count);
    }

    /// Forgets everything but the window.
    pub fn reset(&mut self) {
        *self = Self { step: self.step, ..Self::new() };
    }

    /// So many bytes are there now. The first call begins it, if nobody called [`start`](SpeedCalculator::start).
    pub fn reach(&mut self, now: Instant, count: u64) {
        self.downloading(now, count.saturating_sub(self.count));
        self.count = count;
    }

    /// So many bytes came.
    pub fn downloading(&mut self, now: Instant, bytes: u64) {
        if self.begin.is_none() {
            self.start(now, self.count);
        }
        let step = self.step_at(now);
        for passed in (self.newest + 1).max(step.saturating_sub(STEPS))..=step {
            self.slots[slot(passed)] = 0;
        }
        self.newest = step;
        self.slots[slot(step)] += bytes;
        self.count += bytes;
    }

    /// Nothing comes any more: all speeds stay what they are now.
    pub fn end(&mut self, now: Instant) {
        self.end.get_or_insert(now);
    }

    /// Whether it was told of the end.
    pub fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Bytes a second since this was asked for last.
    pub fn instant(&mut self, now: Instant) -> u64 {
        let now = self.until(now);
        let (asked, count) = self.asked.unwrap_or((now, 0));
        self.asked = Some((now, self.count));
        rate(self.count.saturating_sub(count), now.saturating_duration_since(asked))
    }

    /// Bytes a second over the window: 0 in the first half second, and when nothing came for as long as the window
    /// and a tenth of it.
    pub fn current(&self, now: Instant) -> u64 {
        let passed = self.passed(now);
        if passed < WARM_UP {
            return 0;
        }
        let step = self.step_at(now);
        let oldest = step.saturating_sub(STEPS);
        let bytes = (oldest..=self.newest).map(|step| self.slots[slot(step)]).sum();
        let before = self.step.saturating_mul(u32::try_from(oldest).unwrap_or(u32::MAX));
        rate(bytes, passed.saturating_sub(before))
    }

    /// Bytes a second from the beginning on.
    pub fn average(&self, now: Instant) -> u64 {
        rate(self.count.saturating_sub(self.first), self.passed(now))
    }

    /// All three.
    pub fn measure(&mut self, now: Instant) -> Speed {
        Speed { instant: self.instant(now), current: self.current(now), average: self.average(now) }
    }

    fn until(&self, now: Instant) -> Instant {
        self.end.map_or(now, |end| end.min(now))
    }

    fn passed(&self, now: Instant) -> Duration {
        self.begin.map_or(Duration::ZERO, |begin| self.until(now).saturating_duration_since(begin))
    }

    /// The number of the step that `now` lies in.
    fn step_at(&self, now: Instant) -> u64 {
        let step = self.passed(now).as_nanos() / self.step.as_nanos();
        u64::try_from(step).unwrap_or(u64::MAX).max(self.newest)
    }
}

fn slot(step: u64) -> usize {
    (step % SLOTS as u64) as usize
}

/// Bytes a second; less than a millisecond counts as one.
fn rate(bytes: u64, time: Duration) -> u64 {
    let nanos = time.max(Duration::from_millis(1)).as_nanos();
    u64::try_from(u128::from(bytes) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

/// A number of bytes for people: `1.1 kB`, or with `{:#}` in powers of two, `1.0 KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanBytes(pub u64);

impl fmt::Display for HumanBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, mark) = if f.alternate() { (1024.0, "i") } else { (1000.0, "") };
        let mut value = self.0 as f64;
        if value < unit {
            return write!(f, "{} B", self.0);
        }
        let mut prefixes = if f.alternate() { "KMGTPE" } else { "kMGTPE" }.chars();
        let mut prefix = ' ';
        // What would be rounded up to a whole unit is one.
        while value >= unit - 0.05
            && let Some(next) = prefixes.next()
        {
            value /= unit;
            prefix = next;
        }
        write!(f, "{value:.1} {prefix}{mark}B")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn the_speed_of_the_moment_is_that_since_it_was_asked_last() {
        let start = Instant::now();
        let mut speed = SpeedCalculator::new();
        speed.downloading(start, 30);
        assert_eq!(speed.instant(start), 30_000, "less than a millisecond counts as one");
        speed.downloading(after(start, 10), 20);
        speed.downloading(after(start, 20), 40);
        assert_eq!(speed.instant(after(start, 20)), 3_000);
        assert_eq!(speed.instant(after(start, 30)), 0);
    }

    #[test]
    fn the_average_counts_from_the_beginning_and_reset_forgets_it() {
        let start = Instant::now();
        let mut speed = SpeedCalculator::new();
        for (millis, bytes) in [(0, 30), (10, 30), (30, 40)] {
            speed.downloading(after(start, millis), bytes);
        }
        assert_eq!(speed.average(after(start, 30)), 3_333);
        speed.reset();
        assert_eq!(speed.measure(after(start, 40)), Speed::default());
    }

    #[test]
    fn the_first_half_second_says_nothing() {
        let start = Instant::now();
        let mut speed = SpeedCalculator::new();
        speed.downloading(start, 1000);
        let said = [499, 500, 1000].map(|millis| speed.current(after(start, millis)));
        assert_eq!(said, [0, 2000, 1000]);
        assert_eq!(format!("{}/s", HumanBytes(said[1])), "2.0 kB/s");
    }

    #[test]
    fn a_steady_flow_is_measured_right_at_every_moment() {
        for window in [100, 1000, 3000] {
            let start = Instant::now();
            let mut speed = SpeedCalculator::with_window(Duration::from_millis(window));
            speed.start(start, 77);
            for millis in (10..10_000).step_by(10) {
                speed.reach(after(start, millis), 77 + millis * 50);
                let (now, expected) = (after(start, millis), 45_000..=55_000);
                assert!(millis < 500 || expected.contains(&speed.current(now)), "{window} {millis}");
                assert_eq!(speed.average(now), 50_000);
            }
        }
    }

    #[test]
    fn a_stall_brings_it_to_zero() {
        let start = Instant::now();
        let mut speed = SpeedCalculator::new();
        for millis in (0..2000).step_by(20) {
            speed.downloading(after(start, millis), 1000);
        }
        let falling: Vec<_> =
            (2000..3200).step_by(100).map(|millis| speed.current(after(start, millis))).collect();
        assert!(falling.is_sorted_by(|earlier, later| earlier >= later), "{falling:?}");
        assert_eq!(falling.last(), Some(&0));
        // Long after it, only what comes then counts.
        speed.downloading(after(start, 60_000), 500);
        assert_eq!(speed.current(after(start, 60_050)), 500_000_u64.div_euclid(1050));
    }

    #[test]
    fn the_end_keeps_all_speeds() {
        let start = Instant::now();
        let mut speed = SpeedCalculator::new();
        speed.start(start, 0);
        speed.reach(after(start, 500), 1000);
        speed.end(after(start, 1000));
        assert!(speed.is_ended());
        let end = Speed { instant: 1000, current: 1000, average: 1000 };
        assert_eq!(speed.measure(after(start, 90_000)), end);
    }

    #[test]
    fn a_count_that_falls_back_is_no_speed() {
        let start = Instant::now();
        let mut speed = SpeedCalculator::new();
        speed.start(start, 5000);
        speed.reach(after(start, 400), 1000);
        speed.reach(after(start, 800), 1500);
        assert_eq!(speed.current(after(start, 1000)), 500);
        assert_eq!(speed.average(after(start, 1000)), 0);
    }

    #[test]
    fn bytes_for_people() {
        let said = |bytes| (HumanBytes(bytes).to_string(), format!("{:#}", HumanBytes(bytes)));
        assert_eq!(said(1054), ("1.1 kB".into(), "1.0 KiB".into()));
        assert_eq!(said(999), ("999 B".into(), "999 B".into()));
        assert_eq!(said(999_999), ("1.0 MB".into(), "976.6 KiB".into()));
        assert_eq!(said(u64::MAX), ("18.4 EB".into(), "16.0 EiB".into()));
    }
}
