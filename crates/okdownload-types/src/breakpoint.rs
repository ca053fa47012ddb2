//! What is known of an unfinished download, and of a finished one.

use url::Url;

use crate::{Location, TaskId, Validators};

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

/// What tells a file from another one that later has the same name: on Unix the inode and its time of birth.
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The blocks, by start; they never overlap.
    pub blocks: Vec<BlockInfo>,
}

impl BreakpointInfo {
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
            blocks: Vec::new(),
        }
    }

    /// The version that the bytes are of.
    pub fn version(&self) -> ResourceVersion {
        ResourceVersion::new(self.validators.clone(), self.total)
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
