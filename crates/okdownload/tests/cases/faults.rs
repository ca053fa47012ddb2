//! Connections that break, and answers that are no HTTP.

use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Reply};

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    [before_the_head(), in_the_body(), over_and_over(), heads(), no_http(), endless()]
        .into_iter()
        .flatten()
        .collect()
}

const CUT_HEADS: &str =
    "libcurl takes a head that was cut for a whole one, and its body shows that it was not";

/// Faults before the head is whole: once, and then all is well.
fn before_the_head() -> Vec<Case> {
    let cut = |name: &str, head: &'static str| {
        let outcome = whole(small()).requests(2);
        let isahc = outcome.clone().anew(okdownload::ResumeFailedCause::ValidatorMissing);
        case(format!("once: {name}")).answers([Reply::raw(head)]).then(outcome).isahc(isahc, CUT_HEADS)
    };
    let once = |name: &str, reply: Reply| {
        case(format!("once: {name}")).answers([reply]).then(whole(small()).requests(2))
    };
    vec![
        once("a reset", Reply::reset()),
        once("a silent close", Reply::close()),
        once("no answer", Reply::hang()).short_limits(),
        once("a head that is cut in its first line", Reply::raw("HTTP/1.1 2")),
        cut("a head that is cut behind its first line", "HTTP/1.1 200 OK\r\n"),
        cut("a head that is cut in a header", "HTTP/1.1 200 OK\r\nContent-Len"),
        cut("a head that is cut in a length", "HTTP/1.1 200 OK\r\nContent-Length: 6"),
        cut("a head that is cut before its end", "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n"),
        once(
            "a head that is reset",
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n").reset_after(30),
        ),
        once("a head that stops", Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n").stall_after(30))
            .short_limits(),
        once("a 1xx, and then a close", Reply::raw("HTTP/1.1 100 Continue\r\n\r\n")),
    ]
}

/// Faults in the body: what came is kept, and the rest asked for.
fn in_the_body() -> Vec<Case> {
    let once = |name: &str, reply: Reply| {
        case(format!("in the body: {name}")).answers([reply]).then(whole(small()).requests(2)).log(
            |_, log| match log[1].header("if-range") {
                Some("\"v1\"") => Ok(()),
                other => Err(format!("If-Range: {other:?}")),
            },
        )
    };
    vec![
        once("a reset", Reply::resource().reset_after(HALF)),
        once("a close", Reply::resource().cut_after(HALF)),
        once("a close before the last byte", Reply::resource().cut_after(SMALL - 1)),
        once("a stall", Reply::resource().stall_after(HALF)).short_limits(),
        case("in the body: a close before the first byte")
            .answers([Reply::resource().cut_after(0)])
            .then(whole(small()).requests(2)),
        case("in the body: a stall before the first byte")
            .answers([Reply::resource().stall_after(0)])
            .short_limits()
            .then(whole(small()).requests(2)),
        case("in the body: a reset in each answer, which all bring something").retries(1).with(|stage| {
            stage.server.handle("/a", |_, _| Reply::resource().reset_after(6000));
        }),
        case("in the body: a stall in each answer, which all bring something")
            .retries(1)
            .short_limits()
            .with(|stage| {
                stage.server.handle("/a", |_, _| Reply::resource().stall_after(20_000));
            }),
        case("in the body: a close in each block of a big file")
            .big()
            .with(|stage| {
                stage.server.handle("/a", |_, _| Reply::resource().cut_after(150_000));
            })
            .then(whole(big()).requests_within(7..=30)),
    ]
}

/// Faults that do not end: the budget does.
fn over_and_over() -> Vec<Case> {
    let always = |name: &str, reply: Reply, outcome: Outcome| {
        case(format!("each time: {name}")).always(reply).then(outcome.requests(3))
    };
    let broken = || fails(ErrorKind::Network, "tries without progress: 3");
    let late = || fails(ErrorKind::Timeout, "tries without progress: 3");
    vec![
        always("a reset", Reply::reset(), broken()),
        always("a silent close", Reply::close(), broken()),
        always("no answer", Reply::hang(), late()).short_limits(),
        always("a cut head", Reply::raw("HTTP/1.1 200 OK\r\nContent-"), broken()),
        always("a close before the first byte", Reply::resource().cut_after(0), broken()),
        always("a stall before the first byte", Reply::resource().stall_after(0), late()).short_limits(),
        case("a port where nobody listens")
            .asks_for(|_| "http://127.0.0.1:1/a".to_owned())
            .then(fails(ErrorKind::Connect, "tries without progress: 3").requests(0)),
        case("a name that nobody has")
            .asks_for(|_| "http://nowhere.invalid/a".to_owned())
            .then(fails(ErrorKind::Connect, "the host name cannot be resolved").requests(0)),
        case("no answer, and a limit for all")
            .always(Reply::hang())
            .options(|task| {
                let mut limits = okdownload::Timeouts::default();
                limits.total = Some(SHORT);
                task.timeouts(limits)
            })
            .then(fails(ErrorKind::Timeout, "").requests(1)),
        case("bytes that drip, and a limit for all")
            .always(
                Reply::ok().body(small()).chunk_size(10).chunk_delay(std::time::Duration::from_millis(20)),
            )
            .options(|task| {
                let mut limits = okdownload::Timeouts::default();
                limits.total = Some(SHORT);
                task.timeouts(limits)
            })
            .then(fails(ErrorKind::Timeout, "").leaves_part().requests(1)),
    ]
}

/// The end of what is not HTTP: one request, and no other.
fn malformed() -> Outcome {
    fails(ErrorKind::Protocol, "not valid HTTP").requests(1)
}

/// Header lines that are unusual, or none.
fn heads() -> Vec<Case> {
    let with = |line: &'static [u8]| Reply::ok().raw_header(line).body(small());
    let bad = |name: &str, line: &'static [u8]| case(name).always(with(line)).then(malformed());
    let fine =
        |name: &str, line: &'static [u8]| case(name).always(with(line)).then(whole(small()).requests(1));
    vec![
        bad("a header without a colon", b"no colon here"),
        bad("a header with NUL in its value", b"X-Nul: a\0b"),
        bad("a header with NUL in its name", b"X-\0Nul: a"),
        bad("a header without a name", b": value"),
        bad("a header with a blank in its name", b"X Name: a"),
        bad("a header with a blank before its colon", b"Content-Encoding : gzip"),
        bad("a header with a carriage return in its value", b"X-Two: a\rX-Three: b"),
        bad("a header that is folded", b"X-Folded: a\r\n b")
            .isahc(whole(small()).requests(1), "libcurl unfolds it, as RFC 9112 §5.2 allows"),
        bad("a first header that is folded", b" X-First: a"),
        fine("a header with no value", b"X-Empty:"),
        fine("a header with no blank", b"X-Tight:a"),
        fine("a header with bytes that are not UTF-8", b"X-Latin: caf\xe9"),
        fine("a header that ends in a line feed", b"X-One: 1\nX-Two: 2"),
        case("a head whose lines all end in a line feed")
            .always(Reply::raw("HTTP/1.1 200 OK\nContent-Length: 3\n\nabc"))
            .has(v1(Body::bytes("abc")))
            .then(whole(Body::bytes("abc")).requests(1))
            .isahc(malformed(), "isahc wants the carriage return; RFC 9112 §2.2 lets it"),
    ]
}

/// What is no HTTP at all.
fn no_http() -> Vec<Case> {
    let bad = |name: &str, bytes: &'static [u8]| case(name).always(Reply::raw(bytes)).then(malformed());
    vec![
        bad("another protocol: SSH", b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
        bad("another protocol: SMTP", b"220 mail.example ESMTP\r\n"),
        bad("a page without a head", b"<html><body>hello</body></html>\r\n\r\n"),
        bad("an answer of HTTP/0.9", b"just the content\n"),
        bad("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46"),
        bad("a frame of HTTP/2", b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"),
        bad("zeros", &[0; 4096]),
        bad("a line that is empty, and then garbage", b"\r\ngarbage\r\n\r\n"),
        bad("a request", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    ]
}

/// What never ends.
fn endless() -> Vec<Case> {
    const TELLS_LENGTH: &str = "hyper's word for a head that is too long is that of all malformed ones";
    let long = || fails(ErrorKind::Protocol, "head is too long").requests(1);
    let many = |lines: u32| {
        (0..lines).fold(Reply::ok().body(small()), |reply, number| reply.header(format!("x-{number}"), "a"))
    };
    vec![
        case("headers without an end")
            .always(Reply::endless_headers())
            .then(malformed())
            .isahc(broke(), NO_CAUSES),
        case("a header line without an end")
            .always(Reply::raw("HTTP/1.1 200 OK\r\nX-Long: ").endless_body())
            .then(malformed())
            .isahc(long(), TELLS_LENGTH),
        case("a status line without an end")
            .always(Reply::raw("HTTP/1.1 200 ").endless_body())
            .then(malformed())
            .isahc(long(), TELLS_LENGTH),
        case("garbage without an end").always(Reply::raw("garbage").endless_body()).then(malformed()),
        case("ninety headers").always(many(90)).then(whole(small()).requests(1)),
        case("two hundred headers").answers([many(200)]).then(whole(small()).requests(1)),
        case("three hundred headers").always(many(300)).then(malformed()).isahc(long(), TELLS_LENGTH),
        case("a body without an end, of a range of one byte")
            .has(v1(Body::bytes("a")))
            .answers([Reply::resource().chunked().endless_body()])
            .then(whole(Body::bytes("a")).requests(1)),
        case("an error with a body without an end")
            .always(Reply::status(404).without_length().endless_body())
            .then(fails(ErrorKind::Status, "404").requests(1)),
        case("a 503 with a body without an end")
            .answers([Reply::status(503).without_length().endless_body()])
            .then(whole(small()).requests(2)),
    ]
}
