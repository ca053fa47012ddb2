//! Puts a context together.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use okdownload_types::{DownloadTask, DownloadTaskBuilder, Error, Result, Target, TaskId};

use super::members::Members;
use super::tally::Tally;
use super::{Context, DownloadContext, DownloadContextListener, State};
use crate::engine::OkDownload;

type Change = Arc<dyn Fn(DownloadTaskBuilder) -> DownloadTaskBuilder + Send + Sync>;

/// Options that the members of a context share: whatever a task's builder can set.
///
/// ```
/// # use okdownload_core::QueueSet;
/// # use std::time::Duration;
/// let queue_set = QueueSet::new()
///     .directory("/downloads")
///     .option(|task| task.header("accept-language", "en").progress_interval(Duration::from_secs(1)));
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct QueueSet {
    target: Option<Target>,
    changes: Vec<Change>,
}

impl QueueSet {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where URLs go that are bound without a target; the response names them.
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.target = Some(Target::directory(path));
        self
    }

    /// [`directory`](QueueSet::directory) for a URI-like place, for instance `s3://bucket/dir/`.
    pub fn directory_uri(mut self, uri: impl Into<String>) -> Self {
        self.target = Some(Target::uri(uri));
        self
    }

    /// Sets options of every member that is bound as a URL or a builder. They win over what the builder has; among each
    /// other, the later one wins.
    pub fn option(
        mut self,
        set: impl Fn(DownloadTaskBuilder) -> DownloadTaskBuilder + Send + Sync + 'static,
    ) -> Self {
        self.changes.push(Arc::new(set));
        self
    }

    /// A task for this URL, with these options, into the directory.
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if no directory was given, or as [`DownloadTaskBuilder::build`]
    /// says.
    pub fn task(&self, url: impl AsRef<str>) -> Result<DownloadTask> {
        let target = self.target.clone().ok_or_else(|| {
            Error::misuse("a URL alone does not say where it goes", "give the queue set a directory")
        })?;
        self.apply(DownloadTask::builder(url, target)).build()
    }

    /// The builder with these options.
    pub fn apply(&self, task: DownloadTaskBuilder) -> DownloadTaskBuilder {
        self.changes.iter().fold(task, |task, change| change(task))
    }
}

impl fmt::Debug for QueueSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueSet").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Binds members to a context.
#[derive(Debug, Clone)]
#[must_use]
pub struct DownloadContextBuilder {
    ok: OkDownload,
    queue_set: QueueSet,
    members: Members,
    listener: Option<Arc<dyn DownloadContextListener>>,
}

impl DownloadContextBuilder {
    pub(super) fn new(ok: OkDownload, queue_set: QueueSet) -> Self {
        Self::with(ok, queue_set, Members::default(), None)
    }

    pub(super) fn with(
        ok: OkDownload,
        queue_set: QueueSet,
        members: Members,
        listener: Option<Arc<dyn DownloadContextListener>>,
    ) -> Self {
        Self { ok, queue_set, members, listener }
    }

    /// Binds a URL, with the shared options, to their directory.
    ///
    /// # Errors
    /// See [`QueueSet::task`].
    pub fn bind(self, url: impl AsRef<str>) -> Result<Self> {
        let task = self.queue_set.task(url)?;
        Ok(self.bind_task(task))
    }

    /// Binds a task that is not built yet; the shared options win over its own.
    ///
    /// # Errors
    /// See [`DownloadTaskBuilder::build`].
    pub fn bind_builder(self, task: DownloadTaskBuilder) -> Result<Self> {
        let task = self.queue_set.apply(task).build()?;
        Ok(self.bind_task(task))
    }

    /// Binds a task as it is, in place of an equal one.
    pub fn bind_task(mut self, task: DownloadTask) -> Self {
        self.members.bind(task);
        self
    }

    /// Takes out the task of this id, if it is bound.
    pub fn unbind(mut self, id: TaskId) -> Self {
        self.members.unbind(id);
        self
    }

    /// Who hears of the context; default: nobody.
    pub fn listener(mut self, listener: impl DownloadContextListener) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// The context. Nothing happens until it is started.
    pub fn build(self) -> DownloadContext {
        let Self { ok, queue_set, members, listener } = self;
        let state = Mutex::new(State { members, run: None });
        DownloadContext { context: Arc::new(Context { ok, queue_set, listener, state, tally: Tally::new() }) }
    }
}
