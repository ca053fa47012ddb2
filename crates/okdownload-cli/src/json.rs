//! Events as JSON, one a line, on standard output.
//!
//! `docs/json.md` says what stands in them. Fields and events may be added within a version.

use std::io::{ErrorKind, Write};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use okdownload::monitor::Event;
use okdownload::{DownloadTask, Location, Progress, TaskEnd, redacted};
use serde::Serialize;

use crate::report::describe;

/// The version of the form.
pub(crate) const VERSION: u8 = 1;

#[derive(Debug, Serialize)]
struct Line<'a> {
    v: u8,
    #[serde(flatten)]
    what: What<'a>,
    task: String,
    index: usize,
    url: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum What<'a> {
    /// The run of a file begins.
    Start,
    /// It begins at its first byte, or goes on from `resumed`.
    Plan { path: String, total: Option<u64>, resumed: u64 },
    /// How far it is.
    Progress { written: u64, total: Option<u64>, speed: u64, connections: usize },
    /// A request failed and is made again after `wait` seconds.
    Retry { wait: f64, error: String },
    /// Something worth knowing.
    Warning { message: &'a str },
    /// It is over. `cause` is `completed` if the file is there, whole.
    End {
        cause: String,
        path: Option<String>,
        length: Option<u64>,
        resumed: u64,
        fetched: u64,
        seconds: f64,
        error: Option<String>,
    },
}

/// Writes lines on a thread of its own, so that a slow reader delays nothing else.
#[derive(Debug)]
pub(crate) struct JsonLines {
    lines: Sender<String>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl JsonLines {
    pub(crate) fn new() -> std::io::Result<Self> {
        let (lines, waiting) = mpsc::channel::<String>();
        let write = move || {
            let mut out = std::io::stdout().lock();
            waiting.iter().try_for_each(|line| writeln!(out, "{line}"))
        };
        let thread = std::thread::Builder::new().name("okdl-json".into()).spawn(write)?;
        Ok(Self { lines, thread })
    }

    /// Tells an event, if it is one that is told.
    pub(crate) fn event(&self, index: usize, task: &DownloadTask, event: &Event) {
        let what = match event {
            Event::TaskStart => What::Start,
            Event::FromBeginning { info, .. } | Event::FromBreakpoint { info } => {
                What::Plan { path: path(&info.location), total: info.total, resumed: info.written() }
            }
            Event::Retry { wait, error, .. } => {
                What::Retry { wait: wait.as_secs_f64(), error: describe(error) }
            }
            Event::Warning { message } => What::Warning { message },
            Event::TaskEnd(end) => ended(end),
            _ => return,
        };
        self.tell(index, task, what);
    }

    pub(crate) fn progress(&self, index: usize, task: &DownloadTask, progress: Progress) {
        let Progress { written, total, speed, connections, .. } = progress;
        self.tell(index, task, What::Progress { written, total, speed, connections });
    }

    fn tell(&self, index: usize, task: &DownloadTask, what: What<'_>) {
        let line = Line { v: VERSION, what, task: task.id().to_string(), index, url: redacted(task.url()) };
        if let Ok(text) = serde_json::to_string(&line) {
            // The writer is gone if nobody reads any more, which is told at the end.
            drop(self.lines.send(text));
        }
    }

    /// Waits until all is written. A reader that went away has heard all that it wanted to.
    pub(crate) fn finish(self) -> std::io::Result<()> {
        drop(self.lines);
        match self.thread.join() {
            Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

fn ended(end: &TaskEnd) -> What<'_> {
    What::End {
        cause: end.cause.to_string(),
        path: end.location.as_ref().map(path),
        length: end.length,
        resumed: end.resumed,
        fetched: end.fetched,
        seconds: end.elapsed.as_secs_f64(),
        error: end.error.as_ref().map(describe),
    }
}

fn path(location: &Location) -> String {
    location.to_string()
}
