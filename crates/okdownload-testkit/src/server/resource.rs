//! A well-behaved resource, with switches for the ways servers differ.

use std::time::{Duration, SystemTime};

use http::Method;

use super::body::Body;
use super::pace::Pace;
use super::reply::Framing;

/// What a path holds: a body and what the server says about it.
///
/// It is answered as RFC 9110 wants it: GET and HEAD, single byte ranges (206 and 416), `If-Range`, `If-None-Match`,
/// `If-Modified-Since`, `If-Match`, `If-Unmodified-Since`. A request for several ranges gets the whole body. As in
/// nginx, a date in `If-Range` holds if it is the very `Last-Modified`, however young that is, so a client that
/// trusts a weak date gets the mixture that it asked for.
///
/// A new resource has a strong `ETag` made from its body, so two resources with different bodies have different ones.
#[derive(Clone, Debug)]
pub struct Resource {
    pub(super) body: Body,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<SystemTime>,
    pub(super) date: Option<SystemTime>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) methods: Vec<Method>,
    pub(super) ranges: bool,
    pub(super) known_total: bool,
    pub(super) framing: Framing,
    pub(super) pace: Pace,
}

impl Resource {
    /// A resource with this content.
    pub fn new(body: Body) -> Self {
        Self {
            etag: Some(format!("\"{:016x}\"", body.fingerprint())),
            body,
            last_modified: None,
            date: None,
            headers: Vec::new(),
            methods: vec![Method::GET, Method::HEAD],
            ranges: true,
            known_total: true,
            framing: Framing::Length,
            pace: Pace::default(),
        }
    }

    /// Its content.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Sets the `ETag`, quotes included: `"v1"` is strong, `W/"v1"` is weak.
    pub fn etag(mut self, etag: impl Into<String>) -> Self {
        self.etag = Some(etag.into());
        self
    }

    /// Sends no `ETag`.
    pub fn without_etag(mut self) -> Self {
        self.etag = None;
        self
    }

    /// Sets `Last-Modified`. Parts of a second are dropped.
    pub fn last_modified(mut self, time: SystemTime) -> Self {
        self.last_modified = Some(time);
        self
    }

    /// Sends neither `ETag` nor `Last-Modified`.
    pub fn without_validators(mut self) -> Self {
        (self.etag, self.last_modified) = (None, None);
        self
    }

    /// Sets `Date`, which otherwise is now. Whether a `Last-Modified` is strong depends on it.
    pub fn date(mut self, date: SystemTime) -> Self {
        self.date = Some(date);
        self
    }

    /// Sets `Content-Type`.
    pub fn content_type(self, value: impl Into<String>) -> Self {
        self.header("Content-Type", value)
    }

    /// Sets `Content-Disposition`.
    pub fn content_disposition(self, value: impl Into<String>) -> Self {
        self.header("Content-Disposition", value)
    }

    /// Adds a header line to every 200, 206 and 304.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Ignores `Range`, and sends no `Accept-Ranges`.
    pub fn without_ranges(mut self) -> Self {
        self.ranges = false;
        self
    }

    /// Refuses HEAD with 405.
    pub fn without_head(mut self) -> Self {
        self.methods.retain(|method| method != Method::HEAD);
        self
    }

    /// Answers this method too, in the way of GET. Methods that are not allowed get 405.
    pub fn allow_method(mut self, method: Method) -> Self {
        self.methods.push(method);
        self
    }

    /// Sends `*` for the total length in `Content-Range`.
    pub fn unknown_total(mut self) -> Self {
        self.known_total = false;
        self
    }

    /// Sends the body chunked, with no `Content-Length`.
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked(None);
        self
    }

    /// Sends no length: the end of the connection is the end of the body.
    pub fn without_length(mut self) -> Self {
        self.framing = Framing::UntilClose;
        self
    }

    /// Sends at most so many bytes per second on each connection; 0 sends nothing until
    /// [`Server::set_rate`](super::Server::set_rate) changes it.
    pub fn rate(mut self, bytes_per_second: u64) -> Self {
        self.pace.rate = Some(bytes_per_second);
        self
    }

    /// Waits before the head of each response.
    pub fn delay_head(mut self, delay: Duration) -> Self {
        self.pace.head_delay = Some(delay);
        self
    }

    /// Sends the body in pieces of so many bytes, each with its own write (and its own chunk if chunked).
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.pace.chunk_size = Some(bytes);
        self
    }

    /// Waits between one piece of the body and the next.
    pub fn chunk_delay(mut self, delay: Duration) -> Self {
        self.pace.chunk_delay = Some(delay);
        self
    }
}
