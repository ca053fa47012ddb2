//! Small pieces into large ones. libcurl gives at most 16 KiB at a time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::AsyncRead;

/// A piece is not made longer than this.
const MOST: usize = 256 << 10;
/// A piece of this length goes out without another look.
const ENOUGH: usize = 64 << 10;
/// What libcurl gives at a time.
const STEP: usize = 16 << 10;
/// So often the sender gets a chance to give more, while there is less than enough.
const LOOKS: u8 = 8;

/// Reads pieces; what was read and not handed out stays here, so a dropped future loses nothing.
#[derive(Debug)]
pub(crate) struct Gather<R> {
    reader: R,
    got: BytesMut,
    looks: u8,
    /// The reader has ended, well or not.
    end: Option<io::Result<()>>,
}

impl<R: AsyncRead + Unpin> Gather<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, got: BytesMut::new(), looks: LOOKS, end: None }
    }

    /// All that is there, up to [`MOST`]. While that is less than [`ENOUGH`] it gives way to other tasks a few times,
    /// because on a fast link the next bytes are just being copied; it never waits for the network once it has any.
    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let pending = self.fill(context);
        if pending && !self.got.is_empty() && self.got.len() < ENOUGH && self.looks > 0 {
            self.looks -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.looks = LOOKS;
        if !self.got.is_empty() {
            return Poll::Ready(Ok(Some(self.got.split().freeze())));
        }
        match self.end.as_mut() {
            // An error is told once.
            Some(end) => Poll::Ready(std::mem::replace(end, Ok(())).map(|()| None)),
            None => Poll::Pending,
        }
    }

    /// Reads until there is no more now, and says whether that is so.
    fn fill(&mut self, context: &mut Context<'_>) -> bool {
        while self.end.is_none() && self.got.len() < MOST {
            let start = self.got.len();
            self.got.resize(start + STEP, 0);
            let read = Pin::new(&mut self.reader).poll_read(context, &mut self.got[start..]);
            let length = if let Poll::Ready(Ok(length)) = read { length } else { 0 };
            self.got.truncate(start + length);
            match read {
                Poll::Pending => return true,
                Poll::Ready(Ok(0)) => self.end = Some(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => self.end = Some(Err(error)),
            }
        }
        false
    }
}
