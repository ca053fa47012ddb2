//! Bytes that one task has left and another goes on with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;

use common::{MIB, Place, assert_content, run_to, tagged};
use okdownload::prelude::*;
use okdownload::{DownloadTaskBuilder, ResumeFailedCause};
use okdownload_testkit::server::{Body, Reply};

const SIZE: u64 = 12 * MIB;
const HALF: u64 = SIZE / 2;

fn one_connection(builder: DownloadTaskBuilder) -> DownloadTask {
    builder.connection_count(NonZeroU32::MIN).build().unwrap()
}

/// Begins `task`, of `/a`, until half of it is there; it goes on running.
async fn run_to_half(
    place: &Place,
    ok: &OkDownload,
    task: DownloadTask,
    body: &Body,
) -> okdownload::TaskHandle {
    place.server.serve("/a", tagged(body.clone()));
    run_to(place, ok, task, HALF).await
}

async fn run(request: okdownload::TaskRequest) -> (TaskEnd, Option<ResumeFailedCause>) {
    let events = request.events();
    let end = request.enqueue().await;
    let events: Vec<Event> = futures_util::StreamExt::collect(events).await;
    let cause = events.iter().find_map(|event| match event {
        Event::FromBeginning { cause, .. } => Some(*cause),
        _ => None,
    });
    (end, cause)
}

#[tokio::test]
async fn a_new_url_for_an_expired_one_costs_no_byte() {
    let place = Place::new().await;
    let body = Body::pattern(1, SIZE);
    let ok = place.engine();
    let old = one_connection(place.task("/a", "a"));
    let handle = run_to_half(&place, &ok, old, &body).await;
    place.server.script("/a", std::iter::repeat_n(Reply::status(403), 3));
    place.server.serve("/b", tagged(body.clone()));
    let new = handle.task().to_builder().url(place.server.url("/b")).build().unwrap();
    // Also while it runs.
    let request = handle.retarget(new.clone()).await.unwrap();
    assert_eq!(handle.wait().await.cause, EndCause::Canceled);
    let unfinished = ok.unfinished().await.unwrap();
    assert_eq!(unfinished.iter().map(|info| info.id).collect::<Vec<_>>(), [new.id()]);
    assert_eq!(unfinished[0].task().unwrap().url(), new.url());
    let (end, began_anew) = run(request).await;
    assert_eq!((end.cause, end.resumed, end.fetched), (EndCause::Completed, HALF, HALF));
    assert_eq!(began_anew, None);
    assert_content(&place.path("a"), &body);
    assert_eq!(place.files(), ["a"]);
}

#[tokio::test]
async fn it_survives_the_engine() {
    let place = Place::new().await;
    let body = Body::pattern(2, SIZE);
    let ok = place.engine();
    let old = one_connection(place.task("/a", "a"));
    let id = old.id();
    run_to_half(&place, &ok, old, &body).await.cancel();
    ok.shutdown().await.unwrap();
    place.server.serve("/b", tagged(body.clone()));
    let ok = place.engine();
    let new = ok.unfinished().await.unwrap()[0].task().unwrap().to_builder().url(place.server.url("/b"));
    let (end, _) = run(ok.retarget(id, new.build().unwrap()).await.unwrap()).await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, HALF));
    assert_content(&place.path("a"), &body);
}

#[tokio::test]
async fn another_file_behind_the_new_url_starts_over() {
    let place = Place::new().await;
    let (body, other) = (Body::pattern(3, SIZE), Body::pattern(4, SIZE));
    let ok = place.engine();
    let handle = run_to_half(&place, &ok, one_connection(place.task("/a", "a")), &body).await;
    place.server.serve("/b", tagged(other.clone()).etag("\"v2\""));
    let new = handle.task().to_builder().url(place.server.url("/b")).build().unwrap();
    let (end, began_anew) = run(handle.retarget(new).await.unwrap()).await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, 0));
    assert_eq!(began_anew, Some(ResumeFailedCause::ResponseEtagChanged));
    assert_content(&place.path("a"), &other);
}

#[tokio::test]
async fn what_cannot_be_retargeted_says_why() {
    let place = Place::new().await;
    let ok = place.engine();
    let body = Body::pattern(5, SIZE);
    let handle = run_to_half(&place, &ok, one_connection(place.task("/a", "a")), &body).await;
    let new = one_connection(place.task("/b", "a"));
    let refused = async |id, task| ok.retarget(id, task).await.unwrap_err();
    let error = refused(handle.id(), new.clone()).await;
    assert_eq!(error.kind(), ErrorKind::Misuse, "it runs: {error}");
    let error = refused(new.id(), new.clone()).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    handle.cancel();
    handle.wait().await;
    let error = refused(handle.id(), one_connection(place.task("/b", "elsewhere"))).await;
    assert_eq!(error.kind(), ErrorKind::Misuse, "another place: {error}");
    assert!(error.advice().is_some());
    // Nothing of that has cost anything.
    assert_eq!(ok.unfinished().await.unwrap()[0].written(), HALF);
}

#[tokio::test]
async fn a_task_with_nothing_left_is_just_another_one() {
    let place = Place::new().await;
    let body = Body::pattern(6, 3 * MIB);
    place.server.serve("/b", tagged(body.clone()));
    let ok = place.engine();
    let gone = ok.task(place.task("/gone", "a").build().unwrap()).enqueue();
    assert_eq!(gone.wait().await.cause, EndCause::Error);
    let (end, _) = run(gone.retarget(place.task("/b", "a").build().unwrap()).await.unwrap()).await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, 0));
    let done = ok.task(place.task("/b", "a").build().unwrap()).enqueue();
    done.wait().await;
    let error = done.retarget(place.task("/gone", "a").build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
}

#[tokio::test]
async fn the_same_download_under_another_id_goes_on_with_what_is_there() {
    for named_first in [true, false] {
        let place = Place::new().await;
        let body = Body::pattern(7, SIZE);
        let directory = Target::directory(place.path(""));
        let named = one_connection(place.task("/a", "a"));
        let unnamed = one_connection(place.task("/a", "a").target(directory));
        assert_ne!(named.id(), unnamed.id());
        let (first, second) = if named_first { (named, unnamed) } else { (unnamed, named) };
        let ok = place.engine();
        run_to_half(&place, &ok, first, &body).await.cancel();
        ok.shutdown().await.unwrap();
        let ok = place.engine();
        let (end, began_anew) = run(ok.task(second.clone())).await;
        assert_eq!((end.cause, end.resumed), (EndCause::Completed, HALF), "{named_first}");
        assert_eq!(began_anew, None);
        assert_content(&place.path("a"), &body);
        assert_eq!(place.files(), ["a"]);
        assert!(ok.unfinished().await.unwrap().is_empty());
        // It is known under the id that finished it.
        assert!(ok.is_completed(&second).await.unwrap());
        ok.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn another_url_inherits_nothing_unasked() {
    let place = Place::new().await;
    let (body, other) = (Body::pattern(8, SIZE), Body::pattern(9, SIZE));
    let ok = place.engine();
    run_to_half(&place, &ok, one_connection(place.task("/a", "a")), &body).await.cancel();
    ok.shutdown().await.unwrap();
    // The same validator, as of a server that counts versions: it says nothing about another resource.
    place.server.serve("/b", tagged(other.clone()));
    let ok = place.engine();
    let (end, _) = run(ok.task(one_connection(place.task("/b", "a")))).await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, 0));
    assert_content(&place.path("a"), &other);
}

/// A server that gives the answer to a POST and the resource itself the same validator.
#[tokio::test]
async fn a_get_does_not_go_on_with_the_bytes_of_a_post() {
    let place = Place::new().await;
    let (answer, body) = (Body::pattern(10, SIZE), Body::pattern(11, SIZE));
    place.server.serve("/a", tagged(answer).allow_method(http::Method::POST));
    let ok = place.engine();
    let post = one_connection(place.task("/a", "a").method(http::Method::POST));
    let handle = run_to(&place, &ok, post, HALF).await;
    // Not even while it runs, for it may be killed.
    let claimed: u64 = ok.unfinished().await.unwrap().iter().map(okdownload::BreakpointInfo::written).sum();
    assert_eq!(claimed, 0);
    handle.cancel();
    handle.wait().await;
    place.server.serve("/a", tagged(body.clone()));
    let (end, _) = run(ok.task(one_connection(place.task("/a", "a")))).await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, 0));
    assert_content(&place.path("a"), &body);
}

#[tokio::test]
async fn what_another_engine_runs_is_not_taken_from_it() {
    let place = Place::new().await;
    let body = Body::pattern(12, SIZE);
    let ok = place.engine();
    let handle = run_to_half(&place, &ok, one_connection(place.task("/a", "a")), &body).await;
    let other = place.engine();
    let unnamed = one_connection(place.task("/a", "a").target(Target::directory(place.path(""))));
    let (end, _) = run(other.task(unnamed.clone())).await;
    assert_eq!(end.cause, EndCause::FileBusy, "{end:?}");
    let new = handle.task().to_builder().url(place.server.url("/b")).build().unwrap();
    assert_eq!(other.retarget(handle.id(), new).await.unwrap_err().kind(), ErrorKind::FileBusy);
    assert_eq!(other.forget(handle.id()).await.unwrap_err().kind(), ErrorKind::FileBusy);
    let unfinished = other.unfinished().await.unwrap();
    assert_eq!(
        unfinished.iter().map(|info| (info.id, info.written())).collect::<Vec<_>>(),
        [(handle.id(), HALF)]
    );
    handle.cancel();
    handle.wait().await;
    // Now it is free.
    let (end, _) = run(other.task(unnamed)).await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, HALF), "{end:?}");
    assert_content(&place.path("a"), &body);
}

#[tokio::test]
async fn what_is_kept_stays_listed_until_it_completes() {
    let place = Place::new().await;
    let (old, new) = (Body::pattern(13, SIZE), Body::pattern(14, SIZE));
    let ok = place.engine();
    let task = place.task("/a", "a").connection_count(NonZeroU32::MIN).retries(0).build().unwrap();
    ok.keep(&task).await.unwrap();
    run_to_half(&place, &ok, task.clone(), &old).await.cancel();
    ok.shutdown().await.unwrap();
    let ok = place.engine();
    // Another version, which breaks at its first byte: nothing is left of either.
    place.server.serve("/a", tagged(new.clone()).etag("\"v2\""));
    place.server.script("/a", [Reply::resource(), Reply::resource().cut_after(0)]);
    assert_eq!(ok.task(task.clone()).enqueue().await.cause, EndCause::Error);
    let unfinished = ok.unfinished().await.unwrap();
    assert_eq!(unfinished.iter().map(|info| (info.id, info.written())).collect::<Vec<_>>(), [(task.id(), 0)]);
    // Another task with the same target has nothing to take from it.
    place.server.serve("/b", tagged(new.clone()));
    place.server.script("/b", [Reply::resource().cut_after(2 * MIB)]);
    let rival = one_connection(place.task("/b", "a").retries(0));
    assert_eq!(ok.task(rival).enqueue().await.cause, EndCause::Error);
    assert!(ok.unfinished().await.unwrap().iter().any(|info| info.id == task.id()));
    let (end, _) = run(ok.task(task)).await;
    assert_eq!(end.cause, EndCause::Completed, "{end:?}");
    assert_content(&place.path("a"), &new);
}

#[tokio::test]
async fn targets_without_a_name_of_their_own_are_the_same_too() {
    let place = Place::new().await;
    let body = Body::pattern(15, SIZE);
    let ok = place.engine();
    // Kept, and refused before it had a name.
    let directory = Target::directory(place.path(""));
    let kept = place.task("/gone", "a").target(directory).build().unwrap();
    ok.keep(&kept).await.unwrap();
    let handle = ok.task(kept).enqueue();
    assert_eq!(handle.wait().await.cause, EndCause::Error);
    place.server.serve("/a", tagged(body.clone()));
    let new = handle.task().to_builder().url(place.server.url("/a")).build().unwrap();
    assert_eq!(run(handle.retarget(new).await.unwrap()).await.0.cause, EndCause::Completed);
    assert_content(&place.path("a"), &body);
    // Renamed, because the name is taken.
    let other = Body::pattern(16, SIZE);
    place.server.serve("/b", tagged(other.clone()));
    let renamed = one_connection(place.task("/b", "a").on_exists(OnExists::Rename));
    let handle = run_to(&place, &ok, renamed, HALF).await;
    place.server.serve("/c", tagged(other.clone()));
    let new = handle.task().to_builder().url(place.server.url("/c")).build().unwrap();
    let (end, _) = run(handle.retarget(new).await.unwrap()).await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, HALF), "{end:?}");
    assert_content(&place.path("a (1)"), &other);
}

/// As a kill leaves it before the first record: the part is there, at its full size, and no block is.
#[tokio::test]
async fn forgetting_removes_a_part_of_which_nothing_was_recorded() {
    use okdownload::output::{FileOutput, OutputStreamFactory};
    use okdownload::store::{Change, CommitLevel};
    let place = Place::new().await;
    let ok = place.engine();
    let task = place.task("/a", "a").build().unwrap();
    let part = okdownload::Location::Path(place.path("a.okdownload"));
    std::fs::create_dir_all(place.path("")).unwrap();
    std::fs::write(place.path("a.okdownload"), [0; 1000]).unwrap();
    // The user's own, under the final name.
    std::fs::write(place.path("a"), "mine").unwrap();
    for (identity, left) in [(false, &["a", "a.okdownload"][..]), (true, &["a"])] {
        let mut info = okdownload::BreakpointInfo::of(&task);
        if identity {
            info.part = part.clone();
            info.identity = FileOutput::new().stat(&part).await.unwrap().unwrap().identity;
        }
        ok.store().commit(vec![Change::Put(info)], CommitLevel::Process).await.unwrap();
        assert!(ok.forget(task.id()).await.unwrap());
        assert_eq!(place.files(), left);
    }
}
