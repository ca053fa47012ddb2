//! Progress of each block and of the whole.

use std::sync::Arc;

use http::HeaderMap;
use okdownload_types::{BreakpointInfo, DownloadTask, TaskEnd};

use crate::model::PerTask;
use crate::{BlockModel, DownloadListener, Event, TaskModel};

/// Hears of each block and of the whole. Every method does nothing by default. Give it to a task as a
/// [`DownloadListener4`].
pub trait Listener4: std::fmt::Debug + Send + Sync + 'static {
    /// A run begins.
    fn task_start(&self, _task: &DownloadTask) {}
    /// It is known what there is to fetch; again if a run begins anew, and for a listener that comes to a running task.
    fn info_ready(
        &self,
        _task: &DownloadTask,
        _info: &Arc<BreakpointInfo>,
        _from_breakpoint: bool,
        _model: &TaskModel,
    ) {
    }
    /// See [`Event::ConnectStart`].
    fn connect_start(&self, _task: &DownloadTask, _block: usize, _headers: &HeaderMap) {}
    /// See [`Event::ConnectEnd`].
    fn connect_end(&self, _task: &DownloadTask, _block: usize, _status: u16, _headers: &HeaderMap) {}
    /// So many bytes of a block are there.
    fn progress_block(&self, _task: &DownloadTask, _block: usize, _current_offset: u64) {}
    /// So many bytes of the whole are there; called after [`progress_block`](Listener4::progress_block).
    fn progress(&self, _task: &DownloadTask, _current_offset: u64) {}
    /// A block is whole.
    fn block_end(&self, _task: &DownloadTask, _block: usize, _model: &BlockModel) {}
    /// A run is over.
    fn task_end(&self, _task: &DownloadTask, _end: &TaskEnd, _model: &TaskModel) {}
}

/// A [`Listener4`] as a listener of any number of tasks.
#[derive(Debug)]
pub struct DownloadListener4<L> {
    listener: L,
    models: PerTask<TaskModel>,
}

impl<L: Listener4> DownloadListener4<L> {
    /// Wraps it.
    pub fn new(listener: L) -> Self {
        Self { listener, models: PerTask::default() }
    }

    /// What was wrapped.
    pub fn get_ref(&self) -> &L {
        &self.listener
    }
}

impl<L: Listener4> DownloadListener for DownloadListener4<L> {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        let listener = &self.listener;
        self.models.follow(task, event, |model| match event {
            Event::TaskStart => listener.task_start(task),
            Event::FromBeginning { info, .. } => listener.info_ready(task, info, false, model),
            Event::FromBreakpoint { info } => listener.info_ready(task, info, true, model),
            Event::Recovered { .. } => {
                if let Some(info) = &model.info {
                    listener.info_ready(task, info, model.from_breakpoint, model);
                }
                listener.progress(task, model.current_offset);
            }
            Event::ConnectStart { block, headers, .. } => listener.connect_start(task, *block, headers),
            Event::ConnectEnd { block, status, headers } => {
                listener.connect_end(task, *block, *status, headers);
            }
            Event::FetchProgress { block, .. } => {
                listener.progress_block(task, *block, model.blocks[*block].current_offset);
                listener.progress(task, model.current_offset);
            }
            Event::FetchEnd { block, .. } => listener.block_end(task, *block, &model.blocks[*block]),
            Event::TaskEnd(end) => listener.task_end(task, end, model),
            _ => {}
        });
    }
}
