//! A connection of one's own: HTTP/1.1 over hyper, without TLS and proxies. See `docs/writing-a-backend.md`.

use std::error::Error as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use okdownload_connection::{
    ConnectRequest, Connected, ConnectionCapability, ConnectionFactory, MOST_HEADERS, error,
};
use okdownload_types::{Error, ErrorKind, ResponseHead, Result, redacted};
use tokio::net::TcpStream;
use url::{Host, Position, Url};

/// Makes `http` requests, within a tokio runtime.
#[derive(Debug, Clone, Default)]
pub struct HyperConnectionFactory {
    /// Connections whose last response was read to its end, each with its host and port.
    idle: Arc<Mutex<Vec<(String, Sender)>>>,
}

type Sender = SendRequest<Full<Bytes>>;

#[derive(Debug)]
struct Response {
    head: ResponseHead,
    body: Incoming,
    /// Until the end of the body.
    sender: Option<Sender>,
    factory: HyperConnectionFactory,
}

#[async_trait]
impl ConnectionFactory for HyperConnectionFactory {
    fn capability(&self) -> ConnectionCapability {
        ConnectionCapability::FULL
    }

    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
        let response = self.exchange(&request).await;
        let response = response.map_err(|error| error.with_context("url", redacted(&request.url)))?;
        Ok(Box::new(response))
    }
}

impl HyperConnectionFactory {
    async fn exchange(&self, request: &ConnectRequest) -> Result<Response> {
        let mut message = message(request)?;
        loop {
            let used = self.take(&request.url);
            let is_used = used.is_some();
            let mut sender = if let Some(sender) = used { sender } else { open(request).await? };
            match sender.try_send_request(message).await {
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    let (url, status) = (request.url.clone(), parts.status.as_u16());
                    let head = ResponseHead::new(url, status, parts.version, parts.headers);
                    return Ok(Response { head, body, sender: Some(sender), factory: self.clone() });
                }
                // The server may close an idle connection at any moment. What was not sent goes over another one.
                Err(mut failed) => match failed.take_message().filter(|_| is_used) {
                    Some(unsent) => message = unsent,
                    None => return Err(broken(failed.into_error())),
                },
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(String, Sender)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, url: &Url) -> Option<Sender> {
        let mut idle = self.idle();
        idle.retain(|(_, sender)| !sender.is_closed());
        let found = idle.iter().position(|(place, _)| place == place_of(url))?;
        Some(idle.swap_remove(found).1)
    }
}

fn place_of(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// The request as hyper sends it: nothing is added but what HTTP demands.
fn message(request: &ConnectRequest) -> Result<Request<Full<Bytes>>> {
    let url = &request.url;
    match url.scheme() {
        "http" => {}
        "https" => return Err(Error::new(ErrorKind::Unsupported, "this connection has no TLS")),
        _ => return Err(error::unsendable()),
    }
    let target = Uri::try_from(&url[Position::BeforePath..Position::AfterQuery]);
    let host = HeaderValue::from_str(place_of(url));
    let mut message = Request::new(Full::new(request.body.clone().unwrap_or_default()));
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = target.map_err(|cause| error::unsendable().with_source(cause))?;
    message.headers_mut().insert(header::HOST, host.map_err(|_| error::unsendable())?);
    message.headers_mut().extend(request.headers.clone());
    Ok(message)
}

/// A new connection to the request's server.
async fn open(request: &ConnectRequest) -> Result<Sender> {
    let host = match request.url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        host => host.map(|host| host.to_string()).unwrap_or_default(),
    };
    let connecting = TcpStream::connect((host, request.url.port_or_known_default().unwrap_or(80)));
    let stream = tokio::time::timeout(request.connect_timeout, connecting).await;
    let stream = stream.map_err(|_| error::timed_out())?;
    let stream = stream.map_err(|cause| error::unconnected().with_source(cause))?;
    let mut settings = http1::Builder::new();
    settings.max_headers(MOST_HEADERS);
    let (sender, connection) = settings.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends once nobody has the sender or the body any more. How, those two tell.
    drop(tokio::spawn(connection));
    Ok(sender)
}

/// A connection was there and failed.
fn broken(cause: hyper::Error) -> Error {
    let io = cause.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    // That is how hyper reports bad chunks; sockets have no such errors.
    let is_bad_chunk = matches!(io, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput));
    let known = if cause.is_parse() || is_bad_chunk { error::malformed() } else { error::broken() };
    known.with_source(cause)
}

#[async_trait]
impl Connected for Response {
    fn head(&self) -> &ResponseHead {
        &self.head
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|cause| broken(cause).with_context("url", redacted(&self.head.url)))?;
            // What is no data is a trailer.
            if let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) {
                return Ok(Some(data));
            }
        }
        let done = self.sender.take().map(|sender| (place_of(&self.head.url).to_owned(), sender));
        self.factory.idle().extend(done);
        Ok(None)
    }
}
