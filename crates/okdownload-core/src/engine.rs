//! The engine: an `OkDownload`, and what all its clones share.

use std::any::Any;
use std::num::{NonZeroU64, NonZeroUsize};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use okdownload_connection::ConnectionFactory;
use okdownload_monitor::{DownloadListener, Event, Monitor};
use okdownload_output::OutputStreamFactory;
use okdownload_store::DownloadStore;
use okdownload_strategy::{DownloadStrategy, ProcessFileStrategy};
use okdownload_types::{DownloadTask, EndCause, Error, ErrorKind, Result, TaskEnd, TaskId};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::builder::OkDownloadBuilder;
use crate::call::{Call, Env, Figures};
use crate::callbacks::{CallbackExecutor, MonitorListener, deliver};
use crate::dispatcher::{Admission, Canceled, Dispatcher, Refusal, TaskState, same_task_busy};
use crate::entry::Entry;
use crate::handle::TaskHandle;
use crate::order::Recorder;
use crate::request_builder::TaskRequest;
use crate::run::{Run, from_now, sleep_until};
use crate::running::{Following, Running, runtime_is_gone};
use crate::runtime::Home;
use crate::space::Space;
use crate::sync::lock;
use crate::throttle::Throttle;
use crate::turns::Turn;

/// A download engine. Cheap to clone: clones share everything. A program may have as many engines as it likes.
///
/// Dropping the last clone neither stops running tasks nor waits for them; [`shutdown`](OkDownload::shutdown) does.
#[derive(Debug, Clone)]
pub struct OkDownload {
    engine: Arc<Engine>,
}

/// The replaceable parts of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) connection: Arc<dyn ConnectionFactory>,
    pub(crate) output: Arc<dyn OutputStreamFactory>,
    pub(crate) store: Arc<dyn DownloadStore>,
    pub(crate) strategy: Box<dyn DownloadStrategy>,
    pub(crate) process: Box<dyn ProcessFileStrategy>,
    pub(crate) executor: Arc<dyn CallbackExecutor>,
}

/// Those who listen to one task.
type Listeners = Vec<Arc<dyn DownloadListener>>;

#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) parts: Parts,
    pub(crate) monitor: Mutex<Option<Arc<dyn Monitor>>>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) home: Home,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) sync_interval: Duration,
    /// What of the free space is promised to those who run.
    pub(crate) space: Arc<Space>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) random: Mutex<fastrand::Rng>,
    /// Everything that was spawned and must be waited for.
    pub(crate) spawned: TaskTracker,
    pub(crate) ticking: Mutex<Option<AbortHandle>>,
    pub(crate) settings: OkDownloadBuilder,
}

impl OkDownload {
    pub(crate) fn from_engine(engine: Engine) -> Self {
        Self::sharing(Arc::new(engine))
    }

    pub(crate) fn sharing(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Starts to put an engine together.
    pub fn builder() -> OkDownloadBuilder {
        OkDownloadBuilder::new()
    }

    /// A builder with the parts and settings that this engine was built with, and its present monitor, to replace some
    /// of them. Limits that were set since are not among them. The new engine shares the parts, but no task.
    pub fn to_builder(&self) -> OkDownloadBuilder {
        self.engine.settings.clone().with_parts(self.engine.parts.clone(), self.monitor())
    }

    /// A task on its way in, with parts of its own.
    pub fn task(&self, task: DownloadTask) -> TaskRequest {
        TaskRequest::new(self.engine.clone(), task)
    }

    /// Lets a task wait for its turn.
    pub fn enqueue(&self, task: DownloadTask, listener: impl DownloadListener) -> TaskHandle {
        self.task(task).listener(listener).enqueue()
    }

    /// Runs a task now, whatever else runs, and waits for its end. Dropping the future does not cancel the task.
    pub async fn execute(&self, task: DownloadTask, listener: impl DownloadListener) -> TaskEnd {
        self.task(task).listener(listener).execute().await
    }

    /// Downloads, and waits for the end: the short way.
    ///
    /// # Errors
    /// Whatever kept it from completing.
    pub async fn download(&self, task: DownloadTask) -> Result<TaskEnd> {
        self.task(task).enqueue().await.into_result()
    }

    /// [`download`](OkDownload::download) for synchronous programs: blocks this thread.
    ///
    /// # Errors
    /// Whatever kept it from completing, and those of [`block_on`](OkDownload::block_on).
    pub fn download_blocking(&self, task: DownloadTask) -> Result<TaskEnd> {
        self.block_on(self.download(task))
    }

    /// Blocks this thread until the work is done: so a synchronous program uses what has no blocking method of its own.
    /// The work runs on this thread, and may use tokio's timers and sockets.
    ///
    /// ```
    /// # use okdownload_core::OkDownload;
    /// # use okdownload_types::Result;
    /// fn unfinished(ok: &OkDownload) -> Result<usize> {
    ///     let infos = ok.block_on(ok.unfinished())?;
    ///     Ok(infos.len())
    /// }
    /// ```
    ///
    /// In a task of a multi-threaded tokio runtime it blocks that task, and other threads take over the rest, as with
    /// [`block_in_place`](tokio::task::block_in_place).
    ///
    /// # Errors
    /// Those of the work; if the engine's runtime can't be started. [`Misuse`](ErrorKind::Misuse) in a tokio runtime of
    /// one thread (`#[tokio::test]`, and `#[tokio::main(flavor = "current_thread")]`), all of which would stand still:
    /// there, await the work.
    ///
    /// # Panics
    /// In a `LocalSet` of a multi-threaded runtime, and within [`unconstrained`](tokio::task::coop::unconstrained) in one
    /// of one thread: tokio's own panics.
    pub fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.engine.home.block_on(work)?
    }

    /// Lets tasks wait for their turns, all at one moment: none starts before a later one of higher priority. The
    /// handles are in the order of the tasks. Of those that are refused, same tasks are told before busy files.
    pub fn enqueue_all(
        &self,
        tasks: impl IntoIterator<Item = DownloadTask>,
        listener: impl DownloadListener,
    ) -> Vec<TaskHandle> {
        let listener = Arc::new(listener);
        self.enqueue_requests(tasks.into_iter().map(|task| self.task(task).listener(listener.clone())))
    }

    /// [`enqueue_all`](OkDownload::enqueue_all) for requests of this engine; none of them joins.
    pub(crate) fn enqueue_requests(
        &self,
        requests: impl IntoIterator<Item = TaskRequest>,
    ) -> Vec<TaskHandle> {
        let entries: Vec<_> = requests.into_iter().map(TaskRequest::into_entry).collect();
        self.engine.admit(&entries, Admission::Waiting, false);
        entries.into_iter().map(|entry| TaskHandle::new(self.engine.clone(), entry)).collect()
    }

    /// Ends the task of this id. Returns whether there was one that had not been told to end before.
    pub fn cancel(&self, id: TaskId) -> bool {
        self.engine.cancel(|dispatcher| dispatcher.cancel(id)) > 0
    }

    /// Ends these tasks, all at one moment: none of them starts because another one stops. Returns how many had not
    /// ended or been told to end before. Handles of another engine are passed over.
    pub fn cancel_each<'a>(&self, handles: impl IntoIterator<Item = &'a TaskHandle>) -> usize {
        // What is the caller's code must not run under the dispatcher's lock.
        let entries: Vec<_> = handles.into_iter().map(TaskHandle::entry).collect();
        self.engine.cancel(|dispatcher| dispatcher.cancel_each(entries))
    }

    /// Ends all tasks, at one moment. Returns how many.
    pub fn cancel_all(&self) -> usize {
        self.engine.cancel(Dispatcher::cancel_all)
    }

    /// Where a task is; `None` if this engine has none of this id.
    pub fn state(&self, id: TaskId) -> Option<TaskState> {
        self.engine.dispatcher.task_state(id)
    }

    /// Sets how many tasks may run at a time. Running ones go on.
    pub fn set_max_parallel_running_count(&self, count: NonZeroUsize) {
        self.engine.dispatcher.set_limit(count);
        self.engine.pump();
    }

    /// Sets how many tasks of one host (and port) may run at a time; `None` lifts the limit. Running ones go on. Mirrors
    /// do not count: see [`max_running_per_host`](crate::OkDownloadBuilder::max_running_per_host).
    pub fn set_max_running_per_host(&self, count: Option<NonZeroUsize>) {
        self.engine.dispatcher.set_per_host(count);
        self.engine.pump();
    }

    /// Sets the most bytes a second of all tasks together, from now on; `None` lifts the limit.
    pub fn set_rate_limit(&self, bytes_per_second: Option<NonZeroU64>) {
        self.engine.throttle.set(bytes_per_second);
    }

    /// Sets who hears of every task, in place of whoever did; `None` is nobody. Each task is told to one monitor, whole:
    /// to the one that there is when it begins, or ends without having begun. So those that run already go on to be told
    /// to the old one.
    pub fn set_monitor(&self, monitor: Option<Arc<dyn Monitor>>) {
        // The old one is dropped when the lock is free again: that may run the program's code.
        let _old = std::mem::replace(&mut *lock(&self.engine.monitor), monitor);
    }

    /// Who hears of every task that begins from now on.
    pub fn monitor(&self) -> Option<Arc<dyn Monitor>> {
        self.engine.monitor()
    }

    /// Works for this engine; its shutdown waits for the end.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.engine.spawn(work);
    }

    pub(crate) fn connection(&self) -> Arc<dyn ConnectionFactory> {
        self.engine.parts.connection.clone()
    }

    /// Where this engine's futures run.
    pub(crate) fn handle(&self) -> Result<tokio::runtime::Handle> {
        self.engine.home.handle()
    }

    pub(crate) fn output(&self) -> &dyn OutputStreamFactory {
        self.engine.parts.output.as_ref()
    }

    /// Waits until what was deferred about a task is told. In a task of its own: who waits may stop to, and what is on
    /// its way must not be lost with him.
    pub(crate) async fn told(&self, id: TaskId) -> Result<()> {
        let recorder = self.engine.recorder.clone();
        let telling = self.engine.home.handle()?.spawn(async move { recorder.told(id).await });
        telling.await.map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the store could not be told").with_source(error)
        })?
    }

    pub(crate) fn executor(&self) -> &dyn CallbackExecutor {
        self.engine.parts.executor.as_ref()
    }

    /// The store, as its readers should see it: with what is not written yet.
    pub fn store(&self) -> &dyn DownloadStore {
        self.engine.recorder.store()
    }

    /// Ends all tasks, records what they have, calls their listeners for the last time, and closes the store. The
    /// engine takes no task any more.
    ///
    /// It waits until no listener is being called any more: a callback that waits for it waits for itself, for ever.
    ///
    /// # Errors
    /// If not everything could be recorded.
    pub async fn shutdown(&self) -> Result<()> {
        self.engine.dispatcher.close();
        self.cancel_all();
        self.engine.spawned.close();
        self.engine.spawned.wait().await;
        let ticking = lock(&self.engine.ticking).take();
        self.engine.recorder.between_batches(|| ticking.iter().for_each(AbortHandle::abort)).await;
        let recorded = self.engine.recorder.record().await;
        let closed = self.engine.recorder.store().close().await;
        recorded.and(closed)
    }

    /// [`shutdown`](OkDownload::shutdown) for synchronous programs: blocks this thread. Not within a callback, which it
    /// would wait for.
    ///
    /// # Errors
    /// If not everything could be recorded, and those of [`block_on`](OkDownload::block_on).
    pub fn shutdown_blocking(&self) -> Result<()> {
        self.block_on(self.shutdown())
    }
}

impl Engine {
    fn monitor(&self) -> Option<Arc<dyn Monitor>> {
        lock(&self.monitor).clone()
    }

    /// Begins to call those who listen, if that has not begun yet: before the first event is published. They are called
    /// from their turn on, when all of an equal task that leaves is told. They are given back, to be dropped under no
    /// lock: where the runtime is gone nobody else holds them any more, and to drop them runs the program's code.
    fn listen(&self, entry: &Entry, monitor: Option<Arc<dyn Monitor>>, turn: Turn) -> Listeners {
        let mut listening = lock(&entry.listening);
        if std::mem::replace(&mut listening.has_begun, true) {
            return Vec::new();
        }
        let monitor = monitor.map(|monitor| Arc::new(MonitorListener(monitor)) as Arc<dyn DownloadListener>);
        let listeners: Listeners =
            monitor.into_iter().chain(std::mem::take(&mut listening.waiting)).collect();
        let deliveries = listeners.iter().filter_map(|listener| {
            let (executor, events) = (self.parts.executor.clone(), entry.hub().subscribe());
            let delivery = deliver(executor, entry.task.clone(), listener.clone(), events);
            let mut turn = turn.clone();
            self.spawn(async move {
                turn.begins().await;
                delivery.await;
            })
        });
        listening.telling.extend(deliveries);
        listeners
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
        match self.home.handle() {
            Ok(handle) => Some(self.spawned.spawn_on(future, &handle)),
            Err(error) => {
                tracing::error!(%error);
                None
            }
        }
    }

    /// Tells a task's end. The engine lives until its listeners have heard it, even if nobody else holds it.
    pub(crate) fn end(self: &Arc<Self>, entry: &Entry, end: TaskEnd) {
        // Of one that was never taken in. An equal one may be here, whose end nobody knows: it has no turn.
        drop(self.listen(entry, self.monitor(), Turn::default()));
        entry.hub().finish(end);
        let telling = {
            let mut listening = lock(&entry.listening);
            listening.has_ended = true;
            std::mem::take(&mut listening.telling)
        };
        let id = entry.task.id();
        if telling.is_empty() {
            return self.dispatcher.told(id);
        }
        let engine = self.clone();
        self.spawn(async move {
            for telling in telling {
                if let Err(error) = telling.await {
                    tracing::error!(%error, "a listener missed its end");
                }
            }
            engine.dispatcher.told(id);
        });
    }

    /// Tells a task's end in its turn.
    fn end_in_turn(self: &Arc<Self>, entry: &Entry, end: TaskEnd, turn: Turn) {
        drop(self.listen(entry, self.monitor(), turn));
        self.end(entry, end);
    }

    /// Takes tasks in. Those that can't even wait end here. With `joins`, those that are here already don't: they share
    /// what is here, which is given back beside them.
    pub(crate) fn admit(
        self: &Arc<Self>,
        entries: &[Arc<Entry>],
        how: Admission,
        joins: bool,
    ) -> Vec<(Arc<Entry>, Arc<Entry>)> {
        match self.home.handle() {
            Ok(handle) => self.tick_on(&handle),
            Err(error) => {
                entries.iter().for_each(|entry| self.end(entry, TaskEnd::failed(error.clone())));
                return Vec::new();
            }
        }
        let _held = self.spawned.token();
        let (mut joined, mut later) = (Vec::new(), Vec::new());
        for (entry, refusal) in self.dispatcher.admit(entries, how) {
            match refusal {
                Refusal::SameTask(there) if joins => {
                    self.join(&entry, &there);
                    joined.push((entry, there));
                }
                Refusal::SameTask(_) => self.end(&entry, same_task_busy(&entry.task)),
                Refusal::Ends(end, turn) => later.push((entry, end, turn)),
            }
        }
        later.into_iter().for_each(|(entry, end, turn)| self.end_in_turn(&entry, end, turn));
        self.pump();
        joined
    }

    /// Hands all that happens to a task on to those who listen to another one. The monitor has heard it already.
    fn join(self: &Arc<Self>, entry: &Arc<Entry>, there: &Arc<Entry>) {
        drop(self.listen(entry, None, Turn::default()));
        let following = Arc::new(Following::new(self, entry.clone(), there));
        let follower = following.clone();
        let mut listening = lock(&there.listening);
        let mut events = there.hub().subscribe_midway();
        // When the task ends, the engine lives until this is done; if it has ended already, nobody looks after that any
        // more.
        let ended = listening.has_ended.then(|| self.clone());
        let telling = self.spawn(async move {
            let _ended = ended;
            while let Some(event) = events.next().await {
                follower.hears(event);
            }
            follower.over();
        });
        listening.telling.extend(telling);
        drop(listening);
        // Only now: where the runtime is gone, this tells the end, under no lock.
        drop(following);
    }

    /// Lets the recorder tick, from the first task on.
    fn tick_on(&self, handle: &tokio::runtime::Handle) {
        let mut ticking = lock(&self.ticking);
        if ticking.is_none() {
            let recorder = self.recorder.clone();
            *ticking = Some(handle.spawn(async move { recorder.run().await }).abort_handle());
        }
    }

    /// Starts all that may run.
    pub(crate) fn pump(self: &Arc<Self>) {
        // Who shuts the engine down must not miss what is about to be spawned.
        let _held = self.spawned.token();
        while let Some((entry, stop, turn)) = self.dispatcher.next() {
            drop(self.listen(&entry, self.monitor(), turn));
            let running = Running::new(self.clone(), entry.clone());
            self.spawn(self.clone().drive(entry, stop, running));
        }
    }

    /// Lets tasks end. Returns how many they are.
    pub(crate) fn cancel(self: &Arc<Self>, cancel: impl FnOnce(&Dispatcher) -> Canceled) -> usize {
        let _held = self.spawned.token();
        let canceled = cancel(&self.dispatcher);
        let count = canceled.count();
        for (entry, turn) in canceled.end_now {
            self.end_in_turn(&entry, TaskEnd::new(EndCause::Canceled), turn);
        }
        count
    }

    pub(crate) fn pause(&self, entry: &Arc<Entry>) {
        let pausing = lock(&entry.pausing);
        let Some(turn) = self.dispatcher.pause(entry) else { return };
        let listeners = self.listen(entry, self.monitor(), turn);
        let told = entry.hub().push(|| [Event::Paused]);
        drop(pausing);
        drop(listeners);
        told.wake();
    }

    pub(crate) fn resume(self: &Arc<Self>, entry: &Arc<Entry>) {
        self.dispatcher.resume(entry);
        self.pump();
    }

    /// One run of a task, from its turn to what comes after it.
    async fn drive(self: Arc<Self>, entry: Arc<Entry>, stop: CancellationToken, mut running: Running) {
        let id = entry.task.id();
        // The pause before this run is told first.
        drop(lock(&entry.pausing));
        let span = tracing::info_span!("task", %id);
        let run = AssertUnwindSafe(self.run(&entry, stop)).catch_unwind().instrument(span).await;
        let end = run.unwrap_or_else(|panic| {
            self.recorder.forget(id);
            TaskEnd::failed(panicked(panic.as_ref()))
        });
        let ended = self.finished(&entry, end.cause == EndCause::Canceled);
        // From here on the end is told in any case, also if a store panics.
        running.over(ended.then_some(end));
        // The next one need not wait for this one's end to be told.
        self.pump();
        if let Err(error) = self.recorder.told(id).await {
            entry.hub().warn(format!("the end of a download could not be recorded: {error}"));
        }
    }

    /// A run is over. Returns whether the task ends with it; else it is told that it has paused.
    fn finished(&self, entry: &Entry, stopped: bool) -> bool {
        let pausing = lock(&entry.pausing);
        let ended = self.dispatcher.finished(entry.task.id(), stopped);
        if !ended {
            let told = entry.hub().push(|| [Event::Paused]);
            drop(pausing);
            told.wake();
        }
        ended
    }

    /// A run was dropped by its runtime, which was shut down. Nothing runs here any more, so all tasks end.
    pub(crate) fn abandoned(self: &Arc<Self>, entry: &Entry) {
        self.dispatcher.close();
        self.recorder.forget(entry.task.id());
        self.dispatcher.finished(entry.task.id(), false);
        self.end(entry, runtime_is_gone());
        for (entry, turn) in self.dispatcher.cancel_all().end_now {
            self.end_in_turn(&entry, runtime_is_gone(), turn);
        }
    }

    async fn run(&self, entry: &Entry, stop: CancellationToken) -> TaskEnd {
        let started = Instant::now();
        let parts = &entry.parts;
        let (strategy, process) = (parts.strategy.as_ref(), parts.process.as_ref());
        let mut run = Run::new(
            entry.task.clone(),
            parts.connection.clone().unwrap_or_else(|| self.parts.connection.clone()),
            entry.hub().clone(),
            stop,
            [self.throttle.clone(), entry.throttle().clone()],
            strategy.unwrap_or(&self.parts.strategy).clone(),
            lock(&self.random).fork(),
        );
        run.room = entry.room.clone();
        let env = Env {
            output: parts.output.clone().unwrap_or_else(|| self.parts.output.clone()),
            recorder: self.recorder.clone(),
            sync_interval: self.sync_interval,
            space: self.space.clone(),
        };
        let claim = |place: &_| self.dispatcher.claim(entry.task.id(), place);
        let process = process.unwrap_or(&self.parts.process).clone();
        let mut call =
            Call { env: &env, run: &run, process, claim: &claim, figures: Figures::default(), kept: None };
        let result = live_until(&mut call).await;
        let mut end = result.map_or_else(TaskEnd::failed, |()| TaskEnd::new(EndCause::Completed));
        end.location = call.figures.location;
        end.length = call.figures.length;
        end.resumed = call.figures.resumed;
        end.fetched = run.fetched.load(Ordering::Relaxed);
        end.elapsed = started.elapsed();
        end
    }
}

/// What a part of the engine said when it panicked.
fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why");
    Error::new(ErrorKind::Unexpected, "a part of the engine panicked")
        .with_source(std::io::Error::other(text.to_owned()))
        .with_advice(
            "look at the part or the runtime that it speaks of; if it is none of yours, please report it",
        )
}

/// The call's life, within the task's total time.
async fn live_until(call: &mut Call<'_>) -> Result<()> {
    let run = call.run;
    let total = run.task.timeouts().total;
    let life = call.live();
    tokio::pin!(life);
    tokio::select! {
        biased;
        result = &mut life => return result,
        () = sleep_until(total.map(from_now)) => {}
    }
    // It is told to stop, not dropped: what is there is to be recorded and closed.
    run.stop.cancel();
    match life.await {
        Err(error) if error.kind() == ErrorKind::Canceled => {
            Err(Error::new(ErrorKind::Timeout, "the download took too long")
                .with_context("limit", format!("{:?}", total.unwrap_or_default()))
                .with_advice("start it again to go on from what is there"))
        }
        result => result,
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(ticking) = self.ticking.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            ticking.abort();
        }
    }
}
