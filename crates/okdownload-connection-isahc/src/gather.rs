//! Small pieces into large ones. libcurl gives at most 16 KiB at a time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::AsyncRead;

/// A piece is not made longer than this.
const MOST: usize = 256 << 10;
/// A piece of this length goes out without another look. isahc keeps 64 KiB ready, so pieces have that length at
/// least on average, if the sender is faster than their reader.
const ENOUGH: usize = 80 << 10;
/// What libcurl gives at a time.
const STEP: usize = 16 << 10;
/// So often at least, and at most, the sender gets a chance to give more while there is less than enough. In between it
/// is the more often, the larger the pieces have been: a slow link is not worth the work.
const LOOKS: (u8, u8) = (4, 32);

/// Reads pieces; what was read and not handed out stays here, so a dropped future loses nothing.
#[derive(Debug)]
pub(crate) struct Gather<R> {
    reader: R,
    got: BytesMut,
    /// How much of it was read; what is behind it is room.
    filled: usize,
    /// How often to look for the next piece, and how often still for this one.
    budget: u8,
    looks: u8,
    /// The reader has ended, well or not.
    end: Option<io::Result<()>>,
}

impl<R: AsyncRead + Unpin> Gather<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, got: BytesMut::new(), filled: 0, budget: LOOKS.0, looks: LOOKS.0, end: None }
    }

    /// All that is there, up to [`MOST`]. While that is less than [`ENOUGH`] it gives way to other tasks a few times,
    /// because on a fast link the next bytes are just being copied; it never waits for the network once it has any.
    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        let pending = self.fill(context);
        if pending && self.filled > 0 && self.filled < ENOUGH && self.looks > 0 {
            self.looks -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.filled > 0 {
            let fast = self.filled > STEP;
            self.budget = if fast { self.budget.saturating_mul(2) } else { self.budget / 2 };
            self.budget = self.budget.clamp(LOOKS.0, LOOKS.1);
        }
        self.looks = self.budget;
        if self.filled > 0 {
            return Poll::Ready(Ok(Some(self.take())));
        }
        match self.end.as_mut() {
            // An error is told once.
            Some(end) => Poll::Ready(std::mem::replace(end, Ok(())).map(|()| None)),
            None => Poll::Pending,
        }
    }

    /// Reads until there is no more now, and says whether that is so.
    fn fill(&mut self, context: &mut Context<'_>) -> bool {
        while self.end.is_none() && self.filled < MOST {
            // Room that was not needed is kept for the next look.
            if self.got.len() == self.filled {
                self.got.resize(self.filled + STEP, 0);
            }
            let room = &mut self.got[self.filled..];
            match Pin::new(&mut self.reader).poll_read(context, room) {
                Poll::Pending => return true,
                Poll::Ready(Ok(0)) => self.end = Some(Ok(())),
                Poll::Ready(Ok(length)) => self.filled += length,
                Poll::Ready(Err(error)) => self.end = Some(Err(error)),
            }
        }
        false
    }

    fn take(&mut self) -> Bytes {
        let filled = std::mem::take(&mut self.filled);
        self.got.split_to(filled).freeze()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;

    /// What each read gives: so many bytes, or nothing yet.
    struct Script(VecDeque<Option<usize>>);

    impl AsyncRead for Script {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            out: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            match self.0.pop_front() {
                None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Some(None) => Poll::Pending,
                Some(Some(length)) => {
                    out[..length].fill(7);
                    Poll::Ready(Ok(length))
                }
            }
        }
    }

    /// The lengths of the pieces, with `None` for each time that a future would have waited.
    fn pieces(script: impl IntoIterator<Item = Option<usize>>) -> (Vec<Option<usize>>, bool) {
        let mut gather = Gather::new(Script(script.into_iter().collect()));
        let (mut lengths, mut context) = (Vec::new(), Context::from_waker(Waker::noop()));
        loop {
            match gather.poll_piece(&mut context) {
                Poll::Pending => lengths.push(None),
                Poll::Ready(Ok(Some(piece))) => lengths.push(Some(piece.len())),
                Poll::Ready(end) => return (lengths, end.is_ok()),
            }
        }
    }

    #[test]
    fn what_is_there_comes_in_one_piece() {
        let full = Some(STEP);
        assert_eq!(pieces([full, full, full, full, full, None, Some(0)]), (vec![Some(5 * STEP)], true));
        assert_eq!(
            pieces(std::iter::repeat_n(full, 20).chain([Some(0)])),
            (vec![Some(MOST), Some(4 * STEP)], true)
        );
        assert_eq!(pieces([Some(0)]), (vec![], true));
    }

    #[test]
    fn little_waits_a_moment_and_no_longer() {
        let looks = usize::from(LOOKS.0);
        let script = [Some(9)].into_iter().chain(std::iter::repeat_n(None, looks + 1)).chain([Some(0)]);
        assert_eq!(pieces(script), ([vec![None; looks], vec![Some(9)]].concat(), true));
        assert_eq!(pieces([None, Some(9), None, Some(5), Some(0)]), (vec![None, None, Some(14)], true));
    }

    #[test]
    fn an_error_comes_after_what_came_before_it() {
        assert_eq!(pieces([Some(9)]), (vec![Some(9)], false));
    }
}
