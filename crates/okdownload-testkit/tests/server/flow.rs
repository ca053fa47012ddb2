//! Gates, stalls, delays and rates.

use std::time::Duration;

use okdownload_testkit::server::{Body, Gate, Reply, Resource, Server};
use tokio::time::Instant;

use crate::client::{Client, get, open};

const LEN: u64 = 1_000_000;
const HOUR: Duration = Duration::from_secs(3600);

async fn server_with(resource: Resource, replies: impl IntoIterator<Item = Reply>) -> Server {
    let server = Server::start().await.unwrap();
    server.serve("/f", resource);
    server.script("/f", replies);
    server
}

fn resource() -> Resource {
    Resource::new(Body::pattern(1, LEN))
}

#[tokio::test]
async fn a_gate_holds_the_body_where_it_stands() {
    let gate = Gate::new();
    let later = Gate::default();
    let reply = Reply::resource().gate_after(1000, &gate).gate_after(500_000, &later);
    let server = server_with(resource(), [reply]).await;
    let (mut client, _) = open(&server, "/f").await;
    gate.reached().await;
    assert_eq!(server.bytes_sent(), 1000);
    client.bytes(1000).await.unwrap();
    gate.open();
    client.bytes(499_000).await.unwrap();
    later.reached().await;
    assert_eq!(server.bytes_sent(), 500_000);
    assert!(server.requests()[0].ended.is_none());
    later.open();
    client.bytes(500_000).await.unwrap();
    assert!(server.requests()[0].ended.is_some());
}

#[tokio::test]
async fn gates_before_and_after_the_head() {
    let (before, after) = (Gate::new(), Gate::new());
    let server = server_with(resource(), [Reply::resource().gate_head(&before).gate(&after)]).await;
    let mut client = Client::connect(&server).await;
    client.send("GET", "/f", &[]).await;
    before.reached().await;
    assert_eq!(server.requests()[0].status, None);
    before.open();
    assert_eq!(client.head().await.unwrap().status, 200);
    after.reached().await;
    assert_eq!(server.bytes_sent(), 0);
    after.open();
    client.bytes(LEN as usize).await.unwrap();
}

#[tokio::test]
async fn one_gate_can_hold_many_responses() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = server_with(resource(), []).await;
    server.handle("/f", move |_, _| Reply::resource().gate(&held));
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(open(&server, "/f").await.0);
    }
    gate.reached_by(5).await;
    assert_eq!(server.max_concurrent(), 5);
    gate.open();
    for client in &mut clients {
        client.bytes(LEN as usize).await.unwrap();
    }
    // One after the other they never overlap, however late the server notices.
    server.clear_log();
    for _ in 0..20 {
        get(&server, "/f", &[]).await;
    }
    assert_eq!((server.max_concurrent(), server.connections()), (1, 20));
}

#[tokio::test]
async fn a_stall_lasts_until_the_client_leaves() {
    let server = server_with(
        resource(),
        [Reply::resource().stall_after(10), Reply::resource().chunked().stall_after(LEN)],
    )
    .await;
    let (mut client, _) = open(&server, "/f").await;
    client.bytes(10).await.unwrap();
    assert!(server.requests()[0].ended.is_none());
    drop(client);
    server.wait_until_idle().await;
    assert_eq!(server.requests()[0].bytes_sent, 10);

    let (mut client, _) = open(&server, "/f").await;
    let mut got = 0;
    while got < LEN {
        got += client.chunk().await.unwrap().len() as u64;
    }
    assert!(server.requests()[1].ended.is_none());
}

#[tokio::test]
async fn a_client_that_leaves_ends_a_held_response() {
    let gate = Gate::new();
    let server =
        server_with(resource(), [Reply::resource().gate_after(5, &gate), Reply::resource().delay_head(HOUR)])
            .await;
    let (client, _) = open(&server, "/f").await;
    gate.reached().await;
    drop(client);
    server.wait_until_idle().await;
    let mut client = Client::connect(&server).await;
    client.send("GET", "/f", &[]).await;
    server.wait_for_requests(2).await;
    drop(client);
    server.wait_until_idle().await;
}

#[tokio::test]
async fn requests_sent_early_are_answered_in_turn() {
    let gate = Gate::new();
    let server = server_with(resource(), [Reply::ok().gate_head(&gate)]).await;
    let mut client = Client::connect(&server).await;
    client.send("GET", "/f", &[]).await;
    gate.reached().await;
    client.send("GET", "/f", &[("Range", "bytes=0-9")]).await;
    gate.open();
    assert_eq!(client.head().await.unwrap().status, 200);
    assert_eq!(client.head().await.unwrap().status, 206);
    assert_eq!(client.bytes(10).await.unwrap().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn heads_and_chunks_can_be_late() {
    let server = server_with(
        resource().delay_head(HOUR),
        [
            Reply::resource(),
            Reply::resource().delay_head(2 * HOUR),
            Reply::ok().body(Body::pattern(1, 3)).delay_after(1, HOUR),
            Reply::ok().body(Body::pattern(1, 3)).chunk_size(1).chunk_delay(HOUR),
        ],
    )
    .await;
    for hours in [1, 2, 2, 3] {
        let start = Instant::now();
        get(&server, "/f", &[]).await;
        let took = start.elapsed();
        // The third and fourth take over the resource's delay of the head.
        assert!(took >= hours * HOUR && took < (hours + 1) * HOUR, "{hours}: {took:?}");
    }
    server.replace("/f", resource().chunk_size(500_000).chunk_delay(HOUR));
    let start = Instant::now();
    get(&server, "/f", &[]).await;
    assert!(start.elapsed() >= HOUR && start.elapsed() < 2 * HOUR);
}

#[tokio::test(start_paused = true)]
async fn rates_are_kept() {
    let server =
        server_with(resource().rate(10_000), [Reply::resource(), Reply::resource().rate(1_000)]).await;
    for seconds in [100, 1000] {
        let start = Instant::now();
        get(&server, "/f", &[]).await;
        let took = start.elapsed().as_secs();
        assert!((seconds - 1..=seconds + 1).contains(&took), "{seconds}: {took}");
    }
}

#[tokio::test]
async fn a_rate_can_be_changed_while_bytes_move() {
    let server = server_with(resource().rate(0), []).await;
    // The head comes at once, the body waits.
    let (mut client, _) = open(&server, "/f").await;
    assert_eq!(server.bytes_sent(), 0);
    server.set_rate("/f", u64::MAX);
    client.bytes(LEN as usize).await.unwrap();
}
