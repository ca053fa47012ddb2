//! Builders, finished clients, and the environment.

#![allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]

use std::process::Command;
use std::time::Duration;

use okdownload_connection::{ConnectRequest, Connected, ConnectionFactory};
use okdownload_connection_reqwest::ReqwestConnectionFactory;
use okdownload_testkit::server::{Body, Reply, Resource, Server};
use okdownload_types::{ErrorKind, Result};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use url::Url;

async fn connect(factory: &ReqwestConnectionFactory, url: Url) -> Result<Box<dyn Connected>> {
    factory.connect(ConnectRequest::get(url)).await
}

async fn server_with_a_redirect() -> Server {
    let server = Server::start().await.unwrap();
    server.serve("/a", Resource::new(Body::bytes("a")));
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
    let connected = connect(&ReqwestConnectionFactory::from_builder(eager), server.url("/r")).await.unwrap();
    assert_eq!(connected.head().status, 302);
    assert_eq!(server.requests()[0].header("user-agent"), Some("mine/1"));
}

#[tokio::test]
async fn a_finished_client_is_taken_as_it_is() {
    let server = server_with_a_redirect().await;
    let builder = || Client::builder().no_proxy();
    let factory = ReqwestConnectionFactory::from_client(builder().redirect(Policy::none()).build().unwrap());
    assert_eq!(connect(&factory, server.url("/r")).await.unwrap().head().status, 302);
    assert_eq!(factory.no_proxy().unwrap_err().kind(), ErrorKind::Misuse);

    for policy in [Policy::limited(5), Policy::custom(|attempt| attempt.error("no"))] {
        let client = builder().redirect(policy).build().unwrap();
        let error =
            connect(&ReqwestConnectionFactory::from_client(client), server.url("/r")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        assert!(error.advice().unwrap().contains("redirect"), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn time_outs_of_a_builder_are_temporary() {
    let server = Server::start().await.unwrap();
    server.script("/a", [Reply::hang()]);
    let builder = || Client::builder().no_proxy().read_timeout(Duration::from_millis(50));
    let factory = ReqwestConnectionFactory::from_builder(builder);
    let error = connect(&factory, server.url("/a")).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Timeout, true), "{error}");
}

#[test]
fn debug_keeps_the_password() {
    let factory = ReqwestConnectionFactory::new().proxy("http://me:s3cret@h:1").unwrap();
    assert!(!format!("{factory:?} {factory:#?}").contains("s3cret"));
}

/// Runs itself again with the environment of a user behind a proxy.
#[tokio::test]
async fn proxies_come_from_the_environment() {
    const TARGET: &str = "OKDOWNLOAD_TEST_TARGET";
    if let Ok(target) = std::env::var(TARGET) {
        let factory = ReqwestConnectionFactory::new();
        let status = async |url: &str| connect(&factory, url.parse().unwrap()).await.unwrap().head().status;
        assert_eq!(status("http://nowhere.invalid/a").await, 299);
        // This one NO_PROXY names.
        assert_eq!(status(&target).await, 200);
        let direct = factory.no_proxy().unwrap();
        let error = connect(&direct, "http://nowhere.invalid/a".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        return;
    }
    let (proxy, target) = (Server::start().await.unwrap(), server_with_a_redirect().await);
    proxy.fallback(|_, _| Reply::status(299));
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "proxies_come_from_the_environment"]);
    for name in ["HTTP_PROXY", "ALL_PROXY", "all_proxy", "no_proxy", "REQUEST_METHOD"] {
        again.env_remove(name);
    }
    again.env("http_proxy", proxy.url("/").as_str());
    again.env("NO_PROXY", target.address().to_string().split(':').next().unwrap());
    again.env(TARGET, target.url("/a").as_str());
    let output = tokio::task::spawn_blocking(move || again.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((proxy.requests().len(), target.requests().len()), (1, 1));
}
