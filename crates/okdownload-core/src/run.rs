//! What the modules of one run share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use okdownload_connection::ConnectionFactory;
use okdownload_monitor::Event;
use okdownload_strategy::{DownloadStrategy, RetryFacts, RetryVerdict};
use okdownload_types::{DownloadTask, Error, ErrorKind, ResourceVersion, Result};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::{Begun, Budget, Tried};
use crate::hub::Hub;
use crate::reader::Room;
use crate::sources::Sources;
use crate::sync::lock;
use crate::throttle::Throttle;

/// One run of a task.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) task: DownloadTask,
    pub(crate) connection: Arc<dyn ConnectionFactory>,
    pub(crate) hub: Arc<Hub>,
    /// Cancelled when the run is to stop, for whatever reason.
    pub(crate) stop: CancellationToken,
    /// The limits that bytes pass: the engine's and the task's.
    pub(crate) throttles: [Arc<Throttle>; 2],
    /// The room of whoever reads the bytes, in place of a file.
    pub(crate) room: Option<Arc<Room>>,
    /// Body bytes received.
    pub(crate) fetched: AtomicU64,
    /// Whether it started over: that is done once.
    pub(crate) restarted: AtomicBool,
    strategy: Mutex<Box<dyn DownloadStrategy>>,
    sources: Mutex<Sources>,
    random: Mutex<fastrand::Rng>,
    budget: Mutex<Budget>,
}

impl Run {
    pub(crate) fn new(
        task: DownloadTask,
        connection: Arc<dyn ConnectionFactory>,
        hub: Arc<Hub>,
        stop: CancellationToken,
        throttles: [Arc<Throttle>; 2],
        strategy: Box<dyn DownloadStrategy>,
        random: fastrand::Rng,
    ) -> Self {
        let sources = Mutex::new(Sources::new(&task));
        Self {
            task,
            connection,
            hub,
            stop,
            throttles,
            room: None,
            fetched: AtomicU64::new(0),
            restarted: AtomicBool::new(false),
            strategy: Mutex::new(strategy),
            sources,
            random: Mutex::new(random),
            budget: Mutex::default(),
        }
    }

    /// The run's own strategy.
    pub(crate) fn strategy(&self) -> MutexGuard<'_, Box<dyn DownloadStrategy>> {
        lock(&self.strategy)
    }

    /// The places that have the file.
    pub(crate) fn sources(&self) -> MutexGuard<'_, Sources> {
        lock(&self.sources)
    }

    /// Whether bytes of several responses may be put together without a strong validator.
    pub(crate) fn is_trusting(&self) -> bool {
        self.task.trust_length() || self.task.digest().is_some()
    }

    /// Whether a request may be made again, for other parts of the same resource: only GET (RFC 9110 §9.3.1, §14.2).
    pub(crate) fn is_repeatable(&self) -> bool {
        self.task.method() == http::Method::GET
    }

    /// Whether it goes to a place, where it can be found again. What goes to a reader does not.
    pub(crate) fn is_recorded(&self) -> bool {
        self.room.is_none()
    }

    /// Waits for `future`, but not after the run was told to stop.
    pub(crate) async fn or_stop<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(canceled()),
            output = future => Ok(output),
        }
    }

    /// Waits until this many bytes may pass all limits, and their reader has room. Returns whether they did before
    /// `halt`.
    pub(crate) async fn pass_limits(&self, bytes: u64, halt: &CancellationToken) -> bool {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
        if let Some(room) = &self.room
            && halt.run_until_cancelled(room.wait()).await.is_none()
        {
            return false;
        }
        for throttle in self.throttles.iter().filter(|throttle| throttle.is_on()) {
            if halt.run_until_cancelled(throttle.pass(bytes)).await.is_none() {
                return false;
            }
        }
        true
    }

    /// The most bytes that should pass the limits at once.
    pub(crate) fn piece(&self) -> usize {
        let least = self.throttles.iter().filter_map(|throttle| throttle.piece()).min();
        least.and_then(|piece| usize::try_from(piece).ok()).unwrap_or(usize::MAX)
    }

    /// So many bytes are there from an earlier run; having them is no progress.
    pub(crate) fn resume(&self, reached: u64) {
        lock(&self.budget).resume(reached);
    }

    /// The failures so far were those of a connection that is given up.
    pub(crate) fn forgive(&self) {
        lock(&self.budget).forgive();
    }

    /// A try begins, whose failure [`retry`](Self::retry) may be told.
    pub(crate) fn begin(&self) -> Begun {
        lock(&self.budget).begin()
    }

    /// After a failure: waits as long as the strategy says, or gives the error back if it gives up. `version` is what
    /// answers must fit.
    pub(crate) async fn retry(
        &self,
        block: usize,
        error: Error,
        tried: Tried,
        version: Option<&ResourceVersion>,
    ) -> Result<()> {
        let error = self.decisive(error, version);
        let failures = lock(&self.budget).fail(tried);
        let seed = lock(&self.random).u64(..);
        // A request with effects is repeated only if it certainly had none.
        let repeatable = self.task.method().is_safe() || error.kind() == ErrorKind::Connect;
        let facts = RetryFacts::new(&error, failures, self.task.retries(), seed);
        let verdict = self.strategy().retry(&facts);
        match verdict {
            RetryVerdict::After(wait) if repeatable => self.wait(block, wait, error).await,
            _ => Err(given_up(error, failures, self.sources().count())),
        }
    }

    /// What failed so far is of no account any more, and what was reached neither.
    pub(crate) fn forget_failures(&self) {
        lock(&self.budget).start_over();
    }

    async fn wait(&self, block: usize, wait: Duration, error: Error) -> Result<()> {
        tracing::debug!(block, ?wait, %error, "trying again");
        self.hub.publish(Event::Retry { block, wait, error });
        self.or_stop(tokio::time::sleep(wait)).await?;
        self.sources().new_round();
        Ok(())
    }
}

/// Says how often, and at how many places, it was tried, where that was more than once, and when to come again, where the
/// server said that.
fn given_up(error: Error, failures: u32, sources: usize) -> Error {
    let wait = error.retry_after().filter(|wait| error.is_temporary() && !wait.is_zero());
    let error = if failures > 1 { error.with_context("tries without progress", failures) } else { error };
    let error = if sources > 1 { error.with_context("sources", sources) } else { error };
    match wait {
        Some(wait) => error.with_advice(format!("start it again after {} s", wait.as_secs())),
        None => error,
    }
}

/// This long from now; a limit that is too long to be counted is as good as none.
pub(crate) fn from_now(duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    let now = Instant::now();
    now.checked_add(duration.min(FAR)).unwrap_or(now)
}

/// Sleeps until then; for ever without a moment.
pub(crate) async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The error of a run that was told to stop.
pub(crate) fn canceled() -> Error {
    Error::new(ErrorKind::Canceled, "the download was cancelled")
}
