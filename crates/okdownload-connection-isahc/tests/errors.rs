//! What real failures of isahc are called, and how they read.

#![allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]

use std::net::Ipv4Addr;

use okdownload_connection::{ConnectRequest, ConnectionFactory};
use okdownload_connection_isahc::IsahcConnectionFactory;
use okdownload_testkit::server::{Body, ChunkFault, Reply, Server};
use okdownload_types::{Error, ErrorKind, Result};
use tokio::net::TcpSocket;

async fn fetch(factory: &IsahcConnectionFactory, url: &str) -> Result<usize> {
    let mut connected = factory.connect(ConnectRequest::get(url.parse().unwrap())).await?;
    let mut length = 0;
    while let Some(bytes) = connected.chunk().await? {
        length += bytes.len();
    }
    Ok(length)
}

fn direct() -> IsahcConnectionFactory {
    IsahcConnectionFactory::new().no_proxy().unwrap()
}

/// Checks kind, whether it is temporary, and how the text begins, with `URL` for the server's. What follows is the
/// native error's own text.
#[track_caller]
fn assert_error(error: &Error, origin: &str, kind: ErrorKind, temporary: bool, text: &str) {
    let shown = error.to_string().replace(origin, "URL");
    assert_eq!((error.kind(), error.is_temporary()), (kind, temporary), "{shown}");
    assert!(shown.len() > text.len() && shown.starts_with(text) && !shown.contains('\n'), "{shown}");
}

#[tokio::test]
async fn broken_answers() {
    let server = Server::start().await.unwrap();
    let body = || Reply::ok().body(Body::pattern(1, 10_000));
    let broke = (ErrorKind::Network, true, "the connection broke (url: URL/a?token=…): ");
    let invalid = (ErrorKind::Protocol, false, "the response is not valid HTTP (url: URL/a?token=…): ");
    for (reply, (kind, temporary, text)) in [
        (Reply::close(), broke),
        (Reply::reset(), broke),
        (Reply::raw("HTTP/1.1 200"), broke),
        (body().cut_after(7), broke),
        (body().reset_after(7), broke),
        (body().chunk_fault(ChunkFault::MissingLastChunk), broke),
        (Reply::raw("nonsense\r\n\r\n"), invalid),
        (Reply::ok().raw_header("nonsense"), invalid),
        (Reply::ok().raw_header(&b"x-nul: a\0b"[..]), invalid),
        (Reply::ok().content_length("x"), invalid),
        (Reply::ok().content_length("99999999999999999999"), invalid),
    ] {
        server.script("/a", [reply]);
        let error = fetch(&direct(), server.url("/a?token=s3cret").as_str()).await.unwrap_err();
        assert_error(&error, &format!("http://{}", server.address()), kind, temporary, text);
    }
}

#[tokio::test]
async fn no_connection() {
    // Bound, so that nobody else gets the port, and not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let closed = format!("http://{}", socket.local_addr().unwrap());
    let error = fetch(&direct(), &format!("{closed}/a")).await.unwrap_err();
    assert_error(&error, &closed, ErrorKind::Connect, true, "cannot connect (url: URL/a): ");

    let error = fetch(&direct(), "http://nowhere.invalid/a").await.unwrap_err();
    let text = "the host name cannot be resolved (url: URL/a): ";
    assert_error(&error, "http://nowhere.invalid", ErrorKind::Connect, true, text);
}

#[tokio::test]
async fn tls() {
    let (server, plain) = (Server::start_tls().await.unwrap(), Server::start().await.unwrap());
    let error = fetch(&direct(), server.url("/a").as_str()).await.unwrap_err();
    let origin = format!("https://localhost:{}", server.address().port());
    let text = "the server's certificate is not trusted (url: URL/a): ";
    assert_error(&error, &origin, ErrorKind::Tls, false, text);
    assert!(error.advice().unwrap().contains("trust its CA"), "{error}");

    let origin = format!("https://{}", plain.address());
    let error = fetch(&direct(), &origin).await.unwrap_err();
    let text = "no secure connection could be made (url: URL/): ";
    assert_error(&error, &origin, ErrorKind::Tls, false, text);
    assert!(error.advice().unwrap().contains("TLS on this port"), "{error}");
}

/// The reason is lost on the way (see `limits.rs`), so a wrong password is tried again like a broken connection.
#[tokio::test]
async fn a_proxy_that_makes_no_tunnel() {
    let proxy = Server::start().await.unwrap();
    let factory = IsahcConnectionFactory::new().proxy(proxy.url("/").as_str()).unwrap();
    for status in [407, 502] {
        proxy.fallback(move |_, _| Reply::status(status));
        let error = fetch(&factory, "https://nowhere.invalid/").await.unwrap_err();
        assert!(error.is_temporary(), "{error}");
    }
}

#[tokio::test]
async fn what_the_caller_did_wrong() {
    for url in ["ftp://h/a?token=s3cret", "data:s3cret"] {
        let error = fetch(&direct(), url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        assert!(!format!("{error} {error:?}").contains("token=s3cret"), "{error}");
    }
}
