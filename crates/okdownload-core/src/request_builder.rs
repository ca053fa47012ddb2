//! A task on its way into an engine, with what is only its own.

use std::any::TypeId;
use std::sync::Arc;

use okdownload_connection::ConnectionFactory;
use okdownload_monitor::{DownloadListener, NoListener};
use okdownload_output::OutputStreamFactory;
use okdownload_strategy::{DownloadStrategy, ProcessFileStrategy};
use okdownload_types::{DownloadTask, Result, Target, TaskEnd};

use crate::dispatcher::Admission;
use crate::engine::Engine;
use crate::entry::{Entry, TaskParts};
use crate::handle::TaskHandle;
use crate::hub::Events;
use crate::reader::{self, DownloadReader};
use crate::sync::lock;

/// A task that is about to be enqueued or executed. Nothing happens before that.
///
/// What is given to it beside the task (listeners, strategies, layers) is not recorded: who
/// [restarts](crate::OkDownload::restart) what an earlier run of the program has left gives it again.
#[derive(Debug)]
#[must_use = "nothing happens until it is enqueued or executed"]
pub struct TaskRequest {
    engine: Arc<Engine>,
    entry: Entry,
    joins: bool,
}

impl TaskRequest {
    pub(crate) fn new(engine: Arc<Engine>, task: DownloadTask) -> Self {
        Self { engine, entry: Entry::with_parts(task, TaskParts::default()), joins: false }
    }

    /// Adds a listener.
    pub fn listener<L: DownloadListener>(self, listener: L) -> Self {
        // Nobody need be woken to hear nothing.
        if [TypeId::of::<NoListener>(), TypeId::of::<Arc<NoListener>>()].contains(&TypeId::of::<L>()) {
            return self;
        }
        {
            let listeners = &mut lock(&self.entry.listening).waiting;
            // Few tasks have more than one.
            listeners.reserve_exact(1);
            listeners.push(Arc::new(listener));
        }
        self
    }

    /// If the same task is waiting, running or paused already, shares it rather than be refused: the handle is that
    /// task's, and listeners and events get all that happens from then on. If it has begun already, they are told first
    /// how far it is ([`Event::Recovered`](okdownload_monitor::Event::Recovered)). The task's own options and parts stay
    /// as they are; those of this request are not looked at.
    pub fn join(mut self) -> Self {
        self.joins = true;
        self
    }

    /// All events of the task, from its first on.
    pub fn events(&self) -> Events {
        self.entry.hub().subscribe()
    }

    /// A strategy for this task alone.
    pub fn strategy(mut self, strategy: impl DownloadStrategy) -> Self {
        self.entry.parts.strategy = Some(Box::new(strategy));
        self
    }

    /// A process-file strategy for this task alone.
    pub fn process_file_strategy(mut self, strategy: impl ProcessFileStrategy) -> Self {
        self.entry.parts.process = Some(Box::new(strategy));
        self
    }

    /// Wraps the connections of this task: the layer added last is the outermost.
    pub fn layer<F: ConnectionFactory>(
        mut self,
        layer: impl FnOnce(Arc<dyn ConnectionFactory>) -> F,
    ) -> Self {
        let inner =
            self.entry.parts.connection.take().unwrap_or_else(|| self.engine.parts.connection.clone());
        self.entry.parts.connection = Some(Arc::new(layer(inner)));
        self
    }

    /// Wraps the output of this task: the layer added last is the outermost.
    pub fn output_layer<F: OutputStreamFactory>(
        mut self,
        layer: impl FnOnce(Arc<dyn OutputStreamFactory>) -> F,
    ) -> Self {
        let inner = self.entry.parts.output.take().unwrap_or_else(|| self.engine.parts.output.clone());
        self.entry.parts.output = Some(Arc::new(layer(inner)));
        self
    }

    pub(crate) fn without_joining(mut self) -> Self {
        self.joins = false;
        self
    }

    /// Lets the task wait for its turn. If it can't even do that (the same task or file is busy, the engine was shut
    /// down), it ends at once, and the handle tells how.
    pub fn enqueue(self) -> TaskHandle {
        self.admit(Admission::Waiting)
    }

    /// Lets the task wait until its handle is [resumed](TaskHandle::resume). Else like
    /// [`enqueue`](TaskRequest::enqueue): it is there, and no other task may take its file.
    pub fn enqueue_paused(self) -> TaskHandle {
        self.admit(Admission::Paused)
    }

    /// Runs the task now, whatever else runs: it does not count against the limits. Dropping the future does not cancel
    /// the task.
    ///
    /// A request that [joins](TaskRequest::join) starts nothing where the task is here already: it waits for that one's
    /// end. If that one is paused, this is until somebody resumes or cancels it.
    pub async fn execute(self) -> TaskEnd {
        self.admit(Admission::AtOnce).wait().await
    }

    fn admit(self, how: Admission) -> TaskHandle {
        let entry = Arc::new(self.entry);
        let joined = self.engine.admit(std::slice::from_ref(&entry), how, self.joins);
        TaskHandle::new(self.engine, joined.into_iter().next().map_or(entry, |(_, there)| there))
    }

    /// Ends without having been taken in by anybody.
    pub(crate) fn refuse(self, end: TaskEnd) -> TaskHandle {
        let entry = Arc::new(self.entry);
        self.engine.end(&entry, end);
        TaskHandle::new(self.engine, entry)
    }

    pub(crate) fn into_entry(self) -> Arc<Entry> {
        Arc::new(self.entry)
    }

    /// Enqueues the task with its bytes for whoever reads them, and no file: the target is not looked at. What a
    /// process-file strategy says of files does not apply, and nothing is recorded: such a download can't be resumed.
    ///
    /// # Errors
    /// None that a task which could be built has.
    pub fn into_reader(mut self) -> Result<DownloadReader> {
        let place = format!("reader:{:016x}", lock(&self.engine.random).u64(..));
        self.entry.task = self.entry.task.to_builder().target(Target::uri(place)).build()?;
        let (pipe, reading) = reader::pipe();
        self.entry.room = Some(reading.room.clone());
        Ok(DownloadReader::new(self.output_layer(|_| pipe).enqueue(), reading))
    }
}
