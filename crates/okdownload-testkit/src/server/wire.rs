//! One connection: bytes in, bytes out, and the ways to end it.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::arrival;

/// While a response is held, at most so much of what the client sends is taken in.
const MAX_INBOX: usize = 1024 * 1024;

/// A connection with the bytes that came in and were not used yet.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    pub(super) inbox: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Runs the same call on either kind of stream.
macro_rules! on {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Plain($inner) => $call,
            Stream::Tls($inner) => $call,
        }
    };
}

impl Stream {
    fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_mut().0,
        }
    }
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, inbox: Vec::new() }
    }

    /// Reads more into the inbox. 0 = the client closed its side.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        let Self { stream, inbox } = self;
        on!(stream, inner => inner.read_buf(inbox).await)
    }

    /// Writes some of `bytes` and says how many.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match on!(&mut self.stream, inner => inner.write(bytes).await)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            written => Ok(written),
        }
    }

    /// Pushes out what TLS may still hold. A wait must never come between a write and its flush.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        on!(&mut self.stream, inner => inner.flush().await)
    }

    /// Writes all of `bytes`.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        on!(&mut self.stream, inner => inner.write_all(bytes).await)?;
        self.flush().await
    }

    /// Waits for `future`, or for the client to leave, which is an error.
    pub(super) async fn unless_gone<F: Future>(&mut self, future: F) -> io::Result<F::Output> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            error = self.gone() => Err(error),
        }
    }

    /// Waits until the client leaves. What it sends meanwhile goes to the inbox.
    pub(super) async fn gone(&mut self) -> io::Error {
        while self.inbox.len() < MAX_INBOX {
            match self.fill().await {
                Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
        std::future::pending().await
    }

    /// Closes in the clean way: all that was written arrives, then the end.
    ///
    /// A socket that is closed with unread input sends a reset, which can destroy what is still under way. So it only
    /// closes its own side, and then reads until the client has closed too.
    pub(super) async fn close(mut self, close_notify: bool) -> io::Result<()> {
        if close_notify {
            on!(&mut self.stream, inner => inner.shutdown().await)?;
        } else {
            self.stream.tcp().shutdown().await?;
        }
        let mut scratch = vec![0; 16 * 1024];
        while self.stream.tcp().read(&mut scratch).await? > 0 {}
        Ok(())
    }

    /// Closes with a reset, once all that was written has arrived.
    pub(super) async fn reset(mut self) -> io::Result<()> {
        let (local, peer) = self.addresses()?;
        self.unless_gone(arrival::all_arrived(local, peer)).await?;
        self.stream.tcp().set_zero_linger()
    }

    fn addresses(&mut self) -> io::Result<(SocketAddr, SocketAddr)> {
        let tcp = self.stream.tcp();
        Ok((tcp.local_addr()?, tcp.peer_addr()?))
    }
}
