//! What OkDownload got wrong, where no other test is about just that.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::time::Duration;

use common::resuming::{SIZE, again, half, one_connection};
use common::{MIB, Place, assert_content, tagged};
use okdownload::Status;
use okdownload::prelude::*;
use okdownload::strategy::{DownloadStrategy, ResponseFacts, ResponseVerdict, judge_response};
use okdownload_testkit::server::{Body, Reply};

/// A task of two blocks, or a few more.
fn blocks(place: &Place, path: &str) -> DownloadTask {
    place.task(path, "a").connection_count(NonZeroU32::new(2).unwrap()).build().unwrap()
}

#[tokio::test]
async fn bytes_are_never_written_where_they_do_not_belong() {
    let body = Body::pattern(1, SIZE);
    for (name, wrong) in [
        ("the whole", Reply::resource().as_if_without("Range")),
        ("another range", Reply::resource().as_if("Range", "bytes=5-2000000")),
        ("another range, with the right length", Reply::resource().as_if("Range", "bytes=0-1048575")),
        ("no Content-Range", Reply::resource().without_header("Content-Range")),
    ] {
        let place = Place::new().await;
        place.server.serve("/a", tagged(body.clone()));
        // The first request is block 0's, and is answered well.
        place.server.script("/a", [Reply::resource(), wrong]);
        let ok = place.engine();
        ok.download(blocks(&place, "/a")).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_content(&place.path("a"), &body);
        ok.shutdown().await.unwrap();
    }
}

/// Panics at the answer to a block's request.
#[derive(Debug, Clone)]
struct Panics;

impl DownloadStrategy for Panics {
    fn judge_response(&mut self, facts: &ResponseFacts<'_>) -> ResponseVerdict {
        assert!(facts.version.is_none(), "as planned");
        judge_response(facts)
    }
}

#[tokio::test]
async fn a_part_that_panics_ends_its_task_with_an_error_and_no_other() {
    let place = Place::new().await;
    let body = Body::pattern(2, SIZE);
    place.server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    let end = ok.task(blocks(&place, "/a")).strategy(Panics).enqueue().await;
    assert_eq!((end.cause, end.error.unwrap().kind()), (EndCause::Error, ErrorKind::Unexpected));
    assert!(!place.path("a").exists());
    // Nothing of it is in the way of the next one.
    assert!(ok.task(blocks(&place, "/a")).enqueue().await.is_completed());
    assert_content(&place.path("a"), &body);
    ok.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_bad_answer_spoils_nothing_of_what_is_there() {
    for bad in [
        Reply::status(503).body(Body::pattern(9, 5000)).chunked(),
        Reply::status(403).body(Body::pattern(9, 5000)),
        Reply::close(),
    ] {
        let place = Place::new().await;
        let body = Body::pattern(3, SIZE);
        half(&place, tagged(body.clone())).await;
        place.server.script("/a", [bad]);
        let task = one_connection(&place).to_builder().retries(0).build().unwrap();
        assert_eq!(again(&place, task.clone()).await.0.cause, EndCause::Error);
        let ok = place.engine();
        assert_eq!(ok.status(&task).await.unwrap(), Status::Idle);
        ok.shutdown().await.unwrap();
        let (end, began_anew) = again(&place, task).await;
        assert_eq!((end.cause, end.resumed, began_anew), (EndCause::Completed, SIZE / 2, None));
        assert_content(&place.path("a"), &body);
    }
}

#[tokio::test]
async fn half_of_a_file_of_unknown_length_is_not_complete() {
    let body = Body::pattern(4, 4 * MIB);
    for resource in [tagged(body.clone()).chunked(), tagged(body.clone()).unknown_total()] {
        let place = Place::new().await;
        let resource = resource.without_ranges();
        place.server.serve("/a", resource);
        place.server.script("/a", [Reply::resource().cut_after(2 * MIB)]);
        let task = one_connection(&place).to_builder().retries(0).build().unwrap();
        let ok = place.engine();
        let end = ok.task(task.clone()).enqueue().await;
        assert_eq!(end.cause, EndCause::Error, "{end:?}");
        assert_ne!(ok.status(&task).await.unwrap(), Status::Completed);
        assert!(!place.path("a").exists());
        assert!(ok.task(task).enqueue().await.is_completed());
        assert_content(&place.path("a"), &body);
        ok.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_redirect_that_expires_is_asked_for_again() {
    let place = Place::new().await;
    let body = Body::pattern(5, SIZE);
    place.server.handle("/a", |_, nth| Reply::redirect(302, format!("/signed/{nth}")));
    for path in ["/signed/0", "/signed/1", "/signed/2"] {
        place.server.serve(path, tagged(body.clone()));
    }
    // It was good for one request.
    place.server.script("/signed/0", [Reply::resource(), Reply::status(403), Reply::status(403)]);
    let ok = place.engine();
    ok.download(blocks(&place, "/a")).await.unwrap();
    assert_content(&place.path("a"), &body);
    let asked = place.server.requests_for("/a").len();
    assert!((2..=3).contains(&asked), "{asked}");
    ok.shutdown().await.unwrap();
}

#[tokio::test]
async fn nobody_waits_for_ever_for_a_server() {
    let limits = okdownload::Timeouts::default();
    assert!([limits.connect, limits.head, limits.stall].iter().all(|limit| limit.as_secs() <= 60));
    for silent in [Reply::hang(), Reply::resource().stall_after(2 * MIB)] {
        let place = Place::new().await;
        place.server.serve("/a", tagged(Body::pattern(6, SIZE)));
        place.server.script("/a", [silent]);
        let mut limits = limits;
        (limits.head, limits.connect) = (Duration::from_millis(200), Duration::from_millis(200));
        limits.stall = Duration::from_millis(200);
        let ok = place.engine();
        let task = one_connection(&place).to_builder().retries(0).timeouts(limits).build().unwrap();
        let end = ok.task(task).enqueue().await;
        assert_eq!(end.error.unwrap().kind(), ErrorKind::Timeout);
        ok.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn asking_for_a_status_leaves_nothing_behind() {
    let place = Place::new().await;
    let ok = place.engine();
    for number in 0..100 {
        let task = place.task(&format!("/{number}"), &number.to_string()).build().unwrap();
        assert_eq!(ok.status(&task).await.unwrap(), Status::Unknown);
    }
    assert!(ok.store().unfinished().await.unwrap().is_empty());
    assert!(ok.store().completed().await.unwrap().is_empty());
    assert!(place.server.requests().is_empty() && place.files().is_empty());
    ok.shutdown().await.unwrap();
}
