//! Many tasks: limits, conflicts, pause and cancel, listeners, shutdown.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{MIB, Place, assert_content, tagged};
use okdownload::prelude::*;
use okdownload::{TaskHandle, TaskState};
use okdownload_testkit::server::{Body, Gate, Reply};

fn count(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// A task whose response is held until the gate opens, running.
async fn held(place: &Place, ok: &OkDownload, name: &str, gate: &Gate) -> TaskHandle {
    let path = format!("/{name}");
    place.server.serve(&path, tagged(Body::pattern(1, 4 * MIB)));
    place.server.script(&path, [Reply::resource().gate_after(2 * MIB, gate)]);
    let task = place.task(&path, name).connection_count(NonZeroU32::MIN).build().unwrap();
    let handle = ok.task(task).enqueue();
    gate.reached().await;
    let mut progress = handle.progress();
    progress.wait_for(|progress| progress.written == 2 * MIB).await.unwrap();
    handle
}

#[tokio::test]
async fn small_files_cost_one_request_each_and_share_connections() {
    const FILES: usize = 300;
    let place = Place::new().await;
    let ok = place.builder().max_parallel_running_count(count(4)).build().unwrap();
    let mut handles = Vec::new();
    for number in 0..FILES {
        let path = format!("/{number}");
        place.server.serve(&path, tagged(Body::pattern(number as u64, 5000)));
        handles.push(ok.task(place.task(&path, &number.to_string()).build().unwrap()).enqueue());
    }
    for handle in handles {
        assert!(handle.await.is_completed());
    }
    ok.shutdown().await.unwrap();
    assert_eq!(place.server.requests().len(), FILES);
    assert!(place.server.max_concurrent() <= 4, "{}", place.server.max_concurrent());
    assert!(place.server.connections() <= 8, "{}", place.server.connections());
    assert_eq!(place.files().len(), FILES);
    // All of them are known to be complete.
    let ok = place.engine();
    for number in 0..FILES {
        ok.download(place.task(&format!("/{number}"), &number.to_string()).build().unwrap()).await.unwrap();
    }
    assert_eq!(place.server.requests().len(), FILES);
}

#[tokio::test]
async fn the_same_task_and_the_same_file_are_refused_while_they_run() {
    let place = Place::new().await;
    let ok = place.engine();
    let gate = Gate::new();
    let running = held(&place, &ok, "a", &gate).await;
    let same = ok.task(running.task().clone()).enqueue().await;
    assert_eq!(same.cause, EndCause::SameTaskBusy);
    let same_file = ok.task(place.task("/other", "a").build().unwrap()).enqueue().await;
    assert_eq!(same_file.cause, EndCause::FileBusy);
    // Another engine, or another process, finds the part locked.
    let other =
        OkDownload::builder().download_store(okdownload_store_memory::MemoryStore::new()).build().unwrap();
    let elsewhere = other.task(place.task("/a", "a").build().unwrap()).enqueue().await;
    assert_eq!(elsewhere.cause, EndCause::FileBusy, "{:?}", elsewhere.error);
    gate.open();
    assert!(running.await.is_completed());
}

#[tokio::test]
async fn two_tasks_that_get_one_name_do_not_mix() {
    let place = Place::new().await;
    for path in ["/x", "/y"] {
        let resource = tagged(Body::pattern(2, 1000)).content_disposition("attachment; filename=same.bin");
        place.server.serve(path, resource);
    }
    let ok = place.engine();
    let task = |path| DownloadTask::to_directory(place.server.url(path), place.path("")).unwrap();
    let (x, y) = tokio::join!(ok.task(task("/x")).execute(), ok.task(task("/y")).execute());
    let completed = [&x, &y].into_iter().filter(|end| end.is_completed()).count();
    assert!(completed >= 1, "{x:?} {y:?}");
    for end in [x, y].into_iter().filter(|end| !end.is_completed()) {
        let kind = end.error.unwrap().kind();
        assert!(matches!(kind, ErrorKind::FileBusy | ErrorKind::AlreadyExists), "{kind:?}");
    }
    assert_content(&place.path("same.bin"), &Body::pattern(2, 1000));
}

#[tokio::test]
async fn two_tasks_that_get_one_name_may_be_renamed() {
    let place = Place::new().await;
    for path in ["/x", "/y"] {
        let resource = tagged(Body::pattern(2, 1000)).content_disposition("attachment; filename=same.bin");
        place.server.serve(path, resource);
    }
    let ok = place.engine();
    let task = |path| {
        let target = Target::directory(place.path(""));
        DownloadTask::builder(place.server.url(path), target).on_exists(OnExists::Rename).build().unwrap()
    };
    let (x, y) = tokio::join!(ok.task(task("/x")).execute(), ok.task(task("/y")).execute());
    assert!(x.is_completed() && y.is_completed(), "{x:?} {y:?}");
    assert_eq!(place.files(), ["same (1).bin", "same.bin"]);
}

#[tokio::test]
async fn pause_keeps_what_is_there_and_resume_goes_on() {
    let place = Place::new().await;
    let ok = place.builder().max_parallel_running_count(count(1)).build().unwrap();
    let gate = Gate::new();
    let first = held(&place, &ok, "a", &gate).await;
    place.server.serve("/b", tagged(Body::pattern(3, 1000)));
    let second = ok.task(place.task("/b", "b").build().unwrap()).enqueue();
    assert_eq!(second.state(), Some(TaskState::Waiting));
    first.pause();
    // The paused one leaves its turn to the next.
    assert!(second.await.is_completed());
    assert_eq!(first.state(), Some(TaskState::Paused));
    place.server.clear_log();
    first.resume();
    let end = first.await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, 2 * MIB));
    assert_eq!(place.server.requests()[0].range(), Some("bytes=2097152-4194303"));
    assert_content(&place.path("a"), &Body::pattern(1, 4 * MIB));
}

#[tokio::test]
async fn cancel_ends_waiting_paused_and_running_tasks_once() {
    let place = Place::new().await;
    let ok = place.builder().max_parallel_running_count(count(1)).build().unwrap();
    let gate = Gate::new();
    let running = held(&place, &ok, "a", &gate).await;
    let waiting = ok.task(place.task("/b", "b").build().unwrap()).enqueue();
    let paused = ok.task(place.task("/c", "c").build().unwrap()).enqueue();
    paused.pause();
    ok.cancel_all();
    for handle in [running, waiting, paused] {
        assert_eq!(handle.clone().await.cause, EndCause::Canceled);
        handle.cancel();
        assert!(handle.is_ended());
    }
    assert_eq!(place.server.requests().len(), 1);
}

#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>, AtomicUsize);

impl DownloadListener for Told {
    fn task_start(&self, _: &DownloadTask) {
        self.0.lock().unwrap().push("start".into());
        self.1.fetch_add(1, Ordering::Relaxed);
        panic!("a bad listener");
    }

    fn task_end(&self, task: &DownloadTask, end: &TaskEnd) {
        self.0.lock().unwrap().push(format!("end {} {}", end.cause, task.url().path()));
    }
}

impl Monitor for Told {
    fn task_end(&self, task: &DownloadTask, end: &TaskEnd) {
        DownloadListener::task_end(self, task, end);
    }
}

#[tokio::test]
async fn listeners_and_the_monitor_hear_of_every_end_and_a_panic_harms_nobody() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(4, 1000)));
    let (listener, monitor) = (Arc::new(Told::default()), Arc::new(Told::default()));
    let ok = place.builder().monitor(monitor.clone()).build().unwrap();
    let task = place.task("/a", "a").build().unwrap();
    assert!(ok.execute(task.clone(), listener.clone()).await.is_completed());
    // Already complete: only the end is told.
    assert!(ok.enqueue(task, listener.clone()).await.is_completed());
    ok.shutdown().await.unwrap();
    assert_eq!(*listener.0.lock().unwrap(), ["start", "end completed /a", "end completed /a"]);
    assert_eq!(*monitor.0.lock().unwrap(), ["end completed /a", "end completed /a"]);
}

#[tokio::test]
async fn shutdown_ends_everything_and_keeps_it() {
    let place = Place::new().await;
    let ok = place.engine();
    let gate = Gate::new();
    let running = held(&place, &ok, "a", &gate).await;
    ok.shutdown().await.unwrap();
    assert_eq!(running.await.cause, EndCause::Canceled);
    let refused = ok.task(place.task("/a", "a").build().unwrap()).enqueue().await;
    assert_eq!(refused.error.unwrap().kind(), ErrorKind::Misuse);
    let end = place.engine().download(place.task("/a", "a").build().unwrap()).await.unwrap();
    assert_eq!(end.resumed, 2 * MIB);
}

#[test]
fn synchronous_programs_need_no_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let place = runtime.block_on(Place::new());
    place.server.serve("/a", tagged(Body::pattern(5, 3 * MIB)));
    let ok = place.engine();
    ok.download_blocking(place.task("/a", "a").build().unwrap()).unwrap();
    assert_content(&place.path("a"), &Body::pattern(5, 3 * MIB));
    ok.shutdown_blocking().unwrap();
}

#[tokio::test]
async fn the_users_runtime_is_used_where_it_is_given() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(6, 3 * MIB)));
    let ok = place.builder().runtime(tokio::runtime::Handle::current()).build().unwrap();
    ok.download(place.task("/a", "a").build().unwrap()).await.unwrap();
    ok.shutdown().await.unwrap();
}

#[tokio::test]
async fn rate_limits_can_be_lifted_while_running() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(7, 8 * MIB)));
    let ok = place.builder().rate_limit(NonZeroU64::new(1000)).build().unwrap();
    let handle = ok.task(place.task("/a", "a").build().unwrap()).enqueue();
    place.server.wait_for_requests(1).await;
    assert!(!handle.is_ended());
    ok.set_rate_limit(None);
    assert!(handle.await.is_completed());
}

#[tokio::test]
async fn what_is_in_the_way_is_treated_as_the_user_says() {
    let place = Place::new().await;
    let body = Body::pattern(8, 1000);
    place.server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    let mine = || {
        std::fs::create_dir_all(place.path("")).unwrap();
        std::fs::write(place.path("a"), "mine").unwrap();
    };
    let run = |action| {
        let task = place.task("/a", "a").on_exists(action).build().unwrap();
        let ok = ok.clone();
        async move { ok.download(task).await }
    };
    mine();
    assert_eq!(run(OnExists::Error).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    run(OnExists::Skip).await.unwrap();
    assert_eq!(std::fs::read(place.path("a")).unwrap(), b"mine");
    let renamed = run(OnExists::Rename).await.unwrap();
    assert_eq!(renamed.location.unwrap().path().unwrap(), place.path("a (1)"));
    assert_content(&place.path("a (1)"), &body);
    assert_eq!(std::fs::read(place.path("a")).unwrap(), b"mine");
    run(OnExists::Overwrite).await.unwrap();
    assert_content(&place.path("a"), &body);
    assert_eq!(place.files(), ["a", "a (1)"]);
}

#[tokio::test]
async fn update_fetches_only_what_has_changed() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(9, 1000)));
    let ok = place.engine();
    let task = || place.task("/a", "a").on_exists(OnExists::Update).build().unwrap();
    ok.download(task()).await.unwrap();
    let same = ok.download(task()).await.unwrap();
    assert_eq!(same.fetched, 0, "{same:?} {:?}", place.server.requests());
    assert_eq!(place.server.requests().len(), 2, "{same:?} {:?}", place.server.requests());
    assert_eq!(place.server.requests()[1].header("if-none-match"), Some("\"v1\""));
    place.server.replace("/a", tagged(Body::pattern(10, 2000)).etag("\"v2\""));
    ok.download(task()).await.unwrap();
    assert_content(&place.path("a"), &Body::pattern(10, 2000));
}

#[tokio::test]
async fn a_directory_in_the_way_is_an_error_before_any_request() {
    let place = Place::new().await;
    std::fs::create_dir_all(place.path("a")).unwrap();
    let error = place.engine().download(place.task("/a", "a").build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(place.server.requests().len(), 0);
}

#[tokio::test]
async fn an_engine_derived_from_another_shares_its_parts() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(11, 1000)));
    let ok = place.engine();
    let derived = ok.to_builder().max_parallel_running_count(count(1)).build().unwrap();
    derived.download(place.task("/a", "a").build().unwrap()).await.unwrap();
    derived.shutdown().await.unwrap();
    let end = ok.download(place.task("/a", "a").build().unwrap()).await.unwrap();
    assert_eq!(end.fetched, 0);
}
