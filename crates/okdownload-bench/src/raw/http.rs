//! The least of an HTTP/1.1 client that works.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use url::Url;

/// A URL's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    host: String,
    pub(super) path: String,
}

impl Address {
    pub(super) fn parse(url: &str) -> crate::Result<Self> {
        let no = |why: &str| format!("{url}: {why}");
        let url = Url::parse(url).map_err(|error| no(&error.to_string()))?;
        match (url.scheme(), url.host_str(), url.port_or_known_default()) {
            ("http", Some(host), Some(port)) => {
                Ok(Self { host: format!("{host}:{port}"), path: url.path().to_owned() })
            }
            _ => Err(no("only http is spoken here")),
        }
    }

    /// The last part of its path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// A connection, and what of a body came with its head.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    host: String,
    buffer: Vec<u8>,
    closes: bool,
}

impl Connection {
    pub(super) fn new(address: &Address) -> io::Result<Self> {
        let socket = TcpStream::connect(&address.host)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, host: address.host.clone(), buffer: Vec::new(), closes: false })
    }

    /// How long the resource is.
    pub(super) fn length(&mut self, path: &str) -> io::Result<u64> {
        self.request("HEAD", path, None)
    }

    /// Asks for a resource, or for the bytes from first to last of it; how long the body is that follows.
    pub(super) fn get(&mut self, path: &str, part: Option<(u64, u64)>) -> io::Result<u64> {
        self.request("GET", path, part)
    }

    fn request(&mut self, method: &str, path: &str, part: Option<(u64, u64)>) -> io::Result<u64> {
        let range = part.map(|(first, last)| format!("Range: bytes={first}-{last}\r\n")).unwrap_or_default();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{range}\r\n", self.host);
        self.socket.write_all(head.as_bytes())?;
        let (status, length) = loop {
            let before = self.buffer.len();
            self.buffer.resize(before + (16 << 10), 0);
            let read = self.socket.read(&mut self.buffer[before..])?;
            self.buffer.truncate(before + read);
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((status, length, head, closes)) = parse(&self.buffer)? {
                self.buffer.drain(..head);
                self.closes = closes;
                break (status, length);
            }
        };
        let expected = if part.is_some() { 206 } else { 200 };
        if status == expected { Ok(length) } else { Err(io::Error::other(format!("status {status}"))) }
    }

    /// Takes what came with the head; what follows is to be read from the socket.
    pub(super) fn take_begun(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    pub(super) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Whether the server closes it after this response.
    pub(super) fn closes(&self) -> bool {
        self.closes
    }
}

/// Status, length of the body, length of the head, and whether the connection is closed then; `None` while the head is
/// not whole.
fn parse(bytes: &[u8]) -> io::Result<Option<(u16, u64, usize, bool)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let httparse::Status::Complete(end) = parsed else { return Ok(None) };
    let value = |name: &str| {
        let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let length = value("content-length").and_then(|length| length.trim().parse().ok());
    let length = length.ok_or_else(|| io::Error::other("the response tells no length"))?;
    let closes = value("connection").is_some_and(|wish| wish.eq_ignore_ascii_case("close"));
    Ok(Some((head.code.unwrap_or(0), length, end, closes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let address = Address::parse("http://127.0.0.1:81/a/b.bin").unwrap();
        assert_eq!((address.host.as_str(), address.path.as_str()), ("127.0.0.1:81", "/a/b.bin"));
        assert_eq!(address.name(), "b.bin");
        assert!(Address::parse("https://127.0.0.1/").unwrap_err().contains("only http"));
        assert!(Address::parse("x").is_err());
    }

    #[test]
    fn heads() {
        let head = b"HTTP/1.1 206 Partial Content\r\ncontent-length: 5\r\nConnection: close\r\n\r\nhello";
        assert_eq!(parse(head).unwrap(), Some((206, 5, head.len() - 5, true)));
        assert_eq!(parse(&head[..40]).unwrap(), None);
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse(b"SSH-2.0\r\n\r\n").is_err());
    }
}
