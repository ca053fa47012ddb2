//! The delayed write.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_lock::RwLock;
use async_trait::async_trait;
use okdownload_types::{BreakpointInfo, CompletionRecord, Location, Result, TaskId};
use url::Url;

use crate::{Change, CommitLevel, DownloadStore, Recalled, StoreCapability};

/// Tells the time since some fixed moment.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// A store that holds back the first record of each task, over another one: a task that ends soon never costs a
/// breakpoint of its own.
///
/// A task that was [started](Remit::start) as new is *held*: its breakpoint stays in memory until it is due, that is
/// until more than `threshold` bytes are there, or any bytes and `delay` has passed since it was first put, whichever
/// comes first. (A breakpoint without bytes is due with a batch for power only: nothing of it can be lost.) From then on,
/// and for tasks that are in the store already, every change is written through. So is every batch for
/// [`CommitLevel::Power`]. What is due when nothing changes is written by [`commit_due`](Remit::commit_due); its owner
/// calls that from time to time.
///
/// Readers see held breakpoints as if they were written, after those that are. [`close`](DownloadStore::close) writes
/// those with bytes.
pub struct Remit {
    inner: Arc<dyn DownloadStore>,
    delay: Duration,
    threshold: u64,
    clock: Clock,
    held: Mutex<BTreeMap<TaskId, Held>>,
    /// Shared by those that commit; owned by who writes held breakpoints. Else such a write could reach the store after
    /// a change of the same task that was made later, and bring back what that has removed.
    order: RwLock<()>,
}

#[derive(Debug, Clone)]
struct Held {
    /// When its breakpoint came to be.
    since: Duration,
    info: Option<BreakpointInfo>,
    /// A write was begun, so the store may have it, whatever became of the write.
    tried: bool,
    /// The batch that completes it is on its way.
    leaving: bool,
}

/// What became of a batch.
#[derive(Default)]
struct Admitted {
    /// What goes to the store now.
    through: Vec<Change>,
    /// Who is no longer held once that has succeeded.
    release: Vec<TaskId>,
    /// What was held before, should it fail.
    before: BTreeMap<TaskId, Held>,
}

impl Remit {
    /// OkDownload's delay: 1.5 s.
    pub const DELAY: Duration = Duration::from_millis(1500);
    /// The bytes that are too many to lose: 1 MiB.
    pub const THRESHOLD: u64 = 1 << 20;

    /// Puts the delayed write over `inner`. `clock` is the time that `delay` is measured by.
    pub fn new(inner: Arc<dyn DownloadStore>, delay: Duration, threshold: u64, clock: Clock) -> Self {
        Self { inner, delay, threshold, clock, held: Mutex::default(), order: RwLock::new(()) }
    }

    /// A run of a task begins. `known` says whether the store has its breakpoint already; be sure of it: what the store
    /// has of a task that is said to be new stays there until the task's first write.
    pub fn start(&self, id: TaskId, known: bool) {
        if !known {
            let since = (self.clock)();
            // What an earlier run could not write is still held, and stays so.
            let new = || Held { since, info: None, tried: false, leaving: false };
            self.held().entry(id).or_insert_with(new);
        }
    }

    /// Whether the store need not hear of a task of which `written` bytes are there: it is held, and not due even with
    /// them.
    pub fn may_wait(&self, id: TaskId, written: u64) -> bool {
        let held = self.held();
        let Some(held) = held.get(&id).filter(|held| !held.tried && !held.leaving) else { return false };
        let elapsed = (self.clock)().saturating_sub(held.since);
        written <= self.threshold && elapsed < self.delay
    }

    /// The bytes that a task has are about to be removed: what is held of it is forgotten, if nothing of it has reached the
    /// store yet. Else it could become due before the store is told otherwise.
    pub fn withdraw(&self, id: TaskId) {
        if let Some(held) = self.held().get_mut(&id).filter(|held| !held.tried && !held.leaving) {
            held.info = None;
        }
    }

    /// A run of a task is over: what is still held of it is written now, unless it has no bytes.
    ///
    /// # Errors
    /// If the store can't be written; then it stays held, and the next call tries again.
    pub async fn end(&self, id: TaskId) -> Result<()> {
        self.write_held(|_, held| held.info.as_ref().is_some_and(|info| info.id == id)).await?;
        self.held().remove(&id);
        Ok(())
    }

    /// Writes what has become due. Does nothing, at no cost, if nothing has.
    ///
    /// # Errors
    /// If the store can't be written; then it stays held.
    pub async fn commit_due(&self) -> Result<()> {
        self.write_held(Self::is_due).await
    }

    fn is_due(&self, held: &Held) -> bool {
        let elapsed = || (self.clock)().saturating_sub(held.since);
        held.bytes().is_some_and(|bytes| bytes > self.threshold || elapsed() >= self.delay)
    }

    /// Writes those held breakpoints with bytes that are wanted; they are no longer held then.
    async fn write_held(&self, wanted: impl Fn(&Self, &Held) -> bool + Send + Sync) -> Result<()> {
        let wanted = |held: &Held| held.bytes().is_some() && wanted(self, held);
        if !self.held().values().any(wanted) {
            return Ok(());
        }
        let _alone = self.order.write().await;
        let mut infos = Vec::new();
        for held in self.held().values_mut().filter(|held| wanted(held)) {
            held.tried = true;
            infos.extend(held.info.clone());
        }
        if infos.is_empty() {
            return Ok(());
        }
        let mut told = self.write(&infos).await;
        if told.is_err() && infos.len() > 1 {
            // What is refused of one must not harm the others.
            told = Ok(());
            for info in &infos {
                told = told.and(self.write(std::slice::from_ref(info)).await);
            }
        }
        told
    }

    async fn write(&self, infos: &[BreakpointInfo]) -> Result<()> {
        let changes = infos.iter().cloned().map(Change::Put).collect();
        self.inner.commit(changes, CommitLevel::Process).await?;
        self.release(&infos.iter().map(|info| info.id).collect::<Vec<_>>());
        Ok(())
    }

    /// Takes into memory what may wait, and gives what may not.
    fn admit(&self, changes: Vec<Change>, level: CommitLevel) -> Admitted {
        let mut held = self.held();
        let mut admitted = Admitted::default();
        let mut changed = Vec::new();
        for change in changes {
            let entry = change.id().and_then(|id| held.get_mut(&id)).filter(|entry| !entry.leaving);
            let (Some(id), Some(entry)) = (change.id(), entry) else {
                admitted.through.push(change);
                continue;
            };
            admitted.before.entry(id).or_insert_with(|| entry.clone());
            if let Some(through) = entry.take_in(change, &self.clock) {
                admitted.through.push(through);
            }
            if entry.leaving {
                admitted.release.push(id);
            } else if !changed.contains(&id) {
                changed.push(id);
            }
        }
        for id in changed {
            let Some(entry) = held.get_mut(&id).filter(|entry| !entry.leaving) else { continue };
            let due = level == CommitLevel::Power || self.is_due(entry);
            if let Some(info) = entry.info.clone().filter(|_| due) {
                entry.tried = true;
                admitted.release.push(id);
                admitted.through.push(Change::Put(info));
            }
        }
        admitted
    }

    /// The batch has failed: what it did to held breakpoints is undone.
    fn restore(&self, before: BTreeMap<TaskId, Held>) {
        let mut held = self.held();
        for (id, old) in before {
            let tried = held.get(&id).is_some_and(|entry| entry.tried);
            held.insert(id, Held { tried: old.tried || tried, ..old });
        }
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

    fn held_info(&self, id: TaskId) -> Option<BreakpointInfo> {
        self.held().get(&id)?.info.clone()
    }

    fn held_at(&self, place: &Location) -> Vec<BreakpointInfo> {
        self.held_where(|info| info.location == *place)
    }

    /// Held breakpoints that are wanted, the oldest first.
    fn held_where(&self, wanted: impl Fn(&BreakpointInfo) -> bool) -> Vec<BreakpointInfo> {
        let held = self.held();
        let with_info = held.values().filter_map(|held| Some((held.since, held.info.as_ref()?)));
        let mut found: Vec<_> = with_info.filter(|(_, info)| wanted(info)).collect();
        found.sort_by_key(|(since, _)| *since);
        found.into_iter().map(|(_, info)| info.clone()).collect()
    }
}

impl Held {
    /// How many bytes there are, if there are any and it is still to be written.
    fn bytes(&self) -> Option<u64> {
        self.info.as_ref().map(BreakpointInfo::written).filter(|written| *written > 0 && !self.leaving)
    }

    /// Takes in a change of this task. Gives it back if the store must hear of it.
    fn take_in(&mut self, change: Change, clock: &Clock) -> Option<Change> {
        match change {
            Change::Put(info) => {
                if self.info.replace(info).is_none() {
                    self.since = clock();
                }
            }
            Change::Progress(id, progress) => match &mut self.info {
                Some(info) => {
                    info.apply(&progress);
                }
                // Nothing is held, so it is for the store to say whether there is a breakpoint.
                None => return Some(Change::Progress(id, progress)),
            },
            Change::RemoveBreakpoint(_) => {
                self.info = None;
                return self.tried.then_some(change);
            }
            Change::Complete(_) => {
                self.leaving = true;
                return Some(change);
            }
            other => return Some(other),
        }
        None
    }
}

/// What the store has, and what is held; of a task that both have, the store's is the older. `held` was read first, so
/// that nothing is missed that is written in between.
fn merged(mut stored: Vec<BreakpointInfo>, held: Vec<BreakpointInfo>) -> Vec<BreakpointInfo> {
    let ids: BTreeSet<TaskId> = held.iter().map(|info| info.id).collect();
    stored.retain(|info| !ids.contains(&info.id));
    stored.extend(held);
    stored
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
        match self.held_info(id) {
            Some(info) => Ok(Some(info)),
            None => self.inner.breakpoint(id).await,
        }
    }

    async fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>> {
        self.inner.completion(id).await
    }

    async fn breakpoints_at(&self, location: &Location) -> Result<Vec<BreakpointInfo>> {
        let held = self.held_at(location);
        Ok(merged(self.inner.breakpoints_at(location).await?, held))
    }

    async fn recall(&self, id: TaskId, place: Option<&Location>) -> Result<Recalled> {
        // Held ones first, as below.
        let own = self.held_info(id);
        let there = place.map_or_else(Vec::new, |place| self.held_at(place));
        let stored = self.inner.recall(id, place).await?;
        Ok(Recalled {
            breakpoint: own.or(stored.breakpoint),
            completion: stored.completion,
            at_place: merged(stored.at_place, there),
        })
    }

    async fn unfinished(&self) -> Result<Vec<BreakpointInfo>> {
        let held = self.held_where(|_| true);
        Ok(merged(self.inner.unfinished().await?, held))
    }

    async fn completed(&self) -> Result<Vec<CompletionRecord>> {
        self.inner.completed().await
    }

    async fn response_filename(&self, url: &Url) -> Result<Option<String>> {
        self.inner.response_filename(url).await
    }

    async fn commit(&self, changes: Vec<Change>, level: CommitLevel) -> Result<()> {
        let _shared = self.order.read().await;
        let asks_nothing = changes.is_empty();
        let Admitted { through, release, before } = self.admit(changes, level);
        // All of it is held. (An empty batch is passed on: who makes one asks whether the store can be written.)
        if through.is_empty() && !asks_nothing && level == CommitLevel::Process {
            return Ok(());
        }
        match self.inner.commit(through, level).await {
            Ok(()) => self.release(&release),
            Err(error) => {
                self.restore(before);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        self.write_held(|_, _| true).await?;
        self.inner.close().await
    }
}
