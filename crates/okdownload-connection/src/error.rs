//! The errors that backends have in common, so that all of them say the same of the same, and agree on what is temporary.
//! A backend adds the URL as context, and its native error as source.

use okdownload_types::{Error, ErrorKind};

/// Connecting, or the peer, took too long.
pub fn timed_out() -> Error {
    Error::new(ErrorKind::Timeout, "the peer took too long").temporary()
}

/// There is no address for this name, now.
pub fn unresolved() -> Error {
    Error::new(ErrorKind::Connect, "the host name cannot be resolved")
        .temporary()
        .with_advice("check the name in the URL, and that there is a network")
}

/// There is no connection to this address, now.
pub fn unconnected() -> Error {
    Error::new(ErrorKind::Connect, "cannot connect")
        .temporary()
        .with_advice("check host and port in the URL, and that the server runs")
}

/// The proxy answered 407.
pub fn proxy_wants_password() -> Error {
    Error::new(ErrorKind::Connect, "the proxy wants a user name and a password")
        .with_advice("put them into the proxy's URL: http://user:password@host:port")
}

/// The certificate is by nobody who is trusted, or for another host, or out of date.
pub fn untrusted() -> Error {
    Error::new(ErrorKind::Tls, "the server's certificate is not trusted")
        .with_advice("trust its CA if it is a private one, or check the host name")
}

/// The peer does not speak TLS, or not with us.
pub fn insecure() -> Error {
    Error::new(ErrorKind::Tls, "no secure connection could be made")
        .with_advice("check that the server speaks TLS on this port")
}

/// A connection was there and ended too early.
pub fn broken() -> Error {
    Error::new(ErrorKind::Network, "the connection broke").temporary()
}

/// The peer does not keep to HTTP.
pub fn malformed() -> Error {
    Error::new(ErrorKind::Protocol, "the response is not valid HTTP")
}

/// The head has too many lines, or too many bytes; see [`MOST_HEADERS`](crate::MOST_HEADERS).
pub fn long_head() -> Error {
    Error::new(ErrorKind::Protocol, "the response's head is too long")
}

/// A failure that the backend knows no name for.
pub fn unknown() -> Error {
    Error::new(ErrorKind::Unexpected, "the HTTP client failed in a way that is not known here")
}

/// No client can send such a request.
pub fn unsendable() -> Error {
    Error::misuse("this request cannot be sent", "check its URL and its headers")
}

/// A text that should hold certificates has none.
pub fn no_certificates() -> Error {
    Error::misuse(
        "there are no certificates in PEM",
        "give a file with -----BEGIN CERTIFICATE----- in it; `openssl x509 -inform der` converts others",
    )
}

/// A file that should hold the private key of a client's certificate has none.
pub fn no_private_key() -> Error {
    Error::misuse(
        "there is no private key in PEM",
        "give a file with -----BEGIN PRIVATE KEY----- in it, without a passphrase; `openssl pkey -in FILE` converts others",
    )
}

/// The server wants a client certificate, or another one.
pub fn unknown_client() -> Error {
    Error::new(ErrorKind::Tls, "the server does not accept our certificate, or wants one and got none")
        .with_advice("give a client certificate that the server knows, with its private key")
}

/// The settings can't be made a client of.
pub fn unbuildable() -> Error {
    let advice = "check the proxy, the certificates and the settings of the client builder";
    Error::misuse("the HTTP client cannot be built", advice)
}

/// The user's function that makes a client builder panicked. What it said is on standard error.
pub fn unbuilt() -> Error {
    Error::new(ErrorKind::Unexpected, "no HTTP client was built")
        .with_advice("mend the function that makes the client builder: it must not panic")
}

/// A setting came too late.
pub fn finished() -> Error {
    Error::misuse(
        "a finished client cannot be changed",
        "make these settings on its builder, or give the builder to from_builder",
    )
}

/// HTTP/2 was chosen, and the crate of this name was built without its feature `http2`.
pub fn no_http2(krate: &str) -> Error {
    Error::new(ErrorKind::Unsupported, "HTTP/2 is not compiled in")
        .with_context("crate", krate)
        .with_advice("switch the crate's feature `http2` on")
}
