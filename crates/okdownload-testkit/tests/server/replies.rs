//! Scripts, handlers, and all that a head can say.

use okdownload_testkit::server::{Body, Reply, Resource, Server};

use crate::client::{Client, get, open};

async fn server_with(replies: impl IntoIterator<Item = Reply>) -> Server {
    let server = Server::start().await.unwrap();
    server.serve("/f", Resource::new(Body::pattern(1, 100)).etag("\"v1\""));
    server.script("/f", replies);
    server
}

#[tokio::test]
async fn a_script_is_followed_in_order_and_then_the_resource_answers() {
    let server = server_with([Reply::status(503).header("Retry-After", "1"), Reply::status(404)]).await;
    server.script("/f", [Reply::redirect(302, "/g?x#y")]);
    let mut client = Client::connect(&server).await;
    let (head, body) = client.ask("GET", "/f", &[]).await;
    assert_eq!(head.status_line, "HTTP/1.1 503 Service Unavailable");
    assert_eq!((head.get("retry-after").as_deref(), body.len()), (Some("1"), 0));
    assert_eq!(client.ask("GET", "/f", &[]).await.0.status, 404);
    let (head, _) = client.ask("GET", "/f", &[]).await;
    assert_eq!((head.status, head.get("location").as_deref()), (302, Some("/g?x#y")));
    assert_eq!(client.ask("GET", "/f", &[]).await.0.status, 200);
    // All over one connection: none of these makes it end.
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn handlers_see_the_request_and_its_number() {
    let server = server_with([Reply::status(500)]).await;
    server.handle("/f", |request, nth| match nth {
        0 => Reply::ok().body(Body::bytes(format!("{} {}", request.method, request.range().unwrap_or("-")))),
        _ => Reply::resource(),
    });
    server.fallback(|request, nth| Reply::redirect(301, format!("{}/{nth}", request.path)));
    assert_eq!(get(&server, "/f", &[]).await.0.status, 500);
    assert_eq!(get(&server, "/f", &[("Range", "bytes=1-")]).await.1, b"GET bytes=1-");
    assert_eq!(get(&server, "/f", &[("Range", "bytes=1-")]).await.1.len(), 99);
    assert_eq!(get(&server, "/x", &[]).await.0.get("location").as_deref(), Some("/x/0"));
    assert_eq!(get(&server, "/x", &[]).await.0.get("location").as_deref(), Some("/x/1"));
}

#[tokio::test]
async fn heads_can_say_anything() {
    let server = server_with([
        Reply::status(299).reason("Odd").header("A", "1").header("a", "2").header("Latin", b"\xe9"),
        Reply::ok()
            .raw_header("no colon")
            .raw_header(" folded")
            .without_header("date")
            .status_line("HTTP/9 ok"),
        Reply::ok().http_1_0().body(Body::bytes("x")),
    ])
    .await;
    let (mut client, head) = open(&server, "/f").await;
    assert_eq!(head.status_line, "HTTP/1.1 299 Odd");
    assert_eq!(head.get("a").as_deref(), Some("1, 2"));
    assert!(head.lines.iter().any(|line| line == "Latin: \u{fffd}"));

    client.send("GET", "/f", &[]).await;
    let head = client.head().await.unwrap();
    assert_eq!(head.status_line, "HTTP/9 ok");
    assert_eq!(head.lines, ["Content-Length: 0", "no colon", " folded"]);

    client.send("GET", "/f", &[]).await;
    let head = client.head().await.unwrap();
    assert_eq!(
        (head.status_line.as_str(), head.get("connection").as_deref()),
        ("HTTP/1.0 200 OK", Some("close"))
    );
    let (rest, end) = client.rest().await;
    assert_eq!(rest, b"x");
    end.unwrap();
}

#[tokio::test]
async fn interim_responses_come_before_the_answer() {
    let reply = Reply::resource().interim(100, &[]).interim(103, &[("Link", "</a>")]);
    let server = server_with([reply]).await;
    let (mut client, head) = open(&server, "/f").await;
    assert_eq!((head.status_line.as_str(), head.lines.len()), ("HTTP/1.1 100 Continue", 0));
    let head = client.head().await.unwrap();
    assert_eq!((head.status, head.get("link").as_deref()), (103, Some("</a>")));
    assert_eq!(client.head().await.unwrap().status, 200);
    assert_eq!(client.bytes(100).await.unwrap().len(), 100);
}

#[tokio::test]
async fn a_resources_answer_can_be_changed() {
    let server = server_with([
        Reply::resource().header_override("ETag", "\"v2\"").without_header("Accept-Ranges"),
        Reply::resource().as_if("Range", "bytes=5-9"),
        Reply::resource().as_if_without("Range"),
        Reply::resource().with_status(203).body(Body::bytes("other")),
    ])
    .await;
    let range: &[(&str, &str)] = &[("Range", "bytes=1-2")];
    let (head, body) = get(&server, "/f", range).await;
    assert_eq!((head.status, head.get("etag").as_deref()), (206, Some("\"v2\"")));
    assert_eq!((head.get("accept-ranges"), body.len()), (None, 2));
    let (head, body) = get(&server, "/f", range).await;
    assert_eq!((head.get("content-range").as_deref(), body.len()), (Some("bytes 5-9/100"), 5));
    let (head, body) = get(&server, "/f", range).await;
    assert_eq!((head.status, body.len()), (200, 100));
    let (head, body) = get(&server, "/f", range).await;
    assert_eq!((head.status, head.get("content-range").as_deref()), (203, Some("bytes 1-2/100")));
    assert_eq!(body, b"other");
}

#[tokio::test]
async fn a_resource_may_change_in_the_middle() {
    let server = server_with([]).await;
    server.handle("/c", |_, nth| {
        let body = Body::pattern(nth as u64, 10);
        Reply::ok().body(body).header("ETag", format!("\"{nth}\""))
    });
    let first = get(&server, "/c", &[]).await;
    let second = get(&server, "/c", &[]).await;
    assert_ne!((first.0.get("etag"), first.1), (second.0.get("etag"), second.1));
}

#[tokio::test]
async fn statuses_without_a_body_have_none() {
    let server = server_with([Reply::status(204), Reply::status(304).body(Body::bytes("never sent"))]).await;
    let mut client = Client::connect(&server).await;
    for status in [204, 304, 200] {
        let (head, _) = client.ask("GET", "/f", &[]).await;
        assert_eq!(head.status, status);
    }
}

#[tokio::test]
async fn the_connection_is_kept_as_both_sides_want() {
    let server = server_with([Reply::ok().close_after(), Reply::ok().without_length().keep_alive()]).await;
    let (mut client, head) = open(&server, "/f").await;
    assert_eq!(head.get("connection").as_deref(), Some("close"));
    client.rest().await.1.unwrap();

    let (mut client, head) = open(&server, "/f").await;
    assert_eq!((head.get("connection"), head.get("content-length")), (None, None));
    client.send("GET", "/f", &[("Connection", "close")]).await;
    assert_eq!(client.head().await.unwrap().get("connection").as_deref(), Some("close"));
    assert_eq!(client.rest().await.0.len(), 100);

    let mut client = Client::connect(&server).await;
    client.send_raw("GET /f HTTP/1.0\r\n\r\n").await;
    client.head().await.unwrap();
    assert_eq!(client.rest().await.0.len(), 100);
}
