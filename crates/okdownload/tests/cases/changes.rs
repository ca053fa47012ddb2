//! A resource that changes, seen by each kind of validator.

use std::time::{Duration, SystemTime};

use okdownload::ResumeFailedCause::{self, *};
use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Reply, Resource};

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    [by_tag(), by_date(), by_nothing(), while_running(), always_changing()].into_iter().flatten().collect()
}

fn ago(seconds: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(seconds)
}

fn dated(body: Body, modified: SystemTime) -> Resource {
    Resource::new(body).without_etag().last_modified(modified)
}

/// Half of the first is there, the server has the second.
fn pair(name: &str, before: Resource, now: Resource, outcome: Outcome) -> Case {
    case(name).half_of(before).has(now).then(outcome)
}

const WEEK: u64 = 7 * 86_400;

fn anew(cause: ResumeFailedCause) -> Outcome {
    whole(other()).anew(cause)
}

fn same() -> Outcome {
    whole(small()).goes_on().requests(1)
}

fn by_tag() -> Vec<Case> {
    vec![
        pair("ETag: the same", v1(small()), v1(small()), same()),
        pair("ETag: another one of the same length", v1(small()), v2(other()), anew(ResponseEtagChanged)),
        pair(
            "ETag: another one, the date the same",
            v1(small()).last_modified(ago(WEEK)),
            v2(other()).last_modified(ago(WEEK)),
            anew(ResponseEtagChanged),
        ),
        pair(
            "ETag: the same, the date another one",
            v1(small()).last_modified(ago(WEEK)),
            v1(small()).last_modified(ago(86_400)),
            same(),
        ),
        pair(
            "ETag: gone, and nothing else",
            v1(small()),
            Resource::new(other()).without_validators(),
            anew(ResponseEtagChanged),
        ),
        pair(
            "weak ETag: the same, so nothing is known",
            Resource::new(small()).etag("W/\"v1\""),
            Resource::new(other()).etag("W/\"v1\""),
            anew(ValidatorMissing),
        ),
        pair(
            "weak ETag, then a strong one",
            Resource::new(small()).etag("W/\"v1\""),
            v1(other()),
            anew(ValidatorMissing),
        ),
        pair(
            "strong ETag, then a weak one",
            v1(small()),
            Resource::new(other()).etag("W/\"v1\""),
            anew(ResponseEtagChanged),
        ),
    ]
}

fn by_date() -> Vec<Case> {
    vec![
        pair("date: the same", dated(small(), ago(WEEK)), dated(small(), ago(WEEK)), same()),
        pair(
            "date: another one",
            dated(small(), ago(WEEK)),
            dated(other(), ago(86_400)),
            anew(ResponseLastModifiedChanged),
        ),
        pair(
            "date: an earlier one",
            dated(small(), ago(WEEK)),
            dated(other(), ago(2 * WEEK)),
            anew(ResponseLastModifiedChanged),
        ),
        pair(
            "date: in the same second, so it says nothing",
            dated(small(), ago(0)).date(ago(0)),
            dated(other(), ago(0)),
            anew(ValidatorMissing),
        ),
        pair(
            "date: gone",
            dated(small(), ago(WEEK)),
            Resource::new(other()).without_validators(),
            anew(ResponseLastModifiedChanged),
        ),
    ]
}

/// No validator, so only the user's word counts.
fn by_nothing() -> Vec<Case> {
    vec![
        pair(
            "no validator: nothing is kept",
            Resource::new(small()).without_validators(),
            Resource::new(other()).without_validators(),
            anew(ValidatorMissing),
        ),
        pair(
            "no validator, and the length is trusted",
            Resource::new(small()).without_validators(),
            Resource::new(small()).without_validators(),
            same(),
        )
        .options(|task| task.trust_length(true)),
        pair(
            "no validator, the length is trusted, and is another one",
            Resource::new(small()).without_validators(),
            Resource::new(Body::pattern(2, SMALL - 1)).without_validators(),
            whole(Body::pattern(2, SMALL - 1)).anew(ContentLengthChanged),
        )
        .options(|task| task.trust_length(true)),
        pair(
            "no validator, and a digest: what is there is used",
            Resource::new(small()).without_validators(),
            Resource::new(small()).without_validators(),
            same(),
        )
        .options(|task| task.digest(super::digests::sha256(&small()))),
        pair(
            "no validator, and a digest that only the new version has",
            Resource::new(small()).without_validators(),
            Resource::new(other()).without_validators(),
            anew(DigestMismatch).requests(2),
        )
        .options(|task| task.digest(super::digests::sha256(&other()))),
    ]
}

/// The server has version 1 for so many requests, then version 2.
fn changing(name: &str, after: usize, old: Resource, new: Resource) -> Case {
    let body = new.body().clone();
    case(name).has(old).connections(4).then(whole(body)).with(move |stage| {
        stage.server.serve("/new", new);
        stage.server.handle(
            "/a",
            move |_, nth| {
                if nth < after { Reply::resource() } else { Reply::redirect(307, "/new") }
            },
        );
    })
}

fn while_running() -> Vec<Case> {
    let new = || Body::pattern(4, BIG);
    vec![
        changing("after the first request", 1, v1(big()), v2(new()))
            .then(whole(new()).anew(ResponseEtagChanged)),
        changing("after the third request", 3, v1(big()), v2(new()))
            .then(whole(new()).anew(ResponseEtagChanged)),
        changing(
            "after the first request, by date",
            1,
            dated(big(), ago(999_999)),
            dated(new(), ago(99_999)),
        )
        .then(whole(new()).anew(ResponseLastModifiedChanged)),
        changing("after the first request, by length", 1, v1(big()), v1(Body::pattern(4, BIG + 1)))
            .then(whole(Body::pattern(4, BIG + 1)).anew(ContentLengthChanged)),
        changing("after the first request, to a small one", 1, v1(big()), v2(small()))
            .then(whole(small()).anew(ContentLengthChanged)),
        changing("after the first request, to an empty one", 1, v1(big()), v2(Body::empty()))
            .then(whole(Body::empty()).anew(ContentLengthChanged)),
        case("a broken answer, and then another version")
            .has(v2(other()))
            .with(|stage| {
                let first = Reply::ok().header("ETag", "\"v1\"").body(small()).cut_after(HALF);
                stage.server.script("/a", [first]);
            })
            .then(whole(other()).anew(ResponseEtagChanged)),
        case("a broken answer without a validator, and then another version")
            .has(Resource::new(other()).without_validators())
            .with(|stage| stage.server.script("/a", [Reply::ok().body(small()).cut_after(HALF)]))
            .then(whole(other()).anew(ValidatorMissing).requests(2)),
        case("a broken answer with a weak validator, and then another version of the same tag")
            .has(Resource::new(other()).etag("W/\"v1\""))
            .with(|stage| {
                let first = Reply::ok().header("ETag", "W/\"v1\"").body(small()).cut_after(HALF);
                stage.server.script("/a", [first]);
            })
            .then(whole(other()).anew(ValidatorMissing).requests(2)),
    ]
}

/// There is no version that stays for long enough.
fn always_changing() -> Vec<Case> {
    let always = |name: &str, resource: Resource, change: fn(Reply, usize) -> Reply| {
        case(name).has(resource).connections(4).with(move |stage| {
            stage.server.handle("/a", move |_, nth| change(Reply::resource(), nth));
        })
    };
    vec![
        always("another ETag each time, in a small file", v1(small()), |reply, nth| {
            reply.header_override("ETag", format!("\"{nth}\""))
        })
        .then(whole(small()).requests(1)),
        always("another ETag each time, in a big file", v1(big()), |reply, nth| {
            reply.header_override("ETag", format!("\"{nth}\"")).as_if_without("If-Range")
        })
        .then(fails(ErrorKind::ResumeFailed, "keeps changing").leaves_part()),
        always("another date each time", dated(big(), ago(999_999)), |reply, nth| {
            let date = httpdate(784_111_777 + nth as u64);
            reply.header_override("Last-Modified", date).as_if_without("If-Range")
        })
        .then(fails(ErrorKind::ResumeFailed, "keeps changing").leaves_part()),
        case("another total each time")
            .has(v1(Body::pattern(3, BIG + 1000)))
            .connections(4)
            .with(|stage| {
                stage.server.handle("/a", |request, nth| match request.range() {
                    Some(range) => {
                        let (start, end) = range["bytes=".len()..].split_once('-').unwrap();
                        let range = format!("bytes {start}-{end}/{}", BIG + 2 * nth as u64);
                        Reply::resource().header_override("Content-Range", range)
                    }
                    None => Reply::resource(),
                });
            })
            .then(fails(ErrorKind::ResumeFailed, "keeps changing").leaves_part()),
    ]
}

/// A date of HTTP within the first minute of a certain hour.
fn httpdate(seconds: u64) -> String {
    format!("Sun, 06 Nov 1994 08:49:{:02} GMT", 37 + (seconds - 784_111_777) % 20)
}
