//! What a program holds of a task that it has given to an engine.

use std::future::IntoFuture;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use okdownload_types::{DownloadTask, Error, ErrorKind, Result, TaskEnd, TaskId};
use tokio::sync::watch;

use crate::dispatcher::TaskState;
use crate::engine::{Engine, OkDownload};
use crate::entry::Entry;
use crate::hub::Events;
use crate::progress::Progress;
use crate::request_builder::TaskRequest;

/// A task within an engine. Await it to wait for its end. Dropping it changes nothing: the task goes on.
#[derive(Debug, Clone)]
#[must_use = "a task goes on without its handle, but nobody hears of its end"]
pub struct TaskHandle {
    engine: Arc<Engine>,
    entry: Arc<Entry>,
}

impl TaskHandle {
    pub(crate) fn new(engine: Arc<Engine>, entry: Arc<Entry>) -> Self {
        Self { engine, entry }
    }

    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.entry.task.id()
    }

    /// The task.
    pub fn task(&self) -> &DownloadTask {
        &self.entry.task
    }

    /// Where the task is; `None` once it has ended.
    pub fn state(&self) -> Option<TaskState> {
        self.engine.dispatcher.entry_state(&self.entry)
    }

    /// Waits for the end. May be called as often as one likes; cancelling the wait changes nothing.
    pub async fn wait(&self) -> TaskEnd {
        (*self.entry.hub().ended().await).clone()
    }

    /// [`wait`](TaskHandle::wait) for synchronous programs: blocks this thread.
    ///
    /// # Errors
    /// Not the task's, which are in its end: those of [`OkDownload::block_on`].
    pub fn wait_blocking(&self) -> Result<TaskEnd> {
        self.block_on(self.wait())
    }

    /// Waits for the end for so long at most, blocking this thread: `None` if it has not come by then. So a synchronous
    /// program shows the progress meanwhile.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use okdownload_core::TaskHandle;
    /// # use okdownload_types::{Result, TaskEnd};
    /// fn show_until_the_end(handle: &TaskHandle) -> Result<TaskEnd> {
    ///     loop {
    ///         if let Some(end) = handle.wait_blocking_timeout(Duration::from_millis(100))? {
    ///             return Ok(end);
    ///         }
    ///         println!("{} bytes", handle.progress().borrow().written);
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Not the task's, which are in its end: those of [`OkDownload::block_on`].
    ///
    /// # Panics
    /// If the task is paused, and the runtime that the engine was given has been shut down: it keeps the time.
    pub fn wait_blocking_timeout(&self, timeout: Duration) -> Result<Option<TaskEnd>> {
        self.block_on(async { tokio::time::timeout(timeout, self.wait()).await.ok() })
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        self.engine.home.block_on(work)
    }

    /// Whether the task has ended.
    pub fn is_ended(&self) -> bool {
        self.entry.is_ended()
    }

    /// Ends the task. What is there is recorded and kept; await the handle to know that it is. Does nothing to a task
    /// that has ended.
    pub fn cancel(&self) {
        self.engine.cancel(|dispatcher| dispatcher.cancel_each([&self.entry]));
    }

    /// Stops the task so that [`resume`](TaskHandle::resume) goes on with it; it has no end meanwhile, and holds
    /// neither a connection nor a file.
    pub fn pause(&self) {
        self.engine.pause(&self.entry);
    }

    /// Ends the task, and hands what is there over to another one: see [`OkDownload::retarget`]. Returns the request for
    /// the rest, not enqueued yet.
    ///
    /// # Errors
    /// Those of [`OkDownload::retarget`], but that it need not have left anything; if the task has completed.
    pub async fn retarget(&self, task: DownloadTask) -> Result<TaskRequest> {
        self.cancel();
        if self.wait().await.is_completed() {
            return Err(Error::misuse("the download has completed", "there is nothing left to fetch"));
        }
        let ok = OkDownload::sharing(self.engine.clone());
        match ok.retarget(self.id(), task.clone()).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(ok.task(task)),
            retargeted => retargeted,
        }
    }

    /// Lets a paused task wait for its turn again.
    pub fn resume(&self) {
        self.engine.resume(&self.entry);
    }

    /// Gives the task another priority. A waiting one takes its new place in the engine's queue; the order of a
    /// [`DownloadSerialQueue`](crate::DownloadSerialQueue) stays as it was.
    pub fn set_priority(&self, priority: i32) {
        self.engine.dispatcher.set_priority(&self.entry, priority);
    }

    /// Sets the most bytes a second, from now on; `None` lifts the limit.
    pub fn set_rate_limit(&self, bytes_per_second: Option<NonZeroU64>) {
        self.entry.throttle().set(bytes_per_second);
    }

    /// All events from now on, as a stream that ends after `TaskEnd`. To miss none, ask for it before the task is
    /// enqueued: [`TaskRequest::events`](crate::TaskRequest::events).
    pub fn events(&self) -> Events {
        self.entry.hub().subscribe()
    }

    /// How far the task is: changes as bytes are recorded, and ends with the task: `changed` fails from then on, and the
    /// last value stays. A task that was complete before it began shows nothing here; its end has the length.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.entry.hub().progress()
    }
}

impl IntoFuture for TaskHandle {
    type Output = TaskEnd;
    type IntoFuture = Pin<Box<dyn Future<Output = TaskEnd> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.wait().await })
    }
}
