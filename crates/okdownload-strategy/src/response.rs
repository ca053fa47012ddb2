//! What a response means.

use okdownload_types::{
    ByteRange, ContentRange, Error, ErrorKind, ResourceVersion, ResponseHead, Result, ResumeFailedCause,
    Validators, VersionMatch,
};

/// A response, and what it answers.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ResponseFacts<'a> {
    /// The response.
    pub head: &'a ResponseHead,
    /// The range that was asked for; `None` if the whole resource was.
    pub asked: Option<ByteRange>,
    /// Whether the request had an `If-Range`.
    pub if_range: bool,
    /// Whether the request had an `If-None-Match` or `If-Modified-Since`.
    pub conditional: bool,
    /// The version that bytes which are there, or on their way, belong to; `None` if there are none.
    pub version: Option<&'a ResourceVersion>,
    /// Whether validators that say nothing are good enough: the user gave a digest or trusts the length.
    pub trusting: bool,
    /// Whether the user gave a digest: then the file is checked before it gets its name.
    pub checked: bool,
    /// Whether it comes from another source (a mirror) than the version does.
    pub other_source: bool,
}

impl<'a> ResponseFacts<'a> {
    /// Facts of a response to a plain request.
    pub const fn new(head: &'a ResponseHead) -> Self {
        Self {
            head,
            asked: None,
            if_range: false,
            conditional: false,
            version: None,
            trusting: false,
            checked: false,
            other_source: false,
        }
    }
}

/// What a response means.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ResponseVerdict {
    /// Its body is bytes of the resource.
    Body {
        /// Where the first byte of the body belongs.
        start: u64,
        /// One past the last byte to take; what comes beyond is not ours. Unknown if the body's length is.
        end: Option<u64>,
        /// The version, as far as this response tells it.
        version: ResourceVersion,
    },
    /// The resource has no bytes at all.
    Empty(ResourceVersion),
    /// The condition was not met: the resource is the version that the request named.
    NotModified(Validators),
    /// It is not the version that the bytes which are there belong to.
    Changed(ResumeFailedCause),
    /// The server can't handle ranges of this resource; ask for the whole of it.
    AskWithoutRange(Error),
    /// It is no answer to go on with; whether trying again may help, the error says.
    Refused(Error),
}

/// The default reading of a response, by RFC 9110 §13 to §15.
///
/// Bytes are put together only if both responses are of one version: an equal strong validator, or an `If-Range` that
/// the server answered with 206 without contradicting it. Length alone proves nothing, it is only ever a further
/// check. Content-Range must begin where the request did.
///
/// Of two [sources](ResponseFacts::other_source) they are put together only if both tell the same length, and the same
/// strong entity tag or there is a digest to check the file by. Equal dates of two servers are no proof. If neither has
/// a strong validator, the user may trust the length here as well.
pub fn judge_response(facts: &ResponseFacts<'_>) -> ResponseVerdict {
    let judged = match facts.head.status {
        200 | 203 | 206 if is_coded_for_transfer(facts.head) => {
            Err(malformed("the server sent the body in a transfer coding that nobody asked for"))
        }
        206 => judge_partial(facts),
        200 | 203 => judge_whole(facts),
        304 if facts.conditional => Ok(ResponseVerdict::NotModified(facts.head.validators())),
        416 => judge_unsatisfied(facts),
        412 if facts.version.is_some() => {
            Ok(ResponseVerdict::Changed(ResumeFailedCause::ResponsePreconditionFailed))
        }
        201 if is_inside(facts) => {
            Ok(ResponseVerdict::Changed(ResumeFailedCause::ResponseCreatedRangeNotFromZero))
        }
        205 if is_inside(facts) => {
            Ok(ResponseVerdict::Changed(ResumeFailedCause::ResponseResetRangeNotFromZero))
        }
        _ => Err(status_error(facts.head)),
    };
    judged.unwrap_or_else(|error| match error.kind() {
        // Whoever can't do ranges right may still send the whole.
        ErrorKind::Protocol if facts.asked.is_some() => ResponseVerdict::AskWithoutRange(error),
        _ => ResponseVerdict::Refused(error),
    })
}

/// Whether the body is in a coding that nobody undoes: of all, chunks alone come unasked (RFC 9112 §7), and they are taken
/// apart where they arrive.
fn is_coded_for_transfer(head: &ResponseHead) -> bool {
    let mut codings = head.transfer_codings();
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    codings.next().is_some_and(|first| !is_chunked(first)) || codings.next().is_some()
}

fn is_inside(facts: &ResponseFacts<'_>) -> bool {
    facts.version.is_some() && facts.asked.is_some_and(|range| range.start > 0)
}

fn judge_partial(facts: &ResponseFacts<'_>) -> Result<ResponseVerdict> {
    let Some(asked) = facts.asked else {
        return Err(malformed("the server answered 206 to a request without a range"));
    };
    if is_multipart(facts.head) {
        // Each part has a head of its own within the body, whatever the Content-Range around them says.
        return Err(malformed("the server sent several ranges where one was asked for"));
    }
    let Some(ContentRange::Bytes { start, end, total }) = facts.head.content_range()? else {
        return Err(malformed("the server answered 206 without a usable Content-Range"));
    };
    if start != asked.start {
        let error = malformed("the server sent another range than the one that was asked for");
        return Err(error.with_context("asked", asked.start).with_context("got", start));
    }
    if facts.head.content_length()?.is_some_and(|length| length != end - start) {
        return Err(malformed("Content-Length and Content-Range contradict each other"));
    }
    let validators = facts.head.validators();
    let known = facts.version.and_then(|version| version.total);
    match (total, known) {
        (Some(total), Some(known)) if total != known => {
            return Ok(ResponseVerdict::Changed(ResumeFailedCause::ContentLengthChanged));
        }
        (None, None) => return Err(malformed("the server does not tell the length of the resource")),
        (None, Some(known)) if end > known => return Err(malformed("the range goes beyond the resource")),
        _ => {}
    }
    if let Some(version) = facts.version
        && !is_same(facts, version, &validators, total, facts.if_range || facts.trusting)
    {
        return Ok(ResponseVerdict::Changed(changed_cause(&version.validators, &validators)));
    }
    let end = asked.end.map_or(end, |asked| end.min(asked));
    let version = ResourceVersion::new(validators, total.or(known));
    Ok(ResponseVerdict::Body { start, end: Some(end), version })
}

fn is_multipart(head: &ResponseHead) -> bool {
    let media_type = head.header(&http::header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    media_type.is_some_and(|name| name.trim().eq_ignore_ascii_case("multipart/byteranges"))
}

fn judge_whole(facts: &ResponseFacts<'_>) -> Result<ResponseVerdict> {
    if facts.head.headers.contains_key(http::header::CONTENT_RANGE) {
        return Err(malformed("the server answered 200 with a Content-Range"));
    }
    let length = facts.head.content_length()?;
    let validators = facts.head.validators();
    if let Some(version) = facts.version {
        if length.zip(version.total).is_some_and(|(length, total)| length != total) {
            return Ok(ResponseVerdict::Changed(ResumeFailedCause::ContentLengthChanged));
        }
        // The whole body in answer to If-Range says "changed", unless the user knows better.
        if !is_same(facts, version, &validators, length, facts.trusting) {
            return Ok(ResponseVerdict::Changed(changed_cause(&version.validators, &validators)));
        }
    }
    let total = length.or(facts.version.and_then(|version| version.total));
    Ok(ResponseVerdict::Body { start: 0, end: length, version: ResourceVersion::new(validators, total) })
}

/// Whether a response with these validators and this length is of the version. `unsaid`: what to take it for if its
/// validators do not say.
fn is_same(
    facts: &ResponseFacts<'_>,
    version: &ResourceVersion,
    validators: &Validators,
    total: Option<u64>,
    unsaid: bool,
) -> bool {
    if !facts.other_source {
        return match version.validators.compare(validators) {
            VersionMatch::Same => true,
            VersionMatch::Different => false,
            VersionMatch::Unknown => unsaid,
        };
    }
    let same_tag = match (&version.validators.etag, &validators.etag) {
        (Some(ours), Some(theirs)) => ours.is_strongly(theirs),
        _ => false,
    };
    let nobody_says = !version.validators.is_strong() && !validators.is_strong();
    total.is_some()
        && total == version.total
        && (same_tag || facts.checked || (facts.trusting && nobody_says))
}

fn judge_unsatisfied(facts: &ResponseFacts<'_>) -> Result<ResponseVerdict> {
    let total = match facts.head.content_range() {
        Ok(Some(ContentRange::Unsatisfied { total })) => total,
        _ => None,
    };
    let from_start = facts.asked.is_some_and(|range| range.start == 0);
    match (facts.version, total) {
        (None, Some(0)) if from_start => {
            Ok(ResponseVerdict::Empty(ResourceVersion::new(facts.head.validators(), Some(0))))
        }
        (Some(version), Some(total)) if version.total.is_some_and(|known| known != total) => {
            Ok(ResponseVerdict::Changed(ResumeFailedCause::ContentLengthChanged))
        }
        _ => Err(malformed("the server refuses the range (416)").with_status(416)),
    }
}

fn changed_cause(old: &Validators, new: &Validators) -> ResumeFailedCause {
    let etags_differ = old.etag.is_some() && old.etag != new.etag;
    let dates_differ = old.last_modified.is_some() && old.last_modified != new.last_modified;
    match (etags_differ, dates_differ) {
        (true, _) => ResumeFailedCause::ResponseEtagChanged,
        (false, true) => ResumeFailedCause::ResponseLastModifiedChanged,
        (false, false) => ResumeFailedCause::ValidatorMissing,
    }
}

fn malformed(message: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, message)
}

/// The error that a status means. 408, 425, 429, 500, 502, 503 and 504 are temporary.
fn status_error(head: &ResponseHead) -> Error {
    let status = head.status;
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let text = format!(
        "the server answered {status}{}",
        reason.map_or(String::new(), |reason| format!(" {reason}"))
    );
    let mut error = Error::new(ErrorKind::Status, text).with_status(status);
    if let Some(wait) = head.retry_after() {
        error = error.with_retry_after(wait).with_context("retry after", format!("{} s", wait.as_secs()));
    }
    match status {
        408 | 425 | 429 | 500 | 502 | 503 | 504 => error.temporary(),
        401 | 407 => error.with_advice("give a name and a password"),
        403 => error.with_advice("check that you may read it"),
        404 | 410 => error.with_advice("check the URL"),
        _ => error,
    }
}

#[cfg(test)]
mod tests;
