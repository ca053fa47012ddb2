//! What a response may be taken for. Whatever is taken for a body gets into the file.

use http::{HeaderMap, HeaderName, Version};
use okdownload_strategy::{DownloadStrategy, ResponseFacts, ResponseVerdict};
use okdownload_types::{ByteRange, EntityTag, ResourceVersion, ResponseHead, Validators};

use super::fresh;

type Headers<'a> = &'a [(&'static str, &'a str)];

pub(super) fn head(status: u16, headers: Headers<'_>) -> ResponseHead {
    let named = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let headers: HeaderMap = named.collect();
    ResponseHead::new("http://h/a".parse().unwrap(), status, Version::HTTP_11, headers)
}

fn version(etag: Option<&str>) -> ResourceVersion {
    ResourceVersion::new(Validators::new(etag.and_then(EntityTag::parse), None, None), Some(100))
}

/// A resource of 100 bytes with the strong validator `"v1"`, of which the first 40 are there.
struct Resume {
    version: ResourceVersion,
}

impl Resume {
    fn new() -> Self {
        Self { version: version(Some("\"v1\"")) }
    }

    /// Facts of an answer to the request for the rest.
    fn facts<'a>(&'a self, head: &'a ResponseHead) -> ResponseFacts<'a> {
        let mut facts = ResponseFacts::new(head);
        facts.asked = Some(ByteRange::new(40, 100));
        facts.if_range = true;
        facts.version = Some(&self.version);
        facts
    }
}

/// Facts of an answer to a request for the first bytes.
fn first(head: &ResponseHead) -> ResponseFacts<'_> {
    let mut facts = ResponseFacts::new(head);
    facts.asked = Some(ByteRange::new(0, 60));
    facts
}

fn judge(strategy: &dyn DownloadStrategy, facts: &ResponseFacts<'_>) -> ResponseVerdict {
    fresh(strategy).judge_response(facts)
}

fn body(strategy: &dyn DownloadStrategy, facts: &ResponseFacts<'_>) -> Option<(u64, Option<u64>)> {
    match judge(strategy, facts) {
        ResponseVerdict::Body { start, end, .. } => Some((start, end)),
        _ => None,
    }
}

/// Checks that no byte of such an answer would be taken.
#[track_caller]
fn assert_no_body(strategy: &dyn DownloadStrategy, facts: &ResponseFacts<'_>) {
    let verdict = judge(strategy, facts);
    let taken = matches!(verdict, ResponseVerdict::Body { .. } | ResponseVerdict::Empty(_));
    assert!(!taken, "{verdict:?} for {facts:?}");
}

/// A strategy that takes nothing is of no use.
pub fn a_right_answer_is_taken(strategy: &dyn DownloadStrategy) {
    let tag = ("etag", "\"v1\"");
    let whole = head(200, &[("content-length", "100"), tag]);
    assert_eq!(body(strategy, &ResponseFacts::new(&whole)), Some((0, Some(100))));
    assert_eq!(body(strategy, &first(&whole)), Some((0, Some(100))));
    let part = head(206, &[("content-range", "bytes 0-59/100"), tag]);
    assert_eq!(body(strategy, &first(&part)), Some((0, Some(60))));
    let rest = head(206, &[("content-range", "bytes 40-99/100"), tag]);
    assert_eq!(body(strategy, &Resume::new().facts(&rest)), Some((40, Some(100))));
    let endless = head(200, &[]);
    assert_eq!(body(strategy, &ResponseFacts::new(&endless)), Some((0, None)));
}

/// Bytes of another place are never written to this one.
pub fn a_body_begins_where_it_was_asked_for(strategy: &dyn DownloadStrategy) {
    let resume = Resume::new();
    for range in ["bytes 0-99/100", "bytes 39-99/100", "bytes 41-99/100", "bytes 60-99/100"] {
        assert_no_body(strategy, &resume.facts(&head(206, &[("content-range", range), ("etag", "\"v1\"")])));
    }
    assert_no_body(strategy, &first(&head(206, &[("content-range", "bytes 1-59/100")])));
    // The whole, in place of the rest, begins at its beginning.
    let whole = head(200, &[("content-length", "100"), ("etag", "\"v1\"")]);
    assert!(body(strategy, &resume.facts(&whole)).is_none_or(|(start, _)| start == 0));
}

/// What comes beyond belongs to another block. A shorter answer ends where it says.
pub fn a_body_does_not_reach_beyond_what_was_asked_for(strategy: &dyn DownloadStrategy) {
    for (range, most) in [("bytes 0-99/100", 60), ("bytes 0-60/100", 60), ("bytes 0-29/100", 30)] {
        let answer = head(206, &[("content-range", range)]);
        let taken = body(strategy, &first(&answer));
        assert!(taken.is_none_or(|(_, end)| end.is_some_and(|end| end <= most)), "{taken:?} of {range}");
    }
    let beyond = head(206, &[("content-range", "bytes 40-199/*"), ("etag", "\"v1\"")]);
    assert_no_body(strategy, &Resume::new().facts(&beyond));
}

/// Another strong validator, or another length: never a mixture of two versions.
pub fn a_body_of_another_version_is_not_taken(strategy: &dyn DownloadStrategy) {
    let resume = Resume::new();
    let (range, ours) = (("content-range", "bytes 40-99/100"), ("etag", "\"v1\""));
    let answers: [(u16, Headers<'_>); 6] = [
        (206, &[range, ("etag", "\"v2\"")]),
        (206, &[("content-range", "bytes 40-99/101"), ours]),
        (206, &[("content-range", "bytes 40-100/101"), ours]),
        (200, &[("content-length", "100"), ("etag", "\"v2\"")]),
        (200, &[("content-length", "101"), ours]),
        (203, &[("content-length", "100"), ("etag", "\"v2\"")]),
    ];
    for (status, headers) in answers {
        assert_no_body(strategy, &resume.facts(&head(status, headers)));
    }
}

/// Where nothing says that it is the same version, it is not, unless the user took that on.
pub fn silence_about_the_version_is_no_consent(strategy: &dyn DownloadStrategy) {
    for etag in [None, Some("W/\"v1\"")] {
        let version = version(etag);
        let headers: &[Headers<'_>] = match etag {
            None => &[&[], &[("etag", "\"v1\"")]],
            Some(_) => &[&[], &[("etag", "W/\"v1\"")], &[("etag", "\"v1\"")]],
        };
        for headers in headers {
            let partial = [*headers, &[("content-range", "bytes 40-99/100")]].concat();
            let whole = [*headers, &[("content-length", "100")]].concat();
            for answer in [head(206, &partial), head(200, &whole)] {
                let mut facts = ResponseFacts::new(&answer);
                facts.asked = Some(ByteRange::new(40, 100));
                facts.version = Some(&version);
                assert_no_body(strategy, &facts);
            }
        }
    }
    // Equal dates of two servers say nothing of the file.
    let date =
        [("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Sun, 06 Nov 1994 09:49:37 GMT")];
    let dated = ResourceVersion::new(head(200, &date).validators(), Some(100));
    let answer = head(206, &[&date[..], &[("content-range", "bytes 40-99/100")]].concat());
    let mut facts = ResponseFacts::new(&answer);
    facts.asked = Some(ByteRange::new(40, 100));
    (facts.version, facts.other_source) = (Some(&dated), true);
    assert_no_body(strategy, &facts);
    // The whole of it, in answer to If-Range, says that it is not.
    assert_no_body(strategy, &Resume::new().facts(&head(200, &[("content-length", "100")])));
}

/// What contradicts itself, or says too little to be placed.
pub fn malformed_answers_are_not_taken(strategy: &dyn DownloadStrategy) {
    let range = ("content-range", "bytes 0-59/100");
    let answers: [(u16, Headers<'_>); 10] = [
        (200, &[range, ("content-length", "60")]),
        (200, &[("content-length", "ten")]),
        (200, &[("content-length", "10, 11")]),
        (206, &[]),
        (206, &[("content-length", "60")]),
        (206, &[("content-type", "multipart/byteranges; boundary=x")]),
        (206, &[range, ("content-length", "61")]),
        (206, &[("content-range", "bytes 59-0/100")]),
        (206, &[("content-range", "bytes 0-59/*")]),
        (206, &[("content-range", "bytes */100")]),
    ];
    for (status, headers) in answers {
        assert_no_body(strategy, &first(&head(status, headers)));
    }
    assert_no_body(strategy, &ResponseFacts::new(&head(206, &[range])));
    let twice = head(206, &[range, ("content-range", "bytes 0-58/100")]);
    assert_no_body(strategy, &first(&twice));
}

/// An error page is not the file; neither is what leads elsewhere, or says that there is nothing new.
pub fn a_failure_is_no_body(strategy: &dyn DownloadStrategy) {
    let resume = Resume::new();
    for status in (100..200).chain(300..600) {
        for headers in [&[("content-length", "100")][..], &[("content-range", "bytes 0-59/100")]] {
            let answer = head(status, headers);
            assert_no_body(strategy, &ResponseFacts::new(&answer));
            assert_no_body(strategy, &first(&answer));
            assert_no_body(strategy, &resume.facts(&answer));
        }
    }
}

/// It is recorded, and held against every later response.
pub fn the_version_is_what_the_response_says(strategy: &dyn DownloadStrategy) {
    let date = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    for validators in
        [&[("etag", "\"v1\"")][..], &[("etag", "W/\"v1\"")], &[date], &[("etag", "\"v1\""), date], &[]]
    {
        let whole = head(200, &[validators, &[("content-length", "100")]].concat());
        let part = head(206, &[validators, &[("content-range", "bytes 0-59/100")]].concat());
        for answer in [&whole, &part] {
            let ResponseVerdict::Body { version, .. } = judge(strategy, &first(answer)) else {
                panic!("not taken: {answer:?}");
            };
            assert_eq!((version.validators, version.total), (answer.validators(), Some(100)));
        }
    }
}

/// It ends a download with a file of no bytes, so it takes more than a refused range.
pub fn only_an_empty_resource_is_empty(strategy: &dyn DownloadStrategy) {
    let resume = Resume::new();
    for headers in [&[][..], &[("content-range", "bytes */100")], &[("content-range", "bytes */*")]] {
        let answer = head(416, headers);
        assert_no_body(strategy, &first(&answer));
        assert_no_body(strategy, &resume.facts(&answer));
    }
    assert_no_body(strategy, &resume.facts(&head(416, &[("content-range", "bytes */0")])));
}

/// Who did not ask whether there is news is not told that there is none.
pub fn not_modified_answers_only_conditions(strategy: &dyn DownloadStrategy) {
    let resume = Resume::new();
    for status in 100..600 {
        let answer = head(status, &[("etag", "\"v1\"")]);
        for mut facts in [ResponseFacts::new(&answer), first(&answer), resume.facts(&answer)] {
            facts.conditional = status != 304;
            let verdict = judge(strategy, &facts);
            assert!(!matches!(verdict, ResponseVerdict::NotModified(_)), "{verdict:?} for {facts:?}");
        }
    }
}

/// The answer to a request without a range never is to ask without one: that would go on for ever.
pub fn there_is_no_range_to_drop_without_one(strategy: &dyn DownloadStrategy) {
    let resume = Resume::new();
    for status in 100..600 {
        for headers in [&[][..], &[("content-range", "bytes 0-59/100")], &[("content-length", "ten")]] {
            let answer = head(status, headers);
            for mut facts in [ResponseFacts::new(&answer), resume.facts(&answer)] {
                facts.asked = None;
                let verdict = judge(strategy, &facts);
                assert!(!matches!(verdict, ResponseVerdict::AskWithoutRange(_)), "{verdict:?} for {facts:?}");
            }
        }
    }
}

/// A refusal's error carries `Retry-After`, or nobody would heed it.
pub fn a_wait_that_the_server_asks_for_is_handed_up(strategy: &dyn DownloadStrategy) {
    let resume = Resume::new();
    for status in [429, 503] {
        let answer = head(status, &[("retry-after", "120")]);
        for facts in [ResponseFacts::new(&answer), first(&answer), resume.facts(&answer)] {
            let ResponseVerdict::Refused(error) = judge(strategy, &facts) else {
                panic!("not refused: {facts:?}");
            };
            assert_eq!(error.retry_after(), answer.retry_after(), "{error:?}");
        }
    }
}
