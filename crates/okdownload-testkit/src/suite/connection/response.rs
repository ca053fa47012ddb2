//! What is handed up.

use http::{Version, header};
use okdownload_types::ContentRange;

use super::Make;
use super::client::{fetch, get, get_with, plain};
use crate::server::{Body, Reply, Resource, Server};

/// Starts a server that answers `/a` with this.
async fn serving(resource: Resource) -> Server {
    let server = Server::start().await.unwrap();
    server.serve("/a", resource);
    server
}

/// Starts a server that answers `/a` with this, time and again.
async fn replying(reply: Reply) -> Server {
    let server = Server::start().await.unwrap();
    server.handle("/a", move |_, _| reply.clone());
    server
}

async fn assert_body(make: Make, server: &Server, expected: &Body) {
    let (head, body) = fetch(&*plain(make), get(server.url("/a"))).await;
    assert_eq!((head.status, body.len() as u64), (200, expected.len()));
    assert!(expected.matches(0, &body), "other bytes arrived");
}

/// A body that comes in one piece.
pub async fn a_small_body_is_right(make: Make) {
    let body = Body::pattern(1, 100);
    assert_body(make, &serving(Resource::new(body.clone())).await, &body).await;
}

/// A body that comes in many pieces.
pub async fn a_body_of_10_mib_is_right(make: Make) {
    let body = Body::pattern(2, 10 << 20);
    assert_body(make, &serving(Resource::new(body.clone())).await, &body).await;
}

/// URL, status, version and all headers, repeated ones and such that are not UTF-8 too.
pub async fn the_head_is_told(make: Make) {
    let reply = Reply::status(203)
        .header("X-One", b"caf\xe9")
        .header("x-many", "1")
        .header("X-MANY", "2")
        .header("x-empty", "");
    let server = replying(reply).await;
    let url = server.url("/a?b=c");
    let (head, _) = fetch(&*plain(make), get(url.clone())).await;
    assert_eq!((head.url, head.status, head.version), (url, 203, Version::HTTP_11));
    let values = |name| head.headers.get_all(name).iter().map(|value| value.as_bytes()).collect::<Vec<_>>();
    assert_eq!(values("x-one"), [b"caf\xe9"]);
    assert_eq!(values("x-many"), [b"1", b"2"]);
    assert_eq!(values("x-empty"), [b""]);
}

/// No status is an error, and none is answered by another request.
pub async fn a_status_is_a_value(make: Make) {
    let server = Server::start().await.unwrap();
    let factory = plain(make);
    for status in [401, 403, 404, 407, 408, 410, 416, 421, 425, 429, 500, 502, 503, 599] {
        let path = format!("/{status}");
        server.script(&path, [Reply::status(status).header("Retry-After", "0").body(Body::bytes("sorry"))]);
        let (head, body) = fetch(&*factory, get(server.url(&path))).await;
        assert_eq!((head.status, &*body), (status, &b"sorry"[..]));
        assert_eq!(server.requests_for(&path).len(), 1, "{status}");
    }
}

/// Redirects are not followed.
pub async fn redirects_are_handed_up(make: Make) {
    let server = Server::start().await.unwrap();
    let factory = plain(make);
    for status in [300, 301, 302, 303, 307, 308] {
        let path = format!("/{status}");
        server.script(&path, [Reply::redirect(status, "/elsewhere").body(Body::bytes("moved"))]);
        let (head, body) = fetch(&*factory, get(server.url(&path))).await;
        assert_eq!((head.status, &*body), (status, &b"moved"[..]));
        assert_eq!(head.header(&header::LOCATION), Some("/elsewhere"));
        assert_eq!(head.url, server.url(&path));
    }
    assert!(server.requests_for("/elsewhere").is_empty());
}

/// A part of the resource, as 206.
pub async fn a_range_is_answered(make: Make) {
    let body = Body::pattern(3, 1000);
    let server = serving(Resource::new(body.clone())).await;
    let (head, bytes) = fetch(&*plain(make), get_with(server.url("/a"), "range", "bytes=10-19")).await;
    assert_eq!((head.status, bytes), (206, body.slice(10..20)));
    assert_eq!(head.content_range().unwrap(), ContentRange::parse("bytes 10-19/1000"));
}

/// The whole resource, as 200, though a part was asked for.
pub async fn a_range_may_be_ignored(make: Make) {
    let body = Body::pattern(3, 1000);
    let server = serving(Resource::new(body.clone()).without_ranges()).await;
    let (head, bytes) = fetch(&*plain(make), get_with(server.url("/a"), "range", "bytes=10-19")).await;
    assert_eq!((head.status, bytes), (200, body.slice(..)));
}

/// A coding is not undone, and the headers that tell of it stay.
pub async fn a_coded_body_stays_as_sent(make: Make) {
    // "hello\n" as gzip has it.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\0\x20\x30\x3a\x36\x06\0\0\0";
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let reply = Reply::ok().header("Content-Encoding", coding).body(Body::bytes(&gzip[..]));
        let server = replying(reply).await;
        let request = get_with(server.url("/a"), "accept-encoding", "identity");
        let (head, body) = fetch(&*plain(make), request).await;
        assert_eq!(body, gzip, "{coding}");
        assert_eq!(head.content_encoding(), Some(coding));
        assert_eq!(head.content_length().unwrap(), Some(gzip.len() as u64));
    }
}

/// A body in chunks, in large and in small ones.
pub async fn a_chunked_body_is_right(make: Make) {
    let body = Body::pattern(4, 100_000);
    for size in [7919, 100_000] {
        let server = serving(Resource::new(body.clone()).chunked().chunk_size(size)).await;
        assert_body(make, &server, &body).await;
    }
}

/// A body without a length ends where the connection does.
pub async fn a_close_may_end_a_body(make: Make) {
    let body = Body::pattern(5, 100_000);
    let server = serving(Resource::new(body.clone()).without_length()).await;
    assert_body(make, &server, &body).await;
}

/// The old version, with and without a length.
pub async fn http_1_0_is_understood(make: Make) {
    let body = Body::pattern(6, 1000);
    for reply in [Reply::ok(), Reply::ok().without_length()] {
        let server = replying(reply.http_1_0().body(body.clone())).await;
        assert_body(make, &server, &body).await;
    }
}

/// A body of no bytes, told in each way.
pub async fn an_empty_body_ends_at_once(make: Make) {
    for reply in [Reply::ok(), Reply::ok().chunked(), Reply::ok().without_length()] {
        assert_body(make, &replying(reply).await, &Body::empty()).await;
    }
}

/// 204 and 304 have none, whatever length they tell.
pub async fn some_statuses_have_no_body(make: Make) {
    let server = Server::start().await.unwrap();
    server.script("/a", [Reply::status(204), Reply::status(304).content_length(1000), Reply::ok()]);
    let factory = plain(make);
    for status in [204, 304, 200] {
        let (head, body) = fetch(&*factory, get(server.url("/a"))).await;
        assert_eq!((head.status, body.len()), (status, 0));
    }
}

/// Any number of 1xx before the answer is not the answer.
pub async fn interim_responses_are_passed_over(make: Make) {
    let hint = [("link", "</style.css>; rel=preload"), ("content-length", "7")];
    let body = Body::bytes("the answer");
    let reply = Reply::ok().interim(100, &[]).interim(103, &hint).interim(102, &[]).body(body.clone());
    let server = replying(reply).await;
    assert_body(make, &server, &body).await;
}

/// Bytes beyond `Content-Length` are no part of the body, nor of the next answer.
pub async fn an_over_long_body_is_clipped(make: Make) {
    let body = Body::pattern(7, 1000);
    let server = replying(Reply::ok().body(body.clone()).surplus(5000)).await;
    let factory = plain(make);
    for _ in 0..2 {
        let (head, bytes) = fetch(&*factory, get(server.url("/a"))).await;
        assert_eq!((head.content_length().unwrap(), bytes), (Some(1000), body.slice(..)));
    }
}
