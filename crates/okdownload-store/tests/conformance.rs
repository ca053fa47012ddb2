//! The delayed write is a store when it holds everything. (When it holds nothing: see the stores' `tests/remit.rs`.)

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use okdownload_store::{Change, Clock, CommitLevel, DownloadStore, Remit, StoreCapability};
use okdownload_store_memory::MemoryStore;
use okdownload_types::{BreakpointInfo, CompletionRecord, Location, Result, TaskId};
use url::Url;

fn remit() -> Remit {
    // A clock that is later each time it is asked.
    let asked = AtomicU64::new(0);
    let clock: Clock = Arc::new(move || Duration::from_nanos(asked.fetch_add(1, Ordering::Relaxed)));
    Remit::new(Arc::new(MemoryStore::new()), Duration::MAX / 2, u64::MAX, clock)
}

/// Says of each task that is not there that it is new, as the engine does.
#[derive(Debug)]
struct Started(Remit);

#[async_trait]
impl DownloadStore for Started {
    fn capability(&self) -> StoreCapability {
        self.0.capability()
    }

    async fn breakpoint(&self, id: TaskId) -> Result<Option<BreakpointInfo>> {
        self.0.breakpoint(id).await
    }

    async fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>> {
        self.0.completion(id).await
    }

    async fn breakpoints_at(&self, location: &Location) -> Result<Vec<BreakpointInfo>> {
        self.0.breakpoints_at(location).await
    }

    async fn unfinished(&self) -> Result<Vec<BreakpointInfo>> {
        self.0.unfinished().await
    }

    async fn completed(&self) -> Result<Vec<CompletionRecord>> {
        self.0.completed().await
    }

    async fn response_filename(&self, url: &Url) -> Result<Option<String>> {
        self.0.response_filename(url).await
    }

    async fn commit(&self, changes: Vec<Change>, level: CommitLevel) -> Result<()> {
        for change in &changes {
            if let Change::Put(info) = change {
                let known = self.0.breakpoint(info.id).await?.is_some();
                self.0.start(info.id, known);
            }
        }
        self.0.commit(changes, level).await
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

okdownload_testkit::store_suite!(|_| Arc::new(Started(remit())));
