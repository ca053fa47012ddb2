//! Bytes that another task has left: the same download under another id, or one whose URL was replaced.

use okdownload_store::{Change, CommitLevel, DownloadStore};
use okdownload_types::{BreakpointInfo, DownloadTask, Error, ErrorKind, Location, Result, TaskId};

use crate::call::{Call, Known};
use crate::engine::OkDownload;
use crate::request_builder::TaskRequest;

impl Call<'_> {
    /// The breakpoint of a task that does not run, of this task's URL and place: one was told the name, the other took
    /// it from the response. It becomes this task's own, in the store too.
    pub(crate) async fn inherit(
        &mut self,
        known: &mut Known,
        location: &Location,
    ) -> Result<Option<BreakpointInfo>> {
        let task = &self.run.task;
        if !self.run.is_recorded() || known.recorded {
            return Ok(None);
        }
        let others = self.env.recorder.store().breakpoints_at(location).await?;
        let Some(info) = others.into_iter().find(|info| info.url == *task.url() && !info.blocks.is_empty())
        else {
            return Ok(None);
        };
        let (changes, info) = handed_over(info, task);
        self.env.recorder.commit(changes, CommitLevel::Process).await?;
        known.recorded = true;
        Ok(Some(info))
    }
}

impl OkDownload {
    /// Hands what the task of this id has left over to another task with the same target: a new URL for an expired one
    /// costs no byte. Returns the request for the rest, not enqueued yet.
    ///
    /// You say by this that both URLs lead to the same file; the validator and the length must agree, else the download
    /// starts over, as it does if there was no strong validator. What one server is told (headers, credentials) is told to
    /// the other if the task has it: build it with
    /// [`DownloadTask::to_builder`](okdownload_types::DownloadTask::to_builder) and
    /// [`url`](okdownload_types::DownloadTaskBuilder::url), and change what must not be.
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if either task is in the engine, or for another target;
    /// [`NotFound`](okdownload_types::ErrorKind::NotFound) if nothing is left of it; if the store can't be read or
    /// written.
    pub async fn retarget(&self, id: TaskId, task: DownloadTask) -> Result<TaskRequest> {
        if [id, task.id()].into_iter().any(|id| self.state(id).is_some()) {
            return Err(Error::misuse("the task is in the engine", "cancel it and wait for its end first"));
        }
        let Some(info) = self.store().breakpoint(id).await? else {
            return Err(Error::new(ErrorKind::NotFound, "no unfinished download has this id")
                .with_context("id", id)
                .with_advice("enqueue the new task as it is"));
        };
        let name = info.location.file_name().unwrap_or_default();
        if task.target().resolve(&name) != info.location {
            return Err(Error::misuse("the new task goes to another place", "give it the same target")
                .with_context("path", &info.location));
        }
        if id != task.id() {
            let (changes, _) = handed_over(info, &task);
            self.store().commit(changes, CommitLevel::Process).await?;
        }
        Ok(self.task(task))
    }
}

/// What the store is told, in one batch: there is never more than one claim.
fn handed_over(mut info: BreakpointInfo, task: &DownloadTask) -> (Vec<Change>, BreakpointInfo) {
    let old = std::mem::replace(&mut info.id, task.id());
    info.url = task.url().clone();
    info.needs_credentials = task.needs_credentials();
    info.options = Some(task.to_stored());
    (vec![Change::RemoveBreakpoint(old), Change::Put(info.clone())], info)
}
