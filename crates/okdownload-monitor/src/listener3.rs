//! One line of progress for a task, with a method for each kind of end.

use okdownload_types::{DownloadTask, EndCause, ResumeFailedCause, TaskEnd};

use crate::{DownloadListener, DownloadListener1, Event, Listener1, TaskModel};

/// Hears as [`Listener1`], and of the end by its kind. Every method does nothing by default. Give it to a task as a
/// [`DownloadListener3`].
pub trait Listener3: std::fmt::Debug + Send + Sync + 'static {
    /// See [`Listener1::task_start`].
    fn started(&self, _task: &DownloadTask) {}
    /// See [`Listener1::retry`].
    fn retry(&self, _task: &DownloadTask, _cause: ResumeFailedCause) {}
    /// See [`Listener1::connected`].
    fn connected(
        &self,
        _task: &DownloadTask,
        _block_count: usize,
        _current_offset: u64,
        _total_length: Option<u64>,
    ) {
    }
    /// See [`Listener1::progress`].
    fn progress(&self, _task: &DownloadTask, _current_offset: u64, _total_length: Option<u64>) {}
    /// The file is there, whole.
    fn completed(&self, _task: &DownloadTask, _end: &TaskEnd) {}
    /// It was cancelled.
    fn canceled(&self, _task: &DownloadTask, _end: &TaskEnd) {}
    /// It failed, or there was no space for it.
    fn error(&self, _task: &DownloadTask, _end: &TaskEnd) {}
    /// The same task, or another one with the same file, is there already.
    fn warn(&self, _task: &DownloadTask, _end: &TaskEnd) {}
    /// After any of the four ends.
    fn terminal(&self, _task: &DownloadTask, _end: &TaskEnd) {}
}

/// A [`Listener3`] as a listener of any number of tasks.
#[derive(Debug)]
pub struct DownloadListener3<L> {
    inner: DownloadListener1<EndsByKind<L>>,
}

impl<L: Listener3> DownloadListener3<L> {
    /// Wraps it.
    pub fn new(listener: L) -> Self {
        Self { inner: DownloadListener1::new(EndsByKind(listener)) }
    }

    /// What was wrapped.
    pub fn get_ref(&self) -> &L {
        &self.inner.get_ref().0
    }
}

impl<L: Listener3> DownloadListener for DownloadListener3<L> {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        self.inner.on_event(task, event);
    }
}

#[derive(Debug)]
struct EndsByKind<L>(L);

impl<L: Listener3> Listener1 for EndsByKind<L> {
    fn task_start(&self, task: &DownloadTask, _model: &TaskModel) {
        self.0.started(task);
    }

    fn retry(&self, task: &DownloadTask, cause: ResumeFailedCause) {
        self.0.retry(task, cause);
    }

    fn connected(&self, task: &DownloadTask, block_count: usize, current_offset: u64, total: Option<u64>) {
        self.0.connected(task, block_count, current_offset, total);
    }

    fn progress(&self, task: &DownloadTask, current_offset: u64, total_length: Option<u64>) {
        self.0.progress(task, current_offset, total_length);
    }

    fn task_end(&self, task: &DownloadTask, end: &TaskEnd, _model: &TaskModel) {
        match end.cause {
            EndCause::Completed => self.0.completed(task, end),
            EndCause::Canceled => self.0.canceled(task, end),
            EndCause::FileBusy | EndCause::SameTaskBusy => self.0.warn(task, end),
            _ => self.0.error(task, end),
        }
        self.0.terminal(task, end);
    }
}
