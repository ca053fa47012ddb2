//! Well-behaved resources and their switches.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use okdownload_testkit::server::{Body, Resource, Server};

use crate::client::{Client, get, open};

const MODIFIED: &str = "Thu, 01 Jan 1970 00:16:40 GMT";
const EARLIER: &str = "Thu, 01 Jan 1970 00:16:39 GMT";

fn modified() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1000)
}

async fn server_with(resource: Resource) -> Server {
    let server = Server::start().await.unwrap();
    server.serve("/f", resource);
    server
}

#[tokio::test]
async fn a_get_has_the_body_and_all_that_is_known_about_it() {
    let body = Body::pattern(1, 300_000);
    let resource = Resource::new(body.clone())
        .etag("\"v1\"")
        .last_modified(modified())
        .content_type("text/plain")
        .content_disposition("attachment; filename=x")
        .header("X-More", "1");
    let server = server_with(resource).await;
    let (head, bytes) = get(&server, "/f", &[]).await;
    assert_eq!(head.status_line, "HTTP/1.1 200 OK");
    assert!(body.matches(0, &bytes) && bytes.len() == 300_000);
    for (name, value) in [
        ("content-length", "300000"),
        ("accept-ranges", "bytes"),
        ("etag", "\"v1\""),
        ("last-modified", MODIFIED),
        ("content-type", "text/plain"),
        ("content-disposition", "attachment; filename=x"),
        ("x-more", "1"),
    ] {
        assert_eq!(head.get(name).as_deref(), Some(value), "{name}");
    }
    assert!(httpdate::parse_http_date(&head.get("date").unwrap()).is_ok());
}

#[tokio::test]
async fn a_head_has_the_same_head_and_no_body() {
    let server = server_with(Resource::new(Body::pattern(1, 1000))).await;
    let mut client = Client::connect(&server).await;
    let (head, _) = client.ask("HEAD", "/f", &[("Range", "bytes=0-0")]).await;
    assert_eq!((head.status, head.get("content-length").as_deref()), (200, Some("1000")));
    // The connection goes on, so no body byte was sent.
    assert_eq!(client.ask("GET", "/f", &[("Range", "bytes=0-0")]).await.0.status, 206);
    assert_eq!(server.requests()[0].bytes_sent, 0);
}

#[tokio::test]
async fn ranges_are_answered() {
    let body = Body::pattern(2, 1000);
    let server = server_with(Resource::new(body.clone())).await;
    for (range, expected, start, end) in [
        ("bytes=10-19", "bytes 10-19/1000", 10, 20),
        ("bytes=990-", "bytes 990-999/1000", 990, 1000),
        ("bytes=-1", "bytes 999-999/1000", 999, 1000),
        ("bytes=5-5000", "bytes 5-999/1000", 5, 1000),
    ] {
        let (head, bytes) = get(&server, "/f", &[("Range", range)]).await;
        assert_eq!((head.status, head.get("content-range").as_deref()), (206, Some(expected)), "{range}");
        assert_eq!(bytes, body.slice(start..end), "{range}");
    }
    let (head, bytes) = get(&server, "/f", &[("Range", "bytes=1000-")]).await;
    assert_eq!((head.status, head.get("content-range").as_deref()), (416, Some("bytes */1000")));
    assert!(bytes.is_empty());
    assert_eq!(get(&server, "/f", &[("Range", "bytes=1-2,4-5")]).await.0.status, 200);
}

#[tokio::test]
async fn bodies_beyond_four_gib_are_served() {
    let len = (5 << 30) + 3;
    let edge = 1 << 32;
    let pattern = Body::pattern(3, len);
    let server = server_with(Resource::new(pattern.clone())).await;
    server.serve("/sparse", Resource::new(Body::sparse(len, [(edge - 1, Bytes::from_static(b"ab"))])));
    let range = format!("bytes={}-{}", edge - 2, edge + 1);
    let (head, bytes) = get(&server, "/f", &[("Range", &range)]).await;
    assert_eq!(head.get("content-range").unwrap(), format!("bytes {}-{}/{len}", edge - 2, edge + 1));
    assert_eq!(bytes, pattern.slice(edge - 2..edge + 2));
    assert_eq!(get(&server, "/sparse", &[("Range", &range)]).await.1, b"\0ab\0");
}

#[tokio::test]
async fn preconditions_are_honoured() {
    let server =
        server_with(Resource::new(Body::pattern(1, 9)).etag("\"v1\"").last_modified(modified())).await;
    for (name, value, status) in [
        ("If-None-Match", "\"v1\"", 304),
        ("If-None-Match", "\"v0\", W/\"v1\"", 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", "\"v2\"", 206),
        ("If-Modified-Since", MODIFIED, 304),
        ("If-Modified-Since", EARLIER, 206),
        ("If-Match", "\"v1\"", 206),
        ("If-Match", "*", 206),
        ("If-Match", "\"v2\"", 412),
        ("If-Match", "W/\"v1\"", 412),
        ("If-Unmodified-Since", MODIFIED, 206),
        ("If-Unmodified-Since", EARLIER, 412),
        ("If-Range", "\"v1\"", 206),
        ("If-Range", "\"v2\"", 200),
        ("If-Range", "W/\"v1\"", 200),
        ("If-Range", MODIFIED, 206),
        ("If-Range", EARLIER, 200),
    ] {
        let (head, bytes) = get(&server, "/f", &[("Range", "bytes=1-"), (name, value)]).await;
        assert_eq!(head.status, status, "{name}: {value}");
        let expected = match status {
            200 => 9,
            206 => 8,
            _ => 0,
        };
        assert_eq!(bytes.len(), expected, "{name}: {value}");
        if status == 304 {
            assert_eq!((head.get("etag").as_deref(), head.get("content-length")), (Some("\"v1\""), None));
        }
    }
}

#[tokio::test]
async fn weak_and_missing_validators() {
    let server = server_with(Resource::new(Body::pattern(1, 9)).etag("W/\"w\"")).await;
    let (head, _) = get(&server, "/f", &[("Range", "bytes=1-"), ("If-Range", "W/\"w\"")]).await;
    assert_eq!((head.status, head.get("etag").as_deref()), (200, Some("W/\"w\"")));

    server.replace("/f", Resource::new(Body::pattern(1, 9)).last_modified(modified()).without_validators());
    let (head, _) = get(&server, "/f", &[]).await;
    assert_eq!((head.get("etag"), head.get("last-modified")), (None, None));

    let date = modified() + Duration::from_secs(60);
    server.replace("/f", Resource::new(Body::empty()).last_modified(modified()).without_etag().date(date));
    let (head, _) = get(&server, "/f", &[]).await;
    assert_eq!((head.get("etag"), head.get("last-modified").as_deref()), (None, Some(MODIFIED)));
    assert_eq!(head.get("date").as_deref(), Some("Thu, 01 Jan 1970 00:17:40 GMT"));
}

#[tokio::test]
async fn a_new_resource_has_a_strong_etag_of_its_own() {
    let server = server_with(Resource::new(Body::pattern(1, 9))).await;
    let first = get(&server, "/f", &[]).await.0.get("etag").unwrap();
    server.replace("/f", Resource::new(Body::pattern(2, 9)));
    let second = get(&server, "/f", &[]).await.0.get("etag").unwrap();
    assert!(first.starts_with('"') && first != second, "{first} {second}");
}

#[tokio::test]
async fn ranges_heads_and_totals_can_be_switched_off() {
    let server = server_with(Resource::new(Body::pattern(1, 9)).without_ranges().without_head()).await;
    let (head, bytes) = get(&server, "/f", &[("Range", "bytes=1-2")]).await;
    assert_eq!((head.status, bytes.len(), head.get("accept-ranges")), (200, 9, None));
    let (head, _) = Client::connect(&server).await.ask("HEAD", "/f", &[]).await;
    assert_eq!((head.status, head.get("allow").as_deref()), (405, Some("GET")));

    server.replace("/f", Resource::new(Body::pattern(1, 9)).unknown_total().allow_method(http::Method::POST));
    let (head, _) = Client::connect(&server).await.ask("POST", "/f", &[("Range", "bytes=1-2")]).await;
    assert_eq!((head.status, head.get("content-range").as_deref()), (206, Some("bytes 1-2/*")));
}

#[tokio::test]
async fn framing_without_a_length() {
    let body = Body::pattern(1, 1000);
    let server = server_with(Resource::new(body.clone()).chunked().chunk_size(300)).await;
    let (mut client, head) = open(&server, "/f").await;
    assert_eq!(
        (head.get("content-length"), head.get("transfer-encoding").as_deref()),
        (None, Some("chunked"))
    );
    for len in [300, 300, 300, 100, 0] {
        assert_eq!(client.chunk().await.unwrap().len(), len);
    }
    client.send("GET", "/f", &[("Range", "bytes=1-400")]).await;
    assert_eq!(client.head().await.unwrap().status, 206);
    assert_eq!(client.chunks().await.0, body.slice(1..=400));

    server.replace("/f", Resource::new(body.clone()).without_length());
    let (mut client, head) = open(&server, "/f").await;
    assert_eq!((head.get("content-length"), head.get("connection").as_deref()), (None, Some("close")));
    let (bytes, end) = client.rest().await;
    assert_eq!(bytes, body.slice(..));
    end.unwrap();
}

#[tokio::test]
async fn paths_queries_and_nothing() {
    let server = server_with(Resource::new(Body::bytes("plain"))).await;
    server.serve("/f?v=2", Resource::new(Body::bytes("query")));
    server.serve("/a b", Resource::new(Body::bytes("blank")));
    assert_eq!(get(&server, "/f?v=1", &[]).await.1, b"plain");
    assert_eq!(get(&server, "/f?v=2", &[]).await.1, b"query");
    assert_eq!(get(&server, server.url("/a b").path(), &[]).await.1, b"blank");
    assert_eq!(get(&server, &format!("http://{}/f", server.address()), &[]).await.1, b"plain");
    assert_eq!(get(&server, "/other", &[]).await.0.status, 404);
    server.remove("/f");
    assert_eq!(get(&server, "/f", &[]).await.0.status, 404);
    assert_eq!(server.url("/f?v=2").as_str(), format!("http://{}/f?v=2", server.address()));
}
