//! A task within an engine.

use std::sync::{Arc, Mutex, OnceLock};

use okdownload_connection::ConnectionFactory;
use okdownload_monitor::DownloadListener;
use okdownload_output::OutputStreamFactory;
use okdownload_strategy::{DownloadStrategy, ProcessFileStrategy};
use okdownload_types::DownloadTask;
use tokio::task::JoinHandle;

use crate::hub::Hub;
use crate::reader::Room;
use crate::throttle::Throttle;

/// A task that an engine has taken in, with all that is its own.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) task: DownloadTask,
    /// Where its events come together, from when somebody listens or something happens. A task that waits needs none.
    hub: OnceLock<Arc<Hub>>,
    /// Its own limit, from when it runs or is given one.
    throttle: OnceLock<Arc<Throttle>>,
    pub(crate) parts: TaskParts,
    /// The reader's room, if the task has one; it goes to no place then, and is not recorded.
    pub(crate) room: Option<Arc<Room>>,
    pub(crate) listening: Mutex<Listening>,
    /// Held from when the task pauses until that is told: the next run must not be told of before it.
    pub(crate) pausing: Mutex<()>,
}

/// Who listens to a task through callbacks.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    /// Nothing has happened yet, so nobody is at work for them: a task that waits costs no more for its listeners.
    pub(crate) waiting: Vec<Arc<dyn DownloadListener>>,
    /// Those who tell listeners, and those who hand on to who joined. When they are done, all have heard the end.
    pub(crate) telling: Vec<JoinHandle<()>>,
    pub(crate) has_begun: bool,
    pub(crate) has_ended: bool,
}

/// Parts that one task has in place of its engine's.
#[derive(Debug, Default)]
pub(crate) struct TaskParts {
    pub(crate) connection: Option<Arc<dyn ConnectionFactory>>,
    pub(crate) output: Option<Arc<dyn OutputStreamFactory>>,
    pub(crate) strategy: Option<Box<dyn DownloadStrategy>>,
    pub(crate) process: Option<Box<dyn ProcessFileStrategy>>,
}

impl Entry {
    #[cfg(test)]
    pub(crate) fn new(task: DownloadTask) -> Self {
        Self::with_parts(task, TaskParts::default())
    }

    pub(crate) fn with_parts(task: DownloadTask, parts: TaskParts) -> Self {
        let (hub, throttle) = (OnceLock::new(), OnceLock::new());
        let (listening, pausing) = (Mutex::default(), Mutex::default());
        Self { task, hub, throttle, parts, room: None, listening, pausing }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        self.hub.get_or_init(|| Arc::new(Hub::new(self.task.progress_interval())))
    }

    pub(crate) fn throttle(&self) -> &Arc<Throttle> {
        self.throttle.get_or_init(|| Arc::new(Throttle::new(self.task.rate_limit())))
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.hub.get().is_some_and(|hub| hub.end().is_some())
    }
}
