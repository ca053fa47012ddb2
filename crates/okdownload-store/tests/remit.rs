//! What the delayed write holds, until when, and what becomes of it.

#![allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use okdownload_store::{Change, Clock, CommitLevel, DownloadStore, Remit, StoreCapability};
use okdownload_store_memory::MemoryStore;
use okdownload_types::{
    BlockInfo, BreakpointInfo, CompletionRecord, Error, ErrorKind, Location, Result, TaskId,
};
use tokio::sync::Semaphore;
use url::Url;

use CommitLevel::{Power, Process};

/// A store in memory that remembers its commits, and can fail or wait.
#[derive(Debug)]
struct Watched {
    inner: MemoryStore,
    commits: Mutex<Vec<Vec<Change>>>,
    fails: AtomicBool,
    gate: Semaphore,
}

impl Watched {
    /// The commits since the last look.
    fn commits(&self) -> Vec<Vec<Change>> {
        std::mem::take(&mut self.commits.lock().unwrap())
    }

    fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }
}

#[async_trait]
impl DownloadStore for Watched {
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
        self.commits.lock().unwrap().push(changes.clone());
        let _open = self.gate.acquire().await.unwrap();
        if self.fails.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Store, "told to fail"));
        }
        self.inner.commit(changes, level).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

/// A delayed write over a watched store, with a clock that stands still.
struct Bench {
    remit: Arc<Remit>,
    store: Arc<Watched>,
    millis: Arc<AtomicU64>,
}

impl Bench {
    fn new() -> Self {
        let store = Arc::new(Watched {
            inner: MemoryStore::new(),
            commits: Mutex::default(),
            fails: AtomicBool::new(false),
            gate: Semaphore::new(1),
        });
        let millis = Arc::new(AtomicU64::new(0));
        let clock: Clock = Arc::new({
            let millis = millis.clone();
            move || Duration::from_millis(millis.load(Ordering::Relaxed))
        });
        let remit = Arc::new(Remit::new(store.clone(), Remit::DELAY, Remit::THRESHOLD, clock));
        Self { remit, store, millis }
    }

    /// One with a new task, of which so much is there.
    async fn with(written: u64) -> Self {
        let bench = Self::new();
        bench.remit.start(ID, false);
        bench.commit(Change::Put(info(written))).await.unwrap();
        assert_eq!(bench.store.commits(), no_commits());
        bench
    }

    async fn commit(&self, change: Change) -> Result<()> {
        self.remit.commit(vec![change], Process).await
    }

    fn at(&self, millis: u64) {
        self.millis.store(millis, Ordering::Relaxed);
    }

    /// What the store itself has.
    async fn stored(&self) -> Option<BreakpointInfo> {
        self.store.breakpoint(ID).await.unwrap()
    }

    async fn seen(&self) -> Option<BreakpointInfo> {
        self.remit.breakpoint(ID).await.unwrap()
    }
}

const ID: TaskId = TaskId::from_u128(7);
const MIB: u64 = 1 << 20;

fn info(written: u64) -> BreakpointInfo {
    let place = |name: &str| Location::Path(name.into());
    let url = "http://h/a".parse().unwrap();
    let mut info = BreakpointInfo::new(ID, url, place("/a"), place("/a.okdownload"));
    info.blocks = vec![BlockInfo::new(0, None).with_progress(written, 0)];
    info
}

fn progress(written: u64) -> Change {
    Change::Progress(ID, info(written).blocks)
}

fn completion() -> CompletionRecord {
    let info = info(0);
    CompletionRecord::new(ID, info.url, info.location, 9)
}

fn no_commits() -> Vec<Vec<Change>> {
    Vec::new()
}

#[tokio::test]
async fn held_until_the_delay_is_over() {
    let bench = Bench::with(1).await;
    bench.at(1499);
    bench.commit(progress(2)).await.unwrap();
    bench.remit.commit_due().await.unwrap();
    assert_eq!(bench.store.commits(), no_commits());
    bench.at(1500);
    bench.remit.commit_due().await.unwrap();
    assert_eq!(bench.store.commits(), [[Change::Put(info(2))]]);
    bench.remit.commit_due().await.unwrap();
    assert_eq!(bench.store.commits(), no_commits());
}

#[tokio::test]
async fn a_change_after_the_delay_is_the_first_write() {
    let bench = Bench::with(1).await;
    bench.at(1500);
    bench.commit(progress(3)).await.unwrap();
    assert_eq!(bench.store.commits(), [[Change::Put(info(3))]]);
}

#[tokio::test]
async fn held_until_there_is_more_than_the_threshold() {
    let bench = Bench::with(MIB).await;
    bench.remit.commit_due().await.unwrap();
    assert_eq!(bench.store.commits(), no_commits());
    bench.commit(progress(MIB + 1)).await.unwrap();
    assert_eq!(bench.store.commits(), [[Change::Put(info(MIB + 1))]]);
}

#[tokio::test]
async fn several_changes_of_one_batch_are_one_record() {
    let bench = Bench::with(0).await;
    bench.remit.commit(vec![progress(MIB), progress(MIB + 1), progress(MIB + 2)], Process).await.unwrap();
    assert_eq!(bench.store.commits(), [[Change::Put(info(MIB + 2))]]);
}

#[tokio::test]
async fn what_is_held_may_wait_until_it_is_due() {
    let bench = Bench::new();
    assert!(!bench.remit.may_wait(ID, 0), "nobody knows of it");
    bench.remit.start(ID, false);
    bench.commit(Change::Put(info(1))).await.unwrap();
    assert!(bench.remit.may_wait(ID, MIB));
    assert!(!bench.remit.may_wait(ID, MIB + 1));
    bench.at(1500);
    assert!(!bench.remit.may_wait(ID, 1));
    bench.at(0);
    bench.remit.commit(vec![], Power).await.unwrap();
    bench.remit.end(ID).await.unwrap();
    assert!(!bench.remit.may_wait(ID, 1), "it was written");
}

#[tokio::test]
async fn what_may_have_been_written_may_not_wait() {
    let bench = Bench::with(1).await;
    bench.store.fail(true);
    bench.at(1500);
    bench.remit.commit_due().await.unwrap_err();
    bench.at(0);
    assert!(!bench.remit.may_wait(ID, 1));
}

#[tokio::test]
async fn a_task_is_recalled_with_what_is_held() {
    let bench = Bench::with(1).await;
    let other = |id: u128, written| {
        let mut other = info(written);
        other.id = TaskId::from_u128(id);
        other
    };
    bench.commit(Change::Put(other(8, 2))).await.unwrap();
    bench
        .store
        .inner
        .commit(vec![Change::Put(info(0)), Change::Complete(completion())], Process)
        .await
        .unwrap();
    bench.store.inner.commit(vec![Change::Put(info(0))], Process).await.unwrap();
    let recalled = bench.remit.recall(ID, Some(&info(0).location)).await.unwrap();
    assert_eq!(recalled.breakpoint, Some(info(1)));
    assert_eq!(recalled.completion, Some(completion()));
    assert_eq!(recalled.at_place, [other(8, 2), info(1)]);
    assert_eq!(bench.remit.recall(ID, None).await.unwrap().at_place, []);
}

#[tokio::test]
async fn what_is_withdrawn_is_never_due() {
    let bench = Bench::with(1).await;
    bench.remit.withdraw(ID);
    bench.at(1500);
    bench.remit.commit_due().await.unwrap();
    assert_eq!((bench.store.commits(), bench.seen().await), (no_commits(), None));
    // What may have reached the store must be taken back there.
    bench.at(0);
    bench.commit(Change::Put(info(2))).await.unwrap();
    bench.store.fail(true);
    bench.at(3000);
    bench.remit.commit_due().await.unwrap_err();
    bench.remit.withdraw(ID);
    assert_eq!(bench.seen().await, Some(info(2)));
}

#[tokio::test]
async fn what_has_no_bytes_is_never_due() {
    let bench = Bench::with(0).await;
    bench.at(10_000);
    bench.remit.commit_due().await.unwrap();
    bench.commit(Change::Put(info(0))).await.unwrap();
    assert_eq!(bench.store.commits(), no_commits());
}

#[tokio::test]
async fn an_empty_batch_is_passed_on() {
    let bench = Bench::with(1).await;
    bench.store.fail(true);
    bench.remit.commit(vec![], Process).await.unwrap_err();
    assert_eq!(bench.store.commits(), [vec![]]);
}

#[tokio::test]
async fn progress_without_a_breakpoint_is_for_the_store_to_judge() {
    let bench = Bench::with(1).await;
    bench.commit(Change::RemoveBreakpoint(ID)).await.unwrap();
    let error = bench.commit(progress(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(bench.store.commits(), [[progress(2)]]);
    assert_eq!(bench.seen().await, None);
}

#[tokio::test]
async fn once_written_all_is_written_through() {
    let bench = Bench::with(1).await;
    bench.at(1500);
    bench.remit.commit_due().await.unwrap();
    assert_eq!(bench.store.commits().len(), 1);
    bench.commit(progress(MIB + 2)).await.unwrap();
    bench.commit(Change::Put(info(0))).await.unwrap();
    bench.commit(Change::RemoveBreakpoint(ID)).await.unwrap();
    let expected = [progress(MIB + 2), Change::Put(info(0)), Change::RemoveBreakpoint(ID)];
    assert_eq!(bench.store.commits(), expected.map(|change| vec![change]));
}

#[tokio::test]
async fn known_tasks_and_strangers_write_through_at_once() {
    for known in [true, false] {
        let bench = Bench::new();
        if known {
            bench.remit.start(ID, true);
        }
        bench.commit(Change::Put(info(0))).await.unwrap();
        bench.commit(progress(1)).await.unwrap();
        assert_eq!(bench.store.commits(), [[Change::Put(info(0))], [progress(1)]]);
    }
}

#[tokio::test]
async fn a_batch_for_power_is_never_held() {
    let bench = Bench::with(0).await;
    bench.remit.commit(vec![Change::Put(info(0))], Power).await.unwrap();
    assert_eq!(bench.store.commits(), [[Change::Put(info(0))]]);
    bench.commit(progress(1)).await.unwrap();
    assert_eq!(bench.store.commits(), [[progress(1)]]);
    bench.remit.commit(vec![], Power).await.unwrap();
    assert_eq!(bench.store.commits(), [[]]);
}

#[tokio::test]
async fn a_failed_first_write_stays_held() {
    let bench = Bench::with(1).await;
    bench.at(1500);
    bench.store.fail(true);
    bench.remit.commit_due().await.unwrap_err();
    bench.commit(progress(2)).await.unwrap_err();
    assert_eq!(bench.seen().await, Some(info(1)), "what failed is not seen");
    bench.remit.end(ID).await.unwrap_err();
    bench.remit.close().await.unwrap_err();
    bench.store.fail(false);
    bench.store.commits();
    bench.remit.commit_due().await.unwrap();
    assert_eq!(bench.store.commits(), [[Change::Put(info(1))]]);
}

#[tokio::test]
async fn a_failed_batch_changes_nothing_that_is_held() {
    let bench = Bench::with(5).await;
    bench.store.fail(true);
    let name = Change::ResponseFilename(info(0).url, "a".to_owned());
    bench.remit.commit(vec![progress(6), name], Process).await.unwrap_err();
    bench.commit(Change::Complete(completion())).await.unwrap_err();
    bench.remit.commit(vec![Change::RemoveBreakpoint(ID), Change::Put(info(9))], Power).await.unwrap_err();
    assert_eq!(bench.seen().await, Some(info(5)));
    bench.store.fail(false);
    bench.store.commits();
    bench.remit.end(ID).await.unwrap();
    assert_eq!(bench.store.commits(), [[Change::Put(info(5))]]);
}

#[tokio::test]
async fn the_end_writes_what_has_bytes() {
    let bench = Bench::with(1).await;
    bench.remit.end(ID).await.unwrap();
    assert_eq!(bench.store.commits(), [[Change::Put(info(1))]]);
    bench.remit.end(ID).await.unwrap();
    assert_eq!(bench.store.commits(), no_commits());
    assert_eq!(bench.stored().await, Some(info(1)));
}

#[tokio::test]
async fn the_end_writes_nothing_else() {
    let bench = Bench::with(0).await;
    bench.remit.end(ID).await.unwrap();
    assert_eq!(bench.seen().await, None);
    bench.remit.start(ID, false);
    bench.remit.end(ID).await.unwrap();
    bench.remit.end(TaskId::from_u128(8)).await.unwrap();
    assert_eq!(bench.store.commits(), no_commits());
    // It is held no longer.
    bench.commit(Change::Put(info(0))).await.unwrap();
    assert_eq!(bench.store.commits().len(), 1);
}

#[tokio::test]
async fn a_small_file_costs_no_breakpoint() {
    let bench = Bench::with(0).await;
    let changes = vec![progress(9), Change::Complete(completion())];
    bench.remit.commit(changes, Power).await.unwrap();
    assert_eq!(bench.store.commits(), [[Change::Complete(completion())]]);
    assert_eq!(bench.seen().await, None);
    assert_eq!(bench.remit.completion(ID).await.unwrap(), Some(completion()));
    bench.remit.end(ID).await.unwrap();
    assert_eq!(bench.store.commits(), no_commits());
}

#[tokio::test]
async fn nor_does_a_large_one_that_is_complete_in_the_same_batch() {
    let bench = Bench::with(1).await;
    bench.commit(progress(MIB)).await.unwrap();
    let changes = vec![progress(2 * MIB), Change::Complete(completion()), Change::Put(info(3))];
    bench.remit.commit(changes, Process).await.unwrap();
    // What comes after the completion is a new breakpoint, and no longer held.
    assert_eq!(bench.store.commits(), [[Change::Complete(completion()), Change::Put(info(3))]]);
    assert_eq!(bench.seen().await, Some(info(3)));
}

#[tokio::test]
async fn removing_what_is_held_costs_nothing() {
    let bench = Bench::with(1).await;
    bench.commit(Change::RemoveBreakpoint(ID)).await.unwrap();
    assert_eq!(bench.seen().await, None);
    bench.commit(Change::Put(info(2))).await.unwrap();
    assert_eq!(bench.store.commits(), no_commits());
    assert_eq!(bench.seen().await, Some(info(2)));
}

#[tokio::test]
async fn removing_what_may_have_been_written_is_passed_on() {
    let bench = Bench::with(1).await;
    bench.at(1500);
    bench.store.fail(true);
    bench.remit.commit_due().await.unwrap_err();
    bench.store.fail(false);
    bench.store.commits();
    bench.commit(Change::RemoveBreakpoint(ID)).await.unwrap();
    assert_eq!(bench.store.commits(), [[Change::RemoveBreakpoint(ID)]]);
}

#[tokio::test]
async fn readers_see_what_is_held_as_if_it_were_written() {
    let bench = Bench::with(1).await;
    let mut other = info(4);
    other.id = TaskId::from_u128(1);
    bench.commit(Change::Put(other.clone())).await.unwrap();
    assert_eq!(bench.seen().await, Some(info(1)));
    assert_eq!(bench.remit.unfinished().await.unwrap(), [other.clone(), info(1)]);
    assert_eq!(bench.remit.breakpoints_at(&info(1).location).await.unwrap(), [other, info(1)]);
    assert_eq!(bench.remit.breakpoints_at(&Location::Path("/b".into())).await.unwrap(), []);
    assert_eq!(bench.stored().await, None);
}

#[tokio::test]
async fn a_task_that_was_called_new_by_mistake_is_still_seen() {
    let bench = Bench::new();
    bench.store.commit(vec![Change::Put(info(1))], Process).await.unwrap();
    bench.remit.start(ID, false);
    assert_eq!(bench.seen().await, Some(info(1)));
    assert_eq!(bench.remit.unfinished().await.unwrap(), [info(1)]);
    bench.commit(Change::Put(info(2))).await.unwrap();
    assert_eq!(bench.remit.unfinished().await.unwrap(), [info(2)], "once, and the newer of the two");
}

#[tokio::test]
async fn starting_again_drops_nothing() {
    let bench = Bench::with(1).await;
    bench.remit.start(ID, false);
    bench.remit.start(ID, true);
    assert_eq!(bench.seen().await, Some(info(1)));
}

#[tokio::test]
async fn closing_writes_what_has_bytes() {
    let bench = Bench::with(1).await;
    let other = TaskId::from_u128(8);
    bench.remit.start(other, false);
    let mut bare = info(0);
    bare.id = other;
    bench.commit(Change::Put(bare)).await.unwrap();
    bench.remit.close().await.unwrap();
    assert_eq!(bench.store.commits(), [[Change::Put(info(1))]]);
}

/// What is due is on its way while the task completes: the older write must not come last, or the breakpoint of a
/// finished task would be back.
#[tokio::test]
async fn a_late_first_write_brings_nothing_back() {
    let bench = Bench::with(1).await;
    bench.at(1500);
    let gate = bench.store.gate.acquire().await.unwrap();
    let due = tokio::spawn({
        let remit = bench.remit.clone();
        async move { remit.commit_due().await }
    });
    let complete = tokio::spawn({
        let remit = bench.remit.clone();
        async move { remit.commit(vec![Change::Complete(completion())], Process).await }
    });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.store.commits(), [[Change::Put(info(1))]], "the completion waits for its turn");
    drop(gate);
    due.await.unwrap().unwrap();
    complete.await.unwrap().unwrap();
    assert_eq!(bench.store.commits(), [[Change::Complete(completion())]]);
    assert_eq!(bench.seen().await, None);
}
