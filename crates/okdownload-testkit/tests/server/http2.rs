//! HTTP/2, for who chooses it in the handshake.

use http::{Request, Version};
use okdownload_testkit::server::{Body, Resource, Server};

use crate::client::{Client, tls};

#[tokio::test]
async fn streams_share_a_connection() {
    let server = Server::start_http2().await.unwrap();
    let body = Body::pattern(1, 200_000);
    server.serve("/a", Resource::new(body.clone()));
    let (client, connection) =
        h2::client::handshake(tls(&server, &[b"h2", b"http/1.1"]).await).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let mut answers = Vec::new();
    for start in [0, 50_000, 100_000, 150_000] {
        let range = format!("bytes={start}-{}", start + 49_999);
        let request = Request::get(server.url("/a").as_str()).header("range", range).body(()).unwrap();
        answers.push((start, client.send_request(request, true).unwrap().0));
    }
    for (start, answer) in answers {
        let response = answer.await.unwrap();
        assert_eq!((response.status(), response.version()), (206.try_into().unwrap(), Version::HTTP_2));
        assert_eq!(response.headers()["content-range"], format!("bytes {start}-{}/200000", start + 49_999));
        let (mut stream, mut got) = (response.into_body(), Vec::new());
        while let Some(piece) = stream.data().await {
            let piece = piece.unwrap();
            stream.flow_control().release_capacity(piece.len()).unwrap();
            got.extend_from_slice(&piece);
        }
        assert!(got.len() == 50_000 && body.matches(start, &got), "{start}");
    }
    assert_eq!((server.connections(), server.bytes_sent()), (1, 200_000));
    assert!(server.requests().iter().all(|request| request.version == Version::HTTP_2));
}

#[tokio::test]
async fn who_does_not_choose_it_gets_http_1_1() {
    let server = Server::start_http2().await.unwrap();
    server.serve("/a", Resource::new(Body::bytes("abc")));
    let mut client = Client::connect_tls(&server).await;
    client.send("GET", "/a", &[]).await;
    assert_eq!(client.head().await.unwrap().status_line, "HTTP/1.1 200 OK");
    assert_eq!(server.requests()[0].version, Version::HTTP_11);
}
