//! One task from its first request to its file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;

use common::{Blocks, MIB, Place, assert_content, tagged};
use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Reply, Resource};

#[tokio::test]
async fn a_small_file_costs_one_request() {
    let place = Place::new().await;
    let body = Body::pattern(1, 100_000);
    place.server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    let end = ok.download(place.task("/a", "a").build().unwrap()).await.unwrap();
    assert_eq!((end.length, end.fetched, end.resumed), (Some(100_000), 100_000, 0));
    assert_content(&place.path("a"), &body);
    assert_eq!(place.files(), ["a"]);
    let requests = place.server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].range(), Some("bytes=0-1048575"));
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn many_connections_fetch_every_byte_once() {
    let place = Place::new().await;
    let body = Body::pattern(2, 40 * MIB);
    place.server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    let task = place.task("/a", "a").connection_count(NonZeroU32::new(4).unwrap()).build().unwrap();
    ok.download(task).await.unwrap();
    assert_content(&place.path("a"), &body);
    let requests = place.server.requests();
    assert!(requests.iter().skip(1).all(|request| request.header("if-range") == Some("\"v1\"")));
    assert!(place.server.max_concurrent() <= 4);
    assert!(place.server.connections() >= 2);
}

#[tokio::test]
async fn one_connection_costs_one_request() {
    let place = Place::new().await;
    let body = Body::pattern(3, 5 * MIB);
    place.server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    ok.download(place.task("/a", "a").connection_count(NonZeroU32::MIN).build().unwrap()).await.unwrap();
    assert_content(&place.path("a"), &body);
    assert_eq!(place.server.requests().len(), 1);
    assert_eq!(place.server.requests()[0].range(), Some("bytes=0-"));
}

#[tokio::test]
async fn servers_of_all_kinds_give_the_file() {
    let body = Body::pattern(4, 3 * MIB);
    for (name, resource) in [
        ("no ranges", tagged(body.clone()).without_ranges()),
        ("chunked", tagged(body.clone()).chunked()),
        ("no length", tagged(body.clone()).without_length()),
        ("no validators", Resource::new(body.clone()).without_validators()),
        ("weak", Resource::new(body.clone()).without_validators().etag("W/\"v1\"")),
        ("unknown total", tagged(body.clone()).unknown_total()),
        ("no head", tagged(body.clone()).without_head()),
    ] {
        let place = Place::new().await;
        place.server.serve("/a", resource);
        // How many requests splits make depends on how busy the machine is.
        let ok = place.builder().download_strategy(Blocks(4)).build().unwrap();
        let end = ok
            .download(place.task("/a", "a").build().unwrap())
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(end.length, Some(3 * MIB), "{name}");
        assert_content(&place.path("a"), &body);
        assert_eq!(place.files(), ["a"], "{name}");
        assert!(place.server.requests().len() <= 5, "{name}: {}", place.server.requests().len());
    }
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::empty()));
    place.server.serve("/b", tagged(Body::empty()).without_ranges());
    let ok = place.engine();
    for name in ["a", "b"] {
        let end = ok.download(place.task(&format!("/{name}"), name).build().unwrap()).await.unwrap();
        assert_eq!(end.length, Some(0));
        assert_content(&place.path(name), &Body::empty());
    }
    assert_eq!(place.files(), ["a", "b"]);
}

#[tokio::test]
async fn the_response_names_the_file() {
    let place = Place::new().await;
    let body = Body::pattern(5, 1000);
    let named = tagged(body.clone()).content_disposition("attachment; filename=\"../../named.bin\"");
    place.server.serve("/download", named);
    place.server.serve("/by%20url.bin", tagged(body.clone()));
    let ok = place.engine();
    for (path, name) in [("/download", "named.bin"), ("/by%20url.bin", "by url.bin")] {
        let task = DownloadTask::to_directory(place.server.url(path), place.path("")).unwrap();
        let end = ok.download(task).await.unwrap();
        assert_eq!(end.location.unwrap().path().unwrap(), place.path(name));
        assert_content(&place.path(name), &body);
    }
}

#[tokio::test]
async fn temporary_failures_are_tried_again() {
    let place = Place::new().await;
    let body = Body::pattern(6, 2 * MIB);
    place.server.serve("/a", tagged(body.clone()));
    place.server.script(
        "/a",
        [
            Reply::status(503),
            Reply::close(),
            Reply::resource().cut_after(300_000),
            Reply::resource().reset_after(300_000),
        ],
    );
    let ok = place.engine();
    ok.download(place.task("/a", "a").build().unwrap()).await.unwrap();
    assert_content(&place.path("a"), &body);
}

#[tokio::test]
async fn a_missing_file_is_an_error_that_leaves_nothing() {
    let place = Place::new().await;
    let ok = place.engine();
    let error = ok.download(place.task("/missing", "a").build().unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Status, Some(404)));
    assert_eq!(place.files(), Vec::<String>::new());
    assert_eq!(place.server.requests().len(), 1);
}

#[tokio::test]
async fn digests_are_checked_before_the_file_has_its_name() {
    let place = Place::new().await;
    let body = Body::bytes("abc");
    place.server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    let right = "sha-1=a9993e364706816aba3e25717850c26c9cd0d89d".parse().unwrap();
    ok.download(place.task("/a", "a").digest(right).build().unwrap()).await.unwrap();
    let wrong = "sha-1=a9993e364706816aba3e25717850c26c9cd0d89e".parse().unwrap();
    let error = ok.download(place.task("/a", "b").digest(wrong).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Checksum);
    assert_eq!(place.files(), ["a"]);
}

#[tokio::test]
async fn what_is_complete_is_not_fetched_again() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(7, 1000)));
    let task = || place.task("/a", "a").build().unwrap();
    let ok = place.engine();
    ok.download(task()).await.unwrap();
    ok.shutdown().await.unwrap();
    let ok = place.engine();
    let end = ok.download(task()).await.unwrap();
    assert_eq!((end.fetched, end.length), (0, Some(1000)));
    assert_eq!(place.server.requests().len(), 1);
    // Unless the file is another one now.
    std::fs::write(place.path("a"), "mine").unwrap();
    let error = ok.download(task()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(place.path("a")).unwrap(), b"mine");
}

#[tokio::test]
async fn events_come_in_order() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(8, 1000)));
    let ok = place.engine();
    let request = ok.task(place.task("/a", "a").build().unwrap());
    let mut events = request.events();
    let end = request.enqueue().await;
    assert_eq!(end.cause, EndCause::Completed);
    let mut names = Vec::new();
    while let Some(event) = futures_util::StreamExt::next(&mut events).await {
        let text = format!("{event:?}");
        names.push(text.split([' ', '(', '{']).next().unwrap().to_owned());
    }
    assert_eq!(
        names,
        [
            "TaskStart",
            "ConnectTrialStart",
            "ConnectTrialEnd",
            "FromBeginning",
            "FetchStart",
            "FetchProgress",
            "FetchEnd",
            "TaskEnd"
        ]
    );
}
