//! One connection from accept to close.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::http2;
use super::limit::{Limit, Place, Refusal};
use super::log::Log;
use super::render::render;
use super::reply::Reply;
use super::request::{Request, read_request};
use super::routes::{Answer, Routes};
use super::tls::HTTP2;
use super::transmit::{Next, transmit};
use super::wire::{Stream, Wire};

/// What all connections share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) routes: Routes,
    pub(super) log: Arc<Log>,
    pub(super) limit: Limit,
}

/// A connection just accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) tcp: TcpStream,
    pub(super) number: usize,
}

/// Serves a connection. An error means that the client left in the middle of something.
pub(super) async fn serve(
    shared: Arc<Shared>,
    accepted: Accepted,
    tls: Option<TlsAcceptor>,
    place: Place,
) -> io::Result<()> {
    let connection = accepted.number;
    let stream = handshake(accepted.tcp, tls).await?;
    let mut wire = match stream {
        Stream::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(HTTP2) => {
            return http2::serve(shared, *tls, connection).await;
        }
        stream => Wire::new(stream),
    };
    let mut number = 0;
    while let Some(request) = next_request(&mut wire, connection, number).await? {
        let answer = shared.routes.answer(&request);
        let (next, close_notify) = respond(&mut wire, &shared.log, request, answer).await?;
        if next != Next::KeepAlive {
            return end(wire, next, close_notify, place).await;
        }
        number += 1;
    }
    end(wire, Next::Close, true, place).await
}

/// Turns a connection away.
pub(super) async fn refuse(
    shared: Arc<Shared>,
    accepted: Accepted,
    tls: Option<TlsAcceptor>,
    refusal: Refusal,
) -> io::Result<()> {
    let reply: Reply = match refusal {
        Refusal::Close => return Wire::new(Stream::Plain(accepted.tcp)).close(true).await,
        Refusal::Reset => return accepted.tcp.set_zero_linger(),
        Refusal::Hang => return Err(Wire::new(Stream::Plain(accepted.tcp)).gone().await),
        Refusal::Reply(reply) => reply.close_after(),
    };
    let mut wire = Wire::new(handshake(accepted.tcp, tls).await?);
    let Some(request) = next_request(&mut wire, accepted.number, 0).await? else { return Ok(()) };
    let answer = shared.routes.answer_with(&request, reply);
    let (next, close_notify) = respond(&mut wire, &shared.log, request, answer).await?;
    end(wire, next, close_notify, Place::none()).await
}

async fn handshake(tcp: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<Stream> {
    // A piece must not wait for the next one: tests decide what arrives when.
    tcp.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Stream::Plain(tcp)) };
    match tls.accept(tcp).into_fallible().await {
        Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
        Err((error, tcp)) => {
            // Closed with something unread, the socket would send a reset, which may overtake the alert.
            Wire::new(Stream::Plain(tcp)).close(false).await?;
            Err(error)
        }
    }
}

/// The next request; `None` when there is to be no other. What is no request gets 400.
async fn next_request(wire: &mut Wire, connection: usize, number: usize) -> io::Result<Option<Request>> {
    match read_request(wire, connection, number).await {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            wire.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
            Ok(None)
        }
        result => result,
    }
}

/// Answers one request, and says what comes next and whether TLS is to end in the clean way.
async fn respond(
    wire: &mut Wire,
    log: &Arc<Log>,
    request: Request,
    answer: Answer,
) -> io::Result<(Next, bool)> {
    let response = render(&request, answer.reply, answer.resource.as_deref(), SystemTime::now());
    let mut record = log.begin(request);
    let next = transmit(wire, &response, answer.rate, &mut record).await?;
    Ok((next, response.delivery.close_notify))
}

async fn end(wire: Wire, next: Next, close_notify: bool, place: Place) -> io::Result<()> {
    // The client may come again as soon as it sees the end, and must find its place free.
    drop(place);
    match next {
        Next::Reset => wire.reset().await,
        Next::KeepAlive | Next::Close => wire.close(close_notify).await,
    }
}
