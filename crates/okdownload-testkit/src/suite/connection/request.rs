//! What is sent.

use bytes::Bytes;
use http::{HeaderValue, Method};
use okdownload_types::ErrorKind;

use super::Make;
use super::client::{assert_error, failure, fetch, get, get_with, plain, with_secret};
use crate::server::{Body, Reply, Resource, Server};

/// Path and query go out byte for byte, or as what means the same.
pub async fn the_url_arrives_as_given(make: Make) {
    let server = Server::start().await.unwrap();
    server.fallback(|_, _| Reply::ok());
    let path = "/a%20b/%2e%2e%2fc;d/%C3%A4?x=%2F&y=+&z";
    let url = format!("http://{}{path}", server.address()).parse().unwrap();
    let factory = plain(make);
    let (head, _) = fetch(&*factory, get(url)).await;
    let request = &server.requests()[0];
    assert_eq!((head.status, request.header("host")), (200, Some(&*server.address().to_string())));
    if factory.capability().url_as_given {
        assert_eq!(request.path, path);
    } else {
        assert_eq!(upper_case_encoding(&request.path), upper_case_encoding(path));
    }
}

/// RFC 3986 §6.2.2.1.
fn upper_case_encoding(path: &str) -> String {
    let mut left = 0;
    let upper = path.chars().map(|char| {
        let encoded = left > 0;
        left = if char == '%' { 2_u8 } else { left.saturating_sub(1) };
        if encoded { char.to_ascii_uppercase() } else { char }
    });
    upper.collect()
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
    ];
    for (name, value) in headers {
        request.headers.append(name, HeaderValue::from_static(value));
    }
    fetch(&*plain(make), request).await;
    let got = &server.requests()[0].headers;
    for (name, _) in headers {
        let want = headers.iter().filter(|(other, _)| *other == name).map(|(_, value)| value.as_bytes());
        assert!(got.get_all(name).iter().map(HeaderValue::as_bytes).eq(want), "{name}: {got:?}");
    }
}

/// Bytes beyond ASCII go out as they are, or the request does not.
pub async fn any_header_value_arrives_or_is_refused(make: Make) {
    let server = Server::start().await.unwrap();
    server.serve("/a", Resource::new(Body::bytes("a")));
    let (factory, request) = (plain(make), get_with(with_secret(server.url("/a")), "x-umlaut", "gr\u{fc}n"));
    if factory.capability().any_header_value {
        fetch(&*factory, request).await;
        assert_eq!(server.requests()[0].headers["x-umlaut"].as_bytes(), "gr\u{fc}n".as_bytes());
        return;
    }
    let error = failure(&*factory, request).await;
    assert_error(&error, ErrorKind::Unsupported, false);
    assert!(error.to_string().contains("x-umlaut") && error.advice().is_some(), "{error:?}");
    assert!(server.requests().is_empty());
}

/// Nothing goes out that was not given, but for what HTTP demands, and what means the same as none: `Accept: */*`, and a
/// body of any kind of bytes.
pub async fn nothing_is_added(make: Make) {
    let server = Server::start().await.unwrap();
    server.fallback(|_, _| Reply::ok().body(Body::bytes("a")));
    let factory = plain(make);
    let adds_nothing = factory.capability().adds_nothing;
    for body in [None, Some(Bytes::from_static(b"x"))] {
        let mut request = get_with(server.url("/a"), "x-mine", "1");
        request.method = if body.is_some() { Method::POST } else { Method::GET };
        request.body = body;
        fetch(&*factory, request).await;
    }
    for request in server.requests() {
        for (name, value) in &request.headers {
            let known = match name.as_str() {
                "host" | "x-mine" => true,
                "accept" => value == "*/*",
                "connection" => value.as_bytes().eq_ignore_ascii_case(b"keep-alive"),
                "content-length" => request.method == Method::POST,
                "content-type" => request.method == Method::POST && value == "application/octet-stream",
                "user-agent" => !adds_nothing && value.is_empty(),
                _ => false,
            };
            assert!(known, "{name}: {value:?}");
        }
    }
}

/// What is no URL of HTTP is the caller's mistake.
pub async fn other_schemes_are_misuse(make: Make) {
    for url in ["ftp://h/a", "file:///a", "data:,a"] {
        let error = failure(&*plain(make), get(with_secret(url.parse().unwrap()))).await;
        assert_error(&error, ErrorKind::Misuse, false);
        assert!(error.advice().is_some(), "{error:?}");
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

/// A server may answer HEAD in another way than GET.
pub async fn head_may_differ_from_get(make: Make) {
    let server = Server::start().await.unwrap();
    let body = Body::pattern(1, 1000);
    server.handle("/a", move |request, _| match request.method {
        Method::HEAD => Reply::status(405).content_length(7),
        _ => Reply::ok().body(body.clone()),
    });
    let factory = plain(make);
    let mut request = get(server.url("/a"));
    request.method = Method::HEAD;
    let (head, body) = fetch(&*factory, request).await;
    assert_eq!((head.status, head.content_length().unwrap(), body.len()), (405, Some(7), 0));
    let (head, body) = fetch(&*factory, get(server.url("/a"))).await;
    assert_eq!((head.status, body.len()), (200, 1000));
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
