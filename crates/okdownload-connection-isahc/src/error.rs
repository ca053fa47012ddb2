//! Errors of isahc and libcurl as errors of okdownload. Nothing else in this crate decides what an error is and whether
//! trying again may help.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

use isahc::error::ErrorKind as Native;
use okdownload_connection::error as words;
use okdownload_types::{Error, ErrorKind, redacted};
use url::Url;

/// A client could not be built.
pub(crate) fn build(native: isahc::Error) -> Error {
    words::unbuildable().with_source(native)
}

/// The user's function that makes a client builder panicked.
pub(crate) fn builder_panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    words::unbuilt().with_source(Cause(text.unwrap_or("it panicked").to_owned()))
}

/// A request to `url` failed, or the body of its response did.
pub(crate) fn exchange(native: isahc::Error, url: &Url) -> Error {
    classify(&native).with_context("url", redacted(url)).with_source(Cause::of(&native))
}

fn classify(native: &isahc::Error) -> Error {
    match native.source().and_then(|source| source.downcast_ref::<curl::Error>()) {
        Some(curl) => of_curl(curl),
        None => of_isahc(native.kind()),
    }
}

/// What did not come from libcurl.
fn of_isahc(kind: &Native) -> Error {
    match kind {
        Native::InvalidRequest => words::unsendable(),
        Native::Timeout => words::timed_out(),
        Native::NameResolution => words::unresolved(),
        Native::ConnectionFailed => words::unconnected(),
        Native::Io => words::broken(),
        Native::ProtocolViolation => words::malformed(),
        _ => words::unknown(),
    }
}

fn of_curl(curl: &curl::Error) -> Error {
    if curl.is_operation_timedout() {
        words::timed_out()
    } else if curl.is_couldnt_resolve_host() || curl.is_couldnt_resolve_proxy() {
        words::unresolved()
    } else if curl.is_couldnt_connect() {
        words::unconnected()
    } else if curl.is_peer_failed_verification() || curl.is_ssl_cacert() || curl.is_ssl_issuer_error() {
        words::untrusted()
    } else if curl.is_ssl_cacert_badfile() || curl.is_ssl_certproblem() {
        Error::misuse("the certificates cannot be used", "check the certificates that you gave")
    } else if curl.is_ssl_connect_error() {
        // One code for all that goes wrong in a handshake but for the certificate, a broken connection included.
        words::insecure().temporary()
    } else if curl.is_url_malformed() {
        words::unsendable()
    } else {
        transfer(curl)
    }
}

/// A connection was there and failed. libcurl has one code for a reset and for chunks, heads and tunnels that it can't
/// use; its words would tell them apart, but isahc drops those. Taken for a reset, the worst is a retry in vain.
fn transfer(curl: &curl::Error) -> Error {
    /// The curl crate has no methods for these.
    const WEIRD_SERVER_REPLY: i64 = 8;
    const BAD_CONTENT_ENCODING: i64 = 61;
    const TOO_LARGE: i64 = 100;
    if curl.is_got_nothing()
        || curl.is_partial_file()
        || curl.is_recv_error()
        || curl.is_send_error()
        || curl.is_http2_error()
        || curl.is_http2_stream_error()
    {
        words::broken()
    } else if i64::from(curl.code()) == TOO_LARGE {
        words::long_head()
    // isahc's own functions refuse a line of the head that they can't read; the protocol is HTTP/0.9.
    } else if curl.is_write_error()
        || curl.is_unsupported_protocol()
        || [WEIRD_SERVER_REPLY, BAD_CONTENT_ENCODING].contains(&i64::from(curl.code()))
    {
        words::malformed()
    } else {
        words::unknown()
    }
}

/// A response ended too early, though libcurl says that it ended well: that is what it says of a connection that breaks
/// within the head.
pub(crate) fn cut_head(url: &Url) -> Error {
    Error::new(ErrorKind::Network, "the response ended with its head, or within it")
        .temporary()
        .with_context("url", redacted(url))
}

/// A `Content-Length` that is none. libcurl passes over some of them.
pub(crate) fn bad_head(native: Error, url: &Url) -> Error {
    words::malformed().with_context("url", redacted(url)).with_source(native)
}

/// More header lines than there may be. libcurl takes thousands.
pub(crate) fn long_head(url: &Url) -> Error {
    words::long_head().with_context("url", redacted(url))
}

/// What libcurl says, in one line (isahc's own error is not kept: it repeats that, and knows no more), or a panic.
#[derive(Debug)]
struct Cause(String);

impl Cause {
    fn of(native: &isahc::Error) -> Self {
        let mut innermost: &dyn StdError = native;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self(innermost.to_string().replace(['\r', '\n'], " "))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}
