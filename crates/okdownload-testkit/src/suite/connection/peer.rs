//! A peer for what the scripted server has no words for.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A socket that listens, and does with a connection what a behaviour says.
pub(super) struct Peer(TcpListener);

impl Peer {
    /// Listens on a free port.
    pub(super) async fn bind(ip: impl Into<IpAddr>) -> std::io::Result<Self> {
        TcpListener::bind((ip.into(), 0)).await.map(Self)
    }

    /// `scheme://address:port/`.
    pub(super) fn url(&self, scheme: &str) -> Url {
        format!("{scheme}://{}/", self.0.local_addr().unwrap()).parse().unwrap()
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> TcpStream {
        self.0.accept().await.unwrap().0
    }

    /// Takes one connection and one request, answers with these bytes, and closes. Returns the request's head.
    pub(super) async fn answer(&self, reply: &[u8]) -> String {
        let mut stream = self.accept().await;
        let head = read_head(&mut stream).await;
        stream.write_all(reply).await.unwrap();
        stream.shutdown().await.unwrap();
        head
    }

    /// Takes one connection and one request, and answers with `start` and then `line` for ever. Returns the number of
    /// bytes that the client, and the sockets between, took before the client left.
    pub(super) async fn pour(&self, start: &[u8], line: &[u8]) -> u64 {
        let mut stream = self.accept().await;
        read_head(&mut stream).await;
        let (mut poured, block) = (0, line.repeat(64));
        let mut next = start;
        while stream.write_all(next).await.is_ok() {
            poured += next.len() as u64;
            next = &block;
        }
        poured
    }
}

/// Reads up to the empty line that ends a head.
pub(super) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole request"));
    }
    String::from_utf8(head).expect("a request in ASCII")
}
