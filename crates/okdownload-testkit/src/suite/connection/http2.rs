//! Which version is spoken where the server offers HTTP/2 before HTTP/1.1. A backend that speaks no HTTP/2 says so by
//! [`Unsupported`](okdownload_types::ErrorKind::Unsupported).

use std::sync::Arc;

use http::Version;
use tokio::task::JoinSet;

use super::client::{fetch, get, get_with, supported};
use super::{Make, Setup};
use crate::server::{Body, Gate, Reply, Resource, Server};

/// A setup that trusts the server, if that has a certificate.
fn trusting(server: &Server, http2: bool) -> Setup {
    let ca_pem = Some(server.ca_pem().to_owned()).filter(|pem| !pem.is_empty());
    Setup { ca_pem, http2, ..Setup::default() }
}

/// If nobody asks for HTTP/2, requests at the same time do not share a connection.
pub async fn http_1_1_is_spoken_by_default(make: Make) {
    let (server, gate) = (Server::start_http2().await.unwrap(), Gate::new());
    let Some(factory) = supported(make, &trusting(&server, false)) else { return };
    server.serve("/a", Resource::new(Body::pattern(1, 300_000)));
    server.script("/a", std::iter::repeat_n(Reply::resource().gate_after(1000, &gate), 4));
    let mut requests = JoinSet::new();
    for _ in 0..4 {
        let (factory, url) = (Arc::clone(&factory), server.url("/a"));
        requests.spawn(async move {
            let (head, body) = fetch(&*factory, get(url)).await;
            (head.version, body.len())
        });
    }
    gate.reached_by(4).await;
    assert_eq!((server.connections(), server.max_concurrent()), (4, 4));
    gate.open();
    assert_eq!(requests.join_all().await, [(Version::HTTP_11, 300_000); 4]);
}

/// If it is chosen, it is spoken, and says the same.
pub async fn http_2_is_spoken_where_it_is_chosen(make: Make) {
    let server = Server::start_http2().await.unwrap();
    let Some(factory) = supported(make, &trusting(&server, true)) else { return };
    let body = Body::pattern(1, 1 << 20);
    server.serve("/a", Resource::new(body.clone()).etag("\"v1\""));
    let (head, bytes) = fetch(&*factory, get(server.url("/a"))).await;
    assert_eq!((head.version, head.status, bytes.len()), (Version::HTTP_2, 200, 1 << 20));
    assert!(body.matches(0, &bytes));
    assert_eq!((head.url, head.headers["etag"].as_bytes()), (server.url("/a"), &b"\"v1\""[..]));

    let mut parts = JoinSet::new();
    for part in 0..4_u64 {
        let (factory, start) = (Arc::clone(&factory), part * 1000);
        let request = get_with(server.url("/a"), "range", &format!("bytes={start}-{}", start + 999));
        parts.spawn(async move { (start, fetch(&*factory, request).await) });
    }
    for (start, (head, bytes)) in parts.join_all().await {
        assert_eq!((head.version, head.status, bytes.len()), (Version::HTTP_2, 206, 1000));
        assert!(body.matches(start, &bytes), "{start}");
    }
    assert!(server.requests().iter().all(|request| request.version == Version::HTTP_2));
}

/// If it is chosen, and not on offer, HTTP/1.1 is spoken, by TLS and without.
pub async fn http_2_is_no_must(make: Make) {
    for server in [Server::start_tls().await.unwrap(), Server::start().await.unwrap()] {
        let Some(factory) = supported(make, &trusting(&server, true)) else { return };
        server.serve("/a", Resource::new(Body::bytes("a")));
        let (head, body) = fetch(&*factory, get(server.url("/a"))).await;
        assert_eq!((head.version, &*body), (Version::HTTP_11, &b"a"[..]));
    }
}
