//! What is handed up.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use http::{Version, header};
use okdownload_types::{ContentRange, ErrorKind};

use super::Make;
use super::client::{assert_error, failure, fetch, get, get_with, plain, with_secret};
use crate::server::{Body, Gate, Reply, Resource, Server};

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

/// Sixty lines of half a kilobyte: cookies and policies make heads like this.
pub async fn a_long_head_is_understood(make: Make) {
    let line = |reply: Reply, number: usize| reply.header(format!("x-{number}"), "a".repeat(500));
    let server = replying((0..60).fold(Reply::ok().body(Body::bytes("a")), line)).await;
    let (head, body) = fetch(&*plain(make), get(server.url("/a"))).await;
    assert!((0..60).all(|number| head.headers[&format!("x-{number}")].len() == 500));
    assert_eq!(body, b"a");
}

/// A body that is slow to come does not hold the head back, or it does.
pub async fn the_head_comes_first(make: Make) {
    let (server, gate) = (Server::start().await.unwrap(), Gate::new());
    let body = Body::pattern(1, 10_000);
    server.script("/a", [Reply::ok().body(body.clone()).gate_after(0, &gate)]);
    let factory = plain(make);
    let mut connecting = factory.connect(get(server.url("/a")));
    if factory.capability().head_before_body {
        let mut connected = connecting.await.unwrap();
        assert_eq!(connected.head().status, 200);
        gate.open();
        assert!(connected.chunk().await.unwrap().is_some());
        return;
    }
    tokio::select! {
        biased;
        _ = &mut connecting => panic!("the head came by itself"),
        () = gate.reached_by(1) => {}
    }
    assert!(poll_fn(|context| Poll::Ready(connecting.as_mut().poll(context).is_pending())).await);
    gate.open();
    assert_eq!(connecting.await.unwrap().head().status, 200);
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

/// `If-Range` is the server's to judge: a part if it names this version, else the whole.
pub async fn if_range_decides(make: Make) {
    let body = Body::pattern(3, 1000);
    let server = serving(Resource::new(body.clone()).etag("\"v1\"")).await;
    let factory = plain(make);
    for (version, status, length) in [("\"v1\"", 206, 10), ("\"v0\"", 200, 1000)] {
        let mut request = get_with(server.url("/a"), "range", "bytes=10-19");
        request.headers.insert("if-range", version.parse().unwrap());
        let (head, bytes) = fetch(&*factory, request).await;
        assert_eq!((head.status, bytes.len()), (status, length));
    }
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
    assert_body(make, &replying(Reply::ok()).await, &Body::empty()).await;
    for reply in [Reply::ok().chunked(), Reply::ok().without_length()] {
        let (server, factory) = (replying(reply).await, plain(make));
        if factory.capability().empty_without_length {
            assert_body(make, &server, &Body::empty()).await;
        } else {
            let error = failure(&*factory, get(with_secret(server.url("/a")))).await;
            assert_error(&error, ErrorKind::Network, true);
        }
    }
}

/// Who writes a body gets it in pieces that are worth a write, if the link is faster.
pub async fn pieces_are_large_on_a_fast_link(make: Make) {
    let body = Body::pattern(8, 16 << 20);
    let server = serving(Resource::new(body.clone())).await;
    let mut connected = plain(make).connect(get(server.url("/a"))).await.unwrap();
    let (mut pieces, mut bytes) = (0, 0);
    while let Some(piece) = connected.chunk().await.unwrap() {
        assert!(body.matches(bytes, &piece), "other bytes arrived");
        (pieces, bytes) = (pieces + 1, bytes + piece.len() as u64);
        // Somebody writes it.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    assert_eq!(bytes, 16 << 20);
    assert!(bytes / pieces >= 64 << 10, "{pieces} pieces");
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
