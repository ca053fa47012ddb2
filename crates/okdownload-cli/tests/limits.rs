//! How much memory, and how long, a server can cost that sends without end. `cargo test --release -p okdownload-cli --test
//! limits -- --ignored --nocapture` prints the figures with okdl's own limits.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{Ended, MIB, Place};
use okdownload_testkit::server::{Body, Reply, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BACKENDS: [&str; 2] = ["reqwest", "isahc"];

/// How a run ended, and what it took.
struct Cost {
    ended: Ended,
    /// The most memory that was resident, in bytes.
    peak: u64,
    time: Duration,
}

/// What a server sends without end.
struct Case {
    name: &'static str,
    /// What comes first, and what comes again and again after that.
    sent: (&'static str, String),
}

fn cases() -> Vec<Case> {
    let long = "a".repeat(1000);
    let case = |name, first, again: &str| Case { name, sent: (first, again.to_owned()) };
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1";
    vec![
        case("header lines", "HTTP/1.1 200 OK\r\n", &format!("x-more: {long}\r\n")),
        case("short header lines", "HTTP/1.1 200 OK\r\n", "a: b\r\n"),
        case("one header line", "HTTP/1.1 200 OK\r\nx-more: ", &long),
        case("the status line", "HTTP/1.1 200 ", &long),
        case("interim responses", "", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
        case("a chunk's extension", CHUNKED, &format!(";x={long}")),
        case("chunk sizes", CHUNKED, "0"),
        case(
            "trailers",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
            "x-more: b\r\n",
        ),
    ]
}

/// A server that answers each request like this, in pieces of 16 KiB, with this pause between them: a build without
/// optimisation reads so slowly that a timer would wait behind what is there to be read.
async fn pour(sent: (&'static str, String), pause: Option<Duration>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let again = sent.1.repeat(16_384 / sent.1.len() + 1);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, sent.0, again.clone(), pause));
        }
    });
    format!("http://{address}/a")
}

async fn answer(
    mut stream: TcpStream,
    first: &'static str,
    again: String,
    pause: Option<Duration>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    stream.write_all(first.as_bytes()).await?;
    loop {
        stream.write_all(again.as_bytes()).await?;
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}

/// Runs okdl, and looks at its memory all the while.
async fn cost(place: &Place, arguments: &[&str]) -> Cost {
    let start = Instant::now();
    let child = place.command(arguments).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id().unwrap());
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    let mut peak = 0;
    let ended = loop {
        tokio::select! {
            ended = &mut ended => break ended.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(2)) => peak = peak.max(resident(&status)),
        }
    };
    Cost { ended: ended.into(), peak, time: start.elapsed() }
}

/// `VmHWM`, the most that was resident so far.
fn resident(status: &str) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// A file of which each range is answered with the right head and the right bytes, and then without end.
fn ranges_without_end(place: &Place, path: &str, body: Body) {
    place.server.handle(path, move |request: &Request, _| {
        let asked = request.range().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let (first, last) = asked.unwrap_or_default();
        let first: u64 = first.parse().unwrap_or_default();
        let end = last.parse().map_or(body.len(), |last: u64| body.len().min(last + 1));
        Reply::status(206)
            .header("ETag", "\"v1\"")
            .header("Content-Range", format!("bytes {first}-{}/{}", end - 1, body.len()))
            .body(Body::bytes(body.slice(first..end)))
            .without_length()
            .endless_body()
    });
}

/// Runs all cases over one backend, and says what each took.
async fn costs(backend: &'static str, limits: &[&str], pause: Option<Duration>) -> Vec<(&'static str, Cost)> {
    let options = [&["-q", "--backend", backend], limits].concat();
    let mut costs = Vec::new();
    for case in cases() {
        let place = Place::new().await;
        let url = pour(case.sent, pause).await;
        let cost = cost(&place, &[&options[..], &[&url]].concat()).await;
        tell(backend, case.name, &cost);
        assert_eq!(cost.ended.code, Some(1), "{}, {backend}: {:?}", case.name, cost.ended);
        assert!(cost.ended.line().contains("/a"), "{}, {backend}: {:?}", case.name, cost.ended);
        // At most what came of it.
        assert!(place.files().iter().all(|name| name == "a.okdownload"), "{}, {backend}", case.name);
        costs.push((case.name, cost));
    }
    let place = Place::new().await;
    place.server.fallback(|_, nth| Reply::redirect(302, format!("/{}", (nth + 1) % 10_000)));
    // What ends by itself has all the time that a busy machine needs.
    let patient = ["--timeout", "30", "--connect-timeout", "30"];
    let options = [&["-q", "--backend", backend][..], &patient].concat();
    let redirected = cost(&place, &[&options[..], &[&place.url("/0")]].concat()).await;
    tell(backend, "10,000 redirects", &redirected);
    assert_eq!(
        (redirected.ended.code, place.server.requests().len()),
        (Some(1), 11),
        "{:?}",
        redirected.ended
    );
    assert!(redirected.ended.line().contains("redirected too often"), "{:?}", redirected.ended);
    costs.push(("10,000 redirects", redirected));
    for (path, name, length) in
        [("/byte", "the body of a 1-byte range", 1), ("/blocks", "the bodies of larger ranges", 2 * MIB + 1)]
    {
        let body = Body::pattern(1, length);
        ranges_without_end(&place, path, body.clone());
        let ranged = cost(&place, &[&options[..], &[&place.url(path)]].concat()).await;
        tell(backend, name, &ranged);
        assert_eq!(ranged.ended.code, Some(0), "{:?}", ranged.ended);
        place.assert_content(&path[1..], &body);
        costs.push((name, ranged));
    }
    costs
}

fn tell(backend: &str, name: &str, cost: &Cost) {
    let (peak, time) = (cost.peak as f64 / MIB as f64, cost.time.as_secs_f64());
    println!("{backend:8} {name:28} {peak:6.1} MiB {time:8.3} s  {}", cost.ended.err.trim_end());
}

#[tokio::test]
async fn nothing_endless_costs_memory_or_time() {
    let limits = ["--timeout", "0.4", "--connect-timeout", "0.4", "--retries", "1"];
    let pause = Some(Duration::from_millis(20));
    let [reqwest, isahc] = BACKENDS.map(|backend| costs(backend, &limits, pause));
    let (reqwest, isahc) = tokio::join!(reqwest, isahc);
    for (name, cost) in reqwest.into_iter().chain(isahc) {
        assert!(cost.peak > 0 && cost.peak < 48 * MIB, "{name}: {} bytes", cost.peak);
        assert!(cost.time < Duration::from_secs(60), "{name}: {:?}", cost.time);
    }
}

#[tokio::test]
#[ignore = "measures for some minutes"]
async fn figures() {
    for backend in BACKENDS {
        costs(backend, &[], None).await;
    }
}
