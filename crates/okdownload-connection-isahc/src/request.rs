//! A request as isahc wants it.

use std::time::Duration;

use isahc::AsyncBody;
use isahc::config::{Configurable, ExpectContinue, RedirectPolicy, VersionNegotiation};
use isahc::http::{HeaderMap, HeaderValue, Request, header};
use okdownload_connection::ConnectRequest;
use okdownload_connection::error as words;
use okdownload_types::{Error, ErrorKind, Result, redacted};

/// The shortest and the longest connect time-out that libcurl takes at its word. It counts milliseconds, takes zero of
/// them for its own five minutes, and refuses what is far too long.
const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_hours(24));

/// The request, with all that this crate promises set on it: for this one request it has the last word, whatever the
/// client's settings are.
pub(crate) fn of(request: ConnectRequest, http2: bool) -> Result<Request<AsyncBody>> {
    let url = request.url;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(words::unsendable().with_context("url", redacted(&url)));
    }
    check(&request.headers).map_err(|error| error.with_context("url", redacted(&url)))?;
    let version = if http2 { VersionNegotiation::latest_compatible() } else { VersionNegotiation::http11() };
    let has_body = request.body.is_some();
    let built = Request::builder()
        .method(request.method)
        .uri(url.as_str())
        .version_negotiation(version)
        .redirect_policy(RedirectPolicy::None)
        .automatic_decompression(false)
        .expect_continue(ExpectContinue::disabled())
        .connect_timeout(request.connect_timeout.clamp(TIMEOUTS.0, TIMEOUTS.1))
        .tcp_nodelay()
        .body(request.body.map(|body| body.to_vec()).into());
    let mut built = built
        .map_err(|native| words::unsendable().with_source(native).with_context("url", redacted(&url)))?;
    *built.headers_mut() = request.headers;
    // isahc would put its own name there. An empty one is the least that it lets us say.
    built.headers_mut().entry(header::USER_AGENT).or_insert(HeaderValue::from_static(""));
    if has_body {
        // libcurl would call it a form. This means the same as none (RFC 9110 §8.3).
        let bytes = HeaderValue::from_static("application/octet-stream");
        built.headers_mut().entry(header::CONTENT_TYPE).or_insert(bytes);
    }
    Ok(built)
}

/// isahc panics at a value that is not visible ASCII.
fn check(headers: &HeaderMap) -> Result<()> {
    match headers.iter().find(|(_, value)| value.to_str().is_err()) {
        None => Ok(()),
        Some((name, _)) => {
            let error = Error::new(ErrorKind::Unsupported, "isahc sends only header values in visible ASCII");
            Err(error.with_context("header", name).with_advice("encode the value, or use another connection"))
        }
    }
}
