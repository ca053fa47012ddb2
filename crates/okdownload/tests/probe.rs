//! What a server says of a resource, without a download.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Place, tagged};
use okdownload::{ContentRange, ErrorKind, Timeouts};
use okdownload_testkit::server::{Body, Reply, Server};

#[tokio::test]
async fn heads_are_told_and_nothing_is_stored() {
    let place = Place::new().await;
    let other = Server::start().await.unwrap();
    other.serve("/b", tagged(Body::pattern(1, 5000)));
    let there = other.url("/b").to_string();
    place.server.handle("/a", move |_, _| Reply::redirect(302, &there));
    let ok = place.engine();
    let task = place.task("/a", "a").credentials("me", "s3cret").build().unwrap();
    let heads = ok.probe(&task).await.unwrap();
    assert_eq!(heads.iter().map(|head| head.status).collect::<Vec<_>>(), [302, 206]);
    assert_eq!(heads[1].url, other.url("/b"));
    let range = ContentRange::Bytes { start: 0, end: 1, total: Some(5000) };
    assert_eq!(heads[1].content_range().unwrap(), Some(range));
    // Secrets are for their own origin, here as well.
    let sent = |server: &Server| server.requests()[0].header("authorization").is_some();
    assert!(sent(&place.server) && !sent(&other));
    assert!(place.files().is_empty() && ok.unfinished().await.unwrap().is_empty());
    ok.shutdown().await.unwrap();
}

#[tokio::test]
async fn only_get_asks_for_a_range() {
    let place = Place::new().await;
    place.server.handle("/a", |_, _| Reply::ok().body(Body::pattern(1, 5000)));
    place.server.handle("/form", |_, _| Reply::redirect(303, "/a"));
    let ok = place.engine();
    for (path, statuses) in [("/a", &[200][..]), ("/form", &[303, 200])] {
        let task = place.task(path, "a").method(http::Method::POST).body("b=c").build().unwrap();
        let heads = ok.probe(&task).await.unwrap();
        assert_eq!(heads.iter().map(|head| head.status).collect::<Vec<_>>(), statuses, "{path}");
    }
    assert!(place.server.requests().iter().all(|request| request.range().is_none()));
    ok.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_status_is_an_answer_and_silence_is_none() {
    let place = Place::new().await;
    place.server.handle("/gone", |_, _| Reply::status(410));
    place.server.handle("/loop", |_, _| Reply::redirect(302, "/loop"));
    place.server.handle("/silent", |_, _| Reply::hang());
    let ok = place.engine();
    let mut timeouts = Timeouts::default();
    (timeouts.connect, timeouts.head) = (Duration::from_millis(50), Duration::from_millis(50));
    let task = |path: &str| place.task(path, "a").timeouts(timeouts).build().unwrap();
    assert_eq!(ok.probe(&task("/gone")).await.unwrap()[0].status, 410);
    assert_eq!(ok.probe(&task("/loop")).await.unwrap_err().kind(), ErrorKind::Redirect);
    assert_eq!(ok.probe(&task("/silent")).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(place.server.requests_for("/loop").len(), 11);
}
