//! Which connections there are, and what cancelling does to them.

use std::net::{Ipv6Addr, TcpListener};
use std::sync::Arc;

use okdownload_types::ErrorKind;
use tokio::task::JoinSet;

use super::Make;
use super::client::{assert_error, drain, failure, fetch, get, plain, with_secret};
use super::peer::Peer;
use crate::server::{Body, Gate, Reply, Resource, Server};

/// Requests one after the other, each body read to its end, share a connection.
pub async fn connections_are_used_again(make: Make) {
    let server = Server::start().await.unwrap();
    server.serve("/length", Resource::new(Body::pattern(1, 300_000)));
    server.serve("/chunked", Resource::new(Body::pattern(1, 300_000)).chunked());
    let factory = plain(make);
    for path in ["/length", "/chunked", "/none", "/length", "/chunked", "/none", "/length", "/chunked"] {
        fetch(&*factory, get(server.url(path))).await;
    }
    // A second one is allowed: a client may learn of an end a moment after its caller, who asks again at once.
    assert!(server.connections() <= 2, "{} connections for 8 requests", server.connections());
}

/// Requests at the same time don't share one.
pub async fn parallel_requests_have_their_own_connections(make: Make) {
    let (server, gate) = (Server::start().await.unwrap(), Gate::new());
    server.serve("/a", Resource::new(Body::pattern(1, 300_000)));
    server.script("/a", std::iter::repeat_n(Reply::resource().gate_after(1000, &gate), 4));
    let factory = plain(make);
    let mut requests = JoinSet::new();
    for _ in 0..4 {
        let (factory, url) = (Arc::clone(&factory), server.url("/a"));
        requests.spawn(async move { fetch(&*factory, get(url)).await.1.len() });
    }
    gate.reached_by(4).await;
    assert_eq!((server.connections(), server.max_concurrent()), (4, 4));
    gate.open();
    assert_eq!(requests.join_all().await, [300_000; 4]);
}

/// The server sees at once that nobody wants the rest.
pub async fn dropping_a_response_frees_the_socket(make: Make) {
    let server = Server::start().await.unwrap();
    let body = Body::pattern(1, 1 << 30);
    let factory = plain(make);
    // One that waits for bytes, and one that has more than it can take.
    for reply in [Reply::ok().body(body.clone()).stall_after(100), Reply::ok().body(body)] {
        server.script("/a", [reply]);
        let mut connected = factory.connect(get(server.url("/a"))).await.unwrap();
        assert!(connected.chunk().await.unwrap().is_some());
        drop(connected);
        server.wait_until_idle().await;
    }
    assert!(server.bytes_sent() < 1 << 30);
}

/// So it does if nobody waits for the head any more.
pub async fn dropping_a_request_frees_the_socket(make: Make) {
    let server = Server::start().await.unwrap();
    server.script("/a", [Reply::hang()]);
    let factory = plain(make);
    tokio::select! {
        biased;
        response = factory.connect(get(server.url("/a"))) => panic!("an answer: {response:?}"),
        () = server.wait_for_requests(1) => {}
    }
    server.wait_until_idle().await;
}

/// A reader that changes its mind, again and again, gets every byte in the end.
pub async fn dropping_a_chunk_future_loses_no_byte(make: Make) {
    let (server, gate) = (Server::start().await.unwrap(), Gate::new());
    let body = Body::pattern(1, 1_000_000);
    server.serve("/a", Resource::new(body.clone()).chunk_size(10_007));
    server.script("/a", [Reply::resource().gate_after(500_000, &gate)]);
    let mut connected = plain(make).connect(get(server.url("/a"))).await.unwrap();
    let (mut got, mut dropped) = (Vec::new(), 0);
    loop {
        tokio::select! {
            biased;
            chunk = connected.chunk() => match chunk.unwrap() {
                Some(bytes) => got.extend_from_slice(&bytes),
                None => break,
            },
            () = tokio::task::yield_now() => {
                dropped += 1;
                if got.len() >= 500_000 {
                    gate.open();
                }
            }
        }
    }
    assert!(dropped > 0);
    assert!(got.len() == 1_000_000 && body.matches(0, &got), "{} bytes", got.len());
}

/// By IPv6, if this machine has it; if not, that is an error of its own.
pub async fn ipv6_works_where_it_is_there(make: Make) {
    let factory = plain(make);
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        let url = with_secret("http://[::1]:9/".parse().unwrap());
        assert_error(&failure(&*factory, get(url)).await, ErrorKind::Connect, true);
        return;
    }
    let peer = Peer::bind(Ipv6Addr::LOCALHOST).await.unwrap();
    let url = peer.url("http");
    let asking = async {
        let mut connected = factory.connect(get(url.clone())).await.unwrap();
        drain(&mut *connected).await.0
    };
    let (head, body) = tokio::join!(peer.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nsix"), asking);
    assert_eq!(body, b"six");
    let host = format!("host: [::1]:{}\r\n", url.port().unwrap());
    assert!(head.to_ascii_lowercase().contains(&host), "{head}");
}
