//! Beginning and end.

use okdownload_types::{DownloadTask, TaskEnd};

use crate::{DownloadListener, Event};

/// Hears only when runs begin and end. Every method does nothing by default. Give it to a task as a
/// [`DownloadListener2`].
pub trait Listener2: std::fmt::Debug + Send + Sync + 'static {
    /// A run begins.
    fn task_start(&self, _task: &DownloadTask) {}
    /// A run is over.
    fn task_end(&self, _task: &DownloadTask, _end: &TaskEnd) {}
}

/// A [`Listener2`] as a listener of any number of tasks.
#[derive(Debug)]
pub struct DownloadListener2<L> {
    listener: L,
}

impl<L: Listener2> DownloadListener2<L> {
    /// Wraps it.
    pub fn new(listener: L) -> Self {
        Self { listener }
    }

    /// What was wrapped.
    pub fn get_ref(&self) -> &L {
        &self.listener
    }
}

impl<L: Listener2> DownloadListener for DownloadListener2<L> {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        match event {
            Event::TaskStart => self.listener.task_start(task),
            Event::TaskEnd(end) => self.listener.task_end(task, end),
            _ => {}
        }
    }
}
