//! One connection, from its first request to its end.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use super::pacer::Pacer;
use super::reply::{self, Request};
use super::slots::Slot;
use super::{Shared, add};

/// Without a limit a file is sent in pieces of this size.
const PIECE: usize = 256 << 10;

/// Serves it until the client leaves, which is no error: that is how downloads are stopped.
pub(super) async fn serve(socket: TcpStream, slot: Slot, shared: Rc<Shared>) {
    if let Err(error) = requests(socket, &slot, &shared).await
        && !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
    {
        crate::tell(&format!("a connection ended: {error}"));
    }
}

async fn requests(mut socket: TcpStream, slot: &Slot, shared: &Shared) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut buffer = Vec::new();
    let mut is_first = true;
    while let Some(request) = next_request(&mut socket, &mut buffer).await? {
        add(&shared.requests, 1);
        let mut wait = shared.round_trip + shared.first_byte;
        if std::mem::take(&mut is_first) {
            add(&shared.connections, 1);
            // Connecting takes a round trip too; on loopback the client has it for free, so its first request pays.
            wait += shared.round_trip;
        }
        if !wait.is_zero() {
            sleep(wait).await;
        }
        let file = File::open(shared.root.join(request.path.trim_start_matches('/'))).ok();
        let length = file.as_ref().and_then(|file| file.metadata().ok()).map(|data| data.len());
        let reply = reply::reply(&request, length);
        socket.write_all(reply.head.as_bytes()).await?;
        if let Some(file) = file {
            send(&mut socket, &file, reply.body, slot, shared).await?;
        }
        if request.closes {
            return socket.shutdown().await;
        }
    }
    Ok(())
}

/// The next request; `None` once the client has left.
async fn next_request(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    loop {
        let parsed = reply::parse(buffer);
        if let Some((request, length)) =
            parsed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?
        {
            buffer.drain(..length);
            return Ok(Some(request));
        }
        if socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// Sends a part of the file, at the connection's rate.
async fn send(
    socket: &mut TcpStream,
    file: &File,
    mut part: Range<u64>,
    slot: &Slot,
    shared: &Shared,
) -> io::Result<()> {
    let mut pacer = slot.rate.map(|rate| Pacer::new(rate, Instant::now()));
    let mut piece = vec![0; pacer.as_ref().map_or(PIECE, Pacer::piece)];
    while part.start < part.end {
        let length = usize::try_from(part.end - part.start).unwrap_or(usize::MAX).min(piece.len());
        // From the page cache: no wait worth a thread.
        file.read_exact_at(&mut piece[..length], part.start)?;
        if let Some(pacer) = &mut pacer {
            sleep_until(pacer.due(length, Instant::now())).await;
        }
        let mut rest = &piece[..length];
        while !rest.is_empty() {
            let sent = socket.write(rest).await?;
            add(&shared.bytes, sent as u64);
            rest = &rest[sent..];
        }
        part.start += length as u64;
    }
    Ok(())
}
