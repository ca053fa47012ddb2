//! The traits of those who hear.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use okdownload_types::{BreakpointInfo, DownloadTask, Error, ResumeFailedCause, TaskEnd};

use crate::{Event, TaskModel};

/// Hears of one task. Every method does nothing by default.
///
/// # Contract
/// - Calls for one task come one after the other, in the order that [`Event`] states.
/// - Calls are made away from the network: a slow listener delays its own later calls, nothing else. (Those in one
///   bunch or manager are called one after the other, like one listener.) A panic is caught and logged, and the next
///   event is delivered all the same.
pub trait DownloadListener: Debug + Send + Sync + 'static {
    /// Any event; by default calls the method of its name. Implement this one to get them all in one place.
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        match event {
            Event::TaskStart => self.task_start(task),
            Event::ConnectTrialStart { headers, .. } => self.connect_trial_start(task, headers),
            Event::ConnectTrialEnd { status, headers } => self.connect_trial_end(task, *status, headers),
            Event::FromBeginning { info, cause } => self.download_from_beginning(task, info, *cause),
            Event::FromBreakpoint { info } => self.download_from_breakpoint(task, info),
            Event::ConnectStart { block, headers, .. } => self.connect_start(task, *block, headers),
            Event::ConnectEnd { block, status, headers } => self.connect_end(task, *block, *status, headers),
            Event::FetchStart { block, remaining } => self.fetch_start(task, *block, *remaining),
            Event::FetchProgress { block, increase } => self.fetch_progress(task, *block, *increase),
            Event::FetchEnd { block, fetched } => self.fetch_end(task, *block, *fetched),
            Event::Retry { block, wait, error } => self.retry(task, *block, *wait, error),
            Event::Warning { message } => self.warning(task, message),
            Event::Paused => self.paused(task),
            Event::Recovered { model } => self.recovered(task, model),
            Event::TaskEnd(end) => self.task_end(task, end),
        }
    }

    /// See [`Event::TaskStart`].
    fn task_start(&self, _task: &DownloadTask) {}
    /// See [`Event::ConnectTrialStart`].
    fn connect_trial_start(&self, _task: &DownloadTask, _headers: &HeaderMap) {}
    /// See [`Event::ConnectTrialEnd`].
    fn connect_trial_end(&self, _task: &DownloadTask, _status: u16, _headers: &HeaderMap) {}
    /// See [`Event::FromBeginning`].
    fn download_from_beginning(
        &self,
        _task: &DownloadTask,
        _info: &Arc<BreakpointInfo>,
        _cause: ResumeFailedCause,
    ) {
    }
    /// See [`Event::FromBreakpoint`].
    fn download_from_breakpoint(&self, _task: &DownloadTask, _info: &Arc<BreakpointInfo>) {}
    /// See [`Event::ConnectStart`].
    fn connect_start(&self, _task: &DownloadTask, _block: usize, _headers: &HeaderMap) {}
    /// See [`Event::ConnectEnd`].
    fn connect_end(&self, _task: &DownloadTask, _block: usize, _status: u16, _headers: &HeaderMap) {}
    /// See [`Event::FetchStart`].
    fn fetch_start(&self, _task: &DownloadTask, _block: usize, _remaining: Option<u64>) {}
    /// See [`Event::FetchProgress`].
    fn fetch_progress(&self, _task: &DownloadTask, _block: usize, _increase: u64) {}
    /// See [`Event::FetchEnd`].
    fn fetch_end(&self, _task: &DownloadTask, _block: usize, _fetched: u64) {}
    /// See [`Event::Retry`].
    fn retry(&self, _task: &DownloadTask, _block: usize, _wait: Duration, _error: &Error) {}
    /// See [`Event::Warning`].
    fn warning(&self, _task: &DownloadTask, _message: &str) {}
    /// See [`Event::Paused`].
    fn paused(&self, _task: &DownloadTask) {}
    /// See [`Event::Recovered`].
    fn recovered(&self, _task: &DownloadTask, _model: &TaskModel) {}
    /// See [`Event::TaskEnd`].
    fn task_end(&self, _task: &DownloadTask, _end: &TaskEnd) {}
}

/// Hears of every task of an engine, batch endings included. Every method does nothing by default.
///
/// # Contract
/// As for [`DownloadListener`]; per task, the monitor's calls come in the order of the methods here.
pub trait Monitor: Debug + Send + Sync + 'static {
    /// A run begins.
    fn task_start(&self, _task: &DownloadTask) {}
    /// A run goes on from its first byte, and why.
    fn task_from_beginning(
        &self,
        _task: &DownloadTask,
        _info: &Arc<BreakpointInfo>,
        _cause: ResumeFailedCause,
    ) {
    }
    /// A run goes on from what is there.
    fn task_from_breakpoint(&self, _task: &DownloadTask, _info: &Arc<BreakpointInfo>) {}
    /// A run is over.
    fn task_end(&self, _task: &DownloadTask, _end: &TaskEnd) {}
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMonitor;

impl Monitor for NoMonitor {}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoListener;

impl DownloadListener for NoListener {}

/// Shared observers are observers: every method is handed on, so that none is silently a default.
macro_rules! forward {
    ($trait:ident { $($method:ident($($argument:ident: $type:ty),*);)* }) => {
        forward!(@ Arc, $trait { $($method($($argument: $type),*);)* });
        forward!(@ Box, $trait { $($method($($argument: $type),*);)* });
    };
    (@ $pointer:ident, $trait:ident { $($method:ident($($argument:ident: $type:ty),*);)* }) => {
        impl<T: $trait + ?Sized> $trait for $pointer<T> {
            $(fn $method(&self, task: &DownloadTask, $($argument: $type),*) {
                (**self).$method(task, $($argument),*);
            })*
        }
    };
}

forward!(DownloadListener {
    on_event(event: &Event);
    task_start();
    connect_trial_start(headers: &HeaderMap);
    connect_trial_end(status: u16, headers: &HeaderMap);
    download_from_beginning(info: &Arc<BreakpointInfo>, cause: ResumeFailedCause);
    download_from_breakpoint(info: &Arc<BreakpointInfo>);
    connect_start(block: usize, headers: &HeaderMap);
    connect_end(block: usize, status: u16, headers: &HeaderMap);
    fetch_start(block: usize, remaining: Option<u64>);
    fetch_progress(block: usize, increase: u64);
    fetch_end(block: usize, fetched: u64);
    retry(block: usize, wait: Duration, error: &Error);
    warning(message: &str);
    paused();
    recovered(model: &TaskModel);
    task_end(end: &TaskEnd);
});

forward!(Monitor {
    task_start();
    task_from_beginning(info: &Arc<BreakpointInfo>, cause: ResumeFailedCause);
    task_from_breakpoint(info: &Arc<BreakpointInfo>);
    task_end(end: &TaskEnd);
});
