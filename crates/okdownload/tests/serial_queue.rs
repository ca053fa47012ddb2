//! `DownloadSerialQueue`: one after the other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::{MIB, Place, assert_content, tagged};
use futures_util::StreamExt;
use okdownload::monitor::NoMonitor;
use okdownload::prelude::*;
use okdownload::{DownloadSerialQueue, TaskHandle, TaskState};
use okdownload_testkit::server::{Body, Gate, Reply};

/// Keeps what it hears: starts and ends, in order.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl DownloadListener for Heard {
    fn task_start(&self, task: &DownloadTask) {
        self.0.lock().unwrap().push(format!("start {}", task.url().path()));
    }

    fn task_end(&self, task: &DownloadTask, end: &TaskEnd) {
        self.0.lock().unwrap().push(format!("{} {}", end.cause, task.url().path()));
    }
}

fn small(place: &Place, name: &str, priority: i32) -> DownloadTask {
    let path = format!("/{name}");
    place.server.serve(&path, tagged(Body::pattern(1, 1000)));
    place.task(&path, name).priority(priority).build().unwrap()
}

/// Enqueues a task that stops at half of its bytes until the gate opens, and waits until it is there.
async fn held(place: &Place, queue: &DownloadSerialQueue, gate: &Gate) -> TaskHandle {
    place.server.serve("/held", tagged(Body::pattern(1, 4 * MIB)));
    place.server.script("/held", [Reply::resource().gate_after(2 * MIB, gate)]);
    let task = place.task("/held", "held").connection_count(std::num::NonZeroU32::MIN).build().unwrap();
    let handle = queue.enqueue(task);
    gate.reached().await;
    handle.progress().wait_for(|progress| progress.written == 2 * MIB).await.unwrap();
    handle
}

#[tokio::test]
async fn one_runs_at_a_time_by_priority_and_then_by_arrival() {
    let (place, gate) = (Place::new().await, Gate::new());
    let (ok, heard) = (place.engine(), Arc::new(Heard::default()));
    let queue = DownloadSerialQueue::new(&ok, heard.clone());
    assert_eq!((queue.working_task_id(), queue.waiting_task_count()), (None, 0));
    let first = held(&place, &queue, &gate).await;
    let handles =
        [("a", 0), ("b", 5), ("c", 0)].map(|(name, priority)| queue.enqueue(small(&place, name, priority)));
    assert_eq!((queue.working_task_id(), queue.waiting_task_count()), (Some(first.id()), 3));
    assert_eq!(handles[0].state(), Some(TaskState::Paused));
    gate.open();
    for handle in [first].into_iter().chain(handles) {
        assert!(handle.await.is_completed());
    }
    ok.shutdown().await.unwrap();
    let heard = heard.taken();
    let starts: Vec<_> = heard.iter().filter_map(|line| line.strip_prefix("start ")).collect();
    assert_eq!((starts, heard.len()), (vec!["/held", "/b", "/a", "/c"], 8), "{heard:?}");
    assert_eq!(queue.working_task_id(), None);
    assert_eq!(place.server.max_concurrent(), 1);
}

#[tokio::test]
async fn pause_keeps_the_working_task_first_and_starts_no_other() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.engine();
    let queue = DownloadSerialQueue::new(&ok, NoListener);
    let first = held(&place, &queue, &gate).await;
    // Even one that would come before it.
    let second = queue.enqueue(small(&place, "urgent", 9));
    let mut events = first.events();
    queue.pause();
    queue.pause();
    while !matches!(events.next().await.unwrap(), Event::Paused) {}
    assert_eq!((first.state(), second.state()), (Some(TaskState::Paused), Some(TaskState::Paused)));
    assert_eq!((queue.working_task_id(), queue.waiting_task_count()), (Some(first.id()), 1));
    assert_eq!(place.server.requests().len(), 1);
    queue.resume();
    queue.resume();
    assert_eq!(first.await.resumed, 2 * MIB);
    assert!(second.await.is_completed());
}

#[tokio::test]
async fn a_queue_that_is_paused_before_its_first_task_waits() {
    let place = Place::new().await;
    let ok = place.engine();
    let queue = DownloadSerialQueue::new(&ok, NoListener);
    queue.pause();
    let handle = queue.enqueue(small(&place, "a", 0));
    assert_eq!((handle.state(), queue.working_task_id()), (Some(TaskState::Paused), None));
    queue.resume();
    assert!(handle.await.is_completed());
    assert_content(&place.path("a"), &Body::pattern(1, 1000));
}

#[tokio::test]
async fn shutdown_ends_all_and_returns_what_was_not_done() {
    let (place, gate) = (Place::new().await, Gate::new());
    let (ok, heard) = (place.engine(), Arc::new(Heard::default()));
    let queue = DownloadSerialQueue::new(&ok, heard.clone());
    let done = queue.enqueue(small(&place, "done", 0));
    assert!(done.await.is_completed());
    let first = held(&place, &queue, &gate).await;
    let waiting = ["a", "b"].map(|name| queue.enqueue(small(&place, name, 0)));
    let undone: Vec<_> = queue.shutdown().iter().map(DownloadTask::id).collect();
    assert_eq!(undone, [first.id(), waiting[0].id(), waiting[1].id()]);
    for handle in [first].into_iter().chain(waiting) {
        assert_eq!(handle.await.cause, EndCause::Canceled);
    }
    let late = queue.enqueue(small(&place, "late", 0)).await;
    assert_eq!(late.error.unwrap().kind(), ErrorKind::Misuse);
    assert_eq!((queue.waiting_task_count(), queue.shutdown().len()), (0, 0));
    assert_eq!(place.server.requests().len(), 2, "nobody starts because another one stops");
    ok.shutdown().await.unwrap();
    let mut heard = heard.taken();
    heard.sort();
    let expected =
        ["canceled /a", "canceled /b", "canceled /held", "completed /done", "error /late", "start /done"];
    assert_eq!(heard, [&expected[..], &["start /held"]].concat());
}

#[tokio::test]
async fn members_that_end_out_of_turn_are_passed_over() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.engine();
    let queue = DownloadSerialQueue::new(&ok, NoListener);
    let first = held(&place, &queue, &gate).await;
    let [a, b] = ["a", "b"].map(|name| queue.enqueue(small(&place, name, 0)));
    a.cancel();
    let same = queue.enqueue(small(&place, "b", 0));
    assert_eq!(same.await.cause, EndCause::SameTaskBusy);
    assert_eq!(queue.waiting_task_count(), 1);
    gate.open();
    assert!(first.await.is_completed() && b.await.is_completed());
    assert_eq!(a.await.cause, EndCause::Canceled);
}

#[tokio::test]
async fn the_listener_can_be_replaced() {
    let (place, gate) = (Place::new().await, Gate::new());
    let (ok, old, new) = (place.engine(), Arc::new(Heard::default()), Arc::new(Heard::default()));
    let queue = DownloadSerialQueue::new(&ok, old.clone());
    let first = held(&place, &queue, &gate).await;
    while old.0.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    queue.set_listener(new.clone());
    gate.open();
    first.await;
    ok.shutdown().await.unwrap();
    assert_eq!((old.taken(), new.taken()), (vec!["start /held".into()], vec!["completed /held".into()]));
}

/// Asks its queue and its engine for something when it is dropped.
#[derive(Debug)]
struct Asking(DownloadSerialQueue, OkDownload, mpsc::Sender<()>);

impl DownloadListener for Asking {}
impl Monitor for Asking {}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.set_listener(NoListener);
        self.1.set_monitor(None);
        self.2.send(()).unwrap();
    }
}

#[tokio::test]
async fn listener_and_monitor_that_are_replaced_may_use_queue_and_engine_when_they_are_dropped() {
    let place = Place::new().await;
    let ok = place.engine();
    let queue = DownloadSerialQueue::new(&ok, NoListener);
    let (dropped, drops) = mpsc::channel();
    let asking = || Asking(queue.clone(), ok.clone(), dropped.clone());
    queue.set_listener(asking());
    ok.set_monitor(Some(Arc::new(asking())));
    // On a thread of its own: who waits for a lock that he holds himself would wait for ever.
    let replaced = std::thread::spawn(move || {
        ok.set_monitor(Some(Arc::new(NoMonitor)));
        queue.set_listener(NoListener);
    });
    for _ in 0..2 {
        drops.recv_timeout(Duration::from_secs(10)).unwrap();
    }
    replaced.join().unwrap();
}
