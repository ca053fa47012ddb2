//! What is known of an unfinished download, and of a finished one.

use std::fmt;

use url::Url;

use crate::{DownloadTask, Error, ErrorKind, Location, Result, Target, TaskId, Validators, redacted, stored};

/// A part of a download that one connection fetches from front to back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BlockInfo {
    /// Where it starts in the resource.
    pub start: u64,
    /// Its length; unknown while the resource's is.
    pub length: Option<u64>,
    /// Bytes from its start on that outlive the death of the process.
    pub written: u64,
    /// Bytes from its start on that outlive the loss of power. Never more than `written`.
    pub synced: u64,
}

impl BlockInfo {
    /// A block of which nothing is there yet.
    pub const fn new(start: u64, length: Option<u64>) -> Self {
        Self { start, length, written: 0, synced: 0 }
    }

    /// The same block with this much of it there.
    #[must_use]
    pub const fn with_progress(mut self, written: u64, synced: u64) -> Self {
        self.written = written;
        self.synced = synced;
        self
    }

    /// One past its last byte.
    pub fn end(&self) -> Option<u64> {
        self.length.map(|length| self.start.saturating_add(length))
    }

    /// The first byte that is missing.
    pub const fn position(&self) -> u64 {
        self.start.saturating_add(self.written)
    }

    /// How many bytes are missing.
    pub fn remaining(&self) -> Option<u64> {
        self.length.map(|length| length.saturating_sub(self.written))
    }

    /// Whether nothing is missing. A block of unknown length is never full.
    pub fn is_full(&self) -> bool {
        self.remaining() == Some(0)
    }
}

/// One version of a resource: what every response must agree with before its bytes are put beside earlier ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceVersion {
    /// Its validators.
    pub validators: Validators,
    /// Its length, where it is known.
    pub total: Option<u64>,
}

impl ResourceVersion {
    /// A version of these parts.
    pub const fn new(validators: Validators, total: Option<u64>) -> Self {
        Self { validators, total }
    }
}

/// What tells a file from another one that later has the same name: its inode (on Windows, its index on the volume) and
/// its time of birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FileIdentity {
    /// The file's number within its file system.
    pub number: u64,
    /// When it came to be, in nanoseconds since 1970, where the file system tells. Numbers are used again.
    pub born: Option<i64>,
}

impl FileIdentity {
    /// An identity of these parts.
    pub const fn new(number: u64, born: Option<i64>) -> Self {
        Self { number, born }
    }
}

/// An unfinished download, as a store keeps it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakpointInfo {
    /// The task it belongs to.
    pub id: TaskId,
    /// The task's URL, without userinfo and fragment.
    pub url: Url,
    /// Where the finished file goes.
    pub location: Location,
    /// Where the bytes are until then.
    pub part: Location,
    /// Which file `part` was when it was last opened.
    pub identity: Option<FileIdentity>,
    /// The version of the resource that the bytes are of.
    pub validators: Validators,
    /// The length of the resource.
    pub total: Option<u64>,
    /// Under which boot *written* bytes count; see [`BlockInfo::written`].
    pub boot: Option<String>,
    /// Whether the task needs credentials that are not stored.
    pub needs_credentials: bool,
    /// The task's target and options, as [`DownloadTask::to_stored`] gives them; records of earlier versions have none.
    pub options: Option<String>,
    /// The blocks, by start; they never overlap.
    pub blocks: Vec<BlockInfo>,
}

/// Hides the query values of the URL, and the options, which may have more of them.
impl fmt::Debug for BreakpointInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakpointInfo")
            .field("id", &self.id)
            .field("url", &redacted(&self.url))
            .field("location", &self.location)
            .field("part", &self.part)
            .field("identity", &self.identity)
            .field("validators", &self.validators)
            .field("total", &self.total)
            .field("boot", &self.boot)
            .field("needs_credentials", &self.needs_credentials)
            .field("options", &self.options.as_ref().map(|_| "…"))
            .field("blocks", &self.blocks)
            .finish()
    }
}

impl BreakpointInfo {
    /// The record of a task that has not begun.
    pub fn of(task: &DownloadTask) -> Self {
        let place = task.target().location();
        let mut info = Self::new(task.id(), task.url().clone(), place.clone(), place.clone());
        info.hand_over(task);
        info
    }

    /// Makes these bytes another task's, or another one of the same id that has other options.
    pub fn hand_over(&mut self, task: &DownloadTask) {
        self.id = task.id();
        self.url = task.url().clone();
        self.needs_credentials = task.needs_credentials();
        self.options = Some(task.to_stored());
    }

    /// A breakpoint without bytes.
    pub fn new(id: TaskId, url: Url, location: Location, part: Location) -> Self {
        Self {
            id,
            url,
            location,
            part,
            identity: None,
            validators: Validators::default(),
            total: None,
            boot: None,
            needs_credentials: false,
            options: None,
            blocks: Vec::new(),
        }
    }

    /// The version that the bytes are of.
    pub fn version(&self) -> ResourceVersion {
        ResourceVersion::new(self.validators.clone(), self.total)
    }

    /// The task, with all its options but tags and secrets. If it [needs
    /// credentials](BreakpointInfo::needs_credentials), add them by [`to_builder`](DownloadTask::to_builder).
    ///
    /// # Errors
    /// [`Misuse`](ErrorKind::Misuse) if it had a body, which is not kept;
    /// [`StoreCorrupt`](ErrorKind::StoreCorrupt) if the record does not tell which task it was: build that again, and it
    /// will find its breakpoint.
    pub fn task(&self) -> Result<DownloadTask> {
        if let Some(options) = &self.options {
            let task = stored::read(&self.url, options)?;
            return if task.id() == self.id { Ok(task) } else { Err(self.unknown_task()) };
        }
        // An earlier version's record says where the file goes; whether it was asked for by name, the id tells.
        let named = Target::Named(self.location.clone());
        let directory = self.location.path().and_then(|path| path.parent()).map(Target::directory);
        let mut tasks = [Some(named), directory].into_iter().flatten();
        let is_ours = |target: &Target| TaskId::of(&self.url, target) == self.id;
        let target = tasks.find(is_ours).ok_or_else(|| self.unknown_task())?;
        DownloadTask::builder(&self.url, target).build()
    }

    fn unknown_task(&self) -> Error {
        Error::new(ErrorKind::StoreCorrupt, "the record does not tell which task it was")
            .with_context("id", self.id)
            .with_advice("build the task again; it will find its breakpoint")
    }

    /// Whether a file of this identity is the one that `part` was when it was last opened. One that can't be told from
    /// others is not.
    pub fn is_part(&self, identity: Option<FileIdentity>) -> bool {
        self.identity.is_some() && self.identity == identity
    }

    /// How many bytes are there.
    pub fn written(&self) -> u64 {
        self.blocks.iter().fold(0, |sum, block| sum.saturating_add(block.written))
    }

    /// Takes over the counters of the blocks that `progress` names by their start; returns whether all were found.
    pub fn apply(&mut self, progress: &[BlockInfo]) -> bool {
        let mut all = true;
        for new in progress {
            match self.blocks.iter_mut().find(|block| block.start == new.start) {
                Some(block) => (block.written, block.synced) = (new.written, new.synced),
                None => all = false,
            }
        }
        all
    }
}

/// A finished download, as a store keeps it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletionRecord {
    /// The task it was.
    pub id: TaskId,
    /// Its URL, without userinfo and fragment.
    pub url: Url,
    /// Where the file is.
    pub location: Location,
    /// The file's length.
    pub length: u64,
    /// The file's time of modification after completion, in nanoseconds since 1970.
    pub modified: Option<i64>,
    /// The version of the resource that the file is.
    pub validators: Validators,
}

/// Hides the query values of the URL.
impl fmt::Debug for CompletionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionRecord")
            .field("id", &self.id)
            .field("url", &redacted(&self.url))
            .field("location", &self.location)
            .field("length", &self.length)
            .field("modified", &self.modified)
            .field("validators", &self.validators)
            .finish()
    }
}

impl CompletionRecord {
    /// A record of these parts.
    pub fn new(id: TaskId, url: Url, location: Location, length: u64) -> Self {
        Self { id, url, location, length, modified: None, validators: Validators::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_arithmetic() {
        let block = BlockInfo::new(12, Some(6)).with_progress(2, 1);
        assert_eq!((block.end(), block.position(), block.remaining()), (Some(18), 14, Some(4)));
        assert!(!block.is_full());
        assert!(BlockInfo::new(0, Some(0)).is_full());
        let unknown = BlockInfo::new(0, None).with_progress(9, 0);
        assert_eq!((unknown.end(), unknown.remaining(), unknown.is_full()), (None, None, false));
    }

    #[test]
    fn a_record_gives_its_task_back() {
        for target in [Target::file("/d/a"), Target::directory("/d")] {
            let task = DownloadTask::builder("http://h/a", target).priority(3).build().unwrap();
            let place = task.target().resolve("a");
            let mut info = BreakpointInfo::new(task.id(), task.url().clone(), place.clone(), place);
            // Of an earlier version: without options.
            assert_eq!(info.task().unwrap(), task);
            info.options = Some(task.to_stored());
            assert_eq!((info.task().unwrap().priority(), info.task().unwrap()), (3, task));
            info.id = TaskId::from_u128(7);
            assert_eq!(info.task().unwrap_err().kind(), ErrorKind::StoreCorrupt);
            info.options = None;
            assert_eq!(info.task().unwrap_err().kind(), ErrorKind::StoreCorrupt);
        }
    }

    #[test]
    fn progress_is_taken_over_by_start() {
        let url: Url = "http://h/a".parse().unwrap();
        let place = Location::Path("/a".into());
        let id = TaskId::from_u128(1);
        let mut info = BreakpointInfo::new(id, url, place.clone(), place);
        info.blocks = vec![BlockInfo::new(0, Some(10)), BlockInfo::new(10, Some(10))];
        assert!(info.apply(&[BlockInfo::new(10, None).with_progress(4, 2)]));
        assert_eq!(info.written(), 4);
        assert!(!info.apply(&[BlockInfo::new(5, None)]));
    }
}
