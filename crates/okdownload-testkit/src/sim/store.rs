//! The simulated store: a log over a store of the caller's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use okdownload_store::{Change, CommitLevel, DownloadStore, StoreCapability, Survives};
use okdownload_types::{BreakpointInfo, CompletionRecord, Error, ErrorKind, Location, Result, TaskId};
use url::Url;

use super::{Crash, World};

/// Makes an empty store.
type Make = Arc<dyn Fn() -> Arc<dyn DownloadStore> + Send + Sync>;
/// Looks at breakpoints that are about to be claimed.
type Check = Arc<dyn Fn(&BreakpointInfo) + Send + Sync>;

/// A [`DownloadStore`] that survives what a good one survives, and nothing more. Cheap to clone: clones are the same
/// store.
#[derive(Clone)]
pub struct SimStore {
    world: World,
    make: Make,
    check: Check,
    state: Arc<Mutex<State>>,
}

struct State {
    inner: Arc<dyn DownloadStore>,
    log: Vec<Vec<Change>>,
    /// How many batches survive the loss of power.
    safe: usize,
    /// Batches that are on their way.
    under_way: BTreeMap<u64, Vec<Change>>,
    next: u64,
    /// What the log says.
    breakpoints: BTreeMap<TaskId, BreakpointInfo>,
    completions: BTreeMap<TaskId, CompletionRecord>,
}

impl fmt::Debug for SimStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimStore").finish_non_exhaustive()
    }
}

impl SimStore {
    /// A store that keeps its records in what `make` makes: anew after each crash. `check` is shown each breakpoint that a
    /// batch claims, before it is taken.
    pub fn new(
        world: &World,
        make: impl Fn() -> Arc<dyn DownloadStore> + Send + Sync + 'static,
        check: impl Fn(&BreakpointInfo) + Send + Sync + 'static,
    ) -> Self {
        let state = State {
            inner: make(),
            log: Vec::new(),
            safe: 0,
            under_way: BTreeMap::new(),
            next: 0,
            breakpoints: BTreeMap::new(),
            completions: BTreeMap::new(),
        };
        let state = Arc::new(Mutex::new(state));
        Self { world: world.clone(), make: Arc::new(make), check: Arc::new(check), state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All breakpoints there are.
    pub fn breakpoints(&self) -> Vec<BreakpointInfo> {
        self.state().breakpoints.values().cloned().collect()
    }

    /// The breakpoints that a loss of power would leave in any case.
    pub fn safe_breakpoints(&self) -> Vec<BreakpointInfo> {
        let state = self.state();
        let mut breakpoints = BTreeMap::new();
        state.log[..state.safe].iter().flatten().for_each(|change| learn(&mut breakpoints, change));
        breakpoints.into_values().collect()
    }

    /// All completion records there are.
    pub fn completions(&self) -> Vec<CompletionRecord> {
        self.state().completions.values().cloned().collect()
    }

    /// What is left when the process is gone. What survives a death is all that was committed, and perhaps what was on
    /// its way; what survives a loss of power, all up to the last batch for it, and perhaps some that followed.
    pub async fn crash(&self, crash: Crash) {
        let (inner, log) = {
            let mut state = self.state();
            let under_way = std::mem::take(&mut state.under_way);
            let kept = match crash {
                Crash::Process => state.log.len(),
                Crash::Power => {
                    state.safe + self.world.below((state.log.len() - state.safe) as u64 + 1) as usize
                }
            };
            let all = kept == state.log.len();
            state.log.truncate(kept);
            for batch in under_way.into_values() {
                if !all || self.world.chance(500) {
                    break;
                }
                state.log.push(batch);
            }
            if crash == Crash::Power {
                state.safe = state.log.len();
            }
            (state.breakpoints, state.completions) = (BTreeMap::new(), BTreeMap::new());
            state.inner = (self.make)();
            (state.inner.clone(), state.log.clone())
        };
        for batch in log {
            // One that was on its way may be refused now, as it would have been.
            if inner.commit(batch.clone(), CommitLevel::Process).await.is_ok() {
                self.state().learn(batch);
            }
        }
    }

    async fn read<T>(&self, what: &str, read: impl Future<Output = Result<T>>) -> Result<T> {
        let moment = self.world.happens(format_args!("read {what}"));
        moment.await;
        self.world.takes(self.world.faults().store_delay).await;
        if self.world.chance(self.world.faults().store_reads) {
            return Err(Error::new(ErrorKind::Store, "the simulated store cannot be read"));
        }
        read.await
    }

    fn inner(&self) -> Arc<dyn DownloadStore> {
        self.state().inner.clone()
    }

    /// Shows the breakpoints of a batch to those who check, as they will be.
    fn show(&self, changes: &[Change]) {
        let mut after = {
            let state = self.state();
            let ids = changes.iter().filter_map(Change::id);
            let old = ids.filter_map(|id| Some((id, state.breakpoints.get(&id)?.clone())));
            old.collect::<BTreeMap<_, _>>()
        };
        changes.iter().for_each(|change| learn(&mut after, change));
        after.values().for_each(|info| (self.check)(info));
    }
}

fn learn(breakpoints: &mut BTreeMap<TaskId, BreakpointInfo>, change: &Change) {
    match change {
        Change::Put(info) => {
            breakpoints.insert(info.id, info.clone());
        }
        Change::Progress(id, blocks) => {
            if let Some(info) = breakpoints.get_mut(id) {
                info.apply(blocks);
            }
        }
        Change::Complete(record) => {
            breakpoints.remove(&record.id);
        }
        Change::RemoveBreakpoint(id) => {
            breakpoints.remove(id);
        }
        Change::RemoveCompletion(_) | Change::ResponseFilename(..) => {}
    }
}

impl State {
    fn learn(&mut self, changes: Vec<Change>) {
        for change in changes {
            learn(&mut self.breakpoints, &change);
            match change {
                Change::Complete(record) => {
                    self.completions.insert(record.id, record);
                }
                Change::RemoveCompletion(id) => {
                    self.completions.remove(&id);
                }
                _ => {}
            }
        }
    }
}

/// A change as the history shows it.
struct Shown<'a>(&'a [Change]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks = |f: &mut fmt::Formatter<'_>, info: &[okdownload_types::BlockInfo]| {
            info.iter().try_for_each(|block| {
                let length = block.length.map_or(-1, |length| length as i64);
                write!(f, " {}+{length}:{}/{}", block.start, block.written, block.synced)
            })
        };
        for change in self.0 {
            match change {
                Change::Put(info) => {
                    let name = info.location.file_name().unwrap_or_default();
                    let number = info.identity.map(|identity| identity.number);
                    write!(f, " put {name} ({number:?}, {:?})", info.boot)?;
                    blocks(f, &info.blocks)?;
                }
                Change::Progress(id, progress) => {
                    write!(f, " progress {id}")?;
                    blocks(f, progress)?;
                }
                Change::Complete(record) => write!(f, " complete {}", record.location)?,
                Change::RemoveBreakpoint(id) => write!(f, " remove {id}")?,
                Change::RemoveCompletion(id) => write!(f, " remove completion {id}")?,
                Change::ResponseFilename(url, name) => write!(f, " {url} is {name}")?,
            }
        }
        Ok(())
    }
}

#[async_trait]
impl DownloadStore for SimStore {
    fn capability(&self) -> StoreCapability {
        StoreCapability::new(Survives::Power, false)
    }

    async fn breakpoint(&self, id: TaskId) -> Result<Option<BreakpointInfo>> {
        let inner = self.inner();
        self.read("breakpoint", inner.breakpoint(id)).await
    }

    async fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>> {
        let inner = self.inner();
        self.read("completion", inner.completion(id)).await
    }

    async fn breakpoints_at(&self, location: &Location) -> Result<Vec<BreakpointInfo>> {
        let inner = self.inner();
        self.read("breakpoints at a place", inner.breakpoints_at(location)).await
    }

    async fn unfinished(&self) -> Result<Vec<BreakpointInfo>> {
        let inner = self.inner();
        self.read("unfinished", inner.unfinished()).await
    }

    async fn completed(&self) -> Result<Vec<CompletionRecord>> {
        let inner = self.inner();
        self.read("completed", inner.completed()).await
    }

    async fn response_filename(&self, url: &Url) -> Result<Option<String>> {
        let inner = self.inner();
        self.read("file name", inner.response_filename(url)).await
    }

    async fn commit(&self, changes: Vec<Change>, level: CommitLevel) -> Result<()> {
        self.show(&changes);
        let ticket = {
            let mut state = self.state();
            state.next += 1;
            let ticket = state.next;
            state.under_way.insert(ticket, changes.clone());
            ticket
        };
        let moment = self.world.happens(format_args!("tell {level:?}:{}", Shown(&changes)));
        moment.await;
        self.world.takes(self.world.faults().store_delay).await;
        let fails = self.world.chance(self.world.faults().store_writes);
        let inner = self.inner();
        let told = if fails {
            Err(Error::new(ErrorKind::Store, "the simulated store cannot be written"))
        } else {
            inner.commit(changes.clone(), level).await
        };
        {
            let mut state = self.state();
            state.under_way.remove(&ticket);
            if told.is_ok() {
                state.log.push(changes.clone());
                state.learn(changes);
                if level == CommitLevel::Power {
                    state.safe = state.log.len();
                }
            }
        }
        let moment = self.world.happens(format_args!("told: {}", told.is_ok()));
        moment.await;
        told
    }

    async fn close(&self) -> Result<()> {
        let moment = self.world.happens(format_args!("close the store"));
        moment.await;
        Ok(())
    }
}
