//! Answers that are wrong.

use std::io::ErrorKind;

use okdownload_testkit::server::{Body, ChunkFault, Reply, Resource, Server};

use crate::client::{Client, open};

const LEN: u64 = 3_000_000;

async fn server_with(reply: Reply) -> (Server, Body) {
    let server = Server::start().await.unwrap();
    let body = Body::pattern(1, LEN);
    server.serve("/f", Resource::new(body.clone()));
    server.script("/f", [reply]);
    (server, body)
}

#[tokio::test]
async fn lengths_can_be_wrong() {
    for (declared, sent) in [("10", 4_u64), ("2", 4), ("-1", 4), ("abc", 4), ("18446744073709551616", 4)] {
        let (server, _) =
            server_with(Reply::ok().body(Body::pattern(1, sent)).content_length(declared)).await;
        let (mut client, head) = open(&server, "/f").await;
        assert_eq!(head.get("content-length").as_deref(), Some(declared));
        // The server closes, since nobody could know where the next answer began.
        let (bytes, end) = client.rest().await;
        assert_eq!(bytes.len() as u64, sent, "{declared}");
        end.unwrap();
    }
    let (server, _) = server_with(Reply::resource().header("Content-Length", "5")).await;
    let (mut client, head) = open(&server, "/f").await;
    assert_eq!(head.get("content-length").unwrap(), format!("{LEN}, 5"));
    assert_eq!(client.rest().await.0.len() as u64, LEN);
}

#[tokio::test]
async fn surplus_bytes_follow_the_body() {
    let (server, _) = server_with(Reply::resource().as_if("Range", "bytes=0-0").surplus(7)).await;
    let (mut client, head) = open(&server, "/f").await;
    assert_eq!(head.get("content-length").as_deref(), Some("1"));
    assert_eq!(client.rest().await.0.len(), 8);
}

#[tokio::test]
async fn a_cut_lets_exactly_the_bytes_before_it_arrive() {
    for cut in [0, 1, 200_000, LEN] {
        let (server, body) = server_with(Reply::resource().cut_after(cut)).await;
        let (mut client, head) = open(&server, "/f").await;
        assert_eq!(head.get("content-length").unwrap(), LEN.to_string());
        let (bytes, end) = client.rest().await;
        assert!(bytes.len() as u64 == cut && body.matches(0, &bytes), "{cut}");
        end.unwrap();
        assert_eq!(server.bytes_sent_for("/f"), cut);
    }
}

#[tokio::test]
async fn a_reset_lets_exactly_the_bytes_before_it_arrive() {
    for reset in [0, 1, 200_000, LEN] {
        let (server, body) = server_with(Reply::resource().reset_after(reset)).await;
        let (mut client, _) = open(&server, "/f").await;
        let (bytes, end) = client.rest().await;
        assert!(bytes.len() as u64 == reset && body.matches(0, &bytes), "{reset}: {}", bytes.len());
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(server.bytes_sent(), reset);
    }
}

#[tokio::test]
async fn a_step_beyond_the_end_never_happens() {
    let (server, _) =
        server_with(Reply::resource().as_if("Range", "bytes=0-9").cut_after(11).reset_after(12)).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.ask("GET", "/f", &[]).await.1.len(), 10);
    assert_eq!(client.ask("HEAD", "/f", &[]).await.0.status, 200);
}

#[tokio::test]
async fn no_answer_at_all() {
    let (server, _) = server_with(Reply::close()).await;
    server.script("/f", [Reply::reset(), Reply::hang()]);
    let mut client = Client::connect(&server).await;
    client.send("GET", "/f", &[]).await;
    let (bytes, end) = client.rest().await;
    assert!(bytes.is_empty() && end.is_ok());

    let mut client = Client::connect(&server).await;
    client.send("GET", "/f", &[]).await;
    assert_eq!(client.rest().await.1.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let mut client = Client::connect(&server).await;
    client.send("GET", "/f", &[]).await;
    server.wait_for_requests(3).await;
    assert!(server.requests()[2].ended.is_none());
    drop(client);
    server.wait_until_idle().await;
    let last = server.requests().pop().unwrap();
    assert!(last.ended.is_some() && last.status.is_none());
}

#[tokio::test]
async fn a_hanging_answer_ends_with_the_server() {
    let (server, _) = server_with(Reply::hang()).await;
    let mut client = Client::connect(&server).await;
    client.send("GET", "/f", &[]).await;
    server.wait_for_requests(1).await;
    drop(server);
    assert!(client.rest().await.0.is_empty());
}

#[tokio::test]
async fn raw_bytes_are_sent_as_they_are() {
    let (server, _) = server_with(Reply::raw("garbage\r\n\r\n")).await;
    server.script("/f", [Reply::raw("HTTP/1.1 200 OK\r\nConte").cut_after(20)]);
    for expected in ["garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nCon"] {
        let mut client = Client::connect(&server).await;
        client.send("GET", "/f", &[]).await;
        let (bytes, end) = client.rest().await;
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
        end.unwrap();
    }
}

#[tokio::test]
async fn chunked_framing_can_be_wrong() {
    let body = || Body::bytes("0123456789");
    for (fault, good, tail) in [
        (ChunkFault::BadSize, 4, "size\r\n456789\r\n0\r\n\r\n"),
        (ChunkFault::HugeSize, 4, "ffffffffffffffffffff\r\n456789\r\n0\r\n\r\n"),
        (ChunkFault::LongSize, 4, "7\r\n456789\r\n0\r\n\r\n"),
        (ChunkFault::MissingLineEnd, 4, "6\r\n4567890\r\n\r\n"),
        (ChunkFault::MissingLastChunk, 4, "6\r\n456789\r\n"),
    ] {
        // A delay of nothing, only to begin a new chunk there.
        let reply = Reply::ok().body(body()).chunk_fault(fault).delay_after(good, std::time::Duration::ZERO);
        let (server, _) = server_with(reply).await;
        let (mut client, _) = open(&server, "/f").await;
        assert_eq!(client.chunk().await.unwrap(), b"0123");
        let (rest, end) = client.rest().await;
        assert_eq!(String::from_utf8_lossy(&rest), tail, "{fault:?}");
        end.unwrap();
    }
}

#[tokio::test]
async fn a_chunked_body_can_be_cut_before_its_last_chunk() {
    let (server, body) = server_with(Reply::resource().chunked().cut_after(LEN)).await;
    let (mut client, _) = open(&server, "/f").await;
    let (bytes, end) = client.chunks().await;
    assert_eq!(bytes.len() as u64, LEN);
    assert!(body.matches(0, &bytes));
    assert_eq!(end.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn heads_and_bodies_without_end() {
    let (server, body) = server_with(Reply::endless_headers()).await;
    server.script(
        "/f",
        [
            Reply::resource().as_if("Range", "bytes=0-0").endless_body(),
            Reply::ok().chunked().endless_body(),
            Reply::ok().without_length().endless_body(),
        ],
    );
    let mut client = Client::connect(&server).await;
    client.send("GET", "/f", &[]).await;
    for _ in 0..2000 {
        assert!(!client.line().await.unwrap().is_empty());
    }
    drop(client);
    let (mut client, head) = open(&server, "/f").await;
    assert_eq!(head.get("content-length").as_deref(), Some("1"));
    let bytes = client.bytes(1_000_000).await.unwrap();
    assert!(body.matches(0, &bytes[..1]));
    drop(client);
    let (mut client, _) = open(&server, "/f").await;
    for _ in 0..10 {
        assert!(!client.chunk().await.unwrap().is_empty());
    }
    drop(client);
    let (mut client, _) = open(&server, "/f").await;
    client.bytes(1_000_000).await.unwrap();
    drop(client);
    server.wait_until_idle().await;
}

#[tokio::test]
async fn what_is_no_request_gets_400() {
    let (server, _) = server_with(Reply::ok()).await;
    for bytes in [
        "\x01\r\n\r\n",
        "GET /f HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /f HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        let mut client = Client::connect(&server).await;
        client.send_raw(bytes).await;
        assert_eq!(client.head().await.unwrap().status, 400);
        client.rest().await.1.unwrap();
    }
    assert!(server.requests().is_empty());
}
