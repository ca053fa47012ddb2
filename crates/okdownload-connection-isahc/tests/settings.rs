//! Builders, finished clients, the environment, and how large the pieces are.

#![allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]

use std::process::Command;
use std::time::Duration;

use isahc::config::{Configurable, RedirectPolicy};
use isahc::{HttpClient, HttpClientBuilder};
use okdownload_connection::{ConnectRequest, Connected, ConnectionFactory};
use okdownload_connection_isahc::IsahcConnectionFactory;
use okdownload_testkit::server::{Body, Reply, Resource, Server};
use okdownload_types::{ErrorKind, Result};
use url::Url;

async fn connect(factory: &IsahcConnectionFactory, url: Url) -> Result<Box<dyn Connected>> {
    factory.connect(ConnectRequest::get(url)).await
}

async fn server_with_a_redirect() -> Server {
    let server = Server::start().await.unwrap();
    server.serve("/a", Resource::new(Body::bytes("a")));
    server.handle("/r", |_, _| Reply::redirect(302, "/a?token=s3cret"));
    server
}

/// A builder that does everything that this crate must switch off.
fn eager() -> HttpClientBuilder {
    HttpClient::builder()
        .proxy(None)
        .redirect_policy(RedirectPolicy::Follow)
        .automatic_decompression(true)
        .connect_timeout(Duration::from_nanos(1))
        .default_header("user-agent", "mine/1")
}

#[tokio::test]
async fn builders_and_finished_clients_are_taken_and_corrected() {
    let server = server_with_a_redirect().await;
    let finished = IsahcConnectionFactory::from_client(eager().build().unwrap());
    for factory in [IsahcConnectionFactory::from_builder(eager), finished] {
        let connected = connect(&factory, server.url("/r")).await.unwrap();
        assert_eq!(connected.head().status, 302);
        let requests = server.requests();
        assert_eq!(requests.last().unwrap().header("accept-encoding"), None);
    }
}

#[tokio::test]
async fn a_finished_client_cannot_be_changed() {
    let factory = || IsahcConnectionFactory::from_client(HttpClient::new().unwrap());
    assert_eq!(factory().no_proxy().unwrap_err().kind(), ErrorKind::Misuse);
    assert_eq!(factory().proxy("http://h:1").unwrap_err().kind(), ErrorKind::Misuse);
}

#[tokio::test]
async fn time_outs_of_a_builder_are_temporary() {
    let server = Server::start().await.unwrap();
    server.script("/a", [Reply::hang()]);
    let builder = || HttpClient::builder().proxy(None).timeout(Duration::from_millis(50));
    let error = connect(&IsahcConnectionFactory::from_builder(builder), server.url("/a")).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Timeout, true), "{error}");
}

#[test]
fn debug_keeps_the_password() {
    let factory = IsahcConnectionFactory::new().proxy("http://me:s3cret@h:1").unwrap();
    assert!(!format!("{factory:?} {factory:#?}").contains("s3cret"));
}

/// On a link that is faster than its reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_are_large_on_a_fast_link() {
    let server = Server::start().await.unwrap();
    server.serve("/a", Resource::new(Body::pattern(1, 64 << 20)));
    let factory = IsahcConnectionFactory::new().no_proxy().unwrap();
    let mut connected = connect(&factory, server.url("/a")).await.unwrap();
    let (mut pieces, mut bytes) = (0, 0);
    while let Some(piece) = connected.chunk().await.unwrap() {
        assert!(piece.len() < 512 << 10, "{}", piece.len());
        (pieces, bytes) = (pieces + 1, bytes + piece.len());
        // Somebody writes it.
        std::thread::sleep(Duration::from_micros(500));
    }
    println!("{} KiB a piece", (bytes >> 10) / pieces);
    assert_eq!(bytes, 64 << 20);
    assert!(bytes / pieces >= 64 << 10, "{pieces} pieces");
}

/// Runs itself again with the environment of a user behind a proxy.
#[tokio::test]
async fn proxies_come_from_the_environment() {
    const TARGET: &str = "OKDOWNLOAD_TEST_TARGET";
    if let Ok(target) = std::env::var(TARGET) {
        let factory = IsahcConnectionFactory::new();
        let status = async |url: &str| connect(&factory, url.parse().unwrap()).await.unwrap().head().status;
        assert_eq!(status("http://nowhere.invalid/a").await, 299);
        // This one NO_PROXY names.
        assert_eq!(status(&target).await, 200);
        let direct = factory.no_proxy().unwrap();
        let error = connect(&direct, "http://nowhere.invalid/a".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        return;
    }
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        let (proxy, target) = (Server::start().await.unwrap(), server_with_a_redirect().await);
        proxy.fallback(|_, _| Reply::status(299));
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "proxies_come_from_the_environment"]);
        for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "no_proxy", "REQUEST_METHOD"] {
            again.env_remove(name);
        }
        again.env(variable, proxy.url("/").as_str());
        again.env("NO_PROXY", target.address().to_string().split(':').next().unwrap());
        again.env(TARGET, target.url("/a").as_str());
        let output = tokio::task::spawn_blocking(move || again.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{variable}: {}", String::from_utf8_lossy(&output.stdout));
        assert_eq!((proxy.requests().len(), target.requests().len()), (1, 1), "{variable}");
    }
}
