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

#[tokio::test]
async fn probe() {
    let server = Server::start().await.unwrap();
    let body = || Reply::ok().body(Body::pattern(1, 10_000));
    for (n, reply) in [
        Reply::close(),
        Reply::reset(),
        Reply::raw("HTTP/1.1 200"),
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Le"),
        Reply::raw("HTTP/1.1 200 OK\r\nX: y\r\n"),
        body().cut_after(7),
        body().cut_after(0),
        body().reset_after(7),
        body().chunk_fault(ChunkFault::MissingLastChunk),
        body().chunk_fault(ChunkFault::BadSize),
        body().chunk_fault(ChunkFault::HugeSize),
        body().chunk_fault(ChunkFault::LongSize),
        body().chunk_fault(ChunkFault::MissingLineEnd),
        Reply::raw("nonsense\r\n\r\n"),
        Reply::raw("SSH-2.0-OpenSSH_9.9\r\n\r\n"),
        Reply::raw("<html>no head at all</html>\r\n\r\n"),
        Reply::ok().status_line("HTTP/1.1 abc OK"),
        Reply::ok().raw_header("nonsense"),
        Reply::ok().raw_header(&b"x-nul: a\0b"[..]),
        Reply::endless_headers(),
        Reply::ok().content_length("x"),
        Reply::ok().content_length("99999999999999999999"),
    ].into_iter().enumerate() {
        server.script("/a", [reply.clone()]);
        let result = fetch(&direct(), server.url("/a?token=s3cret").as_str()).await;
        println!("{n} {reply:?}\n      => {result:?}");
    }
}
