//! Bytes that another task has left: the same download under another id, or one whose URL was replaced.

use okdownload_store::{Change, CommitLevel, DownloadStore};
use okdownload_types::{BreakpointInfo, DownloadTask, Error, ErrorKind, Location, Result, TaskId};

use crate::call::{Call, Known};
use crate::engine::OkDownload;
use crate::request_builder::TaskRequest;

impl Call<'_> {
    /// The breakpoint of another task of this task's URL and place: one was told the name, the other took it from the
    /// response. It may be running in another engine or program; opening the part tells.
    pub(crate) async fn inherit(&self, known: &Known, location: &Location) -> Result<Option<BreakpointInfo>> {
        if !self.run.is_recorded() || known.recorded {
            return Ok(None);
        }
        let others = self.env.recorder.store().breakpoints_at(location).await?;
        let url = self.run.task.url();
        Ok(others.into_iter().find(|info| info.url == *url && !info.blocks.is_empty()))
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
    /// [`FileBusy`](okdownload_types::ErrorKind::FileBusy) if another engine or program runs it;
    /// [`NotFound`](okdownload_types::ErrorKind::NotFound) if nothing is recorded of it; if the store can't be read or
    /// written.
    pub async fn retarget(&self, id: TaskId, task: DownloadTask) -> Result<TaskRequest> {
        if [id, task.id()].into_iter().any(|id| self.state(id).is_some()) {
            return Err(Error::misuse("the task is in the engine", "cancel it and wait for its end first"));
        }
        self.told(id).await?;
        let Some(mut info) = self.store().breakpoint(id).await? else {
            return Err(Error::new(ErrorKind::NotFound, "no unfinished download has this id")
                .with_context("id", id)
                .with_advice("enqueue the new task as it is"));
        };
        if !has_same_target(&info, &task) {
            return Err(Error::misuse("the new task goes to another place", "give it the same target")
                .with_context("path", &info.location));
        }
        if id != task.id() {
            let part = self.part_of(&info).await?;
            info.hand_over(&task);
            let changes = vec![Change::RemoveBreakpoint(id), Change::Put(info)];
            let told = self.store().commit(changes, CommitLevel::Process).await;
            if let Some(part) = part {
                part.close().await?;
            }
            told?;
        }
        Ok(self.task(task))
    }
}

fn has_same_target(info: &BreakpointInfo, task: &DownloadTask) -> bool {
    let name = info.location.file_name().unwrap_or_default();
    // Of a task whose record does not tell its target, the place is known.
    info.task().is_ok_and(|old| old.target() == task.target())
        || task.target().resolve(&name) == info.location
}
