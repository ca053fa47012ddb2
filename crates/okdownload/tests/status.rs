//! What is known of a task, and what is left after a restart of the program.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use common::{MIB, Place, assert_content, tagged};
use okdownload::prelude::*;
use okdownload::store::{DownloadStore, SqliteStore};
use okdownload::{Durability, Status, TaskHandle};
use okdownload_testkit::server::{Body, Gate, Reply};

/// Enqueues a task that stops at half of its bytes, and waits until it is there.
async fn held(place: &Place, ok: &OkDownload, task: DownloadTask, gate: &Gate) -> TaskHandle {
    let path = task.url().path().to_owned();
    place.server.serve(&path, tagged(Body::pattern(1, 4 * MIB)));
    place.server.script(&path, [Reply::resource().gate_after(2 * MIB, gate)]);
    let handle = ok.task(task).enqueue();
    gate.reached().await;
    handle.progress().wait_for(|progress| progress.written == 2 * MIB).await.unwrap();
    handle
}

fn one_connection(place: &Place, name: &str) -> DownloadTask {
    place.task(&format!("/{name}"), name).connection_count(NonZeroU32::MIN).build().unwrap()
}

fn small(place: &Place, name: &str) -> DownloadTask {
    let path = format!("/{name}");
    place.server.serve(&path, tagged(Body::pattern(2, 1000)));
    place.task(&path, name).build().unwrap()
}

#[tokio::test]
async fn a_tasks_way_through_every_status() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.builder().max_parallel_running_count(NonZeroUsize::MIN).build().unwrap();
    let (a, b) = (one_connection(&place, "a"), small(&place, "b"));
    assert_eq!(ok.status(&a).await.unwrap(), Status::Unknown);
    let running = held(&place, &ok, a.clone(), &gate).await;
    let waiting = ok.task(b.clone()).enqueue();
    assert_eq!(ok.status(&a).await.unwrap(), Status::Running);
    assert_eq!(ok.status(&b).await.unwrap(), Status::Pending);
    waiting.pause();
    assert_eq!(ok.status(&b).await.unwrap(), Status::Paused);
    running.cancel();
    running.await;
    assert_eq!(ok.status(&a).await.unwrap(), Status::Idle);
    waiting.resume();
    assert!(waiting.await.is_completed());
    assert_eq!(ok.status(&b).await.unwrap(), Status::Completed);
    assert!(ok.is_completed(&b).await.unwrap() && !ok.is_completed(&a).await.unwrap());
    // Another engine over the same store says the same of what is at rest.
    let other = place.engine();
    assert_eq!(other.status(&a).await.unwrap(), Status::Idle);
    assert_eq!(other.status(&b).await.unwrap(), Status::Completed);
    // Without the part, nothing is there.
    std::fs::remove_file(place.path("a.okdownload")).unwrap();
    assert_eq!(ok.status(&a).await.unwrap(), Status::Unknown);
}

#[tokio::test]
async fn only_what_we_know_to_be_complete_is_completed() {
    let place = Place::new().await;
    let ok = place.engine();
    let task = small(&place, "a");
    // Somebody's file of that name.
    std::fs::create_dir_all(place.path("")).unwrap();
    std::fs::write(place.path("a"), vec![0; 1000]).unwrap();
    assert_eq!(ok.status(&task).await.unwrap(), Status::Unknown);
    std::fs::remove_file(place.path("a")).unwrap();
    ok.download(task.clone()).await.unwrap();
    assert_eq!(ok.status(&task).await.unwrap(), Status::Completed);
    // The same path from another URL is another download.
    let other = place.task("/other", "a").build().unwrap();
    assert_eq!(ok.status(&other).await.unwrap(), Status::Unknown);
    // A file that was changed, or is gone, is not the one that was completed.
    std::fs::write(place.path("a"), "changed").unwrap();
    assert_eq!(ok.status(&task).await.unwrap(), Status::Unknown);
    assert_eq!(ok.breakpoint(&task).await.unwrap(), None);
    std::fs::remove_file(place.path("a")).unwrap();
    assert_eq!(ok.status(&task).await.unwrap(), Status::Unknown);
}

#[tokio::test]
async fn a_task_is_found_by_url_directory_and_name() {
    let place = Place::new().await;
    let ok = place.engine();
    small(&place, "a");
    let (url, directory) = (place.server.url("/a"), place.path(""));
    let of = |name| ok.status_of(&url, &directory, name);
    assert_eq!(of(Some("a")).await.unwrap(), Status::Unknown);
    assert_eq!(of(None).await.unwrap(), Status::Unknown);
    ok.download(DownloadTask::to_directory(&url, &directory).unwrap()).await.unwrap();
    // The response named it, and the record knows how.
    assert_eq!(of(None).await.unwrap(), Status::Completed);
    assert_eq!(of(Some("a")).await.unwrap(), Status::Unknown);
    let info = ok.breakpoint_of(&url, &directory, None).await.unwrap().unwrap();
    assert_eq!((info.location.path().unwrap(), info.written()), (&*place.path("a"), 1000));
    assert_eq!(of(Some("../a")).await.unwrap_err().kind(), ErrorKind::Misuse);
}

#[tokio::test]
async fn the_breakpoint_of_a_running_an_idle_and_a_finished_task() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.engine();
    let task = one_connection(&place, "a");
    assert_eq!(ok.breakpoint(&task).await.unwrap(), None);
    let running = held(&place, &ok, task.clone(), &gate).await;
    let info = ok.breakpoint(&task).await.unwrap().unwrap();
    assert_eq!((info.written(), info.total, info.id), (2 * MIB, Some(4 * MIB), task.id()));
    running.cancel();
    running.await;
    assert_eq!(ok.breakpoint(&task).await.unwrap().unwrap().written(), 2 * MIB);
    // A copy does not change.
    gate.open();
    ok.download(task.clone()).await.unwrap();
    assert_eq!(info.written(), 2 * MIB);
    let info = ok.breakpoint(&task).await.unwrap().unwrap();
    assert_eq!((info.written(), info.blocks.len(), info.total), (4 * MIB, 1, Some(4 * MIB)));
    assert!(info.blocks[0].is_full());
}

#[tokio::test]
async fn a_complete_file_that_is_fetched_again_is_running() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.engine();
    let task = one_connection(&place, "a");
    place.server.serve("/a", tagged(Body::pattern(1, 4 * MIB)));
    ok.download(task.clone()).await.unwrap();
    assert_eq!(ok.status(&task).await.unwrap(), Status::Completed);
    let again = task.to_builder().pass_if_already_completed(false).build().unwrap();
    let again = held(&place, &ok, again, &gate).await;
    assert_eq!(ok.status(&task).await.unwrap(), Status::Running);
    gate.open();
    assert!(again.await.is_completed());
}

#[tokio::test]
async fn what_is_unfinished_is_restarted_with_its_options_after_a_relaunch() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.engine();
    let body = Body::pattern(1, 4 * MIB);
    let task = DownloadTask::builder(place.server.url("/a"), Target::directory(place.path("")))
        .connection_count(NonZeroU32::MIN)
        .header("x-mine", "1")
        .priority(5)
        .durability(Durability::Process)
        .retries(1)
        .progress_interval(Duration::from_millis(7))
        .build()
        .unwrap();
    held(&place, &ok, task.clone(), &gate).await.pause();
    let never_begun = small(&place, "b").to_builder().priority(9).build().unwrap();
    ok.keep(&never_begun).await.unwrap();
    assert!(ok.download(small(&place, "done")).await.is_ok());
    ok.shutdown().await.unwrap();
    place.server.clear_log();

    // The next run of the program knows nothing but the store.
    let ok = place.engine();
    let unfinished = ok.unfinished().await.unwrap();
    assert_eq!(unfinished.iter().map(|info| info.id).collect::<Vec<_>>(), [task.id(), never_begun.id()]);
    let read = unfinished[0].task().unwrap();
    assert_eq!((read.target(), read.headers(), read.retries()), (task.target(), task.headers(), 1));
    assert_eq!((read.priority(), read.progress_interval()), (5, Duration::from_millis(7)));
    assert_eq!(
        (read.durability(), read.connection_count()),
        (Some(Durability::Process), Some(NonZeroU32::MIN))
    );
    let requests = ok.restart().await.unwrap();
    let handles: Vec<_> = requests.into_iter().map(|(_, request)| request.unwrap().enqueue()).collect();
    for handle in &handles {
        assert!(handle.wait().await.is_completed());
    }
    assert_eq!(handles[0].wait().await.resumed, 2 * MIB);
    assert_content(&place.path("a"), &body);
    assert_eq!(place.files(), ["a", "b", "done"]);
    assert!(ok.unfinished().await.unwrap().is_empty() && ok.restart().await.unwrap().is_empty());
    let resumed = place.server.requests().into_iter().find(|request| request.path == "/a").unwrap();
    assert_eq!(resumed.header("x-mine"), Some("1"));
}

#[tokio::test]
async fn secrets_are_not_kept_and_their_tasks_are_not_restarted_without() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.engine();
    let task = one_connection(&place, "a").to_builder().credentials("me", "secret").build().unwrap();
    held(&place, &ok, task.clone(), &gate).await.cancel();
    ok.shutdown().await.unwrap();
    let ok = place.engine();
    let (info, request) = ok.restart().await.unwrap().remove(0);
    assert!(info.needs_credentials && !info.options.as_ref().unwrap().contains("secret"));
    assert_eq!(request.unwrap_err().kind(), ErrorKind::Misuse);
    // With its secrets it goes on.
    let task = info.task().unwrap().to_builder().credentials("me", "secret").build().unwrap();
    assert_eq!(ok.download(task).await.unwrap().resumed, 2 * MIB);
}

#[tokio::test]
async fn options_that_change_are_kept_from_the_next_run_on() {
    let place = Place::new().await;
    for retries in [1, 2] {
        let (ok, gate) = (place.engine(), Gate::new());
        let task = one_connection(&place, "a").to_builder().retries(retries).build().unwrap();
        let path = "/a";
        place.server.serve(path, tagged(Body::pattern(1, 4 * MIB)));
        place.server.script(path, [Reply::resource().gate_after(MIB, &gate)]);
        let handle = ok.task(task).enqueue();
        gate.reached().await;
        let there = u64::from(retries) * MIB;
        handle.progress().wait_for(|progress| progress.written == there).await.unwrap();
        handle.cancel();
        ok.shutdown().await.unwrap();
        let kept = place.engine().unfinished().await.unwrap()[0].task().unwrap();
        assert_eq!(kept.retries(), retries);
    }
}

#[tokio::test]
async fn a_kept_task_stays_listed_until_it_is_complete_or_forgotten() {
    let place = Place::new().await;
    let ok = place.engine();
    let task = small(&place, "a").to_builder().retries(0).build().unwrap();
    ok.keep(&task).await.unwrap();
    ok.keep(&task).await.unwrap();
    assert_eq!(ok.status(&task).await.unwrap(), Status::Unknown);
    // Not before there is a byte does it end otherwise than it began.
    place.server.script("/a", [Reply::status(500), Reply::resource().cut_after(0)]);
    for _ in 0..2 {
        assert!(ok.download(task.clone()).await.is_err());
        assert_eq!(ok.unfinished().await.unwrap().len(), 1);
    }
    ok.download(task.clone()).await.unwrap();
    assert!(ok.unfinished().await.unwrap().is_empty());
    ok.keep(&task).await.unwrap();
    assert!(ok.unfinished().await.unwrap().is_empty());
    assert_eq!(ok.status(&task).await.unwrap(), Status::Completed);
    assert_eq!(ok.download(task.clone()).await.unwrap().fetched, 0);
    let other = small(&place, "b");
    ok.keep(&other).await.unwrap();
    assert!(ok.forget(other.id()).await.unwrap() && !ok.forget(other.id()).await.unwrap());
    assert!(ok.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_kept_task_treats_what_is_in_its_way_like_any_other() {
    let place = Place::new().await;
    let ok = place.engine();
    let task = small(&place, "a").to_builder().on_exists(OnExists::Skip).build().unwrap();
    ok.keep(&task).await.unwrap();
    std::fs::create_dir_all(place.path("")).unwrap();
    std::fs::write(place.path("a"), "mine").unwrap();
    assert!(ok.download(task.clone()).await.is_ok());
    assert_eq!(std::fs::read(place.path("a")).unwrap(), b"mine");
    // It is done, so it is not listed any more.
    assert!(ok.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_forgotten_leaves_nothing() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.engine();
    let handle = held(&place, &ok, one_connection(&place, "a"), &gate).await;
    assert_eq!(ok.forget(handle.id()).await.unwrap_err().kind(), ErrorKind::Misuse);
    assert_eq!(ok.keep(handle.task()).await.unwrap_err().kind(), ErrorKind::Misuse);
    handle.cancel();
    handle.wait().await;
    assert_eq!(place.files(), ["a.okdownload"]);
    assert!(ok.forget(handle.id()).await.unwrap());
    assert!(place.files().is_empty() && ok.unfinished().await.unwrap().is_empty());
    ok.shutdown().await.unwrap();
    let store = SqliteStore::new(place.directory.path().join("state/test.db"));
    assert!(store.unfinished().await.unwrap().is_empty());
}
