//! What goes wrong, and whether trying again may help.

use std::net::Ipv4Addr;
use std::time::Duration;

use okdownload_connection::MOST_HEADERS;
use okdownload_types::ErrorKind;
use tokio::net::{TcpSocket, TcpStream};

use super::Make;
use super::client::{assert_cause, assert_error, drain, failure, fetch, get, plain, timed_out, with_secret};
use super::peer::Peer;
use crate::server::{Body, ChunkFault, Reply, Server};

/// Starts a server that answers `/a` with this, and tells what comes of asking.
async fn failing(make: Make, reply: Reply) -> okdownload_types::Error {
    let server = Server::start().await.unwrap();
    server.handle("/a", move |_, _| reply.clone());
    failure(&*plain(make), get(with_secret(server.url("/a")))).await
}

/// A body that is shorter than it should be. What came of it is handed up before.
pub async fn an_early_end_is_temporary(make: Make) {
    let body = Body::pattern(1, 10_000);
    let whole = Reply::ok().body(body.clone());
    let missing_end = whole.clone().chunk_fault(ChunkFault::MissingLastChunk);
    for (reply, len) in [
        (whole.clone().cut_after(0), 0),
        (whole.clone().cut_after(1000), 1000),
        (whole.clone().content_length(10_001), 10_000),
        (whole.chunked().chunk_size(500).cut_after(1000), 1000),
        (missing_end, 10_000),
    ] {
        let server = Server::start().await.unwrap();
        server.script("/a", [reply.clone()]);
        let factory = plain(make);
        let mut connected = match factory.connect(get(with_secret(server.url("/a")))).await {
            Err(error) if len == 0 && !factory.capability().head_before_body => {
                assert_error(&error, ErrorKind::Network, true);
                continue;
            }
            result => result.unwrap(),
        };
        let (bytes, end) = drain(&mut *connected).await;
        assert_eq!(bytes.len(), len, "{reply:?}");
        assert!(body.matches(0, &bytes));
        assert_error(&end.unwrap_err(), ErrorKind::Network, true);
    }
}

/// A connection that is reset while the body comes.
pub async fn a_reset_in_mid_body_is_temporary(make: Make) {
    let whole = Reply::ok().body(Body::pattern(1, 10_000_000));
    for reply in [whole.clone().reset_after(3_000_000), whole.chunked().reset_after(3_000_000)] {
        assert_error(&failing(make, reply).await, ErrorKind::Network, true);
    }
}

/// A connection that ends before or within the head, whatever that has said so far.
pub async fn no_answer_is_temporary(make: Make) {
    let cut = |lines: &str| Reply::raw(format!("HTTP/1.1 200 OK\r\n{lines}"));
    for reply in [
        Reply::close(),
        Reply::reset(),
        Reply::raw("HTTP/1.1 200"),
        cut(""),
        cut("Content-Le"),
        cut("Content-Length: 10"),
        cut("Content-Length: 1000\r\n"),
        cut("Content-Length: 1000\r\nETag: \"a"),
        cut("Transfer-Encoding: chunked"),
        cut("Transfer-Encoding: chunked\r\nETag: \"a\"\r\n"),
    ] {
        assert_error(&failing(make, reply).await, ErrorKind::Network, true);
    }
}

/// Chunks that can't be told apart.
pub async fn bad_chunks_are_permanent(make: Make) {
    use ChunkFault::{BadSize, HugeSize, MissingLineEnd};
    for fault in [BadSize, HugeSize, MissingLineEnd] {
        let error = failing(make, chunked_with(fault)).await;
        assert_cause(&error, plain(make).capability(), (ErrorKind::Protocol, false));
    }
}

/// A chunk that is said to be longer by one byte than it is.
pub async fn a_chunk_of_another_size_is_permanent(make: Make) {
    let capability = plain(make).capability();
    if capability.strict_chunks {
        let error = failing(make, chunked_with(ChunkFault::LongSize)).await;
        assert_cause(&error, capability, (ErrorKind::Protocol, false));
        return;
    }
    let server = Server::start().await.unwrap();
    server.script("/a", [chunked_with(ChunkFault::LongSize)]);
    let (_, bytes) = fetch(&*plain(make), get(server.url("/a"))).await;
    assert!(Body::pattern(1, 10_000).matches(0, &bytes[..10_000]));
    assert_eq!(&bytes[10_000..], b"\r");
}

fn chunked_with(fault: ChunkFault) -> Reply {
    Reply::ok().body(Body::pattern(1, 10_000)).chunk_size(3000).chunk_fault(fault)
}

/// What is no HTTP.
pub async fn a_malformed_head_is_permanent(make: Make) {
    for reply in [
        Reply::raw("SSH-2.0-OpenSSH_9.9\r\n\r\n"),
        Reply::raw("<html>no head at all</html>\r\n\r\n"),
        Reply::ok().status_line("HTTP/1.1 abc OK"),
        Reply::ok().raw_header("a line without a colon"),
        Reply::ok().raw_header(&b"x-nul: a\0b"[..]),
        Reply::ok().content_length("ten"),
        Reply::ok().content_length("99999999999999999999"),
    ] {
        assert_error(&failing(make, reply).await, ErrorKind::Protocol, false);
    }
}

/// A head that never ends is given up before much of it is kept: 16 MiB, system buffers included.
pub async fn endless_headers_end(make: Make) {
    let line = format!("x-more: {}\r\n", "a".repeat(1000));
    let long = "a".repeat(1000);
    for line in [&line, &long] {
        let peer = Peer::bind(Ipv4Addr::LOCALHOST).await.unwrap();
        let (factory, request) = (plain(make), get(with_secret(peer.url("http"))));
        let pour = peer.pour(b"HTTP/1.1 200 OK\r\nx-more: ", line.as_bytes());
        let (poured, error) = tokio::join!(pour, failure(&*factory, request));
        assert_cause(&error, factory.capability(), (ErrorKind::Protocol, false));
        assert!(poured < 16 << 20, "{poured}");
    }
}

/// A head with one line more than there may be. One with as many is understood.
pub async fn too_many_headers_are_permanent(make: Make) {
    let head =
        |lines| format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n{}\r\na", "x-more: a\r\n".repeat(lines));
    let server = Server::start().await.unwrap();
    server.script("/a", [Reply::raw(head(MOST_HEADERS - 1))]);
    let (response, body) = fetch(&*plain(make), get(server.url("/a"))).await;
    assert_eq!((response.headers.len(), &body[..]), (MOST_HEADERS, &b"a"[..]));
    let error = failing(make, Reply::raw(head(MOST_HEADERS))).await;
    assert_error(&error, ErrorKind::Protocol, false);
}

/// Nobody listens.
pub async fn a_refused_connection_is_temporary(make: Make) {
    // Bound, so that nobody else gets the port, and not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let url = format!("http://{}/a", socket.local_addr().unwrap()).parse().unwrap();
    assert_error(&failure(&*plain(make), get(with_secret(url))).await, ErrorKind::Connect, true);
}

/// No packet can go there: it is the address of all hosts of this network.
pub async fn an_unreachable_address_is_temporary(make: Make) {
    let url = "http://255.255.255.255:9/a".parse().unwrap();
    assert_error(&failure(&*plain(make), get(with_secret(url))).await, ErrorKind::Connect, true);
}

/// There is no such host (RFC 6761 §6.4 sees to that).
pub async fn a_name_that_does_not_resolve_is_temporary(make: Make) {
    let url = "http://nowhere.invalid/a".parse().unwrap();
    assert_error(&failure(&*plain(make), get(with_secret(url))).await, ErrorKind::Connect, true);
}

/// A peer that does not answer to the connection. (The time-out in the TLS handshake is a behaviour of its own.)
pub async fn the_connect_timeout_holds(make: Make) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts. Once the queue is full, further attempts hang (Linux) or are refused (elsewhere).
    let mut queue = Vec::new();
    let full = loop {
        match tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(address)).await {
            Ok(Ok(stream)) => queue.push(stream),
            Ok(Err(_)) => break ErrorKind::Connect,
            Err(_) => break ErrorKind::Timeout,
        }
    };
    let url = with_secret(format!("http://{address}/a").parse().unwrap());
    for limit in [Duration::from_millis(300), Duration::ZERO] {
        assert_error(&timed_out(&*plain(make), url.clone(), limit).await, full, true);
    }
}

/// No limit at all is one too.
pub async fn the_connect_timeout_may_be_endless(make: Make) {
    let server = Server::start().await.unwrap();
    server.handle("/a", |_, _| Reply::ok().body(Body::pattern(1, 10)));
    let mut request = get(server.url("/a"));
    request.connect_timeout = Duration::MAX;
    assert_eq!(fetch(&*plain(make), request).await.1.len(), 10);
}
