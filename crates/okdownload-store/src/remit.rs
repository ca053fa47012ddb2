//! The delayed write.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use okdownload_types::{BreakpointInfo, CompletionRecord, Location, Result, TaskId};
use url::Url;

use crate::{Change, CommitLevel, DownloadStore, StoreCapability};

/// Tells the time since some fixed moment.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// A store that holds back the first record of each task, over another one: a task that ends soon never costs a
/// breakpoint of its own.
///
/// A task that was [started](Remit::start) as new is *held*: its breakpoint stays in memory until it is due, that is
/// until `delay` has passed since the start or more than `threshold` bytes are there, whichever comes first. From then
/// on, and for tasks that are in the store already, every change is written through. What is due when nothing changes
/// is written by [`commit_due`](Remit::commit_due); its owner calls that from time to time.
///
/// Readers see held breakpoints as if they were written.
pub struct Remit {
    inner: Arc<dyn DownloadStore>,
    delay: Duration,
    threshold: u64,
    clock: Clock,
    held: Mutex<BTreeMap<TaskId, Held>>,
}

#[derive(Debug)]
struct Held {
    since: Duration,
    info: Option<BreakpointInfo>,
}

impl Remit {
    /// OkDownload's delay: 1.5 s.
    pub const DELAY: Duration = Duration::from_millis(1500);
    /// The bytes that are too many to lose: 1 MiB.
    pub const THRESHOLD: u64 = 1 << 20;

    /// Puts the delayed write over `inner`. `clock` is the time that `delay` is measured by.
    pub fn new(inner: Arc<dyn DownloadStore>, delay: Duration, threshold: u64, clock: Clock) -> Self {
        Self { inner, delay, threshold, clock, held: Mutex::default() }
    }

    /// A run of a task begins. `known` says whether the store has its breakpoint already.
    pub fn start(&self, id: TaskId, known: bool) {
        if !known {
            self.held().insert(id, Held { since: (self.clock)(), info: None });
        }
    }

    /// A run of a task is over: what is still held of it is written now, unless it has no bytes.
    ///
    /// # Errors
    /// If the store can't be written; then it stays held, and the next call tries again.
    pub async fn end(&self, id: TaskId) -> Result<()> {
        let last = {
            let mut held = self.held();
            let with_bytes = |held: &Held| held.info.clone().filter(|info| info.written() > 0);
            match held.get(&id).and_then(with_bytes) {
                Some(info) => info,
                None => {
                    held.remove(&id);
                    return Ok(());
                }
            }
        };
        self.inner.commit(vec![Change::Put(last)], CommitLevel::Process).await?;
        self.held().remove(&id);
        Ok(())
    }

    /// Writes what has become due. Does nothing, at no cost, if nothing has.
    ///
    /// # Errors
    /// If the store can't be written; then it stays held.
    pub async fn commit_due(&self) -> Result<()> {
        let due: Vec<_> = {
            let held = self.held();
            held.values().filter(|held| self.is_due(held)).filter_map(|held| held.info.clone()).collect()
        };
        if due.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = due.iter().map(|info| info.id).collect();
        self.inner.commit(due.into_iter().map(Change::Put).collect(), CommitLevel::Process).await?;
        self.release(&ids);
        Ok(())
    }

    /// When the next held breakpoint will be due, by the clock.
    pub fn next_due(&self) -> Option<Duration> {
        self.held().values().filter(|held| held.info.is_some()).map(|held| held.since + self.delay).min()
    }

    fn is_due(&self, held: &Held) -> bool {
        let Some(info) = &held.info else { return false };
        let written = info.written();
        written > self.threshold || (written > 0 && (self.clock)().saturating_sub(held.since) >= self.delay)
    }

    /// Takes into memory what may wait, and gives what may not. Ids whose first record is among it come second; they
    /// stay held until the write has succeeded.
    fn admit(&self, changes: Vec<Change>, level: CommitLevel) -> (Vec<Change>, Vec<TaskId>) {
        let mut held = self.held();
        let (mut through, mut first) = (Vec::new(), Vec::new());
        for change in changes {
            let Some(entry) = change.id().and_then(|id| held.get_mut(&id)) else {
                through.push(change);
                continue;
            };
            match change {
                Change::Put(info) => entry.info = Some(info),
                Change::Progress(_, progress) => {
                    if let Some(info) = &mut entry.info {
                        info.apply(&progress);
                    }
                }
                Change::RemoveBreakpoint(_) => {
                    entry.info = None;
                    continue;
                }
                Change::Complete(record) => {
                    held.remove(&record.id);
                    through.push(Change::Complete(record));
                    continue;
                }
                other => {
                    through.push(other);
                    continue;
                }
            }
            let due = level == CommitLevel::Power || self.is_due(entry);
            if let Some(info) = entry.info.as_ref().filter(|_| due) {
                first.push(info.id);
                through.push(Change::Put(info.clone()));
            }
        }
        (through, first)
    }

    fn release(&self, ids: &[TaskId]) {
        let mut held = self.held();
        for id in ids {
            held.remove(id);
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<TaskId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_infos(&self) -> Vec<BreakpointInfo> {
        self.held().values().filter_map(|held| held.info.clone()).collect()
    }
}

impl fmt::Debug for Remit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remit")
            .field("inner", &self.inner)
            .field("delay", &self.delay)
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl DownloadStore for Remit {
    fn capability(&self) -> StoreCapability {
        self.inner.capability()
    }

    async fn breakpoint(&self, id: TaskId) -> Result<Option<BreakpointInfo>> {
        let held = self.held().get(&id).map(|held| held.info.clone());
        match held {
            Some(info) => Ok(info),
            None => self.inner.breakpoint(id).await,
        }
    }

    async fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>> {
        self.inner.completion(id).await
    }

    async fn breakpoints_at(&self, location: &Location) -> Result<Vec<BreakpointInfo>> {
        let mut found = self.inner.breakpoints_at(location).await?;
        found.extend(self.held_infos().into_iter().filter(|info| info.location == *location));
        Ok(found)
    }

    async fn unfinished(&self) -> Result<Vec<BreakpointInfo>> {
        let mut found = self.inner.unfinished().await?;
        found.extend(self.held_infos());
        Ok(found)
    }

    async fn completed(&self) -> Result<Vec<CompletionRecord>> {
        self.inner.completed().await
    }

    async fn response_filename(&self, url: &Url) -> Result<Option<String>> {
        self.inner.response_filename(url).await
    }

    async fn commit(&self, changes: Vec<Change>, level: CommitLevel) -> Result<()> {
        let (through, first) = self.admit(changes, level);
        if through.is_empty() {
            return Ok(());
        }
        self.inner.commit(through, level).await?;
        self.release(&first);
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
