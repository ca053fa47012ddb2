//! Errors of isahc and libcurl as errors of okdownload. Nothing else in this crate decides what an error is and whether
//! trying again may help.

use std::error::Error as StdError;
use std::fmt;

use isahc::error::ErrorKind as Native;
use okdownload_types::{Error, ErrorKind, redacted};
use url::Url;

/// A text in which there is no certificate.
pub(crate) fn no_certificates() -> Error {
    Error::misuse(
        "there are no certificates in PEM",
        "give a file with -----BEGIN CERTIFICATE----- in it; `openssl x509 -inform der` converts others",
    )
}

/// A client could not be built.
pub(crate) fn build(native: isahc::Error) -> Error {
    let advice = "check the proxy, the certificates and the settings of the client builder";
    Error::misuse("the HTTP client cannot be built", advice).with_source(native)
}

/// A request that nothing can send.
pub(crate) fn unsendable() -> Error {
    Error::misuse("this request cannot be sent", "check its URL and its headers")
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
        Native::InvalidRequest => unsendable(),
        Native::Timeout => timeout(),
        Native::NameResolution => unresolved(),
        Native::ConnectionFailed => unconnected(),
        Native::Io => broken(),
        Native::ProtocolViolation => malformed(),
        _ => unexpected(),
    }
}

fn of_curl(curl: &curl::Error) -> Error {
    if curl.is_operation_timedout() {
        timeout()
    } else if curl.is_couldnt_resolve_host() || curl.is_couldnt_resolve_proxy() {
        unresolved()
    } else if curl.is_couldnt_connect() {
        unconnected()
    } else if curl.is_peer_failed_verification() || curl.is_ssl_cacert() || curl.is_ssl_issuer_error() {
        Error::new(ErrorKind::Tls, "the server's certificate is not trusted")
            .with_advice("trust its CA if it is a private one, or check the host name")
    } else if curl.is_ssl_cacert_badfile() || curl.is_ssl_certproblem() {
        Error::misuse("the certificates cannot be used", "check the certificates that you gave")
    } else if curl.is_ssl_connect_error() {
        Error::new(ErrorKind::Tls, "no secure connection could be made")
            .with_advice("check that the server speaks TLS on this port")
    } else if curl.is_url_malformed() {
        unsendable()
    } else {
        transfer(curl)
    }
}

/// A connection was there and failed. libcurl has one code for a reset and for chunks or heads that it can't read; its
/// words would tell them apart, but isahc drops those. Taken for a reset, the worst is a retry in vain.
fn transfer(curl: &curl::Error) -> Error {
    /// The curl crate has no method for this one.
    const WEIRD_SERVER_REPLY: i64 = 8;
    if curl.is_got_nothing() || curl.is_partial_file() || curl.is_recv_error() || curl.is_send_error() {
        broken()
    // isahc's own functions refuse a line of the head that they can't read; the protocol is HTTP/0.9.
    } else if curl.is_write_error()
        || curl.is_unsupported_protocol()
        || i64::from(curl.code()) == WEIRD_SERVER_REPLY
    {
        malformed()
    } else {
        unexpected()
    }
}

/// A response without a body and without a word on its length: libcurl ends so, and well, if the connection breaks
/// within the head.
pub(crate) fn cut_head(url: &Url) -> Error {
    Error::new(ErrorKind::Network, "the response ended with its head, or within it")
        .temporary()
        .with_context("url", redacted(url))
}

/// A `Content-Length` that is none. libcurl passes over some of them.
pub(crate) fn bad_head(native: Error, url: &Url) -> Error {
    malformed().with_context("url", redacted(url)).with_source(native)
}

fn timeout() -> Error {
    Error::new(ErrorKind::Timeout, "the peer took too long").temporary()
}

fn unresolved() -> Error {
    Error::new(ErrorKind::Connect, "the host name cannot be resolved").temporary()
}

fn unconnected() -> Error {
    Error::new(ErrorKind::Connect, "cannot connect").temporary()
}

fn broken() -> Error {
    Error::new(ErrorKind::Network, "the connection broke").temporary()
}

fn malformed() -> Error {
    Error::new(ErrorKind::Protocol, "the response is not valid HTTP")
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Unexpected, "the HTTP client failed in a way that is not known here")
}

/// What libcurl says, in one line. isahc's own error is not kept: it repeats that, and knows no more.
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
