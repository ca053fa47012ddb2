//! One scripted answer: what is in it.
//!
//! How it is sent (where it is cut, held or slowed down) is in [`delivery`](super::delivery).

use bytes::Bytes;

use super::body::Body;
use super::delivery::{Delivery, Step};
use super::head::HeadEdit;

/// One answer to one request, right or wrong in any way a test needs.
///
/// It starts from [`status`](Self::status), [`resource`](Self::resource), [`raw`](Self::raw) or one of the shorthands,
/// and the other methods change it. Header changes apply in the order they are made.
///
/// An answer made from a status has `Date` and, for its (possibly empty) body, the right `Content-Length`. A connection
/// stays open after an answer if both sides can know where it ended; after one that lies about its end, or is chunked
/// wrongly, the server closes, unless [`keep_alive`](Self::keep_alive) is set.
#[derive(Clone, Debug)]
#[must_use]
pub struct Reply {
    pub(super) kind: Kind,
    pub(super) status: Option<u16>,
    pub(super) reason: Option<String>,
    pub(super) status_line: Option<Bytes>,
    pub(super) http_1_0: bool,
    pub(super) interim: Vec<u8>,
    pub(super) request_edits: Vec<(String, Option<String>)>,
    pub(super) head_edits: Vec<HeadEdit>,
    pub(super) body: Option<Body>,
    pub(super) surplus: u64,
    pub(super) framing: Option<Framing>,
    pub(super) delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Made from a status.
    Made,
    /// As the path's resource would answer.
    Resource,
    /// No head: the body is all that is sent.
    Raw,
    /// A head that never ends.
    EndlessHead,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunked(Option<ChunkFault>),
    UntilClose,
}

/// A mistake in chunked framing. It is made at the last chunk that has data, so the data before it arrive well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkFault {
    /// The size is not a hexadecimal number.
    BadSize,
    /// The size is beyond 64 bits.
    HugeSize,
    /// The size is one more than the data.
    LongSize,
    /// The line end after the data is missing.
    MissingLineEnd,
    /// The last chunk, of size 0, is missing.
    MissingLastChunk,
}

impl Reply {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            status: None,
            reason: None,
            status_line: None,
            http_1_0: false,
            interim: Vec::new(),
            request_edits: Vec::new(),
            head_edits: Vec::new(),
            body: None,
            surplus: 0,
            framing: None,
            delivery: Delivery::default(),
        }
    }

    /// An answer with this status and an empty body.
    pub fn status(status: u16) -> Self {
        Self { status: Some(status), ..Self::new(Kind::Made) }
    }

    /// 200 with an empty body.
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// The answer that the path's resource gives to this request (404 if there is none), to be changed further.
    pub fn resource() -> Self {
        Self::new(Kind::Resource)
    }

    /// A redirect: `status` with this `Location`, sent as it is.
    pub fn redirect(status: u16, location: impl AsRef<[u8]>) -> Self {
        Self::status(status).header("Location", location)
    }

    /// These bytes and nothing else, then the connection is closed. They count as body bytes.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::new(Kind::Raw).body(Body::bytes(bytes))
    }

    /// No answer: the connection is closed in the clean way.
    pub fn close() -> Self {
        Self::new(Kind::Raw)
    }

    /// No answer: the connection is reset.
    pub fn reset() -> Self {
        Self::new(Kind::Raw).reset_after(0)
    }

    /// No answer, ever: the connection stays open until the client leaves.
    pub fn hang() -> Self {
        Self::new(Kind::Raw).stall_after(0)
    }

    /// 200 with header lines that never end.
    pub fn endless_headers() -> Self {
        Self { status: Some(200), ..Self::new(Kind::EndlessHead) }
    }

    /// Sets the status, and changes nothing else of a resource's answer.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the reason phrase, which otherwise is the usual one.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Sends this instead of a status line (the line end is added).
    pub fn status_line(mut self, line: impl Into<Bytes>) -> Self {
        self.status_line = Some(line.into());
        self
    }

    /// Answers in HTTP/1.0, and closes afterwards.
    pub fn http_1_0(mut self) -> Self {
        self.http_1_0 = true;
        self
    }

    /// Sends an interim response (a 1xx) with these headers before the answer. May be called repeatedly.
    pub fn interim(mut self, status: u16, headers: &[(&str, &str)]) -> Self {
        let reason = super::head::reason_of(status);
        self.interim.extend_from_slice(format!("HTTP/1.1 {status} {reason}\r\n").as_bytes());
        for (name, value) in headers {
            self.interim.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        self.interim.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a header line, beside any of the same name.
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.head_edits.push(HeadEdit::Add(name.into(), value.as_ref().to_vec()));
        self
    }

    /// Sets a header: takes the place of all lines of that name.
    pub fn header_override(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        let name = name.into();
        self.head_edits.push(HeadEdit::Remove(name.clone()));
        self.header(name, value)
    }

    /// Leaves out all header lines of that name.
    pub fn without_header(mut self, name: impl Into<String>) -> Self {
        self.head_edits.push(HeadEdit::Remove(name.into()));
        self
    }

    /// Adds these bytes as a header line (the line end is added), malformed or not.
    pub fn raw_header(mut self, line: impl Into<Bytes>) -> Self {
        self.head_edits.push(HeadEdit::Raw(line.into()));
        self
    }

    /// Sets the body. `Content-Length` follows it; other headers of a resource's answer stay.
    pub fn body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// Sends `bytes` filler bytes after the body, which `Content-Length` doesn't count.
    pub fn surplus(mut self, bytes: u64) -> Self {
        self.surplus = bytes;
        self
    }

    /// Goes on with filler bytes for ever after the body. `Content-Length`, if sent, is that of the body.
    pub fn endless_body(self) -> Self {
        self.surplus(u64::MAX)
    }

    /// Sends this `Content-Length`, whatever the body's length is: a wrong number, or no number at all.
    pub fn content_length(self, value: impl ToString) -> Self {
        self.header_override("Content-Length", value.to_string())
    }

    /// Sends the body chunked.
    pub fn chunked(mut self) -> Self {
        self.framing = Some(Framing::Chunked(None));
        self
    }

    /// Sends the body chunked, with a mistake.
    pub fn chunk_fault(mut self, fault: ChunkFault) -> Self {
        self.framing = Some(Framing::Chunked(Some(fault)));
        self
    }

    /// Sends no length: the end of the connection is the end of the body.
    pub fn without_length(mut self) -> Self {
        self.framing = Some(Framing::UntilClose);
        self
    }

    /// Answers as if the request had this header (in place of its own of that name). For [`resource`](Self::resource):
    /// `as_if("Range", "bytes=5-9")` sends another range than was asked for.
    pub fn as_if(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request_edits.push((name.into(), Some(value.into())));
        self
    }

    /// Answers as if the request did not have this header. For [`resource`](Self::resource): `as_if_without("Range")`
    /// sends all.
    pub fn as_if_without(mut self, name: impl Into<String>) -> Self {
        self.request_edits.push((name.into(), None));
        self
    }

    pub(super) fn step(mut self, offset: u64, step: Step) -> Self {
        self.delivery.steps.push((offset, step));
        // Stable, so steps at one offset happen in the order they were given.
        self.delivery.steps.sort_by_key(|(offset, _)| *offset);
        self
    }
}
