//! The store seam of okdownload: where breakpoints and completion records are kept.
//!
//! Depend on this crate (and on `okdownload-types`) to keep them in a place of your own. Prove it with the store suite
//! of `okdownload-testkit`. Programs that only download depend on `okdownload`.
//!
//! A store has one way to write, [`DownloadStore::commit`]: a batch of [`Change`]s that happens whole or not at all.
//! The verbs that one would look for (insert, update, record progress, complete, remove, replace) are changes.
//! [`Remit`] puts the delayed write of OkDownload over any store.
//!
//! Most databases block. [`blocking`] makes a store of one, and [`place`] looks after its files.

pub mod blocking;
mod forward;
pub mod place;
mod remit;

use std::fmt::Debug;

use async_trait::async_trait;
use okdownload_types::{
    BlockInfo, BreakpointInfo, CompletionRecord, Error, ErrorKind, Location, Result, TaskId,
};
use url::Url;

pub use place::OnWarning;
pub use remit::{Clock, Remit};

/// What [`forward_store!`] names.
#[doc(hidden)]
pub mod __private {
    pub use async_trait::async_trait;
    pub use okdownload_types::{BreakpointInfo, CompletionRecord, Location, Result, TaskId};
    pub use url::Url;
}

/// What survives of a store's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Survives {
    /// Nothing survives the process.
    Nothing,
    /// A committed batch survives the death of the process.
    Process,
    /// A committed batch survives the death of the process, and after a loss of power the store is whole and holds at
    /// least all that [`CommitLevel::Power`] has promised.
    Power,
}

/// What a store can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreCapability {
    /// What survives.
    pub survives: Survives,
    /// Whether several processes may use the same data at a time.
    pub many_processes: bool,
}

impl StoreCapability {
    /// A capability of these parts.
    pub const fn new(survives: Survives, many_processes: bool) -> Self {
        Self { survives, many_processes }
    }
}

/// What a batch must survive once [`commit`](DownloadStore::commit) returns, as far as the store can do it at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommitLevel {
    /// The death of the process.
    Process,
    /// The loss of power. With this batch, all earlier ones are safe as well.
    Power,
}

/// One change of a store. A store that does not know one of them can't be one, so the list is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Keeps this breakpoint, in place of one that has its id. Any completion record of that id stays.
    Put(BreakpointInfo),
    /// Sets the counters of the blocks with these starts to these (absolute) values; lengths are not looked at.
    /// A block that is not there is passed over: the breakpoint was put anew meanwhile. Without the breakpoint the batch
    /// is refused with [`no_breakpoint`]: somebody removed it, or the store has lost it, as when a damaged database was
    /// moved aside. Put it whole then.
    Progress(TaskId, Vec<BlockInfo>),
    /// Removes the breakpoint of this record's id and keeps the record, in place of one that has its id.
    Complete(CompletionRecord),
    /// Removes the breakpoint of this id, if there is one.
    RemoveBreakpoint(TaskId),
    /// Removes the completion record of this id, if there is one.
    RemoveCompletion(TaskId),
    /// Remembers under which name the response to this URL was last kept.
    ResponseFilename(Url, String),
}

impl Change {
    /// The id of the task that this change is about.
    pub fn id(&self) -> Option<TaskId> {
        match self {
            Self::Put(info) => Some(info.id),
            Self::Complete(record) => Some(record.id),
            Self::Progress(id, _) | Self::RemoveBreakpoint(id) | Self::RemoveCompletion(id) => Some(*id),
            Self::ResponseFilename(..) => None,
        }
    }
}

/// The error of a [`Change::Progress`] whose breakpoint is not there: its kind is [`NotFound`](ErrorKind::NotFound).
pub fn no_breakpoint(id: TaskId) -> Error {
    Error::new(ErrorKind::NotFound, "there is no breakpoint to record progress of")
        .with_context("task", id)
        .with_advice("put the breakpoint whole")
}

/// What a store has about a task before it runs. Closed like [`Change`]: a store that answers has to answer all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recalled {
    /// Its breakpoint.
    pub breakpoint: Option<BreakpointInfo>,
    /// Its completion record.
    pub completion: Option<CompletionRecord>,
    /// The breakpoints, its own among them, whose finished file goes to the place that was asked about.
    pub at_place: Vec<BreakpointInfo>,
}

/// Keeps breakpoints and completion records.
///
/// # Contract
/// - [`commit`](DownloadStore::commit) is atomic: the whole batch, in its order, or nothing of it; also for who reads
///   at the same time and for who reads after a crash. After `Ok` every reader sees it.
/// - No call blocks its caller. Dropping the future of a `commit` leaves open whether it happens, never halves it.
/// - A breakpoint that is put again keeps its age; a completion that is made again is the newest.
/// - An empty batch for [`CommitLevel::Power`] is a sync: it makes all earlier batches safe.
/// - What was put is given back equal: all fields, 64-bit numbers, the order of the blocks.
/// - What can't be read is an error that names the record, never a record with other values.
/// - Opening is lazy: the first call opens, and reports what is wrong.
#[async_trait]
pub trait DownloadStore: Debug + Send + Sync + 'static {
    /// What this store can do.
    fn capability(&self) -> StoreCapability;

    /// The breakpoint of this id.
    ///
    /// # Errors
    /// If the store can't be read.
    async fn breakpoint(&self, id: TaskId) -> Result<Option<BreakpointInfo>>;

    /// The completion record of this id.
    ///
    /// # Errors
    /// If the store can't be read.
    async fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>>;

    /// The breakpoints whose finished file goes to this place, whatever their task.
    ///
    /// # Errors
    /// If the store can't be read.
    async fn breakpoints_at(&self, location: &Location) -> Result<Vec<BreakpointInfo>>;

    /// All that a task has to know before it runs: [`breakpoint`](DownloadStore::breakpoint), then
    /// [`completion`](DownloadStore::completion), then [`breakpoints_at`](DownloadStore::breakpoints_at) this place, if
    /// there is one. Each task asks for it, small files too: a store that can answer in one go should.
    ///
    /// # Errors
    /// If the store can't be read.
    async fn recall(&self, id: TaskId, place: Option<&Location>) -> Result<Recalled> {
        let (breakpoint, completion) = (self.breakpoint(id).await?, self.completion(id).await?);
        let at_place = match place {
            Some(place) => self.breakpoints_at(place).await?,
            None => Vec::new(),
        };
        Ok(Recalled { breakpoint, completion, at_place })
    }

    /// All breakpoints, the oldest first.
    ///
    /// # Errors
    /// If the store can't be read.
    async fn unfinished(&self) -> Result<Vec<BreakpointInfo>>;

    /// All completion records, the oldest first.
    ///
    /// # Errors
    /// If the store can't be read.
    async fn completed(&self) -> Result<Vec<CompletionRecord>>;

    /// Under which name the response to this URL was last kept. For programs and strategies: the engine itself neither
    /// asks nor says so, it finds a file that a response named by the task's records.
    ///
    /// # Errors
    /// If the store can't be read.
    async fn response_filename(&self, url: &Url) -> Result<Option<String>>;

    /// Makes these changes, all or none.
    ///
    /// # Errors
    /// If the store can't be written or refuses one of the changes; then nothing has changed.
    /// [`NotFound`](ErrorKind::NotFound) says that there is no breakpoint for a [`Change::Progress`];
    /// [`Unsupported`](ErrorKind::Unsupported) that a number is too large for this store, beyond 2^63-1.
    async fn commit(&self, changes: Vec<Change>, level: CommitLevel) -> Result<()>;

    /// Writes back what the store holds back for itself, and lets go of files and locks. A later call opens it again.
    ///
    /// # Errors
    /// If the store can't be written.
    async fn close(&self) -> Result<()>;
}
