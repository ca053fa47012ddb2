//! What a backend may lack, as data.

/// What the connections of a factory can do. Each field has a weaker side that is stated too: a backend does the one or
/// the other, and nothing below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionCapability {
    /// The URL's path and query are sent byte for byte. Without it, percent-encoding may go out in upper case, which
    /// means the same (RFC 3986 §6.2.2.1) but is not the same to who signs the text.
    pub url_as_given: bool,
    /// A header value may have every byte that HTTP allows. Without it, one that is not visible ASCII is refused with
    /// [`Unsupported`](okdownload_types::ErrorKind::Unsupported), before anything is sent.
    pub any_header_value: bool,
    /// No header is sent that was not given, but for what HTTP demands and what means the same as none. Without it, a
    /// request without `User-Agent` may be sent with an empty one.
    pub adds_nothing: bool,
    /// The head is handed up as soon as it is there. Without it, that may be with the body's first byte or its end, and
    /// a body that breaks before its first byte is an error of [`connect`](crate::ConnectionFactory::connect).
    pub head_before_body: bool,
    /// A body may be empty without `Content-Length: 0`. Without it, the end of such a body is an error, a temporary one:
    /// the head may have been cut.
    pub empty_without_length: bool,
    /// Why an exchange failed is known. Without it, a malformed chunk, a head that is too long, a proxy that makes no
    /// tunnel and a port without TLS may look like a connection that broke. They are temporary errors then, so the worst
    /// is a retry in vain.
    pub tells_causes: bool,
    /// The framing of chunks is checked to the last byte. Without it, a chunk may end with a line feed alone, so that one
    /// whose size is said too long by one byte passes, with the carriage return as its last byte.
    pub strict_chunks: bool,
}

impl ConnectionCapability {
    /// All that HTTP can ask of a client.
    pub const FULL: Self = Self {
        url_as_given: true,
        any_header_value: true,
        adds_nothing: true,
        head_before_body: true,
        empty_without_length: true,
        tells_causes: true,
        strict_chunks: true,
    };
}
