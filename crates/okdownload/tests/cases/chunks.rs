//! Chunked bodies, framed well and badly.

use okdownload::prelude::*;
use okdownload_testkit::server::{Body, ChunkFault, Reply};

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    [well(), badly(), in_ranges(), codings()].into_iter().flatten().collect()
}

const ABC: &[u8] = b"abcdefghij";

fn abc() -> Body {
    Body::bytes(ABC)
}

/// A chunked answer to whatever is asked, sent like this.
fn raw(headers: &str, body: &str) -> Reply {
    Reply::raw(format!("HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n{body}"))
}

fn well() -> Vec<Case> {
    let row = |name: &str, body: &str| case(name).always(raw("", body)).then(whole(abc()).requests(1));
    vec![
        case("chunks")
            .always(Reply::ok().body(small()).chunked().chunk_size(777))
            .then(whole(small()).requests(1)),
        row("chunk extensions", "5;a=b;c=\"d;e\"\r\nabcde\r\n5 ; x\r\nfghij\r\n0;last\r\n\r\n"),
        row("trailers", "a\r\nabcdefghij\r\n0\r\nX-One: 1\r\nX-Two: 2\r\n\r\n"),
        row("a trailer that looks like a length", "a\r\nabcdefghij\r\n0\r\nContent-Length: 5\r\n\r\n"),
        row("sizes with zeros in front and in capitals", "000A\r\nabcdefghij\r\n000\r\n\r\n"),
        row(
            "bytes behind the last chunk",
            "a\r\nabcdefghij\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        ),
        case("Transfer-Encoding and a Content-Length that is wrong")
            .always(raw("Content-Length: 5\r\n", "a\r\nabcdefghij\r\n0\r\n\r\n"))
            .then(whole(abc()).requests(1)),
    ]
}

fn badly() -> Vec<Case> {
    let permanent = || fails(ErrorKind::Protocol, "not valid HTTP").requests(1);
    let row =
        |name: &str, body: &str| case(name).always(raw("", body)).then(permanent()).isahc(broke(), NO_CAUSES);
    let fault = |name: &str, fault| {
        case(name)
            .always(Reply::ok().body(small()).chunk_size(7000).chunk_fault(fault))
            .then(permanent().leaves_part())
            .isahc(broke().leaves_part(), NO_CAUSES)
    };
    let early = || fails(ErrorKind::Network, "").leaves_part().requests(3);
    let cut = |name: &str, body: &str| case(name).always(raw("", body)).then(early());
    vec![
        fault("a size that is no number", ChunkFault::BadSize),
        fault("a size beyond 64 bits", ChunkFault::HugeSize),
        fault("no line end behind the data", ChunkFault::MissingLineEnd),
        fault("a size that is too long by one", ChunkFault::LongSize).isahc(
            whole(Body::bytes([small().slice(..), b"\r".to_vec()].concat())),
            "libcurl ends a chunk at a line feed, so by the server's own account the carriage return is data",
        ),
        row("a size with a minus sign", "-a\r\nabcdefghij\r\n0\r\n\r\n"),
        case("a size with a prefix").always(raw("", "0xa\r\nabcdefghij\r\n0\r\n\r\n")).then(permanent()),
        row("an empty size", "\r\nabcdefghij\r\n0\r\n\r\n"),
        case("a size that is too short")
            .always(raw("", "5\r\nabcdefghij\r\n0\r\n\r\n"))
            .then(permanent().leaves_part())
            .isahc(broke().leaves_part(), NO_CAUSES),
        cut("no last chunk", "a\r\nabcdefghij\r\n"),
        cut("a last chunk without its line end", "a\r\nabcdefghij\r\n0\r\n"),
        cut("an end within a size", "a\r\nabcdefghij\r\n1"),
        cut("an end within a chunk", "a\r\nabcde"),
        cut("an end within the trailers", "a\r\nabcdefghij\r\n0\r\nX-One: 1\r\n"),
    ]
}

/// Chunked ranges that break off are gone on with.
fn in_ranges() -> Vec<Case> {
    let fault = |name: &str, fault| {
        case(name).answers([Reply::resource().chunk_size(7000).chunk_fault(fault)]).then(whole(small()))
    };
    vec![
        fault("206 with no last chunk", ChunkFault::MissingLastChunk),
        fault("206 with a size that is too long by one", ChunkFault::LongSize),
        case("206 with a size that is no number")
            .answers([Reply::resource().chunk_size(7000).chunk_fault(ChunkFault::BadSize)])
            .then(fails(ErrorKind::Protocol, "not valid HTTP").leaves_part())
            .isahc(whole(small()), NO_CAUSES),
        case("206 in chunks, cut").answers([Reply::resource().chunked().chunk_size(7000).cut_after(35_000)]),
        case("206 in chunks, reset")
            .answers([Reply::resource().chunked().chunk_size(7000).reset_after(35_000)]),
    ]
}

/// Transfer codings that nobody asked for: what comes is not the file, and only chunks can be taken apart.
fn codings() -> Vec<Case> {
    let row = |coding: &str, body: &str| {
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n{body}");
        case(format!("Transfer-Encoding: {coding}")).always(Reply::raw(head)).has(v1(abc()))
    };
    // A name of no coding beside a length: the body is as long as that, however the connection ends.
    let cut = |coding: &str| {
        let reply = Reply::resource().header("Transfer-Encoding", coding).cut_after(HALF);
        case(format!("Transfer-Encoding: {coding}, and a Content-Length that is not reached"))
            .answers([reply])
    };
    let refused = || fails(ErrorKind::Protocol, "").requests_within(1..=2);
    let none = || whole(abc()).requests(1);
    const CHUNKS: &str = "a\r\nabcdefghij\r\n0\r\n\r\n";
    vec![
        row("Chunked", CHUNKS).then(none()),
        row("gzip", "abcdefghij").then(refused()),
        row("gzip, chunked", CHUNKS).then(refused()),
        row("chunked, gzip", CHUNKS).then(refused()),
        row("chunked, chunked", CHUNKS).then(refused()),
        row("identity", "abcdefghij").then(none()),
        row("xchunked", CHUNKS).then(refused()),
        row("", "abcdefghij").then(none()),
        cut("identity").then(whole(small()).requests(2)),
        cut("").then(whole(small()).requests(2)),
    ]
}
