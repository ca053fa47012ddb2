//! What is sent.

use bytes::Bytes;
use http::{HeaderValue, Method};

use super::Make;
use super::client::{fetch, get, get_with, plain};
use crate::server::{Body, Reply, Resource, Server};

/// Path and query go out byte for byte.
pub async fn the_url_arrives_as_given(make: Make) {
    let server = Server::start().await.unwrap();
    server.fallback(|_, _| Reply::ok());
    let path = "/a%20b/%2e%2e%2fc;d/%C3%A4?x=%2F&y=+&z";
    let url = format!("http://{}{path}", server.address()).parse().unwrap();
    let (head, _) = fetch(&*plain(make), get(url)).await;
    assert_eq!((head.status, server.requests()[0].path.as_str()), (200, path));
    assert_eq!(server.requests()[0].header("host"), Some(&*server.address().to_string()));
}

/// Every header goes out once, with its value byte for byte; repeated ones in their order.
pub async fn headers_arrive_as_given(make: Make) {
    let server = Server::start().await.unwrap();
    server.serve("/a", Resource::new(Body::bytes("a")));
    let mut request = get(server.url("/a"));
    let headers = [
        ("accept-encoding", "identity"),
        ("if-range", "\"v1\""),
        ("range", "bytes=0-"),
        ("user-agent", "me/1.0 (a, b)"),
        ("accept", "text/html;q=0.5"),
        ("authorization", "Basic dTpw"),
        ("cookie", "a=b; c=d"),
        ("referer", "http://h/"),
        ("x-many", "1"),
        ("x-many", "2"),
        ("x-umlaut", "gr\u{fc}n"),
    ];
    for (name, value) in headers {
        request.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    fetch(&*plain(make), request).await;
    let got = &server.requests()[0].headers;
    for (name, _) in headers {
        let want = headers.iter().filter(|(other, _)| *other == name).map(|(_, value)| value.as_bytes());
        assert!(got.get_all(name).iter().map(HeaderValue::as_bytes).eq(want), "{name}: {got:?}");
    }
}

/// Nothing goes out that was not given, but for what HTTP demands, and `Accept: */*`, which means the same as none.
pub async fn nothing_is_added(make: Make) {
    let server = Server::start().await.unwrap();
    server.serve("/a", Resource::new(Body::bytes("a")));
    fetch(&*plain(make), get_with(server.url("/a"), "x-mine", "1")).await;
    let request = &server.requests()[0];
    for (name, value) in &request.headers {
        let known = match name.as_str() {
            "host" | "x-mine" => true,
            "accept" => value == "*/*",
            "connection" => value.as_bytes().eq_ignore_ascii_case(b"keep-alive"),
            _ => false,
        };
        assert!(known, "{name}: {value:?}");
    }
}

/// A body goes out whole, with its length.
pub async fn a_body_is_sent(make: Make) {
    let server = Server::start().await.unwrap();
    server.serve("/a", Resource::new(Body::bytes("answer")).allow_method(Method::POST));
    let sent = Bytes::from(Body::pattern(1, 300_000).slice(..));
    let mut request = get_with(server.url("/a"), "content-type", "text/plain");
    (request.method, request.body) = (Method::POST, Some(sent.clone()));
    let (head, body) = fetch(&*plain(make), request).await;
    assert_eq!((head.status, &*body), (200, &b"answer"[..]));
    let got = &server.requests()[0];
    assert_eq!((&got.method, got.header("content-length")), (&Method::POST, Some("300000")));
    assert_eq!(got.header("content-type"), Some("text/plain"));
    assert!(got.body == sent, "another body arrived");
}

/// The answer to HEAD tells a length and has no body.
pub async fn head_has_no_body(make: Make) {
    let server = Server::start().await.unwrap();
    server.serve("/a", Resource::new(Body::pattern(1, 1000)));
    let factory = plain(make);
    let mut request = get(server.url("/a"));
    request.method = Method::HEAD;
    let (head, body) = fetch(&*factory, request).await;
    assert_eq!((head.status, head.content_length().unwrap(), body.len()), (200, Some(1000), 0));
    // A client that waited for the body, or took the next answer for it, would fail here.
    assert_eq!(fetch(&*factory, get(server.url("/a"))).await.1.len(), 1000);
}

/// What one response sets, the next request does not send.
pub async fn cookies_are_not_kept(make: Make) {
    let server = Server::start().await.unwrap();
    server.handle("/a", |_, _| Reply::ok().header("Set-Cookie", "id=1; Path=/"));
    let factory = plain(make);
    let (head, _) = fetch(&*factory, get(server.url("/a"))).await;
    assert_eq!(head.header(&http::header::SET_COOKIE), Some("id=1; Path=/"));
    fetch(&*factory, get(server.url("/a"))).await;
    assert_eq!(server.requests()[1].header("cookie"), None);
}
