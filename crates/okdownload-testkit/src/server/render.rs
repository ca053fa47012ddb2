//! From a request and its scripted reply to the response: a pure function.

use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::body::Body;
use super::conditional::{Verdict, judge};
use super::delivery::Delivery;
use super::head::{Head, reason_of};
use super::reply::{Framing, Kind, Reply};
use super::request::Request;
use super::resource::Resource;

/// What goes over the wire, and how.
#[derive(Debug)]
pub(super) struct Response {
    /// `None` = bytes that are no answer.
    pub(super) status: Option<u16>,
    pub(super) interim: Vec<u8>,
    pub(super) head: Vec<u8>,
    pub(super) head_is_endless: bool,
    pub(super) body: Body,
    pub(super) surplus: u64,
    pub(super) framing: Framing,
    pub(super) delivery: Delivery,
    pub(super) keep_alive: bool,
}

/// What the resource, or the status, says before the script changes it.
struct Draft {
    status: u16,
    head: Head,
    body: Body,
    framing: Framing,
}

pub(super) fn render(
    request: &Request,
    reply: Reply,
    resource: Option<&Resource>,
    now: SystemTime,
) -> Response {
    if reply.kind == Kind::Raw {
        return raw(reply);
    }
    let mut draft = match (&reply.kind, resource) {
        (Kind::Resource, Some(resource)) => draft_of_resource(request, &reply, resource, now),
        (Kind::Resource, None) => draft_of_status(404, now),
        _ => draft_of_status(200, now),
    };
    draft.status = reply.status.unwrap_or(draft.status);
    draft.body = reply.body.clone().unwrap_or(draft.body);
    draft.framing = reply.framing.unwrap_or(draft.framing);

    // RFC 9110 §6.4.1: answers to HEAD, and these statuses, never have a body.
    let has_no_length = matches!(draft.status, 100..=199 | 204 | 304);
    let has_no_body = has_no_length || request.method == Method::HEAD;
    match draft.framing {
        _ if has_no_length => {}
        Framing::Length => draft.head.add("Content-Length", draft.body.len().to_string()),
        Framing::Chunked(_) => draft.head.add("Transfer-Encoding", "chunked"),
        Framing::UntilClose => {}
    }
    draft.head.apply(&reply.head_edits);
    let end_is_told = has_no_body || (reply.surplus == 0 && draft.tells_its_end());
    let keep_alive = settle_connection(request, &reply, &mut draft.head, end_is_told);

    let mut delivery = reply.delivery;
    delivery.pace = delivery.pace.or(&resource.map(|resource| resource.pace.clone()).unwrap_or_default());
    Response {
        status: Some(draft.status),
        interim: reply.interim,
        head: draft.head.to_bytes(&status_line(
            draft.status,
            &reply.reason,
            &reply.status_line,
            reply.http_1_0,
        )),
        head_is_endless: reply.kind == Kind::EndlessHead,
        body: if has_no_body { Body::empty() } else { draft.body },
        surplus: if has_no_body { 0 } else { reply.surplus },
        framing: if has_no_body { Framing::UntilClose } else { draft.framing },
        delivery,
        keep_alive,
    }
}

fn raw(reply: Reply) -> Response {
    Response {
        status: None,
        interim: reply.interim,
        head: Vec::new(),
        head_is_endless: false,
        body: reply.body.unwrap_or_else(Body::empty),
        surplus: reply.surplus,
        framing: Framing::UntilClose,
        keep_alive: reply.delivery.keep_alive.unwrap_or(false),
        delivery: reply.delivery,
    }
}

fn draft_of_status(status: u16, now: SystemTime) -> Draft {
    let mut head = Head::default();
    head.add("Date", httpdate::fmt_http_date(now));
    Draft { status, head, body: Body::empty(), framing: Framing::Length }
}

fn draft_of_resource(request: &Request, reply: &Reply, resource: &Resource, now: SystemTime) -> Draft {
    let headers = edited_headers(request, &reply.request_edits);
    let mut draft = draft_of_status(200, resource.date.unwrap_or(now));
    let total = if resource.known_total { resource.body.len().to_string() } else { "*".to_owned() };
    match judge(resource, &request.method, &headers) {
        Verdict::MethodNotAllowed => {
            draft.status = 405;
            let methods: Vec<&str> = resource.methods.iter().map(Method::as_str).collect();
            draft.head.add("Allow", methods.join(", "));
        }
        Verdict::PreconditionFailed => draft.status = 412,
        Verdict::Unsatisfiable => {
            draft.status = 416;
            draft.head.add("Content-Range", format!("bytes */{total}"));
        }
        Verdict::NotModified => {
            draft.status = 304;
            describe(resource, &mut draft.head);
        }
        Verdict::Full => draft.send(resource, 0..resource.body.len()),
        Verdict::Partial(range) => {
            draft.status = 206;
            draft.head.add("Content-Range", format!("bytes {}-{}/{total}", range.start, range.end - 1));
            draft.send(resource, range);
        }
    }
    draft
}

impl Draft {
    fn send(&mut self, resource: &Resource, range: Range<u64>) {
        describe(resource, &mut self.head);
        self.body = resource.body.range(range);
        self.framing = resource.framing;
    }

    /// Whether the client can know where this answer ends while the connection stays open.
    fn tells_its_end(&self) -> bool {
        match self.framing {
            Framing::Chunked(fault) => {
                fault.is_none() && self.head.values("transfer-encoding").next().is_some()
            }
            Framing::Length | Framing::UntilClose => {
                let lengths: Vec<&[u8]> = self.head.values("content-length").collect();
                lengths == [self.body.len().to_string().as_bytes()]
            }
        }
    }
}

/// What is said about a resource in each answer that stands for it.
fn describe(resource: &Resource, head: &mut Head) {
    if resource.ranges {
        head.add("Accept-Ranges", "bytes");
    }
    if let Some(etag) = &resource.etag {
        head.add("ETag", etag);
    }
    if let Some(modified) = resource.last_modified {
        head.add("Last-Modified", httpdate::fmt_http_date(modified));
    }
    resource.headers.iter().for_each(|(name, value)| head.add(name, value));
}

fn edited_headers(request: &Request, edits: &[(String, Option<String>)]) -> HeaderMap {
    let mut headers = request.headers.clone();
    for (name, value) in edits {
        let Ok(name) = name.parse::<HeaderName>() else { continue };
        headers.remove(&name);
        if let Some(value) = value.as_ref().and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Decides whether the connection is kept, and says so in the head unless the script speaks of it itself.
fn settle_connection(request: &Request, reply: &Reply, head: &mut Head, end_is_told: bool) -> bool {
    let says_close =
        |head: &Head| head.values("connection").any(|value| value.eq_ignore_ascii_case(b"close"));
    let by_http = request.keeps_alive() && !reply.http_1_0 && end_is_told && !says_close(head);
    let keep_alive = reply.delivery.keep_alive.unwrap_or(by_http);
    if !keep_alive && !reply.head_edits.iter().any(|edit| edit.is_named("connection")) {
        head.add("Connection", "close");
    }
    keep_alive
}

fn status_line(status: u16, reason: &Option<String>, scripted: &Option<Bytes>, http_1_0: bool) -> Vec<u8> {
    if let Some(line) = scripted {
        return line.to_vec();
    }
    let version = if http_1_0 { "HTTP/1.0" } else { "HTTP/1.1" };
    let reason = reason.as_deref().unwrap_or_else(|| reason_of(status));
    format!("{version} {status} {reason}").into_bytes()
}
