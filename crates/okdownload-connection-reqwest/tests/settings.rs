//! Builders and finished clients.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic here is a test that failed")]

use std::time::Duration;

use okdownload_connection::{ConnectRequest, ConnectionFactory};
use okdownload_connection_reqwest::ReqwestConnectionFactory;
use okdownload_testkit::server::{Reply, Server};
use okdownload_types::ErrorKind;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};

async fn server_with_a_redirect() -> Server {
    let server = Server::start().await.unwrap();
    server.handle("/a", |_, _| Reply::ok());
    server.handle("/r", |_, _| Reply::redirect(302, "/a?token=s3cret"));
    server
}

/// A builder that does everything that this crate must switch off.
fn eager() -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(Policy::limited(5))
        .connect_timeout(Duration::from_nanos(1))
        .user_agent("mine/1")
}

#[tokio::test]
async fn a_builder_is_taken_and_corrected() {
    let server = server_with_a_redirect().await;
    let factory = ReqwestConnectionFactory::from_builder(eager);
    let connected = factory.connect(ConnectRequest::get(server.url("/r"))).await.unwrap();
    assert_eq!(connected.head().status, 302);
    assert_eq!(server.requests()[0].header("user-agent"), Some("mine/1"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_finished_client_is_taken_as_it_is() {
    let server = server_with_a_redirect().await;
    let connect = async |policy| {
        let client = Client::builder().no_proxy().redirect(policy).build().unwrap();
        ReqwestConnectionFactory::from_client(client).connect(ConnectRequest::get(server.url("/r"))).await
    };
    assert_eq!(connect(Policy::none()).await.unwrap().head().status, 302);
    for policy in [Policy::limited(5), Policy::custom(|attempt| attempt.error("no"))] {
        let error = connect(policy).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        assert!(error.advice().unwrap().contains("redirect"), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}

#[test]
fn a_finished_client_cannot_be_changed() {
    let factory = || ReqwestConnectionFactory::from_client(Client::builder().no_proxy().build().unwrap());
    let changed = [factory().no_proxy(), factory().proxy("http://h:1"), factory().http2(false)];
    for error in changed.map(Result::unwrap_err) {
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        assert!(error.advice().unwrap().contains("from_builder"), "{error}");
    }
}

#[tokio::test]
async fn a_builder_that_panics_is_an_error() {
    let factory = ReqwestConnectionFactory::from_builder(|| panic!("told to panic"));
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
    let builder = || Client::builder().no_proxy().read_timeout(Duration::from_millis(50));
    let factory = ReqwestConnectionFactory::from_builder(builder);
    let error = factory.connect(ConnectRequest::get(server.url("/a"))).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Timeout, true), "{error}");
}

#[tokio::test]
async fn damaged_certificates_are_misuse() {
    let damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let factory = ReqwestConnectionFactory::new().no_proxy().unwrap().root_certificates_pem(damaged);
    let error = match factory {
        Ok(factory) => {
            let request = ConnectRequest::get("https://127.0.0.1:9/".parse().unwrap());
            factory.connect(request).await.unwrap_err()
        }
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
}

#[test]
fn http2_is_there_with_its_feature() {
    let factory = ReqwestConnectionFactory::new().http2(true);
    if cfg!(feature = "http2") {
        factory.unwrap();
        return;
    }
    let error = factory.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.advice().unwrap().contains("`http2`"), "{error}");
}
