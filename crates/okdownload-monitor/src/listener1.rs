//! One line of progress for a task.

use okdownload_types::{DownloadTask, ResumeFailedCause, TaskEnd};

use crate::model::PerTask;
use crate::{DownloadListener, Event, TaskModel};

/// Hears what one line of progress needs. Every method does nothing by default. Give it to a task as a
/// [`DownloadListener1`].
pub trait Listener1: std::fmt::Debug + Send + Sync + 'static {
    /// A run begins; the model is empty.
    fn task_start(&self, _task: &DownloadTask, _model: &TaskModel) {}
    /// What the run has fetched is of no use: it begins anew. (A request that is made again is no such thing; see
    /// [`DownloadListener::retry`].)
    fn retry(&self, _task: &DownloadTask, _cause: ResumeFailedCause) {}
    /// Bytes of a block begin to come; called for each response that brings some.
    fn connected(
        &self,
        _task: &DownloadTask,
        _block_count: usize,
        _current_offset: u64,
        _total_length: Option<u64>,
    ) {
    }
    /// So many bytes of the whole are there.
    fn progress(&self, _task: &DownloadTask, _current_offset: u64, _total_length: Option<u64>) {}
    /// A run is over.
    fn task_end(&self, _task: &DownloadTask, _end: &TaskEnd, _model: &TaskModel) {}
}

/// A [`Listener1`] as a listener of any number of tasks.
#[derive(Debug)]
pub struct DownloadListener1<L> {
    listener: L,
    models: PerTask<TaskModel>,
}

impl<L: Listener1> DownloadListener1<L> {
    /// Wraps it.
    pub fn new(listener: L) -> Self {
        Self { listener, models: PerTask::default() }
    }

    /// What was wrapped.
    pub fn get_ref(&self) -> &L {
        &self.listener
    }
}

impl<L: Listener1> DownloadListener for DownloadListener1<L> {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        let listener = &self.listener;
        self.models.follow(task, event, |model| match event {
            Event::TaskStart => listener.task_start(task, model),
            Event::FromBeginning { cause, .. } if model.is_started_over() => listener.retry(task, *cause),
            Event::FetchStart { .. } => {
                listener.connected(task, model.blocks.len(), model.current_offset, model.total_length);
            }
            Event::FetchProgress { .. } | Event::Recovered { .. } => {
                listener.progress(task, model.current_offset, model.total_length);
            }
            Event::TaskEnd(end) => listener.task_end(task, end, model),
            _ => {}
        });
    }
}
