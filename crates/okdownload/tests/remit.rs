//! When the store hears of a task: its first record is delayed, and never lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use common::listening::until;
use common::{Place, assert_content, tagged};
use okdownload::prelude::*;
use okdownload::store::{Change, CommitLevel, DownloadStore, SqliteStore, StoreCapability};
use okdownload::{BreakpointInfo, CompletionRecord, Location, TaskHandle, TaskId};
use okdownload_store_memory::MemoryStore;
use okdownload_testkit::server::{Body, Gate, Reply};
use url::Url;

/// A store that keeps the batches which it is given, and takes its time with each.
#[derive(Debug, Default)]
struct Spied {
    inner: MemoryStore,
    batches: Mutex<Vec<Vec<Change>>>,
    slowness: Duration,
}

impl Spied {
    /// The bytes that each breakpoint had when it was put whole.
    fn put(&self) -> Vec<u64> {
        let batches = self.batches.lock().unwrap();
        let put = |change: &Change| match change {
            Change::Put(info) => Some(info.written()),
            _ => None,
        };
        batches.iter().flatten().filter_map(put).collect()
    }
}

#[async_trait]
impl DownloadStore for Spied {
    fn capability(&self) -> StoreCapability {
        self.inner.capability()
    }

    async fn breakpoint(&self, id: TaskId) -> Result<Option<BreakpointInfo>> {
        self.inner.breakpoint(id).await
    }

    async fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>> {
        self.inner.completion(id).await
    }

    async fn breakpoints_at(&self, location: &Location) -> Result<Vec<BreakpointInfo>> {
        self.inner.breakpoints_at(location).await
    }

    async fn unfinished(&self) -> Result<Vec<BreakpointInfo>> {
        self.inner.unfinished().await
    }

    async fn completed(&self) -> Result<Vec<CompletionRecord>> {
        self.inner.completed().await
    }

    async fn response_filename(&self, url: &Url) -> Result<Option<String>> {
        self.inner.response_filename(url).await
    }

    async fn commit(&self, changes: Vec<Change>, level: CommitLevel) -> Result<()> {
        self.batches.lock().unwrap().push(changes.clone());
        tokio::time::sleep(self.slowness).await;
        self.inner.commit(changes, level).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

const SIZE: u64 = 200_000;

/// A task that stops after half of its bytes, and before the first one if there is a gate for that.
fn halting(place: &Place, first: Option<&Gate>, half: &Gate) -> DownloadTask {
    place.server.serve("/a", tagged(Body::pattern(1, SIZE)));
    let reply = Reply::resource();
    let reply = if let Some(first) = first { reply.gate_after(0, first) } else { reply };
    place.server.script("/a", [reply.gate_after(SIZE / 2, half)]);
    place.task("/a", "a").connection_count(NonZeroU32::MIN).build().unwrap()
}

async fn has_written(handle: &TaskHandle, bytes: u64) {
    handle.progress().wait_for(|progress| progress.written == bytes).await.unwrap();
}

#[tokio::test]
async fn a_small_task_costs_no_transaction_of_its_own() {
    const TASKS: usize = 40;
    let (place, gate) = (Place::new().await, Gate::new());
    let store = Arc::new(Spied { slowness: Duration::from_millis(300), ..Spied::default() });
    let ok = place.builder().download_store(store.clone()).remit_delay(Duration::from_secs(60));
    let ok = ok.max_parallel_running_count(NonZeroUsize::new(TASKS).unwrap()).build().unwrap();
    let task = |number: usize| {
        let path = format!("/{number}");
        place.server.serve(&path, tagged(Body::pattern(1, 1000)));
        place.server.script(&path, [Reply::resource().gate_after(999, &gate)]);
        place.task(&path, &number.to_string()).build().unwrap()
    };
    let handles = ok.enqueue_all((0..TASKS).map(task), NoListener);
    gate.reached_by(TASKS).await;
    gate.open();
    for handle in handles {
        assert!(handle.await.is_completed());
    }
    ok.shutdown().await.unwrap();
    let batches = store.batches.lock().unwrap();
    assert!(batches.iter().flatten().all(|change| matches!(change, Change::Complete(_))), "{batches:?}");
    assert_eq!(batches.iter().flatten().count(), TASKS);
    // What ends while one batch is on its way shares the next.
    assert!(batches.len() <= TASKS / 4, "{} batches", batches.len());
}

#[tokio::test]
async fn the_first_record_waits_as_long_as_it_is_told() {
    let (place, half) = (Place::new().await, Gate::new());
    let store = Arc::new(Spied::default());
    let engine = |delay| {
        place
            .builder()
            .download_store(store.clone())
            .remit_delay(Duration::from_millis(delay))
            .build()
            .unwrap()
    };
    let patient = engine(3_600_000);
    let handle = patient.task(halting(&place, None, &half)).enqueue();
    // It was told, and kept it to itself; who asks the engine sees it all the same.
    has_written(&handle, SIZE / 2).await;
    assert_eq!(store.put(), [0; 0]);
    assert_eq!(patient.store().breakpoint(handle.id()).await.unwrap().unwrap().written(), SIZE / 2);
    handle.cancel();
    handle.wait().await;
    assert_eq!(store.put(), [SIZE / 2]);
    patient.shutdown().await.unwrap();

    let (place, half) = (Place::new().await, Gate::new());
    let store = Arc::new(Spied::default());
    let impatient =
        place.builder().download_store(store.clone()).remit_delay(Duration::ZERO).build().unwrap();
    let handle = impatient.task(halting(&place, None, &half)).enqueue();
    until(|| !store.put().is_empty()).await;
    half.open();
    assert!(handle.await.is_completed());
    impatient.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_slow_start_loses_no_breakpoint() {
    const DELAY: Duration = Duration::from_millis(20);
    let (place, first, half, end) = (Place::new().await, Gate::new(), Gate::new(), Gate::new());
    let task = halting(&place, Some(&first), &half);
    place.server.script("/a", [Reply::resource().gate_after(SIZE / 4, &end)]);
    let ok = place.builder().remit_delay(DELAY).build().unwrap();
    let handle = ok.task(task.clone()).enqueue();
    first.reached().await;
    // The delay is long over when the first byte comes.
    tokio::time::sleep(DELAY * 10).await;
    first.open();
    has_written(&handle, SIZE / 2).await;
    // Another process, now and after this one was killed, finds just that.
    let other = SqliteStore::new(place.directory.path().join("state/test.db"));
    let recorded = async |bytes: u64| {
        let looked_for = async {
            while other.breakpoint(task.id()).await.unwrap().is_none_or(|info| info.written() != bytes) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looked_for).await.expect("it is not recorded");
    };
    recorded(SIZE / 2).await;
    // A pause, and what comes after it, is written through.
    handle.pause();
    until(|| handle.state() == Some(okdownload::TaskState::Paused)).await;
    handle.resume();
    end.reached().await;
    has_written(&handle, SIZE * 3 / 4).await;
    recorded(SIZE * 3 / 4).await;
    end.open();
    assert!(handle.await.is_completed());
    assert_content(&place.path("a"), &Body::pattern(1, SIZE));
    assert_eq!(other.breakpoint(task.id()).await.unwrap(), None);
    assert!(other.completion(task.id()).await.unwrap().is_some());
    other.close().await.unwrap();
    ok.shutdown().await.unwrap();
}
