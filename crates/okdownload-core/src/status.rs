//! What is known of a task, whether it is in the engine or not.

use std::path::PathBuf;
use std::sync::Arc;

use okdownload_output::{OpenMode, OutputStream, StatKind};
use okdownload_store::{Change, CommitLevel};
use okdownload_types::{
    BlockInfo, BreakpointInfo, CompletionRecord, DownloadTask, Error, OnExists, Result, Target, TaskId,
};

use crate::dispatcher::TaskState;
use crate::engine::OkDownload;
use crate::existing::{self, Existing, ExistingFacts};
use crate::request_builder::TaskRequest;

/// How it stands with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It is in the engine and waits for its turn.
    Pending,
    /// It runs.
    Running,
    /// It is in the engine, paused.
    Paused,
    /// It is not in the engine, and some of it is there.
    Idle,
    /// It is not in the engine, and we know that the file is there, whole: there is a record of its completion, and the
    /// file is the one that the record is about.
    Completed,
    /// Nothing is known of it. Some other file may have its name.
    Unknown,
}

impl OkDownload {
    /// How it stands with a task. Asks the store and the output, never the server. Of the engine's own, what it does now
    /// is told first: a complete file that is fetched again is *running*.
    ///
    /// # Errors
    /// If the store or the output can't be asked.
    pub async fn status(&self, task: &DownloadTask) -> Result<Status> {
        match self.state(task.id()) {
            Some(TaskState::Waiting) => return Ok(Status::Pending),
            Some(TaskState::Running) => return Ok(Status::Running),
            Some(TaskState::Paused) => return Ok(Status::Paused),
            None => {}
        }
        let (breakpoint, completion) = self.records(task.id()).await?;
        if self.is_complete(task, breakpoint.as_ref(), completion.as_ref()).await? {
            return Ok(Status::Completed);
        }
        let Some(info) = breakpoint else { return Ok(Status::Unknown) };
        let part = self.output().stat(&info.part).await?;
        let is_ours = part.is_some_and(|part| info.is_part(part.identity));
        Ok(if is_ours { Status::Idle } else { Status::Unknown })
    }

    /// [`status`](OkDownload::status) of the download of a URL to a name in a directory; without a name, to the one that
    /// the response gives.
    ///
    /// # Errors
    /// Those of [`status`](OkDownload::status), and of a task that can't be built.
    pub async fn status_of(
        &self,
        url: impl AsRef<str>,
        directory: impl Into<PathBuf>,
        name: Option<&str>,
    ) -> Result<Status> {
        self.status(&task_of(url, directory, name)?).await
    }

    /// Whether a task is [completed](Status::Completed).
    ///
    /// # Errors
    /// Those of [`status`](OkDownload::status).
    pub async fn is_completed(&self, task: &DownloadTask) -> Result<bool> {
        Ok(self.status(task).await? == Status::Completed)
    }

    /// What is known of a task's bytes, with what is not written to the store yet. Of a completed one, a single full
    /// block. A copy: it does not change as the task goes on.
    ///
    /// # Errors
    /// If the store or the output can't be asked.
    pub async fn breakpoint(&self, task: &DownloadTask) -> Result<Option<BreakpointInfo>> {
        let (breakpoint, completion) = self.records(task.id()).await?;
        if breakpoint.is_some() || completion.is_none() {
            return Ok(breakpoint);
        }
        let complete = self.is_complete(task, None, completion.as_ref()).await?;
        Ok(completion.filter(|_| complete).map(|record| whole(&record)))
    }

    /// [`breakpoint`](OkDownload::breakpoint) of the download of a URL to a name in a directory.
    ///
    /// # Errors
    /// Those of [`breakpoint`](OkDownload::breakpoint), and of a task that can't be built.
    pub async fn breakpoint_of(
        &self,
        url: impl AsRef<str>,
        directory: impl Into<PathBuf>,
        name: Option<&str>,
    ) -> Result<Option<BreakpointInfo>> {
        self.breakpoint(&task_of(url, directory, name)?).await
    }

    /// All downloads that have begun, or were [kept](OkDownload::keep), and not completed, the oldest first: those that
    /// run, and what earlier runs of the program have left. [`BreakpointInfo::task`] gives each one's task.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn unfinished(&self) -> Result<Vec<BreakpointInfo>> {
        self.store().unfinished().await
    }

    /// Requests for all [unfinished](OkDownload::unfinished) downloads that are not in the engine, with their options,
    /// to be enqueued: what a program does after it was started again. Beside each that can't be made stands why: it
    /// [needs credentials](BreakpointInfo::needs_credentials), which are not kept, or its record does not tell enough.
    ///
    /// Listeners, strategies, layers and tags are the program's code and are not kept: add them to the requests again.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn restart(&self) -> Result<Vec<(BreakpointInfo, Result<TaskRequest>)>> {
        let mut infos = self.unfinished().await?;
        infos.retain(|info| self.state(info.id).is_none());
        Ok(infos
            .into_iter()
            .map(|info| (self.request_of(&info), info))
            .map(|(of, info)| (info, of))
            .collect())
    }

    fn request_of(&self, info: &BreakpointInfo) -> Result<TaskRequest> {
        if info.needs_credentials {
            return Err(Error::misuse(
                "the download needs credentials, which are not kept",
                "build it again",
            )
            .with_context("id", info.id));
        }
        Ok(self.task(info.task()?))
    }

    /// Records a task that has not begun, so that it is listed as unfinished from now on, and after a restart of the
    /// program. Without this, a task is recorded once bytes of it are there. Enqueue it afterwards, or leave that to a
    /// later [`restart`](OkDownload::restart). It stays listed until it has completed, or is
    /// [forgotten](OkDownload::forget). Does nothing for one that is recorded or completed already.
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if it is in the engine; if the store can't be written.
    pub async fn keep(&self, task: &DownloadTask) -> Result<()> {
        let id = task.id();
        if self.state(id).is_some() {
            return Err(Error::misuse("the task is in the engine", "keep it before it is enqueued"));
        }
        if self.records(id).await?.0.is_some() || self.is_completed(task).await? {
            return Ok(());
        }
        self.store().commit(vec![Change::Put(BreakpointInfo::of(task))], CommitLevel::Process).await
    }

    /// Gives an unfinished download up: removes its part and what is recorded of it.
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if it is in the engine: cancel it first, and wait for its end;
    /// [`FileBusy`](okdownload_types::ErrorKind::FileBusy) if another engine or program runs it. If the part can't be
    /// removed or the store can't be written; then it is still listed.
    pub async fn forget(&self, id: TaskId) -> Result<bool> {
        if self.state(id).is_some() {
            return Err(Error::misuse("the task is in the engine", "cancel it and wait for its end first"));
        }
        self.told(id).await?;
        let Some(info) = self.store().breakpoint(id).await? else { return Ok(false) };
        if let Some(part) = self.part_of(&info).await? {
            // Another file of that name is not ours to remove.
            if info.is_part(part.identity()) { part.abort() } else { part.close() }.await?;
        }
        self.store().commit(vec![Change::RemoveBreakpoint(id)], CommitLevel::Process).await?;
        Ok(true)
    }

    /// The part that a record speaks of, open: nobody else has it then.
    pub(crate) async fn part_of(&self, info: &BreakpointInfo) -> Result<Option<Arc<dyn OutputStream>>> {
        // One that has not begun has none; its place is the user's.
        if info.blocks.is_empty() && info.identity.is_none() {
            return Ok(None);
        }
        self.output().open_part(&info.part, OpenMode::Existing).await
    }

    async fn records(&self, id: TaskId) -> Result<(Option<BreakpointInfo>, Option<CompletionRecord>)> {
        self.told(id).await?;
        // In this order: one that completes meanwhile is seen as either.
        let breakpoint = self.store().breakpoint(id).await?;
        Ok((breakpoint, self.store().completion(id).await?))
    }

    /// Whether the file is there, whole, as a run would find it without a request.
    async fn is_complete(
        &self,
        task: &DownloadTask,
        breakpoint: Option<&BreakpointInfo>,
        record: Option<&CompletionRecord>,
    ) -> Result<bool> {
        let recorded = record.map(|record| &record.location).or(breakpoint.map(|info| &info.location));
        let Some(location) = recorded.or(task.target().named()) else { return Ok(false) };
        let file = self.output().stat(location).await?;
        let Some(file) = file.filter(|file| file.kind == StatKind::File) else { return Ok(false) };
        let (on_exists, pass) = (OnExists::Error, true);
        let facts = ExistingFacts { location, file: &file, record, breakpoint, on_exists, pass };
        Ok(matches!(existing::decide(&facts), Existing::Complete | Existing::CompleteUnrecorded))
    }
}

fn task_of(url: impl AsRef<str>, directory: impl Into<PathBuf>, name: Option<&str>) -> Result<DownloadTask> {
    let task = DownloadTask::builder(url, Target::directory(directory));
    match name {
        Some(name) => task.filename(name),
        None => task,
    }
    .build()
}

/// A finished download as a breakpoint.
fn whole(record: &CompletionRecord) -> BreakpointInfo {
    let (url, location) = (record.url.clone(), record.location.clone());
    let mut info = BreakpointInfo::new(record.id, url, location.clone(), location);
    info.validators = record.validators.clone();
    info.total = Some(record.length);
    info.blocks = vec![BlockInfo::new(0, Some(record.length)).with_progress(record.length, record.length)];
    info
}
