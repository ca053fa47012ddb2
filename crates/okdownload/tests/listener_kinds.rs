//! Listener1 to 4, with speed, as a bunch, and by the unified manager, over real downloads.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::listening::{Heard, half, reached_half, until};
use common::{MIB, Place, tagged};
use okdownload::monitor::{
    BlockModel, DownloadListener1, DownloadListener2, DownloadListener3, DownloadListener4,
    DownloadListener4WithSpeed, DownloadListenerBunch, Listener1, Listener2, Listener3, Listener4,
    Listener4WithSpeed, Speed, TaskModel, UnifiedListenerManager,
};
use okdownload::prelude::*;
use okdownload::{BreakpointInfo, ResumeFailedCause};
use okdownload_testkit::server::{Body, Gate, Reply};

/// What all kinds of listeners have heard of one task.
#[derive(Debug, Default)]
struct Sums {
    progress: Mutex<Vec<u64>>,
    connected: AtomicUsize,
    retried: Mutex<Vec<ResumeFailedCause>>,
    ready: Mutex<Vec<(usize, bool, u64)>>,
    blocks: Mutex<BTreeMap<usize, BlockModel>>,
    ends: Mutex<Vec<String>>,
}

impl Sums {
    fn end(&self, what: impl Into<String>) {
        self.ends.lock().unwrap().push(what.into());
    }

    fn last(&self) -> u64 {
        self.progress.lock().unwrap().last().copied().unwrap_or_default()
    }
}

/// The same sums, for each kind of listener.
#[derive(Debug, Clone, Default)]
struct Kind(Arc<Sums>);

impl Listener1 for Kind {
    fn retry(&self, _: &DownloadTask, cause: ResumeFailedCause) {
        self.0.retried.lock().unwrap().push(cause);
    }
    fn connected(&self, _: &DownloadTask, _: usize, _: u64, total: Option<u64>) {
        assert!(total.is_some());
        self.0.connected.fetch_add(1, Ordering::SeqCst);
    }
    fn progress(&self, _: &DownloadTask, offset: u64, _: Option<u64>) {
        self.0.progress.lock().unwrap().push(offset);
    }
    fn task_end(&self, _: &DownloadTask, end: &TaskEnd, model: &TaskModel) {
        self.0.end(format!("{} {:?}", end.cause, model.total_length));
    }
}

impl Listener2 for Kind {
    fn task_end(&self, _: &DownloadTask, end: &TaskEnd) {
        self.0.end(end.cause.to_string());
    }
}

impl Listener3 for Kind {
    fn progress(&self, _: &DownloadTask, offset: u64, _: Option<u64>) {
        self.0.progress.lock().unwrap().push(offset);
    }
    fn completed(&self, _: &DownloadTask, _: &TaskEnd) {
        self.0.end("completed");
    }
    fn canceled(&self, _: &DownloadTask, _: &TaskEnd) {
        self.0.end("canceled");
    }
    fn error(&self, _: &DownloadTask, _: &TaskEnd) {
        self.0.end("error");
    }
    fn warn(&self, _: &DownloadTask, _: &TaskEnd) {
        self.0.end("warn");
    }
}

impl Listener4 for Kind {
    fn info_ready(&self, _: &DownloadTask, info: &Arc<BreakpointInfo>, from: bool, model: &TaskModel) {
        self.0.ready.lock().unwrap().push((info.blocks.len(), from, model.current_offset));
    }
    fn progress(&self, _: &DownloadTask, offset: u64) {
        self.0.progress.lock().unwrap().push(offset);
    }
    fn block_end(&self, _: &DownloadTask, block: usize, model: &BlockModel) {
        self.0.blocks.lock().unwrap().insert(block, *model);
    }
    fn task_end(&self, _: &DownloadTask, end: &TaskEnd, model: &TaskModel) {
        self.0.end(format!("{} {}", end.cause, model.current_offset));
    }
}

impl Listener4WithSpeed for Kind {
    fn progress(&self, _: &DownloadTask, offset: u64, _: &Speed) {
        self.0.progress.lock().unwrap().push(offset);
    }
    fn block_end(&self, _: &DownloadTask, block: usize, model: &BlockModel, speed: &Speed) {
        assert!(speed.average > 0, "block {block}");
        self.0.blocks.lock().unwrap().insert(block, *model);
    }
    fn task_end(&self, _: &DownloadTask, end: &TaskEnd, _: &TaskModel, speed: &Speed) {
        self.0.end(format!("{} {}", end.cause, speed.average > 0));
    }
}

#[tokio::test]
async fn all_kinds_of_listeners_agree_on_one_download() {
    const LENGTH: u64 = 24 * MIB;
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(1, LENGTH)));
    let (ok, kinds) = (place.engine(), [(); 5].map(|()| Kind::default()));
    let [one, two, three, four, speed] = kinds.clone();
    let bunch = DownloadListenerBunch::new()
        .append(Arc::new(DownloadListener1::new(one)))
        .append(Arc::new(DownloadListener2::new(two)))
        .append(Arc::new(DownloadListener3::new(three)))
        .append(Arc::new(DownloadListener4::new(four)))
        .append(Arc::new(DownloadListener4WithSpeed::new(speed)));
    let task = place.task("/a", "a").progress_interval(Duration::ZERO).build().unwrap();
    assert!(ok.execute(task, bunch).await.is_completed());
    ok.shutdown().await.unwrap();
    let ends = kinds.each_ref().map(|kind| kind.0.ends.lock().unwrap().join(", "));
    let length = LENGTH.to_string();
    let expected =
        ["completed Some(25165824)", "completed", "completed", "completed 25165824", "completed true"];
    assert_eq!((ends, length.as_str()), (expected.map(String::from), "25165824"));
    assert_eq!(kinds.each_ref().map(|kind| kind.0.last()), [LENGTH, 0, LENGTH, LENGTH, LENGTH]);
    assert!(kinds[0].0.connected.load(Ordering::SeqCst) >= 2);
    for kind in &kinds[3..] {
        let blocks = kind.0.blocks.lock().unwrap();
        assert!(blocks.values().all(|block| block.length == Some(block.current_offset)), "{blocks:?}");
        assert_eq!(blocks.values().map(|block| block.current_offset).sum::<u64>(), LENGTH);
    }
    for kind in &kinds {
        assert!(kind.0.progress.lock().unwrap().is_sorted());
    }
}

#[tokio::test]
async fn a_start_over_is_told_and_counted_anew() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(1, 4 * MIB)));
    // The first response breaks, and all others are of another version.
    place.server.handle("/a", |_, before| match before {
        0 => Reply::resource().reset_after(MIB),
        _ => Reply::resource().header_override("ETag", "\"v2\""),
    });
    let ok = place.engine();
    let (one, four) = (Kind::default(), Kind::default());
    let task = place.task("/a", "a").connection_count(NonZeroU32::MIN).build().unwrap();
    let request = ok.task(task).listener(DownloadListener1::new(one.clone()));
    assert!(request.listener(DownloadListener4::new(four.clone())).execute().await.is_completed());
    ok.shutdown().await.unwrap();
    assert_eq!(*one.0.retried.lock().unwrap(), [ResumeFailedCause::ResponseEtagChanged]);
    assert_eq!(*four.0.ready.lock().unwrap(), [(1, false, 0), (1, false, 0)]);
    assert_eq!((one.0.last(), four.0.last()), (4 * MIB, 4 * MIB));
    assert_eq!(*four.0.ends.lock().unwrap(), ["completed 4194304"]);
}

#[tokio::test]
async fn listener3_hears_each_kind_of_end() {
    let place = Place::new().await;
    let (ok, gate, kind) = (place.engine(), Gate::new(), Kind::default());
    let listener = || DownloadListener3::new(kind.clone());
    let task = half(&place, &gate);
    let running = ok.enqueue(task.clone(), listener());
    reached_half(&running, &gate).await;
    let same = ok.enqueue(task.clone(), listener()).await;
    assert_eq!(same.cause, EndCause::SameTaskBusy);
    until(|| !kind.0.ends.lock().unwrap().is_empty()).await;
    running.cancel();
    let _ = running.await;
    assert_eq!(
        ok.execute(place.task("/missing", "b").build().unwrap(), listener()).await.cause,
        EndCause::Error
    );
    assert!(ok.execute(task, listener()).await.is_completed());
    ok.shutdown().await.unwrap();
    let mut ends = kind.0.ends.lock().unwrap().clone();
    ends.sort();
    assert_eq!(ends, ["canceled", "completed", "error", "warn"]);
}

#[tokio::test]
async fn listeners_come_to_a_running_task_and_leave_it() {
    let place = Place::new().await;
    let (ok, gate, manager) = (place.engine(), Gate::new(), UnifiedListenerManager::new());
    let task = half(&place, &gate);
    let id = task.id();
    let (early, leaving) = (Heard::new(), Heard::new());
    manager.attach_listener(id, early.clone());
    manager.attach_listener(id, leaving.clone());
    manager.add_auto_remove_listeners_when_task_end(id);
    let handle = ok.enqueue(task.clone(), manager.clone());
    reached_half(&handle, &gate).await;
    handle.pause();
    handle.progress().wait_for(|progress| progress.connections == 0).await.unwrap();
    // Everything of the first half was told when the run stopped; wait until it was heard.
    until(|| [&early, &leaving].iter().all(|listener| listener.increases() == 2 * MIB)).await;
    assert!(manager.detach_listener(id, &leaving));
    let late = Kind::default();
    manager.attach_listener(id, Arc::new(DownloadListener4::new(late.clone())));
    assert_eq!((late.0.last(), late.0.ready.lock().unwrap().len()), (2 * MIB, 1), "told at once");
    // Another one of the same task is refused, which is no end for those who listen.
    assert_eq!(ok.enqueue(task, manager.clone()).await.cause, EndCause::SameTaskBusy);
    gate.open();
    handle.resume();
    assert!(handle.await.is_completed());
    ok.shutdown().await.unwrap();
    assert_eq!(late.0.last(), 4 * MIB);
    assert_eq!(*late.0.ends.lock().unwrap(), ["completed 4194304"]);
    assert_eq!((early.increases(), leaving.increases()), (4 * MIB, 2 * MIB));
    assert_eq!(early.names().iter().filter(|name| *name == "TaskEnd").count(), 1);
    assert!(!leaving.names().contains(&"TaskEnd".to_owned()));
    assert_eq!(manager.listener_count(id), 0, "they were removed at the end");
}

#[tokio::test]
async fn a_listener_is_attached_and_the_task_enqueued_if_it_does_not_run() {
    let place = Place::new().await;
    let (ok, gate, manager) = (place.engine(), Gate::new(), UnifiedListenerManager::new());
    let task = half(&place, &gate);
    let attach_and_enqueue = |listener: &Kind| {
        manager.attach_listener(task.id(), Arc::new(DownloadListener1::new(listener.clone())));
        ok.state(task.id()).is_none().then(|| ok.enqueue(task.clone(), manager.clone()))
    };
    let (first, second) = (Kind::default(), Kind::default());
    let handle = attach_and_enqueue(&first).unwrap();
    reached_half(&handle, &gate).await;
    assert!(attach_and_enqueue(&second).is_none());
    gate.open();
    assert!(handle.await.is_completed());
    ok.shutdown().await.unwrap();
    for listener in [first, second] {
        assert_eq!(*listener.0.ends.lock().unwrap(), ["completed Some(4194304)"]);
        assert_eq!(listener.0.last(), 4 * MIB);
    }
    assert_eq!(place.server.requests().len(), 1);
}
