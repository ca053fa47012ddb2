//! The log, limits, request bodies, and TLS.

use std::io::ErrorKind;

use okdownload_testkit::server::{Body, Gate, Refusal, Reply, Resource, Server};

use crate::client::{Client, get};

async fn server() -> Server {
    let server = Server::start().await.unwrap();
    server.serve("/f", Resource::new(Body::pattern(1, 1000)));
    server
}

#[tokio::test]
async fn the_log_tells_what_happened() {
    let server = server().await;
    let mut client = Client::connect(&server).await;
    client.ask("GET", "/f?a=1", &[("Range", "bytes=0-9"), ("X-Id", "7")]).await;
    client.ask("HEAD", "/f", &[]).await;
    get(&server, "/other", &[]).await;

    let requests = server.requests();
    let seen: Vec<_> =
        requests.iter().map(|r| (r.method.as_str(), r.path.as_str(), r.connection, r.number)).collect();
    assert_eq!(seen, [("GET", "/f?a=1", 0, 0), ("HEAD", "/f", 0, 1), ("GET", "/other", 1, 0)]);
    let first = &requests[0];
    assert_eq!(
        (first.range(), first.header("x-id"), first.header("none")),
        (Some("bytes=0-9"), Some("7"), None)
    );
    assert_eq!((first.status, first.bytes_sent), (Some(206), 10));
    assert!(first.ended.unwrap() >= first.started);
    assert_eq!((requests[1].status, requests[2].status), (Some(200), Some(404)));

    assert_eq!((server.connections(), server.max_concurrent(), server.bytes_sent()), (2, 1, 10));
    assert_eq!((server.bytes_sent_for("/f"), server.bytes_sent_for("/f?a=1")), (10, 10));
    assert_eq!((server.bytes_sent_for("/f?a=2"), server.bytes_sent_for("/other")), (0, 0));
    assert_eq!((server.requests_for("/f").len(), server.requests_for("/f?a=1").len()), (2, 1));

    server.clear_log();
    assert_eq!((server.requests().len(), server.connections(), server.bytes_sent()), (0, 0, 0));
}

#[tokio::test]
async fn request_bodies_are_kept_up_to_a_mib() {
    let server = Server::start().await.unwrap();
    server.fallback(|_, _| Reply::ok());
    let mut client = Client::connect(&server).await;
    client.send_raw("POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(client.head().await.unwrap().status, 200);
    let chunked =
        "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n";
    client.send_raw(chunked).await;
    assert_eq!(client.head().await.unwrap().status, 200);
    client.send_raw("POST /c HTTP/1.1\r\nContent-Length: 2000000\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().status, 100);
    client.send_raw(vec![b'x'; 2_000_000]).await;
    assert_eq!(client.head().await.unwrap().status, 200);
    let bodies: Vec<_> = server.requests().into_iter().map(|logged| logged.request.body).collect();
    assert_eq!((&bodies[0][..], &bodies[1][..], bodies[2].len()), (&b"hello"[..], &b"abcde"[..], 1 << 20));
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_turned_away() {
    let server = server().await;
    server.limit_connections(1);
    let mut first = Client::connect(&server).await;
    first.ask("GET", "/f", &[]).await;

    let (bytes, end) = Client::connect(&server).await.rest().await;
    assert!(bytes.is_empty() && end.is_ok());

    server.refuse_with(Refusal::Reset);
    assert_eq!(Client::connect(&server).await.rest().await.1.unwrap_err().kind(), ErrorKind::ConnectionReset);

    server.refuse_with(Refusal::Reply(Box::new(Reply::status(429).header("Retry-After", "2"))));
    let mut client = Client::connect(&server).await;
    let (head, _) = client.ask("GET", "/f", &[]).await;
    assert_eq!((head.status, head.get("connection").as_deref()), (429, Some("close")));
    client.rest().await.1.unwrap();

    server.refuse_with(Refusal::Hang);
    let mut hanging = Client::connect(&server).await;
    hanging.send("GET", "/f", &[]).await;
    // The one that is open goes on, and a closed one makes room.
    first.ask("GET", "/f", &[("Connection", "close")]).await;
    first.rest().await.1.unwrap();
    get(&server, "/f", &[]).await;
    assert_eq!((server.connections(), server.refused_connections()), (6, 4));

    server.limit_connections(usize::MAX);
    get(&server, "/f", &[]).await;
    get(&server, "/f", &[]).await;
    assert_eq!(server.refused_connections(), 4);
}

#[tokio::test]
async fn tls_works_with_the_servers_own_ca() {
    let server = Server::start_tls().await.unwrap();
    let body = Body::pattern(5, 3_000_000);
    server.serve("/f", Resource::new(body.clone()));
    assert_eq!(server.url("/f").as_str(), format!("https://localhost:{}/f", server.address().port()));
    let mut client = Client::connect_tls(&server).await;
    for _ in 0..2 {
        assert!(body.matches(0, &client.ask("GET", "/f", &[]).await.1));
    }
    assert_eq!((server.connections(), server.bytes_sent()), (1, 6_000_000));
}

#[tokio::test]
async fn tls_can_be_cut_held_and_reset() {
    let server = Server::start_tls().await.unwrap();
    server.serve("/f", Resource::new(Body::pattern(5, 300_000)));
    let gate = Gate::new();
    server.script(
        "/f",
        [
            Reply::resource().cut_after(1000),
            Reply::resource().cut_after(1000).without_close_notify(),
            Reply::resource().reset_after(200_000),
            Reply::resource().gate_after(1000, &gate),
        ],
    );
    for (len, expected) in
        [(1000, None), (1000, Some(ErrorKind::UnexpectedEof)), (200_000, Some(ErrorKind::ConnectionReset))]
    {
        let mut client = Client::connect_tls(&server).await;
        client.send("GET", "/f", &[]).await;
        client.head().await.unwrap();
        let (bytes, end) = client.rest().await;
        assert_eq!((bytes.len(), end.err().map(|error| error.kind())), (len, expected));
    }
    let mut client = Client::connect_tls(&server).await;
    client.send("GET", "/f", &[]).await;
    client.head().await.unwrap();
    client.bytes(1000).await.unwrap();
    gate.reached().await;
    gate.open();
    client.bytes(299_000).await.unwrap();
}
