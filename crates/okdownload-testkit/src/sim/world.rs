//! What all of a simulation shares: chance, time, the history, and death.

use std::fmt::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Faults;

/// The world of one simulation. Cheap to clone: clones are the same world.
#[derive(Debug, Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    /// Told when the process dies or a check fails.
    over: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    random: Rng,
    faults: Faults,
    history: Fingerprint,
    events: u64,
    end_at: Option<u64>,
    is_dead: bool,
    failure: Option<String>,
    trace: Option<Vec<String>>,
    /// Virtual time at which the living process began, and its clock then.
    begun: (Duration, Option<Instant>),
}

/// A running hash of all that has happened (FNV-1a).
#[derive(Debug, Clone, Copy)]
struct Fingerprint(u64);

impl Write for Fingerprint {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

/// A moment that passes at once for the living, and never for the dead.
#[derive(Debug)]
#[must_use = "a dead process must not go on"]
pub(super) struct Moment(bool);

impl Future for Moment {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl World {
    /// A world whose chance comes out of this seed.
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: Rng::with_seed(seed),
            faults: Faults::default(),
            history: Fingerprint(0xcbf2_9ce4_8422_2325),
            events: 0,
            end_at: None,
            is_dead: false,
            failure: None,
            trace: None,
            begun: (Duration::ZERO, None),
        };
        Self { state: Arc::new(Mutex::new(state)), over: Arc::new(Notify::new()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the life of a process, within its runtime: these faults happen in it, and it dies at the event of this
    /// number, counted from now.
    pub fn begin(&self, faults: Faults, end_at: Option<u64>) {
        let mut state = self.state();
        state.faults = faults;
        state.end_at = end_at.map(|end| state.events + end);
        state.is_dead = false;
        state.begun.1 = Some(Instant::now());
    }

    /// Ends the life of a process, within its runtime. Nothing that it began comes to an end any more.
    pub fn end(&self) {
        let mut state = self.state();
        state.begun = (state.now(), None);
        state.is_dead = true;
    }

    /// Waits until the process dies, or a check fails.
    pub async fn over(&self) {
        loop {
            let over = self.over.notified();
            if self.is_over() {
                return;
            }
            over.await;
        }
    }

    /// Whether the process is dead, or a check has failed.
    pub fn is_over(&self) -> bool {
        let state = self.state();
        state.is_dead || state.failure.is_some()
    }

    /// Whether the process is dead.
    pub fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// Says that something is wrong. Only the first time counts.
    pub fn fail(&self, what: impl FnOnce() -> String) {
        let mut state = self.state();
        if state.failure.is_none() {
            let text = what();
            state.note(format_args!("WRONG: {text}"));
            state.failure = Some(text);
        }
        self.over.notify_waiters();
    }

    /// What was found wrong.
    pub fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Writes the history down from now on, to be read by [`trace`](World::trace).
    pub fn keep_trace(&self) {
        self.state().trace = Some(Vec::new());
    }

    /// The history, a line for each event.
    pub fn trace(&self) -> Vec<String> {
        self.state().trace.clone().unwrap_or_default()
    }

    /// A hash of the whole history: every call with its arguments and its time.
    pub fn fingerprint(&self) -> u64 {
        self.state().history.0
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.state().events
    }

    /// The virtual time since the simulation began.
    pub fn now(&self) -> Duration {
        self.state().now()
    }

    /// The faults that happen now.
    pub fn faults(&self) -> Faults {
        self.state().faults
    }

    /// Something happens. Await what is returned before going on: the process may die just now.
    pub(super) fn happens(&self, what: fmt::Arguments<'_>) -> Moment {
        let mut state = self.state();
        if state.is_dead {
            return Moment(false);
        }
        state.events += 1;
        state.note(what);
        if state.end_at.is_some_and(|end| state.events >= end) {
            state.is_dead = true;
            self.over.notify_waiters();
        }
        Moment(!state.is_dead)
    }

    /// Adds to the history what is no point to die at.
    pub fn note(&self, what: fmt::Arguments<'_>) {
        self.state().note(what);
    }

    /// A call takes its time: none, or up to this long.
    pub(super) async fn takes(&self, longest: Duration) {
        let micros = longest.as_micros() as u64;
        let time = if self.below(4) == 0 { 0 } else { self.below(micros + 1) };
        if time > 0 {
            tokio::time::sleep(Duration::from_micros(time)).await;
        }
        Moment(!self.is_dead()).await;
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&self, limit: u64) -> u64 {
        self.state().random.u64(0..limit)
    }

    /// Whether something happens that does so this often in a thousand times.
    pub fn chance(&self, per_mille: u32) -> bool {
        per_mille > 0 && self.below(1000) < u64::from(per_mille)
    }
}

impl State {
    fn now(&self) -> Duration {
        let (before, begun) = self.begun;
        before + begun.map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    fn note(&mut self, what: fmt::Arguments<'_>) {
        let now = self.now().as_micros();
        // Writing to a number can't fail.
        let _ = writeln!(self.history, "{now} {what}");
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>6} {:>12.3} ms  {what}", self.events, now as f64 / 1000.0));
        }
    }
}
