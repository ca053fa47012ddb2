//! Bytes that come in any order, for an output that takes them in one.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use okdownload_output::OutputStream;
use okdownload_types::{Digest, Result};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::digest::Hash;
use crate::run::canceled;

/// How far connections fetch ahead of an output that takes bytes in order.
///
/// Each fetches a piece; the one at the front is written as it comes, the others wait in memory, up to the end of the
/// window. A piece is claimed only if all of it lies within the window, so nobody ever waits for the window with a
/// connection in his hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// The length of a piece, in bytes.
    pub(crate) piece: u64,
    /// How many bytes beyond the first missing one may be fetched.
    pub(crate) window: u64,
}

impl Ahead {
    /// More connections would make the window larger, or the pieces too small.
    pub(crate) const MOST_CONNECTIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(63);

    /// Larger pieces mean fewer requests, smaller ones less memory: the window of up to
    /// [`MOST_CONNECTIONS`](Self::MOST_CONNECTIONS) is some 64 MiB at most.
    pub(crate) fn of(connections: NonZeroU32) -> Self {
        const PIECE: u64 = 4 << 20;
        const ALL: u64 = 64 << 20;
        let connections = u64::from(connections.get());
        if connections == 1 {
            return Self { piece: u64::MAX, window: u64::MAX };
        }
        let piece = (ALL / connections).min(PIECE);
        Self { piece, window: piece * (connections + 1) }
    }
}

/// Writes what follows on what is written, and keeps what does not yet.
pub(crate) struct InOrder {
    stream: Arc<dyn OutputStream>,
    /// Cancelled when the run is to stop: what waits need not be written then, for nothing of it is kept.
    stop: CancellationToken,
    line: Mutex<Line>,
}

struct Line {
    /// So many bytes are written.
    front: u64,
    /// What came too early, by offset.
    early: BTreeMap<u64, Vec<Bytes>>,
    /// Over what is written: it can't be read again.
    hash: Option<Hash>,
    /// Whether a write failed: what comes behind it has no place any more.
    failed: bool,
}

impl InOrder {
    /// Digests along the way if there is one to be compared with.
    pub(crate) fn new(
        stream: Arc<dyn OutputStream>,
        expected: Option<&Digest>,
        stop: CancellationToken,
    ) -> Self {
        let hash = expected.map(|digest| Hash::new(digest.algorithm()));
        Self {
            stream,
            stop,
            line: Mutex::new(Line { front: 0, early: BTreeMap::new(), hash, failed: false }),
        }
    }

    /// Takes bytes over, and writes all that can be written now. When all bytes of a resource were taken over, all are
    /// written.
    pub(crate) async fn write(&self, offset: u64, data: Vec<Bytes>) -> Result<()> {
        let mut line = self.line.lock().await;
        line.early.insert(offset, data);
        loop {
            let front = line.front;
            if line.failed || self.stop.is_cancelled() {
                line.early.clear();
                return Err(canceled());
            }
            let Some(data) = line.early.remove(&front) else { return Ok(()) };
            if let Some(hash) = &mut line.hash {
                data.iter().for_each(|bytes| hash.update(bytes));
            }
            let length: u64 = data.iter().map(|bytes| bytes.len() as u64).sum();
            let written = self.write_or_interrupt(front, data).await;
            line.failed = written.is_err();
            written?;
            line.front += length;
            // The next one may be at hand, and the output may take it at once; others want to run too.
            tokio::task::yield_now().await;
        }
    }

    async fn write_or_interrupt(&self, offset: u64, data: Vec<Bytes>) -> Result<()> {
        let write = self.stream.write_at(offset, data);
        tokio::pin!(write);
        tokio::select! {
            biased;
            written = &mut write => return written,
            () = self.stop.cancelled() => self.stream.interrupt(),
        }
        write.await
    }

    /// How many bytes were written, and the digest over them if one was asked for.
    pub(crate) async fn finish(&self) -> (u64, Option<Digest>) {
        let mut line = self.line.lock().await;
        (line.front, line.hash.take().and_then(Hash::finish))
    }
}

impl fmt::Debug for InOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InOrder").field("stream", &self.stream).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_bounded() {
        for (connections, piece, window) in
            [(1, u64::MAX, u64::MAX), (2, 4, 12), (4, 4, 20), (16, 4, 68), (32, 2, 66), (64, 1, 65)]
        {
            let mib = |count: u64| count.saturating_mul(1 << 20);
            let expected = Ahead { piece: mib(piece), window: mib(window) };
            assert_eq!(Ahead::of(NonZeroU32::new(connections).unwrap()), expected, "{connections}");
        }
    }
}
