//! Builders and finished clients.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic here is a test that failed")]

use std::time::Duration;

use isahc::config::{Configurable, RedirectPolicy, VersionNegotiation};
use isahc::{HttpClient, HttpClientBuilder};
use okdownload_connection::{ConnectRequest, ConnectionFactory};
use okdownload_connection_isahc::IsahcConnectionFactory;
use okdownload_testkit::server::{Reply, Server};
use okdownload_types::ErrorKind;

/// A builder that does everything that this crate must switch off.
fn eager() -> HttpClientBuilder {
    HttpClient::builder()
        .proxy(None)
        .redirect_policy(RedirectPolicy::Follow)
        .automatic_decompression(true)
        .version_negotiation(VersionNegotiation::http10())
        .connect_timeout(Duration::from_nanos(1))
        .default_header("x-mine", "1")
}

#[tokio::test]
async fn builders_and_finished_clients_are_taken_and_corrected() {
    let server = Server::start().await.unwrap();
    server.fallback(|_, _| Reply::redirect(302, "/elsewhere"));
    let finished = IsahcConnectionFactory::from_client(eager().build().unwrap());
    for factory in [IsahcConnectionFactory::from_builder(eager), finished] {
        server.clear_log();
        let connected = factory.connect(ConnectRequest::get(server.url("/r"))).await.unwrap();
        assert_eq!((connected.head().status, &connected.head().url), (302, &server.url("/r")));
        let request = &server.requests()[0];
        assert_eq!(request.version, isahc::http::Version::HTTP_11);
        assert_eq!((request.header("accept-encoding"), request.header("x-mine")), (None, Some("1")));
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_finished_client_cannot_be_changed() {
    let factory = || IsahcConnectionFactory::from_client(HttpClient::new().unwrap());
    let changed = [factory().no_proxy(), factory().proxy("http://h:1"), factory().http2(false)];
    for error in changed.map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        assert!(error.advice().unwrap().contains("from_builder"), "{error}");
    }
}

#[tokio::test]
async fn a_builder_that_panics_is_an_error() {
    let factory = IsahcConnectionFactory::from_builder(|| panic!("told to panic"));
    for _ in 0..2 {
        let error =
            factory.connect(ConnectRequest::get("http://127.0.0.1:9/".parse().unwrap())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
        let text = error.to_string();
        assert!(text.contains("no HTTP client was built") && text.contains("told to panic"), "{text}");
    }
}

#[tokio::test]
async fn time_outs_of_a_builder_are_temporary() {
    let server = Server::start().await.unwrap();
    server.script("/a", [Reply::hang()]);
    let builder = || HttpClient::builder().proxy(None).timeout(Duration::from_millis(50));
    let factory = IsahcConnectionFactory::from_builder(builder);
    let error = factory.connect(ConnectRequest::get(server.url("/a"))).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Timeout, true), "{error}");
}

#[test]
fn http2_is_there_with_its_feature() {
    let factory = IsahcConnectionFactory::new().http2(true);
    if cfg!(feature = "http2") {
        factory.unwrap();
        return;
    }
    let error = factory.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.advice().unwrap().contains("`http2`"), "{error}");
}
