//! okdownload's store in memory: nothing survives the process.
//!
//! Depend on this crate for downloads that need not go on in another run, for tests, and as the shortest example of a
//! store. Programs that only download depend on `okdownload`.

mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use okdownload_store::{Change, CommitLevel, DownloadStore, StoreCapability, Survives, no_breakpoint};
use okdownload_types::{BreakpointInfo, CompletionRecord, Location, Result, TaskId};
use url::Url;

use crate::records::Records;

/// A store in memory. Every value of it is a store of its own; share one as `Arc<MemoryStore>`.
///
/// No call of it fails but a commit of [`Change::Progress`] without a breakpoint, and none waits for more than a look-up.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    breakpoints: Records<BreakpointInfo>,
    places: BTreeMap<Location, BTreeSet<TaskId>>,
    completions: Records<CompletionRecord>,
    filenames: BTreeMap<Url, String>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Nothing below panics half-way through a change, so what a poisoned lock guards is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Finds what will be refused before anything has changed.
    fn check(&self, changes: &[Change]) -> Result<()> {
        let mut will_be = BTreeMap::new();
        for change in changes {
            match change {
                Change::Put(info) => will_be.insert(info.id, true),
                Change::RemoveBreakpoint(id) => will_be.insert(*id, false),
                Change::Complete(record) => will_be.insert(record.id, false),
                Change::Progress(id, _) => {
                    let is_there = || self.breakpoints.get(*id).is_some();
                    if !will_be.get(id).copied().unwrap_or_else(is_there) {
                        return Err(no_breakpoint(*id));
                    }
                    None
                }
                Change::RemoveCompletion(_) | Change::ResponseFilename(..) => None,
            };
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Put(info) => self.put(info),
            Change::Progress(id, progress) => {
                if let Some(info) = self.breakpoints.get_mut(id) {
                    info.apply(&progress);
                }
            }
            Change::Complete(record) => {
                self.remove_breakpoint(record.id);
                self.completions.remove(record.id);
                self.completions.put(record.id, record);
            }
            Change::RemoveBreakpoint(id) => self.remove_breakpoint(id),
            Change::RemoveCompletion(id) => {
                self.completions.remove(id);
            }
            Change::ResponseFilename(url, name) => {
                self.filenames.insert(url, name);
            }
        }
    }

    fn put(&mut self, info: BreakpointInfo) {
        let (id, location) = (info.id, info.location.clone());
        if let Some(old) = self.breakpoints.put(id, info) {
            self.leave(&old);
        }
        self.places.entry(location).or_default().insert(id);
    }

    fn remove_breakpoint(&mut self, id: TaskId) {
        if let Some(old) = self.breakpoints.remove(id) {
            self.leave(&old);
        }
    }

    fn leave(&mut self, old: &BreakpointInfo) {
        if let Some(ids) = self.places.get_mut(&old.location) {
            ids.remove(&old.id);
            if ids.is_empty() {
                self.places.remove(&old.location);
            }
        }
    }
}

#[async_trait]
impl DownloadStore for MemoryStore {
    fn capability(&self) -> StoreCapability {
        StoreCapability::new(Survives::Nothing, false)
    }

    async fn breakpoint(&self, id: TaskId) -> Result<Option<BreakpointInfo>> {
        Ok(self.tables().breakpoints.get(id).cloned())
    }

    async fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>> {
        Ok(self.tables().completions.get(id).cloned())
    }

    async fn breakpoints_at(&self, location: &Location) -> Result<Vec<BreakpointInfo>> {
        let tables = self.tables();
        let ids = tables.places.get(location).into_iter().flatten();
        Ok(ids.filter_map(|id| tables.breakpoints.get(*id).cloned()).collect())
    }

    async fn unfinished(&self) -> Result<Vec<BreakpointInfo>> {
        Ok(self.tables().breakpoints.oldest_first().cloned().collect())
    }

    async fn completed(&self) -> Result<Vec<CompletionRecord>> {
        Ok(self.tables().completions.oldest_first().cloned().collect())
    }

    async fn response_filename(&self, url: &Url) -> Result<Option<String>> {
        Ok(self.tables().filenames.get(url).cloned())
    }

    async fn commit(&self, changes: Vec<Change>, _: CommitLevel) -> Result<()> {
        // One lock for the whole batch: nobody reads half of it.
        let mut tables = self.tables();
        tables.check(&changes)?;
        for change in changes {
            tables.apply(change);
        }
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
