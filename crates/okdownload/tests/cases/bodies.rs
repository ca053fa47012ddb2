//! Bodies without a length, without bytes, with a coding, and with interim responses before them.

use okdownload::ResumeFailedCause::{ContentLengthChanged, ValidatorMissing};
use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Reply};

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    [unknown_length(), empty(), codings(), interim()].into_iter().flatten().collect()
}

/// An answer to whatever is asked, whose length nobody tells.
fn unknown() -> Reply {
    Reply::ok().body(small()).without_length()
}

fn unknown_length() -> Vec<Case> {
    vec![
        case("no length and a clean end").always(unknown()).connections(4).then(whole(small()).requests(1)),
        case("no length and a clean end, in chunks")
            .always(unknown().chunked())
            .then(whole(small()).requests(1)),
        case("no length and a reset")
            .always(unknown().reset_after(HALF))
            .then(fails(ErrorKind::Network, "").leaves_part()),
        case("no length and a reset, once")
            .answers([unknown().reset_after(HALF)])
            .then(whole(small()).anew(ValidatorMissing).requests(2)),
        case("no length in chunks, and an end without the last one")
            .always(unknown().chunked().chunk_size(5000).cut_after(HALF))
            .then(fails(ErrorKind::Network, "").leaves_part()),
        case("no length and a stall")
            .always(unknown().stall_after(HALF))
            .short_limits()
            .retries(1)
            .then(fails(ErrorKind::Timeout, "no byte came for too long").leaves_part()),
        case("no length, then one")
            .answers([unknown().header("ETag", "\"v1\"").chunked().chunk_size(5000).cut_after(HALF)])
            .then(whole(small()).requests(2)),
        case("no length, and a digest of more than came")
            .always(
                unknown().header("Repr-Digest", super::digests::sha256_field(&Body::pattern(1, SMALL + 1))),
            )
            .then(fails(ErrorKind::Checksum, "expected").requests(1)),
    ]
}

/// An empty file is a file.
fn empty() -> Vec<Case> {
    let nothing = || whole(Body::empty());
    let cut_head =
        "libcurl takes a head that was cut for a whole one, so an empty body must have its length told";
    let doubtful = || fails(ErrorKind::Network, "ended with its head");
    let of = |name: &str| case(name).has(v1(Body::empty()));
    vec![
        of("empty: 416 with a total of 0").then(nothing().requests(1)),
        of("empty: 416 with a total of 0, over four connections").connections(4).then(nothing().requests(1)),
        of("empty: 416 without a total, then 200").answers([Reply::status(416)]).then(nothing().requests(2)),
        of("empty: 200").has(v1(Body::empty()).without_ranges()).then(nothing().requests(1)),
        of("empty: 203").always(Reply::status(203)).then(nothing().requests(1)),
        of("empty: 206 of no bytes")
            .answers([Reply::status(206).header("Content-Range", "bytes 0--1/0")])
            .then(nothing().requests(2)),
        of("empty: chunked")
            .always(Reply::ok().chunked())
            .then(nothing().requests(1))
            .isahc(doubtful(), cut_head),
        of("empty: until the end")
            .always(Reply::ok().without_length())
            .then(nothing().requests(1))
            .isahc(doubtful(), cut_head),
        of("empty: HTTP/1.0").always(Reply::ok().http_1_0()).then(nothing().requests(1)),
        of("empty: 200 after a redirect")
            .with(|stage| stage.server.script("/b", [Reply::redirect(302, "/a")]))
            .asks("/b")
            .then(nothing().requests(2)),
        of("empty: 416 with a total of 0 on a resume")
            .half_of(v1(small()))
            .then(nothing().requests_within(1..=2).anew(ContentLengthChanged)),
    ]
}

/// A coding that was not asked for is kept, and told.
fn codings() -> Vec<Case> {
    let row = |coding: &'static str, warning| {
        case(format!("Content-Encoding: {coding}"))
            .has(v1(small()).without_ranges().header("Content-Encoding", coding))
            .then(whole(small()).requests(1).warns(warning))
    };
    vec![
        row("gzip", "encoded as gzip"),
        row("br", "encoded as br"),
        row("deflate", "encoded as deflate"),
        row("zstd", "encoded as zstd"),
        row("x-made-up", "encoded as x-made-up"),
        case("Content-Encoding: identity").has(v1(small()).header("Content-Encoding", "identity")).log(
            |_, log| match log[0].header("accept-encoding") {
                Some("identity") => Ok(()),
                other => Err(format!("Accept-Encoding: {other:?}")),
            },
        ),
        case("Content-Encoding in a big file")
            .big()
            .has(v1(big()).header("Content-Encoding", "gzip"))
            .then(whole(big()).warns("encoded as gzip")),
        case("Content-Encoding on a resume")
            .half_of(v1(small()))
            .has(v1(small()).header("Content-Encoding", "gzip"))
            .then(whole(small()).goes_on().warns("encoded as gzip")),
    ]
}

/// Answers before the answer.
fn interim() -> Vec<Case> {
    let hint = [("Link", "</a>; rel=preload"), ("Content-Length", "5"), ("ETag", "\"no\"")];
    vec![
        case("100 before the answer")
            .answers([Reply::resource().interim(100, &[])])
            .then(whole(small()).requests(1)),
        case("102 before the answer")
            .answers([Reply::resource().interim(102, &[])])
            .then(whole(small()).requests(1)),
        case("103 before the answer")
            .answers([Reply::resource().interim(103, &hint)])
            .then(whole(small()).requests(1)),
        case("ten of them before the answer")
            .answers([(0..10).fold(Reply::resource(), |reply, _| reply.interim(103, &hint))])
            .then(whole(small()).requests(1)),
        case("103 before the answer to a resume")
            .half_of(v1(small()))
            .answers([Reply::resource().interim(103, &hint)])
            .then(whole(small()).goes_on().requests(1)),
        case("103 and no answer")
            .always(Reply::raw("HTTP/1.1 103 Early Hints\r\n\r\n"))
            .then(fails(ErrorKind::Network, "").requests(3)),
        case("101 that nobody asked for")
            .always(Reply::raw(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            ))
            .then(fails(ErrorKind::Status, "101").requests(1))
            .isahc(
                fails(ErrorKind::Network, "the connection broke").requests(3),
                "libcurl waits for the answer behind it",
            ),
    ]
}
