//! 206 in all its variants: to the first request, and to that for a further block.

use okdownload::ResumeFailedCause;
use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Reply, Resource};

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    let parts =
        [first(), unreadable(), first_bodies(), blocks(), blocks_of_another_version(), blocks_refused()];
    parts.into_iter().flatten().collect()
}

/// The right bytes as a 206 whose Content-Range says this.
fn saying(content_range: &str) -> Reply {
    Reply::resource().header_override("Content-Range", content_range)
}

/// The first answer to a request for ranges.
fn first() -> Vec<Case> {
    let plain = || whole(small()).requests(2);
    vec![
        case("the range that was asked for").then(whole(small()).requests(1)),
        case("another start").answers([Reply::resource().as_if("Range", "bytes=5-")]).then(plain()),
        case("a shorter range").answers([Reply::resource().as_if("Range", "bytes=0-9999")]).then(plain()),
        case("a shorter range each time")
            .has(v1(Body::pattern(1, 5000)))
            .with(|stage| {
                stage.server.handle("/a", |request, _| {
                    let start = first_byte(request).unwrap_or(0);
                    Reply::resource().as_if("Range", format!("bytes={start}-{}", start + 999))
                });
            })
            .then(whole(Body::pattern(1, 5000)).requests(5)),
        case("a longer range").big().answers([Reply::resource().as_if("Range", "bytes=0-1999999")]).log(
            |_, log| match log[0].range() {
                Some("bytes=0-1048575") => Ok(()),
                other => Err(format!("{other:?} was asked for")),
            },
        ),
        case("a total of *").has(v1(small()).unknown_total()).then(plain()),
        case("a total of * in a big file").big().has(v1(big()).unknown_total()),
        case("no Content-Range").answers([Reply::resource().without_header("Content-Range")]).then(plain()),
        case("one Content-Range twice")
            .answers([Reply::resource().header("Content-Range", "bytes 0-59999/60000")])
            .then(plain()),
        case("two Content-Ranges")
            .answers([Reply::resource().header("Content-Range", "bytes 5-59999/60000")])
            .then(plain()),
        case("Content-Length and Content-Range that contradict each other")
            .answers([saying("bytes 0-49999/60000")])
            .then(plain()),
        case("206 to a request without a range")
            .answers([saying("junk"), Reply::resource().as_if("Range", "bytes=0-")])
            .then(fails(ErrorKind::Protocol, "206 to a request without a range").requests(2)),
        case("206 to a POST")
            .has(v1(small()).allow_method(http::Method::POST))
            .options(|task| task.method(http::Method::POST))
            .always(Reply::resource().as_if("Range", "bytes=0-59999"))
            .then(fails(ErrorKind::Protocol, "206 to a request without a range").requests(1)),
    ]
}

/// Content-Ranges that can't be read, or can't be.
fn unreadable() -> Vec<Case> {
    let rows = [
        ("an equals sign", "bytes=0-59999/60000"),
        ("no unit", "0-59999/60000"),
        ("another unit", "items 0-59999/60000"),
        ("no total", "bytes 0-59999"),
        ("an empty total", "bytes 0-59999/"),
        ("the end before the start", "bytes 59999-0/60000"),
        ("the end beyond the total", "bytes 0-59999/50000"),
        ("the end at the total", "bytes 0-60000/60000"),
        ("words", "bytes a-b/c"),
        ("nothing", ""),
        ("a minus sign", "bytes -1-59999/60000"),
        ("a plus sign", "bytes +0-59999/60000"),
        ("hexadecimal numbers", "bytes 0-0xea5f/60000"),
        ("no range, as in a 416", "bytes */60000"),
        ("an end of 2^63", "bytes 0-9223372036854775807/9223372036854775808"),
        ("an end of 2^64", "bytes 0-18446744073709551615/18446744073709551616"),
        ("a total beyond 2^64", "bytes 0-59999/99999999999999999999"),
        ("two ranges", "bytes 0-9,20-59999/60000"),
    ];
    let row = |(what, value): (&str, &str)| {
        case(format!("a Content-Range with {what}")).answers([saying(value)]).then(whole(small()).requests(2))
    };
    rows.into_iter().map(row).collect()
}

/// The body of the first answer.
fn first_bodies() -> Vec<Case> {
    let multipart = "multipart/byteranges; boundary=x";
    let parts = b"--x\r\nContent-Range: bytes 0-59999/60000\r\n\r\n".repeat(2000);
    let of_parts = |reply: Reply| {
        let body = Body::bytes(parts.clone()).range(..SMALL);
        reply.header_override("Content-Type", multipart).body(body)
    };
    vec![
        case("several parts and no Content-Range")
            .answers([of_parts(Reply::resource()).without_header("Content-Range")])
            .then(whole(small()).requests(2)),
        case("several parts and a Content-Range that fits their length")
            .answers([of_parts(Reply::resource())])
            .then(whole(small()).requests(2)),
        case("several parts, chunked")
            .answers([of_parts(Reply::resource()).chunked()])
            .then(whole(small()).requests(2)),
        case("206 in chunks").has(v1(small()).chunked()).then(whole(small()).requests(1)),
        case("206 in chunks, shorter than its Content-Range")
            .answers([Reply::resource().body(small().range(..HALF)).chunked()])
            .then(whole(small()).requests(2)),
        case("206 in chunks, longer than its Content-Range")
            .answers([Reply::resource().body(Body::pattern(1, SMALL + 5000)).chunked()])
            .then(whole(small()).requests(1)),
        case("206 that ends with the connection")
            .has(v1(small()).without_length())
            .then(whole(small()).requests(1)),
        case("206 that ends too early with the connection")
            .answers([Reply::resource().without_length().cut_after(HALF)])
            .then(whole(small()).requests(2)),
        case("206 with an unasked coding")
            .has(v1(small()).header("Content-Encoding", "gzip"))
            .then(whole(small()).requests(1).warns("encoded as gzip")),
    ]
}

/// Answers to the request for a further block.
fn blocks() -> Vec<Case> {
    let row = |name: &str, reply: Reply| case(format!("at a block: {name}")).at_blocks(1, reply);
    vec![
        row("another start", Reply::resource().as_if("Range", "bytes=5-2000000")),
        row("another start and the right length", Reply::resource().as_if("Range", "bytes=0-131071")),
        row("the range of another block", Reply::resource().as_if("Range", "bytes=1048576-1179647")),
        case("at a block: a shorter range").big().with(|stage| {
            stage.server.handle("/a", |request, nth| match first_byte(request) {
                Some(start) if nth > 0 => {
                    Reply::resource().as_if("Range", format!("bytes={start}-{}", start + 39_999))
                }
                _ => Reply::resource(),
            });
        }),
        case("at a block: all that follows it").big().with(|stage| {
            stage.server.handle("/a", |request, nth| match first_byte(request) {
                Some(start) if nth > 0 => Reply::resource().as_if("Range", format!("bytes={start}-")),
                _ => Reply::resource(),
            });
        }),
        case("at a block: a total of *").big().with(|stage| {
            stage.server.handle("/a", |request, nth| {
                let (start, end) = request.range().unwrap_or_default()[6..].split_once('-').unwrap();
                let range = format!("bytes {start}-{end}/*");
                if nth > 0 { saying(&range) } else { Reply::resource() }
            });
        }),
        row("no Content-Range", Reply::resource().without_header("Content-Range")),
        row("a Content-Range that can't be read", saying("bytes all of it")),
        row("one Content-Range twice", Reply::resource().header("Content-Range", "bytes 0-1/2")),
        row(
            "several parts",
            Reply::resource().header_override("Content-Type", "multipart/byteranges; boundary=x"),
        ),
        row("all of it, as 200", Reply::resource().as_if_without("Range")),
        row("all of it, as 203", Reply::resource().as_if_without("Range").with_status(203)),
        row("200 with a Content-Range", Reply::resource().with_status(200)),
        row("a weak validator", Reply::resource().header_override("ETag", "W/\"v1\"")),
        row("no validator", Reply::resource().without_header("ETag")),
        row("416 with the total", Reply::status(416).header("Content-Range", "bytes */1572864")),
        row("416 without a total", Reply::status(416)),
        row("a body that is cut", Reply::resource().cut_after(1000)),
        row("a body of no bytes, in chunks", Reply::resource().body(Body::empty()).chunked()),
        case("at all blocks: all of it, as 200").at_blocks(1000, Reply::resource().as_if_without("Range")),
        case("at all blocks: 416").at_blocks(1000, Reply::status(416)),
    ]
}

/// Answers to a further block that are of another version.
fn blocks_of_another_version() -> Vec<Case> {
    let now = std::time::SystemTime::now();
    use ResumeFailedCause::*;
    let row = |name: &str, reply: Reply, cause| {
        case(format!("at a block: {name}")).at_blocks(1, reply).then(whole(big()).anew(cause))
    };
    let other_tag = |reply: Reply| reply.header_override("ETag", "\"v2\"");
    vec![
        row("another ETag", other_tag(Reply::resource()), ResponseEtagChanged),
        row("another weak ETag", Reply::resource().header_override("ETag", "W/\"v2\""), ResponseEtagChanged),
        row(
            "all of another version, as 200",
            other_tag(Reply::resource().as_if_without("Range")),
            ResponseEtagChanged,
        ),
        row(
            "all of what has no validator, as 200",
            Reply::resource().as_if_without("Range").without_header("ETag"),
            ResponseEtagChanged,
        ),
        row("another total", saying("bytes 1179648-1310719/1572865"), ContentLengthChanged).with(|stage| {
            stage.server.handle("/a", |request, nth| {
                let (start, end) = request.range().unwrap_or_default()[6..].split_once('-').unwrap();
                let range = format!("bytes {start}-{end}/1572865");
                if nth == 2 { saying(&range) } else { Reply::resource() }
            });
        }),
        row(
            "416 with another total",
            Reply::status(416).header("Content-Range", "bytes */5"),
            ContentLengthChanged,
        ),
        row("412", Reply::status(412), ResponsePreconditionFailed),
        row("201", Reply::resource().with_status(201), ResponseCreatedRangeNotFromZero),
        row("205", Reply::status(205), ResponseResetRangeNotFromZero),
        case("at all blocks: 412")
            .at_blocks(1000, Reply::status(412))
            .then(fails(ErrorKind::ResumeFailed, "keeps changing").leaves_part()),
        case("at all blocks: another ETag")
            .at_blocks(1000, other_tag(Reply::resource()))
            .then(fails(ErrorKind::ResumeFailed, "keeps changing").leaves_part()),
        case("at a block: a date that is another one")
            .at_blocks(1, Reply::resource().header_override("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"))
            .has(dated())
            .then(whole(big()).anew(ResponseLastModifiedChanged)),
        case("at a block: the length as it is, and nothing else")
            .has(Resource::new(big()).without_validators())
            .connections(4)
            .then(whole(big()).requests(2)),
        case("at a block: a weak date, so there are no blocks")
            .has(Resource::new(big()).without_etag().last_modified(now).date(now))
            .connections(4)
            .then(whole(big()).requests(2)),
    ]
}

fn dated() -> Resource {
    let days = std::time::Duration::from_secs(86_400 * 3);
    Resource::new(big()).without_etag().last_modified(std::time::SystemTime::now() - days)
}

/// Answers to a further block that say no, while nobody else gets bytes.
fn blocks_refused() -> Vec<Case> {
    [(204, "204"), (202, "202"), (304, "304"), (404, "404"), (410, "410"), (401, "401"), (501, "501")]
        .map(|(status, words)| {
            case(format!("at all blocks: {status}"))
                .at_blocks(1000, Reply::status(status))
                .then(fails(ErrorKind::Status, words).leaves_part())
        })
        .into()
}
