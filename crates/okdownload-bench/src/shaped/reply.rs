//! From a request's head to a response's: pure.

use std::fmt::Write;
use std::ops::Range;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) is_head: bool,
    range: Option<String>,
    if_range: Option<String>,
    pub(super) closes: bool,
}

/// The request at the beginning of the bytes, and its length; `None` while it is not whole.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes)? else { return Ok(None) };
    let value = |name: &str| {
        let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(header.value).into_owned())
    };
    let wish = value("connection").map(|wish| wish.to_ascii_lowercase());
    let is_old = head.version == Some(0);
    let request = Request {
        path: path_of(head.path.unwrap_or_default()).to_owned(),
        is_head: head.method == Some("HEAD"),
        range: value("range"),
        if_range: value("if-range"),
        closes: wish.map_or(is_old, |wish| wish == "close" || is_old && wish != "keep-alive"),
    };
    Ok(Some((request, length)))
}

/// The path of what is asked for: who takes this server for a proxy asks for whole addresses, of any host.
fn path_of(target: &str) -> &str {
    match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    }
}

/// A response: its head, and the bytes of the file that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) head: String,
    pub(super) body: Range<u64>,
}

/// The answer to a request for a file of so many bytes; `None` stands for no such file.
pub(super) fn reply(request: &Request, file: Option<u64>) -> Reply {
    let Some(total) = file else {
        return Reply { head: "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(), body: 0..0 };
    };
    let tag = format!("\"{total:x}\"");
    let is_same = request.if_range.as_ref().is_none_or(|condition| *condition == tag);
    let asked = request.range.as_deref().filter(|_| is_same).map(|range| parse_range(range, total));
    let (status, range, body) = match asked {
        None | Some(Asked::Nonsense) => ("200 OK", None, 0..total),
        Some(Asked::Beyond) => ("416 Range Not Satisfiable", Some(format!("*/{total}")), 0..0),
        Some(Asked::Part(part)) => {
            ("206 Partial Content", Some(format!("{}-{}/{total}", part.start, part.end - 1)), part)
        }
    };
    let mut head = format!("HTTP/1.1 {status}\r\nETag: {tag}\r\nAccept-Ranges: bytes\r\n");
    // Writing to a string does not fail.
    let _ = write!(head, "Content-Length: {}\r\n", body.end - body.start);
    if let Some(range) = range {
        let _ = write!(head, "Content-Range: bytes {range}\r\n");
    }
    head += if request.closes { "Connection: close\r\n\r\n" } else { "Connection: keep-alive\r\n\r\n" };
    Reply { head, body: if request.is_head { 0..0 } else { body } }
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Part(Range<u64>),
    Beyond,
    /// Not one range of bytes: the whole file is the answer.
    Nonsense,
}

fn parse_range(text: &str, total: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Asked::Nonsense;
    };
    let part = match (first.trim().parse::<u64>().ok(), last.trim().parse::<u64>().ok()) {
        (Some(first), Some(last)) if first <= last => first..total.min(last.saturating_add(1)),
        (Some(first), None) if last.trim().is_empty() => first..total,
        (None, Some(length)) if first.trim().is_empty() => total.saturating_sub(length)..total,
        _ => return Asked::Nonsense,
    };
    if part.start < part.end { Asked::Part(part) } else { Asked::Beyond }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, asked) in [
            ("bytes=0-9", Asked::Part(0..10)),
            ("bytes=90-", Asked::Part(90..100)),
            ("bytes=90-1000", Asked::Part(90..100)),
            ("bytes=-10", Asked::Part(90..100)),
            ("bytes=-1000", Asked::Part(0..100)),
            ("bytes=100-", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=5-4", Asked::Nonsense),
            ("bytes=0-1,5-6", Asked::Nonsense),
            ("bytes=-", Asked::Nonsense),
            ("lines=0-1", Asked::Nonsense),
        ] {
            assert_eq!(parse_range(text, 100), asked, "{text}");
        }
    }

    fn request(text: &str) -> Request {
        let (request, length) = parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        request
    }

    #[test]
    fn a_range_under_another_tag_is_the_whole_file() {
        let head = |tag: &str| format!("GET /a HTTP/1.1\r\nRange: bytes=1-2\r\nIf-Range: {tag}\r\n\r\n");
        assert_eq!(reply(&request(&head("\"64\"")), Some(100)).body, 1..3);
        let whole = reply(&request(&head("\"65\"")), Some(100));
        assert!(whole.body == (0..100) && whole.head.starts_with("HTTP/1.1 200 "), "{whole:?}");
    }

    #[test]
    fn heads_have_no_body_and_tell_its_length() {
        let reply = reply(&request("HEAD /a HTTP/1.1\r\n\r\n"), Some(100));
        assert!(reply.body.is_empty() && reply.head.contains("Content-Length: 100\r\n"), "{reply:?}");
    }

    #[test]
    fn whole_addresses_are_asked_of_a_proxy() {
        for (target, path) in [("/a/b", "/a/b"), ("http://h:1/a/b", "/a/b"), ("http://h", "/")] {
            assert_eq!(request(&format!("GET {target} HTTP/1.1\r\n\r\n")).path, path);
        }
    }

    #[test]
    fn who_wants_to_close_is_told_so() {
        for (text, closes) in [
            ("GET / HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", true),
            ("GET / HTTP/1.0\r\n\r\n", true),
            ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
        ] {
            assert_eq!(request(text).closes, closes, "{text}");
        }
    }

    #[test]
    fn half_a_request_is_none_yet() {
        assert_eq!(parse(b"GET / HTTP/1.1\r\nRange: by"), Ok(None));
        assert!(parse(b"\0\0\0\0").is_err());
    }
}
