//! Answers to the request that goes on with what an earlier run has left: half of the file.

use okdownload::ResumeFailedCause::*;
use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Reply};

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    [partial(), whole_answers(), other_version(), unsatisfied(), refused(), portals()]
        .into_iter()
        .flatten()
        .collect()
}

/// The first half of version 1 is there.
fn resume(name: &str, reply: Reply) -> Case {
    case(name).half_of(v1(small())).answers([reply])
}

fn saying(content_range: &str) -> Reply {
    Reply::resource().header_override("Content-Range", content_range)
}

fn partial() -> Vec<Case> {
    let on = |requests| whole(small()).goes_on().requests(requests);
    vec![
        resume("the rest, of this version", Reply::resource()).then(on(1)).log(|_, log| {
            match (log[0].range(), log[0].header("if-range")) {
                (Some("bytes=30000-59999"), Some("\"v1\"")) => Ok(()),
                other => Err(format!("{other:?} was asked for")),
            }
        }),
        resume("the rest, and a weak validator", Reply::resource().header_override("ETag", "W/\"v1\""))
            .then(on(1)),
        resume("the rest, and no validator", Reply::resource().without_header("ETag")).then(on(1)),
        resume("the rest, and a total of *", saying("bytes 30000-59999/*")).then(on(1)),
        resume("less than the rest", Reply::resource().as_if("Range", "bytes=30000-39999")).then(on(2)),
        resume("the rest, in chunks", Reply::resource().chunked()).then(on(1)),
        resume("the rest, cut", Reply::resource().cut_after(1000)).then(on(2)),
        resume("another start", Reply::resource().as_if("Range", "bytes=0-")).then(on(2)),
        resume("a start that is off by one", Reply::resource().as_if("Range", "bytes=30001-")).then(on(2)),
        resume("no Content-Range", Reply::resource().without_header("Content-Range")).then(on(2)),
        resume("two Content-Ranges", Reply::resource().header("Content-Range", "bytes 0-1/2")).then(on(2)),
        resume(
            "more than the total that is known, and *",
            saying("bytes 30000-89999/*").body(Body::pattern(9, 60_000)),
        )
        .then(on(2)),
        resume(
            "several parts",
            Reply::resource()
                .without_header("Content-Range")
                .header("Content-Type", "multipart/byteranges; boundary=x"),
        )
        .then(on(2)),
        resume(
            "several parts with a Content-Range",
            Reply::resource()
                .header("Content-Type", "multipart/byteranges; boundary=x")
                .body(Body::pattern(9, HALF)),
        )
        .then(on(2)),
    ]
}

fn whole_answers() -> Vec<Case> {
    let all = || Reply::resource().as_if_without("Range");
    let on = || whole(small()).goes_on();
    vec![
        resume("all of this version, as 200", all()).then(on().requests(1)),
        resume("all of this version, as 203", all().with_status(203)).then(on().requests(1)),
        resume("all of this version, in chunks", all().chunked()).then(on().requests(1)),
        resume("all of this version, until the end", all().without_length()).then(on().requests(1)),
        resume("all of this version, cut before it gets on", all().cut_after(1000)).then(on().requests(2)),
        resume("all of this version, cut when it has got on", all().cut_after(HALF + 1000))
            .then(on().requests(2)),
        resume(
            "all of this version in chunks, with an early clean end",
            all().chunked().body(small().range(..1000)),
        )
        .then(on().requests(2)),
        resume("200 with a Content-Range", Reply::resource().with_status(200)).then(on().requests(2)),
        case("200 with a Content-Range, each time")
            .half_of(v1(small()))
            .always(all().header("Content-Range", "bytes 0-59999/60000"))
            .then(fails(ErrorKind::Protocol, "200 with a Content-Range").leaves_part()),
        resume("all of it without a validator, and the length is trusted", all().without_header("ETag"))
            .options(|task| task.trust_length(true))
            .then(on().requests(1)),
    ]
}

/// Another version is there now.
fn other_version() -> Vec<Case> {
    let anew = |cause| whole(other()).anew(cause).requests_within(1..=2);
    let now = |name: &str, resource| case(name).half_of(v1(small())).has(resource);
    let mixed = v2(other()).header("X-Note", "206 whatever If-Range says");
    vec![
        now("another ETag", v2(other())).then(anew(ResponseEtagChanged)),
        now("another ETag, and no ranges", v2(other()).without_ranges()).then(anew(ResponseEtagChanged)),
        now("another ETag, and no length", v2(other()).without_ranges().chunked())
            .then(anew(ResponseEtagChanged)),
        now("another version without a validator", v2(other()).without_validators())
            .then(anew(ResponseEtagChanged)),
        now("another version with a weak validator", v2(other()).etag("W/\"v2\""))
            .then(anew(ResponseEtagChanged)),
        now("another ETag, and the server ignores If-Range", mixed)
            .answers([Reply::resource().as_if_without("If-Range")])
            .then(anew(ResponseEtagChanged)),
        now("another weak ETag, and the server ignores If-Range", v2(other()).etag("W/\"v2\""))
            .answers([Reply::resource().as_if_without("If-Range")])
            .then(anew(ResponseEtagChanged)),
        now("another length", v1(Body::pattern(2, SMALL + 1)))
            .then(whole(Body::pattern(2, SMALL + 1)).anew(ContentLengthChanged)),
        now("another length of 200", v1(Body::pattern(2, 7)).without_ranges())
            .then(whole(Body::pattern(2, 7)).anew(ContentLengthChanged)),
        now("a length that differs by 2^32", v2(other()))
            .answers([saying("bytes 30000-59999/4295027296").as_if_without("If-Range")])
            .then(anew(ContentLengthChanged)),
        resume("412", Reply::status(412)).has(v2(other())).then(anew(ResponsePreconditionFailed)),
        resume("201", Reply::status(201)).has(v2(other())).then(anew(ResponseCreatedRangeNotFromZero)),
        resume("205", Reply::status(205)).has(v2(other())).then(anew(ResponseResetRangeNotFromZero)),
        resume("412 each time", Reply::status(412))
            .always(Reply::status(412))
            .then(fails(ErrorKind::Status, "412").leaves_part().requests(2)),
    ]
}

fn unsatisfied() -> Vec<Case> {
    let on = || whole(small()).goes_on().requests(2);
    let with = |total: &str| Reply::status(416).header("Content-Range", format!("bytes */{total}"));
    vec![
        resume("416 with the total", with("60000")).then(on()),
        resume("416 without a total", Reply::status(416)).then(on()),
        resume("416 with a total of *", with("*")).then(on()),
        resume("416 with a total that can't be read", with("x")).then(on()),
        resume("416 with a smaller total", with("7"))
            .has(v2(Body::pattern(2, 7)))
            .then(whole(Body::pattern(2, 7)).anew(ContentLengthChanged)),
        resume("416 with a larger total", with("60001"))
            .has(v2(Body::pattern(2, 60_001)))
            .then(whole(Body::pattern(2, 60_001)).anew(ContentLengthChanged)),
        resume("416 with a total of 0", with("0"))
            .has(v2(Body::empty()))
            .then(whole(Body::empty()).anew(ContentLengthChanged)),
        resume("416 each time", Reply::status(416))
            .always(Reply::status(416))
            .then(fails(ErrorKind::Protocol, "refuses the range (416)").leaves_part().requests(2)),
    ]
}

/// No answer to go on with; what is there is kept.
fn refused() -> Vec<Case> {
    let permanent = [202, 204, 206, 300, 304, 400, 401, 403, 404, 405, 407, 410, 451, 501, 505, 511];
    let row = |status: u16| {
        let words = if status == 206 { "206" } else { "the server answered" };
        let kind = if status == 206 { ErrorKind::Protocol } else { ErrorKind::Status };
        let requests = if status == 206 { 2 } else { 1 };
        case(format!("{status} each time"))
            .half_of(v1(small()))
            .always(Reply::status(status))
            .then(fails(kind, words).leaves_part().requests(requests))
    };
    let once = [408, 425, 429, 500, 502, 503, 504].map(|status| {
        resume(&format!("{status} once"), Reply::status(status)).then(whole(small()).goes_on().requests(2))
    });
    permanent.into_iter().map(row).chain(once).collect()
}

/// A network that wants a login answers for the server.
fn portals() -> Vec<Case> {
    let login =
        || Reply::ok().header("Content-Type", "text/html").body(Body::bytes("<html>Please log in</html>"));
    let digest = || super::digests::sha256(&small());
    vec![
        resume("a login page in place of the file", login())
            .then(whole(small()).anew(ContentLengthChanged).requests(2)),
        resume("a login page of unknown length", login().chunked())
            .then(whole(small()).anew(ResponseEtagChanged).requests(2)),
        resume("a redirect to a login page", Reply::redirect(302, "/login"))
            .with(move |stage| stage.server.script("/login", [login()]))
            .then(whole(small()).anew(ContentLengthChanged).requests(3)),
        resume("a login page each time, and a digest", login())
            .always(login())
            .options(move |task| task.digest(digest()))
            .then(fails(ErrorKind::Checksum, "expected")),
        resume("a login page of unknown length each time, and a digest", login().chunked())
            .always(login().chunked())
            .options(move |task| task.digest(digest()))
            .then(fails(ErrorKind::Network, "ended early").leaves_part()),
        resume("511, as a network that wants a login should say", Reply::status(511))
            .then(fails(ErrorKind::Status, "511").leaves_part()),
    ]
}
