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
///
/// Bytes are bought in bursts; who passes takes of what was bought last. Who finds nothing waits for the next burst, and
/// all others stand in line behind him: a limit wakes up at most 20 times a second, however many connections share it and
/// however small the pieces are that they bring. Who needs more than one burst goes to the end of the line for each: a
/// piece that was small before the limit was lowered must not keep the others waiting until it is through.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    gate: Mutex<Option<Arc<Gate>>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Gate {
    bytes_per_second: NonZeroU64,
    limiter: Limiter,
    /// How many bytes the limiter counts as one: high rates are counted in KiB, for it counts in whole nanoseconds.
    unit: u64,
    /// How many units are bought at a time: what 50 ms bring.
    burst: NonZeroU32,
    /// Bytes that were bought and are not taken yet.
    bought: Mutex<u64>,
}

impl Gate {
    fn new(bytes_per_second: NonZeroU64) -> Self {
        let unit = if bytes_per_second.get() < 1 << 20 { 1 } else { 1 << 10 };
        // Beyond 4 TiB/s a limit limits nothing.
        let rate = u32::try_from(bytes_per_second.get() / unit).unwrap_or(u32::MAX);
        let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(rate.get().div_ceil(20)).unwrap_or(NonZeroU32::MIN);
        // Room for two, so that nothing is lost by who comes a little late.
        let quota = Quota::per_second(rate).allow_burst(burst.saturating_add(burst.get()));
        let limiter = RateLimiter::direct_with_clock(quota, TokioClock);
        Self { bytes_per_second, limiter, unit, burst, bought: Mutex::new(0) }
    }

    fn burst_bytes(&self) -> u64 {
        u64::from(self.burst.get()) * self.unit
    }

    /// Takes of what was bought; returns how much is still wanted.
    fn take(&self, wanted: u64) -> u64 {
        let mut bought = lock(&self.bought);
        let taken = wanted.min(*bought);
        *bought -= taken;
        wanted - taken
    }

    /// Does without what may pass at once in the beginning: who changes a limit often would lift it by that.
    fn spend_start(&self) {
        // There is room for two bursts, and nothing was bought.
        while self.limiter.check_n(self.burst).is_ok_and(|bought| bought.is_ok()) {}
    }

    /// Buys one burst, or says how long that has to wait.
    fn buy(&self) -> Option<Duration> {
        match self.limiter.check_n(self.burst) {
            Ok(Err(not_until)) => Some(not_until.wait_time_from(TokioClock.now())),
            // There is always room for one burst, so there is nothing else.
            Ok(Ok(())) | Err(_) => {
                *lock(&self.bought) += self.burst_bytes();
                None
            }
        }
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
        let mut gate = lock(&self.gate);
        if gate.as_ref().map(|gate| gate.bytes_per_second) == bytes_per_second {
            return;
        }
        let next = bytes_per_second.map(Gate::new);
        if let (Some(next), true) = (&next, gate.is_some()) {
            next.spend_start();
        }
        *gate = next.map(Arc::new);
    }

    fn gate(&self) -> Option<Arc<Gate>> {
        lock(&self.gate).clone()
    }

    /// Waits until this many bytes may have passed.
    pub(crate) async fn pass(&self, bytes: u64) {
        let mut left = bytes;
        while left > 0 {
            let _turn = self.turn.lock().await;
            left = self.pass_some(left).await;
        }
    }

    /// Waits until some of these bytes may have passed, and returns how many are left.
    async fn pass_some(&self, bytes: u64) -> u64 {
        while let Some(gate) = self.gate() {
            let left = gate.take(bytes);
            if left < bytes {
                return left;
            }
            if let Some(wait) = gate.buy() {
                tokio::time::sleep(wait.clamp(Duration::from_millis(1), LONGEST_WAIT)).await;
            }
        }
        0
    }

    /// The most bytes that should pass at once, if there is a limit.
    pub(crate) fn piece(&self) -> Option<u64> {
        self.gate().map(|gate| gate.burst_bytes())
    }

    /// Whether there is a limit.
    pub(crate) fn is_on(&self) -> bool {
        lock(&self.gate).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::future::poll_fn;
    use std::pin::pin;
    use tokio::task::JoinSet;

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

    /// Connections that bring pieces as fast as they may. Counts bytes, and the moments at which anybody was awake.
    #[derive(Debug, Default)]
    struct Traffic {
        bytes: Arc<Mutex<u64>>,
        moments: Arc<Mutex<BTreeSet<Instant>>>,
        connections: JoinSet<()>,
    }

    impl Traffic {
        fn start(throttle: &Arc<Throttle>, connections: usize, piece: u64) -> Self {
            let mut traffic = Self::default();
            for _ in 0..connections {
                let throttle = throttle.clone();
                let (bytes, moments) = (traffic.bytes.clone(), traffic.moments.clone());
                traffic.connections.spawn(async move {
                    loop {
                        let mut pass = pin!(throttle.pass(piece));
                        poll_fn(|context| {
                            lock(&moments).insert(Instant::now());
                            pass.as_mut().poll(context)
                        })
                        .await;
                        *lock(&bytes) += piece;
                    }
                });
            }
            traffic
        }

        /// Bytes a second, and moments a second, in the next ten seconds.
        async fn measure(&self) -> (u64, usize) {
            const TIME: u32 = 10;
            let (bytes, moments) = (*lock(&self.bytes), lock(&self.moments).len());
            tokio::time::sleep(Duration::from_secs(1) * TIME).await;
            let (bytes, moments) = (*lock(&self.bytes) - bytes, lock(&self.moments).len() - moments);
            (bytes / u64::from(TIME), moments.div_ceil(TIME as usize))
        }
    }

    fn is_near(measured: u64, limit: u64) -> bool {
        (limit * 95 / 100..=limit * 105 / 100).contains(&measured)
    }

    #[tokio::test(start_paused = true)]
    async fn twenty_wake_ups_a_second_are_enough_for_all() {
        for limit in [1, 7, 19, 21, 39, 1000, 60_000, 1 << 20, 50 << 20, 3 << 30] {
            for (connections, piece) in [(1, 1), (1, 1000), (16, 1), (16, 1000), (16, 300_000)] {
                // Pieces of one byte at high rates would only heat the room.
                if limit / piece > 2000 || piece > limit {
                    continue;
                }
                let throttle = Arc::new(Throttle::new(rate(limit)));
                let traffic = Traffic::start(&throttle, connections, piece);
                tokio::time::sleep(Duration::from_secs(1)).await;
                let (bytes, wakes) = traffic.measure().await;
                let told =
                    format!("{bytes} of {limit} bytes a second, {wakes} wake-ups: {connections} x {piece}");
                assert!(wakes <= 20 && (bytes.abs_diff(limit) <= piece || is_near(bytes, limit)), "{told}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_takes_effect_within_a_second() {
        let throttle = Arc::new(Throttle::new(rate(10_000)));
        let traffic = Traffic::start(&throttle, 4, 100);
        for limit in [10_000, 1_000_000, 500, 2_000_000, 100_000] {
            throttle.set(rate(limit));
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (bytes, _) = traffic.measure().await;
            assert!(is_near(bytes, limit), "{bytes} of {limit}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_hears_of_a_change() {
        for lifted in [None, rate(1 << 30)] {
            let throttle = Arc::new(Throttle::new(rate(1)));
            let slow = throttle.clone();
            let waiting = tokio::spawn(async move { slow.pass(1_000_000).await });
            tokio::time::sleep(Duration::from_secs(100)).await;
            assert!(!waiting.is_finished());
            let changed = Instant::now();
            throttle.set(lifted);
            waiting.await.unwrap();
            assert!(changed.elapsed() < Duration::from_secs(1), "{:?}", changed.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_from_before_a_lower_limit_is_in_nobodys_way() {
        let throttle = Arc::new(Throttle::new(rate(100 << 20)));
        let large = throttle.clone();
        let large = tokio::spawn(async move {
            for _ in 0..2 {
                large.pass(100 << 20).await;
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        throttle.set(rate(10_000));
        let start = Instant::now();
        throttle.pass(10_000).await;
        assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
        assert!(!large.is_finished());
        large.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn who_sets_a_limit_all_the_time_does_not_lift_it() {
        for limits in [[10_000, 10_000], [10_000, 10_001]] {
            let throttle = Arc::new(Throttle::new(rate(limits[0])));
            let traffic = Traffic::start(&throttle, 2, 500);
            for _ in 0..100 {
                for limit in limits {
                    throttle.set(rate(limit));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            let passed = *lock(&traffic.bytes);
            assert!(passed <= 105_000, "{limits:?}: {passed} bytes in 10 s");
            assert!(limits[0] != limits[1] || passed >= 95_000, "{passed}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_is_in_nobodys_way() {
        let throttle = Throttle::new(rate(100));
        let given_up = tokio::time::timeout(Duration::from_secs(5), throttle.pass(10_000)).await;
        assert!(given_up.is_err());
        let start = Instant::now();
        throttle.pass(100).await;
        assert!(start.elapsed() <= Duration::from_millis(1100), "{:?}", start.elapsed());
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
        // Two may come at once.
        throttle.pass(5).await;
        let passed = start.elapsed().as_secs_f64();
        assert!((3.0..3.1).contains(&passed), "{passed}");
    }
}
