//! What the tests share: a task, its events, and somebody who writes down what he hears.
#![allow(dead_code, reason = "each test file uses its own share")]

use std::sync::{Arc, Mutex};

use okdownload_monitor::{DownloadListener, Event};
use okdownload_types::{
    BlockInfo, BreakpointInfo, DownloadTask, EndCause, Location, ResumeFailedCause, Target, TaskEnd,
};

pub(crate) fn task(name: &str) -> DownloadTask {
    DownloadTask::builder(format!("http://h/{name}"), Target::file(format!("/{name}"))).build().unwrap()
}

/// A plan with a block of 10 bytes for each number, of which so many are there.
pub(crate) fn info(task: &DownloadTask, written: &[u64]) -> Arc<BreakpointInfo> {
    let place = Location::Path("/a".into());
    let mut info = BreakpointInfo::new(task.id(), task.url().clone(), place.clone(), place);
    let block = |(number, written)| BlockInfo::new(number as u64 * 10, Some(10)).with_progress(written, 0);
    info.blocks = written.iter().copied().enumerate().map(block).collect();
    info.total = Some(10 * written.len() as u64);
    Arc::new(info)
}

pub(crate) fn from_beginning(info: Arc<BreakpointInfo>) -> Event {
    Event::FromBeginning { info, cause: ResumeFailedCause::InfoDirty }
}

pub(crate) fn fetch(block: usize, remaining: u64) -> Event {
    Event::FetchStart { block, remaining: Some(remaining) }
}

pub(crate) fn progress(block: usize, increase: u64) -> Event {
    Event::FetchProgress { block, increase }
}

pub(crate) fn whole(block: usize) -> Event {
    Event::FetchEnd { block, fetched: 0 }
}

pub(crate) fn end(cause: EndCause) -> Event {
    Event::TaskEnd(Arc::new(TaskEnd::new(cause)))
}

/// Writes down what it hears, with its name before it; panics as well at what it was told to.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) name: &'static str,
    pub(crate) panics_at: Option<&'static str>,
    pub(crate) book: Arc<Mutex<Vec<String>>>,
}

impl Told {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn tell(&self, what: impl Into<String>) {
        let what = what.into();
        self.book.lock().unwrap().push(format!("{}{what}", self.name));
        assert!(self.panics_at.is_none_or(|at| !what.starts_with(at)), "as it was told");
    }

    /// What was written since this was asked last.
    pub(crate) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.book.lock().unwrap())
    }
}

impl DownloadListener for Told {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        let path = task.url().path();
        self.tell(match event {
            Event::FetchProgress { block, increase } => format!("progress {block} {increase} {path}"),
            Event::Recovered { model } => format!("recovered {} {path}", model.current_offset),
            Event::TaskEnd(end) => format!("end {} {path}", end.cause),
            event => format!("{} {path}", name(event)),
        });
    }
}

fn name(event: &Event) -> String {
    format!("{event:?}").split([' ', '(']).next().unwrap_or_default().to_owned()
}
