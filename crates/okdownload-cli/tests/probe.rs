//! What a server can do.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

mod common;

use common::{Place, tagged};
use okdownload_testkit::server::{Body, Reply, Resource};
use serde_json::json;

#[tokio::test]
async fn what_a_server_can_do_is_told_after_one_small_request() {
    let place = Place::new().await;
    let resource = tagged(&Body::pattern(1, 5000))
        .content_type("text/x")
        .content_disposition("attachment; filename=b.bin");
    place.server.serve("/a", resource);
    let there = place.url("/a?sig=s3cret");
    place.server.handle("/moved", move |_, _| Reply::redirect(302, &there));
    let ended = place.run(["probe", &place.url_with("me:s3cret", "/moved")]).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    for line in [
        &format!("URL         {}", place.url("/moved")),
        &format!("redirected  {}?sig=…", place.url("/a")),
        "answer      206 Partial Content, HTTP/1.1",
        "name        b.bin",
        "length      4.9 KiB (5000 B)",
        "ranges      yes: many connections can be used",
        "resumable   yes",
        "ETag        \"v1\"",
        "type        text/x",
    ] {
        assert!(ended.out.lines().any(|told| told == line), "{line}: {ended:?}");
    }
    assert!(!ended.out.contains("s3cret"), "{ended:?}");
    let requests = place.server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.range() == Some("bytes=0-0")));
    assert!(requests[0].header("authorization").is_some());
    assert_eq!(place.files(), Vec::<String>::new());
    assert_eq!(place.elsewhere(), Vec::<String>::new());
}

#[tokio::test]
async fn what_it_cannot_do_is_told() {
    let place = Place::new().await;
    let body = Body::pattern(1, 5000);
    place.server.serve("/plain", Resource::new(body.clone()).without_validators().without_ranges());
    place.server.serve("/weak", Resource::new(body).without_validators());
    place.server.serve("/empty", tagged(&Body::empty()));
    place.server.handle("/gone", |_, _| Reply::status(410));
    for (path, code, ranges, resumable, length) in [
        ("/plain", 0, false, false, json!(5000)),
        ("/weak", 0, true, false, json!(5000)),
        ("/empty", 0, false, false, json!(0)),
        ("/gone", 1, false, false, json!(null)),
    ] {
        let ended = place.run(["probe", "--json", &place.url(path)]).await;
        assert_eq!((ended.code, ended.err.as_str()), (Some(code), ""), "{path}: {ended:?}");
        let told = &ended.json()[0];
        assert_eq!(
            (&told["v"], &told["ranges"], &told["resumable"], &told["length"]),
            (&json!(1), &json!(ranges), &json!(resumable), &length),
            "{told}"
        );
    }
}

#[tokio::test]
async fn what_a_form_answers_is_told_without_asking_for_a_part() {
    let place = Place::new().await;
    place.server.handle("/a", |_, _| Reply::ok().body(Body::pattern(1, 5000)));
    let url = place.url("/a");
    for options in [&["--data", "b=c"][..], &["--method", "POST"]] {
        place.server.clear_log();
        let ended = place.run([&["probe"], options, &[&url]].concat()).await;
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
        for line in [
            "answer      200 OK, HTTP/1.1",
            "length      4.9 KiB (5000 B)",
            "ranges      unknown: only GET asks for them",
            "resumable   no: only what GET fetches can go on",
        ] {
            assert!(ended.out.lines().any(|told| told == line), "{line}: {ended:?}");
        }
        let request = place.server.requests().remove(0);
        assert_eq!((request.method.as_str(), request.range()), ("POST", None));
    }
    let told = place.run(["probe", "--json", "--method", "POST", &url]).await.json().remove(0);
    assert_eq!((&told["ranges"], &told["resumable"]), (&json!(null), &json!(false)), "{told}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_told() {
    let place = Place::new().await;
    for (url, code, word) in [("example.com", 2, "no scheme"), ("http://127.0.0.1:1/", 1, "127.0.0.1:1")] {
        let ended = place.run(["probe", url]).await;
        assert!(ended.code == Some(code) && ended.line().contains(word), "{url}: {ended:?}");
    }
}
