//! Every kind of response, against every kind of request, in one table.

use super::*;
use okdownload_types::EntityTag;

fn head(status: u16, headers: &[(&str, &str)]) -> ResponseHead {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers {
        map.append(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    ResponseHead::new("http://h/".parse().unwrap(), status, http::Version::HTTP_11, map)
}

fn version(etag: &str, total: u64) -> ResourceVersion {
    ResourceVersion::new(Validators::new(EntityTag::parse(etag), None, None), Some(total))
}

/// A verdict in short: `0..100`, `0..`, `empty`, `304`, `changed: …`, `plain`, `refused`, `temporary`.
fn short(verdict: &ResponseVerdict) -> String {
    match verdict {
        ResponseVerdict::Body { start, end, .. } => {
            format!("{start}..{}", end.map_or(String::new(), |e| e.to_string()))
        }
        ResponseVerdict::Empty(_) => "empty".into(),
        ResponseVerdict::NotModified(_) => "304".into(),
        ResponseVerdict::Changed(cause) => format!("{cause:?}"),
        ResponseVerdict::AskWithoutRange(_) => "plain".into(),
        ResponseVerdict::Refused(error) if error.is_temporary() => "temporary".into(),
        ResponseVerdict::Refused(_) => "refused".into(),
    }
}

#[test]
fn first_answer() {
    let asked = Some(ByteRange::new(0, 1 << 20));
    for (status, headers, ranged, plain) in [
        (206, &[("content-range", "bytes 0-1048575/9000000")][..], "0..1048576", "refused"),
        (206, &[("content-range", "bytes 0-99/100")], "0..100", "refused"),
        (206, &[("content-range", "bytes 0-99/100"), ("content-length", "99")], "plain", "refused"),
        (206, &[("content-range", "bytes 1-99/100")], "plain", "refused"),
        (206, &[("content-range", "bytes 0-1048575/*")], "plain", "refused"),
        (206, &[("content-range", "bytes 0-2097151/9000000")], "0..1048576", "refused"),
        (206, &[("content-type", "multipart/byteranges; boundary=x")], "plain", "refused"),
        (
            206,
            &[("content-type", "Multipart/ByteRanges ;boundary=x"), ("content-range", "bytes 0-99/100")],
            "plain",
            "refused",
        ),
        (206, &[], "plain", "refused"),
        (200, &[("content-length", "7")], "0..7", "0..7"),
        (203, &[("content-length", "7")], "0..7", "0..7"),
        (200, &[], "0..", "0.."),
        (200, &[("content-length", "0")], "0..0", "0..0"),
        (200, &[("content-length", "x")], "plain", "refused"),
        (200, &[("content-range", "bytes 0-6/7"), ("content-length", "7")], "plain", "refused"),
        (416, &[("content-range", "bytes */0")], "empty", "refused"),
        (416, &[("content-range", "bytes */7")], "plain", "refused"),
        (416, &[], "plain", "refused"),
        (204, &[], "refused", "refused"),
        (304, &[], "refused", "refused"),
        (412, &[], "refused", "refused"),
        (201, &[], "refused", "refused"),
        (404, &[], "refused", "refused"),
        (403, &[], "refused", "refused"),
        (501, &[], "refused", "refused"),
        (408, &[], "temporary", "temporary"),
        (425, &[], "temporary", "temporary"),
        (429, &[], "temporary", "temporary"),
        (500, &[], "temporary", "temporary"),
        (502, &[], "temporary", "temporary"),
        (503, &[], "temporary", "temporary"),
        (504, &[], "temporary", "temporary"),
    ] {
        let head = head(status, headers);
        let facts = ResponseFacts { asked, ..ResponseFacts::new(&head) };
        assert_eq!(short(&judge_response(&facts)), ranged, "ranged {status} {headers:?}");
        assert_eq!(short(&judge_response(&ResponseFacts::new(&head))), plain, "plain {status} {headers:?}");
    }
}

#[test]
fn chunks_are_the_only_transfer_coding() {
    for (values, expected) in [
        (&["chunked"][..], "0.."),
        (&["Chunked "], "0.."),
        (&["identity"], "0.."),
        (&[""], "0.."),
        (&["gzip"], "refused"),
        (&["gzip, chunked"], "refused"),
        (&["gzip", "chunked"], "refused"),
        (&["chunked, chunked"], "refused"),
        (&["xchunked"], "refused"),
    ] {
        let headers: Vec<_> = values.iter().map(|value| ("transfer-encoding", *value)).collect();
        let head = head(200, &headers);
        assert_eq!(short(&judge_response(&ResponseFacts::new(&head))), expected, "{values:?}");
    }
}

#[test]
fn answer_to_a_resume() {
    let known = version("\"v1\"", 100);
    let range = ("content-range", "bytes 40-99/100");
    let (ours, other, weak) = (("etag", "\"v1\""), ("etag", "\"v2\""), ("etag", "W/\"v1\""));
    for (status, headers, expected) in [
        (206, &[range, ours][..], "40..100"),
        (206, &[range], "40..100"),
        (206, &[range, weak], "40..100"),
        (206, &[range, other], "ResponseEtagChanged"),
        (206, &[("content-range", "bytes 40-59/100"), ours], "40..60"),
        (206, &[("content-range", "bytes 40-99/*"), ours], "40..100"),
        (206, &[("content-range", "bytes 40-199/*"), ours], "plain"),
        (206, &[("content-range", "bytes 0-99/100"), ours], "plain"),
        (206, &[("content-range", "bytes 41-99/100"), ours], "plain"),
        (206, &[("content-range", "bytes 40-100/101"), ours], "ContentLengthChanged"),
        (200, &[("content-length", "100"), ours], "0..100"),
        (200, &[("content-length", "100"), other], "ResponseEtagChanged"),
        (200, &[("content-length", "100")], "ResponseEtagChanged"),
        (200, &[("content-length", "101"), ours], "ContentLengthChanged"),
        (412, &[], "ResponsePreconditionFailed"),
        (201, &[], "ResponseCreatedRangeNotFromZero"),
        (205, &[], "ResponseResetRangeNotFromZero"),
        (416, &[("content-range", "bytes */30")], "ContentLengthChanged"),
        (416, &[("content-range", "bytes */100")], "plain"),
        (416, &[], "plain"),
        (503, &[], "temporary"),
        (404, &[], "refused"),
    ] {
        let head = head(status, headers);
        let asked = Some(ByteRange::new(40, 100));
        let facts =
            ResponseFacts { asked, if_range: true, version: Some(&known), ..ResponseFacts::new(&head) };
        assert_eq!(short(&judge_response(&facts)), expected, "{status} {headers:?}");
    }
}

#[test]
fn without_if_range_silence_is_no_consent() {
    let known = ResourceVersion::new(Validators::default(), Some(100));
    let head = head(206, &[("content-range", "bytes 40-99/100")]);
    let asked = Some(ByteRange::new(40, 100));
    let facts = ResponseFacts { asked, version: Some(&known), ..ResponseFacts::new(&head) };
    assert_eq!(short(&judge_response(&facts)), "ValidatorMissing");
    assert_eq!(short(&judge_response(&ResponseFacts { trusting: true, ..facts })), "40..100");
}

#[test]
fn not_modified_answers_only_conditions() {
    let head = head(304, &[]);
    let facts = ResponseFacts { conditional: true, ..ResponseFacts::new(&head) };
    assert_eq!(short(&judge_response(&facts)), "304");
}

#[test]
fn status_errors_carry_the_wait() {
    let head = head(503, &[("retry-after", "120")]);
    let ResponseVerdict::Refused(error) = judge_response(&ResponseFacts::new(&head)) else {
        panic!("not refused")
    };
    assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(120)));
    assert_eq!(error.status(), Some(503));
}

/// `bytes 40-99/100` of another source than the one whose 40 bytes are there.
#[test]
fn bytes_of_two_sources_need_proof() {
    let (part, whole) = (("content-range", "bytes 40-99/100"), ("content-length", "100"));
    let date = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    let now = ("date", "Sun, 06 Nov 1994 09:49:37 GMT");
    let dated = ResourceVersion::new(head(200, &[date, now]).validators(), Some(100));
    let v1 = || version("\"v1\"", 100);
    let no_total = || ResourceVersion::new(v1().validators, None);
    let other_total = || version("\"v1\"", 101);
    let (tag, other, weak) = (("etag", "\"v1\""), ("etag", "\"v2\""), ("etag", "W/\"v1\""));
    for (ours, theirs, plain, checked, trusting) in [
        (v1(), &[tag][..], "40..100", "40..100", "40..100"),
        (v1(), &[other], "ResponseEtagChanged", "40..100", "ResponseEtagChanged"),
        (v1(), &[weak], "ResponseEtagChanged", "40..100", "ResponseEtagChanged"),
        (v1(), &[], "ResponseEtagChanged", "40..100", "ResponseEtagChanged"),
        (version("W/\"v1\"", 100), &[weak], "ValidatorMissing", "40..100", "40..100"),
        (version("W/\"v1\"", 100), &[tag], "ResponseEtagChanged", "40..100", "ResponseEtagChanged"),
        // Equal dates of two servers are no proof.
        (dated, &[date, now], "ValidatorMissing", "40..100", "ValidatorMissing"),
        (other_total(), &[tag], "ContentLengthChanged", "ContentLengthChanged", "ContentLengthChanged"),
        (no_total(), &[tag], "ValidatorMissing", "ValidatorMissing", "ValidatorMissing"),
    ] {
        let answer = head(206, &[theirs, &[part]].concat());
        for (expected, checked, trusting) in
            [(plain, false, false), (checked, true, true), (trusting, false, true)]
        {
            let mut facts = ResponseFacts::new(&answer);
            facts.asked = Some(ByteRange::new(40, 100));
            (facts.version, facts.other_source) = (Some(&ours), true);
            (facts.checked, facts.trusting) = (checked, trusting);
            assert_eq!(short(&judge_response(&facts)), expected, "{ours:?} {theirs:?} {checked} {trusting}");
        }
    }
    // A response that does not tell the length, and one that brings all.
    for (headers, expected) in [
        (&[("content-range", "bytes 40-99/*"), tag][..], "ValidatorMissing"),
        (&[whole, tag], "0..100"),
        (&[whole, other], "ResponseEtagChanged"),
        (&[tag], "ValidatorMissing"),
    ] {
        let answer = head(if headers[0].0 == "content-range" { 206 } else { 200 }, headers);
        let (mut facts, ours) = (ResponseFacts::new(&answer), v1());
        facts.asked = Some(ByteRange::new(40, 100));
        (facts.version, facts.other_source) = (Some(&ours), true);
        assert_eq!(short(&judge_response(&facts)), expected, "{headers:?}");
    }
}
