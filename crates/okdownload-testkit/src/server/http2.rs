//! A connection that speaks HTTP/2: well-behaved answers only.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderName, HeaderValue, Version, header};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use super::connection::Shared;
use super::log::Record;
use super::render::{Response, render};
use super::request::Request;

/// What is put into one frame at most: every peer must take so much (RFC 9113 §4.2).
const FRAME: usize = 16 * 1024;

/// Serves the connection until the client leaves. Its streams end with it.
pub(super) async fn serve(
    shared: Arc<Shared>,
    stream: TlsStream<TcpStream>,
    connection: usize,
) -> io::Result<()> {
    let mut wire = h2::server::handshake(stream).await.map_err(io::Error::other)?;
    let mut streams = JoinSet::new();
    let mut number = 0;
    // Waiting for the next stream is what moves those that are open.
    while let Some(accepted) = wire.accept().await {
        let (request, respond) = accepted.map_err(io::Error::other)?;
        streams.spawn(answer(Arc::clone(&shared), request, respond, (connection, number)));
        number += 1;
        while streams.try_join_next().is_some() {}
    }
    Ok(())
}

/// Answers one request. An error means that the client does not want the answer any more.
async fn answer(
    shared: Arc<Shared>,
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    (connection, number): (usize, usize),
) -> Result<(), h2::Error> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let request = Request {
        method: parts.method,
        path,
        headers: parts.headers,
        body: read(body).await?,
        connection,
        number,
        version: Version::HTTP_2,
    };
    let answer = shared.routes.answer(&request);
    let response = render(&request, answer.reply, answer.resource.as_deref(), SystemTime::now());
    let mut record = shared.log.begin(request);
    let Some(head) = head_of(&response) else {
        respond.send_reset(h2::Reason::INTERNAL_ERROR);
        return Ok(());
    };
    record.status(head.status().as_u16());
    if response.body.is_empty() {
        record.ending();
        respond.send_response(head, true)?;
        return Ok(());
    }
    let stream = respond.send_response(head, false)?;
    send(stream, &response, &mut record).await
}

/// The head without what belongs to a connection of HTTP/1.1 (RFC 9113 §8.2.2).
fn head_of(response: &Response) -> Option<http::Response<()>> {
    let mut lines = [httparse::EMPTY_HEADER; 256];
    let mut parsed = httparse::Response::new(&mut lines);
    parsed.parse(&response.head).ok()?;
    let mut head = http::Response::builder().status(parsed.code?).body(()).ok()?;
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        if name != header::CONNECTION && name != header::TRANSFER_ENCODING {
            head.headers_mut().append(name, HeaderValue::from_bytes(line.value).ok()?);
        }
    }
    Some(head)
}

async fn read(mut body: RecvStream) -> Result<Bytes, h2::Error> {
    let mut kept = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        kept.extend_from_slice(&piece);
    }
    Ok(kept.into())
}

/// Sends the body as fast as the client takes it.
async fn send(
    mut stream: SendStream<Bytes>,
    response: &Response,
    record: &mut Record,
) -> Result<(), h2::Error> {
    let mut position = 0;
    while position < response.body.len() {
        let left = usize::try_from(response.body.len() - position).unwrap_or(usize::MAX);
        stream.reserve_capacity(left.min(FRAME));
        let Some(room) = poll_fn(|context| stream.poll_capacity(context)).await else { break };
        let piece = response.body.slice(position..position + room?.min(left).min(FRAME) as u64);
        position += piece.len() as u64;
        record.sending(piece.len());
        let end = position == response.body.len();
        if end {
            record.ending();
        }
        stream.send_data(piece.into(), end)?;
    }
    Ok(())
}
