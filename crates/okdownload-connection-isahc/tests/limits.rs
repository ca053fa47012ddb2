//! What isahc 2.0.2 and libcurl do otherwise than the connection suite wants, each with what happens instead. A test that
//! fails here is good news: move its behaviour to `conformance.rs`.

#![allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]

use std::future::poll_fn;
use std::task::Poll;

use okdownload_connection::{ConnectRequest, Connected, ConnectionFactory};
use okdownload_connection_isahc::IsahcConnectionFactory;
use okdownload_testkit::server::{Body, ChunkFault, Gate, Reply, Resource, Server};
use okdownload_types::{Error, ErrorKind, Result};
use url::Url;

async fn connect(url: Url) -> Result<Box<dyn Connected>> {
    IsahcConnectionFactory::new().no_proxy()?.connect(ConnectRequest::get(url)).await
}

async fn fetch(url: Url) -> Result<Vec<u8>> {
    let (mut connected, mut body) = (connect(url).await?, Vec::new());
    while let Some(bytes) = connected.chunk().await? {
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

/// What a server that answers so makes of a request.
async fn answered(reply: Reply) -> Result<Vec<u8>> {
    let server = Server::start().await.unwrap();
    server.script("/a", [reply]);
    fetch(server.url("/a")).await
}

fn assert_broke(error: &Error) {
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Network, true), "{error}");
}

/// Suite: `the_url_arrives_as_given`. libcurl writes percent-encoding of the path in upper case, which means the same (RFC 3986
/// §6.2.2.1), but is not the same to who signs the text.
#[tokio::test]
async fn percent_encoding_is_sent_in_upper_case() {
    let server = Server::start().await.unwrap();
    server.fallback(|_, _| Reply::status(204));
    connect(format!("http://{}/a%2fb?c=%2f", server.address()).parse().unwrap()).await.unwrap();
    assert_eq!(server.requests()[0].path, "/a%2Fb?c=%2f");
}

/// Suite: `headers_arrive_as_given`. isahc would panic.
#[tokio::test]
async fn header_values_beyond_ascii_are_refused() {
    let mut request = ConnectRequest::get("http://127.0.0.1:9/".parse().unwrap());
    request.headers.insert("x-umlaut", "gr\u{fc}n".parse().unwrap());
    let error = IsahcConnectionFactory::new().connect(request).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Unsupported, false), "{error}");
    assert!(error.to_string().contains("x-umlaut") && error.advice().is_some(), "{error}");
}

/// Suite: `nothing_is_added`. isahc would put its own name there.
#[tokio::test]
async fn an_empty_user_agent_is_added() {
    let server = Server::start().await.unwrap();
    server.serve("/a", Resource::new(Body::bytes("a")));
    fetch(server.url("/a")).await.unwrap();
    let request = &server.requests()[0];
    let mut names: Vec<_> = request.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!((names, request.header("user-agent")), (vec!["accept", "host", "user-agent"], Some("")));
}

/// Suite: `an_empty_body_ends_at_once`. libcurl takes a head that was cut for a whole one; that is told from an empty
/// body only where the head says something of its length.
#[tokio::test]
async fn an_empty_body_without_a_length_is_doubtful() {
    assert_broke(&answered(Reply::raw("HTTP/1.1 200 OK\r\nContent-Le")).await.unwrap_err());
    assert_broke(&answered(Reply::ok().without_length()).await.unwrap_err());
    assert_eq!(answered(Reply::ok()).await.unwrap(), b"");
    assert_eq!(answered(Reply::ok().chunked()).await.unwrap(), b"");
    assert_eq!(answered(Reply::status(204)).await.unwrap(), b"");
}

/// Suite: `an_early_end_is_temporary`, `a_cut_is_no_end_of_a_body`. isahc hands up the head with the first bytes of the
/// body, or never if there are none.
#[tokio::test]
async fn the_head_waits_for_the_body() {
    let body = Body::pattern(1, 10_000);
    let (server, gate) = (Server::start().await.unwrap(), Gate::new());
    server.script("/a", [Reply::ok().body(body.clone()).gate_after(0, &gate)]);
    let mut connecting = Box::pin(connect(server.url("/a")));
    tokio::select! {
        biased;
        _ = &mut connecting => panic!("the head came by itself"),
        () = gate.reached_by(1) => {}
    }
    let still = poll_fn(|context| Poll::Ready(connecting.as_mut().poll(context).is_pending())).await;
    assert!(still);
    gate.open();
    assert_eq!(connecting.await.unwrap().head().status, 200);

    server.script("/a", [Reply::ok().body(body).cut_after(0)]);
    assert_broke(&connect(server.url("/a")).await.unwrap_err());
}

/// Suite: `bad_chunks_are_permanent`, `endless_headers_end`. libcurl's code for them is the one for a reset, and isahc
/// drops its words.
#[tokio::test]
async fn what_cannot_be_read_looks_like_a_broken_connection() {
    let chunked = || Reply::ok().body(Body::pattern(1, 10_000)).chunk_size(3000);
    for fault in [ChunkFault::BadSize, ChunkFault::HugeSize, ChunkFault::MissingLineEnd] {
        assert_broke(&answered(chunked().chunk_fault(fault)).await.unwrap_err());
    }
    assert_broke(&answered(Reply::endless_headers()).await.unwrap_err());
}

/// Suite: `bad_chunks_are_permanent`. libcurl takes a bare line feed for the end of a line, so the carriage return
/// before it becomes a byte of the body.
#[tokio::test]
async fn a_chunk_that_is_said_to_be_longer_by_one_is_believed() {
    let reply = Reply::ok().body(Body::pattern(1, 10_000)).chunk_fault(ChunkFault::LongSize);
    assert_eq!(answered(reply).await.unwrap().len(), 10_001);
}

/// Not in the suite. libcurl has one code for all that goes wrong in a handshake but for the certificate.
#[tokio::test]
async fn a_broken_handshake_is_permanent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let (error, ()) = tokio::join!(fetch(url), async { drop(listener.accept().await.unwrap()) });
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Tls, false), "{error}");
}

/// Not in the suite. What libcurl and isahc add to a body, and what they make of a head that is cut where no body can be.
#[tokio::test]
async fn other_methods() {
    let server = Server::start().await.unwrap();
    let factory = IsahcConnectionFactory::new().no_proxy().unwrap();
    server.fallback(|_, _| Reply::ok());
    let mut request = ConnectRequest::get(server.url("/post"));
    (request.method, request.body) = (isahc::http::Method::POST, Some("x".into()));
    factory.connect(request).await.unwrap();
    assert_eq!(server.requests()[0].header("content-type"), Some("application/x-www-form-urlencoded"));

    server.script("/head", [Reply::raw("HTTP/1.1 200 OK\r\nContent-Le")]);
    let mut request = ConnectRequest::get(server.url("/head"));
    request.method = isahc::http::Method::HEAD;
    assert_eq!(factory.connect(request).await.unwrap().chunk().await.unwrap(), None);
}
