//! Errors of reqwest, hyper, rustls and the system as errors of okdownload. Nothing else in this crate decides what an
//! error is and whether trying again may help.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use okdownload_connection::error as words;
use okdownload_types::{Error, redacted};
use rustls::AlertDescription;
use url::Url;

/// A text that reqwest can't read as PEM.
pub(crate) fn certificates(native: reqwest::Error) -> Error {
    words::no_certificates().with_source(Cause(native))
}

/// A file in which reqwest finds no private key.
pub(crate) fn identity(native: reqwest::Error) -> Error {
    words::no_private_key().with_source(Cause(native))
}

/// The user's function that makes a client builder panicked (or the runtime is shutting down).
pub(crate) fn builder_panicked(native: tokio::task::JoinError) -> Error {
    words::unbuilt().with_source(native)
}

/// A client could not be built.
pub(crate) fn build(native: reqwest::Error) -> Error {
    words::unbuildable().with_source(Cause(native.without_url()))
}

/// What a finished client must be told.
const NO_REDIRECTS: &str =
    "switch redirects off with ClientBuilder::redirect(Policy::none()); okdownload follows them";

/// A response came from elsewhere.
pub(crate) fn redirected(from: &Url, asked: &Url) -> Error {
    Error::misuse("the HTTP client followed a redirect by itself", NO_REDIRECTS)
        .with_context("url", redacted(asked))
        .with_context("from", redacted(from))
}

/// A request to `url` failed, or the body of its response did.
pub(crate) fn exchange(native: reqwest::Error, url: &Url) -> Error {
    classify(&native).with_context("url", redacted(url)).with_source(Cause(native.without_url()))
}

fn classify(native: &reqwest::Error) -> Error {
    if native.is_builder() {
        return words::unsendable();
    }
    if native.is_redirect() {
        return Error::misuse("the HTTP client refused a redirect by itself", NO_REDIRECTS);
    }
    if let Some(tls) = find::<rustls::Error>(native) {
        return secure(tls, native.is_connect());
    }
    if native.is_timeout() {
        return words::timed_out();
    }
    if native.is_connect() {
        return connect(native);
    }
    transfer(native)
}

fn secure(tls: &rustls::Error, connecting: bool) -> Error {
    match tls {
        rustls::Error::InvalidCertificate(_) => words::untrusted(),
        // With TLS 1.3 the server says so only after the handshake.
        rustls::Error::AlertReceived(alert) if is_about_certificate(*alert) => words::unknown_client(),
        _ if connecting => words::insecure(),
        // The handshake went well, so this is damage on the way.
        _ => words::broken(),
    }
}

/// Whether the server refuses us for the certificate that we showed, or did not show (RFC 8446 §6.2).
fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::CertificateRequired
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::DecryptError
    )
}

fn connect(native: &reqwest::Error) -> Error {
    // hyper-util has no public type for this one; the suite holds its words.
    if chain(native).any(|error| error.to_string() == "tunnel error: proxy authorization required") {
        words::proxy_wants_password()
    } else if native.is_dns() {
        words::unresolved()
    } else {
        words::unconnected()
    }
}

/// A connection was there and failed.
fn transfer(native: &reqwest::Error) -> Error {
    match (find::<hyper::Error>(native), find::<io::Error>(native).map(io::Error::kind)) {
        (Some(hyper), _) if hyper.is_parse() => words::malformed(),
        (Some(hyper), _) if hyper.is_user() => words::unknown(),
        // That is how hyper reports bad chunks; the system has no such errors for sockets.
        (_, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)) => words::malformed(),
        (Some(_), _) | (_, Some(_)) => words::broken(),
        (None, None) => words::unknown(),
    }
}

/// The error and its causes, outermost first. An `io::Error` that only wraps another error is followed by that one.
fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(Some(error as &(dyn StdError + 'static)), |error| {
        let error: &(dyn StdError + 'static) = *error;
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source())
    })
}

fn find<E: StdError + 'static>(error: &reqwest::Error) -> Option<&E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// What is behind an error of reqwest. Between its outermost and its innermost layer stand only phrases like "error
/// sending request", so those two are enough: shown is the innermost.
#[derive(Debug)]
struct Cause(reqwest::Error);

impl Cause {
    fn innermost(&self) -> &(dyn StdError + 'static) {
        chain(&self.0).last().unwrap_or(&self.0)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.innermost(), f)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.innermost())
    }
}
