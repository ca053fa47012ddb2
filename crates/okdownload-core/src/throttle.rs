//! Rate limits.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::sync::lock;

/// Tokio's clock, so that limits work in simulated time.
#[derive(Debug, Clone, Default)]
struct TokioClock;

impl Clock for TokioClock {
    type Instant = <governor::clock::MonotonicClock as Clock>::Instant;

    fn now(&self) -> Self::Instant {
        Instant::now().into_std()
    }
}

type Limiter =
    RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<<TokioClock as Clock>::Instant>>;

/// Limits bytes a second, for one task or for a whole engine. Can be changed while it works.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Option<Gate>>);

#[derive(Debug, Clone)]
struct Gate {
    limiter: Arc<Limiter>,
    /// How many bytes the limiter counts as one: high rates are counted in KiB, for it counts in whole nanoseconds.
    unit: u64,
    /// The most units that may pass at once: what 50 ms bring, so that waits are short and few.
    burst: NonZeroU32,
}

impl Gate {
    fn new(bytes_per_second: NonZeroU64) -> Self {
        let unit = if bytes_per_second.get() < 1 << 20 { 1 } else { 1 << 10 };
        // Beyond 4 TiB/s a limit limits nothing.
        let rate = u32::try_from(bytes_per_second.get() / unit).unwrap_or(u32::MAX);
        let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(rate.get() / 20).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(rate).allow_burst(burst);
        Self { limiter: Arc::new(RateLimiter::direct_with_clock(quota, TokioClock)), unit, burst }
    }
}

/// The longest wait before the limit is looked at again, so that a change takes effect soon.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

impl Throttle {
    pub(crate) fn new(bytes_per_second: Option<NonZeroU64>) -> Self {
        let throttle = Self::default();
        throttle.set(bytes_per_second);
        throttle
    }

    /// Sets another limit; `None` lifts it.
    pub(crate) fn set(&self, bytes_per_second: Option<NonZeroU64>) {
        *lock(&self.0) = bytes_per_second.map(Gate::new);
    }

    fn gate(&self) -> Option<Gate> {
        lock(&self.0).clone()
    }

    /// Waits until this many bytes may have passed.
    pub(crate) async fn pass(&self, bytes: u64) {
        let mut left = bytes;
        while left > 0 {
            let Some(gate) = self.gate() else { return };
            let units = u32::try_from(left.div_ceil(gate.unit)).unwrap_or(u32::MAX);
            let piece = NonZeroU32::new(units).map_or(gate.burst, |units| units.min(gate.burst));
            match gate.limiter.check_n(piece) {
                Ok(Ok(())) => left = left.saturating_sub(u64::from(piece.get()) * gate.unit),
                Ok(Err(not_until)) => {
                    let wait = not_until.wait_time_from(TokioClock.now());
                    tokio::time::sleep(wait.min(LONGEST_WAIT).max(Duration::from_millis(1))).await;
                }
                // A piece is never larger than the burst.
                Err(_) => return,
            }
        }
    }

    /// Whether there is a limit.
    pub(crate) fn is_on(&self) -> bool {
        self.gate().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(bytes: u64) -> Option<NonZeroU64> {
        NonZeroU64::new(bytes)
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_recorded() {
        let throttle = Throttle::new(rate(100_000));
        let start = Instant::now();
        for _ in 0..10 {
            throttle.pass(50_000).await;
        }
        let passed = start.elapsed().as_secs_f64();
        assert!((4.8..5.2).contains(&passed), "{passed}");
    }

    #[tokio::test(start_paused = true)]
    async fn high_rates_are_kept_too() {
        let throttle = Throttle::new(rate(600_000_000));
        let start = Instant::now();
        for _ in 0..100 {
            throttle.pass(12_000_000).await;
        }
        let passed = start.elapsed().as_secs_f64();
        assert!((1.9..2.1).contains(&passed), "{passed}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_takes_effect_within_a_second() {
        let throttle = Arc::new(Throttle::new(rate(10)));
        let start = Instant::now();
        let slow = throttle.clone();
        let waiting = tokio::spawn(async move { slow.pass(1_000_000).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        throttle.set(None);
        waiting.await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        let throttle = Throttle::new(None);
        let start = Instant::now();
        throttle.pass(u64::MAX).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn tiny_limits_work() {
        let throttle = Throttle::new(rate(1));
        let start = Instant::now();
        throttle.pass(3).await;
        assert!(start.elapsed() >= Duration::from_secs(2));
    }
}
