//! A request, and how it is read.

use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::wire::Wire;

/// A longer head is refused.
const MAX_HEAD: usize = 256 * 1024;
const MAX_HEADERS: usize = 256;
/// Of a longer request body only so much is kept; the rest is read and dropped.
const MAX_KEPT_BODY: usize = 1024 * 1024;

/// A request, as the server got it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path with its query, as it was sent. From the absolute form (`GET http://host/path`) only this is kept.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, up to its first MiB.
    pub body: Bytes,
    /// Which connection it came over: 0 is the first that the server accepted.
    pub connection: usize,
    /// Which request on its connection it is: 0 is the first.
    pub number: usize,
    /// The protocol's version.
    pub version: Version,
}

impl Request {
    /// The value of a header, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of `Range`.
    pub fn range(&self) -> Option<&str> {
        self.header("range")
    }

    /// Whether the client wants the connection kept.
    pub(super) fn keeps_alive(&self) -> bool {
        let connection = self.header("connection").unwrap_or_default().to_ascii_lowercase();
        let has = |option: &str| connection.split(',').any(|token| token.trim() == option);
        if self.version == Version::HTTP_10 { has("keep-alive") } else { !has("close") }
    }
}

/// Reads the next request. `None` = the client closed before it sent any of one.
///
/// A request that can't be read is an error of kind `InvalidData`.
pub(super) async fn read_request(
    wire: &mut Wire,
    connection: usize,
    number: usize,
) -> io::Result<Option<Request>> {
    let mut request = loop {
        if let Some((request, len)) = parse_head(&wire.inbox)? {
            wire.inbox.drain(..len);
            break request;
        }
        if wire.inbox.len() > MAX_HEAD {
            return Err(malformed("head too long"));
        }
        if wire.fill().await? == 0 {
            return if wire.inbox.is_empty() { Ok(None) } else { Err(malformed("head cut short")) };
        }
    };
    (request.connection, request.number) = (connection, number);
    if request.header("expect").is_some_and(|expect| expect.eq_ignore_ascii_case("100-continue")) {
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    request.body = read_body(wire, &request).await?;
    Ok(Some(request))
}

/// The request at the start of `bytes` and the length of its head, if that is whole.
fn parse_head(bytes: &[u8]) -> io::Result<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(len) = parsed.parse(bytes).map_err(malformed)? else { return Ok(None) };
    let mut map = HeaderMap::new();
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(malformed)?;
        map.append(name, HeaderValue::from_bytes(header.value).map_err(malformed)?);
    }
    let request = Request {
        method: parsed.method.unwrap_or_default().parse().map_err(malformed)?,
        path: origin_form(parsed.path.unwrap_or_default()),
        headers: map,
        body: Bytes::new(),
        connection: 0,
        number: 0,
        version: if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 },
    };
    Ok(Some((request, len)))
}

/// The path and query of a request target.
fn origin_form(target: &str) -> String {
    let Some((_, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else {
        return target.to_owned();
    };
    rest.find('/').map_or("/", |slash| &rest[slash..]).to_owned()
}

async fn read_body(wire: &mut Wire, request: &Request) -> io::Result<Bytes> {
    let mut kept = Vec::new();
    if request.header("transfer-encoding").is_some() {
        loop {
            let size = read_chunk_size(wire).await?;
            if size == 0 {
                // Trailers are dropped; an empty line ends them.
                while !read_line(wire).await?.is_empty() {}
                break;
            }
            take(wire, size, &mut kept).await?;
            read_line(wire).await?;
        }
    } else if let Some(len) = request.header("content-length") {
        take(wire, len.trim().parse().map_err(malformed)?, &mut kept).await?;
    }
    Ok(kept.into())
}

async fn read_chunk_size(wire: &mut Wire) -> io::Result<u64> {
    loop {
        match httparse::parse_chunk_size(&wire.inbox).map_err(|_| malformed("bad chunk size"))? {
            httparse::Status::Complete((len, size)) => {
                wire.inbox.drain(..len);
                return Ok(size);
            }
            httparse::Status::Partial => need_more(wire).await?,
        }
    }
}

async fn read_line(wire: &mut Wire) -> io::Result<Vec<u8>> {
    loop {
        if let Some(end) = wire.inbox.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = wire.inbox.drain(..=end).collect();
            return Ok(line.trim_ascii_end().to_vec());
        }
        need_more(wire).await?;
    }
}

/// Takes `len` bytes from the client and keeps the first of them.
async fn take(wire: &mut Wire, mut len: u64, kept: &mut Vec<u8>) -> io::Result<()> {
    while len > 0 {
        if wire.inbox.is_empty() {
            need_more(wire).await?;
        }
        let now = usize::try_from(len).unwrap_or(usize::MAX).min(wire.inbox.len());
        let room = MAX_KEPT_BODY.saturating_sub(kept.len());
        kept.extend_from_slice(&wire.inbox[..now.min(room)]);
        wire.inbox.drain(..now);
        len -= now as u64;
    }
    Ok(())
}

async fn need_more(wire: &mut Wire) -> io::Result<()> {
    if wire.fill().await? == 0 { Err(malformed("request cut short")) } else { Ok(()) }
}

fn malformed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
